"""The impact network's training: marks of what strikes, batches, and a run that is resumed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.model.impacts import ImpactNet
from gwm_core.training import foley, foley_rows
from gwm_core.video.foley_reading import KIND, load_foley


def fact(frame, strength=1.0, distance=2.0, kind=0, seen=1.0, slot=3, offset=0.5, material=2):
    return (frame, offset, kind, material, strength, distance, 0.16, 0.5, 0.25, seen, slot)


def test_a_burst_is_heard_once_and_what_cannot_be_seen_is_heard_too():
    facts = np.array([fact(10), fact(11, strength=0.4), fact(20, seen=0.0, material=4),
                      fact(30, strength=0.01), fact(35, kind=1), fact(40, slot=-1)])
    heard = foley_rows.heard_marks(facts)
    assert [round(t) for t in heard[:, 0]] == [10, 20] and heard[:, 3].tolist() == [2, 4]
    seen = foley_rows.seen_marks(facts)
    assert seen[:, 0].tolist() == [10, 11, 30] and seen[:, 5].tolist() == [1, 1, 0]
    goal = foley_rows.heat_of(seen, 10)
    assert goal["heat"].argmax() == 5 * 32 + 16 and goal["cells"].tolist() == [[5, 16]]
    assert foley_rows.heat_of(seen, 9)["heat"].max() == pytest.approx(0.5 * 0.95 * np.exp(
        -0.5 / (2 * foley_rows.SPREAD**2)), abs=1e-5)
    times = foley_rows.times_of(heard, 8, 16)
    assert times["now"].tolist() == [0, 0.5, 1, 0.5, 0, 0, 0, 0] and times["when"].tolist() == [2]


def test_the_mirrored_batch_is_the_mirror(tmp_path):
    generator = np.random.default_rng(0)
    clip = foley_rows.Clip(
        generator.integers(0, 255, (12, 80, 128, 3)).astype(np.uint8),
        np.zeros((11, 2), np.float32), np.zeros((12, 20, 32), np.uint8),
        foley_rows.seen_marks(np.array([fact(6)])),
        foley_rows.heard_marks(np.array([fact(6)])))
    rows = foley_rows.sequence([clip], 16, 8, generator)
    assert rows["x"].shape == (16, 8, 9, 80, 128) and rows["x"].dtype == torch.uint8
    heat = rows["heat"].flatten(0, 1)
    n, r, c = rows["where"].T
    assert (heat[n, r, c] == 1).all() and len(rows["when"]) == len(rows["heard"]) == len(n)
    assert set(c.tolist()) == {15, 16}  # some of them mirrored
    assert (rows["now"].flatten()[rows["when"]] == 1).all()


def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    def go(folder, steps, out):
        said = []
        foley.train(tmp_path / out, folder, 3, said.append, steps=steps, count=3, ticks=6,
                    length=5, width=8)
        return said

    folder = tmp_path / "data"
    fit = foley.fit

    def halved(net, plan, file, config, parts, progress=None):
        def stops(step):
            if step == 2:
                raise KeyboardInterrupt
            return parts(step)
        return fit(net, plan, file, config, stops, progress)

    monkeypatch.setattr("gwm_core.training.fit.SAVED_EVERY", 0.0)
    monkeypatch.setattr(foley, "fit", halved)
    with pytest.raises(KeyboardInterrupt):
        go(folder, 4, "never")
    assert not (tmp_path / "never").exists()
    monkeypatch.setattr(foley, "fit", fit)
    go(folder, 4, f"a.{KIND}.safetensors")
    (folder / "foley.run.safetensors").unlink()
    go(folder, 4, f"b.{KIND}.safetensors")
    one, other = (load_foley(tmp_path / f"{n}.safetensors").network.state_dict() for n in "ab")
    assert all(torch.equal(one[k], other[k]) for k in one)
    fresh = ImpactNet(8).state_dict()
    assert any(not torch.equal(one[k], fresh[k].half().float()) for k in one)
