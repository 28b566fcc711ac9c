"""What the voice learns from, and that its training learns and goes on where it stopped."""

import numpy as np
import pytest
import torch

from gwm_core.evaluation.video.sentences import SENTENCES
from gwm_core.model import speech_tokens as st
from gwm_core.simulators.faces import espeak
from gwm_core.speech import features, pace
from gwm_core.speech.features import PHONES, rows
from gwm_core.speech.script import Script
from gwm_core.speech.talk_model import AUDIO, FACE, GUESSED, KNOWN, SCRIPT_WIDTH, guess_times
from gwm_core.speech.voices import VOICES
from gwm_core.training import speech
from gwm_core.training.speech_data import SOURCES, Utterance, load, record, take
from gwm_core.training.speech_masks import masked
from gwm_core.training.speech_rows import Packed, Takes
from gwm_core.training.speech_text import text

needs_espeak = pytest.mark.skipif(not espeak.available(), reason="espeak-ng is not installed")


@pytest.fixture(scope="module")
def uttered() -> Utterance:
    return take("My mother, who sings, put the book on a table. Why?", 0, 150, 45, 50)


@needs_espeak
def test_the_sounds_of_a_take_are_those_of_its_text_at_their_times(uttered):
    timed = uttered.timed
    said = " ".join(PHONES[p] + (str(s) if s else "")
                    for p, s in zip(timed.phone, timed.stress, strict=True))
    assert said.startswith("pau m ay m ah1 dh er pau hh uw2 s ih1 ng z pau p uh2 t dh ah b")
    assert said.endswith("t ey1 b ah l pau w ay1 pau")
    assert np.allclose(timed.start[1:], timed.end[:-1]) and (timed.end > timed.start).mean() > 0.95
    kinds = [features.KINDS[timed.kind[a]] for a, _ in features.phrases(timed.phone)]
    assert kinds == ["going on", "going on", "statement", "question"]
    # vowels are voiced and pauses silent where the times say so
    level = uttered.tokens[..., st.ENVELOPE].astype(np.float32).max(-1).ravel()
    voiced = uttered.tokens[..., st.VOICING].astype(np.float32)[..., 0].ravel()
    at = np.clip(((timed.start + timed.end) / 2 * 200).astype(int), 0, len(level) - 1)
    vowels = features.VOWEL[timed.phone]
    assert voiced[at][vowels].mean() > 0.7
    assert level[at][timed.phone == 0].mean() < level[at][vowels].mean() - 3


@needs_espeak
def test_every_voice_of_the_table_has_a_source_of_its_own():
    assert len(SOURCES) == len(VOICES) == features.VOICES
    assert sorted(v.row for v in VOICES.values()) == list(range(features.VOICES))
    assert len({s.name for s in SOURCES}) == len(SOURCES)


def test_sentences_that_judge_are_never_trained_on():
    draw, judged = np.random.default_rng(0), {s.casefold() for s in SENTENCES}
    said = [text(draw) for _ in range(400)]
    assert not judged & {s.casefold() for s in said}
    assert len(set(said)) > 390


def test_a_script_reads_as_a_take_does():
    """The columns of a script from text are filled as those of training are."""
    script = Script.of("Nobody knows.")
    timed = pace.timed(script, pace.stretched(script, np.full(len(script.phones) + 1, 0.1)))
    read = rows(timed, guess_times(10), np.eye(8)[2], np.zeros(3))
    assert read.shape == (40, features.WIDTH) and np.isfinite(read).all()
    back = Packed.of(read).rows(np.arange(40)).numpy()
    assert np.abs(back - read).max() < 2e-3
    other = rows(timed, guess_times(10), np.eye(8)[3], np.zeros(3))
    assert 0 < (other != read).any(0).sum() <= 2


def test_masks_hide_the_truth_and_give_what_is_known():
    draw = np.random.default_rng(1)
    size, ticks = 64, 30
    audio, motion = torch.randn(size, ticks, 2, 276), torch.rand(size, ticks, 24)
    guess, script = torch.full_like(audio, 7.0), torch.randn(size, ticks, features.WIDTH)
    seen = masked(draw, script, audio, guess, motion)
    assert seen.given["script"].shape[-1] == SCRIPT_WIDTH
    for name, truth in ((AUDIO, audio), (FACE, motion[:, :, None])):
        known = ~seen.imagined[name]
        assert torch.equal(seen.given[name][known], truth[known])
        assert torch.equal(seen.levels[name] == 0, known)
        blank = seen.levels[name] == 1
        assert blank.float().mean() > 0.4 and not seen.given[name][blank].any()
        assert 0.1 < known.float().mean() < 0.6
        cover = seen.guides[name].coverage[..., 0, 0]
        ahead = cover == KNOWN
        assert torch.equal(seen.guides[name].tokens[:, :-2][ahead[:, :-2]],
                           truth[:, 2:][ahead[:, :-2]])
    guessed = seen.guides[AUDIO].coverage[..., 0, 0] == GUESSED
    assert (seen.guides[AUDIO].tokens[guessed] == 7.0).all()
    assert not guessed[seen.wordless].any() and not seen.given["script"][seen.wordless].any()


@needs_espeak
def test_the_first_guess_learns_and_goes_on_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("gwm_core.training.speech_data.SHARD", 1)
    record(tmp_path / "data", 1, seed=3)
    assert len(load(tmp_path / "data")) == len(SOURCES)
    monkeypatch.setattr(speech, "STRETCHES", 8)
    told = []
    torch.set_num_threads(1)
    net = speech.fit_guess(tmp_path, 50, progress=told.append, width=64, depth=1)
    again = speech.fit_guess(tmp_path, 50, width=64, depth=1)
    assert all(map(torch.equal, net.parameters(), again.parameters()))
    takes = Takes.of(load(tmp_path / "data"))
    guess = speech.guessed(takes, net)
    assert guess.shape == (len(takes.speech), 2, 276)
    truth = takes.scale().of(torch.from_numpy(takes.speech.astype(np.float32))).numpy()
    like = np.corrcoef(guess[..., :64].ravel(), truth[..., :64].ravel())[0, 1]
    assert like > 0.25  # untrained: 0


def test_stages_and_minutes_that_are_not_accepted(tmp_path):
    with pytest.raises(ValueError, match="takes, lengths, guess, lips, talk, pack"):
        speech.train(tmp_path, stages=["everything"])
    with pytest.raises(ValueError, match="number of steps"):
        speech.train(tmp_path, minutes=5)
