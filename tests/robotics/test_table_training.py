"""What trains gwm-tabletop: data that is what it says; training learns, resumes and repeats."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.errors import RoboticsError
from gwm_core.model.action_reader import ActionReader
from gwm_core.model.pair_reader import PairReader
from gwm_core.model.scene_reader import MARKS
from gwm_core.raster import projection
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.starts import load_starts, save_starts
from gwm_core.simulators.tabletop.truth import simulated_starts
from gwm_core.training import (
    action_reader,
    fit,
    pair_reader,
    scene_looks,
    scene_reader,
    tabletop,
)


@pytest.fixture(scope="module")
def looks(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene_looks, "SHARD", 20)
        folder = tmp_path_factory.mktemp("looks")
        made = scene_looks.record(folder, 40, seed=3)
        assert [f.name for f in made] == ["looks-3-0000.npz", "looks-3-0001.npz"]
        before = [f.stat().st_mtime_ns for f in made]
        assert scene_looks.record(folder, 40, seed=3) == made  # whole ones are kept
        assert [f.stat().st_mtime_ns for f in made] == before
        return made


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_reader, "EPISODES", 3)
        return pair_reader.record(tmp_path_factory.mktemp("pairs"), 6, seed=4)


def test_looks_show_what_they_say(looks):
    """Where a red thing is said to be, the masks of the fixed views have it."""
    data, rig = np.load(looks[0]), tabletop_rig()
    assert data["pixels"].shape == (20, 3, 64, 64, 3) and data["place"].shape == (20, len(MARKS), 3)
    hits, seen = 0, 0
    for i in range(20):
        if not data["shown"][i, 0]:
            continue
        for k, view in enumerate(("front", "side")):
            offset = data["cam"][i, k] * [0.01, 0.01, 0.01, np.pi / 180, np.pi / 180]
            camera = rig.camera(view)
            p = projection(rig.pose(view, data["felt"][i, :6], offset), camera.focal, camera.cx,
                           camera.cy).reshape(3, 4)
            h = p @ [*data["place"][i, 0], 1]
            at = np.round(h[:2] / h[2]).astype(int)
            mask = data["masks"][i, k] == 2
            if mask.sum() >= 6 and (0 <= at).all() and (at < 64).all():
                seen += 1
                x, y = at
                hits += mask[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].any()
    assert seen >= 10 and hits >= 0.9 * seen


def test_reader_learns_resumes_and_repeats(looks, tmp_path):
    data = scene_reader.Looks(looks)
    lines: list[dict] = []
    net = scene_reader.train(data, tmp_path / "a", steps=100, batch=4, width=8,
                             progress=lines.append)
    assert [line["step"] for line in lines] == [50, 100]
    assert lines[1]["mask"] < lines[0]["mask"] and lines[1]["place"] < lines[0]["place"]
    again = scene_reader.train(data, tmp_path / "a", steps=100, batch=4, width=8)
    for one, two in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)  # it was finished: nothing is trained anew
    figures = scene_reader.judge(net, data, most=20)
    assert 0 < figures["things_median_m"] < 0.3 and 0 <= figures["mask_iou"] <= 1


def test_pairs_say_how_the_gripper_moved(pairs):
    data = pair_reader.Pairs(pairs)
    assert data.count == (6, pair_reader.TICKS)
    batch = data.at(torch.arange(6), torch.full((6,), 3))
    felt = data.data["felt"]
    assert torch.allclose(batch["moved"][:, :3], felt[:, 4, :3] - felt[:, 3, :3])
    assert batch["before"].shape == batch["after"].shape == (6, 3, 3, 64, 64)


def test_pair_reader_learns_and_repeats(pairs, tmp_path):
    data, lines = pair_reader.Pairs(pairs), []
    nets = [pair_reader.train(data, tmp_path / name, steps=200, batch=8, width=8,
                              progress=lines.append) for name in ("a", "b")]
    for one, two in zip(*(n.parameters() for n in nets), strict=True):
        assert torch.equal(one, two)  # the seed decides
    assert lines[1]["loss"] < 0.7 * lines[0]["loss"]
    figures = pair_reader.judge(nets[0], data, most=96)
    assert figures["moved_r"] > abs(figures["shuffled_moved_r"])


def test_the_judge_sees_pictures_alone():
    net = PairReader(width=8).eval()
    a, b = (torch.randint(0, 256, (2, 3, 3, 64, 64), dtype=torch.uint8) for _ in range(2))
    with torch.no_grad():
        out = net(a, b)
        assert not torch.equal(out["action"], net(b, a)["action"])
    assert out["action"].shape == (2, 7) and out["moved"].shape == (2, 6)


def test_drawn_pairs_are_what_they_say(pairs):
    """Where an action is given it is the one that led from look to look; others are there too."""
    data = pair_reader.Pairs(pairs)
    grain = action_reader.Grain(0, 1 << 22)
    b = action_reader.drawn(data, np.random.default_rng(0), 64, grain)
    assert 0.4 < b["given"].float().mean() < 0.9
    felt, actions = data.data["felt"], data.data["actions"]
    for felt_then, moved, action, given in zip(
            b["felt"], b["moved"], b["action"], b["given"], strict=True):
        e, t = ((felt[..., :7] == felt_then).all(-1)).nonzero()[0].tolist()
        ahead = felt[e, t + 1, :3] - felt[e, t, :3] if t < data.count[1] else None
        if given:
            assert torch.equal(action, actions[e, t])
            assert torch.allclose(moved[:3], ahead, atol=1e-6)
    looks = torch.randint(0, 256, (2, 3, 8, 8, 3), dtype=torch.uint8)
    moved = action_reader.shifted(looks, np.array([[1, 0], [0, -2], [0, 0]]))
    assert torch.equal(moved[:, 0, 1:], looks[:, 0, :-1])  # down by one
    assert torch.equal(moved[:, 1, :, :-2], looks[:, 1, :, 2:])  # left by two
    assert torch.equal(moved[:, 2], looks[:, 2])


def test_action_reader_learns_and_comes_back(pairs, tmp_path):
    """It learns pairs, then what is added; a finished run and `network` give the same weights."""
    data, lines = pair_reader.Pairs(pairs), []
    options = {"steps": 200, "batch": 8, "added_steps": {"registered": 200, "film": 200}}
    net = action_reader.train(data, tmp_path / "inverse", **options, progress=lines.append)
    assert lines[1]["action"] < 0.8 * lines[0]["action"]
    assert lines[3]["registered"] < lines[2]["registered"]
    assert lines[5]["film"] < lines[4]["film"]
    figures = action_reader.judge(net, data)
    assert figures["action_r"] > 0.3 + abs(figures["shuffled_r"]) and figures["film_r"] > 0.3
    again = action_reader.train(data, tmp_path / "inverse", **options)
    packed = tabletop.network(tmp_path, "inverse")
    for one, two, three in zip(*(n.parameters() for n in (net, again, packed)), strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_actions_are_read_from_two_looks_or_from_the_one_before_too():
    net = ActionReader(width=4).eval()
    film = torch.randint(0, 256, (4, 3, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        alone, told = net.read(film, alone=True), net.read(film)
        assert alone.shape == told.shape == (3, 7)
        assert torch.equal(told[:1], alone[:1]) and not torch.equal(told[1:], alone[1:])
        # alone, a pair says the same whatever came before; else it does not
        other = film.clone()
        other[0] = film[3]
        assert torch.allclose(net.read(other, alone=True)[1:], alone[1:], atol=1e-6)
        assert not torch.allclose(net.read(other)[1], told[1], atol=1e-6)
        assert torch.allclose(net.read(other)[2], told[2], atol=1e-6)
        assert torch.allclose(net.read(film[:2]), alone[:1], atol=1e-6)


def test_stages_are_named(tmp_path):
    with pytest.raises(ValueError, match="'nonsense'.*motion"):
        tabletop.train(tmp_path, stages=["nonsense"])
    with pytest.raises(ValueError, match="minutes"):
        tabletop.train(tmp_path, minutes=3)


def test_starts_come_back(tmp_path):
    file = tmp_path / "some.starts.npz"
    made = simulated_starts("push", (1, 3, 5)) + simulated_starts("slide", (7,))
    save_starts(file, made)
    back = load_starts("push", path=file) + load_starts("slide", 1, path=file)
    for one, two in zip(made, back, strict=True):
        assert (one.task, one.scene) == (two.task, two.scene)
        assert one.keep_out == pytest.approx(two.keep_out) if one.keep_out else not two.keep_out
        for view, pixels in one.observation["pixels"].items():
            assert np.array_equal(pixels, two.observation["pixels"][view])
        assert np.array_equal(one.observation["agent_pos"], two.observation["agent_pos"])
    with pytest.raises(RoboticsError, match="push, slide have"):
        load_starts("stack", path=file)
    with pytest.raises(RoboticsError, match="1 to 3"):
        load_starts("push", 4, path=file)
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(RoboticsError, match="damaged"):
        load_starts("push", path=file)
    with pytest.raises(RoboticsError, match="missing"):
        load_starts("push", path=tmp_path / "none.npz")


def test_an_interrupted_training_ends_with_the_same_weights(pairs, tmp_path, monkeypatch):
    """Stopped in the middle and begun again: what one go gives, bit for bit."""
    data = pair_reader.Pairs(pairs)
    whole = pair_reader.train(data, tmp_path / "whole", steps=150, batch=4, width=8)
    monkeypatch.setattr(fit, "SAVED_EVERY", 0.0)

    def stop(line: dict) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pair_reader.train(data, tmp_path / "parts", steps=150, batch=4, width=8, progress=stop)
    again = pair_reader.train(data, tmp_path / "parts", steps=150, batch=4, width=8)
    for one, two in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
