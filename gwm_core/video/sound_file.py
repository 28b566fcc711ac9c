"""Sound kept in a WAV file of float samples and read or added to a piece at a time.

A film's stems never lie in memory as a whole, and what lies on disk is a file that any editor
opens. A value outside -1..1 is kept as it is: only the mix has limits.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import TracebackType

import numpy as np

from ..errors import VideoError

CHANNELS = 2
_FLOAT = 3
_BYTES = 4 * CHANNELS
_HEADER = struct.Struct("<4sI4s 4sIHHIIHHH 4sII 4sI")
_MOST = (1 << 32) - 1 - _HEADER.size
PIECE = 1 << 16
"""Samples that are handled at once: a third of a megabyte."""


class SoundFile:
    """A stereo sound of a known length, as float32 [2, N] of which slices are read.

    path  the file; ``rate`` samples a second; ``shape`` is (2, N)

        with SoundFile.create(path, 48000, n) as sound:      # silence
            sound.add(first, part)                           # part float32 [2, m] is added
            piece = sound[:, a:b]

    VideoError for a file that is no such WAV, or was cut off.
    """

    def __init__(self, path: str | os.PathLike[str], write: bool = False) -> None:
        self.path = Path(path)
        self._file = open(self.path, "r+b" if write else "rb")  # noqa: SIM115 - closed by close()
        try:
            self.rate, count = _read_header(self._file.read(_HEADER.size), self.path)
            there = os.fstat(self._file.fileno()).st_size
            if there < _HEADER.size + count * _BYTES:
                raise VideoError(f"sound file {self.path}: {there} bytes; it was cut off")
        except BaseException:
            self._file.close()
            raise
        self.shape = (CHANNELS, count)

    @classmethod
    def create(cls, path: str | os.PathLike[str], rate: int, samples: int) -> SoundFile:
        """A file of silence to add to; a file that is there already is replaced."""
        if samples * _BYTES > _MOST:
            raise VideoError(f"sound file {path}: {samples} samples are more than a WAV can hold")
        with open(path, "wb") as file:
            file.write(_header(rate, samples))
            file.truncate(_HEADER.size + samples * _BYTES)
        return cls(path, write=True)

    def __enter__(self) -> SoundFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: tuple[slice, slice]) -> np.ndarray:
        """float32 [channels, samples] of two slices, as of an array."""
        channels, samples = index
        start, stop, _ = samples.indices(self.shape[1])
        return self.read(start, stop)[channels]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples [start, stop), float32 [2, stop - start]; silence outside of the file."""
        out = np.zeros((CHANNELS, max(0, stop - start)), np.float32)
        a, b = max(0, start), min(stop, self.shape[1])
        if a < b:
            self._file.seek(_HEADER.size + a * _BYTES)
            data = np.frombuffer(self._file.read((b - a) * _BYTES), "<f4")
            out[:, a - start : b - start] = data.reshape(-1, CHANNELS).T
        return out

    def write(self, start: int, sound: np.ndarray) -> None:
        """Put float [2, n] at ``start``; what lies outside of the file is left out."""
        a, b = max(0, start), min(start + sound.shape[1], self.shape[1])
        if a < b:
            part = np.ascontiguousarray(sound[:, a - start : b - start].T, dtype="<f4")
            self._file.seek(_HEADER.size + a * _BYTES)
            self._file.write(part.tobytes())

    def add(self, start: int, sound: np.ndarray) -> None:
        """Add float [2, n] to what is there from ``start`` on."""
        self.write(start, self.read(start, start + sound.shape[1]) + sound)

    def close(self) -> None:
        """Nothing can be read or written afterwards."""
        self._file.close()


def write_sound(path: str | os.PathLike[str], sound: np.ndarray, rate: int) -> None:
    """A whole sound float [2, N] as such a file."""
    with SoundFile.create(path, rate, sound.shape[1]) as file:
        for start in range(0, sound.shape[1], PIECE):
            file.write(start, sound[:, start : start + PIECE])


def _header(rate: int, samples: int) -> bytes:
    data = samples * _BYTES
    return _HEADER.pack(
        b"RIFF", _HEADER.size - 8 + data, b"WAVE",
        b"fmt ", 18, _FLOAT, CHANNELS, rate, rate * _BYTES, _BYTES, 32, 0,
        b"fact", 4, samples, b"data", data,
    )


def _read_header(data: bytes, path: Path) -> tuple[int, int]:
    """(samples a second, samples)."""
    if len(data) == _HEADER.size:
        riff, _, wave, *form, fact, _, count, name, size = _HEADER.unpack(data)
        kind = (riff, wave, form[0], form[2], form[3], fact, name)
        if kind == (b"RIFF", b"WAVE", b"fmt ", _FLOAT, CHANNELS, b"fact", b"data") \
                and size == count * _BYTES:
            return form[4], count
    raise VideoError(f"sound file {path}: no stereo WAV of floats as this library writes them")
