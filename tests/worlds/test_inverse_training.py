"""Training of the inverse dynamics: it goes on where it was stopped, to the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.checkpoint import read_checkpoint

SMALL = {"steps": 4, "counts": (0, 0, 2), "ticks": 12, "log": lambda text: None}


def test_it_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    pytest.importorskip("mujoco")  # the training prompts come with the simulator
    from gwm_core.training import inverse

    monkeypatch.setattr(inverse, "KEEP_EVERY", 1)
    scores = inverse.train(tmp_path / "a.safetensors", tmp_path / "work", **SMALL)
    assert set(scores) == {"prompt", "video"} and 0 <= scores["prompt"]["keys"] <= 1
    (tmp_path / "work" / "inverse.state").unlink()
    made = sorted(path.name for path in (tmp_path / "work").iterdir())
    real, calls = inverse.losses, []

    def stopped(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(inverse, "losses", stopped)
    with pytest.raises(KeyboardInterrupt):
        inverse.train(tmp_path / "b.safetensors", tmp_path / "work", **SMALL)
    assert not (tmp_path / "b.safetensors").exists()
    monkeypatch.setattr(inverse, "losses", real)
    inverse.train(tmp_path / "b.safetensors", tmp_path / "work", **SMALL)
    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == sorted(
        [*made, "inverse.state"])
    (a, about), (b, _) = (read_checkpoint(tmp_path / f"{n}.safetensors") for n in "ab")
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert about["kind"] == "inverse" and about["training"]["steps"] == 4
    assert about["walked_with"] and about["embodiment"]["controls"]


def test_the_stage_lays_it_beside_the_checkpoint(tmp_path, monkeypatch):
    from gwm_core.training import inverse, rooms

    asked = []

    def train(out, folder, checkpoint, seed, minutes, log):
        asked.append((folder, checkpoint, seed, minutes))
        out.write_bytes(b"weights")

    monkeypatch.setattr(inverse, "train", train)
    out = tmp_path / "mine.safetensors"
    for _ in range(2):  # the second time it is there already
        rooms.train(tmp_path / "work", out, ["inverse"], 3, 5, lambda text: None)
    assert asked == [(tmp_path / "work" / "inverse", out, 5, 3)]
    assert (tmp_path / "mine.inverse.safetensors").read_bytes() == b"weights"
    with pytest.raises(ValueError, match="inverse"):
        rooms.train(tmp_path / "work", out, ["reverse"])


def test_a_mirrored_walk_swaps_left_and_right():
    import torch

    from gwm_core.inverse import NUMBERS, tick_pairs
    from gwm_core.motion import Motion, turned
    from gwm_core.training.inverse import mirror

    cv2 = pytest.importorskip("cv2")
    noise = np.random.default_rng(0).integers(0, 255, (20, 32, 3)).astype(np.uint8)
    first = cv2.resize(noise, (256, 160), interpolation=cv2.INTER_CUBIC)
    second = cv2.remap(first, *turned(0.03, 0.01, 256, 160), cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_REFLECT)

    def seen(a, b):
        motion = Motion()
        fields, numbers = tick_pairs([motion.measure(motion.look(a), motion.look(b))])
        return torch.from_numpy(fields)[None], torch.from_numpy(numbers)[None]

    pairs, turns = seen(first, second)
    batch = {"pairs": pairs, "turns": turns, "look": torch.tensor([[[0.3, 0.2]]]),
             "hit": torch.tensor([[[False, True] + [False] * 5]]),
             "free": torch.ones(1, 1, 7, dtype=torch.bool), "moved": torch.ones(1, 2, 3)}
    flipped = mirror(batch)
    assert turns[0, 0, 0] * 5 == pytest.approx(np.degrees(0.03), abs=0.3)
    assert turns.shape[-1] == NUMBERS
    true = seen(first[:, ::-1].copy(), second[:, ::-1].copy())
    assert (flipped["turns"][..., :6] - true[1][..., :6]).abs().max() < 0.1
    assert flipped["hit"][0, 0, 3] and flipped["look"].tolist()[0][0][0] == pytest.approx(-0.3)
    assert torch.allclose(mirror(flipped)["pairs"], pairs)
