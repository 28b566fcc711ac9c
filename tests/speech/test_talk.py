"""The model that speaks: plans, takes, retakes, and that what it is given matters."""

from fractions import Fraction
from threading import Event

import numpy as np
import pytest
import torch

from gwm_core.avatars.motion import INDEX, NAMES
from gwm_core.checkpoint import EMBEDDED
from gwm_core.errors import Cancelled, CheckpointError, VideoError
from gwm_core.model.spec import Guide
from gwm_core.speech import talk
from gwm_core.speech.script import Script
from gwm_core.speech.talk import Talker, load_talker
from gwm_core.speech.talk_model import (
    AUDIO,
    FACE,
    SCRIPT,
    Scale,
    TalkModel,
    load_talk,
    new_dynamics,
    new_guess,
    new_pace,
    save_talk,
)

LINE = "The old man put my book on the table."
TICK = 960


@pytest.fixture(scope="module")
def talker() -> Talker:
    torch.set_num_threads(1)
    return load_talker()


@pytest.fixture(scope="module")
def spoken(talker):
    return talker.say(talker.plan(LINE, "Daniel"))


def untrained() -> TalkModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = new_dynamics(width=32, depth=2, heads=2, window=4)
        for head in net.outlets.values():
            torch.nn.init.normal_(head.out.weight, std=0.05)
        return TalkModel(net, new_guess(32, 1), new_pace(16, 1),
                         Scale(torch.zeros(69), torch.ones(69)))


# ------------------------------------------------------------------ plans


def test_a_plan_is_gapless_in_whole_ticks_and_begins_and_ends_silent(talker):
    timed = talker.plan(LINE, "Grace")
    phones = timed.phones
    assert phones[0].phone.mark and phones[-1].phone.mark and phones[0].start == 0.0
    assert all(a.end == pytest.approx(b.start) for a, b in zip(phones, phones[1:], strict=False))
    assert timed.seconds == Fraction(timed.ticks, 25)
    assert 0 <= float(timed.seconds) - phones[-1].end < 0.04 + 1e-6
    assert [w for w, _, _ in timed.words] == LINE[:-1].split()
    assert 1.5 < float(timed.seconds) < 4.0


def test_pace_and_seconds_change_the_length(talker):
    usual, fast = talker.plan(LINE, "Nora"), talker.plan(LINE, "Nora", pace=1.25)
    assert 0.74 < fast.seconds / usual.seconds < 0.88
    wanted = Fraction(27, 10)
    assert abs(talker.plan(LINE, "Nora", seconds=wanted).seconds - wanted) <= Fraction(1, 25)
    with pytest.raises(VideoError, match="are accepted"):
        talker.plan(LINE, "Nora", seconds=0.5)
    with pytest.raises(VideoError, match="pace"):
        talker.plan(LINE, "Nora", pace=3.0)
    with pytest.raises(VideoError, match="Daniel"):
        talker.plan(LINE, "Nobody")


# ------------------------------------------------------------------ takes


def test_a_take_is_as_long_as_its_plan_and_the_same_twice(talker, spoken):
    again = talker.say(spoken.timed)
    assert len(spoken.sound) == spoken.timed.ticks * TICK and spoken.rate == 24000
    assert spoken.motion.shape == (spoken.timed.ticks, len(NAMES))
    assert np.array_equal(again.sound, spoken.sound)
    assert np.array_equal(again.motion, spoken.motion)
    assert np.abs(spoken.sound).max() < 1.0 and 0.02 < spoken.sound.std() < 0.3
    assert not np.array_equal(talker.say(spoken.timed, seed=5).sound, spoken.sound)


def test_blocks_are_the_rollout_tick_after_tick(monkeypatch):
    model = untrained()
    talker, net = Talker(model), model.dynamics
    timed = talker.plan("Hello there, my friend.", "Leo")
    monkeypatch.setattr(talk, "BLOCK", 7)
    audio, motion = talker.imagined(timed)
    given = talk.Given(model, None, None, *(np.zeros(timed.ticks, bool),) * 2)
    script, guess = talker.script(timed, 0, -1, timed.ticks)
    now, _, guides = given.inputs(guess)
    cache, steps = net.prefill(given.prompt()), []
    for t in range(timed.ticks):
        part = slice(t, t + 1)
        tick = {n: x[:, part] for n, x in now.items()} | {SCRIPT: script[t][None, None, None]}
        lead = {n: Guide(g.tokens[:, part], g.coverage[:, part]) for n, g in guides.items()}
        levels = {AUDIO: 1.0, FACE: 1.0, SCRIPT: 0.0}
        steps.append(net.step(cache, tick, levels, None, t, lead)[AUDIO][0, 0])
        cache = net.commit(cache, {SCRIPT: tick[SCRIPT]}, None, t, lead)
    assert np.abs(torch.stack(steps).reshape(audio.shape).numpy() - audio).max() < 1e-4
    assert motion.shape == (timed.ticks, len(NAMES))


def test_what_is_said_follows_the_script(talker, spoken):
    other = Script.of("Nobody knows why she sings so loud.")
    length = float(spoken.timed.seconds)
    said = talker.say(talker.plan(other, "Daniel", seconds=length))
    same = talker.say(talker.plan(LINE, "Daniel", seconds=length))
    ticks = min(len(s.audio) for s in (said, same, spoken))

    def apart(a, b):
        return float(np.abs(a.audio[:ticks, ..., :64] - b.audio[:ticks, ..., :64]).mean())

    assert apart(said, spoken) > 3 * apart(same, spoken)


def test_lips_are_shut_where_the_script_shuts_them(spoken):
    shut = spoken.motion[:, INDEX["close"]]
    wanted = np.zeros(len(shut), bool)
    for p in spoken.timed.phones:
        if p.phone.name in ("m", "b", "p"):
            wanted[int(p.start * 25): int(np.ceil(p.end * 25))] = True
    assert shut[wanted].max() > 0.6
    assert shut[wanted].mean() > shut[~wanted].mean() + 0.3


def test_sound_and_lips_are_read_from_each_other(talker, spoken):
    """Without a script the lips follow the sound; a known face changes the sound."""
    lips = talker.lips(spoken.sound, spoken.rate)
    jaw = INDEX["jaw"]
    like = np.corrcoef(lips[: len(spoken.motion), jaw], spoken.motion[:, jaw])[0, 1]
    late = np.corrcoef(np.roll(lips[: len(spoken.motion), jaw], 12), spoken.motion[:, jaw])[0, 1]
    assert like > 0.7 > late + 0.2
    ticks = 60
    motion = np.zeros((ticks, len(NAMES)), np.float32)
    motion[20:40, jaw] = 0.7
    audio = talker.voiced(motion)
    level = audio[..., :64].mean((1, 2))
    assert level[24:36].mean() > level[:14].mean() + 0.5
    assert level[24:36].mean() > level[46:].mean() + 0.5


# ------------------------------------------------------------------ retakes


@pytest.mark.parametrize("what", ["sound", "motion", "both"])
def test_a_retake_leaves_the_rest_to_the_bit(talker, spoken, what):
    start, end = 0.81, 1.4
    new = talker.retake(spoken, start, end, what, seed=9)
    a, b = round(start * 24000), round(end * 24000)
    assert np.array_equal(new.sound[:a], spoken.sound[:a])
    assert np.array_equal(new.sound[b:], spoken.sound[b:])
    rows = np.r_[0:21, 35: len(spoken.motion)]
    assert np.array_equal(new.motion[rows], spoken.motion[rows])
    changed = np.abs(new.sound[a:b] - spoken.sound[a:b]).max() > 0.01
    assert changed == (what != "motion")
    assert np.array_equal(new.motion, spoken.motion) == (what == "sound")
    # no click: the steps at the edges are like any others
    step = np.abs(np.diff(new.sound))
    for edge in (a, b):
        assert step[edge - 3: edge + 3].max() <= max(np.quantile(step, 0.999), 1e-3)


def test_retakes_of_bad_ranges_are_refused(talker, spoken):
    for start, end in ((-1, 1), (1, 1), (2, 1), (0, 99)):
        with pytest.raises(VideoError, match="a range within"):
            talker.retake(spoken, start, end)
    with pytest.raises(VideoError, match="sound, motion, both"):
        talker.retake(spoken, 0, 1, "picture")


def test_stop_and_progress(talker, spoken):
    told = []
    talker.say(spoken.timed, progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        talker.say(spoken.timed, stop=stop)


# ------------------------------------------------------------------ files


def test_a_companion_is_saved_and_loaded_and_damage_is_told(tmp_path):
    model, path = untrained(), tmp_path / "mine.safetensors"
    path.write_bytes(b"")
    fingerprint = save_talk(path, model)
    beside = tmp_path / "mine.speech.safetensors"
    loaded = load_talk(beside)
    assert loaded.fingerprint == fingerprint
    timed = Talker(model).plan("Hello.", "Ruby")
    near = Talker(loaded).imagined(timed)[0] - Talker(model).imagined(timed)[0]
    assert np.abs(near).max() < 0.05  # stored in half precision
    beside.write_bytes(beside.read_bytes()[:-100])
    with pytest.raises(CheckpointError):
        load_talk(path)
    beside.unlink()
    with pytest.raises(CheckpointError, match="cannot speak"):
        load_talk(path)


def test_the_shipped_speech_is_small(talker):
    model = talker.model
    count = sum(p.numel() for net in (model.dynamics, model.guess, model.lengths)
                for p in net.parameters())
    assert count <= 12_000_000
    assert (EMBEDDED / "gwm-faces.speech.safetensors").stat().st_size < 24e6
