"""How the rooms embodiment turns its state into tokens for the dynamics.

Body tokens are written in the player's own frame (x forward, y left), so that the network never
has to learn where in the world it stands.
"""

from __future__ import annotations

import numpy as np

from ..bodies import FIRST_STEP, SLOTS, STEP_LENGTH, Bodies, Player

BODY_WIDTH = 20
"""Numbers per body token: kind one-hot (player, ball, box, door), place 3, velocity 3, heading
sin/cos, turn rate, size 3, colour 3, on-ground flag."""

STATE_TOKENS = SLOTS + 1
CONTROL_SCALE = np.array([1, 1, 1, 1, 1, 1, 1, 1 / 10, 1 / 10], np.float32)


def control_token(row: np.ndarray) -> np.ndarray:
    """Controls of one tick, float32 [9] -> token [1, 9], look scaled to about unit range."""
    return (np.asarray(row, np.float32) * CONTROL_SCALE)[None]


def state_tokens(player: Player, bodies: Bodies) -> np.ndarray:
    """Player and slots -> float32 [13, 20]; empty slots are all zero."""
    out = np.zeros((STATE_TOKENS, BODY_WIDTH), np.float32)
    cos, sin = np.cos(player.yaw), np.sin(player.yaw)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    out[0, 0] = 1.0
    out[0, 4:7] = (0.0, 0.0, np.sin(player.pitch))
    out[0, 7:10] = turn @ np.asarray(player.vel) / 2.0
    stride = 2 * np.pi * (player.phase - FIRST_STEP) / STEP_LENGTH
    out[0, 10:12] = np.sin(stride), np.cos(stride)
    out[0, 19] = float(player.on_ground)
    live = np.flatnonzero(np.asarray(bodies.kind) > 0)[:SLOTS]
    if live.size:
        rel = (np.asarray(bodies.pos)[live] - np.asarray(player.pos)) @ turn.T
        heading = np.asarray(bodies.yaw)[live] - player.yaw
        rows = live + 1
        out[rows, np.clip(np.asarray(bodies.kind)[live], 1, 3)] = 1.0
        out[rows, 4:7] = rel / 4.0
        out[rows, 7:10] = np.asarray(bodies.vel)[live] @ turn.T / 4.0
        out[rows, 10], out[rows, 11] = np.sin(heading), np.cos(heading)
        out[rows, 12] = np.asarray(bodies.yaw_rate)[live] / 4.0
        out[rows, 13:16] = np.asarray(bodies.size)[live]
        out[rows, 16:19] = np.asarray(bodies.rgb)[live]
    return out
