"""Whether a character keeps its voice: likeness by a speaker encoder of other hands.

The encoder is the one of the package Resemblyzer (generalised end-to-end loss, Wan et al. 2018),
trained on thousands of people. Only its weights are read: the package's own code asks for
libraries that newer ones have left behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from ...errors import VideoError

RATE = 16000
_WINDOW, _HOP, _BANDS, _HIDDEN = 400, 160, 40, 256
_PARTIAL, _STEP = 160, 77
"""Frames of 10 ms that one look of the encoder has, and from one look to the next."""
_LEVEL = 10 ** (-30 / 20)
_QUIET_DB = 35.0
"""Frames so far below the loudest are silence and left out."""
LEAST = 0.8
"""Seconds of sound that a likeness needs."""


def available() -> bool:
    """Whether the package with the weights is installed."""
    return find_spec("resemblyzer") is not None


def embedding(sound: np.ndarray, rate: int) -> np.ndarray:
    """Who speaks in mono ``sound`` [N] of ``rate`` samples a second: float32 [256] of length 1.

    VideoError for less than ``LEAST`` seconds of sound, or if the package is missing.
    """
    import torch

    network = _network()
    mel = _mel(_speech(np.asarray(sound, np.float32), rate))
    starts = range(0, max(len(mel) - _PARTIAL, 0) + 1, _STEP)
    looks = np.stack([np.pad(mel[s:s + _PARTIAL], ((0, max(0, s + _PARTIAL - len(mel))), (0, 0)))
                      for s in starts])
    with torch.inference_mode():
        _, (state, _) = network["lstm"](torch.from_numpy(looks))
        out = torch.relu(network["linear"](state[-1]))
        mean = (out / out.norm(dim=1, keepdim=True)).mean(0)
        return (mean / mean.norm()).numpy()


def right_order(groups: Mapping[str, Sequence[np.ndarray]]) -> tuple[float, int]:
    """Share of comparisons in the right order, and how many there were.

    groups: embeddings [D] by character. A comparison asks whether a clip is more like another of
    the same character than like one of somebody else; 0.5 is chance. (NaN, 0) where no character
    has two clips, or there is only one character.
    """
    right = asked = 0.0
    for name, own in groups.items():
        for i, clip in enumerate(own):
            for j, same in enumerate(own):
                if i == j:
                    continue
                for other in (o for n, many in groups.items() if n != name for o in many):
                    near, far = float(clip @ same), float(clip @ other)
                    right += 1.0 if near > far else 0.5 if near == far else 0.0
                    asked += 1
    return (right / asked, int(asked)) if asked else (float("nan"), 0)


def shuffled(groups: Mapping[str, Sequence[np.ndarray]], seed: int = 0) -> dict[str, list]:
    """The same clips under names drawn by chance: the floor."""
    draw = np.random.default_rng(seed)
    names = [n for n, many in groups.items() for _ in many]
    clips = [c for many in groups.values() for c in many]
    out: dict[str, list] = {}
    for name, k in zip(names, draw.permutation(len(clips)), strict=True):
        out.setdefault(name, []).append(clips[k])
    return out


def _speech(sound: np.ndarray, rate: int) -> np.ndarray:
    """``sound`` at 16 kHz and the encoder's level, without its silences."""
    if sound.ndim != 1 or not np.isfinite(sound).all():
        raise VideoError(f"voice: sound of shape {list(sound.shape)}; finite mono samples [N] are "
                         "accepted")
    if rate != RATE:
        shared = np.gcd(int(rate), RATE)
        sound = resample_poly(sound, RATE // shared, rate // shared).astype(np.float32)
    frames = sound[:len(sound) // 480 * 480].reshape(-1, 480)
    level = 10 * np.log10((frames.astype(np.float64) ** 2).mean(1) + 1e-12)
    loud = level > max(level.max(initial=-120) - _QUIET_DB, -70)
    # what lies between two loud stretches of a word is kept: a closure is part of the voice
    loud = np.convolve(loud, np.ones(7), "same") > 0 if len(loud) else loud
    kept = frames[loud].ravel()
    if len(kept) < LEAST * RATE:
        raise VideoError(f"voice: {len(kept) / RATE:.2f} s of sound in it; at least {LEAST} s are "
                         "needed")
    power = np.sqrt((kept.astype(np.float64) ** 2).mean())
    return (kept * max(1.0, _LEVEL / power)).astype(np.float32)


def _mel(sound: np.ndarray) -> np.ndarray:
    """float32 [F, 40]: mel energies (Slaney's scale and area norm), not logarithmic."""
    padded = np.pad(sound, _WINDOW // 2)
    count = 1 + (len(padded) - _WINDOW) // _HOP
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:count]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    return ((np.abs(np.fft.rfft(frames * window, axis=1)) ** 2) @ _filters().T).astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    """f64 [40, bins]: triangles on the scale of Slaney's auditory toolbox (1998)."""
    least, step = 1000.0, np.log(6.4) / 27

    def hertz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15, mel * 200 / 3, least * np.exp(step * (mel - 15)))

    top = 15 + np.log(RATE / 2 / least) / step
    edges = hertz(np.linspace(0, top, _BANDS + 2))
    bins = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    up = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]


@lru_cache(maxsize=1)
def _network():
    if not available():
        raise VideoError("voice likeness: the speaker encoder is not installed; "
                         "pip install --no-deps resemblyzer==0.1.4")
    import torch

    kept = torch.load(Path(find_spec("resemblyzer").origin).parent / "pretrained.pt",
                      map_location="cpu", weights_only=True)["model_state"]
    net = torch.nn.ModuleDict({
        "lstm": torch.nn.LSTM(_BANDS, _HIDDEN, 3, batch_first=True),
        "linear": torch.nn.Linear(_HIDDEN, _HIDDEN)})
    net.load_state_dict({k: v for k, v in kept.items() if k.split(".")[0] in net})
    return net.eval()
