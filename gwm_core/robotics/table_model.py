"""The world model of a robot's table: a look is read, motion is predicted, views are drawn.

    state = model.begin(observation)              # from one look of every camera
    state, seen = model.step(state, actions)      # [B, 7], one tick

States are immutable values and hold any number of runs side by side.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import RoboticsError
from ..model.action_reader import ActionReader
from ..model.contacts import ContactNet, Robot, Things
from ..model.scene_reader import SceneReader
from .drawing import Table, draw_runs
from .rig import Rig
from .view_look import colour_of, table_of_look

__all__ = ["STATE_NAMES", "TableModel", "TableState", "colour_of", "yaw_of"]

LOOKS_KEPT = 128
STATE_NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "opening", "effort", "force")


@dataclass(frozen=True, eq=False)
class TableState:
    """B runs at one tick: robot and things as tensors [B, ..], tables (one a run), tick."""

    robot: Robot
    things: Things
    tables: tuple[Table, ...]
    tick: int = 0

    def __len__(self) -> int:
        return len(self.tables)

    def pick(self, index) -> TableState:
        """Some of the runs, also several times each: branches."""
        rows = np.asarray(index, np.int64).reshape(-1)
        where = torch.from_numpy(rows)

        def some(value: Any) -> Any:
            return replace(value, **{f.name: getattr(value, f.name)[where] for f in fields(value)})

        return TableState(some(self.robot), some(self.things), tuple(self.tables[i] for i in rows),
                          self.tick)


class TableModel:
    """``reader``, ``contacts`` and a rig; see the module. Deterministic; shared by all runs.

    inverse: reads actions out of films (``actions_between``), where there is one.
    """

    def __init__(self, reader: SceneReader, contacts: ContactNet, rig: Rig,
                 inverse: ActionReader | None = None) -> None:
        self.reader, self.contacts, self.rig = reader.eval(), contacts.eval(), rig
        self.inverse = inverse
        self._looks: dict[bytes, tuple[Table, Any]] = {}

    @torch.inference_mode()
    def begin(self, observation: dict[str, Any]) -> TableState:
        """Runs that start at an observation (one, or a batch with a leading axis)."""
        pixels, felt = self.checked(observation)
        tables, places = [], []
        for look, sense in zip(pixels, felt, strict=True):  # alone: no bit depends on the batch
            table, placed = self._read(look, sense)
            tables.append(table)
            places.append(placed)
        pose = torch.from_numpy(felt[:, :6])
        one = torch.from_numpy(felt[:, 6:9])
        robot = Robot(pose, torch.zeros_like(pose), pose, one[:, :1], one[:, 1:2], one[:, 2:],
                      (1 - one[:, :1]).clamp(0, 1))
        place, axes, half, present = (
            torch.from_numpy(np.stack([getattr(p, name) for p in places]).astype(np.float32))
            for name in ("place", "axes", "half", "present"))
        rest = torch.zeros_like(place)
        things = Things(place, axes, rest, rest, half, present[..., None])
        return TableState(robot, things, tuple(tables))

    def _read(self, look: np.ndarray, sense: np.ndarray) -> tuple[Table, Any]:
        """A look's table and where things are; the last ones are kept, since many runs begin at
        the same look."""
        name = hashlib.sha256(look.tobytes() + sense.tobytes()).digest()
        found = self._looks.get(name)
        if found is None:
            seen = self.reader(torch.from_numpy(look[None]).permute(0, 1, 4, 2, 3),
                               torch.from_numpy(sense[None]))
            found = table_of_look(self.rig, look, sense,
                                  {k: v[0].numpy() for k, v in seen.items()})
            while len(self._looks) >= LOOKS_KEPT:
                self._looks.pop(next(iter(self._looks)), None)
            self._looks[name] = found
        return found

    @torch.inference_mode()
    def step(self, state: TableState, actions, draw: bool = True):
        """(state, observation) after a tick under actions [B, 7]. Without ``draw`` the observation
        has no pictures."""
        a = self.checked_actions(actions, len(state))
        robot, things = self.contacts(state.robot, state.things, torch.from_numpy(a))
        state = TableState(robot, things, state.tables, state.tick + 1)
        return state, self.observe(state, draw)

    def observe(self, state: TableState, draw: bool = True) -> dict[str, Any]:
        """What the cameras see and the robot feels, with a leading axis of runs."""
        r = state.robot
        felt = torch.cat([r.pose, r.opening, r.effort, r.force.clamp(max=30)], 1).numpy()
        out: dict[str, Any] = {"agent_pos": felt.astype(np.float32)}
        if draw:
            things = state.things
            rgb, _ = draw_runs(state.tables, r.pose.numpy(), r.opening[:, 0].numpy(),
                               things.place.numpy(), things.axes.numpy(),
                               things.present[..., 0].numpy())
            out["pixels"] = {v: np.ascontiguousarray(rgb[:, k])
                             for k, v in enumerate(self.rig.views)}
        return out

    @torch.inference_mode()
    def actions_between(self, pixels: dict[str, Any], alone: bool = False) -> np.ndarray:
        """The actions float32 [T, 7] that lead from look to look of a film, uint8
        [T + 1, H, W, 3] by view: inverse dynamics, from pictures alone. Each is read from its two
        looks and the one before them; ``alone``: from its two looks and nothing else."""
        if self.inverse is None:
            raise RoboticsError(f"model {getattr(self, 'name', '')!r}: it has no inverse dynamics; "
                                "a checkpoint with <name>.inverse.safetensors beside it is "
                                "accepted")
        films, _ = self.checked({"pixels": pixels, "agent_pos": np.zeros(
            (len(next(iter(pixels.values()))), len(STATE_NAMES)), np.float32)})
        if len(films) < 2:
            raise RoboticsError("pixels: one look; two or more are accepted")
        looks = torch.from_numpy(films).permute(0, 1, 4, 2, 3)
        return self.inverse.read(looks, alone).numpy()

    # ------------------------------------------------------------------ checks

    def checked(self, observation: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """(pixels uint8 [B, V, H, W, 3], felt float32 [B, 9]); RoboticsError names what is
        wrong."""
        size, wanted = self.rig.size, f"uint8 [{self.rig.size}, {self.rig.size}, 3]"
        views = (observation or {}).get("pixels")
        if not isinstance(views, dict) or any(v not in views for v in self.rig.views):
            raise RoboticsError("observation: pixels of the views "
                                f"{', '.join(self.rig.views)} are accepted, each {wanted}")
        felt = np.array(observation.get("agent_pos"), np.float32)  # a state owns what it holds
        felt = felt[None] if felt.ndim == 1 else felt
        if felt.ndim != 2 or felt.shape[1] != len(STATE_NAMES) or not np.isfinite(felt).all():
            raise RoboticsError(f"observation: agent_pos {felt.shape}; {len(STATE_NAMES)} finite "
                                f"numbers are accepted ({', '.join(STATE_NAMES)})")
        stack = []
        for name in self.rig.views:
            view = np.asarray(views[name])
            view = view[None] if view.ndim == 3 else view
            if view.dtype != np.uint8 or view.shape != (len(felt), size, size, 3):
                raise RoboticsError(f"observation: view {name!r} is {view.dtype} {view.shape}; "
                                    f"{wanted} is accepted")
            stack.append(view)
        return np.stack(stack, 1), felt

    def checked_actions(self, actions, runs: int) -> np.ndarray:
        """float32 [B, 7]; RoboticsError names what is wrong. Limits are the caller's to keep."""
        a = np.asarray(actions, np.float32)
        a = a[None] if a.ndim == 1 else a
        if a.shape != (runs, 7):
            raise RoboticsError(f"actions: {a.shape}; [{runs}, 7] is accepted")
        if not np.isfinite(a).all():
            raise RoboticsError("actions: a value is not finite; numbers are accepted")
        return a


def yaw_of(axes: Tensor) -> Tensor:
    """How a thing with axes [.., 6] is turned as seen from above (rad): by its most level axis."""
    third = torch.linalg.cross(axes[..., :3], axes[..., 3:], dim=-1)
    each = torch.stack([axes[..., :3], axes[..., 3:], third], -2)
    level = each[..., 2].abs().argmin(-1, keepdim=True)
    chosen = torch.gather(each, -2, level[..., None].expand(*level.shape, 3)).squeeze(-2)
    return torch.atan2(chosen[..., 1], chosen[..., 0])
