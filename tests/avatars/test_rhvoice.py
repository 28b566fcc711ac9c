"""RHVoice's English voices, their times by alignment; library and packages may be missing."""

import numpy as np
import pytest

from gwm_core.avatars.mouth import aperture
from gwm_core.errors import AvatarError
from gwm_core.simulators.faces import performance, rhvoice, voices
from gwm_core.simulators.faces.performance import perform
from gwm_core.simulators.faces.speech import RATE, Phoneme, Spoken

TEXT = "Take a copper pocket to a happy puppet."


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(AvatarError, match="no voice 'slt'; bdl, clb are accepted"):
        rhvoice.speak("a", "slt")  # flite's slt is held out
    monkeypatch.setattr(rhvoice, "_library", lambda: None)
    assert not rhvoice.available()
    with pytest.raises(AvatarError, match=r"libRHVoice.so, .*gwm\[voices\]"):
        rhvoice.speak("a", "bdl")


def test_english_voices_are_trained_on_by_name():
    assert {v.split(":")[-1] for v in voices.ENGLISH} == set(rhvoice.VOICES)
    assert not set(voices.ENGLISH) & {*voices.TRAIN, *voices.HELD}
    assert all(map(voices.in_arpabet, voices.ENGLISH)) and voices.in_arpabet("flite:slt")
    assert not any(map(voices.in_arpabet, (*voices.TRAIN, *voices.NATURAL, *voices.WHISPERED)))


def engine(monkeypatch, spans: list[str]) -> list[float]:
    """An engine whose sound the alignment finds once ``spans`` is used up; the tempos asked for."""
    asked: list[float] = []

    class Engine:
        rate = RATE

        def say(self, text, voice, rate, pitch):
            asked.append(rate)
            return np.ones(RATE, np.float32)

    def align(sound, words):
        if spans:
            raise AvatarError(spans.pop())
        return [Phoneme(0.0, 0.5, "k"), Phoneme(0.5, 1.0, "")]

    monkeypatch.setattr(rhvoice, "available", lambda: True)
    monkeypatch.setattr(rhvoice, "_engine", Engine)
    monkeypatch.setattr(rhvoice.flite, "words", lambda text, voice: (("k", "ae", "t"),))
    monkeypatch.setattr(rhvoice.alignment, "align", align)
    return asked


def test_what_does_not_align_is_said_again_slower(monkeypatch):
    asked = engine(monkeypatch, ["no way through"])
    assert rhvoice.speak("cat", "bdl", speed=170).phonemes[0].name == "k"
    assert asked == [1.0, 0.9]
    engine(monkeypatch, ["no way through"] * len(rhvoice.SLOWER))
    with pytest.raises(AvatarError, match="no way through"):
        rhvoice.speak("cat", "bdl")


def test_words_that_are_spelled_out_are_refused(monkeypatch):
    engine(monkeypatch, [])
    with pytest.raises(AvatarError, match="'xw' has words that are spelled out"):
        rhvoice.speak("xw", "bdl")


def test_a_performance_says_another_sentence_where_one_has_no_times(monkeypatch):
    tried: list[str] = []

    def say(text, how):
        tried.append(text)
        if len(tried) in (1, 3):
            raise AvatarError("no times")
        return Spoken(np.ones(RATE // 2, np.float32), (Phoneme(0.0, 0.5, "k"),))

    monkeypatch.setattr(performance.voices, "say", say)
    said = perform(3, voice="rhvoice:bdl", seconds=4.0, layout="monologue").texts
    assert said[:2] == (tried[1], tried[3]) and len(set(tried[:4])) == 4


def test_a_voice_that_never_speaks_is_an_error(monkeypatch):
    def say(text, how):
        raise AvatarError("no times")

    monkeypatch.setattr(performance.voices, "say", say)
    with pytest.raises(AvatarError, match="no times"):
        perform(3, voice="rhvoice:bdl", seconds=4.0, layout="monologue")


@pytest.mark.slow
@pytest.mark.skipif(not rhvoice.available(), reason="RHVoice not installed")
@pytest.mark.parametrize("voice", rhvoice.VOICES)
def test_the_voices_speak_and_their_times_fit(voice):
    said = rhvoice.speak(TEXT, voice)
    assert 1.5 < said.seconds < 4 and 0.05 < np.abs(said.sound).max() <= 1
    again = rhvoice.speak(TEXT, voice)
    assert np.array_equal(said.sound, again.sound) and said.phonemes == again.phonemes
    assert rhvoice.speak(TEXT, voice, speed=120).seconds > 1.2 * said.seconds
    loud = np.abs(said.sound).reshape(-1)
    for p in said.phonemes:  # lips are shut for p: hardly a sound
        if p.name == "p" and p.start > 0.1:
            middle = loud[int((p.start + 0.01) * RATE):int((p.start + 0.04) * RATE)]
            assert middle.mean() < 0.6 * loud.mean()
    assert aperture(perform(5, voice=f"rhvoice:{voice}", layout="monologue").motion).max() > 0.05
