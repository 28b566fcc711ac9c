"""`video.event_iou`: do impacts sound when they are seen?

Throws before a still camera. What is seen comes from the pictures alone (`ball_track`), what is
heard from the sound alone; neither knows what the model meant to happen. Beside it: the sound
shifted, at random times, and of another throw; and the simulator's own pictures and sound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...noise import rng
from ...simulators.rooms import sound as truth_sound
from ...simulators.rooms.sim import EVENT_FIELDS, Rooms
from ..measures import match_f1
from ..report import Metric
from ..worlds.cases import layouts
from .ball_track import FPS, LEAST, Break, breaks, follow
from .clips import wide_place
from .ears import onset_times

THROWS, PER_WORLD = 24, 2
BEFORE, AFTER = 3, 20
"""Ticks before a throw, and that it is watched."""
TURN = 35
SHIFT = 6
"""Pictures by which the shifted sound is late."""
PLACES = ("a brick hall", "a white gallery", "a timber cabin", "a green study", "a stone cellar",
          "a steel workshop", "a teal bath", "a blue salon", "a rose parlour", "a concrete loft",
          "a mustard kitchen", "a walnut library")
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Thrown:
    """One watched throw: frames u8 [F, H, W, 3] at 24 a second, sound f32 [N] of the same span,
    first: picture that the throw falls in, pitch: of the camera, radians. events: the simulator's
    own, where it made the throw."""

    frames: np.ndarray
    sound: np.ndarray
    rate: int
    first: int
    pitch: float
    events: tuple = ()


@dataclass(frozen=True)
class Counted:
    """Contacts seen and onsets heard of one throw (in pictures), while the ball was in view."""

    seen: np.ndarray
    heard: np.ndarray
    span: tuple[float, float]


# ------------------------------------------------------------------ throws
def model_throws(model, count: int = THROWS, seed: int = 0, say: Say = print) -> list[Thrown]:
    """Throws that the model makes: two in each world, in different directions."""
    out, n = [], 0
    while len(out) < count:
        generator = rng(seed, "video events", n)
        prompt = PLACES[n % len(PLACES)]
        world = model.new_world(prompt=prompt, seed=int(generator.integers(1 << 30)))
        n += 1
        for _ in range(PER_WORLD):
            tilt = float(generator.uniform(-9, -4))
            turn = float(generator.uniform(-TURN, TURN))
            world, _ = model.step(world, f"look({turn / 2:.0f},0)*2 look(0,{tilt:.0f})*2")
            pitch = world.state().player.pitch
            world, clip = model.step(world, f"idle*{BEFORE} Q idle*{AFTER - 1}")
            out.append(Thrown(clip.frames[model.embodiment.views[0].name], clip.audio[0],
                              clip.sample_rate, 2 * BEFORE, pitch))
            world, _ = model.step(world, f"look(0,{-2 * tilt:.0f})*1")
        say(f"throws: {len(out)} of {count}")
    return out[:count]


def true_throws(count: int = THROWS, seed: int = 0) -> list[Thrown]:
    """The simulator's own, on held-out plans, with its own sound."""
    out = []
    for n, layout in enumerate(layouts(count, seed, "video events")):
        generator, sim = rng(seed, "video events true", n), Rooms(layout)
        try:
            sim.reset(0, wide_place(sim, generator))
            sim.pitch = math.radians(float(generator.uniform(-18, -8)))
            rows = np.zeros((BEFORE + AFTER, 9))
            rows[BEFORE, 6] = 1
            out.append(_recorded(sim, rows, seed + n))
        finally:
            sim.close()
    return out


def _recorded(sim: Rooms, rows: np.ndarray, seed: int) -> Thrown:
    ticks = [sim.step(row, views=True) for row in rows]
    episode = {"events": np.array([e for t in ticks for e in t.events], np.float64).reshape(
                   -1, len(EVENT_FIELDS)),
               "pose": np.stack([t.pose for t in ticks]),
               "body_size": sim.body_constants()["size"]}
    for name in ("kind", "pos", "vel"):
        episode["bodies_" + name] = np.stack([t.bodies[name] for t in ticks])
    frames = np.stack([v["rgb"] for t in ticks for v in t.views])
    return Thrown(frames, truth_sound.synthesise(episode, 0, seed), truth_sound.RATE, 2 * BEFORE,
                  sim.pitch, tuple(map(tuple, episode["events"])))


# ------------------------------------------------------------------ seen and heard
def heard_at(sound: np.ndarray, rate: int) -> np.ndarray:
    """Onsets of a waveform [N], in pictures."""
    return onset_times(sound, rate) * FPS


def count(throw: Thrown, sound: np.ndarray | None = None) -> Counted:
    """What is seen and heard while the ball is wholly in view, and was and will be for as long as a
    change of its flight needs to be seen."""
    path = [s for s in follow(throw.frames, throw.first) if s.whole]
    height, width = throw.frames.shape[1:3]
    seen: list[Break] = breaks(path, throw.pitch, width, height)
    frames = [s.frame for s in path] if len(path) > 2 * LEAST else [throw.first] * (LEAST + 1)
    span = (frames[LEAST] - 0.5, frames[-LEAST] + 1.5)
    heard = heard_at(throw.sound if sound is None else sound, throw.rate)
    return Counted(np.array([float(b.frame) for b in seen]),
                   heard[(heard >= span[0]) & (heard <= span[1])], span)


def iou(pairs: list[tuple[np.ndarray, np.ndarray]], tolerance: float = 1.0) -> float:
    """Matched one to one within `tolerance` pictures, over all that is seen or heard."""
    matched = found = true = 0
    for seen, heard in pairs:
        m, f, t = match_f1(heard, seen, tolerance)
        matched, found, true = matched + m, found + f, true + t
    return matched / (found + true - matched) if found + true else float("nan")


def offset(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Median distance (pictures) of what is heard after what is seen, of pairs within three."""
    gaps = [h - s[np.abs(s - h).argmin()] for s, heard in pairs if len(s) for h in heard]
    gaps = [g for g in gaps if abs(g) <= 3]
    return float(np.median(gaps)) if gaps else float("nan")


def moved(heard: np.ndarray, span: tuple[float, float], by: float) -> np.ndarray:
    """Onsets later by `by` pictures; what leaves the span comes in again at its beginning."""
    length = max(span[1] - span[0], 1.0)
    return np.sort(span[0] + (heard - span[0] + by) % length)


def event_iou(model, seed: int = 0, throws: int = THROWS, say: Say = print) -> list[Metric]:
    """`video.event_iou` with its floors and its ceiling, and the median offset."""
    made = [count(t) for t in model_throws(model, throws, seed, say)]
    say("the simulator's own throws")
    true = [count(t) for t in true_throws(throws, seed)]
    generator = rng(seed, "video events random")
    pairs = [(c.seen, c.heard) for c in made]
    random = [(c.seen, np.sort(generator.uniform(*c.span, len(c.heard)))) for c in made]
    late = [(c.seen, moved(c.heard, c.span, SHIFT)) for c in made]
    other = [(c.seen, made[k - 1].heard) for k, c in enumerate(made)]
    n = sum(len(c.seen) for c in made)
    return [
        Metric("video.event_iou", iou(pairs), "", {
            "random": iou(random), "shifted": iou(late), "other_throw": iou(other),
            "simulator": iou([(c.seen, c.heard) for c in true])}, n, ">= 0.5", ">= 0.8",
            f"{len(made)} throws; contacts seen by a tracker of pixels, onsets while the ball is "
            "in view"),
        Metric("video.event_offset_frames", abs(offset(pairs)), "frames",
               {"simulator": abs(offset([(c.seen, c.heard) for c in true]))}, n, "<= 1"),
    ]
