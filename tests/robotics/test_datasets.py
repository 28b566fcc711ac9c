"""LeRobot v3.0 sets and robomimic files: what is written is read back, what is broken is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gwm_core.errors import RoboticsError
from gwm_core.robotics.datasets import (
    contract,
    lerobot_append,
    read_lerobot,
    read_robomimic,
    write_lerobot,
)
from gwm_core.robotics.episode import Episode

SIZE = 32
VIEWS = ("front", "wrist")


def episode(seed: int, ticks: int | None = None, fps: float = 10.0, size: int = SIZE) -> Episode:
    """Squares that move over a ramp; the state is where they are."""
    rng = np.random.default_rng(seed)
    ticks = ticks or int(rng.integers(5, 12))
    ramp = np.linspace(40, 160, size).astype(np.uint8)
    place = np.cumsum(rng.integers(0, 3, (ticks + 1, 2)), 0) % (size - 10)
    views = {}
    for name in VIEWS:
        frames = np.repeat(np.broadcast_to(ramp[:, None], (size, size))[..., None], 3, 2)
        frames = np.repeat(frames[None], ticks + 1, 0)
        grey = rng.integers(60, 220)
        for frame, (x, y) in zip(frames, place, strict=True):
            frame[y:y + 10, x:x + 10] = [grey, grey - 40, grey + 30]
        views[name] = frames
    state = np.concatenate([place, rng.normal(size=(ticks + 1, 7))], 1).astype(np.float32)
    return Episode(
        views, state, rng.uniform(-1, 1, (ticks, 7)).astype(np.float32), fps,
        f"task {seed % 3}", (True, False, None)[seed % 3], {"drop": (1, ticks)}, {"seed": seed},
    )


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(float(((a.astype(float) - b) ** 2).mean()), 1e-9))


def same(got: Episode, want: Episode, frames: int, exact: bool) -> None:
    """``got`` is the first ``frames`` frames of ``want``."""
    assert got.ticks == frames - 1 and list(got.views) == list(want.views)
    for name, view in got.views.items():
        if exact:
            assert np.array_equal(view, want.views[name][:frames])
        else:
            assert psnr(view, want.views[name][:frames]) > 32
            # the right frame at the right place, not its neighbour
            for t in range(1, frames):
                if not np.array_equal(want.views[name][t], want.views[name][t - 1]):
                    mine = psnr(view[t], want.views[name][t])
                    assert mine > psnr(view[t], want.views[name][t - 1])
    assert np.array_equal(got.state, want.state[:frames])
    assert np.array_equal(got.actions, want.actions[:frames - 1])
    assert (got.fps, got.task, got.success) == (want.fps, want.task, want.success)
    assert got.info["seed"] == want.info["seed"]
    assert got.violations["drop"] == tuple(t for t in want.violations["drop"] if t < frames)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A set of either kind, of 8 episodes in several files."""
    root = tmp_path_factory.mktemp("sets")
    return {
        "video": write_lerobot(
            root / "video", map(episode, range(8)), data_mb=0.004, video_mb=0.003, chunk_files=2
        ),
        "image": write_lerobot(
            root / "image", map(episode, range(8)), images="image", data_mb=0.02, keep_last=True
        ),
    }


@pytest.fixture
def video(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["video"], tmp_path / "video"))


@pytest.mark.parametrize("kind", ["video", "image"])
def test_round_trip(made: dict[str, Path], kind: str) -> None:
    folder = made[kind]
    assert len(list(folder.glob("data/*/*.parquet"))) > 2
    assert len(list(folder.glob("videos/*front/*/*.mp4"))) > 2 or kind == "image"
    assert kind == "image" or (folder / "data/chunk-001/file-000.parquet").is_file()
    assert not [p for p in folder.parent.iterdir() if p.name.startswith(".")]
    got = list(read_lerobot(folder))
    assert len(got) == 8
    for i, one in enumerate(got):
        want = episode(i)
        same(one, want, want.ticks + (kind == "image"), exact=kind == "image")
        last = want.actions[-1].tolist() if kind == "video" else [0.0] * 7
        assert one.info["lerobot"]["last_action"] == last
    assert one.info["action_names"][-1] == "grip" and one.info["state_names"][0] == "x"


@pytest.mark.parametrize("kind", ["video", "image"])
def test_some_episodes_and_cameras_in_any_order(made: dict[str, Path], kind: str) -> None:
    got = list(read_lerobot(made[kind], [6, 1, 2, 1], {"wrist": "hand"}))
    for one, i in zip(got, (6, 1, 2, 1), strict=True):
        want = episode(i)
        frames = one.ticks + 1
        assert list(one.views) == ["hand"]
        assert psnr(one.views["hand"], want.views["wrist"][:frames]) > 32
        assert np.array_equal(one.state, want.state[:frames])
    with pytest.raises(RoboticsError, match="'top'.*observation.images.front"):
        read_lerobot(made[kind], cameras={"top": "front"})
    with pytest.raises(RoboticsError, match="episode 8; 0 to 7"):
        read_lerobot(made[kind], [8])


def test_columns_and_statistics(made: dict[str, Path]) -> None:
    folder = made["video"]
    rows = pa.concat_tables([pq.read_table(p) for p in sorted(folder.glob("data/*/*.parquet"))])
    lengths = [episode(i).ticks for i in range(8)]
    assert rows.column("index").to_pylist() == list(range(sum(lengths)))
    assert rows.column("frame_index").to_pylist() == [t for n in lengths for t in range(n)]
    ends = np.cumsum(lengths) - 1
    assert np.flatnonzero(rows.column("next.done").to_pylist()).tolist() == ends.tolist()
    done = [e for i, e in enumerate(ends) if episode(i).success]
    assert np.flatnonzero(rows.column("next.success").to_pylist()).tolist() == done
    assert np.flatnonzero(rows.column("next.reward").to_pylist()).tolist() == done

    stats = json.loads((folder / "meta/stats.json").read_text())
    state = np.concatenate([episode(i).state[:-1] for i in range(8)]).astype(float)
    front = np.concatenate([episode(i).views["front"][:-1] for i in range(8)]) / 255
    for name, of in (("min", np.min), ("max", np.max), ("mean", np.mean), ("std", np.std)):
        assert np.allclose(stats["observation.state"][name], of(state, 0))
        picture = np.array(stats["observation.images.front"][name])
        assert picture.shape == (3, 1, 1)
        assert np.allclose(picture[:, 0, 0], of(front, (0, 1, 2)))
    assert stats["action"]["count"] == [sum(lengths)] and "q99" in stats["action"]
    one = pq.read_table(next(folder.glob("meta/episodes/*/*.parquet"))).to_pylist()[0]
    want = np.quantile(episode(0).views["front"][:-1].reshape(-1, 3), 0.9, 0, method="higher")
    median = np.array(one["stats/observation.images.front/q90"])[:, 0, 0]
    assert np.abs(median * 255 - want).max() <= 1


def test_contract(made: dict[str, Path]) -> None:
    text = contract(made["video"])
    assert "8 episodes of 8 to 11 rows" in text and "10 rows a second" in text
    assert text.index("1. front  32x32  video h264") < text.index("2. wrist  32x32")
    assert "grip" in text and "'task 2'  2 episodes" in text
    low = min(float(episode(i).actions[:, 0].min()) for i in range(8))
    assert f"dx           {low:.4g} .. " in text


def test_random_access_is_cheap(made: dict[str, Path]) -> None:
    with av.open(str(next(made["video"].glob("videos/*front/*/file-000.mp4")))) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 10
        packets = [p for p in file.demux(stream) if p.size]
        assert all(p.pts == p.dts for p in packets)
        key = [p.is_keyframe for p in packets]
        assert all(a or b for a, b in zip(key[1:], key[:-1], strict=True))
        assert [float(p.pts * stream.time_base) for p in packets] == [
            i / 10 for i in range(len(packets))
        ]


def test_one_episode_at_a_time(tmp_path: Path) -> None:
    alive: list[weakref.ref] = []
    most = 0

    def stream():
        nonlocal most
        for i in range(6):
            one = episode(i)
            alive.append(weakref.ref(one))
            most = max(most, sum(ref() is not None for ref in alive))
            yield one

    seen: list[int] = []
    write_lerobot(tmp_path / "set", stream(), progress=seen.append)
    assert most <= 2 and seen == [1, 2, 3, 4, 5, 6]


def test_a_failing_run_leaves_nothing(tmp_path: Path) -> None:
    def stream():
        yield episode(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lerobot(tmp_path / "set", stream())
    with pytest.raises(RoboticsError, match="episodes: none"):
        write_lerobot(tmp_path / "set", [])
    assert not list(tmp_path.iterdir())
    (tmp_path / "set").mkdir()  # an empty folder may be there
    assert write_lerobot(tmp_path / "set", [episode(0)]) == tmp_path / "set"
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def _kinds() -> list[tuple[str, Episode, str]]:
    good = episode(1)
    other = {**good.views, "front": good.views["front"][:, :30]}
    nan = good.state.copy()
    nan[0, 0] = np.nan
    return [
        ("fps", _with(good, fps=20.0), "episode 1: 20 fps; the set has 10"),
        ("size", _with(good, views=other), r"episode 1: observation.images.front is .*30, 32, 3"),
        ("view", _with(good, views={"front": good.views["front"]}), "wrist is not there"),
        ("state", _with(good, state=good.state[:, :5]), r"observation.state is .*\(5,\)"),
        ("length", _with(good, state=good.state[:-1]), "episode 1: .*state .* does not fit"),
        ("nan", _with(good, state=nan), "episode 1: its state is not finite"),
        ("info", _with(good, info={"a": {1}}), "episode 1: info cannot be kept"),
    ]


def _with(one: Episode, **other: object) -> Episode:
    return Episode(**{**vars(one), **other})


@pytest.mark.parametrize("case", _kinds(), ids=lambda case: case[0])
def test_an_episode_of_another_kind_is_named(tmp_path: Path, case: tuple) -> None:
    with pytest.raises(RoboticsError, match=case[2]):
        write_lerobot(tmp_path / "set", [episode(0), case[1]])
    assert not list(tmp_path.iterdir())


def test_odd_sizes_are_for_images(tmp_path: Path) -> None:
    odd = episode(0, size=33)
    with pytest.raises(RoboticsError, match='33x33; videos accept even sizes only, images="image"'):
        write_lerobot(tmp_path / "set", [odd])
    write_lerobot(tmp_path / "set", [odd], images="image")
    same(next(read_lerobot(tmp_path / "set")), odd, odd.ticks, exact=True)


@pytest.mark.parametrize("kind", ["video", "image"])
def test_append(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set"
    with pytest.raises(RoboticsError, match='images: "'[:8]):
        write_lerobot(folder, [episode(0)], images="png")
    for begin, end in ((0, 3), (3, 4), (4, 7)):  # the first one begins the set
        write_lerobot(folder, map(episode, range(begin, end)), images=kind, append=True)
    with pytest.raises(RoboticsError, match="is there already.*append=True"):
        write_lerobot(folder, [episode(0)], images=kind)
    other = "image" if kind == "video" else "video"
    with pytest.raises(RoboticsError, match=f"'{other}'.*the set has .*'{kind}'"):
        write_lerobot(folder, [episode(0)], images=other, append=True)
    got = list(read_lerobot(folder))
    assert len(got) == 7
    for i, one in enumerate(got):
        same(one, episode(i), episode(i).ticks, exact=kind == "image")
    stats = json.loads((folder / "meta/stats.json").read_text())
    actions = np.concatenate([episode(i).actions for i in range(7)])
    assert np.allclose(stats["action"]["std"], actions.astype(float).std(0))
    assert contract(folder).count("'task ") == 3


def test_append_killed_at_any_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = write_lerobot(tmp_path / "base", map(episode, range(2)), video_mb=0.002)
    moves = []
    move = os.replace
    monkeypatch.setattr(lerobot_append.os, "replace", lambda a, b: _move(moves, move, a, b))
    outcomes = []
    for stop in range(40):
        folder = Path(shutil.copytree(base, tmp_path / f"set{stop}"))
        moves[:] = [stop]
        try:
            write_lerobot(folder, map(episode, (5, 6, 7)), append=True)
        except KeyboardInterrupt:
            pass
        got = list(read_lerobot(folder))
        outcomes.append(len(got))
        # after it, a smaller addition: nothing of the killed one is left over
        want = [0, 1, 5, 6, 7][:len(got)] + [3]
        moves[:] = [99]
        write_lerobot(folder, [episode(3)], append=True)
        got = list(read_lerobot(folder))
        for one, i in zip(got, want, strict=True):
            same(one, episode(i), episode(i).ticks, exact=False)
        stats = json.loads((folder / "meta/stats.json").read_text())
        assert stats["index"]["count"] == [sum(one.ticks + 1 for one in got)]
        rows = [pq.read_table(p).num_rows for p in folder.glob("data/*/*.parquet")]
        assert sum(rows) == stats["index"]["count"][0]
        if outcomes[-1] == 5:
            break
    assert outcomes == [2] * stop + [5] and stop > 8


def _move(left: list[int], move, a: Path, b: Path) -> None:
    """os.replace that is killed after so many files."""
    if not left[0]:
        raise KeyboardInterrupt
    left[0] -= 1
    move(a, b)


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


BROKEN = [
    "meta/info.json", "meta/tasks.parquet", "meta/episodes/chunk-000/file-000.parquet",
    "data/chunk-001/file-000.parquet",
    "videos/observation.images.wrist/chunk-000/file-001.mp4",
]


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
    _encode(video / short, frames[:-3], 10)
    with pytest.raises(RoboticsError, match=rf"{short}: {len(frames) - 3} frames.* {len(frames)}"):
        read_lerobot(video)
    _encode(video / short, [f[:16] for f in frames], 10)
    with pytest.raises(RoboticsError, match=f"{short}: frames of 32x16.* 32x32"):
        read_lerobot(video)
    _encode(video / short, frames, 8)  # another rate: frames at other times
    with pytest.raises(RoboticsError, match=f"{short}.*frames from"):
        list(read_lerobot(video))
    _encode(video / short, frames, 10)
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


def _encode(path: Path, frames: list[np.ndarray], fps: int, codec: str = "libx264") -> None:
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            frame = np.ascontiguousarray(frame)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))


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
    _encode(folder / f"videos/{key}/all-0-0.mp4", list(frames), fps, codec)

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
