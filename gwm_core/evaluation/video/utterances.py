"""Judged lines of the model that speaks, one by one: what is heard, who, and how its lips move.

Each line is also said by the synthesiser that the voice learnt from, and by that speech taken
apart and put together again (the model's own tokens), so that it is seen where words get lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from ...avatars.character import Character
from ..avatars.lips import lip_figures, sync_figures
from ..avatars.points import MOUTH
from .board import character
from .recogniser import wer
from .sentences import SENTENCES
from .voice_likeness import embedding

LIP_RATE, LIP_TICK = 16_000, 640
FACE = 192
"""Pixels of a side of the face whose lips are read."""
SOURCES = ("model", "tokens", "synthesiser")
Hear = Callable[[np.ndarray, int], list[str]]
Embed = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Judges:
    """hear: words of a sound; embed: whose voice it is, or None; sight, sync: of the avatars; face:
    (portrait, its points) whose lips are read."""

    hear: Hear
    embed: Embed | None
    sight: Any
    sync: Any
    face: Character


def load_judges(seed: int = 0) -> Judges:
    """All of other hands, or trained on other data than any model here. VideoError names what is
    not installed; without the speaker encoder the rest is measured."""
    from ..avatars.sight import load_sight
    from ..judges import load_judge
    from ..judges.sync import SyncJudge
    from . import voice_likeness
    from .recogniser import Recogniser

    return Judges(Recogniser().words, embedding if voice_likeness.available() else None,
                  load_sight(), load_judge("sync", SyncJudge())[0], character(0, seed))


def plan(count: int) -> list[tuple[int, str]]:
    """(sentence, voice) of each judged line: the voices in turn."""
    from ...speech.voices import VOICES

    names = list(VOICES)
    return [(k % len(SENTENCES), names[k % len(names)]) for k in range(count)]


def figures(talker: Any, sentence: int, voice: str, judges: Judges, seed: int, lips: bool) -> dict:
    """All figures of one line, as JSON keeps them. lips: read them too, which takes longest."""
    from ...speech.script import Script
    from ...speech.voices import VOICES

    text = SENTENCES[sentence]
    spoken = talker.say(talker.plan(Script.of(text), VOICES[voice]), VOICES[voice], seed)
    sounds = {"model": (spoken.sound, spoken.rate), **_learnt(text, voice)}
    out: dict = {"voice": voice, "seconds": len(spoken.sound) / spoken.rate}
    for name, (sound, rate) in sounds.items():
        heard = judges.hear(sound, rate)
        errors, words = wer(text, " ".join(heard))
        out[name] = {"errors": errors, "words": words, "heard": " ".join(heard)}
        if judges.embed is not None and name != "tokens":
            out[name]["who"] = [round(float(x), 5) for x in judges.embed(sound, rate)]
    if lips:
        out["lips"] = lips_of(spoken, judges)
    return out


def _learnt(text: str, voice: str) -> dict[str, tuple[np.ndarray, int]]:
    """The line by the voice's synthesiser, and through the model's tokens."""
    import torch

    from ...model import speech_tokens
    from ...simulators.faces import espeak
    from ...speech.analysis import encode
    from ...speech.voices import VOICES
    from ...training.speech_data import SOURCES as LEARNT

    source = LEARNT[VOICES[voice].row]
    sound, rate, _ = espeak.speak_whole(text, source.name, source.speed, source.pitch)
    sound = (sound * (0.1 / max(float(sound.std()), 1e-6))).astype(np.float32)
    with torch.inference_mode():
        coded = torch.from_numpy(np.ascontiguousarray(encode(sound, rate), np.float32))
        again = speech_tokens.decode(coded, None, 0)[0].numpy()
    return {"tokens": (again, speech_tokens.RATE), "synthesiser": (sound, rate)}


# ------------------------------------------------------------------ lips
def performance_of(spoken: Any) -> SimpleNamespace:
    """A line as the avatars' figures read it: its sounds with the times that were planned, and the
    lips that the simulator's rules have for them as the truth."""
    from ...simulators.faces.coarticulation import mouth
    from ...simulators.faces.speech import Phoneme

    ticks = len(spoken.motion)
    shared = np.gcd(spoken.rate, LIP_RATE)
    sound = resample_poly(spoken.sound, LIP_RATE // shared, spoken.rate // shared)
    sound = np.resize(np.pad(sound, (0, max(0, ticks * LIP_TICK - len(sound)))), ticks * LIP_TICK)
    phones = tuple(Phoneme(p.start, p.end, "" if p.phone.name == "pau" else p.phone.name)
                   for p in spoken.timed.phones)
    middle = (np.arange(ticks) + 0.5) / 25
    speaking = np.zeros(ticks, bool)
    for p in phones:
        if p.name:
            speaking |= (middle >= p.start) & (middle < p.end)
    return SimpleNamespace(
        motion=mouth(phones, ticks, sound.astype(np.float32), arpabet=True),
        audio_self=sound.astype(np.float32), audio_other=np.zeros_like(sound, np.float32),
        phonemes=tuple((p.start, p.end, p.name) for p in phones), speaking=speaking,
        other_speaking=np.zeros(ticks, bool))


def lips_of(spoken: Any, judges: Judges) -> dict:
    """Figures of the lips read from rendered pixels: the model's, the true ones', and two floors:
    the model's lips half the line off, and a jaw that follows loudness."""
    from ..avatars.baselines import loud_motion

    true = performance_of(spoken)
    mouths = {"model": _seen(spoken.motion, judges), "true renders": _seen(true.motion, judges),
              "loudness": _seen(loud_motion(true.audio_self)[:len(true.motion)], judges)}
    mouths["shuffled audio"] = np.roll(mouths["model"], len(true.motion) // 2, 0)
    return {name: {**{k: v for k, v in lip_figures(true, seen[:, MOUTH.index("open")]).items()
                      if k in ("r", "offset", "closure")},
                   **sync_figures(judges.sync, true, seen)} for name, seen in mouths.items()}


def _seen(motion: np.ndarray, judges: Judges) -> np.ndarray:
    """The mouth's numbers [T, 8] that the judge reads from a motion's rendered frames."""
    from ...avatars.rig import Rig

    face = judges.face
    rig = Rig(face, size=FACE)
    frames = np.stack([rig.draw(row, rest=0.0) for row in motion])
    scale = frames.shape[1] / face.image.shape[0]
    still = rig.draw(np.zeros_like(motion[0]), rest=0.0)
    rest = judges.sight.read(still[None], face.points * scale)[0]
    points = judges.sight.read(frames, rest)
    return judges.sight.mouth(frames, points, still, rest)
