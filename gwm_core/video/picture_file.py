"""Pictures of one shot in a file, without loss: what is read is bit for bit what was written.

H.264 in its lossless mode on RGB (five times as fast as FFV1 at the same size); FFV1 where the
library at hand lacks it. Both are read by every player that is built on FFmpeg.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import VideoError

CODECS = (
    ("libx264rgb", "rgb24", {"qp": "0", "preset": "ultrafast", "g": "48"}),
    ("ffv1", "bgr0", {"level": "3", "slicecrc": "1"}),
)


class PictureFile:
    """A new Matroska file of frames that follow one another.

        with PictureFile(path, fps) as file:
            file.add(frame)                  # uint8 [H, W, 3]
    """

    def __init__(self, path: str | os.PathLike[str], fps: Fraction) -> None:
        self.frames = 0
        self._fps = Fraction(fps)
        self._file = _av().open(str(path), "w", format="matroska")
        self._stream: Any = None

    def __enter__(self) -> PictureFile:
        return self

    def add(self, frame: np.ndarray) -> None:
        """The next frame; all have one size."""
        if self._stream is None:
            self._stream = _stream(self._file, frame, self._fps)
        picture = _av().VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts = self.frames
        self.frames += 1
        self._file.mux(self._stream.encode(picture))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._stream is not None and kind is None:
                self._file.mux(self._stream.encode(None))
        finally:
            self._file.close()


def pictures(path: str | os.PathLike[str], start: int = 0, stop: int | None = None
             ) -> Iterator[np.ndarray]:
    """Frames [start, stop) of such a file in order, uint8 [H, W, 3]; the file is closed after
    the last one, or when the iterator is."""
    with _av().open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type = "SLICE"
        for index, frame in enumerate(file.decode(stream)):
            if stop is not None and index >= stop:
                return
            if index >= start:
                yield frame.to_ndarray(format="rgb24")


def _stream(file: Any, frame: np.ndarray, fps: Fraction) -> Any:
    for name, form, options in CODECS:
        try:
            _av().codec.Codec(name, "w")
        except ValueError:
            continue
        stream = file.add_stream(name, rate=fps, options=options)
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = form
        stream.thread_count = 1
        return stream
    names = ", ".join(name for name, *_ in CODECS)
    raise VideoError(f"pictures: the package av here can write none of {names}")


def _av() -> Any:
    try:
        import av  # not at import: a host may lack it until a film is made
    except ImportError:
        raise VideoError("video: the package av is needed to keep shots and write films "
                         "(pip install av)") from None
    return av

