"""From a checkpoint's tensors to the parts that a world is imagined with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..bank import Bank
from ..checkpoint import Checkpoint, load_into
from ..errors import CheckpointError
from ..finding import Finder
from ..imaginers.remembered import RememberedImaginer
from ..memory import Camera
from ..model.audio_tokenizer import AudioTokenizer
from ..model.dynamics import build_dynamics
from ..model.patches import PatchTokenizer
from ..pictures import DepthEstimator
from ..relight import Relighter
from ..state_step import StateModel
from ..understand import Understander
from .light import Lighting
from .parts import Parts


def parts_of(checkpoint: Checkpoint, device: Any = None, operations: Any = None) -> Parts:
    """All parts of a rooms checkpoint; CheckpointError names what is missing or does not fit."""
    config, embodiment = checkpoint.config, checkpoint.embodiment
    missing = {"state", "finder", "text", "light", "depth", "trunk"} - set(config)
    if missing:
        raise CheckpointError(f"checkpoint {checkpoint.name}: lacks {', '.join(sorted(missing))}")
    view = embodiment.views[0]
    trunk = config["trunk"]
    dynamics = build_dynamics(trunk["dynamics"], operations or torch.nn)
    load_into(dynamics, checkpoint.part("trunk.dynamics"), "dynamics")
    patches = PatchTokenizer(**trunk["patches"])
    load_into(patches, checkpoint.part("trunk.patches"), "patches")
    sound = AudioTokenizer(embodiment.sample_rate, embodiment.samples_per_tick)
    tables = checkpoint.part("tables")
    if not checkpoint.bank:
        raise CheckpointError(f"checkpoint {checkpoint.name}: its bank of places is missing")
    return Parts(
        embodiment=embodiment, camera=Camera(view.width, view.height, view.fov_deg),
        fingerprint=checkpoint.fingerprint, dynamics=dynamics.eval().to(device or "cpu"),
        patches=patches.eval(), sound=sound.eval(),
        state=StateModel.from_tensors(checkpoint.part("state"), config["state"]),
        finder=Finder.from_tensors(checkpoint.part("finder"), config["finder"]),
        light=Lighting(Relighter.from_tensors(_torch(checkpoint.part("light")), config["light"]),
                       tables["fog_density"], tables["fog_colour"]),
        words=Understander.from_tensors(_torch(checkpoint.part("text")), config["text"]),
        depth=DepthEstimator.from_tensors(_torch(checkpoint.part("depth")), config["depth"]),
        imaginer=RememberedImaginer(Bank(checkpoint.bank, checkpoint.bank_metadata,
                                         checkpoint.bank_metadata.get("fingerprint", ""))),
        ambience=tables["ambience"], materials=tables["materials"].astype(np.uint8),
        looks=checkpoint.part("looks"))


def _torch(tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(np.array(v)) for k, v in tensors.items()}
