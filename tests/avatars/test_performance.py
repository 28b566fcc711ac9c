"""Performances: what the synthesisers say, what the mouth makes of it, how a listener answers."""

from dataclasses import replace

import numpy as np
import pytest

from gwm_core.avatars import turns
from gwm_core.avatars.direction import INDEX as D
from gwm_core.avatars.direction import direct
from gwm_core.avatars.motion import INDEX, clamp
from gwm_core.avatars.mouth import WIDEST, aperture
from gwm_core.errors import AvatarError
from gwm_core.simulators.faces import espeak, festival, flite, rhvoice, sentences, voices
from gwm_core.simulators.faces.coarticulation import mouth
from gwm_core.simulators.faces.life import act
from gwm_core.simulators.faces.listening import answers
from gwm_core.simulators.faces.performance import perform
from gwm_core.simulators.faces.phonemes import SOUNDS, sounds
from gwm_core.simulators.faces.speech import RATE, Phoneme
from gwm_core.simulators.faces.whisper import whispered

needs_espeak = pytest.mark.skipif(not espeak.available(), reason="libespeak-ng1 not installed")
needs_festival = pytest.mark.skipif("ph" not in festival.installed(),
                                    reason="festival or festvox-czech-ph not installed")
needs_flite = pytest.mark.skipif(not flite.available(), reason="flite not installed")
VOWELS = {"a", "ɑː", "æ", "ʌ", "ɐ", "ɛ", "eɪ", "aɪ", "oʊ"}


def spoken(*names: str, each: float = 0.1, start: float = 0.4) -> tuple[Phoneme, ...]:
    return tuple(Phoneme(start + i * each, start + (i + 1) * each, n)
                 for i, n in enumerate(names))


def lips(*names: str, each: float = 0.1, start: float = 0.4, ticks: int = 40) -> np.ndarray:
    sound = np.full(ticks * 640, 0.1, np.float32)
    return mouth(spoken(*names, each=each, start=start), ticks, sound)


# ---------------------------------------------------------------- the mouth


@pytest.mark.parametrize("shift", np.linspace(0, 0.04, 6))
@pytest.mark.parametrize("each", [0.05, 0.08, 0.12])
def test_lips_meet_at_p_b_m_whenever_they_come(shift, each):
    for name in ("p", "b", "m"):
        motion = lips("a", name, "a", each=each, start=0.4 + shift)
        opening = aperture(motion)
        at = int((0.4 + shift + each) * 25)
        assert opening[at - 1:at + 3].min() < 0.002
        assert motion[:, INDEX["close"]].max() > 0.99
        assert opening.max() > 0.045


def test_each_sound_has_its_shape():
    held = {n: lips(n, each=0.3)[13] for n in ("ɑ", "ɛ", "i", "u", "f", "θ", "ʃ", "s", "w", "m")}
    opening = {n: aperture(row[None])[0] / WIDEST for n, row in held.items()}
    assert opening["ɑ"] > opening["ɛ"] > opening["i"] > opening["f"] > opening["m"] - 1e-6
    assert opening["ɑ"] > 0.7 and opening["m"] < 0.01 and opening["f"] < 0.08
    for name, channel in (("i", "stretch"), ("u", "pucker"), ("w", "pucker"), ("f", "bite"),
                          ("θ", "tongue"), ("ʃ", "funnel"), ("s", "upper"), ("m", "close")):
        assert held[name][INDEX[channel]] > 0.5, name
        assert held["ɑ"][INDEX[channel]] < 0.3


def test_the_mouth_is_ahead_of_the_sound_and_closed_without():
    motion = lips("t", "u", each=0.12, start=0.6)
    assert not motion[:12].any() and not motion[26:].any()  # 60..90 ms before and after
    alone = lips("t", "ɑ", each=0.12, start=0.6)
    before = slice(15, 18)  # during the t
    rounding = motion[before, INDEX["pucker"]] - alone[before, INDEX["pucker"]]
    assert rounding.max() > 0.25
    assert not lips("", "", each=0.3).any()
    assert mouth((), 5, np.zeros(3200, np.float32)).shape == (5, 24)


def test_louder_vowels_open_wider():
    names = ("ɑ", "t", "ɑ", "t", "ɑ")
    sound = np.full(40 * 640, 0.05, np.float32)
    sound[int(0.6 * RATE):int(0.7 * RATE)] = 0.2
    opening = aperture(mouth(spoken(*names), 40, sound))
    assert opening[16] > 1.1 * max(opening[11], opening[21])


def test_every_phoneme_of_both_synthesisers_is_known():
    assert sounds("tʃ") == ("t", "sh") and sounds("aɪ") == ("a", "short_i")
    assert sounds("oʊ") == ("o", "short_u") and sounds("") == ("pause",)
    assert sounds("ɑː") == ("a",) and sounds("ɑːɹ") == ("a", "r")
    assert sounds("ay", True) == ("a", "short_i") and sounds("zz", True) == ("schwa",)
    for name in ("p", "b", "m"):
        assert sounds(name) == sounds(name, True) == (name,)
        assert SOUNDS[name].gesture == "close"
    assert SOUNDS[sounds("v")[0]].gesture == SOUNDS[sounds("v", True)[0]].gesture == "bite"


# ---------------------------------------------------------------- synthesisers and words


def gaps(said) -> float:
    starts, ends = ([getattr(p, f) for p in said.phonemes] for f in ("start", "end"))
    return float(np.abs(np.array(starts[1:]) - ends[:-1]).max())


def vowel_contrast(said, arpabet: bool) -> float:
    """dB by which vowels are louder than closures of p, t, k: of wrong times it is about 0."""
    level = {True: [], False: []}
    for p in said.phonemes:
        kind = [SOUNDS[s].vowel for s in sounds(p.name, arpabet)]
        stop = p.name in ("p", "t", "k")
        if all(kind) or stop:
            end = p.end if not stop else p.start + 0.35 * (p.end - p.start)
            piece = said.sound[int(p.start * RATE):int(end * RATE)].astype(float)
            if len(piece) > 100:
                level[all(kind)].append(10 * np.log10(np.mean(piece**2) + 1e-9))
    return np.mean(level[True]) - np.mean(level[False])


TEXT = "Take a copper pocket to a happy puppet, or keep it by the top of a paper castle."


@needs_espeak
def test_espeak_gives_sound_and_phoneme_times():
    for voice in ("en-us", "en+f3"):
        said = espeak.speak(TEXT, voice)
        names = [p.name for p in said.phonemes]
        assert names.count("p") == 9 and said.phonemes[0].start == 0
        assert gaps(said) < 1e-6 and abs(said.phonemes[-1].end + 0.02 - said.seconds) < 0.03
        assert vowel_contrast(said, False) > 20
    slow = espeak.speak(TEXT, "en-us", speed=120)
    assert slow.seconds > 1.2 * espeak.speak(TEXT, "en-us", speed=200).seconds
    with pytest.raises(AvatarError, match="no voice 'xx'"):
        espeak.speak("a", "xx")


@needs_flite
def test_flite_segments_add_up_to_its_sound():
    for voice in ("kal16", "slt"):
        said = flite.speak(TEXT, voice)
        assert [p.name for p in said.phonemes].count("p") == 9
        assert gaps(said) < 1e-6 and abs(said.phonemes[-1].end + 0.02 - said.seconds) < 0.03
        assert vowel_contrast(said, True) > 7
    with pytest.raises(AvatarError, match="no voice"):
        flite.speak("a", "nobody")


@needs_festival
def test_festival_reads_with_the_sounds_of_its_language():
    said = festival.speak(TEXT, "ph")
    names = [p.name for p in said.phonemes]
    assert names.count("p") == 9  # one that is written twice is one long sound
    assert gaps(said) < 1e-6 and abs(said.phonemes[-1].end + 0.02 - said.seconds) < 0.03
    assert vowel_contrast(said, False) > 15
    again = festival.speak(TEXT, "ph")
    np.testing.assert_array_equal(said.sound, again.sound)
    slow = festival.speak(TEXT, "ph", speed=120)
    assert slow.seconds > 1.2 * said.seconds and [p.name for p in slow.phonemes] == names
    assert festival.speak(TEXT, "ph", seed=1).phonemes != said.phonemes
    high = festival.speak(TEXT, "ph", pitch=80)
    assert high.phonemes == said.phonemes and not np.allclose(high.sound, said.sound, atol=0.02)
    with pytest.raises(AvatarError, match="no voice 'kal'"):
        festival.speak("a", "kal")


def test_a_whisper_keeps_the_formants_and_loses_the_melody():
    at = np.arange(RATE) / RATE
    buzz = sum(np.sin(2 * np.pi * 125 * k * at) * (8 if 12 <= k <= 16 else 1) for k in range(1, 60))
    sound = np.concatenate([np.zeros(RATE // 2), 0.02 * buzz, np.zeros(RATE // 2)])
    sound = sound.astype(np.float32)
    out = whispered(sound, np.random.default_rng(1))
    assert out.shape == sound.shape and out.dtype == np.float32
    assert np.abs(out[:RATE // 4]).max() < 0.01 * np.abs(out).max()

    def melody(x):  # how alike it is one period later
        x = x[RATE // 2: RATE * 3 // 2]
        return np.corrcoef(x[:-128], x[128:])[0, 1]

    assert melody(sound) > 0.95 and abs(melody(out)) < 0.2
    power = np.abs(np.fft.rfft(out)) ** 2
    hertz = np.fft.rfftfreq(len(out), 1 / RATE)
    formant, above = (power[(hertz > a) & (hertz < b)].mean() for a, b in ((1500, 2000),
                                                                           (3000, 4000)))
    assert formant > 8 * above
    short = sound[:100]
    assert np.array_equal(whispered(short, np.random.default_rng(1)), short)


def test_a_whisper_lacks_the_fall_of_the_glottis_but_hisses_stay():
    at = np.arange(RATE) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * at) / k**2 for k in range(1, 66)).astype(np.float32)
    hiss = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    hertz = np.fft.rfftfreq(RATE, 1 / RATE)

    def bright(x):  # decibels of the highs against the middle
        power = np.abs(np.fft.rfft(x)) ** 2
        high, low = (power[(hertz > a) & (hertz < b)].mean() for a, b in ((3000, 5000),
                                                                          (1000, 1500)))
        return 10 * np.log10(high / low)

    won = {name: [bright(whispered(x, np.random.default_rng(k))) - bright(x) for k in range(12)]
           for name, x in (("buzz", buzz), ("hiss", hiss))}
    assert np.mean(won["buzz"]) > 6 and np.abs(won["hiss"]).max() < 4
    assert np.std(won["buzz"]) > 2  # each whispers in its own way


@needs_espeak
def test_a_whispering_voice_says_the_same_at_the_same_times():
    draw = np.random.default_rng(0)
    how = voices.manner(draw, "whispered:en-us+m3")
    plain = voices.say(TEXT, replace(how, voice="en-us+m3"))
    breathed = voices.say(TEXT, how)
    assert [p.name for p in breathed.phonemes] == [p.name for p in plain.phonemes]
    for one, other in zip(breathed.phonemes, plain.phonemes, strict=True):
        assert abs(one.start - other.start) < 0.05  # espeak-ng keeps a state
    assert abs(len(breathed.sound) / len(plain.sound) - 1) < 0.02
    assert np.isclose(np.std(breathed.sound), np.std(plain.sound), rtol=0.1)
    who = {name.split(":", 1)[1] for name in voices.WHISPERED}
    assert len(who) > 100 and who <= {*voices.TRAIN, *voices.NATURAL}


def test_every_phone_of_festival_has_a_sound():
    for name, voice in festival._VOICES.items():
        for phone in voice.phones.ipa:
            sound = voice.phones.of(phone)
            assert sounds(sound) and (sound == "") == (sounds(sound) == ("pause",)), (name, phone)
            assert sounds(sound) != ("schwa",) or sound in ("ə", "ɨ"), (name, phone)
    czech, russian, catalan = (festival._VOICES[v].phones for v in ("ph", "nsh", "ona"))
    assert (czech.of("a:"), czech.of("c~"), czech.of("_"), czech.of("#")) == ("a", "tʃ", "ʔ", "")
    assert (russian.of("pp"), russian.of("sch"), russian.of("pau")) == ("p", "ʃ", "")
    assert (catalan.of("E1"), catalan.of("e1"), catalan.of("_")) == ("ɛ", "e", "")


def test_a_festival_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(festival.shutil, "which", lambda program: None)
    assert festival.installed() == ()
    with pytest.raises(AvatarError, match="Debian: festival"):
        festival.speak("a", "ph")


def test_held_words_and_voices_are_new():
    def words(split: str) -> set[str]:
        return {w.lower() for kind, entries in sentences.VOCABULARY[split].items()
                if kind != "when" for e in entries for w in e.split()}

    assert not words("train") & words("held")
    assert min(len(words(s)) for s in sentences.SPLITS) > 200
    assert not {*voices.TRAIN, *voices.NATURAL, *voices.ENGLISH} & set(voices.HELD)
    held = {v.split(":")[-1] for v in voices.HELD}
    assert not held & {*festival.VOICES, *rhvoice.VOICES}
    assert not any(k in v for v in voices.TRAIN
                   for k in ("klatt", "whisper", "grandma", "029", "scotland", "flite"))
    one = [sentences.sentence(np.random.default_rng(i), "train") for i in range(50)]
    assert len(set(one)) > 45 and not any("{" in s for s in one)


@needs_espeak
def test_a_voice_that_is_shifted_keeps_its_times():
    plain = voices.say(TEXT, voices.Manner("en-us"))
    shifted = voices.say(TEXT, voices.Manner("en-us", shift=1.1))
    assert shifted.seconds == pytest.approx(plain.seconds / 1.1, rel=0.01)
    assert vowel_contrast(shifted, False) > 20
    how = voices.Manner("en-us", tilt_db=6, room=0.3, wet_db=-12, low_pass=4000)
    placed = voices.placed(plain.sound.astype(float), how)
    delay = np.correlate(np.abs(placed[:32000]), np.abs(plain.sound[400:31600]), "valid")
    assert abs(int(delay.argmax()) - 400) < 16


# ---------------------------------------------------------------- listening and life


def bursts(*spans: tuple[float, float, float], seconds: float = 8.0) -> np.ndarray:
    draw = np.random.default_rng(1)
    out = 3e-4 * draw.standard_normal(int(seconds * RATE))
    for start, end, level in spans:
        out[int(start * RATE):int(end * RATE)] += level * draw.standard_normal(
            int(end * RATE) - int(start * RATE))
    return out.astype(np.float32)


def test_a_pause_of_the_other_is_answered_by_the_rules():
    other = bursts((0.4, 1.59, 0.1), (2.6, 3.0, 0.1), (4.0, 5.2, 0.02), (6.2, 7.2, 0.1))
    silent = np.zeros(200, bool)
    said = answers(other, silent)
    assert said.nods == (47, 137, 187)  # 320 ms after the ticks 39, 129, 179; 0.4 s is no phrase
    assert said.smiles == (47, 187)  # the second is 14 dB softer
    assert not said.pitch[:47].any() and said.pitch[47:60].min() < -0.4
    assert not said.pitch[60:137].any() and said.smile[47:54].max() > 0.55
    assert said.smile[100:137].max() < 0.02 and 0.15 < said.brows[20:38].min()
    # causal, and nothing while oneself speaks
    early = answers(other[:640 * 60], silent[:60])
    np.testing.assert_array_equal(early.pitch, said.pitch[:60])
    assert answers(other, ~silent).nods == () and not answers(other, ~silent).pitch.any()
    assert answers(np.zeros_like(other), silent).nods == ()


def test_life_is_a_function_of_what_is_known():
    state = np.eye(3, dtype=np.float32)[np.full(500, 2)]
    direction, quiet = direct(500, 9, state), np.zeros(500 * 640, np.float32)
    silent = np.zeros(500, bool)
    none = answers(quiet, silent)
    motion = act(direction, quiet, silent, none)
    np.testing.assert_array_equal(motion, act(direction, quiet, silent, none))
    np.testing.assert_array_equal(motion, clamp(motion))
    blinks = np.flatnonzero(direction[:, D["blink"]])
    assert (motion[blinks + 1, INDEX["blink_left"]] == 1).all()
    assert (motion[blinks - 1, INDEX["blink_left"]] < 0.2).all()
    assert motion[:, INDEX["yaw"]].std() > 0.05 and motion[:, INDEX["gaze_x"]].std() > 0.03
    still = act(np.zeros_like(direction), quiet, silent, none)
    assert not still.any()
    # loud syllables move the head and the brows
    loud = bursts(*[(k / 2, k / 2 + 0.2, 0.2 if k % 4 == 3 else 0.05) for k in range(40)],
                  seconds=20)
    beating = act(direction, loud, ~silent, none) - motion
    assert beating[:, INDEX["pitch"]].min() < -0.1 and beating[:, INDEX["brow_left"]].max() > 0.2
    assert (beating[:30] == 0).all()


# ---------------------------------------------------------------- performances


@needs_espeak
def test_a_performance_is_whole():
    one = perform(3, seconds=4.0, layout="monologue")
    assert one.audio_self.shape == one.audio_other.shape == (64000,)
    assert one.audio_self.dtype == np.float32 and np.abs(one.audio_self).max() <= 1
    assert one.motion.shape == (100, 24) and one.state.shape == (100, 3)
    np.testing.assert_array_equal(one.motion, clamp(one.motion))
    np.testing.assert_array_equal(one.state, turns.state(one.audio_self, one.audio_other))
    assert one.voice in voices.TRAIN and one.texts
    again = perform(3, seconds=4.0, layout="monologue")
    assert again.texts == one.texts and again.voice == one.voice
    np.testing.assert_allclose(again.motion, one.motion, atol=0.15)
    for bad in (dict(split="test"), dict(layout="song"), dict(seconds=0)):
        with pytest.raises(AvatarError, match=next(iter(bad))):
            perform(0, **bad)


@needs_espeak
def test_mouths_move_with_speech_and_rest_without():
    layouts = [perform(s, seconds=0.2).layout for s in range(50)]
    assert 0.08 < np.mean([v in ("silence", "other") for v in layouts]) < 0.35
    for layout in ("other", "silence"):
        one = perform(1, layout=layout)
        assert not aperture(one.motion).any() and not one.speaking.any()
        assert one.other_speaking.any() == (layout == "other")
    talks = [perform(s, layout="dialogue", seconds=10.0) for s in range(3)]
    for one in talks:
        opening, near = aperture(one.motion), one.speaking.copy()
        for k in (1, 2, 3):
            near[k:] |= one.speaking[:-k]
            near[:-k] |= one.speaking[k:]
        assert opening[~near].max(initial=0) < 1e-6
        heard = turns.activity(one.audio_self)
        assert heard[one.speaking].mean() > 0.93
    assert sum(len(t.nods) for t in talks) > 2


@needs_espeak
@needs_flite
@needs_festival
@pytest.mark.parametrize("voice", ["en-us+whisper", "en-029+m1", "flite:slt", "festival:ph"])
def test_named_voices_perform(voice):
    split = "train" if voice in voices.NATURAL else "held"
    one = perform(11, split=split, voice=voice, seconds=5.0, layout="monologue")
    opening = aperture(one.motion)
    assert one.voice == voice and one.speaking.mean() > 0.3
    assert opening[one.speaking].mean() > 0.02
    shut = [p for p in one.phonemes if p[2] in ("p", "b", "m") and p[1] < 4.9]
    for start, end, _ in shut:
        span = slice(int(start * 25) - 1, int(end * 25) + 2)
        assert opening[span].min() < 0.004
