"""Video files written while their frames are made: memory does not grow with their length."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from .clip import Clip
from .errors import GWMError

CRF = "16"
"""Quality of H.264: no difference is seen at this size."""
AUDIO_BITRATE = 160_000
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
"""What AAC can hold; sound of another rate is resampled to the next one above."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some frames with their sound, for what is no clip of a world.

    frames       uint8 [F, H, W, 3] by view
    audio        float32 [1 or 2, N] in -1..1
    sample_rate  hertz; 0 is silent
    fps          frames a second
    """

    frames: dict[str, np.ndarray]
    audio: np.ndarray
    sample_rate: int
    fps: Fraction | int


class VideoFile:
    """An MP4 (H.264, AAC) of clips of one view, all or nothing: the file appears when the context
    ends without an error.

    path      where it is written; the folder must exist
    view      whose frames; the first view when left out
    metadata  texts for the file's header
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        view: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        try:
            import av
        except ImportError:
            raise GWMError("video: the package av is needed to write it (pip install av)") from None
        self._av = av
        self.path, self.view = Path(path), view
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._file = av.open(str(self._part), "w", format="mp4")
        for key, value in (metadata or {}).items():
            self._file.metadata[key] = value
        self._pictures = self._sound = None
        self._samples = 0

    def __enter__(self) -> VideoFile:
        return self

    def add(self, clip: Clip | Piece) -> None:
        """The next frames with their sound; all clips have the same size and rates."""
        av = self._av
        frames = clip.frames[self.view or clip.embodiment.views[0].name]
        if self._pictures is None:
            self._begin(clip, frames)
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            self._file.mux(self._pictures.encode(picture))
        if self._sound is not None and clip.audio.shape[1]:
            layout = "stereo" if clip.audio.shape[0] == 2 else "mono"
            audio = np.ascontiguousarray(clip.audio[: 2 if layout == "stereo" else 1])
            sound = av.AudioFrame.from_ndarray(audio, format="fltp", layout=layout)
            sound.sample_rate, sound.pts = clip.sample_rate, self._samples
            self._samples += audio.shape[1]
            self._file.mux(self._sound.encode(sound))

    def _begin(self, clip: Clip | Piece, frames: np.ndarray) -> None:
        rate = Fraction(clip.fps).limit_denominator(1001)
        options = {"crf": CRF, "preset": "veryfast"}
        self._pictures = self._file.add_stream("h264", rate=rate, options=options)
        self._pictures.height, self._pictures.width = frames.shape[1:3]
        self._pictures.pix_fmt = "yuv420p"
        if clip.sample_rate:
            rate = next((r for r in AAC_RATES if r >= clip.sample_rate), AAC_RATES[-1])
            self._sound = self._file.add_stream("aac", rate=rate)
            self._sound.bit_rate = AUDIO_BITRATE
            self._sound.layout = "stereo" if clip.audio.shape[0] == 2 else "mono"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        whole = kind is None and self._pictures is not None
        try:
            try:
                if whole:
                    for stream in filter(None, (self._pictures, self._sound)):
                        self._file.mux(stream.encode(None))
            finally:
                self._file.close()
            if whole:
                os.replace(self._part, self.path)
        finally:
            self._part.unlink(missing_ok=True)
