"""True turns, and the same with a wall that changes its material halfway: what a counter of
breaks must find."""

from __future__ import annotations

import math

import numpy as np

from ...noise import rng
from ...simulators.rooms import catalogue as cat
from ...simulators.rooms.sim import Rooms
from ...simulators.rooms.textures import METRES, PX, SIZE
from .breaks import BINS, OTHER, STEP, WALL, Ring, _flat, ring
from .cases import Case


def true_turn_set(case: Case, broken: int = 2) -> dict[str, np.ndarray]:
    """The true turn at a case's first place, in 48 steps to the right, and the same with up to
    `broken` walls broken: frames u8 [48, H, W, 3], depth f16 [48, H, W], yaw [48], cut u8
    [M, 48, H, W, 3], at [M] (degrees)."""
    sim = Rooms(case.seed)
    sim.reset(case.condition)
    pose = case.poses[0]
    yaw = pose[3] - np.radians(np.arange(1, 49) * 7.5)
    views = true_turn(sim, pose, yaw)
    seen, generator = true_ring(views), rng(case.seed, "breaks")
    at = generator.permutation(flat_places(seen))[:broken].astype(int)
    cut = []
    for degrees in at:
        own = int(seen.theme[degrees // STEP].argmax())
        theme = int((own + 1 + generator.integers(len(cat.THEMES) - 1)) % len(cat.THEMES))
        cut.append(break_wall(sim, views, seen, int(degrees), theme))
    sim.close()
    frames = np.stack([v["rgb"] for v in views])
    return {"frames": frames, "depth": np.stack([v["depth"] for v in views]).astype(np.float16),
            "yaw": yaw, "at": at,
            "cut": np.stack(cut) if cut else np.zeros((0, *frames.shape), np.uint8)}


def true_turn(sim: Rooms, pose: np.ndarray, yaw: np.ndarray) -> list[dict]:
    """The simulator's views from a place at headings yaw [N], each with its pose."""
    out = []
    for angle in yaw:
        at = np.array([*pose[:3], angle, pose[4]])
        out.append({**sim.render(at), "pose": at})
    return out


def true_ring(views: list[dict]) -> Ring:
    """What a judge that is always right sees of a turn."""
    labels = np.stack([v["label"][4::8, 4::8] for v in views])
    share = np.zeros((*labels.shape, len(cat.THEMES) + 1), np.float32)
    index = np.nonzero((labels != cat.NO_LABEL) & (labels % 8 == WALL))
    share[(*index, labels[index] // 8)] = 1
    share[(labels != cat.NO_LABEL) & np.isin(labels % 8, OTHER)] = np.eye(share.shape[-1])[-1]
    return ring(share, np.stack([v["rgb"] for v in views]), np.stack([v["depth"] for v in views]),
                np.array([v["pose"][3] for v in views]))


def flat_places(seen: Ring, reach: int = 7) -> list[int]:
    """Directions (degrees) in the middle of flat walls of one theme, far from each other."""
    fits = []
    for a in range(BINS):
        about = np.arange(a - reach, a + reach) % BINS
        if (seen.wall[about].min() > 0.7 and _flat(seen, a)
                and len(set(seen.theme[about].argmax(1).tolist())) == 1):
            fits.append(a)
    kept = [a for i, a in enumerate(fits) if i == 0 or a - fits[i - 1] > 1]
    middle = []
    for start in kept:
        run = [a for a in fits if a >= start and all(b in fits for b in range(start, a + 1))]
        middle.append(run[len(run) // 2] * STEP)
    return middle


def break_wall(sim: Rooms, views: list[dict], seen: Ring, degrees: int, theme: int) -> np.ndarray:
    """The turn's pictures [N, H, W, 3] with another theme's wall from a direction on."""
    a = degrees // STEP
    index = np.arange(a - 6, a + 6)
    angle, r = np.radians((index + 0.5) * STEP), seen.radius[index % BINS]
    x, y = r * np.cos(angle), r * np.sin(angle)
    centre = np.array([x.mean(), y.mean()])
    _, _, axes = np.linalg.svd(np.stack([x, y], 1) - centre)
    along, across = axes
    if along @ np.array([-math.sin(angle[6]), math.cos(angle[6])]) < 0:
        along = -along
    edge = np.array([x[6], y[6]]) @ along
    picture, frames = cat.surface(theme, "wall").astype(np.float32), []
    for view in views:
        p = _points(view["depth"], view["pose"], sim.fov_deg)
        where = ((np.abs((p[..., :2] - centre) @ across) < 0.08) & ((p[..., :2] @ along) > edge)
                 & (view["label"] % 8 == WALL) & (view["label"] != cat.NO_LABEL))
        raw = view["reflectance"]
        if where.any():
            own = cat.surface(int(np.bincount(view["label"][where]).argmax()) // 8, "wall")
            rows = np.clip((METRES - (p[where][:, 2] + view["pose"][2])) * PX, 0,
                           SIZE - 1).astype(int)
            cols = ((p[where][:, :2] @ along) * PX).astype(int) % SIZE
            shade = raw[where].mean() / max(own[rows].mean(), 1.0)
            raw = raw.copy()
            raw[where] = np.clip(picture[rows, cols] * shade, 0, 255).astype(np.uint8)
        frames.append(sim.relight({**view, "reflectance": raw}, view["pose"]))
    return np.stack(frames)


def _points(depth: np.ndarray, pose: np.ndarray, fov_deg: float) -> np.ndarray:
    """Places [H, W, 3] of a picture's pixels relative to its camera, in world directions."""
    h, w = depth.shape
    focal = h / 2 / math.tan(math.radians(fov_deg) / 2)
    row, col = np.mgrid[0:h, 0:w] + 0.5
    cy, sy, cp, sp = (math.cos(pose[3]), math.sin(pose[3]), math.cos(pose[4]), math.sin(pose[4]))
    axes = np.array([[sy, -cy, 0.0], [sp * cy, sp * sy, -cp], [cp * cy, cp * sy, sp]])
    rays = np.stack([(col - w / 2) / focal, (row - h / 2) / focal, np.ones((h, w))], -1)
    return (rays * depth[..., None]) @ axes
