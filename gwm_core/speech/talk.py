"""Speech and lips for a line of a script, by the model: plan, say, retake.

A plan gives every sound its time. What is said of it depends on (plan, seed) alone: the same bits
on the same machine, however long the line. A take of another seed has another melody.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from threading import Event

import numpy as np
import torch

from ..avatars.faces_model import SPREAD
from ..avatars.motion import MOTION, TICK_RATE, clamp, still
from ..errors import Cancelled, VideoError
from ..model import speech_tokens as tokens
from ..model.spec import Guide
from ..noise import check_seed, rng
from . import features, pace
from .analysis import encode
from .features import Timed
from .script import Phone, Script
from .talk_model import (
    AHEAD,
    AUDIO,
    AUDIO_WIDTH,
    FACE,
    GUESSED,
    KNOWN,
    NAME,
    PARTS,
    SCRIPT,
    SCRIPT_WIDTH,
    TalkModel,
    countdown,
    future_prompt,
    guess_times,
    load_talk,
    motion_tokens,
    tick_times,
)
from .voices import VOICES, Voice

RATE = tokens.RATE
FADE = 0.02
"""Seconds over which a retake of the sound is faded into what is around it, within the range."""
BLOCK = 100
"""Ticks that are imagined in one pass."""
WHAT = ("sound", "motion", "both")
_MOUTH = np.array([c.group == "mouth" or c.name == "smile" for c in MOTION])
_TURNS = np.array([0.35, 0.5, 0.0])
"""How far pitch and span of the melody differ from take to take (see ``features.MANNER``)."""


@dataclass(frozen=True)
class TimedPhone:
    """A sound of a script from ``start`` to ``end``, seconds from the beginning of the line."""

    phone: Phone
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class TimedScript:
    """A script with times, of whole ticks of 40 ms.

    phones: all sounds in order, a pause first and last. pace: how fast against usual. words:
    (word, start, end) in seconds.
    """

    script: Script
    voice: Voice
    pace: float
    phones: tuple[TimedPhone, ...]
    timed: Timed

    @property
    def ticks(self) -> int:
        return int(np.ceil(self.timed.end[-1] * TICK_RATE - 1e-6))

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.ticks, TICK_RATE)

    @property
    def words(self) -> tuple[tuple[str, float, float], ...]:
        out: list[tuple[str, float, float]] = []
        for i, word in enumerate(self.script.words):
            own = [p for p in self.phones if p.phone.word == i]
            if own:
                out.append((word, own[0].start, own[-1].end))
        return tuple(out)


@dataclass(frozen=True, eq=False)
class Spoken:
    """What was said: sound float32 [N] at ``rate``, motion float32 [T, 24] at 25 a second whose
    mouth channels are filled, the plan, and the tokens and seeds it came from."""

    sound: np.ndarray
    rate: int
    motion: np.ndarray
    timed: TimedScript
    audio: np.ndarray
    seed: int


class Talker:
    """A loaded model that speaks. Immutable; may be used from several threads."""

    def __init__(self, model: TalkModel) -> None:
        self.model = model

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    # ------------------------------------------------------------------ plan

    def plan(self, script: Script | str, voice: Voice | str, pace: float = 1.0,
             seconds: Fraction | float | None = None) -> TimedScript:
        """Times for every sound of ``script``.

        pace: 0.7..1.6, 1 is usual. seconds: length to be reached instead; VideoError, which says
        the shortest and longest, where the pace for it is not accepted.
        """
        script = script if isinstance(script, Script) else Script.of(script)
        voice = voice_of(voice)
        _check_pace(pace)
        lengths = self._lengths(script, voice, pace)
        if seconds is not None:
            lengths, pace = self._fitted(script, voice, float(seconds))
        return _timed(script, voice, pace, lengths)

    def _lengths(self, script: Script, voice: Voice, speed: float) -> np.ndarray:
        manner = np.array([0.0, 0.0, np.log(speed) / 0.2], np.float32)
        # the network knows paces near the usual one; the rest of a pace is plain scaling
        inner = np.clip(manner[2], -1.0, 1.2)
        manner[2] = inner
        read = pace.features(*pace.untimed(script), _weights(voice), manner)
        rest = speed / float(np.exp(0.2 * inner))
        return pace.stretched(script, self.model.seconds(read) / rest)

    def _fitted(self, script: Script, voice: Voice, seconds: float) -> tuple[np.ndarray, float]:
        """Lengths that add up to ``seconds``, by bisection over the pace."""
        slow, fast = pace.SLOWEST, pace.FASTEST
        longest, shortest = (float(self._lengths(script, voice, p).sum()) for p in (slow, fast))
        if not shortest - 0.02 <= seconds <= longest + 0.02:
            raise VideoError(
                f"line {script.text[:40]!r}: {seconds:.2f} s; {shortest:.2f} to {longest:.2f} s "
                f"are accepted (paces of {slow} to {fast})")
        for _ in range(18):
            middle = 0.5 * (slow + fast)
            if self._lengths(script, voice, middle).sum() > seconds:
                slow = middle
            else:
                fast = middle
        lengths = self._lengths(script, voice, fast)
        return lengths * (seconds / lengths.sum()), fast

    # ------------------------------------------------------------------ say

    def say(self, timed: TimedScript, voice: Voice | str | None = None, seed: int = 0,
            stop: Event | None = None, progress: Callable[[float], None] | None = None) -> Spoken:
        """Speech and lips of a plan.

        voice: another one than the plan's keeps the times. progress: told the share done.
        Cancelled if ``stop`` is set.
        """
        check_seed(seed)
        if voice is not None:
            timed = replace(timed, voice=voice_of(voice))
        return _spoken(timed, *self.imagined(timed, seed, stop, progress), seed)

    def imagined(self, timed: TimedScript, seed: int = 0, stop: Event | None = None,
                 progress: Callable[[float], None] | None = None
                 ) -> tuple[np.ndarray, np.ndarray]:
        """(speech tokens [T, 8, 69], motion [T, 24]) of a plan, both imagined."""
        nothing = np.zeros(timed.ticks, bool)
        return self._imagine(timed, seed, None, None, nothing, nothing, stop, progress)

    def retake(self, spoken: Spoken, start: float, end: float, what: str = "both", seed: int = 1,
               stop: Event | None = None) -> Spoken:
        """``spoken`` with another take from ``start`` to ``end`` (seconds).

        what: ``"sound"``, ``"motion"`` or ``"both"``; the other is known and stays. What is around
        the range is known to the model, and stays the same to the bit; inside, the sound is faded
        at both ends over ``FADE`` seconds. Of the motion, the ticks change that lie in the range as
        a whole. VideoError for a range outside the line.
        """
        check_seed(seed)
        if what not in WHAT:
            raise VideoError(f"retake: {what!r}; {', '.join(WHAT)} are accepted")
        ticks, line = spoken.timed.ticks, float(spoken.timed.seconds)
        start, end = float(start), float(end)
        if not 0 <= start < end <= line + 1e-6:
            raise VideoError(f"retake: {start:.2f} to {end:.2f} s; a range within 0 to "
                             f"{line:.2f} s is accepted")
        tick = np.arange(ticks)
        touched = (tick + 1 > start * TICK_RATE + 1e-6) & (tick < end * TICK_RATE - 1e-6)
        whole = (tick >= start * TICK_RATE - 1e-6) & (tick + 1 <= end * TICK_RATE + 1e-6)
        every = np.ones(ticks, bool)
        audio, motion = self._imagine(
            spoken.timed, seed, spoken.audio, spoken.motion,
            ~touched if what != "motion" else every, ~touched if what != "sound" else every,
            stop, None)
        if what != "sound":
            motion = np.where(whole[:, None] & _MOUTH, motion, spoken.motion)
        else:
            motion = spoken.motion
        if what == "motion":
            return replace(spoken, motion=motion, seed=seed)
        audio = np.where(touched[:, None, None], audio, spoken.audio)
        a, b = round(start * RATE), min(round(end * RATE), len(spoken.sound))
        sound = spoken.sound.copy()
        sound[a:b] += _ramp(b - a) * (_decoded(audio, seed)[a:b] - sound[a:b])
        return Spoken(sound, RATE, motion, spoken.timed, audio, seed)

    def lips(self, sound: np.ndarray, rate: int, stop: Event | None = None) -> np.ndarray:
        """Motion float32 [T, 24] of a mono recording [N], without a script. It knows the model's
        own voices; a person's recording is better driven by ``gwm_core.avatars.drive``."""
        coded = encode(np.asarray(sound, np.float32), rate)
        known = np.ones(len(coded), bool)
        return self._imagine(None, 0, coded, None, known, ~known, stop, None)[1]

    def voiced(self, motion: np.ndarray, stop: Event | None = None) -> np.ndarray:
        """Speech tokens [T, 8, 69] that a moving face [T, 24] suggests, without a script."""
        known = np.ones(len(motion), bool)
        return self._imagine(None, 0, None, motion, ~known, known, stop, None)[0]

    def dub(self, motion: np.ndarray, timed: TimedScript, seed: int = 0,
            stop: Event | None = None) -> Spoken:
        """The line of a plan said by a face that already moves: ``motion`` [T, 24] of the plan's
        length is known, the sound is imagined."""
        if motion.shape != (timed.ticks, len(MOTION)):
            raise VideoError(f"dub: motion {list(motion.shape)}; [{timed.ticks}, {len(MOTION)}], "
                             "as long as the plan, is accepted")
        known = np.ones(timed.ticks, bool)
        audio, _ = self._imagine(timed, seed, None, motion, ~known, known, stop, None)
        return _spoken(timed, audio, motion.astype(np.float32), seed)

    # ------------------------------------------------------------------ the rollout

    def _imagine(self, timed: TimedScript | None, seed: int, audio: np.ndarray | None,
                 motion: np.ndarray | None, known_audio: np.ndarray, known_motion: np.ndarray,
                 stop: Event | None, progress: Callable[[float], None] | None
                 ) -> tuple[np.ndarray, np.ndarray]:
        """(speech tokens [T, 8, 69], motion [T, 24]); known ticks are returned as they were given.

        In blocks, each with the ticks before it that reach it through the layers: as tick after
        tick, since nothing that is imagined enters the history.
        """
        model, net, ticks = self.model, self.model.dynamics, len(known_audio)
        given = Given(model, audio, motion, known_audio, known_motion)
        script, guess = self.script(timed, seed, given.future, ticks)
        tokens_of, levels, guides = given.inputs(guess)
        tokens_of[SCRIPT] = script[None, :, None]
        levels[SCRIPT] = torch.full((1, ticks), 0.0 if timed is not None else 1.0)
        prompt, reach = given.prompt(), (net.window - 1) * net.depth
        out = {name: given.tokens[name].clone() for name in (AUDIO, FACE)}
        with torch.inference_mode():
            for start in range(0, ticks, BLOCK):
                if stop is not None and stop.is_set():
                    raise Cancelled(f"speech: stopped after {start} of {ticks} ticks")
                end, before = min(start + BLOCK, ticks), max(0, start - reach)
                if not given.unknown[start:end].any():
                    continue
                part = slice(before, end)
                found = net({n: x[:, part] for n, x in tokens_of.items()},
                            {n: x[:, part] for n, x in levels.items()},
                            {n: Guide(g.tokens[:, part], g.coverage[:, part])
                             for n, g in guides.items()}, prompt, t0=before)
                for name in (AUDIO, FACE):
                    fresh = torch.from_numpy(~given.known[name][start:end])
                    out[name][start:end][fresh] = found[name][0, start - before:][fresh].float()
                if progress is not None:
                    progress(end / ticks)
        speech = model.scale.back(out[AUDIO]).numpy()
        moved = still(ticks)
        moved[:, _MOUTH] = clamp(out[FACE][:, 0].numpy() * SPREAD)[:, _MOUTH]
        return speech, moved

    def script(self, timed: TimedScript | None, seed: int, future: int, ticks: int):
        """(script tokens [T, w], first guess [T, 2, 276] or None); zeros without a script."""
        if timed is None:
            return torch.zeros(ticks, SCRIPT_WIDTH), None
        weights, manner = _weights(timed.voice), manner_of(seed, timed.pace)
        read = features.rows(timed.timed, tick_times(ticks), weights, manner)
        script = np.concatenate([read, countdown(np.arange(ticks), future)], axis=1)
        rows = features.rows(timed.timed, guess_times(ticks), weights, manner)
        return torch.from_numpy(script), self.model.first_guess(rows)


class Given:
    """What is known of audio and motion, as the network is given it."""

    def __init__(self, model: TalkModel, audio: np.ndarray | None, motion: np.ndarray | None,
                 known_audio: np.ndarray, known_motion: np.ndarray) -> None:
        ticks = len(known_audio)
        self.known = {AUDIO: known_audio, FACE: known_motion}
        self.unknown = ~(known_audio & known_motion)
        blank = {AUDIO: torch.zeros(ticks, PARTS, AUDIO_WIDTH),
                 FACE: torch.zeros(ticks, 1, len(MOTION))}
        if audio is not None:
            blank[AUDIO] = model.scale.of(torch.from_numpy(audio.astype(np.float32)))
        if motion is not None:
            blank[FACE] = torch.from_numpy(motion_tokens(motion).astype(np.float32))[:, None]
        self.tokens = blank
        self.future = future_of(known_audio & known_motion)

    def prompt(self) -> torch.Tensor:
        """[1, 1, PROMPT_WIDTH] of the known tick to come; zeros where there is none."""
        at, there = max(self.future, 0), torch.tensor([[self.future >= 0]])
        return future_prompt(self.tokens[AUDIO][at][None, None], self.tokens[FACE][at][None], there)

    def inputs(self, guess: torch.Tensor | None):
        """(tokens, levels, guides) of all ticks, [1, T, ..] each."""
        now, levels, guides = {}, {}, {}
        for name in (AUDIO, FACE):
            known, x = torch.from_numpy(self.known[name]), self.tokens[name]
            levels[name] = (~known).float()[None]
            now[name] = (x * known[:, None, None])[None]
            ahead = torch.zeros_like(known)
            ahead[:-AHEAD] = known[:-AHEAD] & known[AHEAD:]
            token, cover = torch.zeros_like(x), ahead.float() * KNOWN
            token[ahead] = x[AHEAD:][ahead[:-AHEAD]]
            if name == AUDIO and guess is not None:
                token[~known] = guess[~known]
                cover[~known] = GUESSED
            cover = cover[None, :, None, None].expand(1, *token.shape[:-1], 1)
            guides[name] = Guide(token[None], cover)
        return now, levels, guides


def future_of(known: np.ndarray) -> int:
    """The known tick after the last one with something unknown; -1 where there is none."""
    unknown = np.flatnonzero(~known)
    return int(unknown[-1]) + 1 if len(unknown) and unknown[-1] + 1 < len(known) else -1


def manner_of(seed: int, speed: float = 1.0) -> np.ndarray:
    """How the take of ``seed`` is said (see ``features.MANNER``); 0 is the usual way."""
    turns = rng(seed, "manner").standard_normal(3).clip(-2, 2) * _TURNS if seed else np.zeros(3)
    turns[2] = np.clip(np.log(speed) / 0.2, -1.0, 1.2)
    return turns.astype(np.float32)


def voice_of(voice: Voice | str) -> Voice:
    """A voice by its name. VideoError lists the names."""
    if isinstance(voice, Voice):
        return voice
    wanted = str(voice).strip().casefold()
    found = next((v for v in VOICES.values() if v.name.casefold() == wanted), None)
    if found is None:
        raise VideoError(f"voice: {voice!r}; {', '.join(VOICES)} are accepted")
    return found


def _weights(voice: Voice) -> np.ndarray:
    return np.eye(features.VOICES, dtype=np.float32)[voice.row]


def _check_pace(speed: float) -> None:
    if not pace.SLOWEST <= speed <= pace.FASTEST:
        raise VideoError(f"pace: {speed}; {pace.SLOWEST} to {pace.FASTEST} is accepted")


def _timed(script: Script, voice: Voice, speed: float, lengths: np.ndarray) -> TimedScript:
    timed = pace.timed(script, lengths)
    phones = (Phone("pau", mark=","), *script.phones)
    listed = tuple(TimedPhone(p, float(a), float(b))
                   for p, a, b in zip(phones, timed.start, timed.end, strict=True))
    return TimedScript(script, voice, float(speed), listed, timed)


def _ramp(size: int) -> np.ndarray:
    """1 [size], with edges that rise and fall within ``FADE`` seconds."""
    edge = min(int(FADE * RATE), size // 2)
    out = np.ones(size, np.float32)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge, dtype=np.float32) + 0.5) / max(edge, 1))
    out[:edge], out[size - edge:] = rise, rise[::-1]
    return out


def _decoded(audio: np.ndarray, seed: int) -> np.ndarray:
    with torch.inference_mode():
        return tokens.decode(torch.from_numpy(audio), None, seed)[0].numpy()


def _spoken(timed: TimedScript, audio: np.ndarray, motion: np.ndarray, seed: int) -> Spoken:
    return Spoken(_decoded(audio, seed), RATE, motion, timed, audio, seed)


def load_talker(name: str | os.PathLike[str] = NAME) -> Talker:
    """The speech of a checkpoint, by name or path. CheckpointError says what does not fit."""
    return Talker(load_talk(name))
