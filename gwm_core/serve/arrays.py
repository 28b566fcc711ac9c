"""Arrays in JSON, for the service and for its client."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import numpy as np

from ..errors import RoboticsError

KINDS = ("uint8", "float32")
SIDES = 6
"""An array has no more axes."""


def packed(array: np.ndarray) -> dict[str, Any]:
    """An array (uint8 or float32) as JSON: {"dtype", "shape", "data": base64 of its bytes, the
    lowest of a number first}."""
    array = np.ascontiguousarray(array)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return {"dtype": str(array.dtype), "shape": list(array.shape),
            "data": base64.b64encode(little.tobytes()).decode("ascii")}


def unpacked(value: Any, name: str) -> np.ndarray:
    """The array of ``packed``, or float32 of nested lists of numbers; RoboticsError says what of
    ``name`` is wrong."""
    if not isinstance(value, dict):
        return _listed(value, name)
    kind, shape = value.get("dtype"), value.get("shape")
    if kind not in KINDS or not isinstance(shape, list) or len(shape) > SIDES or any(
            type(n) is not int or not 0 <= n <= 1 << 24 for n in shape):
        raise RoboticsError(f"{name}: dtype {str(kind)[:20]!r}, shape {str(shape)[:60]}; "
                            f"{' or '.join(KINDS)} and a list of up to {SIDES} sizes are accepted")
    try:
        data = base64.b64decode(value.get("data"), validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise RoboticsError(f"{name}: data that is no base64; base64 is accepted") from None
    dtype = np.dtype(kind).newbyteorder("<")
    size = math.prod(shape) * dtype.itemsize
    if len(data) != size:
        raise RoboticsError(f"{name}: {len(data)} bytes for {kind} {shape}; {size} are accepted")
    return np.frombuffer(data, dtype).astype(kind).reshape(shape)


def _listed(value: Any, name: str) -> np.ndarray:
    if value is None:
        raise RoboticsError(f"{name}: it is missing; an array is accepted")
    try:
        return np.asarray(value, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise RoboticsError(f"{name}: no array; numbers in lists of equal length, or dtype, shape "
                            "and data in base64 are accepted") from None
