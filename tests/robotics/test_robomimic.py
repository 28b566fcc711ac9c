"""robomimic files: read as they are meant, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from gwm_core.errors import RoboticsError
from gwm_core.robotics.datasets import (
    read_lerobot,
    read_robomimic,
    write_lerobot,
)


def robomimic(path: Path, ticks: int = 6, after: bool = True, **extra: object) -> dict:
    rng = np.random.default_rng(0)
    made = {}
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        args = {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20}}
        data.attrs["env_args"] = json.dumps({**args, **extra})
        for name in ("demo_10", "demo_2"):
            angle = np.linspace(3.0, 3.4, ticks + 1)  # about x, through pi
            quat = np.stack([np.sin(angle / 2), 0 * angle, 0 * angle, np.cos(angle / 2)], 1)
            obs = {
                "agentview_image": rng.integers(0, 255, (ticks + 1, 16, 20, 3), np.uint8),
                "robot0_eye_in_hand_image": rng.integers(0, 255, (ticks + 1, 16, 20, 3), np.uint8),
                "robot0_eef_pos": rng.normal(size=(ticks + 1, 3)),
                "robot0_eef_quat": quat * np.where(angle > np.pi, -1, 1)[:, None],
                "robot0_gripper_qpos": rng.normal(size=(ticks + 1, 2)),
            }
            actions = rng.uniform(-1, 1, (ticks, 7))
            demo = data.create_group(name)
            demo["actions"] = actions
            demo["rewards"] = np.arange(ticks) >= (ticks if name == "demo_2" else ticks - 1)
            for key, values in obs.items():
                demo[f"obs/{key}"] = values[:-1]
                if after:
                    demo[f"next_obs/{key}"] = values[1:]
            made[name] = (obs, actions, angle)
    return made


@pytest.mark.parametrize("after", [True, False])
def test_robomimic(tmp_path: Path, after: bool) -> None:
    made = robomimic(tmp_path / "a.hdf5", after=after)
    got = list(read_robomimic(tmp_path / "a.hdf5", {"agentview": "front"}))
    assert [one.info["robomimic"]["demo"] for one in got] == ["demo_2", "demo_10"]
    assert [one.success for one in got] == [False, True]
    ticks = 6 if after else 5
    for one in got:
        obs, actions, angle = made[one.info["robomimic"]["demo"]]
        assert (one.ticks, one.fps, one.task) == (ticks, 20, "Lift")
        assert np.array_equal(one.views["front"], obs["agentview_image"][:ticks + 1])
        assert np.array_equal(one.actions, actions[:ticks].astype(np.float32))
        assert np.allclose(one.state[:, :3], obs["robot0_eef_pos"][:ticks + 1])
        assert np.allclose(one.state[:, 3], angle[:ticks + 1], atol=1e-5)
        assert np.allclose(one.state[:, 4:6], 0, atol=1e-5)
        assert np.allclose(one.state[:, 6:], obs["robot0_gripper_qpos"][:ticks + 1])
        assert one.info["state_names"][3:] == ["roll", "pitch", "yaw", *(
            f"gripper_qpos_{i}" for i in range(2)
        )]
    both = next(read_robomimic(tmp_path / "a.hdf5"))
    assert list(both.views) == ["agentview", "robot0_eye_in_hand"]
    write_lerobot(tmp_path / "set", read_robomimic(tmp_path / "a.hdf5"), images="image")
    assert len(list(read_lerobot(tmp_path / "set"))) == 2


def test_roll_pitch_yaw_order(tmp_path: Path) -> None:
    robomimic(tmp_path / "a.hdf5", ticks=2)
    roll, pitch, yaw = 0.3, -0.4, 1.1
    c, s = np.cos, np.sin
    turn = (
        np.array([[c(yaw), -s(yaw), 0], [s(yaw), c(yaw), 0], [0, 0, 1]])
        @ np.array([[c(pitch), 0, s(pitch)], [0, 1, 0], [-s(pitch), 0, c(pitch)]])
        @ np.array([[1, 0, 0], [0, c(roll), -s(roll)], [0, s(roll), c(roll)]])
    )
    w = np.sqrt(1 + np.trace(turn)) / 2
    x, y, z = (turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1])
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        for group in ("obs", "next_obs"):
            file[f"data/demo_2/{group}/robot0_eef_quat"][:] = [
                x / (4 * w), y / (4 * w), z / (4 * w), w
            ]
    one = next(read_robomimic(tmp_path / "a.hdf5"))
    assert np.allclose(one.state[:, 3:6], [roll, pitch, yaw], atol=1e-5)


def test_robomimic_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with pytest.raises(RoboticsError, match="a.hdf5: no such file"):
        read_robomimic(path)
    robomimic(path)
    with pytest.raises(RoboticsError, match="no obs/top_image; cameras agentview, robot0_eye"):
        read_robomimic(path, {"top": "front"})
    with h5py.File(path, "a") as file:
        for name in ("demo_2", "demo_10"):
            del file[f"data/{name}/obs/robot0_eef_quat"], file[f"data/{name}/rewards"]
    one = next(read_robomimic(path))
    assert one.state.shape == (7, 5) and "roll" not in one.info["state_names"]
    assert one.info["robomimic"]["missing"] == ["robot0_eef_quat"] and one.success is None
    with h5py.File(path, "a") as file:
        del file["data/demo_10/actions"]
    with pytest.raises(RoboticsError, match="data/demo_10 has no actions"):
        read_robomimic(path)
    robomimic(path, env_kwargs={})
    with pytest.raises(RoboticsError, match="control_freq; pass fps="):
        read_robomimic(path)
    assert next(read_robomimic(path, fps=10)).fps == 10
    robomimic(path, env_kwargs={"control_freq": 20, "reward_shaping": True})
    assert next(read_robomimic(path)).success is None
    with h5py.File(path, "a") as file:
        del file["data/demo_2/obs/agentview_image"]
        file["data/demo_2/obs/agentview_image"] = np.zeros((6, 16, 20, 3), np.float32)
    with pytest.raises(RoboticsError, match="demo_2/obs/agentview_image is float32"):
        read_robomimic(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(RoboticsError, match="a.hdf5: no whole HDF5 file"):
        read_robomimic(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(RoboticsError, match=r"no group 'data' \(other is there\)"):
        read_robomimic(path)
