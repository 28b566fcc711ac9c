"""Table models in checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..checkpoint import (
    INVERSE,
    Checkpoint,
    companion_path,
    load_into,
    open_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from ..embodiment import ControlSpec, Embodiment, ViewSpec
from ..errors import CheckpointError
from ..model.action_reader import ActionReader
from ..model.contacts import ContactNet
from ..model.scene_reader import SceneReader
from .rig import Rig, tabletop_rig
from .table_model import TableModel

KIND = "tabletop"


def tabletop_embodiment(rig: Rig | None = None) -> Embodiment:
    """The robot's table: 10 ticks a second of one frame, a 7-D action, no sound."""
    rig = rig or tabletop_rig()
    return Embodiment(
        name="tabletop", tick_rate=10, frames_per_tick=1, sample_rate=0,
        views=tuple(ViewSpec(v, rig.size, rig.size, rig.fov[v]) for v in rig.views),
        controls=(
            ControlSpec("move", "axis", "", "move the gripper", -0.04, 0.04, "m",
                        components=("x", "y", "z")),
            ControlSpec("turn", "axis", "", "turn the gripper", -0.3, 0.3, "rad",
                        components=("roll", "pitch", "yaw")),
            ControlSpec("grip", "axis", "", "close (+) or open (-) the fingers", -1.0, 1.0),
        ),
        extra={"rig": rig.to_json()},
    )


def save_table(path: str | os.PathLike[str], reader: SceneReader, contacts: ContactNet,
               about: Mapping[str, Any] | None = None) -> str:
    """Write a checkpoint of kind "tabletop" and return its fingerprint."""
    return _save(path, KIND, {"reader": reader, "contacts": contacts}, about)


def save_inverse(path: str | os.PathLike[str], inverse: ActionReader) -> str:
    """Write the inverse dynamics of the checkpoint at ``path`` beside it; its fingerprint."""
    path = companion_path(path, INVERSE)
    return _save(path, f"{KIND}-inverse", {"inverse": inverse}, {"name": path.stem})


def _save(path: str | os.PathLike[str], kind: str, parts: Mapping[str, Any],
          about: Mapping[str, Any] | None) -> str:
    tensors = {f"{name}.{k}": v for name, net in parts.items() for k, v in net.state_dict().items()}
    metadata = {
        "name": "gwm-tabletop", "kind": kind, "embodiment": tabletop_embodiment(),
        "config": {name: net.config for name, net in parts.items()},
        "licence": "Apache-2.0", **(about or {}),
    }
    return save_checkpoint(path, tensors, metadata)


def load_table(name_or_path: str | os.PathLike[str] = "gwm-tabletop") -> TableModel:
    """A table model by the name of an embedded checkpoint or by a path; CheckpointError says what
    does not fit."""
    return table_of(open_checkpoint(name_or_path))


def table_of(checkpoint: Checkpoint) -> TableModel:
    """The model in a checkpoint that was read, with the inverse dynamics that lies beside it."""
    if checkpoint.kind != KIND:
        raise CheckpointError(f"checkpoint {checkpoint.name}: kind {checkpoint.kind!r}; "
                              f"{KIND!r} is accepted here")
    reader = _part(SceneReader, "reader", checkpoint.config, checkpoint.tensors, checkpoint.name)
    contacts = _part(ContactNet, "contacts", checkpoint.config, checkpoint.tensors,
                     checkpoint.name)
    beside, inverse = companion_path(checkpoint.path, INVERSE), None
    if beside.is_file():
        tensors, metadata = read_checkpoint(beside)
        inverse = _part(ActionReader, "inverse", metadata["config"], tensors, beside.name)
    model = TableModel(reader, contacts, Rig.from_json(checkpoint.embodiment.extra["rig"]),
                       inverse)
    model.name, model.fingerprint = checkpoint.name, checkpoint.fingerprint
    model.embodiment = checkpoint.embodiment
    return model


def _part(network: Any, part: str, config: Mapping[str, Any], tensors: Mapping[str, Any],
          name: str) -> Any:
    if part not in config:
        raise CheckpointError(f"checkpoint {name}: it lacks the part {part!r}; one that "
                              "`gwm train tabletop` made is accepted")
    net, start = network(**config[part]), part + "."
    load_into(net, {k[len(start):]: v for k, v in tensors.items() if k.startswith(start)},
              f"checkpoint {name}: {part}")
    return net.eval()
