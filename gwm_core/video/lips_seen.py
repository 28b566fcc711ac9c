"""Lips in the pictures of a clip against its voice, stretch by stretch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..avatars.sound import Recording
from ..avatars.sync_report import (
    LEAST_TICKS,
    TICK_RATE,
    SyncReport,
    at_ticks,
    compare,
    opening_of_voice,
)
from ..errors import AvatarError

MOST_FACES, LEAST_WIDTH = 3, 48
"""Faces of one picture that are looked at, and how wide each one's part must be, pixels."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Lips:
    """One stretch with a face: seconds [start, end) of the clip, and its report."""

    start: float
    end: float
    report: SyncReport


def lips_of(frames: Sequence[np.ndarray], fps: Fraction, sound: Recording, cuts: Sequence[int],
            faces: Any, progress: Progress) -> list[Lips]:
    """The stretches between ``cuts`` (numbers of frames) with a face and a voice.

    faces  a loaded model of faces that says how lips would follow the voice; None: its loudness
    """
    from ..avatars.sync_faces import MouthReader  # brings the network: not at start

    edges, out = [0, *cuts, len(frames)], []
    reader = MouthReader()
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        a, b = (int(n * sound.rate / fps) for n in (first, last))
        part = sound.samples[:, a : min(b, len(sound))]
        if (last - first) / fps * TICK_RATE < LEAST_TICKS + 2 or not part.shape[1]:
            continue
        voice = Recording(part, sound.rate, "sound")
        if voice.silent:
            continue
        wanted, expected = None, "loudness of the voice"
        if faces is not None:
            wanted, expected = opening_of_voice(faces, voice), "model, from the voice"
        found = []
        for left, right in _columns(reader, np.asarray(frames[first])):
            try:
                opening = reader.opening(
                    (np.asarray(frames[k])[:, left:right] for k in range(first, last)),
                    lambda done, first=first: progress(first + done, len(frames)))
                found.append(compare(at_ticks(opening, fps), voice, voice=wanted,
                                     measured="picture", expected=expected))
            except AvatarError:
                continue  # nobody is seen here
        if found:
            # Of several faces the one that follows the voice best is taken to speak.
            best = max(found, key=lambda report: report.score)
            out.append(Lips(float(first / fps), float(last / fps), best))
    return out


def _columns(reader: Any, frame: np.ndarray) -> list[tuple[int, int]]:
    """Parts of a picture with one face each, left to right; all of it where there are not two."""
    faces = reader.finder.find(frame)[:MOST_FACES]
    middles = sorted(float(face.points[:, 0].mean()) for face in faces)
    between = [round((a + b) / 2) for a, b in zip(middles[:-1], middles[1:], strict=True)]
    edges = [0, *between, frame.shape[1]]
    parts = list(zip(edges[:-1], edges[1:], strict=True))
    return parts if min(b - a for a, b in parts) >= LEAST_WIDTH else [(0, frame.shape[1])]


def follows(report: SyncReport) -> bool:
    """Whether a mouth follows its voice more than by chance."""
    return bool(np.isfinite(report.offset)) and report.score >= max(0.25, report.control + 0.15)
