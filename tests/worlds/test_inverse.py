"""Controls read from a clip: the model reads what it was asked to do, and says what it cannot."""

from __future__ import annotations

import builtins
import shutil
from pathlib import Path

import numpy as np
import pytest

import gwm_core as gwm
from gwm_core import inverse
from gwm_core.checkpoint import (
    EMBEDDED,
    companion_path,
    list_models,
    read_checkpoint,
    save_checkpoint,
)
from gwm_core.controls import Controls
from gwm_core.errors import CheckpointError, GWMError
from gwm_core.model.inverse import KEYS

WALK = "idle W*9 W+look(+6,0)*6 D*8 look(-8,1)*6 S*7 A*8 idle*2 SPACE idle*9 Q look(+3,-1)*6"
SHIPPED = EMBEDDED / "gwm-rooms.inverse.safetensors"


@pytest.fixture(scope="module")
def clip(model):
    """(controls, frames with the first picture, poses, world) of a walk with most keys."""
    world = model.new_world(prompt="a brick hall by day", seed=7)
    _, made = model.step(world, WALK)
    frames = np.concatenate([world.observation.frames["eye"][None], made.frames["eye"]])
    return made.controls, frames, made.info["poses"], world


@pytest.fixture(scope="module")
def reading(model, clip):
    return model.read_clip(clip[1])


def balanced(read, true, keys=(0, 1, 2, 3)):
    """Mean over the walking keys of the balanced accuracy."""
    out = []
    for k in keys:
        a, b = read[:, k] > 0.5, true[:, k] > 0.5
        out.append((a[b].mean() + (~a[~b]).mean()) / 2)
    return float(np.mean(out))


def test_keys_and_looks_are_read(clip, reading):
    true, read = clip[0].values, reading.controls.values
    assert len(reading) == len(true)
    other = np.roll(true, 17, 0)
    assert balanced(read, true) > 0.85
    assert balanced(read, true) > balanced(read, other) + 0.25
    gap = np.abs(read[:, 7:9] - true[:, 7:9])
    assert np.median(gap) < 0.3 and gap.mean() < 0.8
    assert gap.mean() < 0.3 * np.abs(read[:, 7:9] - other[:, 7:9]).mean()
    assert np.corrcoef(read[:, 7], true[:, 7])[0, 1] > 0.95


def test_a_jump_and_a_throw_are_read_once(clip, reading):
    for name in ("jump", "throw"):
        true, read = (np.flatnonzero(c.column(name)) for c in (clip[0], reading.controls))
        assert len(read) == 1 and abs(read[0] - true[0]) <= 1, name


def test_what_is_read_is_a_track(model, reading):
    controls = reading.controls
    assert isinstance(controls, Controls) and controls.embodiment is model.embodiment
    assert Controls.parse(controls.to_text(), model.embodiment) == controls
    looks = controls.values[:, 7:9].astype(float)
    assert (looks * 64 == np.round(looks * 64)).all() and np.abs(looks).max() <= 30
    assert reading.probabilities.shape == (len(controls), len(KEYS)) and reading.names == KEYS
    assert reading.look.shape == (len(controls), 2) and 0 < reading.confidence <= 1


def test_the_same_clip_reads_the_same(model, clip, reading, monkeypatch):
    again = model.read_controls(clip[1][:41])
    monkeypatch.setattr(inverse, "AT_ONCE", 3)
    parts = model.read_clip(clip[1][:41])
    assert again == parts.controls
    # What follows changes only the last ticks.
    assert again[:16] == reading.controls[:16]


def test_walked_again_it_ends_near(model, clip, reading):
    _, _, poses, world = clip
    end = model.step(world, reading.controls)[0].path[-1]
    turn = np.degrees(np.remainder(end[3] - poses[-1, 3] + np.pi, 2 * np.pi) - np.pi)
    assert abs(turn) < 15
    still = np.linalg.norm(world.path[0][:2] - poses[-1, :2])
    assert np.linalg.norm(end[:2] - poses[-1, :2]) < max(0.5 * still, 0.5)


def test_without_the_first_picture(model, clip, reading):
    read = model.read_controls(clip[1][1:81])
    assert len(read) == 40
    assert balanced(read.values, clip[0].values[:40]) > 0.8


def test_another_size_and_rate(model, clip):
    import cv2

    true, frames = clip[:2]
    frames = frames[:41]
    wide = [cv2.resize(f, (640, 400), interpolation=cv2.INTER_CUBIC) for f in frames]
    wide = [np.pad(f, ((0, 0), (60, 60), (0, 0))) for f in wide]  # the middle is taken
    twice = [wide[int(i)] for i in np.round(np.arange(81) / 2 - 0.01).clip(0)]
    read = model.read_controls(twice, fps=48)
    assert len(read) == 20
    assert np.abs(read.values[:, 7:9] - true.values[:20, 7:9]).mean() < 1
    half = model.read_controls(frames[::2], fps=12)  # a frame a tick
    assert len(half) == 20 and balanced(half.values[:16], true.values[:16], [0]) > 0.8
    assert np.abs(half.values[:, 7:9] - true.values[:20, 7:9]).mean() < 1


def test_a_threshold_decides_how_much_is_found(model, clip):
    counts = [model.read_controls(clip[1][:41], threshold=t).values[:, :7].sum()
              for t in (0.05, 0.5, 0.95)]
    assert counts[0] >= counts[1] >= counts[2] and counts[0] > counts[2]


@pytest.mark.parametrize(("frames", "more", "words"), [
    (None, {}, "uint8"),
    (np.zeros((2, 160, 256, 3), np.uint8), {}, "at least 3"),
    (np.zeros((0, 160, 256, 3), np.uint8), {}, "at least 3"),
    (np.zeros((5, 160, 256, 3), np.float32), {}, "float32.*uint8"),
    (np.zeros((5, 160, 256), np.uint8), {}, "uint8"),
    (np.zeros((5, 160, 256, 4), np.uint8), {}, "uint8"),
    (np.zeros((5, 8, 256, 3), np.uint8), {}, "16 or more"),
    ([np.zeros((32, 32, 3), np.uint8)] * 4 + [np.zeros((16, 32, 3), np.uint8)], {}, "one size"),
    (np.zeros((5, 32, 32, 3), np.uint8), {"fps": 0}, "fps"),
    (np.zeros((5, 32, 32, 3), np.uint8), {"fps": float("nan")}, "fps"),
    (np.zeros((5, 32, 32, 3), np.uint8), {"fps": "24"}, "fps"),
    (np.zeros((5, 32, 32, 3), np.uint8), {"fps": 240}, "at least 3"),
    (np.zeros((5, 32, 32, 3), np.uint8), {"threshold": 1}, "threshold"),
    (np.zeros((5, 32, 32, 3), np.uint8), {"threshold": None}, "threshold"),
])
def test_bad_clips_are_named(model, frames, more, words):
    with pytest.raises(GWMError, match=f"(?s){words}"):
        model.read_clip(frames, **more)


def test_a_clip_that_shows_nothing_reads_as_standing_still(model):
    read = model.read_controls(np.full((25, 90, 160, 3), 127, np.uint8))
    assert not read.values.any()


def test_progress_counts_ticks_and_cancels(model, clip):
    seen = []

    def stop(done, total, frame):
        seen.append((done, total, frame.shape))
        if done == 3:
            raise gwm.Cancelled

    with pytest.raises(gwm.Cancelled):
        model.read_clip(clip[1][:41], progress=stop)
    assert seen == [(k, 20, (160, 256, 3)) for k in (1, 2, 3)]


# ------------------------------------------------------------------ deciding
def test_opposite_keys_and_pulses():
    p = np.zeros((12, 7), np.float32)
    p[0, [0, 2]], p[1, [1, 3]] = (0.9, 0.8), (0.6, 0.7)
    p[2:6, KEYS.index("throw")] = 0.6, 0.9, 0.8, 0.6
    p[11, KEYS.index("throw")] = 0.7
    out = inverse.held(p, 0.5)
    assert out[0].tolist()[:4] == [True, False, False, False]
    assert out[1].tolist()[:4] == [False, False, False, True]
    assert np.flatnonzero(out[:, KEYS.index("throw")]).tolist() == [3, 11]


def test_steady_looks_are_one_number_and_a_hands_moves_stay():
    noise = np.random.default_rng(0).normal(size=60) * 0.1
    still, turn = inverse.steady(noise), inverse.steady(6 + noise)
    assert not still.any() and len(set(turn)) == 1 and abs(turn[0] - 6) < 0.05
    swing = np.sin(np.linspace(0, 3.1, 12)) * 9
    assert np.abs(inverse.steady(swing) - swing).max() < 0.4
    both = inverse.steady(np.concatenate([noise[:20], 6 + noise[20:40], noise[40:]]))
    assert not both[:20].any() and not both[40:].any() and len(set(both[20:40])) == 1
    assert inverse.steady(np.zeros(0)).shape == (0,)


def test_frames_of_other_rates():
    at = inverse.pairs_at
    for same in (None, 24, 23.976):
        assert at(4, same, 24) == [(0, 1, 1), (1, 2, 1), (2, 3, 1)]
    assert at(5, 48, 24) == [(0, 2, 1), (2, 4, 1)]
    assert at(3, 12, 24) == [(0, 1, 0.5), (0, 1, 0.5), (1, 2, 0.5), (1, 2, 0.5)]
    assert len(at(61, 60, 24)) == 24
    for fps in (10, 16, 30, 60):
        pairs = at(40, fps, 24)
        assert all(0 <= a < b < 40 for a, b, _ in pairs)
        assert abs(sum((b - a) * share for a, b, share in pairs) - 39) <= fps / 24 + 1


# ------------------------------------------------------------------ the file
def test_the_file_beside_the_checkpoint(model):
    assert SHIPPED.stat().st_size <= 4_000_000
    metadata = read_checkpoint(SHIPPED)[1]
    assert metadata["kind"] == "inverse" and metadata["checkpoint"] == "gwm-rooms"
    assert metadata["training"]["steps"] > 0 and set(metadata["scores"]) >= {"true", "prompt"}
    assert not any("inverse" in name for name in list_models())
    with pytest.raises(CheckpointError, match="'inverse'; 'rooms' is accepted"):
        gwm.load(SHIPPED)


def changed(folder: Path, **changes) -> Path:
    """A checkpoint's place whose inverse dynamics is the shipped one with changes."""
    tensors, metadata = read_checkpoint(SHIPPED)
    gone = changes.pop("drop", ())
    tensors = {k: v for k, v in tensors.items() if k not in gone}
    path = folder / "mine.safetensors"
    save_checkpoint(companion_path(path, "inverse"), tensors, {**metadata, **changes})
    return path


@pytest.mark.parametrize(("changes", "words"), [
    ({"kind": "rooms"}, "kind 'rooms'; 'inverse'"),
    ({"drop": ("motion.bias",)}, "missing: motion.bias"),
    ({"config": {"turns": 3}}, "shapes"),
    ({"config": {"depth": 3}}, "config"),
])
def test_a_wrong_file_is_named(model, tmp_path, changes, words):
    path = changed(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=words):
        inverse.load_inverse(path, model.embodiment)


def test_a_file_for_other_controls_is_refused(model, tmp_path):
    other = model.embodiment.to_json()
    other["controls"] = other["controls"][:4]
    path = changed(tmp_path, embodiment=other)
    with pytest.raises(CheckpointError, match="other controls"):
        inverse.load_inverse(path, model.embodiment)


def test_a_model_without_the_file_still_walks(tmp_path):
    for end in ("", ".bank"):
        shutil.copyfile(EMBEDDED / f"gwm-rooms{end}.safetensors",
                        tmp_path / f"mine{end}.safetensors")
    bare = gwm.load(tmp_path / "mine.safetensors")
    assert bare.new_world(prompt="a cellar").observation.frames
    with pytest.raises(CheckpointError, match="mine.inverse.safetensors"):
        bare.read_controls(np.zeros((3, 160, 256, 3), np.uint8))
    companion_path(tmp_path / "mine.safetensors", "inverse").write_bytes(b"not one")
    with pytest.raises(CheckpointError, match="mine.inverse.safetensors"):
        bare.read_controls(np.zeros((3, 160, 256, 3), np.uint8))
    shutil.copyfile(SHIPPED, tmp_path / "mine.inverse.safetensors")
    assert len(bare.read_controls(np.zeros((3, 160, 256, 3), np.uint8))) == 1


def test_the_fingerprint_is_the_checkpoints_alone(model):
    assert model.fingerprint.startswith("405a3dba8812")


def test_the_committed_report_is_of_the_shipped_files(model):
    pytest.importorskip("mujoco")
    import json

    from gwm_core import tensor_file
    from gwm_core.evaluation.inverse import differing

    report = json.loads((EMBEDDED / "gwm-rooms.inverse.eval.json").read_text())
    mark = tensor_file.hash_arrays(
        {}, model.fingerprint + read_checkpoint(SHIPPED)[1]["fingerprint"])
    assert report["fingerprint"] == mark and report["family"] == "inverse"
    assert not differing(model, mark, "gwm-rooms")


def test_without_opencv_the_package_is_named(model, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(GWMError, match="pip install 'opencv-python-headless>=4.8'"):
        model.read_controls(np.zeros((3, 160, 256, 3), np.uint8))
