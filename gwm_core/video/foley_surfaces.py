"""What the things in a clip strike: the model's picture reader tells the room's theme and parts,
and a theme's floor, walls and furniture have their sounding materials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..state_memory import MATERIAL_LABEL
from .foley_frames import fitted

LOOKS = 4
"""Pictures of a clip that are read."""
PARTS, AROUND = 8, 8
"""Labels of a theme; pixels about a place whose part is asked."""
KNOWN = 0.1
"""Share of the pictures that must look like a known room for its materials to be believed."""


class Surfaces:
    """Materials of the surfaces that a clip u8 [F, H, W, 3] shows; `theme` is the room's, which
    most pixels of some of its pictures vote for, or None where it looks like no known room."""

    def __init__(self, model: Any, frames: Sequence[np.ndarray]) -> None:
        count = len(frames)
        self.at = sorted({int(k) for k in np.linspace(0, count - 1, min(count, LOOKS))})
        view, reader = model.embodiment.views[0], model.parts.depth
        self.labels = np.stack([reader.estimate(fitted(np.asarray(frames[k])), view.fov_deg).label
                                for k in self.at])
        self.table = model.parts.materials
        known = self.labels < MATERIAL_LABEL
        votes = np.bincount(self.labels[known] // PARTS)
        self.theme = int(votes.argmax()) if known.mean() > KNOWN else None

    @property
    def floor(self) -> int | None:
        """Number of the floor's material, None if unknown."""
        return None if self.theme is None else int(self.table[self.theme * PARTS])

    def material(self, frame: int, place: tuple[float, float]) -> int | None:
        """Number of the material at a place (column, row, 0..1) of a picture; None if unknown."""
        if self.theme is None:
            return None
        near = min(range(len(self.at)), key=lambda k: abs(self.at[k] - frame))
        label = self.labels[near]
        row, column = int(place[1] * label.shape[0]), int(place[0] * label.shape[1])
        patch = label[max(row - AROUND, 0):row + AROUND + 1,
                      max(column - AROUND, 0):column + AROUND + 1]
        patch = patch[patch < MATERIAL_LABEL]
        # Where nothing is told apart it is the floor: most things strike that.
        part = int(np.bincount(patch % PARTS).argmax()) if patch.size else 0
        material = int(self.table[self.theme * PARTS + part])
        return material if material < 6 else None
