"""When and where to imagine next.

Imagining rarely and far ahead gives whole rooms; a strip at every tick gives patchwork. So when
the view that comes up would show much that was never seen, one whole view is imagined as far
ahead as enough known picture is still in it to continue from: the furthest turn of 60 to 20
degrees, or the furthest step forward (through a doorway, say).
"""

from __future__ import annotations

import math

import numpy as np

from .memory import Camera, Memory

SHARE = 0.05  # of the coming view that may be unseen
LEAST = 0.30  # of the imagined view that must be known
URGENT = 0.25  # of the present view that may be unseen
LEAD = 0.5  # seconds
FILLS = 0.5  # of the coming view's gaps that the imagined view must be able to fill
CRACK = 5  # pixels; narrower gaps are filled at each draw
TURNS = tuple(math.radians(v) for v in (60, 50, 40, 30, 20))
STEPS = (2.4, 1.9, 1.5, 1.1, 0.7, 0.4)
TILTS = tuple(math.radians(v) for v in (30, 20, 12))
PITCH = math.radians(60)
SLOW_TURN = math.radians(24)  # a second


def unseen(guide, crack: int = CRACK) -> np.ndarray:
    """bool [H,W]: what a guide does not cover, gaps of at most `crack` pixels left out."""
    from .fill import narrow

    return ~guide.covered & ~narrow(guide.covered, crack)


def _small(camera: Camera) -> tuple[Camera, int]:
    """A camera with a quarter of the pixels a side, and the width of a crack in it."""
    small = camera.scaled(0.25)
    return small, max(1, round(CRACK * small.width / camera.width))


def urgent(memory: Memory, pose, camera: Camera, share: float = URGENT):
    """The present pose [5], where more than `share` of its own view is unseen and must be
    imagined at once; else None. Drawn small: under a millisecond."""
    from .guide import draw

    small, crack = _small(camera)
    view = draw(memory, pose, small, threads=1)
    return np.array(pose, np.float64) if unseen(view, crack).mean() > share else None


def moved(pose, motion, seconds: float) -> np.ndarray:
    """A pose [5] after some seconds of steady motion [3]: m/s in x and y, rad/s of yaw."""
    out = np.array(pose, np.float64)
    out[[0, 1, 3]] += np.asarray(motion, np.float64) * seconds
    return out


def _places(pose, view, hole, camera: Camera) -> np.ndarray:
    """World points float64 [M,3] where the surfaces behind the unseen region may lie: at the
    depth that its surroundings suggest, and at half as much again."""
    from .fill import smooth
    from .raster import axes

    _, depth = smooth(view.rgb, view.depth, view.covered)
    right, down, forward, eye = axes(pose)
    d = camera.rays()[hole] @ np.stack([right, down, forward]) * depth[hole][:, None]
    return np.concatenate([eye + d, eye + 1.5 * d])


def _fills(places, pose, view, camera: Camera) -> float:
    """The share of world points that lie in what is unseen of `view`, drawn at `pose`: imagining
    there would fill them."""
    from .raster import projection

    m = projection(pose, camera.focal, camera.cx, camera.cy).reshape(3, 4)
    h = places @ m[:, :3].T + m[:, 3]
    z = np.maximum(h[:, 2], 1e-6)
    x, y = np.floor(h[:, 0] / z + 0.5).astype(int), np.floor(h[:, 1] / z + 0.5).astype(int)
    seen = (h[:, 2] > 0.05) & (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
    return float((~view.covered[y[seen], x[seen]]).sum()) / len(places)


def candidates(memory: Memory, pose, motion, hole: np.ndarray, camera: Camera) -> list[np.ndarray]:
    """Poses worth imagining, the furthest first, for a view at `pose` with the unseen region
    `hole` bool [H,W] of `camera`."""
    from .clearance import clearance

    vx, vy, turn = (float(v) for v in motion)
    rows, columns = np.nonzero(hole)
    x = (columns.mean() + 0.5 - camera.cx) / camera.cx
    y = (rows.mean() + 0.5 - camera.cy) / camera.cy
    out = []
    speed = math.hypot(vx, vy)
    forward = math.cos(pose[3]) * vx + math.sin(pose[3]) * vy
    if speed > 0.2 and forward > 0.5 * speed and abs(turn) < SLOW_TURN:
        angle = math.atan2(vy, vx)
        eye = np.array([pose[0], pose[1], 0.0])
        free, _ = clearance(memory, eye, (pose[2] - 1.1, pose[2] - 0.4), [angle])
        for step in STEPS:
            if step < float(free.min()) - 0.4:
                p = np.array(pose)
                p[0] += step * math.cos(angle)
                p[1] += step * math.sin(angle)
                out.append(p)
    if abs(y) > abs(x) and abs(turn) < SLOW_TURN:
        for tilt in TILTS:
            p = np.array(pose)
            p[4] = np.clip(p[4] - math.copysign(tilt, y), -PITCH, PITCH)
            out.append(p)
    # yaw grows to the left: a hole in the right half asks for a turn to the right
    side = turn if abs(turn) >= 0.25 * SLOW_TURN else -x
    for angle in TURNS:
        p = np.array(pose)
        p[3] += math.copysign(angle, side)
        p[4] *= 0.5
        out.append(p)
    out.append(np.array(pose))
    return out


def ahead(memory: Memory, pose, camera: Camera, *, velocity=(0.0, 0.0), turn_rate: float = 0.0,
          share: float = SHARE, least: float = LEAST, lead: float = LEAD):
    """The pose float64 [5] of the view to imagine next, or None where nothing is needed.

    pose [5] of the camera now; velocity [2 or 3] m/s in the world; turn_rate rad/s of yaw. The
    view `lead` seconds on is drawn small; when gaps wider than CRACK pixels pass `share` of it,
    the furthest candidate is chosen that is at least `least` known and can fill half of those gaps.
    Deterministic; about a millisecond a call, a few more where something is chosen.
    """
    from .guide import draw

    motion = np.array([velocity[0], velocity[1], turn_rate], np.float64)
    small, crack = _small(camera)
    coming = moved(pose, motion, lead)
    view = draw(memory, coming, small, threads=1)
    hole = unseen(view, crack)
    if hole.mean() <= share:
        return None
    places = _places(coming, view, hole, small)
    for p in candidates(memory, coming, motion, hole, small):
        there = draw(memory, p, small, threads=1)
        if there.coverage >= least and _fills(places, p, there, small) > FILLS:
            return p
    return coming
