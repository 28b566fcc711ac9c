"""LeRobot v3.0 sets that are broken: what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from gwm_core.errors import RoboticsError
from gwm_core.robotics.datasets import (
    contract,
    read_lerobot,
)

from .recorded import encode

BROKEN = [
    "meta/info.json", "meta/tasks.parquet", "meta/episodes/chunk-000/file-000.parquet",
    "data/chunk-001/file-000.parquet",
    "videos/observation.images.wrist/chunk-000/file-001.mp4",
]


def test_folders_and_versions(video: Path, tmp_path: Path) -> None:
    with pytest.raises(RoboticsError, match="nowhere: no such folder"):
        read_lerobot(tmp_path / "nowhere")
    info = json.loads((video / "meta/info.json").read_text())
    for version, match in (
        ("v2.1", "version v2.1 .*convert_dataset_v21_to_v30 --root=.*/video --push"),
        ("v4.0", "a v3.0 set is accepted"),
    ):
        (video / "meta/info.json").write_text(json.dumps({**info, "codebase_version": version}))
        with pytest.raises(RoboticsError, match=match):
            read_lerobot(video)
        with pytest.raises(RoboticsError, match=match):
            contract(video)
    (video / "meta/info.json").write_text('{"fps": 1')
    with pytest.raises(RoboticsError, match="info.json: no JSON"):
        read_lerobot(video)


@pytest.mark.parametrize("name", BROKEN)
def test_missing_and_truncated_files_are_named(video: Path, name: str) -> None:
    file = video / name
    whole = file.read_bytes()
    for share in (0.97, 0.5, 0.0):
        file.write_bytes(whole[:int(share * len(whole))])
        with pytest.raises(RoboticsError, match=Path(name).name):
            read_lerobot(video)
    file.unlink()
    with pytest.raises(RoboticsError, match=f"{name[:13]}.*no (such file|chunk)"):
        read_lerobot(video)


def test_what_is_not_asked_for_may_be_broken(video: Path) -> None:
    for file in video.glob("videos/*wrist/*/*.mp4"):
        file.unlink()
    got = list(read_lerobot(video, cameras={"observation.images.front": "front"}))
    assert [list(one.views) for one in got] == [["front"]] * 8


def test_damage_inside_a_video(video: Path) -> None:
    file = video / "videos/observation.images.wrist/chunk-000/file-000.mp4"
    whole = bytearray(file.read_bytes())
    begin = whole.index(b"mdat") + 4
    whole[begin:] = bytes(len(whole) - begin)
    file.write_bytes(whole)
    episodes = read_lerobot(video)
    with pytest.raises(RoboticsError, match="file-000.mp4.*(download|damaged)"):
        list(episodes)


def test_counts_that_do_not_match(video: Path) -> None:
    short = "videos/observation.images.wrist/chunk-000/file-000.mp4"
    with av.open(str(video / short)) as file:
        frames = [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]
    encode(video / short, frames[:-3], 10)
    with pytest.raises(RoboticsError, match=rf"{short}: {len(frames) - 3} frames.* {len(frames)}"):
        read_lerobot(video)
    encode(video / short, [f[:16] for f in frames], 10)
    with pytest.raises(RoboticsError, match=f"{short}: frames of 32x16.* 32x32"):
        read_lerobot(video)
    encode(video / short, frames, 8)  # another rate: frames at other times
    with pytest.raises(RoboticsError, match=f"{short}.*frames from"):
        list(read_lerobot(video))
    encode(video / short, frames, 10)
    rows = video / "data/chunk-000/file-000.parquet"
    table = pq.read_table(rows)
    pq.write_table(table.slice(1), rows)
    with pytest.raises(RoboticsError, match="file-000.parquet: .* rows, meta/episodes says"):
        read_lerobot(video)
    pq.write_table(table.take(list(range(len(table)))[::-1]), rows)
    with pytest.raises(RoboticsError, match="are not all of episode"):
        list(read_lerobot(video))
    pq.write_table(table.drop_columns(["action"]), rows)
    with pytest.raises(RoboticsError, match="no column 'action'"):
        read_lerobot(video)
    pq.write_table(table, rows)
    assert len(list(read_lerobot(video))) == 8


def test_features_of_other_shapes(video: Path) -> None:
    info = json.loads((video / "meta/info.json").read_text())

    def told(key: str, **feature: object) -> None:
        features = {**info["features"], key: {**info["features"].get(key, {}), **feature}}
        (video / "meta/info.json").write_text(json.dumps({**info, "features": features}))

    told("action", shape=[7, 1])
    with pytest.raises(RoboticsError, match=r"info.json: feature 'action' has shape \[7, 1\]"):
        read_lerobot(video)
    told("action", shape=[6])
    with pytest.raises(RoboticsError, match="'action' holds .* says 6 numbers"):
        list(read_lerobot(video))
    told("action", shape=None)
    with pytest.raises(RoboticsError, match="info.json: feature 'action' is"):
        read_lerobot(video)
    del info["features"]["action"]
    told("observation.state")
    with pytest.raises(RoboticsError, match="info.json: no feature 'action'"):
        read_lerobot(video)
