"""What the nodes for avatars share: inputs, voices, films."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import folder_paths
import numpy as np
import torch
from comfy_api.v0_0_2 import InputImpl, io

from ..gwm_core.avatars.dials import MOST, Dials
from ..gwm_core.avatars.drive import Shot, shoot
from ..gwm_core.avatars.film import Film
from ..gwm_core.avatars.sound import Recording
from ..gwm_core.errors import GWMError
from .adapt import sound_of
from .host import TickProgress
from .types import CharacterOnWire, GWMCharacterWire, GWMModel

if TYPE_CHECKING:
    from ..gwm_core.avatars.actor import Actor

#: Dials of a performance: id, most, and what it does.
DIALS = {
    "intensity": (1.5, "How strongly the face moves in all: everything below is multiplied by it. "
                       "0 is the portrait as it is."),
    "mouth": (1.5, "How far the mouth moves. 0 keeps it still."),
    "expression": (MOST, "Brows, smiles, wide and narrow eyes."),
    "gaze": (MOST, "How far the eyes wander. 0 looks straight ahead."),
    "head": (MOST, "How far the head moves: turning, nodding, tilting, breathing."),
    "blinks": (MOST, "How often the eyes blink: 1 is about as people do while talking, 0 is "
                    "never."),
}
SEED_TIP = (
    "Another seed, other blinks, glances and small movements of the head for the same voice. The "
    "same seed gives the same film, bit for bit on the same machine."
)
FRAMES_TIP = (
    "Most frames in 'images', from the beginning on (25 are a second): they lie in memory "
    "uncompressed, a second of 512 x 512 is 79 MB. Video, audio and motion are always whole."
)


def model_input() -> GWMModel.Input:
    """The model of faces."""
    return GWMModel.Input("model", tooltip="gwm-faces, from Load GWM Model.")


def character_input(id: str, tooltip: str) -> GWMCharacterWire.Input:
    return GWMCharacterWire.Input(id, tooltip=tooltip)


def dial_inputs() -> list[io.Float.Input]:
    """A number for every dial, 1 by default."""
    return [io.Float.Input(id, default=1.0, min=0.0, max=most, step=0.05, tooltip=tip)
            for id, (most, tip) in DIALS.items()]


def seed_input() -> io.Int.Input:
    return io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF,
                        control_after_generate=False, tooltip=SEED_TIP)


def size_input(tooltip: str) -> io.Int.Input:
    return io.Int.Input("size", default=512, min=64, max=2048, step=2, tooltip=tooltip)


def frames_input() -> io.Int.Input:
    return io.Int.Input("max_frames", default=500, min=1, max=15000, tooltip=FRAMES_TIP)


def recording_of(audio: Any, name: str) -> Recording:
    """The first recording of an AUDIO, or a sentence about what is there instead."""
    waveform = audio.get("waveform") if isinstance(audio, dict) else None
    if not isinstance(waveform, torch.Tensor):
        raise GWMError(f"{name}: an AUDIO is needed, not {type(audio).__name__}")
    if waveform.ndim != 3 or waveform.shape[0] < 1:
        raise GWMError(f"{name}: an AUDIO [batch, channels, samples] is needed, not a tensor of "
                       f"shape {list(waveform.shape)}")
    samples = waveform[0].detach().to("cpu", torch.float32).contiguous().numpy()
    return Recording(samples, int(audio.get("sample_rate") or 0), name)


def audio_of(recording: Recording) -> dict:
    """A recording as the host's AUDIO."""
    return sound_of(recording.samples, recording.rate)


def images_output() -> io.Image.Output:
    return io.Image.Output("images", display_name="images",
                           tooltip="The frames, 25 a second, at most max_frames.")


def video_output(tooltip: str) -> io.Video.Output:
    return io.Video.Output("video", display_name="video", tooltip=tooltip)


def report_output(tooltip: str) -> io.String.Output:
    return io.String.Output("report", display_name="report", tooltip=tooltip)


def filmed(motions: Iterable[np.ndarray], draw: Callable[[np.ndarray], np.ndarray], ticks: int,
           sound: Recording | None, most_frames: int) -> tuple[Shot, Any]:
    """What was filmed, and the film as the host's VIDEO, with the node's progress and cancel."""
    path = _film_path()
    with Film(path, sound) as film:
        shot = shoot(motions, draw, ticks, film=film, most_frames=most_frames,
                     progress=TickProgress(ticks))
    return shot, InputImpl.VideoFromFile(path)


def _film_path() -> str:
    """A new file in the host's temp folder."""
    folder = os.path.join(folder_paths.get_temp_directory(), "gwm")
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, f"face_{uuid.uuid4().hex}.mp4")


def actor_of(wire: CharacterOnWire, size: int, dials: dict[str, float]) -> Actor:
    """What draws a character with frames of this longest side.

    Lips that are parted in the portrait close while a voice moves them; with a dial that keeps
    the mouth still they stay as they are.
    """
    from ..gwm_core.avatars.actor import Actor  # brings OpenCV: not at start

    still = dials["intensity"] * dials["mouth"] == 0
    return Actor(wire.character, size, wire.strength, rest=1.0 if still else 0.0)


def dials_of(values: dict[str, float]) -> Dials:
    """The library's dials of ``dial_inputs``' numbers."""
    whole = values["intensity"]

    def dial(name: str) -> float:
        return min(MOST, whole * values.get(name, 1.0))

    return Dials(mouth=dial("mouth"), expression=dial("expression"), eyes=min(1.0, whole),
                 gaze=dial("gaze"), head=dial("head"), blink_rate=values["blinks"])


def length_line(ticks: int, kept: int) -> str:
    """How long a film is, and what of it is in 'images'."""
    line = f"{ticks} frames, {ticks / 25:.2f} s at 25 a second"
    if kept < ticks:
        line += (f"; images hold the first {kept} of them (max_frames), video and audio are whole")
    return line
