"""What strikes what in silent pictures: the impact network with its reading.

Its weights lie beside the checkpoint, ``<name>.foley.safetensors``, and are read when they are
first asked for.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..checkpoint import companion_path, load_into, read_checkpoint
from ..errors import CheckpointError
from ..model.impacts import NOW, OUT, REACH, ImpactNet
from ..motion import Motion, steady_flow
from .foley_frames import fitted, shrink, window
from .foley_parts import AT_ONCE, Reading

KIND = "foley"
THRESHOLD = 0.5
APART = 2
"""Pictures from one impact to the next, at least: nearer ones are heard as one."""
HIT, PLACE = 0, slice(1, 3)
"""Columns of `spots`: logit of a hit, its row and column in cells."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Hit:
    """One impact: picture it is heard in, row and column in cells (of 20 x 32, fractional) where it
    is likeliest, sureness 0..1, log-scale strength at the camera, pitch (as in audio tokens),
    material f32 [6]: shares."""

    frame: int
    row: float
    column: float
    sure: float
    loud: float
    pitch: float
    material: np.ndarray


def spots(maps: np.ndarray) -> np.ndarray:
    """Of maps f32 [F, 6, 20, 32] what is kept of every picture, f32 [F, 3] (HIT, PLACE): where in
    it an impact is likeliest."""
    count, _, _, columns = maps.shape
    hit = maps[:, 0].reshape(count, -1)
    k = hit.argmax(1)
    r, c, n = k // columns, k % columns, np.arange(count)
    offset = np.clip(maps[n, OUT["offset"], r, c], -1, 1)
    return np.column_stack([hit[n, k], r + 0.5 + offset[:, 1], c + 0.5 + offset[:, 0]])


def peaks(table: np.ndarray, now: np.ndarray, threshold: float = THRESHOLD,
          even: float = 0.5) -> list[Hit]:
    """Impacts in answers on neighbouring pictures (`spots` [F, 3] and now f32 [F, 9]), in
    order of time. even: the network's output that is right as often as not, so a sureness of .5."""
    logits = now[:, NOW["hit"]][:, 0].astype(np.float64) - math.log(even / (1 - even))
    sure = 1 / (1 + np.exp(-logits))
    kept: list[int] = []
    for f in np.argsort(-sure, kind="stable"):
        if sure[f] <= threshold:
            break
        if all(abs(int(f) - a) >= APART for a in kept):
            kept.append(int(f))
    return [_hit(table, now[f], float(sure[f]), f) for f in sorted(kept)]


def _hit(table: np.ndarray, now: np.ndarray, sure: float, frame: int) -> Hit:
    low = max(frame - 1, 0)
    near = low + int(table[low:frame + 2, HIT].argmax())
    row, column = table[near, PLACE]
    return Hit(frame, float(row), float(column), sure,
               float(np.clip(now[NOW["loud"]], 0.0, 1.3)[0]),
               float(np.clip(now[NOW["pitch"]], -1.0, 1.0)[0]),
               shares(now[NOW["material"]]))


def shares(logits: np.ndarray) -> np.ndarray:
    """Shares f32 [n] of logits [n]."""
    up = np.exp(logits.astype(np.float64) - logits.max())
    return (up / up.sum()).astype(np.float32)


class FoleyModel:
    """The network with its metadata; safe to share between threads."""

    def __init__(self, network: ImpactNet, metadata: dict) -> None:
        self.network = network.eval().to(memory_format=torch.channels_last)
        self.metadata = metadata

    def read(self, frames: Sequence[np.ndarray], threshold: float = THRESHOLD,
             progress: Progress | None = None) -> list[Hit]:
        """Impacts in pictures u8 [H, W, 3] of any one size, some 24 a second; some hundred small
        ones are held at once. progress(done, total) is called now and then; raising in it
        cancels."""
        count, motion = len(frames), Motion()
        small, turns, old, reading = [], [], None, Reading(self.network, spots)
        with steady_flow():
            for k in range(count):
                picture = fitted(np.asarray(frames[k]))
                new = motion.look(picture)
                if old is not None:
                    turns.append(motion.turn(old, new))
                small.append(shrink([picture])[0])
                old = new
                ready = k + 1 - REACH if k < count - 1 else count
                if ready - reading.given >= AT_ONCE or k == count - 1:
                    self._give(reading, small, turns, ready)
                    reading.go(last=k == count - 1)
                    if progress is not None:
                        progress(k + 1, count)
        if not count:
            return []
        return peaks(*reading.answers(), threshold, self.metadata["even"])

    @staticmethod
    def _give(reading: Reading, small: list, turns: list, end: int) -> None:
        begin = reading.given
        low = max(begin - REACH, 0)
        part = np.stack(small[low:])
        turn = np.array(turns[low:], np.float32).reshape(-1, 2)
        reading.give([window(part, turn, k - low) for k in range(begin, end)])
        for k in range(max(end - REACH, 0)):  # what no later window needs
            small[k] = None


# ------------------------------------------------------------------ the file
def load_foley(path: Path) -> FoleyModel:
    """The impact network of the checkpoint at `path`; CheckpointError says what is wrong."""
    beside = companion_path(path, KIND)
    if not beside.is_file():
        raise CheckpointError(f"checkpoint {path}: it has no part that finds impacts in pictures "
                              f"({beside.name} beside it)")
    tensors, metadata = read_checkpoint(beside)
    where = f"impact network {beside}"
    if metadata["kind"] != KIND:
        raise CheckpointError(f"{where}: kind {metadata['kind']!r}; {KIND!r} is accepted")
    network = ImpactNet(**metadata["config"])
    load_into(network, tensors, where)
    return FoleyModel(network, metadata)


_loaded: dict[Path, Any] = {}
_lock = threading.Lock()


def foley_of(path: Path) -> FoleyModel:
    """As `load_foley`, once for all that ask."""
    with _lock:
        if path not in _loaded:
            _loaded[path] = load_foley(path)
        return _loaded[path]
