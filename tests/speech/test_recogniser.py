"""Word error rate: the count itself, and the recogniser on a synthesiser's speech."""

import numpy as np
import pytest

from gwm_core.errors import VideoError
from gwm_core.evaluation.video import recogniser
from gwm_core.evaluation.video.recogniser import wer
from gwm_core.evaluation.video.sentences import SENTENCES

ready = pytest.mark.skipif(bool(recogniser.missing()), reason="gwm[eval-speech] is not installed")


@pytest.mark.parametrize(("wanted", "heard", "errors"), [
    ("a b c", "a b c", 0), ("a b c", "a x c", 1), ("a b c", "a c", 1), ("a b c", "a b b c", 1),
    ("a b c", "", 3), ("", "a b", 2), ("a b c d", "b c d a", 2),
])
def test_errors_are_the_fewest_changes_of_words(wanted, heard, errors):
    assert wer(wanted.split(), heard.split()) == (errors, len(wanted.split()))


@pytest.mark.slow
@ready
def test_spelling_and_numbers_are_no_errors():
    assert wer("It's twenty-five dollars, Mr. Smith.", "it is $25 mister smith") == (0, 5)
    assert wer("The colour of the harbour", "the color of the harbor")[0] == 0
    assert wer("I can not hear you.", "I can hear you.")[0] == 1


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(recogniser, "find_spec", lambda name: None)
    with pytest.raises(VideoError, match=r"eval-speech"):
        recogniser.Recogniser()


def test_judged_sentences_are_enough_and_all_different():
    assert len(SENTENCES) >= 60 and len(set(SENTENCES)) == len(SENTENCES)


@pytest.mark.slow
@ready
def test_speech_is_heard_and_noise_is_not():
    from gwm_core.simulators.faces import espeak
    from gwm_core.simulators.faces.speech import RATE

    if not espeak.available():
        pytest.skip("espeak-ng is not installed")
    hears = recogniser.Recogniser()
    sound = espeak.speak(SENTENCES[0], "en-us", 150).sound
    assert wer(SENTENCES[0], hears.text(sound, RATE))[0] <= 1
    noise = np.random.default_rng(0).normal(0, 0.05, len(sound)).astype(np.float32)
    assert wer(SENTENCES[0], hears.text(noise, RATE))[0] >= 7
    assert hears.words(np.zeros(RATE, np.float32), RATE) == []
    with pytest.raises(VideoError, match="mono"):
        hears.words(np.zeros((2, RATE), np.float32), RATE)
