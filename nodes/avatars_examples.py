"""Example Portrait and Voice: what the examples begin with, so that they run on any machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from comfy_api.v0_0_2 import io
from PIL import Image

from ..gwm_core.avatars.film_reader import FilmReader
from ..gwm_core.errors import GWMError
from .adapt import frames_to_image
from .avatars_shared import audio_of

FOLDER = Path(__file__).resolve().parent.parent / "example_workflows" / "avatars"
PICTURES, SOUNDS = ".jpg", ".ogg"


def names(ending: str) -> list[str]:
    """The examples of a kind, by name."""
    return sorted(path.stem for path in FOLDER.glob(f"*{ending}"))


def example_path(name: str, ending: str, what: str) -> Path:
    """The file of a listed example; GWMError for any other name."""
    # The oldest supported host does not hold a choice against its list.
    there = names(ending)
    if name not in there:
        raise GWMError(f"{what}: {name!r}; one of {', '.join(there)} is accepted")
    return FOLDER / f"{name}{ending}"


class GWMExampleAvatar(io.ComfyNode):
    """A portrait and a voice to begin with."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        portraits, voices = names(PICTURES), names(SOUNDS)
        return io.Schema(
            node_id="GWMExampleAvatar",
            display_name="Example Portrait and Voice",
            category="GWM/avatars",
            description=(
                "A portrait and a voice that come with the pack, to try the avatars with. For "
                "your own, put Load Image and Load Audio in its place."
            ),
            inputs=[
                io.Combo.Input("portrait", options=portraits,
                               default=portraits[0] if portraits else None,
                               tooltip="Drawings that come with the pack."),
                io.Combo.Input("voice", options=voices, default=voices[0] if voices else None,
                               tooltip="Recordings that come with the pack: a monologue, both "
                               "sides of a conversation, a song."),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The portrait."),
                io.Audio.Output("audio", display_name="audio", tooltip="The voice."),
            ],
        )

    @classmethod
    def validate_inputs(cls, portrait=None, voice=None):
        try:
            if portrait is not None:
                example_path(portrait, PICTURES, "portrait")
            if voice is not None:
                example_path(voice, SOUNDS, "voice")
        except GWMError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, portrait, voice) -> io.NodeOutput:
        with Image.open(example_path(portrait, PICTURES, "portrait")) as file:
            picture = np.asarray(file.convert("RGB"))
        sound = FilmReader.sound_of(str(example_path(voice, SOUNDS, "voice")))
        return io.NodeOutput(frames_to_image(picture[None]), audio_of(sound))
