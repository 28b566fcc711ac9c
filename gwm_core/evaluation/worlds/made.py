"""Walks of the model itself, with what it did at every tick: as cases, like the simulator's."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ...controls import Controls
from ...motion import opencv
from ...simulators.rooms.prompts import sample_event, sample_prompt
from .cases import Case
from .roamer import PUSH, Roamer

GIVEN_DEPTH, EVENTS = 0.3, 0.15
"""Share of worlds from a picture that get its depth; of worlds from a prompt in which the light
changes midway."""


def again(model, first: np.ndarray, depth: np.ndarray, rows: np.ndarray, prompt: str,
          generator: np.random.Generator) -> Case:
    """The model's own walk from a true first picture u8 [H, W, 3] (mostly without its depth
    f32 [H, W], as users begin) under controls [T, 9]."""
    known = generator.random() < GIVEN_DEPTH
    world = model.new_world(prompt=prompt, image=first, depth=depth if known else None,
                            seed=int(generator.integers(1 << 30)), depth_kind="metres")
    left = list(rows)
    return play(model, world, lambda state: left.pop(0), len(rows), generator)


def imagined(model, ticks: int, generator: np.random.Generator, split: str = "train") -> Case:
    """A walk of the roamer in a world from a prompt."""
    prompt, _ = sample_prompt(generator, split=split)
    world = model.new_world(prompt=prompt, seed=int(generator.integers(1 << 30)))
    return play(model, world, Roamer(generator).next, ticks, generator,
                event=generator.random() < EVENTS)


def play(model, world, policy, ticks: int, generator: np.random.Generator,
         event: bool = False) -> Case:
    """The model plays what a policy presses: policy(state) -> row [9]. event: a sentence changes
    the light midway. info["world"] is the world it began in, info["said"] [(tick, sentence)]."""
    view = model.embodiment.views[0]
    state = world.state()
    frames, poses = [world.observation.frames[view.name][None]], [state.player.pose[None]]
    bodies, rows, heard = [state.bodies], [], []
    shown = np.zeros((1 + 2 * ticks, view.height, view.width), np.int8)
    when = int(generator.integers(6, ticks - 6)) if event and ticks > 12 else -1
    for t in range(ticks):
        row = np.asarray(policy(state), np.float32)
        said = ()
        if t == when:
            said = ((0, sample_event(generator, "train", state.scene.light)[0]),)
            heard.append((t, said[0][1]))
        before = state
        state, clip = model.advance(state, Controls(row[None], (), model.embodiment), said)
        if row[PUSH] > 0.5:
            for k, moment in ((0, before), (2, state)):
                shown[2 * t + k] = body_map(model, moment)
        frames.append(clip.frames[view.name])
        poses.append(clip.info["poses"])
        bodies += [state.bodies, state.bodies]
        rows.append(row)
    return Case(0, np.concatenate(frames), None, np.concatenate(poses), np.stack(rows),
                state.scene.light, bodies, shown, None, [], {"world": world, "said": heard})


def body_map(model, state) -> np.ndarray:
    """Which body shows at each pixel of a state's view, slot + 1."""
    from ...guide import draw

    return draw(state.memory, state.player.pose, model.parts.camera, state.bodies).body


def as_video(frames: np.ndarray) -> np.ndarray:
    """Frames as they come back from an MPEG-4 file."""
    cv2 = opencv()
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "walk.mp4")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), 24, (width, height))
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
        writer.release()
        reader, out = cv2.VideoCapture(path), []
        while True:
            ok, frame = reader.read()
            if not ok:
                break
            out.append(frame[..., ::-1])
        reader.release()
    if len(out) != len(frames):
        raise RuntimeError(f"video: {len(out)} frames came back of {len(frames)}")
    return np.stack(out)
