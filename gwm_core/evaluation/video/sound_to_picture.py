"""Sound to picture: do balls land when a given sound has its impacts?

The sounds are the simulator's, of two throws in plans that the model never saw, without the breath
of the throws. What the planned shot's own sound has is held against them; beside it as many throws
at random, and the given sound shifted.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...noise import rng
from ...simulators.rooms import sound as truth_sound
from ...simulators.rooms.sim import EVENT_FIELDS, THROW, Rooms
from ...state_memory import MemorySurroundings
from ...video.sound_to_picture import (
    AIMED,
    HIGHEST,
    LOWEST,
    WIDEST,
    Throws,
    picture_for_sound,
    roll,
)
from ..report import Metric
from ..worlds.cases import layouts
from .ball_track import FPS
from .clips import wide_place
from .ears import onset_times
from .events import PLACES, SHIFT, iou

SOUNDS = {False: 6, True: 24}
TICKS, TRIES = 40, 48
Say = Callable[[str], None]


def given_sound(layout: int, generator: np.random.Generator) -> np.ndarray:
    """The simulator's sound of two throws, without their breath; float32 [N]."""
    sim = Rooms(layout, visual=False)
    try:
        sim.reset(0, wide_place(sim, generator))
        sim.pitch = math.radians(float(generator.uniform(-15, 0)))
        rows = np.zeros((TICKS, 9))
        rows[[4, int(generator.integers(14, 26))], 6] = 1
        ticks = [sim.step(row) for row in rows]
        events = [e for t in ticks for e in t.events if e[2] != THROW]
        episode = {"events": np.array(events, np.float64).reshape(-1, len(EVENT_FIELDS)),
                   "pose": np.stack([t.pose for t in ticks]),
                   "body_size": sim.body_constants()["size"]}
        for name in ("kind", "pos", "vel"):
            episode["bodies_" + name] = np.stack([t.bodies[name] for t in ticks])
        return truth_sound.synthesise(episode, 0, layout)
    finally:
        sim.close()


def sound_to_picture_metrics(model, seed: int = 0, full: bool = False,
                             say: Say = print) -> list[Metric]:
    """`video.sound_to_picture_iou` with its floors."""
    pairs, chance, late = [], [], []
    for n, layout in enumerate(layouts(SOUNDS[full], seed, "video sounds")):
        generator = rng(seed, "video sounds", n)
        sound = given_sound(layout, generator)
        goal = onset_times(sound, truth_sound.RATE) * FPS
        shot = picture_for_sound(model, sound, truth_sound.RATE, PLACES[n % len(PLACES)], n, TRIES)
        made = landed(shot)
        pairs.append((goal, made))
        late.append((goal, np.sort((made + SHIFT) % (2 * TICKS))))
        chance.append((goal, at_random(model, shot, generator)))
        say(f"sounds: {n + 1} of {SOUNDS[full]}")
    return [Metric("video.sound_to_picture_iou", iou(pairs), "", {
        "random_throws": iou(chance), "shifted": iou(late)}, sum(len(g) for g, _ in pairs), "",
        "", f"{len(pairs)} sounds; impacts of the planned shot's own sound, {TRIES} plans each")]


def landed(shot) -> np.ndarray:
    """Onsets of a planned shot's own sound (in pictures), those of the throws themselves left
    out."""
    heard = onset_times(shot.clip.audio[0], shot.clip.sample_rate) * FPS
    throws, landings = 2.0 * np.array(shot.planned.plan.ticks), shot.planned.landings
    gone = [len(throws) > 0 and np.abs(throws + 0.4 - h).min() <= 1
            and not (np.abs(landings - h) <= 1).any() for h in heard]
    return heard[~np.array(gone, bool)]


def at_random(model, shot, generator: np.random.Generator) -> np.ndarray:
    """Landings of as many throws at random times with a random aim, in the same room."""
    state = model.new_world(prompt=shot.world.prompt, seed=shot.world.seed).state()
    around = MemorySurroundings(state.memory, model.parts.materials)
    ticks = np.sort(generator.integers(AIMED, TICKS - 6, max(len(shot.planned.plan.ticks), 1)))
    plan = Throws(float(generator.uniform(-WIDEST, WIDEST)),
                  float(generator.uniform(LOWEST, HIGHEST)), tuple(int(t) for t in ticks))
    return roll(model, state, around, plan, TICKS)
