"""`gwm-faces` speaks: script, speech and lips on the shared dynamics transformer.

Streams of a tick: ``script`` (the sounds around the tick and their times, known), ``audio`` (two
tokens of four sub-frames of speech) and ``motion`` (the face). Audio and motion have noise levels
of their own: imagined together from a script, either from the other, or a range of either between
what is known before and after it.

The guide of the audio is a first guess, what a small network makes of the script alone; the
dynamics corrects it. Where audio or motion is known, its guide is what is known two ticks later,
so that the other sees ahead. What is imagined does not enter the history: free running cannot
drift. What is known after a range is a prompt token, to which the script counts down.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..avatars.faces_model import SPREAD
from ..avatars.motion import MOTION, NAMES, TICK_RATE
from ..checkpoint import (
    SPEECH,
    companion_path,
    load_into,
    read_checkpoint,
    resolve,
    save_checkpoint,
)
from ..embodiment import Embodiment, StreamSpec
from ..errors import CheckpointError
from ..model import speech_tokens as tokens
from ..model.dynamics import Dynamics, build_dynamics
from ..model.residual import ResidualNet
from ..model.spec import StreamConfig
from . import features, pace

KIND = "speech"
NAME = "gwm-faces"
SCRIPT, AUDIO, FACE = "script", "audio", "motion"
PARTS = 2
"""Audio tokens a tick."""
AUDIO_WIDTH = tokens.SUBS * tokens.WIDTH // PARTS
AHEAD = 2
"""Ticks by which the guide of a known stream is ahead."""
COUNTDOWN = 2
SCRIPT_WIDTH = features.WIDTH + COUNTDOWN
PROMPT_WIDTH = tokens.SUBS * tokens.WIDTH + len(MOTION) + 1
GUESSED, KNOWN = 0.5, 1.0
"""Coverage of a guide that is a guess, and of one that is known."""
ROW = 0.01
"""Seconds of a row of the first guess: two sub-frames."""
ROWS = tokens.SUBS // 2
WIDTH, DEPTH, HEADS, WINDOW = 256, 6, 4, 16
GUESS_WIDTH, GUESS_DEPTH = 512, 4
PACE_WIDTH, PACE_DEPTH = 192, 2


def speech_streams() -> list[StreamConfig]:
    """In sequence order."""
    return [
        StreamConfig(SCRIPT, 1, SCRIPT_WIDTH, weight=0.0),
        StreamConfig(AUDIO, PARTS, AUDIO_WIDTH, guide=True),
        StreamConfig(FACE, 1, len(MOTION), guide=True),
    ]


def speech_embodiment() -> Embodiment:
    """25 ticks a second; sound at 24 kHz."""
    return Embodiment(
        name="speech", tick_rate=TICK_RATE, frames_per_tick=1, sample_rate=tokens.RATE, views=(),
        controls=(), streams=tuple(StreamSpec(s.name, s.tokens, s.width) for s in speech_streams()),
        extra={"motion": list(NAMES), "phones": list(features.PHONES), "ahead": AHEAD},
    )


def new_dynamics(**sizes: Any) -> Dynamics:
    """An untrained network; ``sizes`` (width, depth, heads, window) replace the usual ones."""
    sizes = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "window": WINDOW, **sizes}
    return Dynamics(speech_streams(), passes=((AUDIO, FACE),), frames_per_tick=1,
                    prompt_width=PROMPT_WIDTH, **sizes)


def new_guess(width: int = GUESS_WIDTH, depth: int = GUESS_DEPTH) -> ResidualNet:
    """Script rows of 10 ms to two sub-frames each."""
    return ResidualNet(features.WIDTH, 2 * tokens.WIDTH, width, depth)


def new_pace(width: int = PACE_WIDTH, depth: int = PACE_DEPTH) -> ResidualNet:
    """Sounds to log lengths."""
    return ResidualNet(pace.WIDTH, 1, width, depth)


@dataclass(frozen=True, eq=False)
class Scale:
    """Mean and spread f32 [69] by which speech tokens become numbers of about unit variance."""

    mean: Tensor
    spread: Tensor

    def of(self, speech: Tensor) -> Tensor:
        """Audio tokens [.., 2, 276] of speech [.., 8, 69]."""
        x = (speech - self.mean) / self.spread
        return x.reshape(*x.shape[:-2], PARTS, AUDIO_WIDTH)

    def back(self, audio: Tensor) -> Tensor:
        x = audio.reshape(*audio.shape[:-2], tokens.SUBS, tokens.WIDTH)
        return x * self.spread + self.mean


class TalkModel:
    """The networks with their names: stateless, one instance serves any number of speakers."""

    def __init__(self, dynamics: Dynamics, guess: ResidualNet, lengths: ResidualNet, scale: Scale,
                 name: str = NAME, fingerprint: str = "") -> None:
        self.dynamics, self.guess, self.lengths = dynamics.eval(), guess.eval(), lengths.eval()
        self.scale, self.name, self.fingerprint = scale, name, fingerprint

    @torch.inference_mode()
    def seconds(self, read: np.ndarray) -> np.ndarray:
        """Lengths of sounds, f64 [P], of what ``pace.features`` read."""
        out = self.lengths(torch.from_numpy(read))[:, 0]
        return pace.USUAL * np.exp(out.double().numpy().clip(-4, 3))

    @torch.inference_mode()
    def first_guess(self, read: np.ndarray) -> Tensor:
        """Audio tokens [T, 2, 276] of script rows [T * 4, features.WIDTH]."""
        rows = self.guess(torch.from_numpy(read))
        return rows.reshape(-1, PARTS, AUDIO_WIDTH)


def guess_times(ticks: int, first: int = 0) -> np.ndarray:
    """Seconds [ticks * 4] of the rows of the first guess: amid their two sub-frames."""
    return (np.arange(ticks * ROWS) + first * ROWS + 0.75) * ROW


def tick_times(ticks: int, first: int = 0) -> np.ndarray:
    """Seconds [ticks] of the middles of ticks."""
    return (np.arange(ticks) + first + 0.5) / TICK_RATE


def future_prompt(audio: Tensor, motion: Tensor, there: Tensor) -> Tensor:
    """Prompt token [B, 1, PROMPT_WIDTH] of the known tick to come: audio [B, 1, 2, 276], motion
    [B, 1, 24] as tokens, and whether there is one [B, 1]; else zeros."""
    there = there[..., None].to(audio)
    return torch.cat([audio.flatten(-2) * there, motion * there, there], dim=-1)


def countdown(ticks: np.ndarray, future: np.ndarray | int) -> np.ndarray:
    """float32 [.., 2]: how near the known tick ``future`` is from ``ticks``; zeros after it and
    where there is none (-1)."""
    left = future - ticks
    near = np.stack([np.exp(-np.maximum(left, 0) / 3.0), np.exp(-np.maximum(left, 0) / 12.0)], -1)
    return np.where((left > 0)[..., None], near, 0.0).astype(np.float32)


def motion_tokens(motion: np.ndarray) -> np.ndarray:
    return motion / SPREAD


def save_talk(path: str | os.PathLike[str], model: TalkModel,
              about: Mapping[str, Any] | None = None) -> str:
    """Write the companion of the checkpoint at ``path`` and return its fingerprint."""
    tensors = {f"{part}.{k}": v for part, net in _parts(model).items()
               for k, v in net.state_dict().items()}
    tensors |= {"scale.mean": model.scale.mean, "scale.spread": model.scale.spread}
    metadata = {
        "name": NAME, "kind": KIND, "embodiment": speech_embodiment(), "licence": "Apache-2.0",
        "config": {part: net.config for part, net in _parts(model).items()}, **(about or {})}
    return save_checkpoint(companion_path(path, SPEECH), tensors, metadata)


def _parts(model: TalkModel) -> dict[str, Any]:
    return {"dynamics": model.dynamics, "guess": model.guess, "lengths": model.lengths}


def load_talk(name_or_path: str | os.PathLike[str] = NAME) -> TalkModel:
    """The speech of a checkpoint, by its name or path (of the checkpoint or of the companion).

    It runs on the processor, many times as fast as it is heard. CheckpointError says what is
    missing or does not fit.
    """
    path = resolve(name_or_path, allow_path=True)
    beside = path if path.name.endswith(f".{SPEECH}.safetensors") else companion_path(path, SPEECH)
    if not beside.is_file():
        raise CheckpointError(f"checkpoint {path.name}: it cannot speak; {beside.name} beside it "
                              "is missing")
    arrays, metadata = read_checkpoint(beside)
    where = f"checkpoint {beside.name}"
    if metadata["kind"] != KIND:
        raise CheckpointError(f"{where}: kind {metadata['kind']!r}; {KIND!r} is accepted here")
    if Embodiment.from_json(metadata["embodiment"]) != speech_embodiment():
        raise CheckpointError(f"{where}: its streams or sounds are not those of this version")
    config = metadata["config"]
    nets = {"dynamics": build_dynamics(config["dynamics"]),
            "guess": ResidualNet(**config["guess"]), "lengths": ResidualNet(**config["lengths"])}
    for part, net in nets.items():
        start = f"{part}."
        load_into(net, {k[len(start):]: v for k, v in arrays.items() if k.startswith(start)}, where)
    scale = Scale(*(torch.from_numpy(np.array(arrays[f"scale.{k}"], np.float32))
                    for k in ("mean", "spread")))
    return TalkModel(nets["dynamics"], nets["guess"], nets["lengths"], scale,
                     metadata["name"], metadata["fingerprint"])
