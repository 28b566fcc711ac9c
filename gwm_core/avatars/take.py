"""A take: what was spoken into a live avatar, as a FLAC file; left is the character, right the
other.

FLAC is exact: a film that is made from the file is what was seen live.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from ..errors import AvatarError

BLOCK = 4096
"""Samples that the encoder is given at once."""
RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
"""Samples a second that a page may record at: what FLAC holds without a special header."""


def write_take(path: str | os.PathLike[str], pcm: np.ndarray, rate: int) -> Path:
    """Write int16 ``pcm`` [N, 2] at ``rate``; the file appears whole or not at all.

    AvatarError where there is nothing to write or the package av is missing.
    """
    av = _av()
    if not len(pcm):
        raise AvatarError("take: nothing was said; speak or play a file while it records")
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        with av.open(str(part), "w", format="flac") as file:
            stream = file.add_stream("flac", rate=rate)
            stream.layout = "stereo"
            for start in range(0, len(pcm), BLOCK):
                block = np.ascontiguousarray(pcm[start : start + BLOCK].reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
                frame.sample_rate, frame.pts = rate, start
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read_take(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """(own voice, the other's, samples a second): float32 [N] in -1..1, as the live avatar got
    them. A sound file of one channel is the character's own voice."""
    av, name = _av(), Path(path).name
    parts = []
    try:
        with av.open(str(path)) as file:
            stream = file.streams.audio[0]
            rate = stream.rate
            for frame in file.decode(stream):
                data = frame.to_ndarray()
                if not frame.format.is_planar:
                    data = data.reshape(-1, frame.layout.nb_channels).T
                parts.append(_floats(data))
    except (av.error.FFmpegError, IndexError, OSError) as error:
        raise AvatarError(f"take: {name} cannot be read as sound: {error}") from None
    if not parts:
        raise AvatarError(f"take: {name} holds no sound")
    sound = np.concatenate(parts, axis=1)
    other = sound[1] if len(sound) > 1 else np.zeros_like(sound[0])
    return sound[0], other, rate


def new_take(folder: str | os.PathLike[str], name: str = "avatar") -> Path:
    """A path in ``folder`` that no file has, named by the time."""
    stem = f"{name}_{time.strftime('%Y%m%d_%H%M%S')}"
    path, count = Path(folder) / f"{stem}.flac", 2
    while path.exists():
        path, count = Path(folder) / f"{stem}_{count}.flac", count + 1
    return path


def _floats(data: np.ndarray) -> np.ndarray:
    """Samples of any kind as float32 in -1..1."""
    if data.dtype.kind == "f":
        return data.astype(np.float32)
    if data.dtype == np.uint8:
        return (data.astype(np.float32) - 128) / np.float32(128)
    return data.astype(np.float32) / np.float32(-float(np.iinfo(data.dtype).min))


def _av():
    try:
        import av
    except ImportError:
        raise AvatarError("take: the package av is needed (pip install av)") from None
    return av
