"""Gives remembered pictures back the detail contrast that storing and magnifying takes.

Measured on places of training layouts against the simulator's own views: gradient energy .83 at
the place's own eye and .72 from .8 m nearer without this, about 1 with it.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

RADIUS = 0.8
STORED, PER_DOUBLING, MOST = 0.6, 0.8, 1.8
"""Amounts of unsharp masking: for the storage, for each doubling in size, at most."""


def crisp(rgb: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Unsharp masking of rgb u8 [H, W, 3] by how much each pixel is magnified, f32 [H, W]."""
    amount = np.clip(STORED + PER_DOUBLING * np.log2(np.maximum(scale, 1e-3)), 0.0, MOST)
    picture = rgb.astype(np.float32)
    smooth = ndimage.gaussian_filter(picture, (RADIUS, RADIUS, 0), truncate=2.5)
    picture += amount[..., None].astype(np.float32) * (picture - smooth)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)
