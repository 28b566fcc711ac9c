"""What a world remembers of its static surroundings: kept pixels with depth and pose.

A `Keyframe` is one picture of which some pixels are kept; a `Memory` is an immutable tuple of
them. Pixels are kept as they were seen or imagined and never re-sampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .errors import GWMError

DEPTH_LOW, DEPTH_HIGH = 0.05, 60.0
DRAWN_KEYFRAMES = 64
DRAWN_POINTS = 250_000
VERSION = 1


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels; `fov_deg` is the vertical field of view."""

    width: int = 256
    height: int = 160
    fov_deg: float = 60.0

    def __post_init__(self):
        if not (1 <= self.width <= 8192 and 1 <= self.height <= 8192 and 1 < self.fov_deg < 179):
            raise GWMError(
                f"camera {self.width} x {self.height}, {self.fov_deg} degrees: accepted are sides "
                "of 1 to 8192 pixels and a field of view between 1 and 179 degrees"
            )

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.height / 2 / math.tan(math.radians(self.fov_deg) / 2)

    @property
    def cx(self) -> float:
        return self.width / 2

    @property
    def cy(self) -> float:
        return self.height / 2

    def rays(self) -> np.ndarray:
        """Camera-frame directions with z = 1 of all pixel centres, float64 [H,W,3]."""
        x = (np.arange(self.width) + 0.5 - self.cx) / self.focal
        y = (np.arange(self.height) + 0.5 - self.cy) / self.focal
        out = np.ones((self.height, self.width, 3))
        out[..., 0], out[..., 1] = x[None], y[:, None]
        return out

    def scaled(self, factor: float) -> Camera:
        """The same view with `factor` times the pixels a side."""
        size = (max(1, round(v * factor)) for v in (self.width, self.height))
        return Camera(*size, self.fov_deg)


def _own(value, dtype, shape, name):
    """A read-only contiguous copy of `value`."""
    out = np.array(value, dtype=dtype, order="C")
    if out.shape != shape:
        raise GWMError(f"keyframe: {name} has shape {out.shape}, expected {shape}")
    out.setflags(write=False)
    return out


@dataclass(frozen=True, eq=False)
class Keyframe:
    """One picture with depth, of which the pixels in `keep` are part of the memory.

    rgb uint8 [H,W,3]; depth float32 [H,W] (m along the optical axis, 0.05 to 60); pose float64
    [5] (x, y, z of the eye, yaw, pitch). keep bool [H,W] (default: all); border bool [H,W]:
    pixels that are not kept but show true static surface here, used only to close the seam to
    what other keyframes hold (default: none). label uint8 [H,W] (255 unknown). light: index of
    the light condition the picture was taken in. origin: what made it ("first", "dynamics",
    "bank", ...). camera: default a 60-degree view of the picture's size.
    Pixels whose depth is not a number, or outside the range, are never kept.
    """

    rgb: np.ndarray
    depth: np.ndarray
    pose: np.ndarray
    keep: np.ndarray | None = None
    label: np.ndarray | None = None
    light: int = 0
    camera: Camera | None = None
    border: np.ndarray | None = None
    origin: str = ""
    surface: object = field(init=False, repr=False)
    row: np.ndarray = field(init=False, repr=False)
    points: int = field(init=False, repr=False)
    matrix: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        from .mesh import build
        from .raster import axes, projection, table_row

        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        rgb = np.asarray(self.rgb)
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise GWMError(f"keyframe: rgb is {rgb.dtype} {rgb.shape}, expected uint8 [H, W, 3]")
        shape = rgb.shape[:2]
        if min(shape) < 2:
            raise GWMError(f"keyframe: a picture of {shape[1]} x {shape[0]} pixels is too small")
        pose = _own(self.pose, np.float64, (5,), "pose")
        if not np.isfinite(pose).all():
            raise GWMError(f"keyframe: pose {pose.tolist()} holds a value that is not finite")
        depth = np.array(self.depth, np.float32)
        if depth.shape != shape:
            raise GWMError(f"keyframe: depth has shape {depth.shape}, expected {shape}")
        good = np.isfinite(depth) & (depth >= DEPTH_LOW) & (depth <= DEPTH_HIGH * 1.001)
        depth[~good] = DEPTH_HIGH
        keep = np.ones(shape, bool) if self.keep is None else np.asarray(self.keep, bool)
        border = np.zeros(shape, bool) if self.border is None else np.asarray(self.border, bool)
        label = np.full(shape, 255, np.uint8) if self.label is None else self.label
        camera = self.camera or Camera(shape[1], shape[0])
        if (camera.height, camera.width) != shape:
            raise GWMError(f"keyframe: camera {camera} does not fit a picture of shape {shape}")
        put("camera", camera)
        put("rgb", _own(rgb, np.uint8, (*shape, 3), "rgb"))
        put("depth", _own(depth, np.float32, shape, "depth"))
        put("pose", pose)
        put("keep", _own(keep & good, bool, shape, "keep"))
        put("border", _own(border & good & ~keep, bool, shape, "border"))
        put("label", _own(label, np.uint8, shape, "label"))
        put("light", int(self.light))
        right, down, forward, eye = axes(pose)
        unproject = np.concatenate([[camera.focal, camera.cx, camera.cy], eye, right, down,
                                    forward])
        used = self.keep.astype(np.uint8)
        used[self.border] = 2
        put("surface", build(self.depth, used, unproject))
        put("row", table_row(self.surface, self.rgb, self.label))
        put("points", int(self.keep.sum()))
        put("matrix", projection(pose, camera.focal, camera.cx, camera.cy))

    def recoloured(self, rgb) -> Keyframe:
        """The same surfaces in other colours, uint8 [H,W,3]; shares everything else."""
        from .raster import table_row

        out = object.__new__(Keyframe)
        for name, value in self.__dict__.items():
            object.__setattr__(out, name, value)
        object.__setattr__(out, "rgb", _own(rgb, np.uint8, self.rgb.shape, "rgb"))
        object.__setattr__(out, "row", table_row(out.surface, out.rgb, out.label))
        return out

    @property
    def nbytes(self) -> int:
        arrays = (self.rgb, self.depth, self.keep, self.border, self.label)
        return sum(a.nbytes for a in arrays) + self.surface.nbytes

    def view(self, position) -> np.ndarray:
        """World points [M,3] as column, row (pixels, centres at integers) and depth [M,3]."""
        m = self.matrix.reshape(3, 4)
        h = np.asarray(position, np.float64) @ m[:, :3].T + m[:, 3]
        z = np.where(np.abs(h[:, 2]) < 1e-9, 1e-9, h[:, 2])
        return np.stack([h[:, 0] / z, h[:, 1] / z, h[:, 2]], 1)


@dataclass(frozen=True, eq=False)
class Memory:
    """An immutable tuple of keyframes, oldest first, bounded in number and bytes.

    When `add` passes a bound, an eighth of the keyframes is dropped: those taken furthest from
    the newest one; the very first is always kept.
    """

    keyframes: tuple[Keyframe, ...] = ()
    max_keyframes: int = 128
    max_bytes: int = 160 << 20
    table: np.ndarray = field(init=False, repr=False)
    sources: np.ndarray = field(init=False, repr=False)
    boxes: np.ndarray = field(init=False, repr=False)
    corners: np.ndarray = field(init=False, repr=False)
    points: np.ndarray = field(init=False, repr=False)
    depths: np.ndarray = field(init=False, repr=False)
    views: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        from .compiled import address

        frames = self.keyframes
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        table = np.zeros((len(frames), 16), np.int64)
        for i, k in enumerate(frames):
            table[i] = k.row
            table[i, -1] = i
        put("table", table)
        sources = [(k.camera.focal, *k.pose[:3]) for k in frames]
        put("sources", np.array(sources, np.float64).reshape(-1, 4))
        boxes = [(*k.surface.low, *k.surface.high) for k in frames]
        b = np.array(boxes, np.float64).reshape(-1, 6)
        put("boxes", b)
        put("corners", np.stack(
            [b[:, [3 * (i & 1), 1 + 3 * (i >> 1 & 1), 2 + 3 * (i >> 2 & 1)]] for i in range(8)], 1))
        put("points", np.array([k.points for k in frames], np.int64))
        depths = [(address(k.depth), *k.depth.shape) for k in frames]
        put("depths", np.array(depths, np.int64).reshape(-1, 3))
        put("views", np.array([k.matrix for k in frames], np.float64).reshape(-1, 12))

    def __len__(self) -> int:
        return len(self.keyframes)

    @property
    def nbytes(self) -> int:
        return sum(k.nbytes for k in self.keyframes)

    def add(self, keyframe: Keyframe) -> Memory:
        """A memory with one more keyframe; the others are shared, not copied."""
        frames = (*self.keyframes, keyframe)
        size = self.nbytes + keyframe.nbytes
        if len(frames) > self.max_keyframes or size > self.max_bytes:
            old = frames[1:-1]
            far = [float(np.hypot(*(k.pose[:2] - keyframe.pose[:2]))) for k in old]
            order = sorted(range(len(old)), key=lambda i: (-far[i], i))
            drop: set[int] = set()
            goal = max(1, len(frames) // 8)
            for i in order:
                if len(drop) >= goal and size <= self.max_bytes:
                    break
                drop.add(i)
                size -= old[i].nbytes
            kept = tuple(k for i, k in enumerate(old) if i not in drop)
            frames = (frames[0], *kept, frames[-1])
        return Memory(frames, self.max_keyframes, self.max_bytes)

    def nearest(self, pose, camera: Camera) -> np.ndarray:
        """Indexes int64, ascending, of the keyframes that are drawn into a camera at `pose`.

        Those whose surfaces may be in view, the nearest DRAWN_KEYFRAMES of them by the place they
        were taken from, up to DRAWN_POINTS kept pixels in all (at least one).
        """
        from .raster import projection

        if not self.keyframes:
            return np.zeros(0, np.int64)
        m = projection(pose, camera.focal, camera.cx, camera.cy).reshape(3, 4)
        b = self.boxes
        h = self.corners @ m[:, :3].T + m[:, 3]
        x, y, z = h[..., 0], h[..., 1], h[..., 2]
        margin, w, t = 18.0, camera.width, camera.height
        out = ((x < -margin * z).all(1) | (x > (w + margin) * z).all(1)
               | (y < -margin * z).all(1) | (y > (t + margin) * z).all(1) | (z < 0.05).all(1))
        ids = np.nonzero(~out & (b[:, 0] <= b[:, 3]))[0]
        far = np.linalg.norm(self.sources[ids, 1:] - np.asarray(pose, np.float64)[:3], axis=1)
        ids = ids[np.lexsort((ids, far))][:DRAWN_KEYFRAMES]
        total = np.cumsum(self.points[ids])
        count = max(1, int(np.searchsorted(total, DRAWN_POINTS, side="right")))
        return np.sort(ids[:count])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything needed to make the same memory again, for a file; sizes may differ by
        keyframe, so each has its own arrays ("0.rgb", ...)."""
        limits = [VERSION, len(self.keyframes), self.max_keyframes, self.max_bytes]
        out = {"memory": np.array(limits, np.int64)}
        for i, k in enumerate(self.keyframes):
            used = k.keep.astype(np.uint8)
            used[k.border] = 2
            origin = np.frombuffer(k.origin.encode(), np.uint8).copy()
            out |= {f"{i}.rgb": k.rgb, f"{i}.depth": k.depth, f"{i}.used": used,
                    f"{i}.label": k.label, f"{i}.pose": k.pose, f"{i}.origin": origin,
                    f"{i}.meta": np.array([k.light, k.camera.fov_deg], np.float64)}
        return out

    @staticmethod
    def from_arrays(arrays) -> Memory:
        """The inverse of to_arrays; GWMError where something is missing or does not fit."""
        try:
            version, count, max_keyframes, max_bytes = (int(v) for v in arrays["memory"])
            if version != VERSION:
                raise GWMError(f"memory: version {version} is unknown, accepted is {VERSION}")
            frames = []
            for i in range(count):
                used = np.asarray(arrays[f"{i}.used"])
                light, fov = (float(v) for v in arrays[f"{i}.meta"])
                rgb = np.asarray(arrays[f"{i}.rgb"])
                frames.append(Keyframe(
                    rgb=rgb, depth=arrays[f"{i}.depth"], pose=arrays[f"{i}.pose"],
                    keep=used == 1, border=used == 2, label=arrays[f"{i}.label"],
                    light=int(light), camera=Camera(rgb.shape[1], rgb.shape[0], fov),
                    origin=bytes(np.asarray(arrays[f"{i}.origin"], np.uint8)).decode()))
        except KeyError as e:
            raise GWMError(f"memory: the array {e} is missing") from None
        except (IndexError, TypeError) as e:
            raise GWMError(f"memory: damaged arrays ({e})") from None
        return Memory(tuple(frames), max_keyframes, max_bytes)
