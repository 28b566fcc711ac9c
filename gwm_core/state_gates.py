"""Where the guides need correcting: 1 in contact or just before it, 0 in free motion.

A guide is exact for what touches nothing, so a net must not disturb it there: its corrections are
multiplied by these numbers in play as in training, and it is not asked at all where they are 0.
"""

from __future__ import annotations

import numpy as np

from .bodies import RADIUS

STIRRED = 0.01
"""Speed (m/s) and turn rate (rad/s) from which a thing is under way by itself."""
TOUCH = 0.12
"""The walker may set a resting thing in motion from this near (m)."""


def fade(gap, full: float, none: float) -> np.ndarray:
    """1 up to `full`, 0 from `none` on, linear between."""
    return np.clip((none - np.asarray(gap, np.float64)) / (none - full), 0.0, 1.0)


def player_gate(static, moving, height, below) -> tuple[np.ndarray, np.ndarray]:
    """[B] from clearances [B,48,5], height [B] of the foot, room below [B,5]; and where [B] the net
    is asked what is heard.

    What is fixed stops the walker by the guide alone, but not in silence.
    """
    gap = moving.min((1, 2)) - RADIUS
    # What one may land on counts in the air alone.
    under = np.where(height > 0.01, below.min(1), 1.0)
    gate = np.maximum(fade(gap, 0.05, 0.09), fade(under, 0.14, 0.2))
    return gate, (gate > 0) | (static.min((1, 2)) - RADIUS < 0.09)


def ball_gate(dist, radius, speed, moving, dt: float) -> np.ndarray:
    """[B] from distances [B,D] to all that is near and [B,D] to what moves, from the centre."""
    gap = dist.min(1) - radius - 1.2 * speed * dt
    still = speed < STIRRED
    # A resting ball is moved by what moves alone.
    gap = np.where(still, moving.min(1) - radius - 0.05, gap)
    return fade(gap, 0.02, 0.05)


def box_gate(vel, rate, gap, moving_gap) -> np.ndarray:
    """[B]: vel [B,3], rate [B]; gap [B] to the walker; moving_gap [B]: to what else moves."""
    under_way = (np.linalg.norm(vel, axis=1) > STIRRED) | (np.abs(rate) > STIRRED)
    return np.where(under_way, 1.0, fade(np.minimum(gap, moving_gap), TOUCH, 1.5 * TOUCH))


def door_gate(rate, gap, moving_gap) -> np.ndarray:
    """[B]: turn rate [B], gap [B] of the panel to the walker, moving_gap [B]: to what else moves.

    moving_gap is read at the hinge's height, along the panel's turning circle.
    """
    return np.where(np.abs(rate) > STIRRED, 1.0,
                    fade(np.minimum(gap, moving_gap), TOUCH, 1.5 * TOUCH))
