"""Add Sound to Video on held-out silent clips of thrown and falling things.

The sound that the model makes for a clip is heard by judges that know nothing of how it was made
(`ears`), and held against what the simulator did in the clip: when something strikes or steps, and
of what material it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...model import modes
from ...model.audio_tokens import strength_of
from ...noise import rng
from ...simulators.rooms import sound as truth_sound
from ...simulators.rooms.sim import THROW
from ...video.foley import Foley, add_sound
from ..measures import match_f1
from ..report import Metric
from ..worlds.cases import layouts
from .ball_track import FPS
from .clips import Filmed, film
from .ears import material_heard, onset_times

CLIPS = {False: 12, True: 36}
TICKS = 36
MODES = ("still", "still", "pan", "walk")
AUDIBLE = 0.15
"""Strength at the ear (log scale) from which an event counts: fainter ones drown in the room."""
BURST, SHIFT = 1.5, 6
"""Pictures within which contacts are one, and by which the shifted sound is late."""
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Scored:
    """One clip: true events (times in pictures, materials), times of its throws; onsets of the made
    and of the true sound, the materials heard at them, and what the model decided."""

    times: np.ndarray
    materials: np.ndarray
    throws: np.ndarray
    made: np.ndarray
    made_as: np.ndarray
    true: np.ndarray
    true_as: np.ndarray
    foley: Foley


def true_events(shot: Filmed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(times in pictures, materials, times of throws) of what can be heard; of a burst the loudest
    counts."""
    rows, throws = [], []
    for fact in shot.facts:
        frame, offset, kind, material, strength, distance, _, _, _, _, slot = fact
        time = frame - 1 + offset
        if kind == THROW:
            throws.append(time)
            continue
        gain = modes.distance_gain(distance) if slot >= 0 else 1.0
        loud = strength_of(modes.loudness(strength) * gain)
        if loud >= AUDIBLE:
            rows.append((time, int(material), loud))
    kept: list[tuple] = []
    for row in sorted(rows):
        if kept and row[0] - kept[-1][0] <= BURST:
            if row[2] > kept[-1][2]:
                kept[-1] = (kept[-1][0], *row[1:])
        else:
            kept.append(row)
    table = np.array(kept).reshape(-1, 3)
    return table[:, 0], table[:, 1].astype(int), np.array(throws)


def score(shot: Filmed, model, seed: int) -> Scored:
    """The clip without sound, given to the model, and what is heard then."""
    times, materials, throws = true_events(shot)
    foley = add_sound(shot.frames[1:], FPS, model, seed=seed)
    truth = truth_sound.synthesise(shot.episode, shot.condition // 6, seed)
    heard = []
    for sound, rate in ((foley.sound, foley.sample_rate), (truth, truth_sound.RATE)):
        at = onset_times(sound, rate)
        heard += [at * FPS, np.array([material_heard(sound, rate, t) for t in at], int)]
    return Scored(times, materials, throws, *heard, foley)


def without(onsets: np.ndarray, throws: np.ndarray, times: np.ndarray) -> np.ndarray:
    """bool [n]: onsets that count. The breath of a throw is no contact: what is heard at one, and
    at nothing else, is left out."""
    def near(a, b):
        gap = np.abs(a[:, None] - b[None]) if len(b) else np.full((len(a), 1), np.inf)
        return gap.min(1) <= 1.0

    return ~near(onsets, throws) | near(onsets, times)


def iou(rows: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Of (true times, onsets), matched one to one within a picture."""
    matched = found = true = 0
    for times, onsets in rows:
        m, f, t = match_f1(onsets, times, 1.0)
        matched, found, true = matched + m, found + f, true + t
    return matched / (found + true - matched) if found + true else float("nan")


def materials_right(times: np.ndarray, materials: np.ndarray, onsets: np.ndarray,
                    heard: np.ndarray) -> list[tuple[int, int]]:
    """(true, heard) material of every true event with an onset within a picture."""
    out = []
    for time, material in zip(times, materials, strict=True):
        gap = np.abs(onsets - time)
        if len(gap) and gap.min() <= 1.0:
            out.append((int(material), int(heard[gap.argmin()])))
    return out


def decided(one: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Times (pictures) and materials that the model's own tokens have, impacts and steps."""
    rows = [(c.time * FPS, modes.MATERIALS.index(c.material)) for c in one.foley.contacts]
    rows += [(h.time * FPS, h.material) for h in one.foley.heard if h.kind != "throw"]
    table = np.array(sorted(rows)).reshape(-1, 2)
    return table[:, 0], table[:, 1].astype(int)


def held_out(count: int, seed: int, say: Say = print) -> list[Filmed]:
    """Clips of held-out plans, whose things begin to fall with the clip or are thrown in it."""
    out = []
    for n, layout in enumerate(layouts(count, seed, "video foley")):
        out.append(film(layout, TICKS, rng(seed, "video foley", n), MODES[n % len(MODES)],
                        midair=False))
        if n % 4 == 3:
            say(f"silent clips: {n + 1} of {count}")
    return out


def foley_metrics(model, seed: int = 0, full: bool = False, say: Say = print) -> list[Metric]:
    """`video.foley_event_iou` and `video.foley_material_accuracy`, with floors and ceilings."""
    shots = held_out(CLIPS[full], seed, say)
    rows = []
    for n, shot in enumerate(shots):
        rows.append(score(shot, model, seed + n))
        if n % 4 == 3:
            say(f"sound made for {n + 1} of {len(shots)}")
    return figures(rows, seed)


def figures(rows: list[Scored], seed: int = 0) -> list[Metric]:
    """The two figures of scored clips."""
    generator, length = rng(seed, "video foley random"), 2 * TICKS
    counted = [r.made[without(r.made, r.throws, r.times)] for r in rows]
    true = [r.true[without(r.true, r.throws, r.times)] for r in rows]
    pairs = [(r.times, m) for r, m in zip(rows, counted, strict=True)]
    random = [(t, np.sort(generator.uniform(0, length, len(m)))) for t, m in pairs]
    late = [(t, np.sort((m + SHIFT) % length)) for t, m in pairs]
    n = sum(len(r.times) for r in rows)
    out = [Metric("video.foley_event_iou", iou(pairs), "", {
        "random": iou(random), "shifted": iou(late),
        "true_sound": iou([(r.times, t) for r, t in zip(rows, true, strict=True)])},
        n, ">= 0.4", "", f"{len(rows)} silent clips of held-out plans, {TICKS / 12:g} s each")]
    made = [p for r in rows for p in materials_right(r.times, r.materials, r.made, r.made_as)]
    heard = [p for r in rows for p in materials_right(r.times, r.materials, r.true, r.true_as)]
    tokens = [p for r in rows for p in materials_right(r.times, r.materials, *decided(r))]
    most = Counter(m for m, _ in made).most_common(1)
    out.append(Metric("video.foley_material_accuracy", share(made), "", {
        "majority": most[0][1] / len(made) if made else float("nan"),
        "true_sound": share(heard), "tokens": share(tokens)}, len(made), ">= 0.6", "",
        "material heard in the made sound at true events that it has"))
    return out


def share(pairs: list[tuple[int, int]]) -> float:
    """Share of equal pairs; NaN without any."""
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else float("nan")
