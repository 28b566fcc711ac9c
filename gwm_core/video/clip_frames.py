"""The pictures of a film's file as a sequence that is read in order, one in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from ..avatars.film_reader import FilmReader
from ..errors import VideoError


class ClipFrames:
    """``frames[k]`` of a file, uint8 [H, W, 3]; cheap in order, a step back reads from the start.

    source  a path or an open binary file
    fps     frames a second, exactly; ``len`` is how many there are
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        with FilmReader(source) as film:
            self.fps: Fraction = film.rate
            count = film.count
            if not count:
                # Some containers do not tell; then they are counted.
                count = sum(1 for _ in film.frames())
        self._count = count
        self._reader: FilmReader | None = None
        self._stream: Iterator[np.ndarray] | None = None
        self._at, self._frame = -1, None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> np.ndarray:
        number = number + self._count if number < 0 else number
        if not 0 <= number < self._count:
            raise IndexError(number)
        if self._stream is None or number < self._at:
            self.close()
            self._reader = FilmReader(self._source)
            self._stream = self._reader.frames()
        while self._at < number:
            self._frame = next(self._stream, None)
            if self._frame is None:
                raise VideoError(f"video: it ends after {self._at + 1} of {self._count} frames")
            self._at += 1
        return self._frame

    def close(self) -> None:
        """The file is given back; the next frame opens it again."""
        if self._reader is not None:
            self._reader.__exit__(None, None, None)
        self._reader = self._stream = self._frame = None
        self._at = -1
