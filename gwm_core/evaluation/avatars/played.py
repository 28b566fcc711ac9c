"""One clip played by the model and by all that it stands beside: its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...avatars.character import Character
from ..judges.sync import SyncJudge
from .alive import alive_figures
from .bars import TRUTH
from .baselines import Ridge, loud_aperture, loud_motion
from .clips import Clip
from .gauge import Gauge
from .identity import half_pixel, likeness
from .lips import lip_figures, sync_figures
from .listening import listening_figures
from .points import MOUTH, mouth_numbers
from .sight import Sight

EVERY = 12
"""Frames from one that is held against the portrait to the next."""


@dataclass(frozen=True)
class Parts:
    """What plays and what judges.

    drive  (clip, hears the other one, dials at zero) -> motion float32 [T, 24] of the model
    track  (sound at 16 kHz) -> motion of a long track, streamed
    ticks  (samples, sample rate) -> how many ticks a sound of that length gives
    rig    (portrait, its points) -> what draws a motion [24] as uint8 [H, W, 3]
    find   (portrait) -> points [44, 2] as the product finds them, None where it finds no face
    sight  ``read(frames, near)`` -> points [T, 44, 2]
    """

    drive: Callable[..., np.ndarray]
    track: Callable[[np.ndarray], np.ndarray]
    ticks: Callable[[int, int], int]
    rig: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]
    find: Callable[[np.ndarray], np.ndarray | None]
    sight: Sight
    judge: SyncJudge
    gauge: Gauge
    ridge: Ridge

    def placed(self, portrait: np.ndarray) -> np.ndarray:
        """Points of a portrait, or of a centred face where none is found, as the product does."""
        points = self.find(portrait)
        height, width = portrait.shape[:2]
        return Character.default_points(width, height) if points is None else points


@dataclass(frozen=True, eq=False)
class Take:
    """Frames of a clip, and what is read from them: points [T, 44, 2] beside those of the face at
    rest, the mouth's numbers [T, 8], and of the eyes [T, 3] (``Sight.look``; None: the points say
    it)."""

    frames: np.ndarray
    points: np.ndarray
    rest: np.ndarray
    mouth: np.ndarray
    eyes: np.ndarray | None = None

    @property
    def aperture(self) -> np.ndarray:
        """How far the lips are open [T], in face heights, more than at rest."""
        return self.mouth[:, MOUTH.index("open")]


def rest_of(clip: Clip, parts: Parts) -> np.ndarray:
    """The points [44, 2] of the portrait as the judge reads them."""
    return parts.sight.read(clip.portrait[None], clip.points)[0]


def seen(clip: Clip, parts: Parts, frames: np.ndarray, rest: np.ndarray) -> Take:
    """Frames with what is read from them."""
    points = parts.sight.read(frames, clip.points)
    look = (frames, points, clip.portrait, rest)
    return Take(frames, points, rest, parts.sight.mouth(*look), parts.sight.look(*look))


def play(clip: Clip, parts: Parts) -> dict[str, Take]:
    """The clip by the model ("model", and "deaf": without the other's track, where there is
    something to answer to) and by the simulator itself."""
    performance, rest = clip.performance, rest_of(clip, parts)
    draw = parts.rig(clip.portrait, parts.placed(clip.portrait))
    motions = {"model": parts.drive(clip)}
    if len(performance.nods) + len(performance.smiles):
        motions["deaf"] = parts.drive(clip, hears=False)
    takes = {name: seen(clip, parts, np.stack([draw(row) for row in motion]), rest)
             for name, motion in motions.items()}
    return {**takes, TRUTH: seen(clip, parts, clip.true_frames(), rest)}


def figures(clip: Clip, takes: dict[str, Take], parts: Parts) -> dict:
    """All figures of a clip, as JSON keeps them: by source, with voice and style."""
    performance = clip.performance
    out: dict = {"voice": clip.voice, "style": clip.style, "seconds": len(performance.motion) / 25}
    for source, take in takes.items():
        read = parts.gauge.read(take.points, take.rest)
        if take.eyes is not None:
            read["blink"], read["gaze_x"], read["gaze_y"] = take.eyes.T
        if source != "deaf":
            out[source] = {
                **lip_figures(performance, take.aperture, take.mouth[:, MOUTH.index("width")]),
                **sync_figures(parts.judge, performance, take.mouth),
                "alive": alive_figures(read),
                "psnr": float(np.mean(likeness(take.frames[::EVERY], take.points[::EVERY],
                                               clip.portrait, take.rest))),
            }
        else:
            out[source] = {}
        if len(performance.nods) + len(performance.smiles):
            out[source]["events"] = listening_figures(read, performance)
    out["half a pixel"] = {"psnr": half_pixel(clip.portrait, takes["model"].rest)}
    out.update(baseline_figures(clip, takes["model"], parts))
    return out


def baseline_figures(clip: Clip, model: Take, parts: Parts) -> dict[str, dict]:
    """The same of simpler mouths. Ridge and loudness are taken as curves, drawn by no one, which
    is in their favour; shuffled audio is the model's own take half a clip off."""
    performance, audio = clip.performance, clip.performance.audio_self
    half = len(performance.motion) // 2
    shuffled = np.roll(model.aperture, half)
    out = {"shuffled audio": {
        **{k: v for k, v in lip_figures(performance, shuffled).items()
           if k in ("r", "offset", "closure")},
        **sync_figures(parts.judge, performance, np.roll(model.mouth, half, 0))}}
    for name, curve, motion in (
            ("ridge", parts.ridge.aperture(audio), parts.ridge.motion(audio)),
            ("loudness", loud_aperture(audio), loud_motion(audio))):
        rows = np.stack([clip.face.points(row) for row in motion])
        rest = clip.face.points(np.zeros_like(motion[0]))
        out[name] = {**lip_figures(performance, curve),
                     **sync_figures(parts.judge, performance, mouth_numbers(rows, rest))}
    return out
