"""The first picture of a world: imagined from a prompt, or the artist's own."""

from __future__ import annotations

import numpy as np

from ..bodies import EYE, Bodies, Player
from ..imagine import UNKNOWN, Context, imagine
from ..memory import Keyframe, Memory
from ..noise import rng
from ..state_memory import MATERIAL_LABEL
from .correction import first_past
from .history import History
from .imagining import imagine_around
from .objects import place_things
from .parts import CANONICAL_LIGHT, Parts
from .state import RolloutState, Scene
from .view import look

FAMILIAR = 0.3
"""Share of a picture that has to look like a known room for moving things to be taken out."""
LEVEL = np.array([0.0, 0.0, EYE, 0.0, 0.0])


def scene_of(parts: Parts, prompt: str) -> Scene:
    """What the prompt asks for."""
    said = parts.words.understand(prompt)
    theme = said.attributes.get("theme")
    return Scene(theme=-1 if theme is None else int(theme), light=light_of(said.attributes),
                 attributes=said.attributes, things=said.things)


def light_of(wanted: dict, now: int = CANONICAL_LIGHT) -> int:
    """Light condition index when `wanted` (time, lamps, fog; each may be missing) comes true."""
    time, lamps, fog = now // 6, now // 3 % 2, now % 3
    time = time if wanted.get("time") is None else int(wanted["time"])
    lamps = lamps if wanted.get("lamps") is None else int(wanted["lamps"])
    fog = fog if wanted.get("fog") is None else int(wanted["fog"])
    return time * 6 + lamps * 3 + fog


def start_world(parts: Parts, prompt: str, picture: np.ndarray | None, depth: np.ndarray | None,
                seed: int, around: bool = True,
                pose: list[float] | None = None) -> RolloutState:
    """The state at tick 0.

    picture u8 [H, W, 3] at the view's size and depth f32 [H, W] (metres), or None for both: then
    they are imagined. pose: where the picture was taken from, level at eye height by default.
    `around` imagines the surroundings at once.
    """
    scene = scene_of(parts, prompt)
    if picture is None:
        memory, placements, pose, bodies = _imagined(parts, scene, seed)
        body_light = np.zeros(len(bodies), np.int16)
    else:
        memory, placements, pose, bodies = _given(parts, scene, picture, depth, pose)
        body_light = np.full(len(bodies), scene.light, np.int16)
    empty = parts.dynamics.prefill(batch=1)
    state = RolloutState(
        seed=seed, tick=0, scene=scene, player=Player.at_pose(pose), bodies=bodies,
        body_light=body_light, memory=memory, placements=placements,
        history=History(empty, None), audio=None)
    first = first_past(parts, state, look(parts, state, pose, bodies))
    state = state.replace(history=History(empty, first))
    if around:
        memory, placements = imagine_around(parts, memory, placements, scene, pose, seed)
        state = state.replace(memory=memory, placements=placements)
    return state


def _imagined(parts: Parts, scene: Scene, seed: int):
    """A first picture from nothing but the prompt."""
    camera, attributes = parts.camera, scene.attributes
    height, width = camera.height, camera.width
    blank = np.zeros((height, width), np.float32)
    context = Context(theme=scene.theme if scene.theme >= 0 else None,
                      floor=attributes.get("floor"))
    made = imagine(parts.imaginer, np.zeros((height, width, 3), np.uint8), blank, blank > 0,
                   pose=LEVEL, fov_deg=camera.fov_deg, context=context, seed=seed)
    frame = Keyframe(rgb=made.rgb, depth=made.depth, pose=LEVEL, keep=made.sure,
                     label=made.label, light=CANONICAL_LIGHT, camera=camera, origin="first")
    memory = Memory().add(frame)
    bodies = place_things(Bodies.empty(), scene.things, memory, LEVEL, camera,
                          rng(seed, "objects"), parts.looks)
    return memory, made.placements, LEVEL, bodies


def _given(parts: Parts, scene: Scene, picture: np.ndarray, depth: np.ndarray | None, pose):
    """The artist's picture: depth and tilt estimated where not given, moving things found."""
    pose = LEVEL.copy() if pose is None else np.asarray(pose, np.float64).copy()
    fov = parts.camera.fov_deg
    if depth is None:
        guess = parts.depth.estimate(picture, fov)
        depth, pose[4] = guess.depth, guess.pitch
    _, label, rooms = parts.depth.read(picture, pitch=float(pose[4]), fov_deg=fov, depth=depth)
    found = parts.finder.find(picture, depth, pose, fov)
    label = np.where(label == UNKNOWN, MATERIAL_LABEL + found.material, label).astype(np.uint8)
    # Things are only looked for where the picture is of a kind that the finder knows.
    familiar = rooms >= FAMILIAR
    bodies = found.bodies if familiar else Bodies.empty()
    keep = ~found.moves if familiar else np.ones_like(found.moves)
    frame = Keyframe(rgb=picture, depth=depth, pose=pose, keep=keep, label=label,
                     light=scene.light, camera=parts.camera, origin="first")
    return Memory().add(frame), (), pose, bodies


def first_frame(parts: Parts, state: RolloutState) -> tuple[np.ndarray, np.ndarray]:
    """Picture u8 [H, W, 3] and depth f32 [H, W] of a state as it is now."""
    view = look(parts, state, state.player.pose, state.bodies)
    return view.frame, view.guide.depth.clip(0.05, 60.0).astype(np.float32)
