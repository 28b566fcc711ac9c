"""Imagining ahead: whole views some way off, made in a thread, visible at a fixed later tick."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..guide import ahead, draw, fill_cracks, new_pixels, urgent
from ..imagine import UNKNOWN, Context, Placement, imagine
from ..memory import Keyframe, Memory
from ..state_memory import MATERIAL_LABEL
from .parts import CANONICAL_LIGHT, Parts
from .state import Ahead, Made, RolloutState, Scene
from .threads import stand_back

WAIT = 8
"""Ticks from asking for a view to its becoming visible."""
EVERY = 2
"""Ticks from one look for what is unseen to the next."""
PAUSE = 2
"""Ticks of rest after a view that brought little."""
AROUND = (72.0, -72.0, 144.0, -144.0)
UP_AND_DOWN = (-38.0, 34.0)
"""Degrees of the views that make a first picture's surroundings: all headings level, then the
floor and the ceiling at each."""
FEW = 40
MUCH = 0.03
FRUITLESS = 12
"""Ticks of rest after a view that brought less than this share of new pixels: what stays unseen
there (behind a surface that one stands in, say) would be asked for again and again."""

_pool = ThreadPoolExecutor(1, thread_name_prefix="gwm-imagine", initializer=stand_back)


def imagine_view(parts: Parts, memory: Memory, placements: tuple[Placement, ...], scene: Scene,
                 pose: np.ndarray, seed: int) -> Made:
    """Imagine what is unseen of the view at `pose` and say which of its pixels to keep."""
    camera = parts.camera
    guide = fill_cracks(draw(parts.light.shown(memory, CANONICAL_LIGHT), pose, camera))
    known = guide.covered | guide.filled
    disparity = np.where(known, 1.0 / np.maximum(guide.depth, 0.05), 0.0).astype(np.float32)
    context = Context(theme=scene.theme if scene.theme >= 0 else None, placements=placements)
    made = imagine(parts.imaginer, guide.rgb, disparity, known, label=themes_of(guide.label),
                   pose=pose, fov_deg=camera.fov_deg, context=context, seed=seed)
    keep, border = new_pixels(guide.with_(covered=known), made.rgb, made.depth)
    keep &= made.sure
    placed = made.placements or placements
    if keep.sum() < FEW:
        return Made((), placed, made.remembered, keep.size)
    frame = Keyframe(rgb=made.rgb, depth=made.depth, pose=pose, keep=keep, border=border,
                     label=made.label, light=CANONICAL_LIGHT, camera=camera,
                     origin=parts.imaginer.name)
    parts.light.prepare(frame, scene.light)
    return Made((frame,), placed, made.remembered, keep.size)


def themes_of(label: np.ndarray) -> np.ndarray:
    """Labels without those that only name a sounding material: an imaginer knows themes."""
    return np.where(label >= MATERIAL_LABEL, UNKNOWN, label).astype(np.uint8)


def imagine_around(parts: Parts, memory: Memory, placements: tuple[Placement, ...], scene: Scene,
                   pose: np.ndarray, seed: int) -> tuple[Memory, tuple[Placement, ...]]:
    """Imagine the whole surroundings of a first picture, so that any turn finds a place."""
    views = [(turn, 0.0) for turn in AROUND]
    views += [(turn, tilt) for tilt in UP_AND_DOWN for turn in (0.0, *AROUND)]
    for turn, tilt in views:
        there = np.array([*pose[:3], pose[3] + math.radians(turn), math.radians(tilt)])
        made = imagine_view(parts, memory, placements, scene, there, seed)
        for frame in made.keyframes:
            memory = memory.add(frame)
        placements = made.placements
    return memory, placements


def take_due(state: RolloutState) -> RolloutState:
    """Let what was imagined become visible when its tick has come."""
    due = state.ahead
    if due is None or state.tick + 1 < due.due:
        return state
    made = due.result()
    memory = state.memory
    for frame in made.keyframes:
        memory = memory.add(frame)
    gained = sum(frame.points for frame in made.keyframes)
    rest = PAUSE if gained > MUCH * made.pixels else FRUITLESS
    return state.replace(memory=memory, placements=made.placements, ahead=None,
                         quiet_until=state.tick + 1 + rest)


def ask_ahead(parts: Parts, state: RolloutState, velocity: np.ndarray,
              turn_rate: float) -> RolloutState:
    """Ask for the next view to imagine, if one is wanted; `turn_rate` in radians a second."""
    if state.ahead is not None or state.tick < state.quiet_until or state.tick % EVERY:
        return state
    pose = state.player.pose
    now = urgent(state.memory, pose, parts.camera)
    there = now if now is not None else ahead(state.memory, pose, parts.camera,
                                              velocity=velocity, turn_rate=turn_rate)
    if there is None:
        return state
    arguments = (parts, state.memory, state.placements, state.scene, np.asarray(there),
                 state.seed * 1_000_003 + state.tick)
    due = state.tick + WAIT
    return state.replace(ahead=Ahead(due, _pool.submit(imagine_view, *arguments)))
