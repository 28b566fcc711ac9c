"""The held-out clips: which voices, which portraits, how many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...avatars.motion import still
from ...noise import rng

if TYPE_CHECKING:  # the simulator is loaded when a clip is made
    from ...simulators.faces.faces import Face
    from ...simulators.faces.performance import Performance

VOICES = ("en-us+klatt2", "en-us+grandma", "en-029", "en-gb-scotland+f3", "en-us+whisper",
          "flite:awb", "flite:kal", "flite:rms", "flite:slt")
"""Of simulators.faces.voices.HELD; flite is another family of synthesisers."""
SECONDS = 8.0
SIZE = 192
"""Pixels of a side of a portrait."""
COUNT = {False: 2, True: 6}
"""Clips of each voice, by ``full``: alone and in a dialogue in turn."""
LISTENING = {False: 6, True: 18}
"""Clips besides, in which only the other speaks."""
TRIES = 30
"""Performances that are looked at for one that has enough to measure."""
EVEN = (0.75, 1.3)
"""Dials of a performance that is measured: as strong as the model is asked for, or nearly."""
FIRST = 9_000_000
"""Seeds of performances and faces that nothing is trained on."""


@dataclass(frozen=True, eq=False)
class Clip:
    """One performance and one portrait that is to play it.

    performance  simulators.faces.performance.Performance of the held split
    face         simulators.faces.faces.Face that truly plays it
    portrait     uint8 [SIZE, SIZE, 3] of that face at rest, points float32 [44, 2] its true points
    """

    name: str
    voice: str
    style: str
    performance: Performance
    face: Face
    portrait: np.ndarray
    points: np.ndarray

    def true_frames(self) -> np.ndarray:
        """The simulator's own renders of the performance, uint8 [T, SIZE, SIZE, 3]."""
        return np.stack([self.face.draw(row, size=SIZE)[0] for row in self.performance.motion])


def names(full: bool) -> list[str]:
    """Names of all clips; those of the short run come first in every kind."""
    spoken = [f"{voice}/{number}" for number in range(COUNT[full]) for voice in VOICES]
    return spoken + [f"listening/{number}" for number in range(LISTENING[full])]


def make(name: str, seed: int) -> Clip:
    """The clip of a name. Half of all portraits are of the held-out style."""
    from ...simulators.faces.faces import HELD_STYLES, STYLES, Face
    from ...simulators.faces.performance import perform

    voice, number = name.split("/")[0], int(name.split("/")[1])
    listens = voice == "listening"
    draw = rng(seed, "avatars", "clip", name)
    layout = "other" if listens else ("monologue", "dialogue")[number % 2]
    start = FIRST + int(draw.integers(1_000_000))
    performance = wanted(perform(
        start + k, split="held", voice=VOICES[number % len(VOICES)] if listens else voice,
        seconds=SECONDS, layout=layout) for k in range(TRIES))
    known = HELD_STYLES if int(draw.integers(2)) else STYLES
    style = str(known[int(draw.integers(len(known)))])
    face = Face(FIRST + int(draw.integers(1_000_000)), style=style, split="held")
    portrait, points = face.draw(still(1)[0], size=SIZE)
    return Clip(name, voice, style, performance, face, portrait, np.asarray(points, np.float32))


def worth(one: Performance) -> float:
    """How much there is to measure in a performance, 1 at most: speech, something to listen to
    and to answer, dials that are neither off nor far up."""
    own, other = np.asarray(one.speaking, bool), np.asarray(one.other_speaking, bool)
    even = [EVEN[0] <= v <= EVEN[1] for k, v in one.dials.items() if k != "mouth"]
    parts = [float(np.mean(even)) if even else 1.0]
    if one.layout != "other":
        parts.append(min(own.mean() / 0.3, 1.0))
    if one.layout != "monologue":
        parts += [min((other & ~own).mean() / 0.25, 1.0),
                  min((len(one.nods) + len(one.smiles)) / 2, 1.0)]
    return float(min(parts))


def wanted(performances: Iterator[Performance]) -> Performance:
    """The first one that has all that is worth measuring, or the one that has most of it."""
    best, most = None, -1.0
    for one in performances:
        if (here := worth(one)) > most:
            best, most = one, here
        if most >= 1:
            break
    return best
