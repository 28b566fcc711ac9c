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
LEAD = 3.0  # ticks
CRACK = 5  # pixels; narrower gaps are filled at each draw
TURNS = tuple(math.radians(v) for v in (60, 50, 40, 30, 20))
STEPS = (2.4, 1.9, 1.5, 1.1, 0.7, 0.4)
TILTS = tuple(math.radians(v) for v in (30, 20, 12))
PITCH = math.radians(60)


def unseen(guide, crack: int = CRACK) -> np.ndarray:
    """bool [H,W]: what a guide does not cover, gaps of at most `crack` pixels left out."""
    from .fill import narrow

    return ~guide.covered & ~narrow(guide.covered, crack)


def urgent(guide, pose, share: float = URGENT):
    """The present pose, where so much of its own view is unseen that it must be imagined now;
    else None."""
    return np.array(pose, np.float64) if unseen(guide).mean() > share else None


def moved(pose, motion, ticks: float) -> np.ndarray:
    """A pose [5] after `ticks` of steady motion [4]: metres a tick in x and y, radians a tick of
    yaw and pitch."""
    out = np.array(pose, np.float64)
    out[[0, 1, 3, 4]] += np.asarray(motion, np.float64) * ticks
    out[4] = np.clip(out[4], -PITCH, PITCH)
    return out


def _inside(pose, other, camera: Camera, rays: np.ndarray) -> float:
    """The share of view directions `rays` [M,3] (of a camera at `pose`) that `other` sees too."""
    from .raster import axes

    here, there = np.stack(axes(pose)[:3]), np.stack(axes(other)[:3])
    d = rays @ here @ there.T
    z = np.maximum(d[:, 2], 1e-6)
    x, y = np.abs(d[:, 0] / z) * camera.focal, np.abs(d[:, 1] / z) * camera.focal
    return float(((d[:, 2] > 0) & (x < camera.cx) & (y < camera.cy)).mean())


def candidates(memory: Memory, pose, motion, hole: np.ndarray, camera: Camera) -> list[np.ndarray]:
    """Poses worth imagining, the furthest first, for a view at `pose` with the unseen region
    `hole` bool [H,W] of `camera`."""
    from .clearance import clearance

    vx, vy, turn, _ = (float(v) for v in motion)
    rows, columns = np.nonzero(hole)
    x = (columns.mean() + 0.5 - camera.cx) / camera.cx
    y = (rows.mean() + 0.5 - camera.cy) / camera.cy
    out = []
    speed = math.hypot(vx, vy)
    forward = math.cos(pose[3]) * vx + math.sin(pose[3]) * vy
    if speed > 0.02 and forward > 0.5 * speed and abs(turn) < math.radians(2):
        angle = math.atan2(vy, vx)
        eye = np.array([pose[0], pose[1], 0.0])
        free, _ = clearance(memory, eye, (pose[2] - 1.1, pose[2] - 0.4), [angle])
        for step in STEPS:
            if step < float(free.min()) - 0.4:
                p = np.array(pose)
                p[0] += step * math.cos(angle)
                p[1] += step * math.sin(angle)
                out.append(p)
    if abs(y) > abs(x) and abs(turn) < math.radians(2):
        for tilt in TILTS:
            p = np.array(pose)
            p[4] = np.clip(p[4] - math.copysign(tilt, y), -PITCH, PITCH)
            out.append(p)
    # yaw grows to the left: a hole in the right half asks for a turn to the right
    side = turn if abs(turn) >= math.radians(0.5) else -x
    for angle in TURNS:
        p = np.array(pose)
        p[3] += math.copysign(angle, side)
        p[4] *= 0.5
        out.append(p)
    out.append(np.array(pose))
    return out


def ahead(memory: Memory, pose, camera: Camera, motion=None, *, guide=None, share: float = SHARE,
          least: float = LEAST, lead: float = LEAD):
    """The pose float64 [5] of the view to imagine next, or None where nothing is needed.

    pose [5] of the camera now; motion [4]: metres a tick in x and y, radians a tick of yaw and
    pitch (default: at rest); guide: the guide drawn at `pose`, spared a drawing where the camera
    rests. The view `lead` ticks on is drawn small; when gaps wider than CRACK pixels pass `share`
    of it, the furthest candidate is chosen that is at least `least` known and holds most of those
    gaps. Deterministic; about a millisecond a call, a few more where something is chosen.
    """
    from .guide import draw

    motion = np.zeros(4) if motion is None else np.asarray(motion, np.float64)
    small = camera.scaled(0.25)
    crack = max(1, round(CRACK * small.width / camera.width))
    coming = moved(pose, motion, lead)
    rests = np.abs(motion).max() < 1e-3
    if rests and guide is not None:
        if unseen(guide).mean() <= share:
            return None
    view = draw(memory, coming, small, threads=1)
    hole = unseen(view, crack)
    if hole.mean() <= share:
        return None
    rays = small.rays()[hole]
    best = None
    for p in candidates(memory, coming, motion, hole, small):
        if _inside(coming, p, small, rays) < 0.6:
            continue
        there = draw(memory, p, small, threads=1)
        if there.coverage >= least and unseen(there, crack).mean() > share:
            best = p
            break
    return coming if best is None else best
