"""How open a mouth is in the pictures of a clip, found by the landmark net."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..errors import AvatarError
from .finder import Finder, load_finder
from .landmarks import face_height, lip_opening

TOGETHER = 8
"""Frames that are read at once."""
LOST = 0.12
"""A face whose points are so uncertain (share of its height, mean) is looked for anew."""
LOOK_EVERY = 12
"""Frames without a face of which one is looked at."""


class MouthReader:
    """Follows the largest face of a clip of one shot."""

    def __init__(self, finder: Finder | None = None) -> None:
        self.finder = finder or load_finder()

    def opening(
        self, frames: Iterable[np.ndarray], progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Inner-lip opening over face height of every frame uint8 [H, W, 3], float32 [F]; where
        the face is lost, drawn straight between what was seen before and after.

        progress  called with the frames done; what it raises ends the reading
        AvatarError where no frame has a face.
        """
        out: list[float] = []
        around: np.ndarray | None = None
        for group in _groups(frames, TOGETHER):
            if around is None and len(out) % LOOK_EVERY < TOGETHER:
                found = self.finder.find(group[0])
                around = found[0].points if found else None
            if around is None:
                out += [np.nan] * len(group)
            else:
                points, spread = self.finder.read(group, around)
                height = np.maximum(face_height(points), 1e-6)
                lost = spread.mean(axis=-1) > LOST * height
                out += list(np.where(lost, np.nan, lip_opening(points) / height))
                around = None if lost[-1] else points[-1]
            if progress is not None:
                progress(len(out))
        curve = np.array(out, np.float32)
        seen = np.flatnonzero(np.isfinite(curve))
        if not len(seen):
            raise AvatarError("frames: no face is found in any of them; a clip of one face is "
                              "needed (or wire in its motion curves)")
        return np.interp(np.arange(len(curve)), seen, curve[seen]).astype(np.float32)


def _groups(frames: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    group: list[np.ndarray] = []
    for frame in frames:
        group.append(frame)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
