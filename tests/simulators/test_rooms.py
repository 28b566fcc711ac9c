"""The rooms simulator: plans, physics, senses, light, sound and episodes."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("mujoco")

from gwm_core import bodies as bd  # noqa: E402
from gwm_core.simulators.rooms import (  # noqa: E402
    HELD_IN,
    HELD_OUT,
    MATERIALS,
    THEME_NAMES,
    Condition,
    Explorer,
    Rooms,
    make_layout,
    relight,
    split_of,
)
from gwm_core.simulators.rooms import catalogue as cat  # noqa: E402
from gwm_core.simulators.rooms.nav import Map  # noqa: E402
from gwm_core.simulators.rooms.sim import FOOTSTEP, IMPACT, THROW  # noqa: E402

IDLE = np.zeros(9)


def press(*keys: int, look=(0.0, 0.0)) -> np.ndarray:
    c = np.zeros(9)
    c[list(keys)] = 1
    c[7:] = look
    return c


def drawing_works() -> bool:
    try:
        sim = Rooms(0)
        sim.render()
        sim.close()
    except Exception:  # no off-screen OpenGL on this machine
        return False
    return True


needs_gl = pytest.mark.skipif(not drawing_works(), reason="no off-screen OpenGL here")


# ------------------------------------------------------------------ plans
def test_plans_are_fixed_by_their_seed_and_connected():
    for seed in [*range(0, 40), *range(10000, 10020)]:
        a, b = make_layout(seed), make_layout(seed)
        assert a == b
        assert 3 <= len(a.rooms) <= 6
        assert len({r.theme for r in a.rooms}) == len(a.rooms)
        sim = Rooms(seed, visual=False)
        field = Map(a, sim.model.solid).field(*a.start[:2])
        walker = Map(a, sim.model.solid)
        for k in range(len(a.rooms)):  # every room can be walked to
            x, y = walker.random_point(np.random.default_rng(0), k)
            assert field[walker.nearest(x, y)] < 60, (seed, k)


def test_catalogue_and_splits():
    assert len(THEME_NAMES) >= 12 and len(MATERIALS) >= 6
    assert len(HELD_IN) >= 400 and len(HELD_OUT) >= 40
    assert split_of(0) == "train" and split_of(10000) == "heldout"
    with pytest.raises(ValueError, match="neither"):
        split_of(777)
    seen = {(t, c.time, c.fog) for t in range(len(THEME_NAMES)) for i in range(18)
            for c in [Condition.of(i)] if cat.is_held_out(t, i)}
    assert 5 <= len(seen) <= 40  # some, yet every theme, time and fog is still trained on
    for theme in range(len(THEME_NAMES)):
        assert not cat.is_held_out(theme, 0)
        for time in range(3):
            assert any(not cat.is_held_out(theme, time * 6 + f) for f in range(3))


def test_conditions_count_from_0_to_17():
    assert [Condition.of(i).index for i in range(18)] == list(range(18))
    with pytest.raises(ValueError):
        Condition.of(18)


# ------------------------------------------------------------------ motion
def doorway(sim: Rooms, kind: str):
    """A start one metre in front of a doorway, looking at it, and the unit vector through it."""
    for o in sim.layout.openings:
        if o.kind != kind:
            continue
        for sign in (-1, 1):
            n = sign * (np.array([0.0, 1.0]) if o.axis == 0 else np.array([1.0, 0.0]))
            p = o.point() - n
            if any(r.holds(*p, 0.3) for r in sim.layout.rooms):
                return (p[0], p[1], math.atan2(n[1], n[0])), o.point(), n
    return None


@pytest.mark.parametrize("kind, passes", [("hinged", True), ("latched", False), ("open", True)])
def test_doors(kind, passes):
    tried = 0
    for seed in range(30):
        sim = Rooms(seed, visual=False)
        found = doorway(sim, kind)
        if not found:
            continue
        start, point, n = found
        sim.reset(0, start)
        for _ in range(22):
            sim.step(press(0))
        through = float(np.dot(sim.foot[:2] - point, n))
        assert (through > 0.5) if passes else (through < -0.2), (seed, through)
        tried += 1
        if tried == 8:
            break
    assert tried >= 4


def test_walking_speed_look_and_pitch_limit():
    sim = Rooms(2, visual=False)
    room = max(sim.layout.rooms, key=lambda r: (r.x1 - r.x0) * (r.y1 - r.y0))
    sim.reset(0, (room.x0 + 0.6, room.centre[1], 0.0))
    yaw = sim.yaw
    tick = sim.step(press(look=(10, 5)))
    assert sim.yaw == pytest.approx(yaw - math.radians(10))  # right is clockwise
    assert tick.pose[0, 3] == pytest.approx(yaw - math.radians(5))  # half in each frame
    assert sim.pitch == pytest.approx(math.radians(5))
    for _ in range(10):
        sim.step(press(look=(0, 30)))
    assert math.degrees(sim.pitch) == pytest.approx(60)
    start, _, _ = doorway(sim, "open")
    sim.reset(0, start)
    speeds = [np.hypot(*sim.step(press(0)).player[1, 3:5]) for _ in range(8)]
    assert speeds[1] > 0.8 * bd.WALK_SPEED
    assert speeds[-1] == pytest.approx(bd.WALK_SPEED, rel=0.02)


def test_walls_stop_the_player_and_a_jump_comes_down():
    sim = Rooms(4, visual=False)
    for _ in range(60):
        sim.step(press(0))
    p = sim.foot
    gaps = sim.static_rays(p, [0.9], np.linspace(0, 2 * np.pi, 72, endpoint=False))
    assert gaps.min() > bd.RADIUS - 0.03
    sim.reset(0)
    sim.step(press(4))
    top = max(sim.step(IDLE).player[:, 2].max() for _ in range(10))
    assert top == pytest.approx(bd.JUMP_SPEED**2 / 2 / bd.GRAVITY, abs=0.08)
    assert sim.foot[2] == pytest.approx(0, abs=0.01)


def test_footsteps_follow_the_way_walked():
    sim = Rooms(2, visual=False)
    steps, way = [], 0.0
    for _ in range(12):
        tick = sim.step(press(0))
        steps += [e for e in tick.events if e[2] == FOOTSTEP]
        way = sim.phase
    assert len(steps) == math.floor((way - bd.FIRST_STEP) / bd.STEP_LENGTH) + 1
    for _ in range(4):
        sim.step(IDLE)
    assert sim.phase == 0.0


def test_balls_lose_energy_and_throws_have_a_pause():
    sim = Rooms(1, visual=False)
    slot = sim._pool[0]
    sim.launch(slot, [*sim.layout.rooms[0].centre, 2.0], [0, 0, 0])
    heights = [sim.step(IDLE).bodies["pos"][:, slot, 2] for _ in range(80)]
    z = np.concatenate(heights)
    peaks = [z[i] for i in range(1, len(z) - 1) if z[i - 1] < z[i] > z[i + 1] and z[i] > 0.16]
    assert peaks and all(b < a for a, b in zip(peaks, peaks[1:], strict=False))
    assert z[-1] == pytest.approx(bd.THROW_RADIUS, abs=0.01)
    sim.reset(0)
    throws = sum(len([e for e in sim.step(press(6)).events if e[2] == THROW]) for _ in range(18))
    assert throws == 3


def test_a_thrown_ball_flies_along_the_view_and_sounds():
    sim = Rooms(3, visual=False)
    tick = sim.step(press(6))
    slot = sim._pool[0]
    ahead = sim.ahead()
    assert tick.bodies["kind"][0, slot] == bd.BALL
    speed = tick.bodies["vel"][0, slot]
    assert np.dot(speed, ahead) > 0.8 * bd.THROW_SPEED or any(e[2] == IMPACT for e in tick.events)
    events = [e for _ in range(30) for e in sim.step(IDLE).events]
    hits = [e for e in events if e[2] == IMPACT and e[5] == slot]
    assert hits and all(0 <= e[3] < len(MATERIALS) and 0 < e[4] < 2 for e in hits)


def test_pushing_moves_boxes():
    moved = 0
    for seed in range(12):
        sim = Rooms(seed, visual=False)
        for k, s in enumerate(sim.slots):
            if s.kind != bd.BOX:
                continue
            p = sim.data.qpos[s.qpos : s.qpos + 2].copy()
            for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
                a = p + 0.9 * np.array([math.cos(angle), math.sin(angle)])
                if not Map(sim.layout, sim.model.solid, 0.3).is_free(*a):
                    continue
                sim.reset(0, (*a, angle + math.pi))
                sim.step(press(5))
                for _ in range(8):
                    sim.step(IDLE)
                gap = np.linalg.norm(sim.data.qpos[s.qpos : s.qpos + 2] - p)
                assert gap < 2.5
                moved += gap > 0.1
                break
            del k
    assert moved >= 6


def test_rays_agree_with_mujoco():
    import mujoco

    sim = Rooms(6, visual=False)
    rng = np.random.default_rng(0)
    o = sim.pose[:3]
    dirs = rng.normal(size=(200, 3))
    dirs /= np.linalg.norm(dirs, axis=1, keepdims=True)
    mine = sim.rays(o, dirs)
    only_static = np.array([0, 0, 0, 1, 0, 0], np.uint8)
    for k, d in enumerate(dirs):
        geom = np.zeros(1, np.int32)
        t = mujoco.mj_ray(sim.model.mj, sim.data, o, d, only_static, 1,
                          sim.model.mj.geom_bodyid[sim.model.player_geom], geom)
        assert mine[k] == pytest.approx(60.0 if t < 0 else t, abs=1e-6)
    flat = sim.static_rays(sim.foot, [0.5, 1.5], [0.3, 2.0])
    assert flat.shape == (2, 2)
    level = sim.rays(sim.foot + [0, 0, 0.5], np.array([[math.cos(2.0), math.sin(2.0), 0.0]]))
    assert flat[1, 0] == pytest.approx(level[0])


def test_bodies_value_fits_the_library():
    sim = Rooms(1, visual=False)
    b = sim.bodies()
    assert len(b) == bd.SLOTS and set(b.kind) <= {0, 1, 2, 3}
    assert b.movable[b.kind > 0].all()
    sim.step(press(6))
    assert (sim.bodies().kind == bd.BALL).sum() == (b.kind == bd.BALL).sum() + 1


def test_explorer_is_deterministic_and_uses_every_control():
    used, rooms = np.zeros(9), set()
    for seed in range(6):
        sim, walk = Rooms(seed, visual=False), []
        explorer = Explorer(sim, 5)
        for _ in range(160):
            c = explorer.next()
            walk.append(c)
            sim.step(c)
            rooms.add((seed, sim.layout.room_at(*sim.foot[:2])))
        used += (np.abs(walk) > 0).sum(0)
        again = Rooms(seed, visual=False)
        other = Explorer(again, 5)
        for c in walk[:40]:
            d = other.next()
            assert np.array_equal(c, d)
            again.step(d)
    assert (used > 0).all() and len(rooms) >= 10


# ------------------------------------------------------------------ pictures
@needs_gl
def test_depth_and_pose_agree():
    """Points of one picture land on the same surface in another one."""
    sim = Rooms(3)
    f = 80 / math.tan(math.pi / 6)
    u, v = np.meshgrid((np.arange(256) + 0.5 - 128) / f, (np.arange(160) + 0.5 - 80) / f)

    def axes(p):
        cy, sy, cp, sp = math.cos(p[3]), math.sin(p[3]), math.cos(p[4]), math.sin(p[4])
        return (np.array([sy, -cy, 0]), np.array([sp * cy, sp * sy, -cp]),
                np.array([cp * cy, cp * sy, sp]))

    a = sim.pose
    b = a + [0.1, 0.1, 0.05, 0.15, -0.1]
    va, vb = sim.render(a), sim.render(b)
    right, down, ahead = axes(a)
    depth = va["depth"][..., None].astype(float)
    world = a[:3] + depth * (u[..., None] * right + v[..., None] * down + ahead)
    right, down, ahead = axes(b)
    q = world - b[:3]
    z = q @ ahead
    x = np.rint(q @ right / z * f + 127.5).astype(int)
    y = np.rint(q @ down / z * f + 79.5).astype(int)
    ok = (z > 0.1) & (x >= 0) & (x < 256) & (y >= 0) & (y < 160)
    there = vb["depth"][np.clip(y, 0, 159), np.clip(x, 0, 255)]
    error = np.abs(there - z)[ok] / z[ok]
    assert ok.mean() > 0.5 and np.median(error) < 0.004
    sim.close()


@needs_gl
def test_light_formula_from_a_neutral_picture():
    sim = Rooms(8)
    view = sim.render(condition=0)
    for index in (1, 5, 9, 12, 15, 17):
        true = sim.render(condition=index)["rgb"].astype(int)
        made = relight(view["rgb"], view["depth"], view["label"], sim.pose, sim.lighting, index, 0,
                       glow=view["glow"]).astype(int)
        bright = view["rgb"].max(-1) < 250  # clipped pixels cannot be known
        assert np.abs(true - made)[bright].mean() < 2.0, index
    day, night = view["rgb"].mean(), sim.render(condition=12)["rgb"].mean()
    assert night < 0.5 * day
    with pytest.raises(ValueError, match="fog"):
        relight(view["rgb"], view["depth"], view["label"], sim.pose, sim.lighting, 0, 1)
    sim.close()


@needs_gl
def test_a_world_without_pictures_says_so():
    with pytest.raises(ValueError, match="visual"):
        Rooms(0, visual=False).render()
