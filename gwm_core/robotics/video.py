"""H.264 files of many short recordings, and exact access to any frame of a video by its time."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RoboticsError

CRF = 18
"""Quality of H.264: close to lossless at the sizes of robot cameras."""
KEYFRAMES = 2
"""Of two frames one is a keyframe, at least: no frame is further than one from where to start."""


def rate(fps: float) -> Fraction:
    """Frames a second as an exact fraction: 10.0 is 10, 29.97 is 2997/100."""
    return Fraction(str(fps)).limit_denominator(100_000)


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise RoboticsError(
            'video: the package av is needed (pip install "gwm[robotics]")'
        ) from None
    return av


class VideoWriter:
    """An MP4 file (H.264, yuv420p, no B-frames), written while its frames come.

    Frame i is shown at exactly i / fps seconds; the header is at the front of the file.

    path    where it is written; its folder must exist
    height  pixels; even, as yuv420p asks
    width   pixels; even
    fps     frames a second
    crf     quality, 0 (lossless) .. 51
    """

    def __init__(
        self, path: str | os.PathLike[str], height: int, width: int, fps: float, crf: int = CRF
    ) -> None:
        self._av = _av()
        if height % 2 or width % 2:
            raise RoboticsError(
                f"video {Path(path).name}: frames are {width}x{height}; H.264 accepts even sizes "
                'only, images="image" any'
            )
        self.size = (height, width)
        self.frames = 0
        self.bytes = 0
        self._file = self._av.open(
            str(path), "w", format="mp4", options={"movflags": "faststart"}
        )
        # One thread, and no look ahead, in which x264 is not the same from run to run: the same
        # frames give the same file.
        options = {
            "crf": str(crf), "g": str(KEYFRAMES), "bf": "0", "preset": "veryfast", "threads": "1",
            "mbtree": "0", "rc-lookahead": "0",
        }
        self._stream = self._file.add_stream("libx264", rate=rate(fps), options=options)
        self._stream.height, self._stream.width = height, width
        self._stream.pix_fmt = "yuv420p"

    def add(self, frames: np.ndarray) -> None:
        """The next frames, uint8 [n, H, W, 3]."""
        for frame in frames:
            picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = self.frames
            self.frames += 1
            self._mux(self._stream.encode(picture))

    def _mux(self, packets: list) -> None:
        self.bytes += sum(packet.size for packet in packets)
        self._file.mux(packets)

    def close(self) -> None:
        """Ends the file: it can be read from now on."""
        try:
            if self.frames:
                self._mux(self._stream.encode(None))
        finally:
            self._file.close()


class VideoReader:
    """Frames of a video file by their time, in any codec that the installed PyAV decodes.

    Opening fails with a RoboticsError where the file is missing, truncated or no video.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._av = _av()
        self.path = Path(path)
        if not self.path.is_file():
            raise RoboticsError(f"{self.path}: no such file; copy it from where the set came from")
        try:
            self._file = self._av.open(str(self.path))
        except (self._av.FFmpegError, OSError) as error:
            raise self._damaged(f"it cannot be opened ({error})") from None
        if not self._file.streams.video:
            self._file.close()
            raise self._damaged("it holds no video stream")
        self._stream = self._file.streams.video[0]
        # Kept: PyAV's to_ndarray(format=) prepares the conversion anew for each frame, 3 ms each.
        self._colour = self._av.video.reformatter.VideoReformatter()
        entries = getattr(self._stream, "index_entries", None) or ()
        self.frames: int = self._stream.frames or len(entries)
        self.width: int = self._stream.codec_context.width
        self.height: int = self._stream.codec_context.height
        self.codec: str = self._stream.codec_context.codec.canonical_name
        # With its header in front, a cut file opens well; its index tells that the end is missing.
        end = max((entry.pos + entry.size for entry in entries), default=0)
        size = self.path.stat().st_size
        if end > size:
            self.close()
            raise self._damaged(f"it has {size} bytes, its index says {end} or more")

    def _damaged(self, what: str) -> RoboticsError:
        return RoboticsError(
            f"{self.path}: {what}; the file is truncated or damaged: copy or download it again"
        )

    def read(self, start: float, count: int, fps: float) -> np.ndarray:
        """uint8 [count, H, W, 3]: the frames nearest to ``start + i / fps`` seconds.

        RoboticsError where the file has no frame within half a tick of one of these times.
        """
        frames = np.empty((count, self.height, self.width, 3), np.uint8)
        there = np.zeros(count, bool)
        # A file with B-frames may start a seek too late: then it is read from its beginning.
        for begin in (start, 0.0):
            try:
                self._decode(begin, start, fps, frames, there)
            except self._av.FFmpegError as error:
                raise self._damaged(f"a frame cannot be decoded ({error})") from None
            if there.all():
                return frames
        missing = int(np.flatnonzero(~there)[0])
        raise RoboticsError(
            f"{self.path}: {int(there.sum())} of {count} frames from {start:g} s on at {fps:g} fps "
            f"were found, the first one missing at {start + missing / fps:g} s; a file with every "
            "frame at its time is accepted: download it again, or leave this episode out"
        )

    def _decode(
        self, begin: float, start: float, fps: float, frames: np.ndarray, there: np.ndarray
    ) -> None:
        self._file.seek(int(begin / self._stream.time_base), stream=self._stream)
        left = int((~there).sum())
        for picture in self._file.decode(self._stream):
            if picture.time is None:
                continue
            k = round((picture.time - start) * fps)
            if k >= len(there):
                return
            if k < 0 or there[k]:
                continue
            if (picture.height, picture.width) != frames.shape[1:3]:
                raise RoboticsError(
                    f"{self.path}: frames of {picture.width}x{picture.height} after frames of "
                    f"{self.width}x{self.height}; one size a file is accepted"
                )
            frames[k] = self._colour.reformat(picture, format="rgb24").to_ndarray()
            there[k], left = True, left - 1
            if not left:
                return

    def close(self) -> None:
        """Lets the file go."""
        self._file.close()
