"""LeRobot v3.0 sets: what is written is read back, added to, and never half there."""

from __future__ import annotations

import json
import os
import shutil
import weakref
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gwm_core.errors import RoboticsError
from gwm_core.robotics.datasets import (
    contract,
    lerobot_append,
    read_lerobot,
    write_lerobot,
)
from gwm_core.robotics.episode import Episode

from .recorded import episode, psnr, same


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
