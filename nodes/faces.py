"""A model of faces in the host's care."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import torch

from ..gwm_core.checkpoint import open_checkpoint
from ..gwm_core.errors import GWMError
from .host import HostModel, plain_tensors
from .tables import calm

if TYPE_CHECKING:
    from ..gwm_core.avatars.faces_model import FacesModel

#: The kind of a checkpoint of faces.
KIND = "faces"


class HostFaces:
    """What a GWM_MODEL wire carries for faces.

    Nodes for worlds ask a model for ``model`` or ``running()``: here they are told what this is.
    It runs on the processor: a tick is a few milliseconds there, and the same everywhere.
    """

    def __init__(self, path: str) -> None:
        from ..gwm_core.avatars.faces_model import faces_of  # brings the network: not at start

        checkpoint = open_checkpoint(Path(path))
        with plain_tensors():
            self.loaded: FacesModel = faces_of(checkpoint)
        self.loaded.metadata = checkpoint.metadata
        self._host = HostModel(self.loaded, torch.device("cpu"))

    @contextlib.contextmanager
    def faces(self) -> Iterator[FacesModel]:
        """The model, counted among the host's own, with torch on one thread: the same numbers
        live and in a run."""
        with self._host.running() as loaded, calm():
            yield loaded

    @contextlib.contextmanager
    def live(self) -> Iterator[FacesModel]:
        """The same for many short uses outside of prompts."""
        with self._host.live() as loaded, calm():
            yield loaded

    def get_ram_usage(self) -> int:
        """Bytes of the weights, for ComfyUI's caches."""
        return self._host.get_ram_usage()

    def _not_a_world(self) -> GWMError:
        return GWMError(
            f"model: {self.loaded.name} is a model of faces, for Drive Avatar, Conversation and "
            "Live Avatar; a model of rooms such as gwm-rooms is needed here"
        )

    @property
    def model(self) -> NoReturn:
        raise self._not_a_world()

    def running(self) -> NoReturn:
        raise self._not_a_world()


def faces_on(wire: object) -> HostFaces:
    """The faces on a GWM_MODEL wire, or a sentence about what is on it instead."""
    if isinstance(wire, HostFaces):
        return wire
    loaded = getattr(wire, "loaded", None)
    if loaded is None:
        loaded = getattr(wire, "model", None)
    name = getattr(loaded, "name", type(wire).__name__)
    raise GWMError(f"model: {name} is no model of faces; choose gwm-faces in Load GWM Model")
