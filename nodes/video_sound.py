"""Add Sound to Video."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import TYPE_CHECKING

import folder_paths
import numpy as np
from comfy_api.v0_0_2 import InputImpl, io

from ..gwm_core.errors import GWMError
from ..gwm_core.video_file import Piece, VideoFile
from .adapt import sound_of
from .avatars_shared import report_output
from .host import TickProgress, say
from .inverse import clip_of, one_clip
from .types import GWMModel
from .video_make import new_file

if TYPE_CHECKING:
    from ..gwm_core.video.foley import Foley

MOST_SECONDS = 300
AT_ONCE = 24


class GWMAddSound(io.ComfyNode):
    """Sound for a silent clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMAddSound",
            display_name="Add Sound to Video",
            category="GWM/video",
            description=(
                "Makes the sound of a silent clip: impacts where things are seen to strike, in "
                "the tone of what they are made of, the steps of a walking camera, and the tone "
                "of the room. Learned from the worlds of gwm-rooms; any clip gets a sound."
            ),
            inputs=[
                GWMModel.Input("rooms", tooltip="gwm-rooms, from Load GWM Model."),
                io.Float.Input("fps", default=24.0, min=1.0, max=240.0, step=0.001,
                               tooltip="Frames a second of the images input. A video brings its "
                               "own."),
                io.String.Input("prompt", default="", dynamic_prompts=False,
                                tooltip="The place, for its tone: \"a stone hall at night\". "
                                "Empty: told from the brightness of the pictures."),
                io.Boolean.Input("steps", default=True,
                                 tooltip="The camera is a walker, whose steps are heard. Off for "
                                 "a camera that flies or stands."),
                io.Float.Input("threshold", default=0.5, min=0.05, max=0.95, step=0.05,
                               tooltip="How sure an impact must be. Lower hears more of them, "
                               "also wrong ones."),
                io.Float.Input("effects_db", default=0.0, min=-60.0, max=12.0, step=0.5,
                               tooltip="Level of impacts and steps in dB; -60 is none."),
                io.Float.Input("ambience_db", default=0.0, min=-60.0, max=12.0, step=0.5,
                               tooltip="Level of the room's tone in dB; -60 is none."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF,
                             control_after_generate=False,
                             tooltip="Another seed, other noise in the same sounds."),
                io.Video.Input("video", optional=True,
                               tooltip="The clip. A sound of its own is replaced."),
                io.Image.Input("images", optional=True,
                               tooltip="The clip as frames, instead of a video."),
            ],
            outputs=[
                io.Video.Output("video_out", display_name="video",
                                tooltip="The clip with its sound, at its own frame rate."),
                io.Audio.Output("audio", display_name="audio",
                                tooltip="Effects and ambience together, as long as the clip."),
                io.Audio.Output("effects", display_name="effects",
                                tooltip="Impacts and steps alone."),
                io.Audio.Output("ambience", display_name="ambience",
                                tooltip="The room's tone alone."),
                report_output("What was seen and heard, with its times."),
            ],
        )

    @classmethod
    def validate_inputs(cls, video="none", images="none"):
        return one_clip(video, images)

    @classmethod
    def execute(cls, rooms, fps, prompt, steps, threshold, effects_db, ambience_db, seed,
                video=None, images=None) -> io.NodeOutput:
        from ..gwm_core.video.foley import add_sound  # brings OpenCV and scipy: not at start

        frames, rate = clip_of(video, images, fps)
        if len(frames) > MOST_SECONDS * rate:
            raise GWMError(f"clip: {len(frames) / rate:.0f} s; up to {MOST_SECONDS} s are "
                           "accepted at once: cut it in parts")
        bar = TickProgress(len(frames), preview=False)
        with rooms.running() as loaded:
            found = add_sound(frames, rate, loaded, prompt, seed, steps, threshold, progress=bar)
        effects, ambience = (_levelled(sound, db) for sound, db in (
            (found.effects, effects_db), (found.ambience, ambience_db)))
        mix = np.clip(effects + ambience, -1, 1)
        path = _filmed(frames, rate, mix, found.sample_rate)
        text = told(found, len(frames), rate)
        say(text.splitlines()[0])
        sounds = [sound_of(s[None], found.sample_rate) for s in (mix, effects, ambience)]
        return io.NodeOutput(InputImpl.VideoFromFile(path), *sounds, text, ui={"text": [text]})


def _levelled(sound: np.ndarray, db: float) -> np.ndarray:
    return sound * np.float32(0 if db <= -60 else 10 ** (db / 20))


def _filmed(frames, rate: float, sound: np.ndarray, sample_rate: int) -> str:
    """A file of the clip with its sound."""
    path = new_file()
    os.makedirs(folder_paths.get_temp_directory(), exist_ok=True)
    exact, done = Fraction(rate).limit_denominator(1001), 0
    with VideoFile(path, "clip") as film:
        for first in range(0, len(frames), AT_ONCE):
            last = min(first + AT_ONCE, len(frames))
            until = len(sound) if last == len(frames) else round(last / exact * sample_rate)
            part = np.stack([_even(frames[i]) for i in range(first, last)])
            film.add(Piece({"clip": part}, sound[None, done:until], sample_rate, exact))
            done = until
    return path


def _even(frame: np.ndarray) -> np.ndarray:
    """A codec needs even sides: an odd one gets a copy of its last row or column."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def told(found: Foley, count: int, rate: float) -> str:
    """What was seen and heard, in a few lines."""
    lines = [f"{count / rate:.2f} s: {len(found.contacts)} impacts seen, "
             f"{len(found.heard)} steps and throws of the walker"]
    lines += [f"{c.time:7.2f} s  {c.material}, strength {c.strength:.2f}" for c in found.contacts]
    return "\n".join([*lines, *found.remarks])
