"""The tabletop simulator: scenes, exact branches, violations, experts, pictures and shards."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("mujoco")

from gwm_core.errors import RoboticsError  # noqa: E402
from gwm_core.raster import axes  # noqa: E402
from gwm_core.simulators.tabletop import (  # noqa: E402
    ACTION_LIMIT,
    FOVY,
    OBJECTS,
    SENTENCES,
    STYLES,
    TASKS,
    VIEWS,
    VIOLATIONS,
    Tabletop,
    expert,
    generate,
    load_shard,
    make_scene,
    record,
)
from gwm_core.simulators.tabletop.record import SHARES, episode_plan, shard_path  # noqa: E402


def drawing_works() -> bool:
    try:
        Tabletop("push", 0).observe()
    except Exception:  # no off-screen OpenGL on this machine
        return False
    return True


needs_gl = pytest.mark.skipif(not drawing_works(), reason="no off-screen OpenGL here")


def move(sim: Tabletop, *goals, closing: float = 0.0, limit: float = 0.03) -> set[str]:
    """Drive the tip through places; the names of all violations on the way."""
    seen: set[str] = set()
    closed = float(sim.command()[6])
    for goal in goals:
        for _ in range(40):
            gap = np.asarray(goal, float) - sim.truth().tip
            if np.linalg.norm(gap) < 0.004:
                break
            gap *= 0.75 * min(1.0, limit / max(float(np.linalg.norm(0.75 * gap)), 1e-9))
            grip = float(np.clip(2 * (closing - closed), -1, 1))
            closed = float(np.clip(closed + 0.5 * grip, 0, 1))
            sim.advance([*gap, 0, 0, 0, grip])
            seen |= set(sim.violations())
    return seen


def grip(sim: Tabletop, change: float, ticks: int = 3) -> set[str]:
    seen: set[str] = set()
    for _ in range(ticks):
        sim.advance([0, 0, 0, 0, 0, 0, change])
        seen |= set(sim.violations())
    return seen


def a_scene(task: str, wanted) -> Tabletop:
    """The first scene of a task that is as wanted."""
    seed = next(s for s in range(200) if wanted(make_scene(task, s)))
    return Tabletop(task, seed)


# ------------------------------------------------------------------ scenes
def test_scenes_are_fixed_by_task_and_seed_and_keep_things_apart():
    with_zone = 0
    for task in TASKS:
        for seed in range(20):
            scene = make_scene(task, seed)
            assert scene == make_scene(task, seed)
            spots = [t.pos[:2] for t in scene.objects]
            for i, a in enumerate(spots):
                assert all(math.dist(a, b) > 0.07 for b in spots[:i])
            zone = scene.zone("keep_out")
            with_zone += zone is not None
            if zone:
                assert all(math.dist((zone.x, zone.y), p) > 0.10 for p in spots)
                assert math.dist((zone.x, zone.y), scene.tip[:2]) > 0.07
        assert make_scene(task, 1) != make_scene(task, 2)
    assert 0.5 < with_zone / 80 < 0.85
    assert make_scene("push", 2**64 - 1).seed == 2**64 - 1


def test_nothing_moves_or_is_violated_while_nothing_is_done():
    for task in TASKS:
        sim = Tabletop(task, 11)
        before = sim.truth()
        for _ in range(20):
            sim.advance(np.zeros(7))
            assert sim.violations() == () and not sim.success()
        after = sim.truth()
        for name, (_, pos, *_) in before.objects.items():
            assert np.abs(after.objects[name][1] - pos).max() < 1e-3
        assert np.abs(after.tip - before.tip).max() < 1e-4
        assert sim.agent_pos()[6] == pytest.approx(1.0, abs=0.01)


def test_what_is_accepted():
    with pytest.raises(RoboticsError, match="push, pick_place, stack, slide"):
        Tabletop("fold", 0)
    with pytest.raises(RoboticsError, match="16 to 1024"):
        Tabletop("push", 0, size=3)
    with pytest.raises(ValueError, match="seed"):
        Tabletop("push", -1)
    with pytest.raises(RoboticsError, match="expert, noisy"):
        expert("push", "bold")
    sim = Tabletop("push", 0)
    for action, text in (
        (np.zeros(6), r"\[7\]"), (np.zeros((1, 7)), r"\[7\]"),
        ([0, math.nan, 0, 0, 0, 0, 0], "dy not finite"),
        ([0, 0, 0, 0, 0, math.inf, 0], "dyaw not finite"),
        ([0.05, 0, 0, 0, 0, 0, 0], "dx = 0.05; -0.04 to 0.04"), ("left", "seven numbers"),
        ([0, 0, 0, 0, 0, 0, -1.01], "grip = -1.01"),
    ):
        with pytest.raises(RoboticsError, match=text):
            sim.advance(action)
    assert sim.tick == 0
    sim.advance(np.float32(ACTION_LIMIT))
    sim.advance(ACTION_LIMIT + 9e-7)
    assert sim.tick == 2


def test_a_missing_mujoco_is_named():
    code = ("import sys; sys.modules['mujoco'] = None\n"
            "from gwm_core.errors import RoboticsError\n"
            "try:\n    import gwm_core.simulators.tabletop\n"
            "except RoboticsError as e:\n    print(e)")
    out = subprocess.run([sys.executable, "-c", code], text=True, check=True, capture_output=True)
    assert 'pip install "gwm[robotics]"' in out.stdout


# ------------------------------------------------------------------ motion
def test_a_commanded_step_is_reached_within_two_ticks_without_overshoot():
    sim = Tabletop("push", 3)
    for axis in range(3):
        start = sim.truth().tip[axis]
        sim.advance(np.eye(7)[axis] * 0.03)
        first = sim.truth().tip[axis] - start
        sim.advance(np.zeros(7))
        second = sim.truth().tip[axis] - start
        assert 0.015 < first < 0.0301 and 0.0290 < second < 0.0302
    sim.advance([0, 0, 0, 0.2, -0.1, 0.3, 0])
    sim.advance(np.zeros(7))
    assert np.allclose(sim.truth().rpy - (0, 0, sim.scene.yaw), (0.2, -0.1, 0.3), atol=0.01)


def test_targets_end_where_the_robot_ends():
    sim = Tabletop("push", 3)
    for _ in range(40):
        sim.advance([0.04, 0, 0.04, 0.3, 0.3, 0.3, 0])
    assert np.allclose(sim.truth().tip[[0, 2]], (0.335, 0.34), atol=0.004)
    assert np.allclose(sim.truth().rpy, (0.35, 0.35, 1.5), atol=0.01)


def test_a_held_box_is_lifted_without_slipping_and_its_weight_is_not_felt():
    sim = a_scene("pick_place", lambda s: abs(s.thing("red").yaw) < 0.4)
    _, red, yaw, *_ = sim.truth().objects["red"]
    for _ in range(8):
        sim.advance([0, 0, 0, 0, 0, np.clip(yaw - sim.truth().rpy[2], -0.3, 0.3), 0])
    move(sim, (*red[:2], 0.12), (*red[:2], 0.014))
    grip(sim, 1.0)
    held = sim.agent_pos()
    assert held[7] > 0.9 and 0.5 < held[6] < 0.75
    at = sim.truth().tip - sim.truth().objects["red"][1]
    move(sim, (*red[:2], 0.16), (0, 0, 0.16), (0.08, 0.05, 0.12), closing=1.0)
    truth = sim.truth()
    assert truth.objects["red"][1][2] > 0.1
    assert np.linalg.norm(truth.tip - truth.objects["red"][1] - at) < 0.004
    assert sim.agent_pos()[8] < 0.2


# ------------------------------------------------------------------ snapshots
def test_a_branch_from_a_snapshot_is_exact_also_in_another_object():
    sim = Tabletop("stack", 6)
    policy = expert("stack", "clumsy")
    policy.reset(1)
    for _ in range(22):
        sim.advance(policy.act(sim.truth()))
    kept = sim.get_state()
    plan = np.random.default_rng(0).uniform(-1, 1, (15, 7)) * ACTION_LIMIT * (1, 1, 1, 1, 1, 1, 0.5)

    def play(world: Tabletop) -> list:
        rows = []
        for action in plan:
            world.advance(action)
            rows.append((world.agent_pos().tobytes(), world.violations(), world.success(),
                         world.get_state()))
        return rows

    first = play(sim)
    sim.set_state(kept)
    assert sim.get_state() == kept and sim.tick == 22
    assert play(sim) == first
    other = Tabletop("stack", 6)
    other.set_state(kept)
    assert play(other) == first


def test_a_branch_is_exact_in_another_process():
    sim = Tabletop("push", 4)
    for _ in range(12):
        sim.advance([0.02, 0.01, -0.03, 0, 0, 0.1, 0.3])
    kept = sim.get_state()
    code = (
        "import sys; from gwm_core.simulators.tabletop import Tabletop\n"
        "s = Tabletop('push', 4); s.set_state(bytes.fromhex(sys.stdin.read()))\n"
        "for _ in range(6): s.advance([-0.03, 0.02, -0.01, 0, 0, 0, 0.5])\n"
        "print(s.get_state().hex())")
    out = subprocess.run([sys.executable, "-c", code], input=kept.hex(), text=True, check=True,
                         capture_output=True).stdout
    for _ in range(6):
        sim.advance([-0.03, 0.02, -0.01, 0, 0, 0, 0.5])
    assert bytes.fromhex(out.strip()) == sim.get_state()


def test_snapshots_of_other_scenes_are_refused():
    sim = Tabletop("push", 4)
    kept = sim.get_state()
    for other in (Tabletop("push", 5), Tabletop("slide", 4)):
        mine = other.get_state()
        with pytest.raises(RoboticsError, match=f"task '{other.task}', seed {other.seed}"):
            other.set_state(kept)
        assert other.get_state() == mine
    for bad, text in ((b"", "not one"), (b"x" * 500, "format"), (kept[:-8], "bytes"),
                      ("text", "not one")):
        with pytest.raises(RoboticsError, match=text):
            sim.set_state(bad)
    sim.reset(seed=5)
    with pytest.raises(RoboticsError, match="another scene"):
        sim.set_state(kept)


@needs_gl
def test_reset_gives_the_scene_of_a_seed():
    sim = Tabletop("slide", 1)
    first = sim.observe()
    move(sim, (0.1, 0.1, 0.1))
    again, other = sim.reset(), sim.reset(seed=2)
    back = sim.reset(1)
    for v in VIEWS:
        assert first["pixels"][v].tobytes() == again["pixels"][v].tobytes()
        assert first["pixels"][v].tobytes() == back["pixels"][v].tobytes()
        assert (first["pixels"][v] != other["pixels"][v]).any()


# ------------------------------------------------------------------ violations
def test_workspace_and_speed():
    sim = a_scene("push", lambda s: s.zone("keep_out") is None)
    tip = sim.truth().tip
    assert move(sim, (tip[0], tip[1], 0.27), (0.26, tip[1], 0.27)) == set()
    assert move(sim, (0.30, tip[1], 0.27)) == {"workspace"}
    assert move(sim, (0.0, tip[1], 0.27)) == {"workspace"}  # on the way back in
    assert move(sim, (0.0, tip[1], 0.25)) == set()
    assert move(sim, (0.0, tip[1], 0.33)) == {"workspace"}
    fast = Tabletop("push", sim.seed)
    for sign in (1, -1, 1):
        for _ in range(3):
            fast.advance([0.04 * sign, 0, 0, 0, 0, 0, 0])  # .4 m/s is allowed
            assert "speed" not in fast.violations()
    for _ in range(3):
        fast.advance([-0.04, 0.04, 0, 0, 0, 0, 0])
    assert "speed" in fast.violations()


def test_keep_out_is_seen_from_above():
    sim = a_scene("push", lambda s: s.zone("keep_out") is not None)
    zone = sim.scene.zone("keep_out")
    side = 1 if zone.x < 0 else -1
    beside = move(sim, (sim.truth().tip[0], sim.truth().tip[1], 0.25))
    assert "keep_out" not in beside
    assert "keep_out" not in move(sim, (zone.x + side * 0.085, zone.y, 0.25))
    assert "keep_out" in move(sim, (zone.x + side * 0.05, zone.y, 0.25))
    off = a_scene("push", lambda s: s.zone("keep_out") is None)
    spot = (zone.x, zone.y, 0.25)
    assert "keep_out" not in move(off, (*off.truth().tip[:2], 0.25), spot)


def test_force_is_felt_in_newtons():
    sim = a_scene("push", lambda s: s.zone("keep_out") is None)
    free = next((x, y) for x in np.linspace(-0.2, 0.2, 9) for y in np.linspace(-0.2, 0.2, 9)
                if all(math.dist((x, y), t.pos[:2]) > 0.12 for t in sim.scene.objects))
    assert move(sim, (*sim.truth().tip[:2], 0.2), (*free, 0.2), (*free, 0.01)) == set()
    assert sim.agent_pos()[8] == 0.0
    forces, broken = [], []
    for _ in range(6):
        sim.advance([0, 0, -0.006, 0, 0, 0, 0])
        forces.append(float(sim.agent_pos()[8]))
        broken.append("force" in sim.violations())
    assert broken == [f > 12 for f in forces] and broken[-1] and not broken[0]
    assert 3 < forces[3] < 12 and 12 < forces[-1] < 15
    sim.advance([0, 0, 0.04, 0, 0, 0, 0])
    sim.advance(np.zeros(7))
    assert sim.violations() == () and sim.agent_pos()[8] == 0.0


def carried(height: float) -> Tabletop:
    """A scene in which the red box is held at a height above the free middle of the plate."""
    sim = a_scene("pick_place", lambda s: abs(s.thing("red").yaw) < 0.3)
    _, red, yaw, *_ = sim.truth().objects["red"]
    for _ in range(8):
        sim.advance([0, 0, 0, 0, 0, np.clip(yaw - sim.truth().rpy[2], -0.3, 0.3), 0])
    plate = sim.truth().zones["plate"][1]
    move(sim, (*red[:2], 0.12), (*red[:2], 0.016))
    grip(sim, 1.0)
    move(sim, (*red[:2], 0.12), (*plate[:2], 0.12), (*plate[:2], height), closing=1.0)
    return sim


def test_a_drop_is_a_free_fall_not_a_putting_down():
    high = carried(0.12)
    assert high.truth().objects["red"][1][2] > 0.1
    seen = grip(high, -1.0, 6)
    assert "drop" in seen and high.violations() == ()  # it is an event
    low = carried(0.018)
    assert grip(low, -1.0, 6) == set() and low.success()


def test_a_thing_beside_the_table_is_dropped():
    sim = a_scene("push", lambda s: s.thing("red").pos[0] > 0.1 and s.zone("keep_out") is None
                  and all(t.name == "red" or t.pos[0] < 0.05 for t in s.objects))
    for _ in range(8):  # both fingers across the push
        sim.advance([0, 0, 0, 0, 0, np.clip(1.5 - sim.truth().rpy[2], -0.3, 0.3), 0])
    _, red, *_ = sim.truth().objects["red"]
    back = red[0] - 0.07
    move(sim, (*sim.truth().tip[:2], 0.15), (back, red[1], 0.15), (back, red[1], 0.02), closing=0.7)
    assert "drop" not in sim.violations()
    seen: set[str] = set()
    for _ in range(30):
        sim.advance([0.02, 0, 0, 0, 0, 0, 0])
        seen |= set(sim.violations())
    assert "drop" in seen and sim.truth().objects["red"][1][2] < -0.01
    assert "drop" in sim.violations()  # and so it stays


# ------------------------------------------------------------------ tasks
@pytest.mark.parametrize("task", TASKS)
def test_experts_do_their_task_and_it_counts_after_three_ticks(task):
    done, clean = 0, 0
    for seed in range(6):
        sim, policy = Tabletop(task, 900 + seed), expert(task)
        policy.reset(seed)
        seen: set[str] = set()
        won = None
        for tick in range(80):
            action = policy.act(sim.truth())
            assert action.dtype == np.float32 and (np.abs(action) <= ACTION_LIMIT + 1e-6).all()
            sim.advance(action)
            seen |= set(sim.violations())
            if won is None and sim.success():
                won = tick
        assert won is None or won > 5
        done += won is not None
        clean += not seen
    assert done >= 5 and clean >= 5


def test_a_box_in_the_grip_is_not_yet_put_down():
    sim = carried(0.016)
    for _ in range(6):
        sim.advance(np.zeros(7))
    assert not sim.success()
    grip(sim, -1.0, 5)
    assert sim.success()


def test_styles_break_every_rule_and_the_expert_hardly_any():
    seen: dict[str, set] = {style: set() for style in STYLES}
    for style, seeds in (("clumsy", 12), ("wander", 6), ("fast", 2), ("noisy", 2)):
        for k in range(seeds):
            task = TASKS[k % 4]
            sim, policy = Tabletop(task, 300 + k), expert(task, style)
            policy.reset(k)
            for _ in range(64):
                sim.advance(policy.act(sim.truth()))
                seen[style] |= set(sim.violations())
    assert set().union(*seen.values()) == set(VIOLATIONS)
    assert "speed" in seen["fast"] and "force" in seen["wander"] and "drop" in seen["clumsy"]


# ------------------------------------------------------------------ pictures
def pixel(pose, point, fovy: float, size: int) -> tuple[float, float, float]:
    """Column, row and depth of a point, pixel centres at whole numbers."""
    right, down, forward, eye = axes(pose)
    rel = np.asarray(point) - eye
    z = float(rel @ forward)
    focal = size / 2 / math.tan(math.radians(fovy) / 2)
    return (focal * float(rel @ right) / z + size / 2 - 0.5,
            focal * float(rel @ down) / z + size / 2 - 0.5, z)


@needs_gl
def test_camera_poses_masks_and_depth_agree_with_the_pictures():
    found = {v: 0 for v in VIEWS}
    for seed in range(6):
        task = TASKS[seed % 4]
        sim = Tabletop(task, seed, size=96)
        spot = sim.truth().objects["knob" if task == "slide" else "red"][1]
        move(sim, (spot[0], spot[1] - 0.06, 0.16))
        sim.advance([0, 0, 0, 0.1, -0.1, 0.3, 0])
        sim.advance([0, 0, 0, 0, 0, 0.2, 0])
        truth, obs = sim.truth(), sim.observe()
        for v in VIEWS:
            mask, depth = sim.labels(v)
            picture = obs["pixels"][v]
            assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
            assert mask.dtype == np.int8 and depth.dtype == np.float32
            for name, (_, pos, _, half, rgb) in truth.objects.items():
                u, w, z = pixel(truth.cameras[v], pos, FOVY[v], 96)
                if not (2 <= u <= 93 and 2 <= w <= 93 and z > 0):
                    continue
                number = 2 + OBJECTS.index(name)
                if mask[round(w), round(u)] != number:
                    continue  # something stands in front of it
                found[v] += 1
                rows, columns = np.nonzero(mask == number)
                if np.hypot(rows - w, columns - u).max() < 24 and len(rows) > 20:
                    assert abs(rows.mean() - w) < 3.5 and abs(columns.mean() - u) < 3.5
                    inner = picture[mask == number].mean(0) / 255
                    assert np.argmax(inner) == np.argmax(rgb) or name == "knob"
                assert 0 < z - depth[round(w), round(u)] < 2 * half.max()
        tips = [mask for mask in [sim.masks("wrist")] if (mask == 1).any()]
        u, w, _ = pixel(truth.cameras["wrist"], truth.tip, FOVY["wrist"], 96)
        assert tips and 20 < u < 76 and 10 < w < 60  # the finger tips are in view
    assert found["front"] >= 10 and found["side"] >= 10 and found["wrist"] >= 5


@needs_gl
def test_the_red_box_is_wide_enough_and_everything_is_in_the_front_view():
    widths = {"front": [], "side": []}
    for seed in range(12):
        sim = Tabletop(TASKS[seed % 3], seed)
        for v, row in widths.items():
            mask = sim.masks(v)
            row.append(int((mask == 2).any(0).sum()))
        front = sim.masks("front")
        hidden = sum(not (front == 2 + OBJECTS.index(n)).any() for n in sim.truth().objects)
        assert hidden == 0, seed
    assert all(np.median(row) >= 6 for row in widths.values())


@needs_gl
def test_closing_one_table_leaves_the_others_drawing():
    a, b = Tabletop("push", 1), Tabletop("stack", 2)
    first, other = a.observe(), b.observe()
    a.close()
    again = b.observe()
    assert all((other["pixels"][v] == again["pixels"][v]).all() for v in VIEWS)
    assert all((first["pixels"][v] == a.observe()["pixels"][v]).all() for v in VIEWS)


# ------------------------------------------------------------------ recording
@needs_gl
def test_record_gives_a_whole_episode_and_its_truth():
    episode, arrays = record("slide", 8, "expert", 30, size=32)
    episode.check()
    assert episode.ticks == 30 and episode.fps == 10 and episode.task == SENTENCES["slide"]
    assert episode.success is True and set(episode.violations) == set(VIOLATIONS)
    assert episode.views["wrist"].shape == (31, 32, 32, 3)
    assert arrays["poses"].shape == (31, 4, 7) and arrays["masks"].shape == (31, 3, 32, 32)
    assert arrays["cameras"].shape == (31, 3, 5) and arrays["command"].shape == (31, 7)
    assert list(arrays["done"][[0, -1]]) == [False, True]
    knob = arrays["poses"][:, OBJECTS.index("knob"), :2]
    assert np.linalg.norm(knob[-1] - arrays["zones"][3, :2]) < 0.015
    sim = Tabletop("slide", 8, size=32)
    for action in episode.actions:  # played again, it is the same
        sim.advance(action)
    assert (sim.agent_pos() == episode.state[-1]).all()
    assert (sim.observe()["pixels"]["side"] == episode.views["side"][-1]).all()
    with pytest.raises(RoboticsError, match="ticks"):
        record("slide", 8, "expert", 0)


def test_training_and_held_out_seeds_never_meet():
    train = [episode_plan(0, k) for k in range(300)]
    held = [episode_plan(0, k, True) for k in range(300)]
    assert all(p[2] % 2 == 0 for p in train) and all(p[2] % 2 == 1 for p in held)
    assert {p[0] for p in train} == set(TASKS) and {p[1] for p in train} == set(STYLES)
    assert len({p[2] for p in train}) == 300
    assert episode_plan(0, 7) != episode_plan(1, 7) and sum(SHARES.values()) == pytest.approx(1)


@needs_gl
def test_generate_writes_shards_and_resumes(tmp_path, monkeypatch):
    module = importlib.import_module("gwm_core.simulators.tabletop.record")
    monkeypatch.setattr(module, "SHARD", 2)
    monkeypatch.setattr(module, "TICKS", 5)
    told: list[tuple] = []
    paths = generate(tmp_path, 3, 9, size=16, progress=lambda *p: told.append(p))
    assert told == [(0, 3), (2, 3), (3, 3)]
    assert paths == [shard_path(tmp_path, 9, k) for k in range(2)]
    arrays, meta = load_shard(paths[0])
    assert arrays["frames"].shape == (2, 6, 3, 16, 16, 3)
    assert arrays["masks"].dtype == np.int8 and arrays["violations"].shape == (2, 6, 5)
    assert meta["episodes"] == 2 and tuple(meta["objects"]) == OBJECTS
    old = paths[0].read_bytes()
    stamp = paths[0].stat().st_mtime_ns
    paths[1].write_bytes(b"half a file")  # damaged from outside
    told.clear()
    generate(tmp_path, 3, 9, size=16, progress=lambda *p: told.append(p))
    assert told == [(2, 3), (3, 3)] and paths[0].stat().st_mtime_ns == stamp
    paths[0].unlink()
    generate(tmp_path, 4, 9, size=16)
    assert load_shard(paths[1])[1]["episodes"] == 2
    assert len(old) == len(paths[0].read_bytes())
    first, again = np.load(paths[0]), arrays
    assert all((first[k] == again[k]).all() for k in again)
    assert json.loads(str(first["meta"]))["size"] == 16
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    with pytest.raises(RoboticsError, match="another folder"):
        generate(tmp_path, 3, 9, size=32)
    paths[0].write_bytes(b"no")
    with pytest.raises(RoboticsError, match="not a whole shard"):
        load_shard(paths[0])
