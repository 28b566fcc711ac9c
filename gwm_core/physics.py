"""The simple physics guides that the state nets correct, for batches of bodies of one kind.

A guide knows free motion (walking speed, ballistics, friction) and a crude contact rule that
reads the clearances; what it misses is what the nets learn. Everything is per video frame of
`dt` seconds, in each body's own frame of travel (x along it, y to its left, z up).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .bodies import GRAVITY, RADIUS
from .compiled import kernel

FPS = 24
DT = 1.0 / FPS
AZIMUTHS = 48
PLAYER_HEIGHTS = (0.10, 0.38, 0.70, 1.15, 1.55)
# A ball looks most closely where it is going: rings of directions around its path (degrees from
# it, how many), then straight down.
BALL_RINGS = ((0, 1), (10, 6), (20, 8), (35, 10), (55, 12), (80, 12), (110, 12), (145, 11),
              (180, 1))
BOX_AZIMUTHS = 24
BOX_HEIGHTS = (-0.6, 0.6)
RESTITUTION = 0.61
SLIDING = 0.145
BOUNCE = 0.0123
"""Seconds that a ball stays in touch with what it bounces off."""
STEPS = 10
"""The simulator's steps a frame: each moves by the speed it ends with, so falls a little more."""
FALL = 0.5 * (STEPS + 1) / STEPS
ROLLING, SUPPORT, RISING = 0.9828, 0.008, 0.25
"""A ball this near (m) the ground and this slow (m/s) upwards rolls: its speed kept a frame."""


def ball_directions() -> np.ndarray:
    """Unit vectors [74,3] about +x, mirrored pairs under y -> -y; the last one marks 'down'."""
    rows = []
    for degrees, count in BALL_RINGS:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        for i in range(count):
            roll = 2 * np.pi * i / count
            rows.append((c, s * np.sin(roll), s * np.cos(roll)))
    rows.append((0.0, 0.0, -1.0))
    return np.array(rows)


BALL_DIRS = ball_directions()


def _mirror_index(dirs):
    flipped = dirs * np.array([1.0, -1.0, 1.0])
    return np.argmin(((flipped[:, None] - dirs[None]) ** 2).sum(-1), 1)


BALL_MIRROR = _mirror_index(BALL_DIRS)


def travel_basis(vel) -> np.ndarray:
    """Frames of travel [B,3,3] (rows x, y, z) of velocities [B,3]: x along the velocity.

    y is horizontal. Slow bodies (< 5 cm/s) look along +x. The last ball direction, down, is
    turned by the caller: it stays straight down in the world.
    """
    vel = np.asarray(vel, np.float64)
    speed = np.linalg.norm(vel, axis=1, keepdims=True)
    x = np.where(speed > 0.05, vel / np.maximum(speed, 1e-9), np.array([[1.0, 0.0, 0.0]]))
    flat = np.hypot(x[:, 0], x[:, 1])
    y = np.stack([-x[:, 1], x[:, 0], np.zeros(len(x))], 1) / np.maximum(flat, 1e-6)[:, None]
    y = np.where((flat > 1e-3)[:, None], y, np.array([[0.0, 1.0, 0.0]]))
    return np.stack([x, y, np.cross(x, y)], 1)


def ball_rays(basis) -> np.ndarray:
    """World directions [B,74,3] that balls with these frames of travel look along."""
    out = np.einsum("dk,bkj->bdj", BALL_DIRS, basis)
    out[:, -1] = (0.0, 0.0, -1.0)
    return out


def ball_guide(pos, vel, radius, dirs, dist, dt: float = DT):
    """One frame of a ball in world axes: flight or rolling, and one bounce off what it meets.

    pos, vel [B,3]; radius [B]; dirs [B,D,3]; dist [B,D] from the centre, the last one straight
    down. Returns the new pos and vel [B,3], the time of contact as a share of the frame [B] (1:
    none) and the normal [B,3].
    """
    b = np.arange(len(pos))
    rolls = (dist[:, -1] < radius + SUPPORT) & (np.abs(vel[:, 2]) < RISING)
    start = vel * np.where(rolls[:, None], (1.0, 1.0, 0.0), 1.0)
    accel = np.where(rolls[:, None], 0.0, np.array([0.0, 0.0, -GRAVITY]))
    mean = start + FALL * dt * accel
    hit = dirs * dist[..., None]
    # The first moment at which a sphere moving along `mean` touches one of the points met; a
    # rolling one is a little smaller, so that the ground it rolls on does not stop it.
    vv = np.maximum((mean * mean).sum(1), 1e-9)[:, None]
    vh = np.einsum("bj,bdj->bd", mean, hit)
    hh = (hit * hit).sum(-1)
    size = np.where(rolls, 0.97 * radius, radius)
    disc = vh * vh - vv * (hh - size[:, None] ** 2)
    time = (vh - np.sqrt(np.maximum(disc, 0))) / vv
    time = np.where((disc > 0) & (vh > 0), np.maximum(time, 0), 9.0)
    first = np.argmin(time, 1)
    contact = time[b, first]
    touching = contact < dt
    point = hit[b, first]
    # The surface there: a plane through the neighbouring points, facing the ball.
    offset = hit - point[:, None]
    weight = np.exp(-((offset**2).sum(-1) / 0.02)) + 1e-9
    mid = (weight[..., None] * hit).sum(1) / weight.sum(1)[:, None]
    spread = hit - mid[:, None]
    cov = np.einsum("bd,bdi,bdj->bij", weight, spread, spread)
    normal = np.linalg.eigh(cov)[1][:, :, 0]
    normal *= np.where((normal * point).sum(1) > 0, -1.0, 1.0)[:, None]
    at = np.minimum(contact, dt)[:, None]
    v1 = start + accel * at
    into = np.minimum((v1 * normal).sum(1), 0.0)
    v2 = v1 - np.where(touching, (1 + RESTITUTION) * into, 0.0)[:, None] * normal
    sliding = v2 - (v2 * normal).sum(1)[:, None] * normal
    v2 = v2 - np.where(touching & ~rolls, SLIDING, 0.0)[:, None] * sliding
    rest = np.where(touching[:, None], np.maximum(dt - at - BOUNCE, 0.0), 0.0)
    new_pos = pos + mean * at + v2 * rest
    new_vel = np.where(touching[:, None], v2, start + accel * dt)
    new_vel = new_vel * np.where(rolls, ROLLING, 1.0)[:, None]
    return new_pos, new_vel, np.minimum(contact / dt, 1.0), normal


JOINED, YIELD = 0.12, 0.005
"""Neighbouring points this near each other in distance (m) are one surface; how far (m) a frame one
leaves a surface that one stands in."""


def push_out(move, reach, radius: float = RADIUS, rounds: int = 4) -> np.ndarray:
    """A disc's displacement [B,2] corrected so that it keeps `radius` from the surfaces met.

    reach [B,48]: distance from the centre along each azimuth of the frame of travel. What is
    nearer than `radius` already only keeps the disc from going deeper.
    """
    move = np.array(move, np.float64)
    reach = np.ascontiguousarray(reach, np.float64)
    _push_out(move, reach, _circle(reach.shape[1]), float(radius), rounds)
    return move


@lru_cache(maxsize=8)
def _circle(count: int) -> np.ndarray:
    """Unit vectors [count,2] of as many azimuths."""
    angle = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angle), np.sin(angle)], 1)


@kernel
def _push_out(moves, reach, circle, radius, rounds):
    """Correct moves [B,2] in place; see push_out."""
    count = len(circle)
    wall, along = np.empty((count, 2)), np.empty((count, 2))
    away, far, keep = np.empty((count, 2)), np.empty(count), np.empty(count)
    for b in range(len(moves)):
        for i in range(count):
            wall[i, 0], wall[i, 1] = reach[b, i] * circle[i, 0], reach[b, i] * circle[i, 1]
        for i in range(count):
            n = (i + 1) % count
            joined = abs(reach[b, n] - reach[b, i]) < JOINED
            along[i, 0] = wall[n, 0] - wall[i, 0] if joined else 0.0
            along[i, 1] = wall[n, 1] - wall[i, 1] if joined else 0.0
        for turn in range(rounds + 1):
            cx, cy = (moves[b, 0], moves[b, 1]) if turn else (0.0, 0.0)
            worst, most = 0, -np.inf
            for i in range(count):
                ax, ay = along[i, 0], along[i, 1]
                dx, dy = cx - wall[i, 0], cy - wall[i, 1]
                part = (dx * ax + dy * ay) / max(ax * ax + ay * ay, 1e-12)
                part = min(max(part, 0.0), 1.0)
                away[i, 0], away[i, 1] = dx - part * ax, dy - part * ay
                far[i] = np.sqrt(away[i, 0] * away[i, 0] + away[i, 1] * away[i, 1])
                if turn == 0:
                    keep[i] = min(radius, far[i] + YIELD)
                elif keep[i] - far[i] > most:
                    worst, most = i, keep[i] - far[i]
            if turn == 0:
                continue
            gap, gone = most, max(far[worst], 1e-6)
            dx, dy = away[worst, 0] / gone, away[worst, 1] / gone
            # Past the wall already: the way out is back where the disc came from.
            px, py = cx - away[worst, 0], cy - away[worst, 1]
            if cx * px + cy * py > px * px + py * py:
                dx, dy = -dx, -dy
                gap = keep[worst] + far[worst]
            moves[b, 0] += max(gap, 0.0) * dx
            moves[b, 1] += max(gap, 0.0) * dy
