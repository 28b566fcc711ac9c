"""Who speaks: voices of the synthesisers, those held out, and what a room and a microphone add."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft as fft
from scipy.signal import lfilter, resample_poly

from . import espeak, festival, flite, piper, rhvoice
from .speech import RATE, Phoneme, Spoken
from .whisper import whispered

_ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc")
_VARIANTS = (
    "", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo",
    "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "RicishayMax", "Storm", "adam",
    "anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward",
    "f1", "f2", "f3", "f4", "f5", "grandpa", "gustave", "iven", "iven3", "john", "kaukovalta",
    "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "marcelo", "max", "michel", "miguel",
    "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph",
    "steph2", "travis", "victor", "zac",
)
_FOREIGN = ("cs", "de", "fi", "hu", "id", "it", "nl", "pl", "pt-br", "ro", "sv", "tr")
_FOREIGN_VARIANTS = ("", "Annie", "Denis", "adam", "f2", "f4", "m3", "m7", "shelby")
"""Other languages' voices read the same words their way: sounds and rhythms English lacks."""
TRAIN = tuple(a + (f"+{v}" if v else "") for accents, variants in (
    (_ACCENTS, _VARIANTS), (_FOREIGN, _FOREIGN_VARIANTS)) for a in accents for v in variants)
"""espeak-ng's, but for every variant of the synthesiser's kind (klatt, whisper) that is held."""
NATURAL = tuple(f"festival:{v}" for v in festival.VOICES)
"""Voices built from people of other languages. They are trained on as well, but only had by name:
what a seed gives does not depend on what is installed."""
WHISPERED = tuple(f"whispered:{v}" for k in range(0, len(TRAIN), 4)
                  for v in (TRAIN[k], NATURAL[k // 4 % len(NATURAL)]))
"""Some of both whispering (not by the synthesiser, whose own whisper is held); only had by name."""
ENGLISH = tuple(f"{manner}{v}" for manner in ("rhvoice:", "rhvoice:", "rhvoice:",
                                              "whispered:rhvoice:") for v in rhvoice.VOICES)
"""Voices built from people who speak English, now and then whispering; only had by name."""
HELD = ("en-us+klatt2", "en-us+grandma", "en-029", "en-029+m1", "en-gb-scotland+f3",
        "en-us+whisper", *(f"flite:{v}" for v in flite.VOICES),
        *(f"piper:{v}" for v in piper.VOICES if piper.installed()))
"""Neither these nor any sentence of theirs are seen in training. ``flite:`` and ``piper:`` (if its
packages are there) are other families of synthesisers."""


_SHIFTS = 40
"""``Manner.shift`` is a whole number of parts of this many, for a short resampling filter."""


def is_flite(voice: str) -> bool:
    return voice.startswith("flite:")


def is_festival(voice: str) -> bool:
    return voice.startswith("festival:")


def is_whispered(voice: str) -> bool:
    return voice.startswith("whispered:")


def is_rhvoice(voice: str) -> bool:
    return voice.startswith("rhvoice:")


def in_arpabet(voice: str) -> bool:
    """Whether the phonemes of a voice are named as flite's are; in IPA otherwise."""
    return is_flite(voice) or is_rhvoice(voice.removeprefix("whispered:"))


def is_piper(voice: str) -> bool:
    return voice.startswith("piper:")


@dataclass(frozen=True)
class Manner:
    """How a voice speaks and where: fixed for a performance.

    speed words a minute; pitch, span 0..100; shift: frequencies and tempo times this, in 40ths;
    tilt_db: highs against lows; low_pass Hz; room: seconds of reverberation; wet_db: its level.
    """

    voice: str
    speed: int = 170
    pitch: int = 50
    span: int = 50
    shift: float = 1.0
    tilt_db: float = 0.0
    low_pass: float = 8000.0
    room: float = 0.0
    wet_db: float = -20.0
    seed: int = 0


def manner(draw: np.random.Generator, voice: str) -> Manner:
    """A manner of ``voice`` by chance."""
    bright = draw.uniform() < 0.75
    return Manner(
        voice, speed=int(draw.integers(125, 215)), pitch=int(draw.integers(25, 80)),
        span=int(draw.integers(30, 80)),
        shift=round(_SHIFTS * float(np.exp(np.clip(draw.normal(0, 0.06), -0.13, 0.13)))) / _SHIFTS,
        tilt_db=float(np.clip(draw.normal(0, 4.0), -9, 9)),
        low_pass=8000.0 if bright else float(draw.uniform(3200, 7000)),
        room=float(draw.uniform(0.08, 0.4)) if draw.uniform() < 0.5 else 0.0,
        wet_db=float(draw.uniform(-24, -9)), seed=int(draw.integers(2**31)))


def say(text: str, how: Manner) -> Spoken:
    """``text`` as ``how`` says it, at a level of about -20 dB while speaking; dry."""
    if is_whispered(how.voice):
        spoken = say(text, replace(how, voice=how.voice.split(":", 1)[1], shift=1.0))
        breath = np.random.default_rng([how.seed, len(spoken.sound)])
        spoken = Spoken(whispered(spoken.sound, breath), spoken.phonemes)
    elif is_flite(how.voice):
        spoken = flite.speak(text, how.voice.split(":")[1])
    elif is_festival(how.voice):
        spoken = festival.speak(text, how.voice.split(":")[1], how.speed, how.pitch, how.span,
                                how.seed)
    elif is_rhvoice(how.voice):
        spoken = rhvoice.speak(text, how.voice.split(":")[1], how.speed, how.pitch)
    elif is_piper(how.voice):
        spoken = piper.speak(text, how.voice.split(":")[1], how.speed, how.seed)
    else:
        spoken = espeak.speak(text, how.voice, how.speed, how.pitch, how.span)
    sound = spoken.sound
    if len(sound) == 0:
        return spoken
    if how.shift != 1.0:
        # resampled as a whole: formants, pitch and tempo move together, and so do the times
        sound = resample_poly(sound, _SHIFTS, round(how.shift * _SHIFTS)).astype(np.float32)
    scale = len(sound) / len(spoken.sound)
    loud = np.sqrt(np.mean(sound.astype(np.float64) ** 2)) + 1e-9
    return Spoken((sound * (0.1 / loud)).astype(np.float32), tuple(
        Phoneme(p.start * scale, p.end * scale, p.name) for p in spoken.phonemes))


def placed(sound: np.ndarray, how: Manner) -> np.ndarray:
    """A dry track [N] through the microphone and the room of ``how``; nothing is delayed."""
    if not sound.any():
        return sound
    out = sound.astype(np.float64)
    if how.tilt_db:
        # a first-order shelf at 1 kHz
        gain = 10 ** (how.tilt_db / 40)
        k = np.tan(np.pi * 1000 / RATE)
        b = np.array([gain * (1 + k / gain), gain * (k / gain - 1)]) / (1 + k)
        out = lfilter(b, [1, (k - 1) / (1 + k)], out)
    if how.low_pass < 7900:
        pole = np.exp(-2 * np.pi * how.low_pass / RATE)
        for _ in range(2):
            out = lfilter([1 - pole], [1, -pole], out)
    if how.room > 0:
        g = np.random.default_rng(how.seed)
        t = np.arange(int(how.room * RATE)) / RATE
        tail = g.standard_normal(len(t)) * 10 ** (-3 * t / how.room)
        tail[:int(0.002 * RATE)] = 0
        tail *= 10 ** (how.wet_db / 20) / np.sqrt((tail**2).sum() + 1e-12)
        size = fft.next_fast_len(len(out) + len(tail), real=True)
        wet = fft.irfft(fft.rfft(out.astype(np.float32), size)
                        * fft.rfft(tail.astype(np.float32), size), size)
        out = out + wet[:len(out)]
    return out


def room_tone(draw: np.random.Generator, samples: int, level_db: float) -> np.ndarray:
    """Noise [samples] of a random colour, between white and brown, perhaps with mains hum."""
    colour = draw.uniform(0, 1.0)
    size = fft.next_fast_len(samples, real=True)
    bins = size // 2 + 1
    # white in amplitude as well: one number a bin, with a random phase
    phase = draw.random(bins, np.float32) * np.float32(2 * np.pi)
    frequency = np.maximum(np.linspace(0, RATE / 2, bins, dtype=np.float32), 60)
    spectrum = frequency ** np.float32(-colour) * np.exp(1j * phase)
    noise = fft.irfft(spectrum.astype(np.complex64), size)[:samples].astype(np.float64)
    noise /= np.sqrt(np.mean(noise**2)) + 1e-12
    if draw.uniform() < 0.2:
        mains = 50 * draw.integers(1, 4)
        noise += draw.uniform(0.2, 0.8) * np.sin(2 * np.pi * mains * np.arange(samples) / RATE)
    return noise * 10 ** (level_db / 20)
