"""Frames and sound of a film's file, a frame at a time: memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import AvatarError
from .sound import Recording


class FilmReader:
    """An open film.

    source  a path or an open binary file
    rate    frames a second, exactly
    count   frames, as far as the file tells; 0 where it does not

    AvatarError for what is no film, or has no pictures.
    """

    def __init__(self, source: Any) -> None:
        self._file = _open(source)
        if not self._file.streams.video:
            self._file.close()
            raise AvatarError("video: it has no pictures; a film of a face is accepted")
        stream = self._file.streams.video[0]
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        self.count = int(stream.frames or 0)

    def __enter__(self) -> FilmReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def frames(self) -> Iterator[np.ndarray]:
        """All frames in order, uint8 [H, W, 3]."""
        for frame in self._file.decode(video=0):
            yield frame.to_ndarray(format="rgb24")

    @staticmethod
    def sound_of(source: Any) -> Recording | None:
        """The film's first sound track, as long as it is; None where it has none."""
        with _open(source) as file:
            if not file.streams.audio:
                return None
            stream = file.streams.audio[0]
            parts = [_planar(frame) for frame in file.decode(stream)]
            if not parts:
                return None
            return Recording(np.concatenate(parts, axis=1), int(stream.rate), "video")


def _planar(frame: Any) -> np.ndarray:
    """float32 [C, N] of a decoded piece of sound."""
    array, channels = frame.to_ndarray(), len(frame.layout.channels)
    if not frame.format.is_planar:
        array = array.reshape(-1, channels).T
    if array.dtype.kind == "i":
        return array.astype(np.float32) / float(np.iinfo(array.dtype).max + 1)
    if array.dtype.kind == "u":
        return array.astype(np.float32) / 128 - 1
    return array.astype(np.float32)


def _open(source: Any) -> Any:
    try:
        import av
    except ImportError:
        raise AvatarError("video: the package av is needed to read it (pip install av)") from None
    if hasattr(source, "seek"):
        source.seek(0)
    try:
        return av.open(source, "r")
    except (OSError, av.error.FFmpegError) as error:
        raise AvatarError(f"video: it cannot be read ({error})") from None
