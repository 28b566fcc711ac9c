"""Motions that cover the whole range of a face: what a landmark net must be able to read."""

from __future__ import annotations

import numpy as np

from ...avatars.motion import INDEX, MOTION, clamp


def random_motion(rng: np.random.Generator) -> np.ndarray:
    """float32 [24]: a face at some moment. Mouths are closed, half open and wide; eyes mostly
    open; about one in twelve is at rest."""
    motion = np.zeros(len(MOTION), np.float32)
    if rng.random() < 0.08:
        return motion

    def put(name: str, value: float) -> None:
        motion[INDEX[name]] = value

    def some(chance: float) -> float:
        return float(rng.random()) if rng.random() < chance else 0.0

    if rng.random() < 0.75:
        put("jaw", float(rng.beta(0.9, 1.6)))
    put("close", some(0.15))
    shape = rng.random()
    if shape < 0.2:
        put("funnel", float(rng.random()))
    elif shape < 0.38:
        put("pucker", float(rng.random()))
    elif shape < 0.58:
        put("stretch", float(rng.random()))
    if rng.random() < 0.45:
        put("smile", float(rng.uniform(-1, 1)) if rng.random() < 0.5 else float(rng.random()))
    put("press", some(0.1))
    put("bite", some(0.08))
    put("tongue", some(0.15))
    put("upper", some(0.3))
    if rng.random() < 0.3:
        blink = float(rng.beta(0.8, 0.8))
        put("blink_left", blink)
        put("blink_right", blink if rng.random() < 0.85 else float(rng.random()))
    put("wide", some(0.15))
    put("squint", some(0.18))
    if rng.random() < 0.6:
        put("gaze_x", float(rng.uniform(-1, 1)))
        put("gaze_y", float(rng.uniform(-1, 1)))
    if rng.random() < 0.5:
        lift = float(rng.uniform(-1, 1))
        put("brow_left", lift)
        put("brow_right", lift + (float(rng.normal(0, 0.4)) if rng.random() < 0.3 else 0))
    put("brow_inner", float(rng.uniform(-1, 1)) if rng.random() < 0.35 else 0.0)
    for name, spread in (("yaw", 0.45), ("pitch", 0.4), ("roll", 0.35), ("sway", 0.35)):
        if rng.random() < 0.8:
            put(name, float(rng.normal(0, spread)))
    put("breath", some(0.5))
    return clamp(motion)
