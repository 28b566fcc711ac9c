"""`gwm-faces`: how a face moves to what it hears, on the shared dynamics transformer.

Streams of a tick: ``controls`` (the direction: blinks, looks, wander of the head, decided
beforehand), ``voice.self``, ``voice.other``, ``state`` (speak, listen, idle) and ``motion``, which
is imagined in one step from noise level 1. Its guide is a reading: what the stem of the own voice
alone says of the mouth, which the trunk corrects by all it knows. The network runs ``LOOK_AHEAD``
ticks behind the sound: the row that is heard as tick ``k`` moves the face of tick ``k - 2``, so
that it sees 80 ms ahead.

No motion enters the history (it stays unknown there): the face is a function of what was heard and
directed lately, so free running cannot drift, and an hour costs what a second costs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..checkpoint import Checkpoint, load_into, open_checkpoint, save_checkpoint
from ..embodiment import ControlSpec, Embodiment, StreamSpec
from ..errors import CheckpointError
from ..model.cache import Cache
from ..model.dynamics import Dynamics, build_dynamics
from ..model.spec import Guide, StreamConfig
from . import voice
from .direction import DIRECTION
from .motion import GROUPS, MOTION, NAMES, TICK_RATE, clamp, group

KIND = "faces"
NAME = "gwm-faces"
LOOK_AHEAD = 2
SELF, OTHER, STATE, FACE = "voice.self", "voice.other", "state", "motion"
STEM = "voice_self"
LIPS = group("mouth")
WIDTH, DEPTH, HEADS, WINDOW = 192, 4, 4, 24
STEM_WIDTH, STEM_DEPTH = 512, 1
"""The own voice has a network of its own before the trunk: most of hearing is local in time."""
_SPREAD = {"mouth": 0.25, "expression": 0.25, "eyes": 0.4, "gaze": 0.3, "head": 0.25}
SPREAD = np.ones(len(MOTION), np.float32)
"""A motion token is a motion over this: numbers of about unit variance."""
for _name in GROUPS:
    SPREAD[group(_name)] = _SPREAD[_name]


@dataclass(frozen=True, eq=False)
class Heard:
    """One tick of what the network knows: own [1280], other [32], state [3], direction [D]."""

    own: np.ndarray
    other: np.ndarray
    state: np.ndarray
    direction: np.ndarray


@dataclass(frozen=True, eq=False)
class Past:
    """A session's memory, a value: the ticks in the cache and the one that is not in it yet."""

    cache: Cache
    pending: tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, Guide]] | None = None
    tick: int = 0


def faces_streams(stem_width: int = STEM_WIDTH) -> list[StreamConfig]:
    """The network's streams in sequence order; only the motion is learned to be imagined."""
    return [
        StreamConfig("controls", 1, len(DIRECTION)),
        StreamConfig(SELF, 1, voice.CONTEXT * voice.FRAMES * voice.BANDS,
                     stem_depth=STEM_DEPTH, stem_width=stem_width, weight=0.0,
                     stem_bands=voice.BANDS),
        StreamConfig(OTHER, 1, voice.FRAMES * voice.COARSE, weight=0.0),
        StreamConfig(STATE, 1, 3, weight=0.0),
        StreamConfig(FACE, 1, len(MOTION), guide=True),
    ]


def faces_embodiment() -> Embodiment:
    """25 ticks a second of one frame, two voices at 16 kHz, the direction as controls."""
    return Embodiment(
        name="faces", tick_rate=TICK_RATE, frames_per_tick=1, sample_rate=voice.RATE, views=(),
        controls=tuple(
            ControlSpec(name, "axis", "", f"direction: {name}", -4.0, 4.0) for name in DIRECTION),
        streams=tuple(StreamSpec(s.name, s.tokens, s.width) for s in faces_streams()),
        extra={"motion": list(NAMES), "look_ahead": LOOK_AHEAD},
    )


def new_dynamics(stem_width: int = STEM_WIDTH, **sizes: Any) -> Dynamics:
    """An untrained network; ``sizes`` (width, depth, heads, window) replace the usual ones."""
    sizes = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "window": WINDOW, **sizes}
    return Dynamics(faces_streams(stem_width), passes=((FACE,),), frames_per_tick=1, **sizes)


class Reading(torch.nn.Linear):
    """The mouth of a tick from what the stem hears in it: a guide for the motion."""

    def __init__(self, width: int) -> None:
        super().__init__(width, len(LIPS))

    def guide(self, dynamics: Dynamics, own: torch.Tensor) -> Guide:
        """From own [B, T, 1, 1280]; nothing but the mouth is guided, all else is 0."""
        lips = self(dynamics.stems[STEM](own)[0])
        tokens = lips.new_zeros(*lips.shape[:-1], len(MOTION))
        tokens[..., LIPS] = lips
        return Guide(tokens, torch.ones_like(tokens[..., :1]))


class FacesModel:
    """The network with its names: stateless, one instance serves any number of sessions."""

    def __init__(self, dynamics: Dynamics, reading: Reading, name: str = NAME,
                 fingerprint: str = "", embodiment: Embodiment | None = None) -> None:
        self.dynamics, self.reading = dynamics.eval(), reading.eval()
        self.network = torch.nn.ModuleList([self.dynamics, self.reading])
        self.name, self.fingerprint = name, fingerprint
        self.embodiment = embodiment or faces_embodiment()

    def begin(self) -> Past:
        """Before the first tick."""
        return Past(self.dynamics.prefill())

    def step(self, past: Past, heard: Heard) -> tuple[np.ndarray, Past]:
        """(motion [24] of the tick ``LOOK_AHEAD`` before ``heard``, the memory afterwards).

        One pass over the weights: the last tick enters the history as this one is imagined.
        """
        with torch.inference_mode():
            device = self.dynamics.sinks.device
            known = {name: _token(values, device) for name, values in
                     ((SELF, heard.own), (OTHER, heard.other), (STATE, heard.state))}
            row = _token(heard.direction, device)[:, :, 0]
            noisy = {**known, FACE: torch.zeros(1, 1, 1, len(MOTION), device=device)}
            levels = {SELF: 0.0, OTHER: 0.0, STATE: 0.0, FACE: 1.0}
            guides = {FACE: self.reading.guide(self.dynamics, known[SELF])}
            if past.pending is None:
                cache = past.cache
                out = self.dynamics.step(cache, noisy, levels, row, past.tick, guides)
            else:
                before, row_before, guides_before = past.pending
                cache, out = self.dynamics.commit_step(
                    past.cache, before, row_before, noisy, levels, row, past.tick - 1,
                    guides_before, guides)
            motion = out[FACE][0, 0, 0].float().cpu().numpy() * SPREAD
        return clamp(motion), Past(cache, (known, row, guides), past.tick + 1)


def _token(values: np.ndarray, device: torch.device) -> torch.Tensor:
    """[1, 1, 1, w]"""
    return torch.from_numpy(np.array(values, np.float32))[None, None, None].to(device)


def save_faces(path: str | os.PathLike[str], dynamics: Dynamics, reading: Reading,
               about: Mapping[str, Any] | None = None) -> str:
    """Write a checkpoint of kind "faces" and return its fingerprint."""
    tensors = {f"dynamics.{k}": v for k, v in dynamics.state_dict().items()}
    tensors |= {f"reading.{k}": v for k, v in reading.state_dict().items()}
    metadata = {"name": NAME, "kind": KIND, "embodiment": faces_embodiment(),
                "config": {"dynamics": dynamics.config}, "licence": "Apache-2.0", **(about or {})}
    return save_checkpoint(path, tensors, metadata)


def load_faces(name_or_path: str | os.PathLike[str] = NAME, device: Any = None,
               operations: Any = None) -> FacesModel:
    """A model by the name of an embedded checkpoint or by a path.

    device, operations: as for ``gwm.load``. CheckpointError says what does not fit.
    """
    return faces_of(open_checkpoint(name_or_path), device, operations)


def faces_of(checkpoint: Checkpoint, device: Any = None, operations: Any = None) -> FacesModel:
    """The model in a checkpoint that was read."""
    where = f"checkpoint {checkpoint.name}"
    if checkpoint.kind != KIND:
        raise CheckpointError(f"{where}: kind {checkpoint.kind!r}; {KIND!r} is accepted here")
    if "dynamics" not in checkpoint.config:
        raise CheckpointError(f"{where}: it lacks its dynamics; one that `gwm train faces` made "
                              "is accepted")
    if checkpoint.embodiment.streams != faces_embodiment().streams:
        raise CheckpointError(f"{where}: its streams are not those of this version's faces")
    dynamics = build_dynamics(checkpoint.config["dynamics"], operations or torch.nn)
    load_into(dynamics, checkpoint.part("dynamics"), where)
    reading = Reading(dynamics.width)
    load_into(reading, checkpoint.part("reading"), where)
    device = device or "cpu"
    return FacesModel(dynamics.to(device), reading.to(device), checkpoint.name,
                      checkpoint.fingerprint, checkpoint.embodiment)
