"""Numbers that published code gave for tiny networks, kept beside the tests of this repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import GWMError

FOLDER = Path(__file__).resolve().parents[3] / "tests" / "backbones" / "numbers"
"""Not part of an installed package: the figures need a checkout."""


def thin(values: np.ndarray, keep: int) -> np.ndarray:
    """Every ``keep``-th number along the flattened array."""
    return np.ascontiguousarray(values.reshape(-1)[::keep])


def committed(name: str) -> dict[str, np.ndarray]:
    """The arrays of ``<name>.npz``; GWMError outside a checkout."""
    path = FOLDER / f"{name}.npz"
    if not path.is_file():
        raise GWMError(f"{path}: the numbers of published code are part of a checkout of GWM only")
    with np.load(path) as file:
        return {key: file[key] for key in file.files}


def apart(values: np.ndarray, wanted: np.ndarray) -> float:
    """Largest absolute difference; infinite where a shape differs or a value is not finite."""
    if values.shape != wanted.shape or not np.isfinite(values).all():
        return float("inf")
    return float(np.abs(values - wanted).max())
