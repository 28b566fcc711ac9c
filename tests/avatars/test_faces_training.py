"""Training of gwm-faces: rows, variation, losses, and a run that learns."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gwm_core.avatars import mouth, voice
from gwm_core.avatars.direction import DIRECTION
from gwm_core.avatars.faces_model import (
    FACE,
    LIPS,
    LOOK_AHEAD,
    SELF,
    SPREAD,
    FacesModel,
    Heard,
    Reading,
    new_dynamics,
)
from gwm_core.avatars.motion import INDEX
from gwm_core.model.dynamics import Dynamics
from gwm_core.model.trunk import CONTROLS
from gwm_core.simulators.faces import voices
from gwm_core.training import faces, hearing
from gwm_core.training.faces_data import FIELDS, Performances, rows_of
from gwm_core.training.faces_hearing import fit_hearing
from gwm_core.training.faces_loss import aperture, faces_losses
from gwm_core.training.faces_pool import EVERY, Pool
from gwm_core.training.hearing import (
    BREATH,
    LONGEST_GAP,
    MASKED,
    SPECKLE,
    WIDEST_MASK,
    masked,
    varied,
)


def performance(seed, ticks=60):
    """Vowels that sound as open as they are: enough to be learned in seconds."""
    rng = np.random.default_rng(seed)
    opened = np.repeat(rng.uniform(0.1, 1, ticks // 5 + 1), 5)[:ticks]
    opened[np.repeat(rng.random(ticks // 5 + 1) < 0.3, 5)[:ticks]] = 0
    t = np.arange(ticks * 640) / 16000
    wide = np.repeat(opened, 640)
    tone = sum(np.exp(-0.5 * ((130 * k - 300 - 900 * wide) / 200) ** 2)
               * np.sin(2 * np.pi * 130 * k * t) for k in range(1, 15))
    sound = 0.1 * tone * (wide > 0) + 1e-4 * rng.standard_normal(len(t))
    direction = rng.standard_normal((ticks, len(DIRECTION))).astype(np.float32)
    motion = np.zeros((ticks, 24), np.float32)
    motion[:, INDEX["jaw"]] = opened
    motion[:, INDEX["yaw"]] = 0.2 * direction[:, 0]
    return SimpleNamespace(audio_self=sound.astype(np.float32), motion=motion,
                           audio_other=np.zeros_like(sound, np.float32), direction=direction)


@pytest.fixture(scope="module")
def data():
    rows = [rows_of(performance(seed)) for seed in range(24)]
    return Performances({k: np.stack([r[k] for r in rows]) for k in FIELDS})


def test_a_row_hears_the_tick_two_after_its_motion(data):
    source = performance(0)
    tokens = data.tokens(np.array([0]), np.array([0]), 62)
    assert tokens["real"][0].tolist() == [0, 0] + [1] * 60
    motion = tokens[FACE][0, :, 0].numpy() * SPREAD
    assert np.allclose(motion[LOOK_AHEAD:], source.motion, atol=1e-3) and not motion[:2].any()
    assert np.allclose(tokens[CONTROLS][0, LOOK_AHEAD:].numpy(), source.direction, atol=4e-3)
    heard = voice.heard(voice.bands_of(voice.ticks_of(source.audio_self)))
    assert np.allclose(tokens[SELF][0, :60, 0].numpy(), voice.fine(heard), atol=0.02)
    shifted = data.tokens(np.array([0]), np.array([7]), 20)
    assert torch.equal(shifted[SELF][0], tokens[SELF][0, 7:27])


def test_a_batch_depends_on_seed_and_step_alone(data):
    first, again = data.batch(1, 5, 4, 20), data.batch(1, 5, 4, 20)
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first[SELF], data.batch(1, 6, 4, 20)[SELF])


def test_varied_voices_keep_their_rhythm_and_silence_stays_silent():
    """Many draws, so that each kind of variation is met; in a few the noise is nearly as loud."""
    bands = voice.bands_of(voice.ticks_of(performance(3).audio_self))
    silent = np.full_like(bands, np.log(voice.FLOOR))
    out = varied(np.stack([*[bands] * 64, silent]), np.random.default_rng(1))
    assert out.dtype == np.float32 and out.shape == (65, *bands.shape)
    assert np.isfinite(out).all() and not np.allclose(out[0], out[1], atol=1)
    before = bands.max(axis=(1, 2))
    kept = [np.corrcoef(one.max(axis=(1, 2)), before)[0, 1] for one in out[:64]]
    assert np.median(kept) > 0.85 and np.mean(np.array(kept) > 0.5) > 0.85
    assert out[64].max() < np.log(voice.FLOOR) + 4


def test_voiced_sounds_whisper_with_brighter_spectra(monkeypatch):
    tilt = np.linspace(0, 1, voice.BANDS)
    bands = np.stack([-4 - 9 * tilt if t % 8 < 4 else -12 + 6 * tilt for t in range(64)])
    bands = np.repeat(bands[:, None], 4, axis=1).astype(np.float32)
    voiced = np.arange(64) % 8 < 4

    def bright(share):
        monkeypatch.setattr(hearing, "WHISPER", share)
        out = varied(np.stack([bands] * 48), np.random.default_rng(1))
        return out[..., 20:34].mean(-1) - out[..., 6:14].mean(-1)

    won = bright(1.0) - bright(0.0)
    assert won[:, voiced].mean() - won[:, ~voiced].mean() > 1.5


def test_windows_are_masked_each_in_its_own_way():
    sound = np.random.default_rng(0).uniform(1, 2, (400, 220, 40)).astype(np.float32)
    out = masked(sound, np.random.default_rng(1))
    hidden = out == 0
    by_band, by_frame = hidden.all(axis=1), hidden.all(axis=2)
    assert by_band.sum(axis=1).max() == WIDEST_MASK
    assert by_frame.sum(axis=1).max() <= 3 * LONGEST_GAP
    assert abs(by_band.any(axis=1).mean() - MASKED) < 0.1
    assert abs(by_frame.any(axis=1).mean() - MASKED) < 0.1
    rough = np.array([(o - s)[~h].std() for o, s, h in zip(out, sound, hidden, strict=True)])
    assert abs(np.mean(rough > 1.1 * SPECKLE) - MASKED) < 0.1  # as a breath's spectrum is
    assert 0.9 * SPECKLE < rough.min() and 0.8 * BREATH < rough.max() < 1.1 * BREATH
    assert out.dtype == np.float32


def test_the_aperture_of_the_loss_is_that_of_the_mouth():
    motion = np.random.default_rng(0).uniform(0, 1, (200, 24)).astype(np.float32)
    assert np.allclose(aperture(torch.from_numpy(motion)), mouth.aperture(motion), atol=1e-6)


def with_energy(data, energy):
    direction = data.rows["direction"].copy()
    direction[..., DIRECTION.index("energy")] = energy
    return Performances({**data.rows, "direction": direction})


def test_a_pool_draws_its_windows_from_many_performances(data):
    rows = Pool(data, 1, 20).windows(0, 40)
    assert rows["sound"].shape == (40, (20 + voice.CONTEXT - 1) * voice.FRAMES, voice.BANDS)
    assert rows[FACE].shape == (40, 20, 1, 24) and rows["real"].mean() > 0.9
    assert 0.3 < float(rows["speaking"].float().mean()) < 1
    doubled = with_energy(data, 2.0)  # the mouth is taught as at energy 1
    twice = Pool(doubled, 1, 20).windows(0, 40)[FACE][..., INDEX["jaw"]]
    once = Pool(with_energy(data, 1.0), 1, 20).windows(0, 40)[FACE][..., INDEX["jaw"]]
    assert once.max() > 2 and torch.allclose(once, 2 * twice, atol=1e-4)
    assert Pool(with_energy(data, 0.0), 1, 20).windows(0, 40)[FACE].isfinite().all()


def test_a_pool_is_the_same_wherever_a_run_is_taken_up(data):
    through, later = Pool(data, 1, 20), Pool(data, 1, 20)
    for step in range(0, 3 * EVERY + 1):
        rows = through.windows(step, 16)
    again = later.windows(3 * EVERY, 16)
    assert all(torch.equal(rows[k], again[k]) for k in rows)
    other = Pool(data, 2, 20).windows(3 * EVERY, 16)
    assert not torch.equal(again["sound"], other["sound"])


def sounding(data, count):
    """Whole performances as a stem hears them in training, unvaried."""
    rows = data.tokens(np.arange(count), np.zeros(count, int), 62)
    heard = voice.heard(data.rows["own"][:count].astype(np.float32))
    before = np.full((count, voice.CONTEXT - 1, *heard.shape[2:]), voice.NOTHING / voice.UNIT)
    track = np.concatenate([before, heard[:, :62]], 1).reshape(count, -1, voice.BANDS)
    return {**rows, "sound": torch.from_numpy(track.astype(np.float32))}


def test_losses_see_the_mouth_the_closure_and_the_listener(data):
    batch = data.tokens(np.arange(4), np.zeros(4, int), 60)
    truth = batch[FACE][:, :, 0]
    assert sum(faces_losses(truth, batch).values()) < 1e-6

    def loss(channel, state=None, closed=False):
        rows = dict(batch)
        if state is not None:
            rows["state"] = torch.zeros_like(batch["state"])
            rows["state"][..., state] = 1
        if closed:
            rows[FACE] = truth[:, :, None].clone()
            rows[FACE][..., INDEX["close"]] = float(1 / SPREAD[INDEX["close"]])
            rows["speaking"] = torch.ones_like(batch["speaking"])
        wrong = rows[FACE][:, :, 0].clone()
        wrong[..., INDEX[channel]] -= 0.5
        return {k: float(v) for k, v in faces_losses(wrong, rows).items()}

    assert loss("jaw", 0)["aperture"] > 0.1 and loss("yaw", 0)["aperture"] == 0
    assert loss("jaw", 0)["channels"] > 1.5 * loss("yaw", 0)["channels"]
    assert loss("pitch", 1)["channels"] > 1.5 * loss("pitch", 0)["channels"]
    assert loss("close", 0, closed=True)["aperture"] > loss("close", 0)["aperture"]


def test_a_run_learns_and_goes_on_where_it_was_stopped(data, tmp_path):
    sizes = {"stem_width": 32, "width": 32, "depth": 2, "heads": 2, "window": 8}
    rows = data.tokens(np.arange(8), np.zeros(8, int), 62)
    torch.manual_seed(0)

    def loss(net):
        with torch.no_grad():
            token = faces.imagine(net.dynamics, net.reading, rows)
        return faces_losses(token, rows)["aperture"]

    before = loss(faces.Faces(**sizes).eval())
    net = faces.fit_faces(data, tmp_path, steps=70, batch=8, ticks=24, **sizes)
    assert isinstance(net.dynamics, Dynamics)
    assert loss(net) < 0.4 * before
    again = faces.fit_faces(data, tmp_path, steps=70, batch=8, ticks=24, **sizes)
    assert all(torch.equal(a, b) for a, b in
               zip(net.state_dict().values(), again.state_dict().values(), strict=True))


def test_what_is_trained_on_windows_is_what_is_driven(data):
    torch.manual_seed(1)
    net = new_dynamics(stem_width=32, width=32, depth=2, heads=2, window=8).eval()
    torch.nn.init.normal_(net.outlets["motion"].out.weight, std=0.05)
    reading = Reading(32)
    rows = data.tokens(np.array([2]), np.array([0]), 30)
    with torch.no_grad():
        window = faces.imagine(net, reading, rows)[0].numpy() * SPREAD
    model = FacesModel(net, reading)
    past, driven = model.begin(), []
    for k in range(30):
        heard = Heard(*(rows[name][0, k, 0].numpy() for name in (SELF, "voice.other", "state")),
                      rows[CONTROLS][0, k].numpy())
        motion, past = model.step(past, heard)
        driven.append(motion)
    inside = np.abs(window) < 0.99  # the driver also keeps a motion within its ranges
    positive = inside & (window > 0.01)
    assert positive.any() and np.allclose(np.stack(driven)[positive], window[positive], atol=1e-4)


def test_stages_are_named(tmp_path):
    with pytest.raises(ValueError, match="stage 'dance': accepted are performances, hearing"):
        faces.train(tmp_path, stages=["dance"])
    with pytest.raises(ValueError, match="minutes"):
        faces.train(tmp_path, minutes=3)


def test_performances_of_all_kinds_of_voices_are_recorded(tmp_path, monkeypatch):
    made = {}

    def record(folder, count, seed, split="train", voices=(None,), progress=None, first=0):
        made[split, tuple(voices)] = range(first, first + count)

    monkeypatch.setattr(faces, "record", record)
    faces.train(tmp_path, stages=["performances"])
    train = [numbers for (split, _), numbers in made.items() if split == "train"]
    kinds = ((None,), voices.NATURAL, voices.WHISPERED, voices.ENGLISH)
    assert set(made) == {*(("train", k) for k in kinds), ("held", faces._held_voices())}
    assert sorted(n for numbers in train for n in numbers) == list(range(sum(map(len, train))))
    assert made["train", (None,)] == range(faces.COUNT)


def test_a_run_begins_with_what_the_stem_hears(data, tmp_path):
    sizes = {"stem_width": 32, "width": 32, "depth": 2, "heads": 2, "window": 8}
    stem = fit_hearing(data, tmp_path, steps=20, batch=4, ticks=20, **sizes)
    net = faces.fit_faces(data, tmp_path, steps=0, batch=1, ticks=8, hearing=stem.state_dict(),
                          **sizes)
    rows = sounding(data, 4)
    with torch.no_grad():
        heard, guided = stem(rows), faces.imagine(net.dynamics, net.reading, rows)
    assert torch.allclose(heard[..., LIPS], guided[..., LIPS], atol=0.05)
    further = faces.fit_faces(data, tmp_path / "further", steps=3, batch=2, ticks=8,
                              hearing=stem.state_dict(), start=net.state_dict(), rate=1e-3, **sizes)
    same = further.dynamics.stems["voice_self"], stem.stem
    assert torch.equal(*(part.hears.low.weight for part in same))  # it hears as it did
    assert not torch.equal(*(part.embed.weight for part in same))


def test_a_hearing_learns_from_its_pool(data, tmp_path):
    data = with_energy(data, 1.0)
    sizes = {"stem_width": 32, "width": 32, "depth": 2, "heads": 2, "window": 8}
    rows = sounding(data, 8)

    def loss(net):
        with torch.no_grad():
            return faces_losses(net(rows), rows)["aperture"]

    begun = fit_hearing(data, tmp_path / "none", steps=1, batch=4, ticks=20, **sizes)
    before = loss(begun)
    stem = fit_hearing(data, tmp_path, steps=60, batch=16, ticks=20, start=begun.state_dict(),
                       **sizes)
    assert loss(stem) < 0.5 * before


def test_a_stopped_hearing_ends_with_the_same_weights(data, tmp_path, monkeypatch):
    """What is left out of a step is drawn by the step, not by what came before it."""
    how = {"steps": 4, "batch": 2, "ticks": 20, "stem_width": 32, "width": 32, "depth": 2,
           "heads": 2, "window": 8}
    monkeypatch.setattr("gwm_core.training.fit.SAVED_EVERY", -1.0)
    whole = fit_hearing(data, tmp_path / "whole", **how)
    windows = Pool.windows

    def stopping(pool, step, size):
        if step == 2:
            raise KeyboardInterrupt
        return windows(pool, step, size)

    with monkeypatch.context() as patch:
        patch.setattr(Pool, "windows", stopping)
        with pytest.raises(KeyboardInterrupt):
            fit_hearing(data, tmp_path / "stopped", **how)
    again = fit_hearing(data, tmp_path / "stopped", **how)
    assert all(torch.equal(a, b) for a, b in
               zip(whole.state_dict().values(), again.state_dict().values(), strict=True))
