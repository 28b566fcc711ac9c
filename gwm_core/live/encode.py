"""Frames and sound of a tick as bytes for a page."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

LOSSLESS_SIDE = 256
"""Pictures up to this wide and high stay lossless wherever the page is."""
PNG_LEVEL = 1
JPEG_QUALITY = 90


def choose(wanted: str, near: bool, width: int, height: int) -> str:
    """"raw", "png" or "jpeg": how pictures travel.

    wanted: "lossless", "small" or "auto"; near: whether the page is on this machine, where
    compressing costs more than it saves.
    """
    if wanted == "small":
        return "jpeg"
    if near:
        return "raw"
    small = max(width, height) <= LOSSLESS_SIDE
    return "png" if wanted == "lossless" or small else "jpeg"


def picture(frame: np.ndarray, encoding: str) -> bytes:
    """uint8 [H, W, 3] as raw RGB, PNG or JPEG."""
    if encoding == "raw":
        return np.ascontiguousarray(frame).tobytes()
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(frame))
    if encoding == "png":
        image.save(out, "PNG", compress_level=PNG_LEVEL)
    else:
        image.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def sound(audio: np.ndarray) -> bytes:
    """float32 [C, N] in -1..1 as interleaved int16, little endian."""
    scaled = np.clip(audio, -1.0, 1.0) * np.float32(32767)
    return np.ascontiguousarray(np.rint(scaled).astype("<i2").T).tobytes()
