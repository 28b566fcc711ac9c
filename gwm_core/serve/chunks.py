"""Chunks of up to 17 actions for Runway's client, and how its runs are known again.

That client keeps no name of a run: with every chunk it sends its last frames (one as a PNG, or 17
as a lossy MP4) and the actions that led to them. What we sent is kept with the model's exact state
at each of its frames, and found again

    by one frame    equal pixel for pixel, as we send frames without loss
    by a video      the same actions led there, and of all such frames it is the closest one, no
                    further than ``CLOSE``; the newest where several are as close

so that compression costs a run nothing, and a short chunk goes on where the client ended it. What
is not known, since it is too old or came from elsewhere, begins anew from its last frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RoboticsError
from ..robotics.table_model import TableModel, TableState
from .media import FRAMES, encode, first_look, last_frame, mark, split
from .poses import Frame, command, felt
from .shelf import Shelf, weight

CHUNK = 17
"""Actions in a chunk at most."""
CLOSE = 8.0
"""Mean difference (of 255) up to which a decoded frame may be the one that was sent."""
VIEWS = ("front", "wrist")
"""What that client calls base and wrist; the second one where its first frame has two views."""


@dataclass(frozen=True, eq=False)
class Point:
    """A frame that was sent, uint8 [H, W, 3], the state behind it, and the last 17 actions [n, 7]
    that led there; ``pair``: whether it shows two views."""

    picture: np.ndarray
    state: TableState
    past: np.ndarray
    frame: Frame
    pair: bool


@dataclass(frozen=True, eq=False)
class Ask:
    """What a client wants: ``actions`` [n, 7] after a context of ``count`` frames, of which
    ``picture`` is the last one and to which ``past`` [c, 7] led."""

    picture: np.ndarray
    count: int
    past: np.ndarray
    actions: np.ndarray


def read_rows(body: dict[str, Any]) -> np.ndarray:
    """``robotAction`` of a request, float64 [m, 7]; RoboticsError names what is wrong."""
    rows = body.get("robotAction")
    if not isinstance(rows, list) or not 1 <= len(rows) <= FRAMES + CHUNK:
        raise RoboticsError(f"robotAction: {len(rows) if isinstance(rows, list) else rows!s:.40} "
                            f"rows; a list of 1 to {FRAMES + CHUNK} is accepted")
    for row in rows:
        if not isinstance(row, list) or len(row) != 7:
            raise RoboticsError(f"robotAction: a row of {len(row) if isinstance(row, list) else 1}"
                                " numbers; 7 are accepted: x, y, z, roll, pitch, yaw and gripper")
    try:
        table = np.asarray(rows, np.float64)
    except (TypeError, ValueError, OverflowError):
        table = np.array([np.nan])
    if not np.isfinite(table).all() or table.ndim != 2:
        raise RoboticsError("robotAction: a value is no finite number; finite numbers are accepted")
    return table


def read_ask(rows: np.ndarray, upload: bytes, video: bool) -> Ask:
    """A chunk's request from its rows and what was uploaded for it; RoboticsError names what does
    not fit."""
    count, picture = last_frame(upload)
    if not video and count > 1:
        raise RoboticsError("promptImage: a video; a picture is accepted, contextVideoUri takes a "
                            "video")
    n = len(rows) - count
    if not 1 <= n <= CHUNK:
        raise RoboticsError(f"robotAction: {n} actions after those of the {count} context frames; "
                            f"1 to {CHUNK} are accepted")
    return Ask(picture, count, rows[:count], rows[count:])


class Chunks:
    """The runs of all clients; called from one thread.

    most, size, seconds  what is kept of them, see Shelf: chunks, bytes, and the time since a chunk
                         was last gone on from
    """

    def __init__(self, model: TableModel, limits: tuple, fps: float, *, most: int = 256,
                 size: int = 256 << 20, seconds: float = 3600.0) -> None:
        self.model, self.limits, self.fps = model, limits, fps
        self._kept: Shelf[list[Point]] = Shelf(most, size, seconds, self._forget)
        self._shelf_of: dict[int, str] = {}  # by a point's id(): points are kept, so that it lasts
        self._by_mark: dict[bytes, Point] = {}
        self._by_action: dict[bytes, list[Point]] = {}

    def begin(self, ask: Ask) -> Chunk:
        """The work of a chunk, to be advanced tick by tick."""
        return Chunk(self, ask)

    def start(self, ask: Ask) -> tuple[Point, bool]:
        """Where a chunk begins, and whether that is known exactly."""
        found = self._find(ask)
        return (self._anew(ask), False) if found is None else (found, True)

    def _anew(self, ask: Ask) -> Point:
        frame = Frame.of(ask.past[-1])
        look = first_look(ask.picture, felt(frame, ask.past[-1]), self.model.rig.size)
        past = ask.past if ask.count > 1 else ask.past[:0]  # a first look has no past of its own
        pair = split(ask.picture)[1] is not None
        return Point(ask.picture, self.model.begin(look), past[-CHUNK:], frame, pair)

    def _find(self, ask: Ask) -> Point | None:
        if ask.count == 1:
            found = self._by_mark.get(mark(ask.picture))
        else:
            found = self._closest(ask)
        if found is not None:
            self._kept.get(self._shelf_of[id(found)])  # it is in use
        return found

    def _closest(self, ask: Ask) -> Point | None:
        best, least = None, CLOSE
        for point in reversed(self._by_action.get(_key(ask.past[-1]), ())):
            past = ask.past[-CHUNK:]
            if point.picture.shape != ask.picture.shape or not np.array_equal(
                    point.past[-len(past):], past):
                continue
            apart = float(np.abs(point.picture.astype(np.int16) - ask.picture).mean())
            if apart < least:
                best, least = point, apart
        return best

    def keep(self, points: list[Point]) -> None:
        """Remember what was sent."""
        # Of equal frames the first: a chunk that is gone on from by one frame was filled up with
        # repetitions, in which the gripper may have come to rest.
        for point in reversed(points):
            self._by_mark[mark(point.picture)] = point
        for point in points:
            self._by_action.setdefault(_key(point.past[-1]), []).append(point)
        tables = weight(points[0].state.tables)
        name = self._kept.put(points, tables + sum(map(_own_weight, points)))
        if self._kept.get(name) is not None:
            self._shelf_of.update((id(point), name) for point in points)

    def _forget(self, points: list[Point]) -> None:
        for point in points:
            self._shelf_of.pop(id(point), None)
            key = mark(point.picture)
            if self._by_mark.get(key) is point:
                del self._by_mark[key]
            key = _key(point.past[-1])
            rest = [p for p in self._by_action.get(key, ()) if p is not point]
            if rest:
                self._by_action[key] = rest
            else:
                self._by_action.pop(key, None)

    def __len__(self) -> int:
        return len(self._kept)


class Chunk:
    """One chunk in the making: ``advance`` once for every action, then ``video`` is there.

    ``done`` of ``total`` ticks are made. From the first one on it says whether it goes on from what
    was sent, exactly (``known``), and whether its poses are those of another robot's frame
    (``shifted``, see ``poses``).
    """

    def __init__(self, owner: Chunks, ask: Ask) -> None:
        self._owner, self._ask = owner, ask
        self._now: Point | None = None
        self._points: list[Point] = []
        self.known = self.shifted = False
        self.done, self.total = 0, len(ask.actions)
        self.video: bytes | None = None

    def advance(self) -> bool:
        """Make one tick; whether more are to come."""
        owner, now = self._owner, self._now
        if now is None:
            now, self.known = owner.start(self._ask)
            self.shifted = now.frame.first is not None
        action = self._ask.actions[self.done]
        told = command(now.frame, action, now.state.robot, owner.limits)
        state, seen = owner.model.step(now.state, told)
        views = VIEWS if now.pair else VIEWS[:1]
        picture = np.concatenate([seen["pixels"][v][0] for v in views], 1)
        past = np.concatenate([now.past, action[None]])[-CHUNK:]
        self._now = Point(picture, state, past, now.frame, now.pair)
        self._points.append(self._now)
        self.done += 1
        if self.done < self.total:
            return True
        self.video = encode(np.stack([p.picture for p in self._points]), owner.fps)
        owner.keep(self._points)
        self._points = []  # from here on they are the owner's to forget
        self._now = None
        return False


def _own_weight(point: Point) -> int:
    return weight((point.picture, point.past, point.state.robot, point.state.things))


def _key(action: np.ndarray) -> bytes:
    return np.asarray(action, np.float64).tobytes()
