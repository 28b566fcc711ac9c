"""A performance: two voices on a time line, and what the face of one of them does.

The truth that `gwm-faces` is trained on and measured against. The motion is a function of the
sounds, the phonemes and the direction; chance is only in what is said, by whom and how, and in
the direction, which is known to the network.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ...avatars import turns
from ...avatars.direction import INDEX as DIRECTED
from ...avatars.direction import direct
from ...avatars.motion import INDEX, TICK_RATE, clamp, group
from ...errors import AvatarError
from ...noise import check_seed, rng
from . import espeak, flite, voices
from .coarticulation import mouth
from .life import act
from .listening import answers
from .sentences import SPLITS, sentence
from .speech import RATE, Phoneme
from .voices import HELD, TRAIN, Manner

TICK_SAMPLES = RATE // TICK_RATE
LAYOUTS = ("monologue", "dialogue", "other", "silence")
_SHARES = (0.60, 0.20, 0.14, 0.06)
_STILL = 0.06
"""Share of performances with every dial at zero but the mouth's."""
_SENTENCES = 5
"""Tried until one is said."""
_SOFT_DB, _SOFT = -11.0, 0.55
"""A sentence of the other is said as usual or this much softer; how often, after its first."""


@dataclass(frozen=True, eq=False)
class Performance:
    """T ticks. audio_self, audio_other float32 [T * 640] at 16 kHz in -1..1; motion [T, 24];
    direction [T, D]; state [T, 3]; phonemes of the self: (start, end, name) in seconds; speaking,
    other_speaking bool [T]: a phoneme of theirs sounds; nods, smiles: ticks at which the answers
    to the other begin; dials: what the direction was scaled by."""

    audio_self: np.ndarray
    audio_other: np.ndarray
    motion: np.ndarray
    direction: np.ndarray
    state: np.ndarray
    phonemes: tuple[tuple[float, float, str], ...]
    speaking: np.ndarray
    other_speaking: np.ndarray
    nods: tuple[int, ...]
    smiles: tuple[int, ...]
    voice: str
    voice_other: str
    split: str
    layout: str
    seed: int
    dials: dict[str, float] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @property
    def ticks(self) -> int:
        return len(self.motion)


class _Track:
    """One voice's time line while it is filled."""

    def __init__(self, how: Manner, samples: int) -> None:
        self.how = how
        self.dry = np.zeros(samples)
        self.phonemes: list[Phoneme] = []
        self.texts: list[str] = []

    def speak(self, text: str, at: float, level_db: float = 0.0) -> float:
        """Say ``text`` from ``at`` (s) on; returns when it ends. What does not fit is cut off."""
        said = voices.say(text, self.how)
        first = int(round(at * RATE))
        piece = said.sound[:max(len(self.dry) - first, 0)]
        self.dry[first:first + len(piece)] += piece * 10 ** (level_db / 20)
        begin = first / RATE
        self.phonemes += [Phoneme(p.start + begin, p.end + begin, p.name) for p in said.phonemes]
        self.texts.append(text)
        return begin + said.seconds


def perform(seed: int, split: str = "train", voice: str | None = None,
            seconds: float = 8.0, layout: str | None = None) -> Performance:
    """The performance of ``seed``: who, what, how and when are drawn from it. espeak-ng keeps a
    state, so that the same seed may give sounds that differ in phase and by a few ms.

    split: "train" or "held" (vocabulary, and voices when ``voice`` is left out); voice: one of
    ``voices.TRAIN``, ``NATURAL``, ``WHISPERED``, ``ENGLISH`` or ``HELD``; layout: one of
    ``LAYOUTS`` (left out: drawn).
    AvatarError names what does not fit, or that the synthesiser is not installed.
    """
    if split not in SPLITS:
        raise AvatarError(f"split: {split!r}; {', '.join(SPLITS)} are accepted")
    if layout is not None and layout not in LAYOUTS:
        raise AvatarError(f"layout: {layout!r}; {', '.join(LAYOUTS)} are accepted")
    if not isinstance(seconds, (int, float)) or not 0.04 <= seconds <= 3600:
        raise AvatarError(f"seconds: {seconds!r}; 0.04 to 3600 is accepted")
    draw = rng(check_seed(seed), "performance", split)
    ticks = int(round(seconds * TICK_RATE))
    known = _known(split)
    picked = known[int(draw.integers(len(known)))]
    other = known[int(draw.integers(len(known)))]
    drawn = LAYOUTS[int(draw.choice(len(LAYOUTS), p=_SHARES))]
    voice, layout = voice or picked, layout or drawn
    samples = ticks * TICK_SAMPLES
    own = _Track(voices.manner(draw, voice), samples)
    theirs = _Track(voices.manner(draw, other), samples)
    _fill(draw, own, theirs, layout, ticks / TICK_RATE, split)
    audio_self = _heard(draw, own, 15.0)
    audio_other = _heard(draw, theirs, 15.0 - _SOFT_DB)

    state = turns.state(audio_self, audio_other)
    dials = _dials(draw)
    direction = direct(ticks, int(draw.integers(2**53)), state, dials)
    listened = answers(audio_other, state[:, 0] > 0.5)
    motion = act(direction, audio_self, state[:, 0] > 0.5, listened)
    spoken = mouth(tuple(own.phonemes), ticks, own.dry, voices.in_arpabet(voice))
    lips = group("mouth")
    motion[:, lips] = spoken[:, lips]
    motion[:, INDEX["smile"]] += spoken[:, INDEX["smile"]]
    motion = _loudly(clamp(motion), direction[:, DIRECTED["energy"]])
    answering = dials["head"] > 0.3, dials["expression"] > 0.3
    return Performance(
        audio_self, audio_other, motion, direction, state,
        tuple((p.start, p.end, p.name) for p in own.phonemes),
        _sounding(own, ticks), _sounding(theirs, ticks),
        listened.nods if answering[0] else (), listened.smiles if answering[1] else (),
        voice, other, split, layout, seed, dials, tuple(own.texts))


def _known(split: str) -> tuple[str, ...]:
    """The voices of a split that are installed. Piper's are only had by name: what a seed gives
    does not depend on an extra."""
    if split == "train":
        return TRAIN
    return tuple(v for v in HELD if not voices.is_piper(v)
                 and (flite if voices.is_flite(v) else espeak).available()) or HELD


def _fill(draw: np.random.Generator, own: _Track, theirs: _Track, layout: str, seconds: float,
          split: str) -> None:
    """Both time lines by ``layout``."""
    at = float(draw.uniform(0.1, 0.9))
    if layout == "silence":
        return
    mine = layout == "monologue" or (layout == "dialogue" and draw.uniform() < 0.4)
    while at < seconds - 0.4:
        track = own if mine else theirs
        for _ in range(int(draw.integers(1, 4 if layout != "dialogue" else 3))):
            if at > seconds - 0.4:
                break
            soft = draw.uniform() < (_SOFT if track.texts else 0.15)
            level = _SOFT_DB if soft and not mine else 0.0
            at = _spoken(track, draw, split, at, level)
            at += float(draw.uniform(0.15, 0.5) if mine else draw.uniform(0.3, 1.3))
        if layout == "dialogue":
            mine = not mine
            at += float(draw.uniform(0.0, 0.7))
        else:
            at += float(draw.uniform(0.2, 1.4))


def _spoken(track: _Track, draw: np.random.Generator, split: str, at: float, level: float) -> float:
    """``track.speak`` of a sentence; of another where a voice that is timed by alignment reads it
    so that no times are found."""
    for _ in range(_SENTENCES - 1):
        with suppress(AvatarError):
            return track.speak(sentence(draw, split), at, level)
    return track.speak(sentence(draw, split), at, level)


def _heard(draw: np.random.Generator, track: _Track, least_snr: float) -> np.ndarray:
    """The track as a microphone has it, its noise ``least_snr`` to 40 dB below: float32 [N]."""
    clean = voices.placed(track.dry, track.how)
    gain = float(draw.uniform(-9, 5))
    bare, snr = draw.uniform() < 0.3, float(draw.uniform(least_snr, 40))
    tone = voices.room_tone(draw, len(clean), -20 - snr)
    out = clean if bare else clean + tone
    if not track.phonemes and not bare:  # alone, room tone is what it is in an empty take
        out = out * 10 ** (-draw.uniform(5, 25) / 20)
    out = out * 10 ** (gain / 20)
    peak = np.abs(out).max(initial=0)
    return (out * (0.98 / peak) if peak > 0.98 else out).astype(np.float32)


def _dials(draw: np.random.Generator) -> dict[str, float]:
    """Dials by chance: the network has to follow the direction, whatever it is."""
    names = ("mouth", "expression", "eyes", "gaze", "head")
    values = np.exp(draw.normal(0, 0.2, len(names))).clip(0.4, 1.6)
    values[names.index("eyes")] = 1.0
    if draw.uniform() < _STILL:
        values[1:] = 0.0
    return {name: round(float(v), 3) for name, v in zip(names, values, strict=True)}


def _loudly(motion: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """The mouth as strong as ``energy`` [T] has it; lips still meet where they must."""
    out = motion.copy()
    for name in ("jaw", "funnel", "pucker", "stretch", "upper", "press", "tongue"):
        out[:, INDEX[name]] *= energy
    for name in ("close", "bite"):
        out[:, INDEX[name]] *= np.minimum(4 * energy, 1)
    return clamp(out).astype(np.float32)


def _sounding(track: _Track, ticks: int) -> np.ndarray:
    """bool [ticks]: where a phoneme covers the middle of the tick."""
    out = np.zeros(ticks, bool)
    for p in track.phonemes:
        if p.name:
            first, last = np.ceil(np.array([p.start, p.end]) * TICK_RATE - 0.5).astype(int)
            out[max(first, 0):max(last, 0)] = True
    return out
