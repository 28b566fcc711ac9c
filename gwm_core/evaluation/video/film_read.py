"""What a finished film's files hold, read by other means than they were written with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from scipy.io import wavfile

from ...errors import VideoError

SMALL = (96, 54)
"""Width and height of the pictures that cuts are looked for in."""
STEP, ABOVE = 6.0, 2.5
"""Grey levels that a hard cut changes the picture by at least, and how many times as much as any
of the pictures around it changes from one to the next."""
AROUND = 4
"""Pictures before and after a step against which it is held."""


@dataclass(frozen=True, eq=False)
class Film:
    """small: every decoded picture, uint8 [T, 54, 96, 3]; samples: decoded of the sound; starts:
    seconds at which picture and sound begin."""

    small: np.ndarray
    samples: int
    rate: int
    starts: tuple[float, float]


def read_film(path: str | Path) -> Film:
    """A film's file, decoded whole (pictures small)."""
    av = _av()
    with av.open(str(path)) as box:
        picture, sound = box.streams.video[0], box.streams.audio[0]
        small, samples, starts = [], 0, {}
        for frame in box.decode(picture, sound):
            kind = "video" if isinstance(frame, av.VideoFrame) else "audio"
            starts.setdefault(kind, float(frame.time or 0))
            if kind == "video":
                small.append(cv2.resize(frame.to_ndarray(format="rgb24"), SMALL,
                                        interpolation=cv2.INTER_AREA))
            else:
                samples += frame.samples
        return Film(np.stack(small), samples, sound.rate, (starts["video"], starts["audio"]))


def found_cuts(small: np.ndarray) -> list[int]:
    """Pictures at which another shot begins at once: where the step from the picture before is
    far larger than the steps around it."""
    steps = np.abs(np.diff(small.astype(np.int16), axis=0)).mean((1, 2, 3))
    out = []
    for k, step in enumerate(steps):
        near = np.delete(steps[max(k - AROUND, 0):k + AROUND + 1], min(k, AROUND))
        if step > STEP and step > ABOVE * near.max(initial=0):
            out.append(k + 1)
    return out


def middle_of_fade(small: np.ndarray, first: int, count: int) -> float:
    """The moment, in pictures, at which a fade from the picture before ``first`` to the one after
    its ``count`` pictures is half done; NaN where nothing changes."""
    a = small[max(first - 1, 0)].astype(np.float64)
    b = small[min(first + count, len(small) - 1)].astype(np.float64)
    size = ((b - a) ** 2).sum()
    if size < 1e-6:
        return float("nan")
    share = [float(((f.astype(np.float64) - a) * (b - a)).sum() / size)
             for f in small[first:first + count]]
    past = next((k for k, s in enumerate(share) if s >= 0.5), None)
    if past is None:
        return float("nan")
    before = share[past - 1] if past else 0.0
    return first + past - 1 + (0.5 - before) / max(share[past] - before, 1e-6)


def wav(path: str | Path) -> tuple[np.ndarray, int]:
    """(float32 [C, N], samples a second) of a WAV file."""
    rate, samples = wavfile.read(path)
    return np.atleast_2d(samples.T.astype(np.float32)), int(rate)


def loudness(sound: np.ndarray, rate: int) -> tuple[float, float]:
    """(integrated loudness in LUFS, true peak in dBTP) of float32 [C, N], by FFmpeg's meter of
    EBU R128 (ITU-R BS.1770); -70 and -inf for silence."""
    av = _av()
    from av.filter import Graph

    layout = "mono" if len(sound) == 1 else "stereo"
    graph = Graph()
    source = graph.add_abuffer(format="fltp", sample_rate=rate, layout=layout,
                               time_base=Fraction(1, rate))
    meter, sink = graph.add("ebur128", "peak=true:metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    told: dict[str, str] = {}
    for at in _blocks(sound.shape[1], rate):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, at]), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, at.start, Fraction(1, rate)
        source.push(frame)
        while True:
            try:
                told.update(sink.pull().metadata)
            except (BlockingIOError, EOFError):
                break
    peak = float(told.get("lavfi.r128.true_peak", 0))
    return float(told.get("lavfi.r128.I", -70)), 20 * np.log10(peak) if peak > 0 else -np.inf


def _blocks(count: int, rate: int) -> Iterator[slice]:
    step = rate // 10
    return (slice(at, min(at + step, count)) for at in range(0, count, step))


def _av():
    try:
        import av
    except ImportError:
        raise VideoError("reading a film needs PyAV (pip install av), as the host has it") from None
    return av
