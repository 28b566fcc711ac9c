"""Pictures and videos as they travel: what is sent is decoded with care for its size."""

from __future__ import annotations

import hashlib
import io
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from ..errors import RoboticsError

SIDE, AREA = 4096, 1 << 23
"""Pixels: no side of a picture or of a video is longer, no frame has more."""
FRAMES = 64
"""A context video has no more frames."""
PAIR = 1.9
"""A picture at least this many times wider than high holds two views side by side."""


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise RoboticsError(
            'serve: the package av is needed for videos (pip install "gwm[robotics]")'
        ) from None
    return av


# ---------------------------------------------------------------- pictures and videos


def last_frame(data: bytes) -> tuple[int, np.ndarray]:
    """(number of frames, the last one uint8 [H, W, 3]) of a PNG, JPEG or WebP (1 frame) or of an
    MP4 (at most 64); RoboticsError says what is wrong."""
    if data[4:8] == b"ftyp":
        return _video(data)
    return 1, _picture(data)


def _picture(data: bytes) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            _check_size(*image.size)
            return np.asarray(image.convert("RGB"))
    except RoboticsError:
        raise
    except UnidentifiedImageError:
        raise RoboticsError("upload: neither a picture nor a video that can be read; PNG, JPEG, "
                            "WebP and MP4 are accepted") from None
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise RoboticsError(f"upload: the picture is damaged ({_short(error)}); a whole PNG, JPEG "
                            "or WebP is accepted") from None


def _video(data: bytes) -> tuple[int, np.ndarray]:
    av = _av()
    count, last = 0, None
    try:
        # By name: a playlist or another format that opens files of its own is no video here.
        with av.open(io.BytesIO(data), format="mp4") as file:
            if not file.streams.video:
                raise RoboticsError("upload: an MP4 without pictures; one video stream is accepted")
            stream = file.streams.video[0]
            _check_size(stream.width, stream.height)
            for last in file.decode(stream):
                _check_size(last.width, last.height)
                count += 1
                if count > FRAMES:
                    raise RoboticsError(f"upload: a video of more than {FRAMES} frames; the last "
                                        "17 are enough as a context")
            if last is None:
                raise RoboticsError("upload: a video without frames; 1 or more are accepted")
            return count, last.to_ndarray(format="rgb24")
    except RoboticsError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise RoboticsError(f"upload: the MP4 is damaged ({_short(error)}); a whole one is "
                            "accepted") from None


def _check_size(width: int, height: int) -> None:
    if not (16 <= width <= SIDE and 16 <= height <= SIDE and width * height <= AREA):
        raise RoboticsError(f"upload: {width}x{height} pixels; 16 to {SIDE} a side and at most "
                            f"{AREA} in all are accepted")


def _short(error: Exception) -> str:
    return str(error)[:120] or type(error).__name__


def encode(frames: np.ndarray, fps: float) -> bytes:
    """An MP4 of frames uint8 [n, H, W, 3] that decodes to exactly these (H.264 in RGB, lossless).

    What a client gets is what the model drew, and a frame that comes back can be recognised.
    """
    av = _av()
    buffer = io.BytesIO()
    options = {"crf": "0", "preset": "ultrafast", "threads": "1", "bf": "0"}
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("libx264rgb", rate=Fraction(str(fps)), options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb24"
        for k, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = k
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return buffer.getvalue()


def mark(frame: np.ndarray) -> bytes:
    """What tells one frame uint8 [H, W, 3] from all others."""
    return hashlib.sha256(repr(frame.shape).encode() + frame.tobytes()).digest()


# ---------------------------------------------------------------- first looks


def split(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(base, wrist) of a frame uint8 [H, W, 3] as Runway's client sends it: two views of equal
    size side by side, or one alone (wrist None) where it is less than 1.9 times as wide as high."""
    height, width = frame.shape[:2]
    if width < PAIR * height:
        return frame, None
    return frame[:, : width // 2], frame[:, width // 2:]


def fitted(view: np.ndarray, size: int) -> np.ndarray:
    """The middle square of a view, as uint8 [size, size, 3]: the vertical angle of view stays."""
    height, width = view.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(view[top : top + side, left : left + side])
    if side == size:
        return square
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(square, (size, size), interpolation=way)


def first_look(frame: np.ndarray, felt: np.ndarray, size: int) -> dict[str, Any]:
    """An observation of all that the model wants, from one frame of Runway's client.

    frame  uint8 [H, W, 3], one view or two, see ``split``; their middle squares are taken
    felt   agent_pos float32 [9]

    Assumed, as nothing better is known: the side view, and the wrist view where there is none,
    are copies of the base view. What the model reads from them is then worth less: who has all
    views and the proprioception sends them with ``TableClient``.
    """
    base, wrist = split(frame)
    front = fitted(base, size)
    hand = front if wrist is None else fitted(wrist, size)
    return {"pixels": {"front": front, "side": front, "wrist": hand}, "agent_pos": felt}
