"""What the nodes for robots share: inputs, pictures, and a model that shows how far it is."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import numpy as np
from comfy_api.v0_0_2 import io
from PIL import Image

from ..gwm_core.errors import GWMError
from ..gwm_core.robotics.episode import Episode
from ..gwm_core.robotics.evaluation import Start
from ..gwm_core.robotics.plots import of_one_size
from ..gwm_core.robotics.rollouts import SENTENCES, join, picked
from ..gwm_core.robotics.table_model import STATE_NAMES, TableModel
from ..gwm_core.side_by_side import side_by_side
from .adapt import frames_to_image, image_to_array, video_of
from .host import TickProgress
from .tables import HostTable
from .types import GWMModel, GWMPolicy

TASKS = list(SENTENCES)
VIEWS = ["front", "side", "wrist"]
#: Ticks of a run, ten a second.
MOST_TICKS = 600
#: First looks that are read before Cancel is asked for again.
READ_AT_ONCE = 4
#: x, y, z, roll, pitch, yaw, opening, effort, force of a gripper that waits above the table.
HOME = (0.0, -0.01, 0.16, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
TASK_TIP = "What the robot is to do. " + " ".join(f"{k}: {v}" for k, v in SENTENCES.items())
SEED_TIP = (
    "Decides what policies draw at random (noise, faults), and nothing else: the same seed gives "
    "the same runs. A start has the same draws for every policy."
)


def model_input() -> GWMModel.Input:
    """The model of a robot's table."""
    return GWMModel.Input("model", tooltip="gwm-tabletop, from Load GWM Model.")


def task_input() -> io.Combo.Input:
    return io.Combo.Input("task", options=TASKS, default=TASKS[0], tooltip=TASK_TIP)


def ticks_input(default: int, tooltip: str) -> io.Int.Input:
    return io.Int.Input("ticks", default=default, min=1, max=MOST_TICKS, tooltip=tooltip)


def seed_input() -> io.Int.Input:
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=0xFFFFFFFFFFFFFFFF,
        control_after_generate=False,
        tooltip=SEED_TIP,
    )


def start_input() -> io.Int.Input:
    return io.Int.Input(
        "start",
        default=0,
        min=0,
        max=1000000,
        tooltip="Which of the start scenes that come with the model, from 0 on. They differ in "
        "where things lie, colours, light and cameras.",
    )


def policy_inputs(count: int, tooltip: str) -> list:
    return [GWMPolicy.Input(f"policy_{i}", optional=True, tooltip=tooltip)
            for i in range(1, count + 1)]


def wired_policies(wired: dict[str, Any]) -> list:
    """The policies of ``policy_inputs`` that are there, in their order."""
    names = sorted(wired, key=lambda name: int(name.rpartition("_")[2]))
    return [wired[name] for name in names if wired[name] is not None]


def named_policies(policies: list) -> dict[str, Any]:
    """Policies by name; of several with one name the later ones get a number."""
    out: dict[str, Any] = {}
    for policy in policies:
        name, number = policy.name, 1
        while name in out:
            number += 1
            name = f"{policy.name} ({number})"
        out[name] = policy
    return out


def check_task(task: str) -> str:
    """The task itself; the oldest host does not hold a choice against its list."""
    if task not in TASKS:
        raise GWMError(f"task: {task!r}; one of {', '.join(TASKS)} is accepted")
    return task


class TickedTable:
    """A table model of which every step moves the node's bar, shows a picture, and ends at Cancel.

    total  run-ticks in all: a step of eight runs is eight of them
    """

    def __init__(self, model: TableModel, total: int, view: str = "front") -> None:
        self._model, self._total, self._view = model, max(1, total), view
        self._bar = TickProgress(self._total)
        self._steps = 0
        self.done = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def begin(self, observation: dict[str, Any]) -> Any:
        runs = np.arange(len(observation["agent_pos"]))
        parts = []
        # A few at a time: reading and taking apart a first look is the longest step of a run.
        for begin in range(0, len(runs), READ_AT_ONCE):
            comfy.model_management.throw_exception_if_processing_interrupted()
            parts.append(self._model.begin(picked(observation, runs[begin : begin + READ_AT_ONCE])))
        return join(parts)

    def step(self, state: Any, actions: Any, draw: bool = True) -> tuple[Any, dict[str, Any]]:
        comfy.model_management.throw_exception_if_processing_interrupted()
        state, seen = self._model.step(state, actions, draw)
        self._steps += 1
        frame = None
        if draw and self._steps % 4 == 0:
            frame = np.asarray(Image.fromarray(seen["pixels"][self._view][0]).resize((256, 256)))
        self.advance(self.done + len(state), frame)
        return state, seen

    def advance(self, done: int, frame: np.ndarray | None = None) -> None:
        """Move the bar to ``done`` run-ticks."""
        self.done = min(done, self._total)
        self._bar(self.done, self._total, frame)


# ------------------------------------------------------------------ pictures


def view_image(episode: Episode, view: str):
    """A camera's frames as an IMAGE."""
    return frames_to_image(episode.views[view])


def views_video(episode: Episode):
    """All cameras side by side, larger and with their names, as a VIDEO."""
    if not episode.views:
        raise GWMError("rollouts: this run has no pictures")
    frames = of_one_size(list(episode.views.values()))
    return video_of(frames_to_image(side_by_side(frames, list(episode.views))), None, episode.fps)


def runs_video(episodes: list[Episode], labels: list[str], view: str):
    """One camera of several runs side by side as a VIDEO."""
    frames = of_one_size([e.views[view] for e in episodes])
    return video_of(frames_to_image(side_by_side(frames, labels)), None, episodes[0].fps)


# ------------------------------------------------------------------ where runs begin


def own_start(table: HostTable, task: str, pictures: dict[str, Any], gripper: str) -> Start | None:
    """The artist's own first look from IMAGE inputs by view; None where none is wired in."""
    views = table.loaded.rig.views
    given = [name for name in views if pictures.get(name) is not None]
    if not given:
        return None
    missing = [name for name in views if name not in given]
    if missing:
        raise GWMError(
            f"{missing[0]}: a picture of this camera is needed too; wire in all of "
            f"{', '.join(views)}, or none to begin at a scene that comes with the model"
        )
    side = table.loaded.rig.size
    pixels = {name: _square(image_to_array(pictures[name], name), side) for name in views}
    return Start(task, {"pixels": pixels, "agent_pos": gripper_pose(gripper)})


def gripper_pose(text: str) -> np.ndarray:
    """Proprioception [9] from a text of numbers; where numbers are missing, those of HOME."""
    words = (text or "").replace(",", " ").split()
    try:
        given = [float(word) for word in words]
    except ValueError:
        given = [float("nan")]
    if len(given) > len(HOME) or not np.isfinite(given).all():
        raise GWMError(
            f"gripper: {text!r}; up to {len(HOME)} numbers are accepted: {', '.join(STATE_NAMES)} "
            "(metres, radians, opening 0 to 1, effort, newtons)"
        )
    return np.array([*given, *HOME[len(given):]], np.float32)


def _square(picture: np.ndarray, side: int) -> np.ndarray:
    """uint8 [side, side, 3]: the middle of a picture, brought to a camera's size."""
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).convert("RGB")
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    box = (left, top, left + short, top + short)
    return np.array(image.resize((side, side), Image.Resampling.BOX if short >= 2 * side
                                 else Image.Resampling.BILINEAR, box=box))


def starts_of(table: HostTable, task: str, first: int, count: int, pictures: dict[str, Any],
              gripper: str) -> tuple[list[Start], int]:
    """The starts of some runs and the number of the first one: the artist's own look (as often as
    there are runs), or scenes that come with the model."""
    own = own_start(table, task, pictures, gripper)
    if own is not None:
        return [own] * count, 0
    return table.starts(task, first, count), first
