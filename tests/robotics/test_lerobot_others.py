"""LeRobot v3.0 sets of others, and lerobot itself on ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gwm_core.errors import RoboticsError
from gwm_core.robotics.datasets import (
    contract,
    read_lerobot,
    read_robomimic,
    write_lerobot,
)

from .recorded import VIEWS, encode, episode, psnr

LOAD = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset
for root in sys.argv[1:]:
    data = LeRobotDataset("local/set", root=root)
    rows = [data[i] for i in range(len(data))]
    out = {
        k: np.array([r[k] if k == "task" else r[k].numpy() for r in rows]) for k in rows[0]
    }
    stats = {f"stats/{k}": data.meta.stats[k]["std"] for k in ("action", "observation.state")}
    np.savez(root + ".npz", episodes=data.num_episodes, **out, **stats)
    part = LeRobotDataset(
        "local/set", root=root, episodes=[3], delta_timestamps={"action": [0, 0.1, 0.2]}
    )
    assert part[0]["action"].shape == (3, 7) and int(part[0]["episode_index"]) == 3
"""
RECORD = """
import sys
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset
kind, root = sys.argv[1:]
data = LeRobotDataset.create(
    "local/set", 20, root=root, robot_type="so100", use_videos=kind == "video", features={
        "observation.images.top": {
            "dtype": kind, "shape": (64, 96, 3), "names": ["height", "width", "channels"]},
        "observation.state": {"dtype": "float32", "shape": (6,), "names": list("abcdef")},
        "action": {"dtype": "float32", "shape": (6,), "names": list("abcdef")}})
for e in range(3):
    for t in range(14):
        frame = np.full((64, 96, 3), 60, np.uint8)
        frame[20:44, 2 * t:2 * t + 20] = 200 - 30 * e
        data.add_frame({"observation.images.top": frame, "task": f"task {e % 2}",
                        "observation.state": np.full(6, t + e, np.float32),
                        "action": np.full(6, t - e, np.float32)})
    data.save_episode()
data.finalize()
"""


@pytest.mark.parametrize("codec", ["libsvtav1", "libx264"])
def test_a_set_of_others(tmp_path: Path, codec: str) -> None:
    """Other features, names, sizes and fps; one row group; long GOPs with B-frames; AV1."""
    folder = tmp_path / "foreign"
    lengths, fps, (height, width) = (70, 90), 15, (64, 96)
    total = sum(lengths)
    rng = np.random.default_rng(0)
    frames = np.full((total, height, width, 3), 90, np.uint8)
    for i, frame in enumerate(frames):
        frame[20:44, i % 70:i % 70 + 20] = [180, 170, 190]
    joints = rng.normal(size=(total, 6)).astype(np.float32)
    moves = rng.normal(size=(total, 6))
    first = np.arange(total) >= lengths[0]
    rows = {
        "observation.joint.position": pa.array(list(joints), pa.list_(pa.float32())),
        "observation.gripper": pa.array(joints[:, 0].tolist(), pa.float32()),
        "action.joint": pa.array(list(moves), pa.list_(pa.float64())),
        "observation.lidar": pa.array([[[1.0]] * 2] * total),
        "timestamp": pa.array((np.arange(total) / fps).astype(np.float32)),
        "episode_index": pa.array(first.astype(np.int64)),
        "index": pa.array(np.arange(total)),
        "task_index": pa.array(first.astype(np.int64)),
    }
    key = "observation.images.cam_high"
    features = {
        key: {"dtype": "video", "shape": [3, height, width],
              "names": ["channels", "height", "width"]},
        "observation.depth": {"dtype": "video", "shape": [height, width, 1], "names": None},
        "observation.joint.position": {"dtype": "float32", "shape": [6],
                                       "names": {"motors": list("abcdef")}},
        "observation.gripper": {"dtype": "float32", "shape": [1], "names": None},
        "action.joint": {"dtype": "float64", "shape": [6], "names": list("uvwxyz")},
        "observation.lidar": {"dtype": "float32", "shape": [2, 1], "names": None},
        **{k: {"dtype": "int64", "shape": [1], "names": None} for k in ("index", "task_index")},
    }
    info = {
        "codebase_version": "v3.0", "robot_type": "aloha", "fps": fps, "total_episodes": 2,
        "total_frames": total, "features": features,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/all-{chunk_index}-{file_index}.mp4",
    }
    table = [
        {"episode_index": i, "tasks": [f"do {i}"], "length": n, "data/chunk_index": 0,
         "data/file_index": 0, "dataset_from_index": lengths[0] * i,
         "dataset_to_index": lengths[0] * i + n, f"videos/{key}/chunk_index": 0,
         f"videos/{key}/file_index": 0, f"videos/{key}/from_timestamp": lengths[0] * i / fps,
         f"videos/{key}/to_timestamp": (lengths[0] * i + n) / fps}
        for i, n in enumerate(lengths)
    ]
    for name, content in (
        ("data", pa.table(rows)), ("meta/episodes", pa.Table.from_pylist(table)),
    ):
        (folder / name / "chunk-000").mkdir(parents=True)
        pq.write_table(content, folder / name / "chunk-000/file-000.parquet")
    pq.write_table(
        pa.table({"task": ["do 1", "do 0"], "task_index": [1, 0]}), folder / "meta/tasks.parquet"
    )
    (folder / "meta/info.json").write_text(json.dumps(info))
    (folder / f"videos/{key}").mkdir(parents=True)
    encode(folder / f"videos/{key}/all-0-0.mp4", list(frames), fps, codec)

    got = list(read_lerobot(folder, [1, 0]))
    for one, i in zip(got, (1, 0), strict=True):
        span = slice(lengths[0] * i, lengths[0] * i + lengths[i])
        assert list(one.views) == ["cam_high"] and one.fps == 15 and one.task == f"do {i}"
        for mine, want in zip(one.views["cam_high"], frames[span], strict=True):
            assert psnr(mine, want) > 28
        want = np.concatenate([joints[span], joints[span, :1]], 1)
        assert np.array_equal(one.state, want)
        assert np.array_equal(one.actions, moves[span][:-1].astype(np.float32))
        assert one.success is None and one.violations == {}
        assert one.info["state_names"] == [*"abcdef", "gripper_0"]
        assert one.info["lerobot"]["left_out"] == ["observation.depth", "observation.lidar"]
    assert "observation.images.cam_high" in contract(folder) and "'do 0'" in contract(folder)
    copy = write_lerobot(tmp_path / "copy", got, robot="aloha")
    assert next(read_lerobot(copy)).info["action_names"] == [*"uvwxyz"]
    with pytest.raises(RoboticsError, match="video_path .* is accepted to add to a set"):
        write_lerobot(folder, [episode(0)], append=True)


def test_missing_packages_say_what_to_install(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "pyarrow.parquet", "av", "h5py"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.hdf5").touch()
    for call in (
        lambda: read_lerobot(video), lambda: read_robomimic(tmp_path / "a.hdf5"),
        lambda: write_lerobot(tmp_path / "set", [episode(0)]),
    ):
        with pytest.raises(RoboticsError, match=r'pip install "gwm\[robotics\]"'):
            call()
    assert not (tmp_path / "set").exists()


@pytest.mark.slow
def test_the_real_lerobot_reads_and_writes_the_same(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """GWM_LEROBOT_PYTHON: a Python in which lerobot 0.4.4 is installed."""
    python = os.environ.get("GWM_LEROBOT_PYTHON")
    if not python:
        pytest.skip("GWM_LEROBOT_PYTHON names no Python with lerobot 0.4.4")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "hf")}

    def run(code: str, *arguments: object) -> None:
        done = subprocess.run(
            [python, "-c", code, *map(str, arguments)], env=environment, capture_output=True,
            text=True, timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    sets = {}
    for kind, folder in made.items():
        sets[kind] = Path(shutil.copytree(folder, tmp_path / kind))
        write_lerobot(
            sets[kind], [episode(8)], images=kind, append=True, keep_last=kind == "image"
        )
    run(LOAD, *sets.values())
    for folder in sets.values():
        theirs = np.load(f"{folder}.npz")
        ours = list(read_lerobot(folder))
        assert theirs["episodes"] == len(ours) == 9
        assert np.array_equal(theirs["observation.state"], np.concatenate([e.state for e in ours]))
        tasks = [e.task for e in ours for _ in range(e.ticks + 1)]
        assert theirs["task"].tolist() == tasks
        ends = np.cumsum([e.ticks + 1 for e in ours]) - 1
        rest = np.delete(np.arange(len(tasks)), ends)
        assert np.array_equal(theirs["action"][rest], np.concatenate([e.actions for e in ours]))
        assert np.allclose(theirs["stats/action"], theirs["action"].astype(float).std(0))
        assert np.flatnonzero(theirs["next.done"]).tolist() == ends.tolist()
        for view in VIEWS:
            frames = theirs[f"observation.images.{view}"].transpose(0, 2, 3, 1) * 255
            mine = np.concatenate([e.views[view] for e in ours])
            assert np.abs(frames - mine).max() < 1.5

    for kind in ("video", "image"):  # AV1 is what lerobot writes
        folder = tmp_path / f"theirs_{kind}"
        run(RECORD, kind, folder)
        got = list(read_lerobot(folder))
        assert len(got) == 3
        for e, one in enumerate(got):
            assert np.array_equal(one.state[:, 0], np.arange(14.0) + e)
            assert np.array_equal(one.actions[:, 5], np.arange(13.0) - e)
            assert (one.fps, one.task, one.success) == (20, f"task {e % 2}", None)
            want = np.full((14, 64, 96, 3), 60, np.uint8)
            for t in range(14):
                want[t, 20:44, 2 * t:2 * t + 20] = 200 - 30 * e
            assert psnr(one.views["top"], want) > (30 if kind == "video" else 90)
