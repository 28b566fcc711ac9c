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
from ..model.impacts import OUT, REACH, ImpactNet
from ..motion import Motion, steady_flow
from .foley_frames import fitted, shrink, still_cells, window

KIND = "foley"
THRESHOLD = 0.5
APART, NEAR = 2, 3
"""Pictures and cells within which one impact alone is taken, the surest."""
AT_ONCE, NEVER = 16, -30.0
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Hit:
    """One impact: picture it is seen in, row and column in cells (of 20 x 32, fractional), sureness
    0..1, log-scale strength at the camera, pitch (as in audio tokens), material f32 [6]: shares."""

    frame: int
    row: float
    column: float
    sure: float
    loud: float
    pitch: float
    material: np.ndarray


def peaks(maps: np.ndarray, threshold: float = THRESHOLD, even: float = 0.5) -> list[Hit]:
    """Impacts in maps [F, 12, 20, 32] of neighbouring pictures, in order of time. even: the
    network's output that is right as often as not, so a sureness of .5."""
    logits = maps[:, OUT["hit"]][:, 0].astype(np.float64) - math.log(even / (1 - even))
    sure = 1 / (1 + np.exp(-logits))
    places = np.argwhere(sure > threshold)
    order = np.argsort(-sure[tuple(places.T)], kind="stable")
    kept: list[tuple[int, int, int]] = []
    for k in order:
        f, r, c = (int(v) for v in places[k])
        if all(abs(f - a) > APART or max(abs(r - b), abs(c - d)) > NEAR for a, b, d in kept):
            kept.append((f, r, c))
    return [_hit(maps[f, :, r, c], float(sure[f, r, c]), f, r, c)
            for f, r, c in sorted(kept)]


def _hit(values: np.ndarray, sure: float, frame: int, row: int, column: int) -> Hit:
    right, down = np.clip(values[OUT["offset"]], -1, 1)
    logits = values[OUT["material"]].astype(np.float64)
    share = np.exp(logits - logits.max())
    return Hit(frame, row + 0.5 + float(down), column + 0.5 + float(right), sure,
               float(np.clip(values[OUT["loud"]], 0.0, 1.3)[0]),
               float(np.clip(values[OUT["pitch"]], -1.0, 1.0)[0]),
               (share / share.sum()).astype(np.float32))


class FoleyModel:
    """The network with its metadata; safe to share between threads."""

    def __init__(self, network: ImpactNet, metadata: dict) -> None:
        self.network = network.eval().to(memory_format=torch.channels_last)
        self.metadata = metadata

    @torch.no_grad()
    def read(self, frames: Sequence[np.ndarray], threshold: float = THRESHOLD,
             progress: Progress | None = None) -> list[Hit]:
        """Impacts in pictures u8 [H, W, 3] of any one size, some 24 a second; a few of them are
        held at once. progress(done, total) is called now and then; raising in it cancels."""
        count, motion = len(frames), Motion()
        small, turns, maps, old = [], [], [], None
        with steady_flow():
            for k in range(count):
                picture = fitted(np.asarray(frames[k]))
                new = motion.look(picture)
                if old is not None:
                    turns.append(motion.turn(old, new))
                small.append(shrink([picture])[0])
                old = new
                ready = k + 1 - REACH if k < count - 1 else count
                if ready - len(maps) >= AT_ONCE or k == count - 1:
                    maps += self._maps(small, turns, len(maps), ready)
                    if progress is not None:
                        progress(k + 1, count)
        return peaks(np.stack(maps), threshold, self.metadata["even"]) if maps else []

    def _maps(self, small: list, turns: list, begin: int, end: int) -> list[np.ndarray]:
        low = max(begin - REACH, 0)
        part = np.stack(small[low:])
        turn = np.array(turns[low:], np.float32).reshape(-1, 2)
        out = []
        for k in range(begin, end, AT_ONCE):
            x = np.stack([window(part, turn, i - low) for i in range(k, min(k + AT_ONCE, end))])
            maps = self.network(torch.from_numpy(x)).numpy()
            maps[:, 0][np.stack([still_cells(one) for one in x])] = NEVER
            out += list(maps)
        for i in range(max(end - REACH, 0)):  # what no later window needs
            small[i] = None
        return out


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
