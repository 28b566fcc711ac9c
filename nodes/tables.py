"""A model of a robot's table in the host's care, with what belongs to it: eyes and starts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ..gwm_core.checkpoint import EYES, SUFFIX, companion_path, open_checkpoint
from ..gwm_core.errors import GWMError
from ..gwm_core.robotics.evaluation import Start
from ..gwm_core.robotics.eyes import SHIPPED, Eyes, load_eyes
from ..gwm_core.robotics.loading import KIND, table_of
from ..gwm_core.robotics.probes import TaskProbe
from ..gwm_core.robotics.starts import FILE, load_starts
from ..gwm_core.robotics.table_model import TableModel
from .host import HostModel, plain_tensors

__all__ = ["KIND", "HostTable", "calm", "table_on"]


def calm() -> contextlib.AbstractContextManager[None]:
    """Torch on one thread inside."""
    from ..gwm_core.worlds.threads import one_thread  # brings the rooms: not at start

    return one_thread()


class HostTable:
    """What a GWM_MODEL wire carries for a robot's table.

    Nodes for worlds ask a model for ``model`` or ``running()``: here they are told what this is.
    Eyes and starts lie beside the checkpoint, as ``<name>.eyes.safetensors`` and
    ``<name>.starts.npz``; a checkpoint without them has those of the pack.
    """

    def __init__(self, path: str) -> None:
        checkpoint = open_checkpoint(Path(path))
        self.loaded: TableModel = table_of(checkpoint)
        self.loaded.metadata = checkpoint.metadata
        parts = [p for p in vars(self.loaded).values() if isinstance(p, torch.nn.Module)]
        self.loaded.network = torch.nn.ModuleList(parts)
        self._host = HostModel(self.loaded, torch.device("cpu"))
        own = companion_path(path, EYES)
        self._eyes_file = own if own.is_file() else SHIPPED
        own = Path(path).with_name(Path(path).name.removesuffix(SUFFIX) + ".starts.npz")
        self._starts_file = own if own.is_file() else FILE

    @contextlib.contextmanager
    def table(self) -> Iterator[TableModel]:
        """The model, counted among the host's own, with torch on one thread: the same numbers as
        on the command line and in its workers."""
        with self._host.running() as loaded, calm():
            yield loaded

    def eyes(self) -> Eyes:
        """What the built-in policies and the probe look through; CheckpointError where missing."""
        with plain_tensors():
            return load_eyes(self._eyes_file)

    def probe(self) -> TaskProbe:
        """Tells success and violations from generated pictures."""
        return TaskProbe(self.eyes())

    def starts(self, task: str, first: int, count: int) -> list[Start]:
        """Starts ``first`` to ``first + count - 1`` of a task; GWMError says how many there are."""
        there = load_starts(task, path=self._starts_file)
        if not 0 <= first <= first + count - 1 < len(there):
            raise GWMError(
                f"start: {first} to {first + count - 1} of {task} were asked for; 0 to "
                f"{len(there) - 1} are there"
            )
        return there[first : first + count]

    def get_ram_usage(self) -> int:
        """Bytes of the weights, for ComfyUI's caches."""
        return self._host.get_ram_usage()

    def _not_a_world(self) -> GWMError:
        return GWMError(
            f"model: {self.loaded.name} is a model of a robot's table, for Robot Rollout, "
            "Counterfactuals and Evaluate Policies; a model of rooms such as gwm-rooms is needed "
            "here"
        )

    @property
    def model(self) -> Any:
        raise self._not_a_world()

    def running(self) -> Any:
        raise self._not_a_world()


def table_on(wire: Any) -> HostTable:
    """The table on a GWM_MODEL wire, or a sentence about what is on it instead."""
    if isinstance(wire, HostTable):
        return wire
    name = getattr(getattr(wire, "model", None), "name", type(wire).__name__)
    raise GWMError(
        f"model: {name} is no model of a robot's table; choose gwm-tabletop in Load GWM Model"
    )
