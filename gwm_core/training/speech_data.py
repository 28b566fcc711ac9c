"""What the voice learns from: espeak-ng's speech as tokens, its sounds with times, and the lips.

espeak-ng is needed for the data alone; nothing of it is used when the model speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from ..avatars.motion import TICK_RATE
from ..model import speech_tokens as tokens
from ..noise import rng as keyed_rng
from ..simulators.faces import espeak
from ..simulators.faces.coarticulation import mouth
from ..simulators.faces.speech import RATE as LIP_RATE
from ..speech.analysis import encode
from ..speech.features import Timed
from .speech_script import timed
from .speech_text import text

SHARD = 100
LEAD = (0.06, 0.22)
"""Seconds of silence before and after what is said."""
LEVEL = 0.1
"""Standard deviation of every voice while it speaks."""


@dataclass(frozen=True)
class Source:
    """What a row of the table of voices learns from. name: espeak's; pitch: its usual pitch,
    0..100; speed: usual words a minute."""

    name: str
    pitch: int = 50
    speed: int = 150


SOURCES = (
    Source("en-us", 45), Source("en-us+f2", 50), Source("en-us+robert", 40, 145),
    Source("en-us+belinda", 50, 142), Source("en-us+steph", 38), Source("en-us+grandpa", 40, 142),
    Source("en-us+m7", 26, 145), Source("en-us+Alex", 70, 145),
)
"""In the order of ``gwm_core.speech.voices.VOICES``."""


@dataclass(frozen=True, eq=False)
class Utterance:
    """One take. tokens float16 [T, 8, 69]; motion float16 [T, 24]; row of the voice; manner [3]
    (see ``features.MANNER``); timed in seconds from tick 0."""

    tokens: np.ndarray
    motion: np.ndarray
    timed: Timed
    row: int
    manner: np.ndarray


def manner_of(source: Source, speed: int, pitch: int, span: int) -> np.ndarray:
    """How far a take is from its voice's usual manner: pitch, span, pace, each about -1..1."""
    return np.array([(pitch - source.pitch) / 15, (span - 50) / 20,
                     np.log(speed / source.speed) / 0.2], np.float32)


def take(line: str, row: int, speed: int, pitch: int, span: int,
         lead: tuple[float, float] = (0.1, 0.1)) -> Utterance | None:
    """``line`` said by the voice of ``row``; None where its times cannot be told."""
    source = SOURCES[row]
    sound, rate, phonemes = espeak.speak_whole(line, source.name, speed, pitch, span)
    if len(sound) == 0 or not phonemes:
        return None
    found = timed(line, source.name, phonemes, len(sound) / rate)
    if found is None:
        return None
    before, after = lead
    sound = np.concatenate([np.zeros(round(before * rate), np.float32), sound * _gain(row),
                            np.zeros(round(after * rate), np.float32)])
    begin = round(before * rate) / rate
    start, end = found.start + begin, found.end + begin
    start[0], end[-1] = 0.0, len(sound) / rate
    found = Timed(found.phone, found.stress, found.word, found.kind, start, end)
    coded = encode(sound, rate)
    shared = np.gcd(rate, LIP_RATE)
    heard = resample_poly(sound, LIP_RATE // shared, rate // shared)
    moved = tuple(type(p)(p.start + begin, p.end + begin, p.name) for p in phonemes)
    motion = mouth(moved, len(coded), heard)
    assert TICK_RATE * tokens.TICK == tokens.RATE
    return Utterance(coded.astype(np.float16), motion.astype(np.float16), found, row,
                     manner_of(source, speed, pitch, span))


_gains: dict[int, float] = {}


def _gain(row: int) -> float:
    """What brings a voice to ``LEVEL``."""
    if row not in _gains:
        source, power = SOURCES[row], []
        for line in ("The quick brown fox jumps over the lazy dog.", "We were away a year ago.",
                     "She sells sea shells by the shore.", "Put the butcher's book on a blue box."):
            sound, rate, _ = espeak.speak_whole(line, source.name, source.speed, source.pitch)
            frames = sound[: len(sound) // 256 * 256].reshape(-1, 256).astype(np.float64)
            power.append((frames**2).mean(1))
        power = np.concatenate(power)
        _gains[row] = LEVEL / float(np.sqrt(power[power > power.max() * 1e-3].mean()))
    return _gains[row]


def drawn(seed: int, split: str, index: int, row: int) -> Utterance:
    """Take number ``index`` of the voice of ``row``, by chance."""
    draw = keyed_rng(seed, "speech", split, index, row)
    source = SOURCES[row]
    while True:
        usual = draw.uniform() < 0.5
        speed = source.speed * (1.0 if usual else np.exp(draw.uniform(-0.2, 0.25)))
        pitch = source.pitch + (0 if usual else draw.integers(-15, 16))
        span = 50 if usual else draw.integers(30, 75)
        out = take(text(draw), row, round(speed), int(np.clip(pitch, 0, 99)), int(span),
                   tuple(draw.uniform(*LEAD, size=2)))
        if out is not None:
            return out


def record(folder: Path, count: int, seed: int, split: str = "train",
           progress: Callable[[int, int], None] | None = None) -> None:
    """``count`` takes of every voice, in files of ``SHARD``; files that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, count, SHARD):
        for row in range(len(SOURCES)):
            path = folder / f"{split}-{start:05d}-{row}.npz"
            if not path.exists():
                stop = min(start + SHARD, count)
                takes = [drawn(seed, split, i, row) for i in range(start, stop)]
                part = path.with_suffix(".part")
                with open(part, "wb") as file:
                    np.savez(file, **_arrays(takes))
                part.replace(path)
        if progress is not None:
            progress(min(start + SHARD, count), count)


def _arrays(takes: list[Utterance]) -> dict[str, np.ndarray]:
    joined = {name: np.concatenate([getattr(t.timed, name) for t in takes])
              for name in ("phone", "stress", "word", "kind", "start", "end")}
    return {
        **joined, "tokens": np.concatenate([t.tokens for t in takes]),
        "motion": np.concatenate([t.motion for t in takes]),
        "ticks": np.array([len(t.tokens) for t in takes]),
        "sounds": np.array([len(t.timed.phone) for t in takes]),
        "row": np.array([t.row for t in takes]), "manner": np.stack([t.manner for t in takes]),
    }


def load(folder: Path, split: str = "train") -> list[Utterance]:
    """All takes in a folder; ValueError where there are none."""
    out: list[Utterance] = []
    for path in sorted(folder.glob(f"{split}-*.npz")):
        with np.load(path) as file:
            data = dict(file)
        tick, sound = (np.concatenate([[0], np.cumsum(data[k])]) for k in ("ticks", "sounds"))
        for i in range(len(data["row"])):
            t, s = slice(tick[i], tick[i + 1]), slice(sound[i], sound[i + 1])
            out.append(Utterance(
                data["tokens"][t], data["motion"][t],
                Timed(*(data[k][s] for k in ("phone", "stress", "word", "kind", "start", "end"))),
                int(data["row"][i]), data["manner"][i]))
    if not out:
        raise ValueError(f"{folder}: no takes of {split!r}; `gwm train speech` makes them")
    return out
