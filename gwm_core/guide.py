"""The guide: the best guess of a view from what is already known.

Kept pixels are drawn into the new camera with depth, a truthful coverage mask and, per pixel,
where they came from; moving bodies are drawn on top. See `memory` for what is kept, `fill` for
cracks and holes, `ahead` for where to imagine next, `clearance` for distances to the surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .memory import Camera, Keyframe, Memory

__all__ = ["Camera", "Guide", "Keyframe", "Memory", "ahead", "clearance", "clearance_dirs",
           "draw", "fill_cracks", "new_pixels", "push_pull", "urgent", "warm_up"]


@dataclass(frozen=True, eq=False)
class Guide:
    """A view drawn from memory; all arrays [H,W], H x W the camera's size.

    rgb uint8 [H,W,3], depth float32 (m), both 0 where nothing is known; covered bool: a kept
    pixel (or a body) is seen here; source_depth float32 (m): depth in the picture it came from;
    label uint8 (255 unknown); keyframe int16: index into memory.keyframes, -1 none or a body;
    body int8: slot + 1, 0 none; scale float32: how many pixels one source pixel takes here (1 or
    more; large values look soft); filled bool: not covered, but filled by fill_cracks or
    push_pull.
    """

    rgb: np.ndarray
    depth: np.ndarray
    covered: np.ndarray
    source_depth: np.ndarray
    label: np.ndarray
    keyframe: np.ndarray
    body: np.ndarray
    scale: np.ndarray
    filled: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """bool [H,W]: covered or filled."""
        return self.covered | self.filled

    @property
    def coverage(self) -> float:
        """The covered share of the view, 0 to 1."""
        return float(self.covered.mean())

    def lights(self, memory: Memory) -> np.ndarray:
        """The light index of each pixel's source, int16 [H,W], -1 where there is none."""
        table = np.array([k.light for k in memory.keyframes] + [-1], np.int16)
        return table[self.keyframe]

    def with_(self, **changes) -> Guide:
        """A copy with some arrays replaced."""
        return replace(self, **changes)


def draw(memory: Memory, pose, camera: Camera, bodies=None, *, threads: int | None = None) -> Guide:
    """Draw the memory and then `bodies` (gwm_core.bodies.Bodies or None) into a camera.

    pose float [5] (x, y, z of the eye, yaw, pitch). The result is the same to the bit for any
    number of threads. An empty memory gives an empty guide.
    """
    from .raster import draw_surfaces

    ids = memory.nearest(pose, camera)
    table = memory.table[ids] if len(ids) else np.zeros((0, 16), np.int64)
    rgb, depth, covered, source, label, index, scale, limit = draw_surfaces(
        table, memory.sources[ids], pose, camera.focal, camera.width, camera.height,
        threads=threads)
    body = np.zeros(covered.shape, np.int8)
    if bodies is not None:
        from .solids import draw_bodies

        body = draw_bodies(bodies, pose, camera, limit, rgb, depth, threads)
        drawn = body > 0
        if drawn.any():
            covered = covered | drawn
            source[drawn], label[drawn], index[drawn], scale[drawn] = depth[drawn], 255, -1, 1.0
    filled = np.zeros(covered.shape, bool)
    return Guide(rgb, depth, covered, source, label, index, body, scale, filled)


def new_pixels(guide: Guide, rgb, depth, *, crack: int = 5, rim: int = 1):
    """Which pixels of an imagined view enter the memory, and which may close the seam.

    guide: what was known of that view (drawn without bodies, or with: their pixels are never
    kept); rgb uint8 [H,W,3] and depth float32 [H,W] of the whole imagined view. Returns (keep,
    border), bool [H,W] both, for Keyframe(keep=..., border=...).

    New are uncovered pixels in regions wider than `crack` (narrower ones are filled at each draw
    and never kept) that do not lie within `rim` pixels of a jump in depth: colours and depths
    there are mixtures that tear when the camera steps aside. They stay unknown and are filled
    when they are seen again.
    """
    from .fill import narrow
    from .mesh import connections

    covered = guide.covered
    across, down = connections(depth)
    torn = np.zeros(covered.shape, bool)
    torn[:, :-1] |= ~across[:, :-1]
    torn[:, 1:] |= ~across[:, :-1]
    torn[:-1] |= ~down[:-1]
    torn[1:] |= ~down[:-1]
    torn = grow(torn, rim - 1)
    body = guide.body > 0
    keep = ~covered & ~narrow(covered, crack) & ~torn & ~body
    border = covered & ~body & grow(keep, 1)
    return keep, border


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The mask [H,W] widened by so many pixels to the four sides."""
    for _ in range(max(0, pixels)):
        out = mask.copy()
        out[1:] |= mask[:-1]
        out[:-1] |= mask[1:]
        out[:, 1:] |= mask[:, :-1]
        out[:, :-1] |= mask[:, 1:]
        mask = out
    return mask


def warm_up() -> None:
    """Compile everything that drawing needs (some ten seconds the first time on a machine, then
    read from the cache): call it in a thread while a checkpoint loads."""
    from .ahead import ahead
    from .bodies import BALL, Bodies
    from .clearance import clearance, clearance_dirs
    from .fill import fill_cracks, push_pull

    camera = Camera(24, 16, 60.0)
    rgb, depth = np.zeros((16, 24, 3), np.uint8), np.full((16, 24), 2.0, np.float32)
    pose = np.array([0.0, 0.0, 1.5, 0.0, 0.0])
    memory = Memory().add(Keyframe(rgb, depth, pose, camera=camera))
    bodies = Bodies.empty().add(BALL, (1.0, 0.0, 1.5))
    guide = push_pull(fill_cracks(draw(memory, pose, camera, bodies, threads=1)))
    new_pixels(guide, rgb, depth)
    clearance(memory, (0.0, 0.0, 0.0), bodies=bodies)
    clearance_dirs(memory, (0.0, 0.0, 1.0), np.eye(3))
    ahead(memory, pose + [0, 0, 0, 1.0, 0], camera)


def __getattr__(name: str):
    """Fill, ahead and clearance live in files of their own and load at first use."""
    from importlib import import_module

    homes = {"fill_cracks": ".fill", "push_pull": ".fill", "ahead": ".ahead", "urgent": ".ahead",
             "clearance": ".clearance", "clearance_dirs": ".clearance"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(homes[name], __package__), name)
