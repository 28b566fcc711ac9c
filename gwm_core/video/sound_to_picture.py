"""Sound to picture: a room shot whose thrown balls land when a given sound has its impacts.

The model plans by itself: it throws in its own state stream, without pictures, as often as it is
allowed to, and keeps the throws whose impacts would be heard most nearly when the sound sets in.
Only the best plan is made as pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..bodies import THROW_EVERY
from ..clip import Clip
from ..controls import Controls
from ..errors import VideoError
from ..model import modes
from ..model.audio_tokens import strength_of
from ..noise import check_seed, rng
from ..state_memory import MemorySurroundings
from ..world import World
from ..worlds.threads import one_thread
from .onsets import onsets

SUBFRAMES = 2
AUDIBLE = 0.15
"""Strength at the ear (log scale) from which an impact counts."""
BURST, NEAR = 1.5, 1.0
"""Pictures within which impacts are one, and within which one lands in time."""
AIMED, WIDEST, LOWEST, HIGHEST = 4, 60.0, -24.0, 12.0
"""Ticks in which the camera turns to its aim, and how far, in degrees."""
MOST_SECONDS, MOST_THROWS = 30.0, 12
KEEP = 4
"""Plans that are worked on at once."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Throws:
    """A plan: where the camera looks (degrees to the right and up of the world's first view), and
    the ticks at which a ball is thrown, in order."""

    right: float
    up: float
    ticks: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Planned:
    """plan; landings: pictures (24 a second) in which something lands; iou: share of landings and
    onsets that are one, within a picture; controls: as played from the world's first tick."""

    plan: Throws
    landings: np.ndarray
    iou: float
    controls: Controls


@dataclass(frozen=True, eq=False)
class SoundShot:
    """clip: pictures as long as the sound, with the model's own sound; onsets: seconds at which the
    given sound sets in; planned; remarks."""

    clip: Clip
    world: World
    onsets: np.ndarray
    planned: Planned
    remarks: tuple[str, ...] = ()


def picture_for_sound(model: Any, sound: np.ndarray, rate: int, prompt: str = "", seed: int = 0,
                      tries: int = 48, progress: Progress | None = None) -> SoundShot:
    """A shot of a room for a sound float [N] or [C, N] in -1..1, up to 30 s.

    model: a loaded rooms model; prompt, seed: of the room; tries: how many plans are thrown in the
    state stream. The clip has the sound's length in whole ticks. VideoError names what does not
    fit.
    """
    sound, seed = check_sound(sound, rate), check_seed(seed)
    if not 1 <= int(tries) <= 1000:
        raise VideoError(f"tries: got {tries!r}; 1 to 1000 are accepted")
    ticks = max(1, math.ceil(len(sound) * model.embodiment.tick_rate / rate - 1e-6))
    heard = onsets(sound, rate)
    world = model.new_world(prompt=prompt, seed=seed)
    planned = plan(model, world, heard * model.embodiment.fps, ticks, tries, seed, progress)
    remarks = []
    if not len(heard):
        remarks.append("no impacts were heard in the sound: nothing is thrown")
    missed = len(heard) - _matched(planned.landings, heard * model.embodiment.fps)
    if missed:
        remarks.append(f"{missed} of {len(heard)} impacts have no landing within a picture")
    after, clip = model.step(world, planned.controls)
    return SoundShot(clip, after, heard, planned, tuple(remarks))


def check_sound(sound: Any, rate: Any) -> np.ndarray:
    """The sound in mono, float32 [N]; VideoError says what is wrong with it."""
    out = np.asarray(sound)
    if out.dtype.kind != "f" or out.ndim not in (1, 2) or not out.size:
        raise VideoError(f"sound: got {out.dtype} {list(out.shape)}; float [samples] or "
                         "[channels, samples] is accepted")
    if not isinstance(rate, (int, np.integer)) or not 8000 <= rate <= 192000:
        raise VideoError(f"sound: rate {rate!r}; whole hertz from 8000 to 192000 are accepted")
    out = out.mean(0) if out.ndim == 2 else out
    if len(out) > MOST_SECONDS * rate:
        raise VideoError(f"sound: {len(out) / rate:.1f} s; up to {MOST_SECONDS:g} s are accepted")
    if not np.isfinite(out).all():
        raise VideoError("sound: it holds NaN or infinity; finite samples are accepted")
    return out.astype(np.float32)


# ------------------------------------------------------------------ planning
def plan(model: Any, world: World, goal: np.ndarray, ticks: int, tries: int, seed: int,
         progress: Progress | None = None) -> Planned:
    """The best of `tries` plans for landings at `goal` (pictures), in order of time.

    The first half of them throw once, to learn what an aim's throw does; the others put such throws
    together and change them a little.
    """
    generator, best = rng(seed, "sound to picture"), [Throws(0.0, 0.0)]
    state = world.state()
    around = MemorySurroundings(state.memory, model.parts.materials)
    done: dict[Throws, tuple[float, np.ndarray]] = {}
    with one_thread():
        for n in range(tries if len(goal) else 0):
            if n < tries // 2:
                one = Throws(*_aim(generator), (AIMED,))
                landings = roll(model, state, around, one, ticks)
                candidate = compose(one, landings, goal, ticks)
            else:
                candidate = changed(best[int(generator.integers(len(best)))], ticks, generator)
            if candidate not in done:
                landings = roll(model, state, around, candidate, ticks)
                done[candidate] = iou(landings, goal), landings
            best = sorted(done, key=lambda p: -done[p][0])[:KEEP]
            if progress is not None:
                progress(n + 1, tries)
        if not done:
            nothing = roll(model, state, around, best[0], ticks)
            done[best[0]] = iou(nothing, goal), nothing
    score, landings = done[best[0]]
    rows = controls_of(best[0], ticks, model.embodiment.control_dim)
    return Planned(best[0], landings, score, Controls(rows, (), model.embodiment))


def _aim(generator: np.random.Generator) -> tuple[float, float]:
    """Degrees right and up, as whole steps of the look."""
    right, up = generator.uniform(-WIDEST, WIDEST), generator.uniform(LOWEST, HIGHEST)
    return round(right / AIMED) * float(AIMED), round(up / AIMED) * float(AIMED)


def controls_of(one: Throws, ticks: int, width: int = 9) -> np.ndarray:
    """Control rows f32 [ticks, width] of a plan."""
    rows = np.zeros((ticks, width), np.float32)
    rows[:AIMED, 7], rows[:AIMED, 8] = one.right / AIMED, one.up / AIMED
    rows[[t for t in one.ticks if t < ticks], 6] = 1
    return rows


def roll(model: Any, state: Any, around: Any, one: Throws, ticks: int) -> np.ndarray:
    """Pictures in which something would be heard to land, by the state stream alone."""
    player, bodies, out = state.player, state.bodies, []
    for tick, row in enumerate(controls_of(one, ticks)):
        moved = model.parts.state.step(player, bodies, row, around, tick)
        player, bodies = moved.players[-1], moved.bodies[-1]
        for event in moved.events:
            gap = float(np.linalg.norm(np.subtract(event.place, player.pose[:3])))
            loud = modes.loudness(event.strength) * modes.distance_gain(gap)
            if event.kind == "impact" and strength_of(loud) >= AUDIBLE:
                out.append(float(SUBFRAMES * tick + event.frame))
    return apart(out)


def apart(times: Sequence[float]) -> np.ndarray:
    """Times that are heard apart."""
    kept: list[float] = []
    for time in sorted(times):
        if not kept or time - kept[-1] > BURST:
            kept.append(time)
    return np.array(kept)


def compose(one: Throws, landings: np.ndarray, goal: np.ndarray, ticks: int) -> Throws:
    """Throws with the aim of `one`, whose own lands as told: added one by one, each where it helps
    most, while it does."""
    train = landings - SUBFRAMES * one.ticks[0]
    chosen: tuple[int, ...] = ()
    best = iou(np.zeros(0), goal)
    while len(chosen) < MOST_THROWS:
        options = {}
        for tick in range(AIMED, ticks):
            if all(abs(tick - t) >= THROW_EVERY for t in chosen):
                told = expected((*chosen, tick), train, ticks)
                options[tick] = iou(told, goal)
        if not options:
            break
        tick = max(options, key=lambda t: options[t])
        if options[tick] <= best:
            break
        chosen, best = (*chosen, tick), options[tick]
    return replace(one, ticks=tuple(sorted(chosen)))


def expected(throws: Sequence[int], train: np.ndarray, ticks: int) -> np.ndarray:
    """Landings of throws that do not meet."""
    times = [SUBFRAMES * t + x for t in throws for x in train]
    return apart([t for t in times if t < SUBFRAMES * ticks])


def changed(one: Throws, ticks: int, generator: np.random.Generator) -> Throws:
    """The plan with one thing otherwise: a throw earlier, later, gone or new, or a little other
    aim."""
    throws, kind = list(one.ticks), int(generator.integers(4))
    if kind == 0 and throws:
        k = int(generator.integers(len(throws)))
        throws[k] += int(generator.choice([-2, -1, 1, 2]))
    elif kind == 1 and throws:
        throws.pop(int(generator.integers(len(throws))))
    elif kind == 2:
        throws.append(int(generator.integers(AIMED, max(ticks, AIMED + 1))))
    else:
        step = generator.choice([-1, 0, 1], size=2) * AIMED
        one = replace(one, right=float(np.clip(one.right + step[0], -WIDEST, WIDEST)),
                      up=float(np.clip(one.up + step[1], LOWEST, HIGHEST)))
    kept: list[int] = []
    for tick in sorted(throws):
        if AIMED <= tick < ticks and (not kept or tick - kept[-1] >= THROW_EVERY):
            kept.append(tick)
    return replace(one, ticks=tuple(kept))


def _matched(landings: np.ndarray, goal: np.ndarray) -> int:
    """Pairs within NEAR pictures, one to one, in order of time."""
    free, count = list(landings), 0
    for time in np.sort(goal):
        near = [x for x in free if abs(x - time) <= NEAR]
        if near:
            free.remove(min(near, key=lambda x: abs(x - time)))
            count += 1
    return count


def iou(landings: np.ndarray, goal: np.ndarray) -> float:
    """Landings and onsets (pictures) that are one, over all of them; 1 for none of either."""
    count = _matched(landings, goal)
    total = len(landings) + len(goal) - count
    return count / total if total else 1.0
