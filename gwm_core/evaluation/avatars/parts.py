"""What a run needs, loaded once: the model, the rig, the judges, and what is fitted on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np

from ...avatars.character import Character
from ...avatars.finder import load_finder
from ...avatars.sound import Recording
from ...noise import rng
from ..judges import load_judge
from ..judges.sync import SyncJudge
from .baselines import Ridge
from .clips import SIZE, Clip
from .gauge import Gauge
from .played import Parts
from .points import face_numbers
from .sight import load_sight

FIT = 8_000_000
"""First seed of what baselines and gauge are fitted on (training split)."""
SPEECHES, SPEECH_SECONDS = 60, 8.0
FACES, POSES = 120, 8
NOISE = 0.006
"""Spread of a read point in face heights: what the gauge is fitted with."""
SAMPLE_RATE = 16_000
Say = Callable[[str], None]


def load_parts(name: str, folder: Path, say: Say) -> Parts:
    """Everything real: the checkpoint, the portrait rig, the finder, the judges."""
    from ... import load
    from ...avatars.dials import Dials
    from ...avatars.driver import Driver
    from ...avatars.rig import Rig

    model, finder, sight = load(name), load_finder(), load_sight()

    def drive(clip: Clip, hears: bool = True, still: bool = False) -> np.ndarray:
        dials = Dials(*[0.0] * len(fields(Dials))) if still else None
        driver = Driver(model, seed=clip.performance.seed, dials=dials)
        own, other = clip.performance.audio_self, clip.performance.audio_other
        return motion_of(driver, own, other if hears else np.zeros_like(other))

    def track(audio: np.ndarray) -> np.ndarray:
        return np.stack(list(Driver(model).motions(Recording(audio[None], SAMPLE_RATE))))

    def ticks_of(samples: int, rate: int) -> int:
        driver = Driver(model)
        driver.push(np.zeros(samples, np.float32), None, rate)
        driver.finish()
        return len(driver.pull())

    def find(picture: np.ndarray) -> np.ndarray | None:
        points, found, _ = finder.find_or_default(picture)
        return points if found else None

    def drawn(portrait: np.ndarray, points: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        rig = Rig(Character(portrait, points), size=max(portrait.shape[:2]))
        return lambda motion: rig.draw(motion, rest=0.0)

    say("ridge regression and gauge")
    return Parts(drive, track, ticks_of, drawn, find, sight, load_judge("sync", SyncJudge())[0],
                 kept_gauge(folder), kept_ridge(folder))


def motion_of(driver, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A driver's motion [T, 24] for two sounds at 16 kHz."""
    driver.push(own, other, SAMPLE_RATE)
    driver.finish()
    return driver.pull()


def _kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **make())
        part.replace(path)
    with np.load(path) as file:
        return {k: file[k] for k in file.files}


def kept_ridge(folder: Path) -> Ridge:
    """The ridge regression on performances of the training split, made once."""
    def make() -> dict[str, np.ndarray]:
        from ...simulators.faces.performance import perform

        return {"weights": Ridge.fitted(perform(FIT + k, seconds=SPEECH_SECONDS)
                                        for k in range(SPEECHES)).weights}

    return Ridge(_kept(folder / "ridge.npz", make)["weights"])


def kept_gauge(folder: Path) -> Gauge:
    """The gauge on faces of the training split, made once."""
    kept = _kept(folder / "gauge.npz", lambda: gauge_rows(FACES, POSES))
    return Gauge.fitted(kept["numbers"], kept["motion"])


def gauge_rows(faces: int, poses: int) -> dict[str, np.ndarray]:
    """Numbers of true faces and the motions that they are of, with the noise of a reader."""
    from ...simulators.faces.faces import Face
    from ...simulators.faces.poses import random_motion

    numbers, motions = [], []
    for k in range(faces):
        draw = rng(FIT, "avatars", "gauge", k)
        face = Face(FIT + k)
        motion = np.stack([random_motion(draw) for _ in range(poses)])
        rest = face.points(np.zeros_like(motion[0]), SIZE)
        points = np.stack([face.points(row, SIZE) for row in motion])
        height = np.linalg.norm(rest[4] - rest[9])
        points = points + draw.normal(0, NOISE * height, points.shape)
        numbers.append(face_numbers(points, rest))
        motions.append(motion)
    return {"numbers": np.concatenate(numbers), "motion": np.concatenate(motions)}
