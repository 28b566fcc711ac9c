"""A film of a face, written to a file while it is made: memory does not grow with its length."""

from __future__ import annotations

import os
from types import TracebackType

import numpy as np

from ..video_file import Piece, VideoFile
from .motion import TICK_RATE
from .sound import Recording

VIEW = "face"
AHEAD = 5
"""Ticks that are encoded at once."""


class Film:
    """An MP4 of 25 frames a second with its sound, all or nothing as ``VideoFile`` is.

    path   where it is written; the folder must exist
    sound  what is heard, at its own sample rate; None is a silent film

    A codec needs even sides: an odd one gets one more row or column, a copy of the last.
    """

    def __init__(self, path: str | os.PathLike[str], sound: Recording | None = None) -> None:
        self.sound = sound
        self.ticks = 0
        self._file = VideoFile(path, VIEW)
        self._frames: list[np.ndarray] = []

    def __enter__(self) -> Film:
        return self

    def add(self, frame: np.ndarray) -> None:
        """The next frame, uint8 [H, W, 3]."""
        self._frames.append(even(frame))
        if len(self._frames) == AHEAD:
            self._write()

    def _write(self) -> None:
        if not self._frames:
            return
        after = self.ticks + len(self._frames)
        audio, rate = np.zeros((1, 0), np.float32), 0
        if self.sound is not None:
            rate = self.sound.rate
            audio = self.sound.samples[:, self.sound.at(self.ticks): self.sound.at(after)]
            audio = np.clip(audio[:2], -1, 1)
        self._file.add(Piece({VIEW: np.stack(self._frames)}, audio, rate, TICK_RATE))
        self.ticks = after
        self._frames.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._write()
        except BaseException as failed:
            self._file.__exit__(type(failed), failed, failed.__traceback__)
            raise
        self._file.__exit__(kind, error, trace)


def even(frame: np.ndarray) -> np.ndarray:
    """``frame`` [H, W, 3] with even sides."""
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return frame
