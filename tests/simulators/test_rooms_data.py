"""Episodes, shards, sound and prompts of the rooms simulator."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco")

from gwm_core.simulators.rooms import THEME_NAMES, prompts  # noqa: E402
from gwm_core.simulators.rooms import catalogue as cat  # noqa: E402
from gwm_core.simulators.rooms import sound as snd  # noqa: E402
from gwm_core.training import record as rec  # noqa: E402


def test_episodes_are_the_same_every_time_and_survive_the_disk(tmp_path):
    a = rec.record_episode(5, 24, render=False)
    b = rec.record_episode(5, 24, render=False)
    rec.save_episode(tmp_path / "train_00005_00.npz", a)
    c = rec.load_episode(tmp_path / "train_00005_00.npz")
    for key, value in a.items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, b[key]), key
            assert np.array_equal(value, c[key]), key
        else:
            assert value == b[key] == c[key], key
    assert a["audio"].shape == (24 * 2000,) and a["pose"].shape == (24, 2, 5)
    some = rec.load_episode(tmp_path / "train_00005_00.npz", ["pose"])
    assert "pose" in some and "audio" not in some


def test_recording_resumes(tmp_path):
    lines = []
    assert rec.record(tmp_path, episodes=3, ticks=4, render=False, progress=lines.append) == 3
    before = {p.name: p.stat().st_mtime_ns for p in rec.episodes(tmp_path)}
    rec.episodes(tmp_path)[1].unlink()
    assert rec.record(tmp_path, episodes=3, ticks=4, render=False, progress=lines.append) == 1
    after = {p.name: p.stat().st_mtime_ns for p in rec.episodes(tmp_path)}
    assert sum(before[n] == after[n] for n in before) == 2
    assert [e["layout_seed"] for e in rec.read(tmp_path, ["pose"])] == [0, 1, 2]
    with pytest.raises(ValueError, match="split"):
        rec.record(tmp_path, split="validation")


def test_wrong_split_is_refused():
    with pytest.raises(ValueError, match="belongs to"):
        rec.record_episode(10000, 2, "train", render=False)


def test_training_never_sees_held_out_combinations():
    for seed in range(120):
        theme = seed % len(THEME_NAMES)
        c = rec.pick_condition(seed, 0, "train", theme, neutral=0.0)
        assert not cat.is_held_out(theme, c)


def test_sounds_begin_with_their_events():
    shapes = {"bodies_kind": (12, 2, 12), "bodies_pos": (12, 2, 12, 3), "pose": (12, 2, 5),
              "bodies_vel": (12, 2, 12, 3), "body_size": (12, 3)}
    body = {k: np.zeros(s) for k, s in shapes.items()}
    quiet = snd.synthesise({**body, "events": np.zeros((0, 10))}, 0, 1)
    assert 0 < np.abs(quiet).max() < 0.03
    for material in range(6):
        event = np.array([[6, 1, 0, material, 0.7, -1, 1.0, 0.0, 0.0, 0]])
        loud = snd.synthesise({**body, "events": event}, 0, 1)
        start = 5 * 2000 + 1000
        assert np.array_equal(loud[:start], quiet[:start])
        burst = loud[start : start + 600]
        assert np.abs(burst).max() > 4 * np.abs(quiet).max()
        assert np.abs(loud).max() < 1
        far = event.copy()
        far[0, 5:7] = 0, 6.0
        assert np.abs(snd.synthesise({**body, "events": far}, 0, 1)).max() < np.abs(loud).max()


def test_materials_sound_different():
    rng = np.random.Generator(np.random.Philox(key=3))
    spectra = []
    for m in range(6):
        wave = snd.strike(0, m, 0.7, 0.15, rng)
        s = np.abs(np.fft.rfft(wave, 24000))
        spectra.append(np.add.reduceat(s, np.arange(0, 12000, 250)))
    s = np.array([a / np.linalg.norm(a) for a in spectra])
    alike = s @ s.T - np.eye(6)
    assert alike.max() < 0.97


def test_held_out_words_stay_out_of_training():
    rng = np.random.default_rng(0)
    seen = [prompts.sample_prompt(rng, split="train")[0] for _ in range(2000)]
    seen += [prompts.sample_event(rng, "train")[0] for _ in range(400)]
    text = "\n".join(seen)
    groups = [prompts.THEME_WORDS.values(), prompts.TIME_WORDS, prompts.LAMP_WORDS,
              prompts.FOG_WORDS, prompts.EVENT_WORDS.values(), prompts.MATERIAL_WORDS.values()]
    for words in (w for g in groups for w in g):
        assert not set(words.seen) & set(words.held)
        for held in words.held:
            assert held not in text, held


def test_prompts_say_their_attributes():
    rng = np.random.default_rng(1)
    for split in ("train", "heldout"):
        for _ in range(300):
            text, a = prompts.sample_prompt(rng, split=split)
            names = prompts.THEME_WORDS[THEME_NAMES[a["theme"]]]
            assert any(w in text for w in names.seen + names.held)
            assert ("ball" in text) == bool(a["balls"])
            assert ("box" in text) == bool(a["boxes"])
            if a["ball_colour"]:
                assert a["ball_colour"] in text
            assert text == text.strip() and "  " not in text and "{" not in text


def test_events_change_something():
    rng = np.random.default_rng(2)
    for _ in range(200):
        now = cat.Condition.of(int(rng.integers(18)))
        text, change = prompts.sample_event(rng, current=now)
        assert text
        if "ball" not in change:
            assert prompts.apply_change(now, change) != now
