"""Episodes read from HDF5 files of robomimic (and of robosuite, which it records)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import RoboticsError
from ..episode import Episode
from .lerobot_meta import package

IMAGE = "_image"
STATE = {
    "robot0_eef_pos": ("x", "y", "z"),
    "robot0_eef_quat": ("roll", "pitch", "yaw"),
    "robot0_gripper_qpos": None,
}
"""Observations that make up the state, and the names of their numbers."""


def read_robomimic(
    file: str | os.PathLike[str],
    cameras: Mapping[str, str] | None = None,
    fps: float | None = None,
) -> Iterator[Episode]:
    """The demonstrations of a robomimic file, one at a time, demo_0, demo_1, ...

    file     HDF5 with ``data/demo_N/{actions, obs/<camera>_image, obs/robot0_eef_pos, ...}`` and
             the attribute ``env_args`` of ``data``
    cameras  view names by camera ("agentview": "front"); all cameras under their own names when
             left out
    fps      ticks a second where env_args names no control_freq

    With ``next_obs`` an Episode has all T actions and T + 1 frames; without, the T observations
    give T - 1 actions. The state is robot0_eef_pos [3] (m), robot0_eef_quat (x, y, z, w) as roll,
    pitch, yaw [3] (rad, about fixed axes, without jumps inside an episode) and robot0_gripper_qpos
    [n]; what is not in the file is left out: ``info["state_names"]`` names what is there,
    ``info["robomimic"]["missing"]`` what is not. ``success`` is whether a sparse reward reached 1,
    None for shaped rewards or a file without rewards. The task is env_args' language or env_name.

    The whole file is checked before the first episode; RoboticsError names the file, the missing
    key and the demonstration.
    """
    path = Path(file)
    h5py = package("h5py")
    with _open(h5py, path) as data:
        args = _arguments(path, data)
        if fps is None:
            fps = args.get("env_kwargs", {}).get("control_freq")
            if not isinstance(fps, (int, float)) or not fps > 0:
                raise RoboticsError(
                    f"{path}: data.attrs['env_args'] has no env_kwargs.control_freq; pass fps=, "
                    "the ticks a second"
                )
        names = _demos(path, data)
        views = _views(path, data[names[0]], cameras)
        for name in names:
            _check(path, data, name, views)
    return _episodes(h5py, path, names, views, args, float(fps))


class _open:
    """The group "data" of a file, open while the context lasts."""

    def __init__(self, h5py: Any, path: Path) -> None:
        if not path.is_file():
            raise RoboticsError(f"{path}: no such file; an HDF5 file of robomimic is accepted")
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise RoboticsError(
                f"{path}: no whole HDF5 file ({error}); it is truncated or of another kind: copy "
                "or download it again"
            ) from None
        self._path = path

    def __enter__(self) -> Any:
        if "data" not in self._file:
            there = ", ".join(self._file) or "nothing"
            self._file.close()
            raise RoboticsError(
                f"{self._path}: no group 'data' ({there} is there); the layout of robomimic is "
                "accepted: data/demo_0, data/demo_1, ..."
            )
        return self._file["data"]

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _arguments(path: Path, data: Any) -> dict[str, Any]:
    """env_args of the file; {} where there are none."""
    text = data.attrs.get("env_args", "{}")
    try:
        args = json.loads(text)
    except ValueError as error:
        raise RoboticsError(
            f"{path}: data.attrs['env_args'] is no JSON ({error}); an object is accepted"
        ) from None
    return args if isinstance(args, dict) else {}


def _demos(path: Path, data: Any) -> list[str]:
    def number(name: str) -> tuple[int, str]:
        digits = name.rpartition("_")[2]
        return (int(digits) if digits.isdigit() else -1, name)

    names = sorted((name for name in data if name.startswith("demo")), key=number)
    if not names:
        raise RoboticsError(f"{path}: no data/demo_0; one demonstration or more is accepted")
    return names


def _views(path: Path, demo: Any, cameras: Mapping[str, str] | None) -> dict[str, str]:
    """View names by observation."""
    there = [key for key in demo.get("obs", ()) if key.endswith(IMAGE)]
    if cameras is None:
        return {key: key.removesuffix(IMAGE) for key in there}
    views = {}
    for camera, view in cameras.items():
        key = camera if camera.endswith(IMAGE) else camera + IMAGE
        if key not in there:
            found = ", ".join(k.removesuffix(IMAGE) for k in there) or "none"
            raise RoboticsError(
                f"{path}: {demo.name} has no obs/{key}; cameras {found} are there (a file without "
                "pictures gets them from robomimic's dataset_states_to_obs.py)"
            )
        views[key] = view
    if len(set(views.values())) < len(cameras):
        raise RoboticsError(f"cameras: {dict(cameras)}; a view name for each camera is accepted")
    return views


def _check(path: Path, data: Any, name: str, views: dict[str, str]) -> None:
    demo = data[name]
    for key in ("actions", "obs", *(f"obs/{view}" for view in views)):
        if key not in demo:
            raise RoboticsError(
                f"{path}: data/{name} has no {key}; {', '.join(demo)} is there. Observations are "
                "added by robomimic's dataset_states_to_obs.py"
            )
    actions = demo["actions"]
    if actions.ndim != 2 or not len(actions):
        raise RoboticsError(
            f"{path}: data/{name}/actions has shape {actions.shape}; [ticks, n] is accepted"
        )
    for group in ("obs", "next_obs"):
        for key in (*views, *STATE):
            if key not in demo.get(group, ()):
                continue
            values = demo[group][key]
            picture = values.ndim == 4 and values.shape[3] == 3 and values.dtype == np.uint8
            if len(values) != len(actions) or (not picture if key in views else values.ndim != 2):
                kind = "uint8 [ticks, height, width, 3]" if key in views else "[ticks, n]"
                raise RoboticsError(
                    f"{path}: data/{name}/{group}/{key} is {values.dtype} {values.shape} beside "
                    f"{len(actions)} actions; {kind} is accepted"
                )


def _episodes(
    h5py: Any, path: Path, names: list[str], views: dict[str, str], args: dict[str, Any],
    fps: float,
) -> Iterator[Episode]:
    task = args.get("env_lang") or args.get("language") or args.get("env_name") or ""
    shaped = bool(args.get("env_kwargs", {}).get("reward_shaping"))
    with _open(h5py, path) as data:
        for name in names:
            demo = data[name]
            try:
                yield _episode(demo, views, str(task), shaped, fps)
            except OSError as error:
                raise RoboticsError(
                    f"{path}: data/{name} cannot be read ({error}); copy or download the file again"
                ) from None


def _episode(
    demo: Any, views: dict[str, str], task: str, shaped: bool, fps: float
) -> Episode:
    actions = demo["actions"][()].astype(np.float32)
    used = [*views, *(key for key in STATE if key in demo["obs"])]
    whole = all(key in demo.get("next_obs", ()) for key in used)
    ticks = len(actions) if whole else len(actions) - 1

    def values(key: str) -> np.ndarray:
        kept = demo["obs"][key][()]
        return np.concatenate([kept, demo["next_obs"][key][-1:]]) if whole else kept

    parts, state_names, missing = [np.empty((ticks + 1, 0), np.float32)], [], []
    for key, numbers in STATE.items():
        if key not in demo["obs"]:
            missing.append(key)
            continue
        found = values(key)
        if key.endswith("quat"):
            found = _roll_pitch_yaw(found)
        parts.append(found.astype(np.float32))
        plain = key.removeprefix("robot0_")
        state_names += numbers or [f"{plain}_{i}" for i in range(found.shape[1])]
    success = None
    if "rewards" in demo and not shaped:
        success = bool(demo["rewards"][()].max() >= 1)
    return Episode(
        views={view: values(key) for key, view in views.items()},
        state=np.concatenate(parts, 1), actions=actions[:ticks], fps=fps, task=task,
        success=success,
        info={
            "state_names": state_names,
            "robomimic": {"demo": demo.name.rpartition("/")[2], "missing": missing},
        },
    ).check()


def _roll_pitch_yaw(quaternions: np.ndarray) -> np.ndarray:
    """Angles [n, 3] about the fixed x, y and z axes of quaternions [n, 4] (x, y, z, w)."""
    from scipy.spatial.transform import Rotation

    try:
        angles = Rotation.from_quat(quaternions).as_euler("xyz")
    except ValueError as error:
        raise RoboticsError(
            f"robot0_eef_quat: {error}; quaternions (x, y, z, w) are accepted"
        ) from None
    return np.unwrap(angles, axis=0)  # a gripper that points down would flip between -pi and pi
