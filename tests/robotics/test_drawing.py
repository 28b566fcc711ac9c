"""The drawn views of a table: true to the simulator's pictures, the same bytes in any batch."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.robotics.drawing import draw_runs, grown, look_at
from gwm_core.robotics.rig import Rig, tabletop_rig
from gwm_core.robotics.view_bodies import gripper, things, upright
from gwm_core.robotics.view_light import Light, Seen, fit
from gwm_core.robotics.view_look import COLOURS, KINDS, along, colour_of
from gwm_core.robotics.view_register import Placed, columns, moved, register
from gwm_core.simulators.tabletop import OBJECTS, Tabletop
from gwm_core.training.contacts_data import axes_of

RIG = tabletop_rig()
WAY = [0.02, 0.012, -0.012, 0.03, -0.03, 0.06, 0.1]
STATE = ("robot", "opening", "place", "axes", "present")


def state(sim: Tabletop) -> dict:
    """What `draw_runs` takes, as it is in a simulator; half sizes too."""
    truth = sim.truth()
    out = {"robot": np.array([*truth.tip, *truth.rpy]), "opening": truth.opening,
           "place": np.zeros((4, 3)), "axes": upright(np.zeros(4)), "half": np.full((4, 3), 0.02),
           "present": np.zeros(4)}
    for i, name in enumerate(OBJECTS):
        if name in truth.objects:
            out["place"][i], out["half"][i] = truth.objects[name][1], truth.objects[name][3]
            out["axes"][i], out["present"][i] = axes_of(truth.quats[name]), 1
    return out


def looked(sim: Tabletop, rig: Rig = RIG, **changes):
    """The table of a simulator's present look, told the true state."""
    truth, seen, now = sim.truth(), sim.observe()["pixels"], state(sim)
    offsets = np.zeros((3, 5))
    for k, view in enumerate(RIG.fixed):
        offsets[k] = truth.cameras[view] - np.array(RIG.fixed[view])
    masks = {v: sim.masks(v) for v in RIG.views}
    rgb = np.array([colour_of(seen, masks, 2 + k, COLOURS[k]) for k in range(4)])
    marks = {name: (*zone[1][:2], truth.rail[2] if name == "rail_end" else 0.0)
             for name, zone in truth.zones.items()}
    told = {k: now[k] for k in ("opening", "place", "axes", "present")} | {"marks": marks}
    return look_at(rig, seen, masks, now["robot"], offsets, KINDS, now["half"], rgb,
                   **(told | changes))


def drawn(table, rows: list[dict], **kwargs):
    columns = [np.stack([np.asarray(r[k]) for r in rows]) for k in STATE]
    return draw_runs((table,) * len(rows), *columns, **kwargs)


def psnr(a, b) -> float:
    error = ((a.astype(float) - b) ** 2).mean()
    return 10 * np.log10(255**2 / max(error, 1e-3))


@pytest.fixture(scope="module")
def runs() -> list[dict]:
    """By task: the table of the first look, later states, pictures and masks."""
    out = []
    for task, seed in (("push", 4), ("pick_place", 11), ("stack", 7), ("slide", 9)):
        sim = Tabletop(task, seed)
        table, rows, seen, masks = looked(sim), [], [], []
        for _ in range(9):
            obs = sim.step(WAY)
            rows.append(state(sim))
            seen.append(obs["pixels"])
            masks.append({v: sim.masks(v) for v in RIG.views})
        out.append({"sim": sim, "table": table, "rows": rows, "seen": seen, "masks": masks})
    yield out
    for run in out:
        run["sim"].close()


@pytest.mark.parametrize("k", range(4))
def test_the_true_state_gives_the_true_pictures(runs, k):
    run = runs[k]
    rgb, _ = drawn(run["table"], run["rows"])
    for v, view in enumerate(RIG.views):
        close = [psnr(rgb[t, v], run["seen"][t][view]) for t in range(len(rgb))]
        assert np.mean(close) > 33 and min(close) > 28, (view, close)


def test_labels_are_the_simulators_masks(runs):
    for run in runs:
        _, label = drawn(run["table"], run["rows"])
        true = np.stack([[m[v] for v in RIG.views] for m in run["masks"]])
        moves = (label > 0) | (true > 0)
        assert (label == true).mean() > 0.99
        assert (label == true)[moves].mean() > 0.93


def test_a_still_camera_keeps_its_pixels(runs):
    """Nothing is drawn anew where a fixed camera sees what it saw."""
    run = runs[0]
    table, first = run["table"], run["sim"].reset()["pixels"]["front"]
    away = {**run["rows"][0], "present": np.zeros(4)}
    away["robot"] = away["robot"] + [0, 0, 0.3, 0, 0, 0]
    rgb, label = drawn(table, [away])
    still = ~grown(run["sim"].masks("front") > 0, 2) & (label[0, 0] == 0)
    assert still.mean() > 0.7
    assert np.array_equal(rgb[0, 0][still], first[still])


def test_what_was_hidden_is_not_left_behind(runs):
    """Where a thing stood at first there is table when it has gone."""
    run = runs[0]
    table, sim = run["table"], run["sim"]
    sim.reset()
    before = state(sim)
    mask = sim.masks("front") == 2
    gone = {**before, "present": np.zeros(4)}
    there, empty = drawn(table, [before, gone])[0][:, 0].astype(int)
    red = [p[mask][:, 0] - p[mask][:, 1] for p in (there, empty)]
    assert np.median(red[0]) > 60 and np.median(red[1]) < 30


def test_the_same_bytes_alone_in_a_batch_and_on_threads(runs):
    tables = tuple(r["table"] for r in runs)
    rows = [r["rows"][5] for r in runs]
    columns = [np.stack([np.asarray(r[k]) for r in rows]) for k in STATE]
    rgb, label = draw_runs(tables, *columns)
    again = draw_runs(tables, *columns, threads=3)
    assert np.array_equal(rgb, again[0]) and np.array_equal(label, again[1])
    for b, table in enumerate(tables):
        alone = draw_runs((table,), *(c[b : b + 1] for c in columns))
        assert np.array_equal(alone[0][0], rgb[b]) and np.array_equal(alone[1][0], label[b])


def test_light_is_found_from_faces_of_known_colour():
    true = Light(0.40, RIG.lamps.head, (0.2, 0.15, 0.35))
    draw = np.random.default_rng(0)
    normal = np.concatenate([np.eye(3), -np.eye(3)])[draw.integers(6, size=400)]
    body = draw.integers(2, size=400)
    back = np.tile([0.0, -0.8, 0.6], (400, 1))
    colours = np.array([[0.3, 0.31, 0.35], [0.7, 0.2, 0.1]])
    rgb = np.clip(colours[body] * true.on(normal, back)[:, None], 0, 1)
    rgb[:30] = draw.random((30, 3))  # what was taken for a body and is none
    taken = colours + [[0, 0, 0], [0.1, -0.05, 0.05]]
    light, found = fit(Seen(body, normal, back, rgb, np.ones(400)), RIG.lamps, taken,
                       np.array([True, False]))
    assert np.allclose(light.packed(), true.packed(), atol=0.02)
    assert np.allclose(found, colours, atol=0.02)


def test_light_without_faces_is_the_usual():
    nothing = Seen(np.zeros(0, int), *(np.zeros((0, 3)) for _ in range(3)), np.zeros(0))
    light, colours = fit(nothing, RIG.lamps, np.full((1, 3), 0.4), np.array([False]))
    assert light == Light.usual(RIG.lamps) and np.allclose(colours, 0.4)


def test_a_table_beside_the_camera_shows_its_side(runs):
    """The wrist's camera in front of the table's edge."""
    row = {**runs[0]["rows"][0], "present": np.zeros(4)}
    row["robot"] = np.array([0.0, -0.335, 0.05, 0, 0, 0.0])
    rgb, _ = drawn(runs[0]["table"], [row])
    colours = rgb[0, 2].reshape(-1, 3)
    assert len(np.unique(colours[::7] // 24, axis=0)) >= 3  # floor, side, top


def test_drawing_makes_read_places_truer(runs):
    """What was read some millimetres and a large turn off is found again in the pictures."""
    draw = np.random.default_rng(5)
    before, after = [], []
    for run in runs[:3]:
        sim, table = run["sim"], run["table"]
        seen, now = sim.reset()["pixels"], state(sim)
        marks = {name: (*zone[1][:2], 0.0) for name, zone in sim.truth().zones.items()}
        true = Placed(table.offsets, now["place"], now["axes"], now["half"], now["present"], marks)
        cols = columns(RIG, KINDS, true)
        read = moved(true, cols, [draw.normal(0, 0.3 if c.part == "yaw" else 0.6 * c.spread)
                                  for c in cols])
        found = register(RIG, table, seen, now["robot"], now["opening"], read)
        again = register(RIG, table, seen, now["robot"], now["opening"], read)
        assert np.array_equal(found.place, again.place) and found.marks == again.marks
        for places, out in ((read, before), (found, after)):
            off = np.linalg.norm(places.place - true.place, axis=1)[true.present > 0]
            out += [*off, *(np.hypot(places.marks[n][0] - marks[n][0],
                                     places.marks[n][1] - marks[n][1]) for n in marks)]
    assert np.mean(before) > 0.003 and np.mean(after) < 0.0015
    assert max(after) < 0.005


def test_fingers_close_on_a_thing_where_it_is():
    place = np.array([[[0.012, 0.0, 0.03]], [[0.0, 0.2, 0.03]]])
    rows = things(("box",), place, upright(np.zeros((2, 1))), np.full((2, 1, 3), 0.025),
                  np.ones((2, 1, 3)), np.ones((2, 1)))
    robot = np.zeros((2, 6))
    opening = np.full(2, 0.05 / RIG.opening)
    parts = [p.name for p in RIG.parts]
    left, right = (gripper(RIG, robot, opening, rows)[:, parts.index(n)] for n in ("left", "right"))
    middle = (left[:, 2] + right[:, 2]) / 2
    assert middle == pytest.approx([0.012, 0.0], abs=1e-9)  # a thing far off moves nothing
    assert right[:, 2] - left[:, 2] - 2 * RIG.parts[2].half[0] == pytest.approx(0.05)


def test_a_rail_points_from_its_knob_to_its_end():
    axes = np.array([np.cos(0.3), np.sin(0.3), 0, -np.sin(0.3), np.cos(0.3), 0])
    end = np.array([0.1 * np.cos(2.0), 0.1 * np.sin(2.0), 0])
    assert along(np.zeros(3), axes, end) == pytest.approx(2.0)
    near = end * 0.3  # then the knob's own sides say it better
    turn = along(np.zeros(3), axes, near)
    assert np.cos(turn - 0.3 - np.pi / 2) == pytest.approx(1, abs=1e-6)


def test_rigs_without_marks_are_read_too():
    old = {k: v for k, v in RIG.to_json().items()
           if k not in ("marks", "lines", "lamps", "thickness")}
    rig = Rig.from_json(old)
    assert rig.marks == () and rig.lines is None
    sim = Tabletop("push", 3)
    table, seen, now = looked(sim, rig), sim.observe()["pixels"], state(sim)
    sim.close()
    front = table.draw(now["robot"], 1.0, now["place"], np.zeros(4), now["present"])["front"]
    assert psnr(front.rgb, seen["front"]) > 24
