"""Dense motion between two pictures: the turn of the camera, and what is left without it.

Needs OpenCV, which is loaded at first use.

The turn is found first (a search over turned copies of a small picture, then a robust fit to
optical flow); flow is then measured against the turned picture, where only parallax and moving
things are left. Motion leads from the newer picture back to the older one.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .errors import GWMError

WIDTH, HEIGHT = 256, 160
FOCAL = HEIGHT / 2 / math.tan(math.radians(30))
CELL = 8
GRID = (HEIGHT // CELL, WIDTH // CELL)
SMALL = (48, 30)
TURNS = [(math.radians(a), math.radians(b)) for b in range(-12, 13, 2)
         for a in np.arange(-16.5, 17, 1.5)]
FAR = 24.0
"""Grey levels that a turn must fit better by, per radian."""
FIELDS = 13


@lru_cache(maxsize=8)
def rays(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Slopes right and down of the pixels' rays."""
    scale = FOCAL * width / WIDTH
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    return (x - width / 2) / scale, (y - height / 2) / scale


@lru_cache(maxsize=1)
def _pixels() -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the full picture."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return x, y


def turned(right: float, up: float, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Where (column, row) in the older picture the pixels lie after turning right and up."""
    x, y = rays(width, height)
    c, s = math.cos(up), math.sin(up)
    y, z = y * c - s, y * s + c
    c, s = math.cos(right), math.sin(right)
    x, z = x * c + z * s, -x * s + z * c
    scale = FOCAL * width / WIDTH
    return ((x / z * scale + width / 2 - 0.5).astype(np.float32),
            (y / z * scale + height / 2 - 0.5).astype(np.float32))


@lru_cache(maxsize=4)
def turn_fields(width: int, height: int) -> np.ndarray:
    """Flow [3, 2, h * w] of one radian of turning right, up, and of rolling."""
    x, y = rays(width, height)
    f = FOCAL * width / WIDTH
    return f * np.stack([[1 + x * x, x * y], [-x * y, -(1 + y * y)], [-y, x]]).reshape(3, 2, -1)


def fit_turn(flow: np.ndarray, sure: np.ndarray, roll: bool = True) -> np.ndarray:
    """The small turn (right, up, roll in radians) that most of a flow field [h, w, 2] agrees
    with."""
    h, w = flow.shape[:2]
    fields = turn_fields(w, h)[:3 if roll else 2].reshape(3 if roll else 2, -1)
    goal = flow.reshape(-1, 2).T.reshape(-1)
    sure, left, out = sure.ravel(), goal, np.zeros(3)
    for _ in range(8):
        gap = np.hypot(*left.reshape(2, -1))
        spread = max(1.4826 * float(np.median(gap)), 0.02)
        weighted = fields * np.tile(sure / (1 + (gap / spread) ** 2), 2)
        turn = np.linalg.solve(weighted @ fields.T + np.eye(len(fields)) * 1e-6, weighted @ goal)
        left = goal - turn @ fields
        change = np.abs(turn - out[:len(turn)]).max()
        out[:len(turn)] = turn
        if change < 1e-4:
            break
    return np.clip(out, -0.3, 0.3)


def opencv():
    """The module cv2; GWMError names the package where it is missing or broken."""
    try:
        import cv2
    except ImportError as error:
        raise GWMError(
            "reading motion from pictures needs OpenCV: pip install 'opencv-python-headless>=4.8' "
            f"({error})"
        ) from error
    return cv2


@contextmanager
def steady_flow() -> Iterator[None]:
    """OpenCV on one thread inside: its flow depends on how a picture is shared out. The number is
    the whole process's, so it is put back when the last one inside leaves."""
    cv2 = opencv()
    with _inside.lock:
        if _inside.count == 0:
            _inside.before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _inside.count += 1
    try:
        yield
    finally:
        with _inside.lock:
            _inside.count -= 1
            if _inside.count == 0:
                cv2.setNumThreads(_inside.before)


class _Inside:
    lock, count, before = threading.Lock(), 0, 1


_inside = _Inside()


@dataclass(frozen=True, eq=False)
class Measured:
    """base: the turn (right, up in radians) that the older picture was turned by; flow: [20, 32, 2]
    against it, in pixels; sure [20, 32]; fields: the rest of `Motion.between`."""

    base: tuple[float, float]
    flow: np.ndarray
    sure: np.ndarray
    fields: np.ndarray


def fields_of(seen: Measured, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fields and turn (see `Motion.between`) where the camera turned by base and extra [3]."""
    # The flow was measured against the base; only its rotation part is moved over.
    fields = np.tensordot(extra, turn_fields(GRID[1], GRID[0]), 1) * CELL
    left = seen.flow - fields.T.reshape(*GRID, 2)
    total = (np.array([*seen.base, 0.0]) + extra).astype(np.float32) / math.radians(5)
    out = seen.fields.copy()
    out[0:2] = np.clip(left, -24, 24).transpose(2, 0, 1) / 4
    out[10:13] = total[:, None, None]
    return out, total


class Motion:
    """Optical flow with the turn taken out; one object serves many pairs."""

    def __init__(self):
        cv2 = self.cv2 = opencv()
        self.rough = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self.fine = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        w, h = SMALL
        index, inside = [], []
        for turn in TURNS:
            x, y = (np.rint(v).astype(int) for v in turned(*turn, w, h))
            ok = (x >= 0) & (x < w) & (y >= 0) & (y < h)
            index.append(np.where(ok, y * w + x, 0).ravel())
            inside.append(ok.ravel())
        self.size = np.array([math.hypot(*turn) for turn in TURNS])
        self.index, self.inside = np.stack(index), np.stack(inside).astype(np.float32)

    def look(self, frame: np.ndarray) -> dict:
        """A picture in the forms that `between` needs."""
        cv2 = self.cv2
        if frame.shape[:2] != (HEIGHT, WIDTH):
            frame = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
        return {"rgb": frame, "grey": grey,
                "half": cv2.resize(grey, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA),
                "small": cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA).astype(np.float32)}

    def search(self, old: dict, new: dict) -> tuple[float, float]:
        """The turn of TURNS that leaves the two small pictures most alike."""
        gap = np.minimum(np.abs(old["small"].ravel()[self.index] - new["small"].ravel()), 38.0)
        score = (gap * self.inside).sum(1) / self.inside.sum(1)
        # Pictures turned far overlap little and may agree by chance: small turns are likelier.
        score = score + FAR * self.size
        return TURNS[int(score.argmin())]

    def turn(self, old: dict, new: dict) -> tuple[float, float]:
        """(right, up) in radians, before the fine flow is known."""
        cv2 = self.cv2
        start = self.search(old, new)
        mx, my = turned(*start, WIDTH // 2, HEIGHT // 2)
        moved = cv2.remap(old["half"], mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        flow = self.rough.calc(new["half"], moved, None)[2::4, 2::4] / 4
        # Turns are added: what is left after the search is small.
        extra = fit_turn(flow, np.ones(flow.shape[:2]), roll=False)
        return start[0] + extra[0], start[1] + extra[1]

    def between(self, old: dict, new: dict) -> tuple[np.ndarray, np.ndarray]:
        """(fields f32 [FIELDS, 20, 32], turn f32 [3]: right, up, roll, in units of 5 degrees).

        Fields: flow right and down without the turn (units of 4 pixels), how sure it is; the
        newer picture; its change against the turned older one; what flow leaves unexplained; the
        turn (three channels).
        """
        seen = self.measure(old, new)
        return fields_of(seen, fit_turn(seen.flow / CELL, seen.sure))

    def measure(self, old: dict, new: dict) -> Measured:
        """What two pictures (see `look`) show, before it is decided what the camera's turn was."""
        with steady_flow():
            return self._measure(old, new)

    def _measure(self, old: dict, new: dict) -> Measured:
        cv2 = self.cv2
        right, up = self.turn(old, new)
        moved, mx, my = self._turned(old, right, up)
        flow = self.fine.calc(new["grey"], moved, None)
        sure = self._sure(new["grey"], moved, flow, mx, my)
        pooled, weight = _pool(flow, sure)
        out = np.zeros((FIELDS, *GRID), np.float32)
        out[2] = weight
        size = (GRID[1], GRID[0])
        picture = cv2.resize(new["rgb"], size, interpolation=cv2.INTER_AREA).astype(np.float32)
        before = cv2.resize(cv2.remap(old["rgb"], mx, my, cv2.INTER_LINEAR,
                                      borderMode=cv2.BORDER_REPLICATE), size,
                            interpolation=cv2.INTER_AREA).astype(np.float32)
        out[3:6] = (picture / 127.5 - 1).transpose(2, 0, 1)
        out[6:9] = ((picture - before) / 127.5).transpose(2, 0, 1)
        x, y = _pixels()
        explained = cv2.remap(moved, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR,
                              borderMode=cv2.BORDER_REPLICATE)
        out[9] = cv2.resize(cv2.absdiff(explained, new["grey"]), size,
                            interpolation=cv2.INTER_AREA) / 64.0
        return Measured((right, up), pooled, weight, out)

    def _turned(self, old: dict, right: float, up: float):
        mx, my = turned(right, up, WIDTH, HEIGHT)
        moved = self.cv2.remap(old["grey"], mx, my, self.cv2.INTER_LINEAR,
                               borderMode=self.cv2.BORDER_REPLICATE)
        return moved, mx, my

    def _sure(self, grey, moved, flow, mx, my) -> np.ndarray:
        """How far the flow back agrees, 0..1; 0 where the older picture did not reach."""
        cv2 = self.cv2
        half = (WIDTH // 2, HEIGHT // 2)
        a, b = (cv2.resize(v, half, interpolation=cv2.INTER_AREA) for v in (moved, grey))
        back = cv2.resize(self.rough.calc(a, b, None), (WIDTH, HEIGHT)) * 2
        x, y = _pixels()
        returned = cv2.remap(back, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR,
                             borderMode=cv2.BORDER_REPLICATE)
        gap = np.hypot(*(flow + returned).transpose(2, 0, 1))
        inside = (mx >= 0) & (mx < WIDTH) & (my >= 0) & (my < HEIGHT)
        return np.exp(-(gap / 1.5) ** 2) * inside


def _pool(flow: np.ndarray, sure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow [20, 32, 2] as the sure pixels of each cell have it, and the cell's mean sureness."""
    h, w = GRID
    cells = sure.reshape(h, CELL, w, CELL)
    total = cells.sum((1, 3))
    moved = (flow.reshape(h, CELL, w, CELL, 2) * cells[..., None]).sum((1, 3))
    plain = flow.reshape(h, CELL, w, CELL, 2).mean((1, 3))
    share = (total / (total + 1.0))[..., None]
    return (moved / np.maximum(total, 1e-6)[..., None] * share + plain * (1 - share),
            total / CELL**2)


def motion_of(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames [1 + 2T, H, W, 3] -> (pairs f32 [2T, 13, 20, 32], turns f32 [2T, 3])."""
    motion = Motion()
    with steady_flow():
        old, rows = motion.look(frames[0]), []
        for frame in frames[1:]:
            new = motion.look(frame)
            rows.append(motion.between(old, new))
            old = new
    pairs, turns = zip(*rows, strict=True)
    return np.stack(pairs), np.stack(turns).astype(np.float32)


def mirrored(pairs, turns):
    """The mirrored walk of tensors `pairs` and `turns` (right changes sign everywhere)."""
    pairs, turns = pairs.flip(-1).clone(), turns.clone()
    pairs[..., [0, 10, 12], :, :] *= -1
    turns[..., [0, 2]] *= -1
    return pairs, turns
