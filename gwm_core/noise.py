"""Reproducible random numbers: a pure function of what they are for.

No generator is ever shared or advanced, so neither timing, nor threads, nor how a walk is cut
into steps can change a world.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from .errors import GWMError

MAX_SEED = 2**64 - 1


def check_seed(seed: int) -> int:
    """Return ``seed`` as an int; integers from 0 to 2**64 - 1 are accepted, else GWMError."""
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise GWMError(f"seed: got {seed!r}; a whole number from 0 to {MAX_SEED} is accepted")
    if not 0 <= int(seed) <= MAX_SEED:
        raise GWMError(f"seed: got {int(seed)}; a whole number from 0 to {MAX_SEED} is accepted")
    return int(seed)


def _encode(value: int | str) -> bytes:
    """One key as bytes; type and length are part of it, so that no two lists of keys collide."""
    if isinstance(value, str):
        data = b"s" + value.encode("utf-8", "surrogatepass")
    elif isinstance(value, (int, np.integer)):
        data = b"i" + str(int(value)).encode()
    else:
        raise GWMError(f"random key: got {value!r}; whole numbers and text are accepted")
    return len(data).to_bytes(4, "little") + data


def rng(seed: int, *keys: int | str) -> np.random.Generator:
    """A fresh generator for (seed, *keys): the same arguments always give the same numbers."""
    digest = hashlib.blake2b(_encode(check_seed(seed)), digest_size=16, person=b"gwm-noise-1")
    for key in keys:
        digest.update(_encode(key))
    words = np.frombuffer(digest.digest(), dtype="<u8").astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=words))


def noise(
    seed: int, tick: int, step: int, stream: int | str, shape: int | Sequence[int]
) -> np.ndarray:
    """Standard normal numbers, float32 of ``shape``, for one denoising step of one stream.

    ``tick`` is the world's tick, ``step`` the sampling step within it; models that renoise
    between steps count on.
    """
    size = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    if any(n < 0 for n in size):
        raise GWMError(f"noise: shape {size} has a negative side")
    if math.prod(size) == 0:
        return np.zeros(size, np.float32)
    return rng(seed, int(tick), int(step), stream).standard_normal(size, dtype=np.float32)
