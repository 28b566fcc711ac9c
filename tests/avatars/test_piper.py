"""A neural voice and the alignment that times it; the packages are the extra `voices`."""

import numpy as np
import pytest

from gwm_core.avatars.mouth import aperture
from gwm_core.errors import AvatarError
from gwm_core.simulators.faces import alignment, arpabet, espeak, flite, piper, voices
from gwm_core.simulators.faces.performance import perform
from gwm_core.simulators.faces.speech import RATE

TEXT = "Take a copper pocket to a happy puppet, or keep it by the top of a paper castle."


def test_phonemes_become_sounds_of_the_dictionary():
    assert arpabet.of_ipa("fˈaɪɚ") == (("f", ("F",)), ("aɪ", ("AY",)), ("ɚ", ("ER",)))
    assert arpabet.of_ipa("tʃˈuːzᵻz") == (
        ("tʃ", ("CH",)), ("uː", ("UW",)), ("z", ("Z",)), ("ᵻ", ("IH",)), ("z", ("Z",)))
    assert arpabet.of_ipa("bˈʌʔn̩")[-1] == ("n̩", ("AH", "N"))
    assert arpabet.of_flite(("k", "ax", "en")) == (
        ("k", ("K",)), ("ax", ("AH",)), ("en", ("AH", "N")))
    with pytest.raises(AvatarError, match="'œ' is no sound of English"):
        arpabet.of_ipa("bœf")


def test_spans_become_phonemes_without_gaps():
    spans = np.array([[0.1, 0.2], [0.2, 0.25], [0.25, 0.3], [0.32, 0.4], [0.6, 0.7]])
    made = alignment._phonemes(spans, [("k", 1), ("n̩", 2), ("t", 1), ("iː", 1)], 0.8)
    assert [(round(p.start, 2), round(p.end, 2), p.name) for p in made] == [
        (0.0, 0.1, ""), (0.1, 0.2, "k"), (0.2, 0.32, "n̩"), (0.32, 0.4, "t"), (0.4, 0.6, ""),
        (0.6, 0.7, "iː"), (0.7, 0.8, "")]


def test_the_voice_is_listed_if_its_packages_are_there():
    assert ("piper:joe" in voices.HELD) == piper.installed()
    with pytest.raises(AvatarError, match="no voice 'jo'"):
        piper.speak("a", "jo")
    if not piper.installed():
        with pytest.raises(AvatarError, match=r"gwm\[voices\]"):
            piper.speak("a", "joe")


@pytest.mark.skipif(not (espeak.available() and flite.available()), reason="no synthesiser")
def test_readings_are_split_into_words():
    assert espeak.ipa("The fire, a map.", "en-us").split() == [
        "ðə", "fˈaɪɚ", "ɐ", "mˈæp"]
    said = [p.name for p in flite.speak(TEXT, "slt").phonemes if p.name]
    words = flite.words(TEXT, "slt")
    assert [name for word in words for name in word] == said and len(words) == 18


@pytest.mark.slow
def test_alignment_finds_the_times_of_flite():
    found = alignment.alignment_error(("slt", "kal"), sentences=4)
    assert [e.voice for e in found] == ["flite:slt", "flite:kal", "all"]
    for one in found:
        assert one.median_ms < 15 and one.p90_ms < 45 and abs(one.bias_ms) < 10
        assert one.r > 0.9 and abs(one.offset_frames) < 0.25
    late = flite.speak(TEXT, "slt")
    words = [arpabet.of_flite(w) for w in flite.words(TEXT, "slt")]
    moved = alignment.align(np.concatenate([np.zeros(RATE // 4, np.float32), late.sound]), words)
    assert abs(moved[0].end - 0.25) < 0.03
    with pytest.raises(AvatarError, match="do not fit"):
        alignment.align(late.sound[:RATE // 4], words)
    with pytest.raises(AvatarError, match="at least one"):
        alignment.align(late.sound, [])


@pytest.mark.slow
def test_piper_speaks_and_its_mouth_shuts_on_labials():
    said = piper.speak(TEXT, "joe", seed=3)
    again = piper.speak(TEXT, "joe", seed=3)
    np.testing.assert_array_equal(said.sound, again.sound)
    assert said.phonemes == again.phonemes
    other = piper.speak(TEXT, "joe", seed=4)
    assert len(other.sound) != len(said.sound) or (other.sound != said.sound).any()
    assert piper.speak(TEXT, "joe", 120, 3).seconds > 1.2 * said.seconds
    names = [p.name for p in said.phonemes]
    assert names.count("p") == 9 and abs(said.phonemes[0].start) < 1e-3
    ends = [p.end for p in said.phonemes]
    np.testing.assert_allclose([p.start for p in said.phonemes[1:]], ends[:-1], atol=1e-6)
    loud = {vowel: np.mean([np.mean(said.sound[int(p.start * RATE):int(p.end * RATE)] ** 2)
                            for p in said.phonemes if (p.name in "æɑːeɪ") == vowel
                            and (vowel or p.name in ("p", "t", "k")) and p.name])
            for vowel in (True, False)}
    assert 10 * np.log10(loud[True] / loud[False]) > 6
    one = perform(11, split="held", voice="piper:joe", seconds=5.0, layout="monologue")
    opening = aperture(one.motion)
    assert one.speaking.mean() > 0.3 and opening[one.speaking].mean() > 0.02
    for start, end, name in one.phonemes:
        if name in ("p", "b", "m") and end < 4.9:
            assert opening[int(start * 25) - 1:int(end * 25) + 2].min() < 0.004


def test_an_alignment_that_lost_a_sound_is_tried_elsewhere(monkeypatch):
    class Decoder:
        def lookup_word(self, name):
            return name

    whole = np.array([[0.1, 0.2], [0.2, 0.3], [0.3, 0.4]])
    monkeypatch.setattr(alignment, "_decoder", Decoder)
    monkeypatch.setattr(alignment, "_spans", lambda decoder, text, sound, shift:
                        whole if shift == alignment.SPARE[0] else whole[:2])
    word = (("k", ("K",)), ("ae", ("AE",)), ("t", ("T",)))
    found = alignment.align(np.zeros(RATE, np.float32), [word])
    assert [p.name for p in found if p.name] == ["k", "ae", "t"]
    monkeypatch.setattr(alignment, "_spans", lambda *_: whole[:2])
    with pytest.raises(AvatarError, match="do not fit the 3 phonemes"):
        alignment.align(np.zeros(RATE, np.float32), [word])
