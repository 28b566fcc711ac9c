"""What only time or a dial shows: a face that is still at zero, exact lengths, ten minutes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..report import Metric
from . import clips
from .curves import drift, offset
from .identity import likeness
from .played import Parts

MINUTES = 10
CLIP = f"{clips.VOICES[0]}/0"
LOOKS = 6
"""Frames a minute that are held against the portrait."""
LENGTHS = ((16_000, 1), (16_000, 639), (16_000, 640), (16_000, 641), (8_000, 12_345),
           (44_100, 44_101), (48_000, 96_001), (96_000, 100_003), (22_050, 22_050))
"""Sample rate and samples of sounds whose frames are counted."""
Say = Callable[[str], None]


def speech(seed: int, minutes: float) -> tuple[np.ndarray, np.ndarray]:
    """A long track of one held-out voice: sound at 16 kHz and the true motion."""
    from ...simulators.faces.performance import perform

    sounds, motions, k = [], [], 0
    while sum(len(m) for m in motions) < minutes * 1500:
        one = perform(clips.FIRST + 5_000_000 + 1000 * seed + k, split="held",
                      voice=clips.VOICES[0], seconds=20.0,
                      layout="monologue")
        sounds.append(one.audio_self)
        motions.append(one.motion)
        k += 1
    ticks = int(minutes * 1500)
    return np.concatenate(sounds)[: ticks * 640], np.concatenate(motions)[:ticks]


def still_metric(parts: Parts, seed: int) -> Metric:
    """avatars.still_at_zero: what moves besides the mouth when all dials but its own are zero."""
    clip = clips.make(CLIP, seed)
    motion = parts.drive(clip, still=True)
    draw = parts.rig(clip.portrait, parts.placed(clip.portrait))
    live = parts.drive(clip)

    def moved(rows: np.ndarray) -> float:
        frames = np.stack([draw(row) for row in rows[::10]]).astype(int)
        return float(np.abs(frames - frames[0]).mean())

    return Metric("avatars.still_at_zero", moved(motion), "grey levels",
                  {"dials at 1": moved(live)}, len(motion[::10]), "<= 0",
                  note="all dials at zero: how far frames differ from the first")


def length_metric(ticks_of: Callable[[int, int], int]) -> Metric:
    """avatars.length_error: ticks too many or too few, over sounds of odd lengths and rates;
    ``ticks_of`` (samples, rate) is what a driver gave."""
    wrong = 0
    for rate, samples in LENGTHS:
        wrong += abs(ticks_of(samples, rate) - -(-samples * 25 // rate))
    return Metric("avatars.length_error", wrong, "frames", {}, len(LENGTHS), "<= 0")


def ten_minutes(parts: Parts, seed: int, say: Say, minutes: float = MINUTES) -> list[Metric]:
    """Slopes over a long track: likeness to the portrait, and offset of the lips."""
    from ...avatars.mouth import aperture

    sound, true = speech(seed, minutes)
    face = clips.make(CLIP, seed)
    say(f"{minutes:g} minutes of speech")
    motion = parts.track(sound)
    draw = parts.rig(face.portrait, parts.placed(face.portrait))
    at = np.arange(0, len(motion), 1500 // LOOKS)
    frames = np.stack([draw(motion[t]) for t in at])
    rest = parts.sight.read(face.portrait[None], face.points)[0]
    points = parts.sight.read(frames, face.points)
    found = likeness(frames, points, face.portrait, rest)
    blocks = len(motion) // 1500
    shifts = [offset(aperture(motion[k * 1500:(k + 1) * 1500]),
                     aperture(true[k * 1500:(k + 1) * 1500])) for k in range(blocks)]
    return [
        Metric("avatars.identity_slope_db", abs(drift(found, at / 1500)), "dB/min",
               {"first minute": float(found[:LOOKS].mean()),
                "last minute": float(found[-LOOKS:].mean())}, len(at), "<= 0.3"),
        Metric("avatars.sync_slope_frames", abs(drift(np.array(shifts), np.arange(blocks))),
               "frames/min", {"first minute": shifts[0], "last minute": shifts[-1]}, blocks,
               "<= 0.05"),
    ]
