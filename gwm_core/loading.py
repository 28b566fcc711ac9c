"""Models of every family by one name: what a checkpoint holds decides what is loaded."""

from __future__ import annotations

import os
from typing import Any

from .checkpoint import resolve
from .errors import CheckpointError
from .tensor_file import metadata_json, read_header


def load(name_or_path: str | os.PathLike[str] = "gwm-rooms", device: Any = None,
         operations: Any = None) -> Any:
    """A model by the name of an embedded checkpoint or by the path of a safetensors file.

    device: where the network runs ("cpu" by default); small networks stay on the CPU.
    operations: where its layers come from (torch.nn, or a host's casting operations).
    CheckpointError names what is missing or does not fit.
    """
    path = resolve(name_or_path, allow_path=True)
    kind = _kind(path)
    if kind == "faces":
        from .avatars.faces_model import load_faces

        return load_faces(path, device, operations)
    if kind == "tabletop":
        from .robotics.loading import load_table

        return load_table(path)
    from .worlds import load as load_rooms

    return load_rooms(path, device, operations)


def _kind(path: os.PathLike[str]) -> str:
    """What a file holds; "" where its header is damaged (to load it says what is wrong)."""
    try:
        header = read_header(path, "checkpoint", CheckpointError)
        return str(metadata_json(header, f"checkpoint {path}", CheckpointError).get("kind", ""))
    except CheckpointError:
        return ""
