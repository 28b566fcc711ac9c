"""Body tokens and physics guides for batches of one kind, from states and clearances.

The same functions serve training (rays of the simulator) and play (rays into the memory), so the
nets meet the same numbers in both. All arrays are float64 [B, ...] unless noted.
"""

from __future__ import annotations

import numpy as np

from .bodies import GRAVITY, HEIGHT, RADIUS, WALK_SPEED
from .compiled import kernel
from .model.body_tokens import soft, tokens
from .physics import (
    AZIMUTHS,
    BALL_DIRS,
    BOX_AZIMUTHS,
    BOX_HEIGHTS,
    DT,
    PLAYER_HEIGHTS,
    ball_guide,
    push_out,
)
from .state_gates import ball_gate, box_gate, door_gate, player_gate

PICKUP, STRENGTH = 900.0 / 70.0, 10.0
"""The legs: acceleration per missing speed (1/s) and its limit along each world axis (m/s^2)."""
SUBSTEPS = 10
UNEVEN = 0.08
"""Surfaces above each other this near (m) in distance count as one wall."""
FRICTION, DRAG = 0.7, 0.95


def wished(controls, yaw) -> np.ndarray:
    """Walking velocity [B,2] asked for by controls [B,9] at heading yaw [B]."""
    ahead = controls[:, 0] - controls[:, 2]
    right = controls[:, 3] - controls[:, 1]
    norm = np.maximum(np.hypot(ahead, right), 1e-9)
    moving = (np.hypot(ahead, right) > 0) * WALK_SPEED / norm
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([(ahead * c + right * s) * moving, (ahead * s - right * c) * moving], 1)


def heading(vel, wish, yaw) -> np.ndarray:
    """Direction of travel [B]: where the walker wants to go, else goes, else looks."""
    drift = np.hypot(vel[:, 0], vel[:, 1])
    out = np.where(drift > 0.05, np.arctan2(vel[:, 1], vel[:, 0]), yaw)
    return np.where(np.hypot(wish[:, 0], wish[:, 1]) > 0, np.arctan2(wish[:, 1], wish[:, 0]), out)


def turn2(vectors, angle) -> np.ndarray:
    """Vectors [B,2+] with their first two members turned by angle [B] about z."""
    out = np.array(vectors, np.float64)
    c, s = np.cos(angle), np.sin(angle)
    x, y = vectors[:, 0], vectors[:, 1]
    out[:, 0], out[:, 1] = c * x - s * y, s * x + c * y
    return out


@kernel
def _legs(v, wish, move, h, steps):
    """Speed v [B,2] up to wish [B,2] in so many steps of h seconds; the way is added to move
    [B,3]."""
    for b in range(len(v)):
        for k in range(2):
            speed, way = v[b, k], move[b, k]
            for _ in range(steps):
                speed += min(max(PICKUP * (wish[b, k] - speed), -STRENGTH), STRENGTH) * h
                way += speed * h
            v[b, k], move[b, k] = speed, way


def walker_guide(vel, wish, ground, height, axes: float = 0.0):
    """Free motion of the walker in world axes: displacement and new velocity [B,3] of a frame.

    vel [B,3], wish [B,2], ground bool [B], height [B] of the foot above the floor (m). axes: the
    heading (rad) of the rooms' walls, along which and across which the legs' strength is limited.
    """
    v, move = turn2(vel[:, :2], -axes), np.zeros((len(vel), 3))
    _legs(v, turn2(wish, -axes), move, DT / SUBSTEPS, SUBSTEPS)
    v, move = turn2(v, axes), turn2(move, axes)
    vz = vel[:, 2] - GRAVITY * DT
    drop = vel[:, 2] * DT - GRAVITY * DT * DT * (SUBSTEPS + 1) / (2 * SUBSTEPS)
    landed = ground | (height + drop <= 0)
    move[:, 2] = np.where(ground, 0.0, np.maximum(drop, -height))
    new = np.concatenate([v, np.where(landed, 0.0, vz)[:, None]], 1)
    return move, new, landed


def wall_of(static) -> np.ndarray:
    """Reach [B,48] of clearances at several heights [B,48,5]: the nearest, or the middle one where
    it is hardly further, so that one slides along a wall whose surface is not seen quite even."""
    out = np.empty(static.shape[:2])
    _reaches(np.ascontiguousarray(static, np.float64), out)
    return out


@kernel
def _reaches(static, out):
    """Reach out [B,A] of static [B,A,H], H odd; see wall_of."""
    count = static.shape[2]
    order = np.empty(count)
    for b in range(out.shape[0]):
        for a in range(out.shape[1]):
            for h in range(count):
                value, k = static[b, a, h], h
                while k > 0 and order[k - 1] > value:
                    order[k] = order[k - 1]
                    k -= 1
                order[k] = value
            low, middle = order[0], order[count // 2]
            out[b, a] = middle if middle - low < UNEVEN else low


def player_inputs(vel, wish, yaw_travel, ground, height, static, moving, known, below,
                  axes: float = 0.0):
    """Tokens [B,n], the guide (displacement, velocity) [B,3] in the frame of travel, the gate [B]
    and where [B] the net is asked at all.

    vel [B,3], wish [B,2] world; ground bool [B], height [B] of the foot above the floor; static,
    moving [B,48,5]: clearances from the axis, azimuth 0 along yaw_travel [B]; known bool [B,48];
    below [B,5]: room under the foot (middle, front, left, back, right); axes: see walker_guide.
    """
    v = turn2(vel, -yaw_travel)
    w = turn2(wish, -yaw_travel)
    free, guide_v, landed = walker_guide(vel, wish, ground, height, axes)
    free, guide_v = turn2(free, -yaw_travel), turn2(guide_v, -yaw_travel)
    move = free.copy()
    # Most of what moves gives way: how much it holds the walker up is left to the net.
    move[:, :2] = push_out(free[:, :2], wall_of(static))
    shift = move[:, :2] - free[:, :2]
    guide_v[:, :2] += shift / DT
    low, high = moving[:, :, :3].min(2), moving[:, :, 3:].min(2)
    rows = tokens(
        "player", vel=v / WALK_SPEED, wish=w / WALK_SPEED,
        flags=np.stack([ground, landed, np.exp(-height / 0.1)], 1), pushed=shift / 0.03,
        static=soft(static - RADIUS), moving=soft(np.stack([low, high], 2) - RADIUS),
        known=known, below=soft(below),
    )
    return rows, move, guide_v, *player_gate(static, moving, height, below)


def ball_inputs(pos, vel, radius, basis, dirs, static, moving, known, mate_pos, mate_vel):
    """Tokens, the guide (new pos, new vel) in world axes [B,3] and the gate [B].

    basis [B,3,3] frames of travel; dirs [B,74,3]; static, moving [B,74] from the centre; known
    bool [B,74]; mate_pos (foot), mate_vel [B,3]: the player.
    """
    dist = np.minimum(static, moving)
    new_pos, new_vel, contact, normal = ball_guide(pos, vel, radius, dirs, dist)

    def own(v):
        return np.einsum("bij,bj->bi", basis, v)

    nearest = np.stack([mate_pos[:, 0], mate_pos[:, 1],
                        np.clip(pos[:, 2], mate_pos[:, 2], mate_pos[:, 2] + HEIGHT)], 1) - pos
    far = np.linalg.norm(nearest, axis=1, keepdims=True)
    gap = far - RADIUS - radius[:, None]
    closeness = np.exp(-np.maximum(gap, 0) / 0.3) / np.maximum(far, 1e-6)
    speed = np.linalg.norm(vel, axis=1)
    down = dist[:, -1] - radius
    rows = tokens(
        "ball",
        speed=np.stack([speed / 3, np.tanh(speed / 0.3), vel[:, 2] / 3, basis[:, 0, 2],
                        radius / 0.15, np.exp(-np.maximum(down, 0) / 0.02)], 1),
        touch=np.stack([contact, contact < 1, np.exp(-np.maximum(gap[:, 0], 0) / 0.06)], 1),
        normal=own(normal) * (contact < 1)[:, None],
        change=own(new_vel - vel) / 3,
        mate=own(nearest * closeness), matevel=own(mate_vel) / WALK_SPEED,
        static=soft(static - radius[:, None]), moving=soft(moving - radius[:, None]), known=known,
    )
    return rows, new_pos, new_vel, ball_gate(dist, radius, speed, moving, DT)


def box_extent(size) -> np.ndarray:
    """Distance [B,24] from a box's centre to its side along each azimuth of its own axes."""
    angle = 2 * np.pi * np.arange(BOX_AZIMUTHS) / BOX_AZIMUTHS
    with np.errstate(divide="ignore"):
        x = size[:, :1] / np.abs(np.cos(angle))
        y = size[:, 1:2] / np.abs(np.sin(angle))
    return np.minimum(x, y)


def box_inputs(vel, rate, size, static, moving, known, mate, mate_height, mate_vel, wish):
    """Tokens, the guide (displacement, velocity [B,3], rate [B]) in the box's own axes, the gate.

    All vectors are in those axes; mate [B,2]: the player's foot from the centre; mate_height [B]:
    its foot above the box's underside; static, moving [B,24,2]; known [B,24].
    """
    speed = np.hypot(vel[:, 0], vel[:, 1])
    slow = np.maximum(1 - FRICTION * GRAVITY * DT / np.maximum(speed, 1e-6), 0.0)
    new = vel.copy()
    new[:, :2] *= slow[:, None]
    new[:, 2] = 0
    nearest = np.clip(mate, -size[:, :2], size[:, :2])
    offset = mate - nearest
    far = np.linalg.norm(offset, axis=1)
    gap = far - RADIUS
    toward = offset / np.maximum(far, 1e-6)[:, None]
    # The walker's body takes up the room it walks into.
    closing = np.maximum(-(mate_vel * toward).sum(1) * DT - np.maximum(gap, 0), 0)
    closing = np.where((mate_height < 2 * size[:, 2]), closing, 0) * (gap < 0.15)
    bump = -toward * closing[:, None]
    new[:, :2] += bump / DT * 0.5
    rows = tokens(
        "box", vel=vel * DT / 0.05, rate=rate[:, None] * DT / 0.05, size=size / 0.3,
        mate=toward * np.exp(-np.maximum(gap, 0) / 0.4)[:, None], nearest=nearest / size[:, :2],
        touch=np.concatenate([soft(gap), np.stack([mate_height < 2 * size[:, 2],
                                                   np.tanh(speed / 0.2)], 1)], 1),
        matevel=mate_vel / WALK_SPEED, wish=wish / WALK_SPEED,
        static=soft(static - box_extent(size)[..., None]),
        moving=soft(moving.min(2) - box_extent(size)), known=known,
    )
    turn = rate * np.where(speed > 0.02, 0.8, 0.5)
    beside = (moving.min(2) - box_extent(size)).min(1)
    return rows, new * DT, new, turn, box_gate(vel, rate, gap, beside)


def door_inputs(rate, size, mate, mate_vel, wish, static, moving, known):
    """Tokens, the guide (angle step, rate) [B] of hinged panels and the gate [B].

    Axes: x from the hinge along the panel, y towards the player's side (the caller mirrors), so
    positive angles turn towards the player. mate, mate_vel, wish [B,2]; static, moving, known
    [B,24]: clearances from the hinge at half height.
    """
    reach = 2 * size[:, 0]
    along = np.clip(mate[:, 0], 0, reach)
    offset = np.stack([mate[:, 0] - along, mate[:, 1]], 1)
    gap = np.linalg.norm(offset, axis=1) - RADIUS - size[:, 1]
    closing = np.maximum(-mate_vel[:, 1] * DT - np.maximum(gap, 0), 0) * (gap < 0.15)
    bump = -closing / np.maximum(along, 0.15) / DT
    new = rate * DRAG
    new = np.minimum(new, np.where(closing > 0, bump, np.inf))
    rows = tokens(
        "door", rate=rate[:, None] / 2, size=size[:, :2], mate=mate / reach[:, None],
        touch=np.concatenate([soft(gap), np.stack([closing / 0.05, along / reach], 1)], 1),
        matevel=mate_vel / WALK_SPEED, wish=wish / WALK_SPEED,
        static=soft(static), moving=soft(moving), known=known,
    )
    return rows, new * DT, new, door_gate(rate, gap, moving.min(1))


__all__ = ["AZIMUTHS", "BALL_DIRS", "BOX_HEIGHTS", "PLAYER_HEIGHTS", "ball_inputs",
           "box_extent", "box_inputs", "door_inputs", "heading", "player_inputs", "turn2", "wished"]
