"""Controls for evaluation walks that need no look at the world: turns, walks, mixtures."""

from __future__ import annotations

import numpy as np

W, A, S, D, JUMP, PUSH, THROW, LOOK_X, LOOK_Y = range(9)


def idle(ticks: int) -> np.ndarray:
    return np.zeros((ticks, 9), np.float32)


def hold(ticks: int, *keys: int, look_x: float = 0.0, look_y: float = 0.0) -> np.ndarray:
    """Keys held for some ticks, with a steady look in degrees a tick."""
    out = idle(ticks)
    out[:, list(keys)] = 1
    out[:, LOOK_X], out[:, LOOK_Y] = look_x, look_y
    return out


def full_turn(step: float = 7.5) -> np.ndarray:
    """A full circle to the right."""
    return hold(round(360 / step), look_x=step)


def out_and_back(ticks: int = 48) -> np.ndarray:
    """Walk off for half of `ticks`, turn round, walk back, turn round again: ends as it began."""
    half = ticks // 2
    about = hold(18, look_x=10.0)
    return np.concatenate([hold(half, W), idle(2), about, hold(half, W), idle(2), about])


def wander(ticks: int, generator: np.random.Generator, start: int = 0) -> np.ndarray:
    """Stretches of walking, strafing, turning, jumping and standing, `start` idle ticks first."""
    rows = [idle(start)]
    count = start
    while count < ticks:
        length = int(generator.integers(4, 14))
        keys = [[W], [W], [W], [W, A], [W, D], [A], [D], [S], []][int(generator.integers(9))]
        turn = float(generator.normal(0, 4.0)) if generator.random() < 0.7 else 0.0
        part = hold(length, *keys, look_x=float(np.clip(turn, -12, 12)),
                    look_y=float(generator.normal(0, 0.4)))
        if generator.random() < 0.12:
            part[int(generator.integers(length)), JUMP] = 1
        rows.append(part)
        count += length
    return np.concatenate(rows)[:ticks]
