"""A portrait in a file or in bytes that somebody sent: decoded with care for its size."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import AvatarError
from .character import LARGEST, SMALLEST
from .portrait import Portrait, portrait_of

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_FILE = 64 << 20
"""Bytes of a file."""


def portrait_in(path: str | os.PathLike[str], anchors: str = "") -> Portrait:
    """The character of a PNG, JPEG or WebP file, named like it; anchors as in ``portrait_of``.

    AvatarError where there is no such file, or it is no picture or too large.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MOST_FILE:
            raise AvatarError(f"portrait {path}: {size >> 20} MB; {MOST_FILE >> 20} are accepted")
        data = path.read_bytes()
    except OSError as error:
        raise AvatarError(f"portrait {path}: {error.strerror or error}; a picture file is "
                          "accepted") from None
    return portrait_of(decode(data, name=f"portrait {path}"), anchors, name=path.stem)


def decode(data: bytes, most_side: int = LARGEST, name: str = "portrait") -> np.ndarray:
    """uint8 [H, W, 1, 3 or 4] of a PNG, JPEG or WebP, upright as its EXIF says.

    Sides are checked before pixels are decoded. AvatarError begins with ``name``.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if not SMALLEST <= min(image.size) <= max(image.size) <= most_side:
                raise AvatarError(f"{name}: {image.width} x {image.height} pixels; {SMALLEST} to "
                                  f"{most_side} a side are accepted")
            image = ImageOps.exif_transpose(image)
            clear = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
            return np.array(image.convert("RGBA" if clear else "RGB"))
    except AvatarError:
        raise
    except UnidentifiedImageError:
        raise AvatarError(f"{name}: no picture that can be read; {', '.join(FORMATS)} are "
                          "accepted") from None
    except Exception as error:  # Pillow raises many kinds for damaged files
        why = str(error)[:120] or type(error).__name__
        raise AvatarError(f"{name}: damaged ({why}); a whole {' or '.join(FORMATS)} is "
                          "accepted") from None
