"""Worlds: first-person places to walk through, from a prompt or a picture."""

from __future__ import annotations

import os
import threading
from typing import Any

from ..checkpoint import open_checkpoint
from ..errors import CheckpointError
from .model import RoomsModel

__all__ = ["RoomsModel", "load"]

KIND = "rooms"


def load(name_or_path: str | os.PathLike[str] = "gwm-rooms", device: Any = None,
         operations: Any = None) -> RoomsModel:
    """A model by the name of an embedded checkpoint or by the path of a safetensors file.

    device: where the dynamics runs ("cpu" by default); the small networks stay on the CPU.
    operations: where its layers come from (torch.nn, or a host's casting operations).
    CheckpointError names what is missing or does not fit.
    """
    checkpoint = open_checkpoint(name_or_path)
    if checkpoint.kind != KIND:
        raise CheckpointError(f"checkpoint {checkpoint.name}: kind {checkpoint.kind!r}; "
                              f"{KIND!r} is accepted here")
    from .loading import parts_of
    from .warm import ready

    # The kernels compile once per machine; begin while the weights are read.
    threading.Thread(target=ready, name="gwm-compile", daemon=True).start()
    parts = parts_of(checkpoint, device, operations)
    return RoomsModel(checkpoint.name, checkpoint.metadata, parts.dynamics, parts,
                      path=checkpoint.path)
