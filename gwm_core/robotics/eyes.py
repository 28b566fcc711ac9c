"""The eyes of the built-in policies: where things and zones are, read from looks alone.

    eyes = load_eyes()
    marks = eyes.find(observation)               # one look or a batch of looks
    sight = Sight.first(marks.row(0), felt)      # what one run knows
    sight = sight.after(marks.row(0), felt)      # a tick later

One network, trained on true looks only, with another seed than the reader of the world model; it
serves policies and probes in the true world and in the predicted one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from ..checkpoint import EMBEDDED, EYES, SUFFIX, load_into, read_checkpoint, save_checkpoint
from ..errors import CheckpointError, RoboticsError
from ..model.scene_reader import MARKS, SIDE, THINGS, SceneReader
from .loading import tabletop_embodiment

KIND = "tabletop-eyes"
SHIPPED = EMBEDDED / f"gwm-tabletop.{EYES}{SUFFIX}"
VIEWS = ("front", "side", "wrist")
FELT = 9
"""Numbers of proprioception: pose [6], opening, effort, force."""


@dataclass(frozen=True, eq=False)
class Marks:
    """What B looks show of MARKS: place [B, 8, 3] m, yaw [B, 8] rad in -pi/4..pi/4, half size
    [B, 8] m, shown [B, 8] 0..1 (how surely it is there at all)."""

    place: np.ndarray
    yaw: np.ndarray
    half: np.ndarray
    shown: np.ndarray

    def row(self, i: int) -> Marks:
        """The marks of one look, without the leading axis."""
        return Marks(self.place[i], self.yaw[i], self.half[i], self.shown[i])


class Eyes:
    """``reader(pixels, felt)`` of SceneReader, for looks as policies get them.

    The last looks are remembered: who asks for some of them again (policies one by one, after a
    batch was asked for; a policy after a probe) gets the same answer at no cost.
    """

    def __init__(self, reader: SceneReader) -> None:
        self.reader = reader.eval()
        self._last: tuple[dict[tuple[bytes, ...], int], Marks] | None = None

    def find(self, observation: Mapping[str, Any]) -> Marks:
        """The marks of a look (B = 1) or of B looks; RoboticsError names what does not fit."""
        views, felt = _checked(observation)
        keys = [(felt[i].tobytes(), *(v[i].tobytes() for v in views)) for i in range(len(felt))]
        last = self._last
        if last is not None and all(k in last[0] for k in keys):
            rows = [last[0][k] for k in keys]
            return last[1].row(rows)
        with torch.inference_mode():
            seen = self.reader(
                torch.from_numpy(np.stack(views, 1)).permute(0, 1, 4, 2, 3),
                torch.from_numpy(felt))
        turn = seen["turn"].numpy()
        marks = Marks(seen["place"].numpy().astype(np.float64),
                      np.arctan2(turn[..., 0], turn[..., 1]).astype(np.float64) / 4,
                      seen["half"].numpy().astype(np.float64),
                      torch.sigmoid(seen["shown"]).numpy().astype(np.float64))
        self._last = {k: i for i, k in enumerate(keys)}, marks
        return marks


def _checked(observation: Mapping[str, Any]) -> tuple[list[np.ndarray], np.ndarray]:
    """Views uint8 [B, 64, 64, 3] each, and felt float32 [B, 9]."""
    pixels = observation.get("pixels") if isinstance(observation, Mapping) else None
    wanted = f"uint8 [{SIDE}, {SIDE}, 3]"
    if not isinstance(pixels, Mapping) or any(v not in pixels for v in VIEWS):
        raise RoboticsError(f"observation: pixels of the views {', '.join(VIEWS)} are accepted, "
                            f"each {wanted}")
    felt = np.array(observation.get("agent_pos"), np.float32)
    felt = felt[None] if felt.ndim == 1 else felt
    if felt.ndim != 2 or felt.shape[1] != FELT or not np.isfinite(felt).all():
        raise RoboticsError(f"observation: agent_pos {felt.shape}; {FELT} finite numbers are "
                            "accepted")
    views = []
    for name in VIEWS:
        view = np.asarray(pixels[name])
        view = view[None] if view.ndim == 3 else view
        if view.dtype != np.uint8 or view.shape != (len(felt), SIDE, SIDE, 3):
            raise RoboticsError(f"observation: view {name!r} is {view.dtype} {view.shape}; "
                                f"{wanted} is accepted")
        views.append(view)
    return views, felt


def eyes_of(policy: Any) -> Eyes | None:
    """What a policy, wrapped or not, looks through; None where it is none of these."""
    while policy is not None:
        eyes = getattr(policy, "eyes", None)
        if isinstance(eyes, Eyes):
            return eyes
        policy = getattr(policy, "policy", None)
    return None


# ------------------------------------------------------------------ over time

WINDOW = 5
"""Looks of which the median is taken."""
STEADY = 6
"""Looks of which a zone's place and a thing's size are the mean."""
GRIPPED = 0.2
"""Effort from which something is between the fingers."""
REACH = 0.045
"""m from the tip, within which it is that thing."""
FINGER, WIDE = 0.010, 0.026
"""m: half of a finger along its push, half of both across it."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What one run knows at a tick; a value that later ticks do not change.

    place   [8, 3] m of MARKS: zones the mean of the first looks, things the median of the last
            ones, each moved along with what carried or pushed it since
    yaw     [8] rad, of things; half [8] m; known bool [8]: seen by now, what hides stays
    lost    int [4]: looks in a row that did not show a thing
    held    index of the thing between the fingers, or None
    felt    float64 [9], proprioception
    """

    place: np.ndarray
    yaw: np.ndarray
    half: np.ndarray
    known: np.ndarray
    lost: np.ndarray
    held: int | None
    felt: np.ndarray
    looks: int
    sure: np.ndarray
    recent: np.ndarray
    turned: np.ndarray

    @classmethod
    def first(cls, marks: Marks, felt: Any) -> Sight:
        """From the first look (a row of Marks) and proprioception [9]."""
        felt = np.asarray(felt, np.float64)
        yaw = np.where(np.arange(len(MARKS)) < THINGS, marks.yaw, 0.0)
        return cls(marks.place.copy(), yaw, marks.half.copy(), marks.shown > 0.5,
                   np.where(marks.shown[:THINGS] > 0.5, 0, 1),
                   _held(None, marks.place, felt), felt, 1, marks.shown.copy(),
                   marks.place[None, :THINGS].copy(), marks.yaw[None, :THINGS].copy())

    def after(self, marks: Marks | None, felt: Any) -> Sight:
        """A tick later; marks: a row of Marks, None where it did not look."""
        felt = np.asarray(felt, np.float64)
        place, yaw = self.place.copy(), self.yaw.copy()
        shift, turn = self._moved(felt)
        place[:THINGS] += shift
        yaw[:THINGS] += turn
        recent, turned = self.recent + shift, self.turned + turn
        now = replace(self, place=place, yaw=yaw, recent=recent, turned=turned, felt=felt)
        if marks is not None:
            now = now._looked(marks)
        return replace(now, held=_held(now.held, now.place, felt))

    def _moved(self, felt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How the gripper's last motion moved the things: [4, 3] m and [4] rad."""
        shift, turn = np.zeros((THINGS, 3)), np.zeros(THINGS)
        move = felt[:3] - self.felt[:3]
        if self.held is not None:
            shift[self.held], turn[self.held] = move, felt[5] - self.felt[5]
        far = float(np.hypot(move[0], move[1]))
        if far > 0.002:
            way = move[:2] / far
            gap = self.place[:THINGS] - felt[:3]
            along = gap[:, :2] @ way
            aside = np.abs(gap[:, 0] * way[1] - gap[:, 1] * way[0])
            half = self.half[:THINGS]
            # From behind, not from above; as far as a finger would else be in the thing.
            push = np.clip(half + FINGER - along, 0.0, far)
            touched = ((along + far > half) & (aside < half + WIDE)
                       & (gap[:, 2] > -half) & self.known[:THINGS])
            if self.held is not None:
                touched[:] = False
            shift[:, :2] += np.where(touched, push, 0.0)[:, None] * way
        return shift, turn

    def _looked(self, marks: Marks) -> Sight:
        things, zones = slice(0, THINGS), slice(THINGS, None)
        shown = marks.shown[things] > 0.5
        # The first look at what was hidden tells more than what is remembered of it.
        fresh = shown & ~self.known[things]
        recent = np.where(fresh[:, None], marks.place[things], self.recent)
        turned = np.where(fresh, marks.yaw[things], self.turned)
        new = np.where(shown[:, None], marks.place[things], self.place[things])
        angle = np.where(shown, marks.yaw[things], self.yaw[things])
        recent = np.concatenate([recent, new[None]])[-WINDOW:]
        turned = np.concatenate([turned, angle[None]])[-WINDOW:]
        place, yaw = self.place.copy(), self.yaw.copy()
        place[things] = np.median(recent, 0)
        yaw[things] = np.arctan2(np.sin(4 * turned).sum(0), np.cos(4 * turned).sum(0)) / 4
        half, sure, looks = self.half.copy(), self.sure.copy(), self.looks + 1
        if looks <= STEADY:
            sure += (marks.shown - sure) / looks
            half += (marks.half - half) / looks
            place[zones] += (marks.place[zones] - place[zones]) / looks
        known = sure > 0.5
        known[things] = self.known[things] | shown
        return replace(self, place=place, yaw=yaw, half=half, known=known, sure=sure, looks=looks,
                       lost=np.where(shown, 0, self.lost + 1), recent=recent, turned=turned)

    def of(self, name: str) -> np.ndarray | None:
        """Place [3] m of a mark, None where it was not seen."""
        i = MARKS.index(name)
        return self.place[i] if self.known[i] else None


def _held(before: int | None, place: np.ndarray, felt: np.ndarray) -> int | None:
    """Which thing is between the fingers: felt by effort, found by place."""
    if felt[7] < GRIPPED or felt[6] < 0.15:
        return None
    if before is not None:
        return before
    far = np.linalg.norm(place[:THINGS] - felt[:3], axis=1)
    nearest = int(far.argmin())
    return nearest if far[nearest] < REACH else None


# ------------------------------------------------------------------ files


def save_eyes(path: str | os.PathLike[str], reader: SceneReader,
              about: Mapping[str, Any] | None = None) -> str:
    """Write a checkpoint of kind "tabletop-eyes" and return its fingerprint."""
    metadata = {"name": "gwm-tabletop.eyes", "kind": KIND, "embodiment": tabletop_embodiment(),
                "config": {"reader": reader.config}, "licence": "Apache-2.0", **(about or {})}
    return save_checkpoint(path, {f"reader.{k}": v for k, v in reader.state_dict().items()},
                           metadata)


def load_eyes(path: str | os.PathLike[str] = SHIPPED) -> Eyes:
    """Eyes from a file, by default the shipped ones; the same file gives the same object, so that
    policies that look through it share its looks. CheckpointError says what does not fit."""
    path = os.path.abspath(path)
    return _loaded(path, os.stat(path).st_mtime_ns if os.path.isfile(path) else 0)


@lru_cache(maxsize=4)
def _loaded(path: str, written: int) -> Eyes:
    tensors, metadata = read_checkpoint(path)
    if metadata["kind"] != KIND:
        raise CheckpointError(f"checkpoint {path}: kind {metadata['kind']!r}; {KIND!r} is accepted "
                              "here")
    net = SceneReader(**metadata["config"]["reader"])
    load_into(net, {k.removeprefix("reader."): v for k, v in tensors.items()},
              f"checkpoint {path}")
    eyes = Eyes(net)
    eyes.fingerprint = metadata["fingerprint"]
    return eyes
