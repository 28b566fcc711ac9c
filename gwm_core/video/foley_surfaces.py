"""What the things in a clip strike: the model's picture reader tells the room's theme and parts,
and a theme's floor, walls and furniture have their sounding materials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .foley_frames import fitted

LOOKS = 12
"""Pictures of a clip that are read."""
PARTS, THEMES, MATERIALS = 8, 14, 6
AROUND = 2
"""Cells about a place whose parts count."""
FLOOR = 2.0
"""Weight of the floor beside the parts that are seen at a place: most things strike it."""
KNOWN = 0.1
"""Share of the pictures that must look like a known room for its materials to be believed."""


class Surfaces:
    """Materials of the surfaces that a clip u8 [F, H, W, 3] shows. themes: f64 [14], how much it
    looks like each; they are all of them weighed, since alike rooms often have alike floors."""

    def __init__(self, model: Any, frames: Sequence[np.ndarray]) -> None:
        count, view = len(frames), model.embodiment.views[0]
        self.at = np.unique(np.linspace(0, count - 1, min(count, LOOKS)).astype(int))
        seen = [model.parts.depth.shares(fitted(np.asarray(frames[k])), view.fov_deg)
                for k in self.at]
        self.parts = np.stack([parts[:PARTS] for parts, _ in seen])
        self.themes = np.mean([themes[:THEMES].mean((1, 2), dtype=float) for _, themes in seen], 0)
        of = np.asarray(model.parts.materials)[: THEMES * PARTS].reshape(THEMES, PARTS)
        # [part, material]: how much that part's material is each
        self.sounds = np.einsum("t,tpm->pm", self.themes, np.eye(256)[of][..., :MATERIALS])

    @property
    def known(self) -> bool:
        """Whether the clip looks like a room of which the materials are known."""
        return bool(self.themes.sum() > KNOWN)

    @property
    def floor(self) -> int | None:
        """Number of the floor's material, None if unknown."""
        return int(self.sounds[0].argmax()) if self.known else None

    def material(self, frame: int, place: tuple[float, float]) -> int | None:
        """Number of the material at a place (column, row, 0..1) of a picture; None if unknown."""
        if not self.known:
            return None
        parts = self.parts[int(np.abs(self.at - frame).argmin())]
        row, column = int(place[1] * parts.shape[1]), int(place[0] * parts.shape[2])
        here = parts[:, max(row - AROUND, 0):row + AROUND + 1,
                     max(column - AROUND, 0):column + AROUND + 1].mean((1, 2), dtype=float)
        here[0] += FLOOR
        return int((here @ self.sounds).argmax())
