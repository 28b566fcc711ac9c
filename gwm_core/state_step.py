"""State first: one tick of the player and the moving things, with what will be heard.

Each of a tick's two frames: the look turns the walker, throws and pushes act, every body perceives
its clearances, the guides move it and the nets correct them. The result is plain values.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from .bodies import (
    BALL,
    BOX,
    DOOR,
    FIRST_STEP,
    JUMP_SPEED,
    PITCH_LIMIT,
    PUSH_CONE,
    PUSH_REACH,
    STEP_LENGTH,
    THROW_EVERY,
    THROW_SPEED,
    WALK_SPEED,
    Bodies,
    Player,
    middle,
)
from .model.body_tokens import INPUTS
from .model.state import OUT, OUTPUTS, SCALE_POS, SCALE_YAW, StateNets
from .physics import DT
from .state_inputs import (
    ball_inputs,
    box_inputs,
    door_inputs,
    heading,
    player_inputs,
    turn2,
    wished,
)
from .state_memory import MemorySurroundings, default_materials
from .state_observe import Crowd, see_balls, see_boxes, see_doors, see_player

FRAMES = 2
PUSH_IMPULSE, PUSH_SPEED, PUSH_RATE, PUSH_EVERY = 11.0, 2.6, 2.4, 4
IDLE_GAP = 0.5
PLASTER, WOOD = 5, 0
LOUD = 0.15
"""Impacts weaker than this (log force, 0 to 1) are left silent."""
CORRECTIONS = 8
QUIET = np.zeros(OUTPUTS)
"""What the nets say of free motion: no correction, no event, no rest."""
QUIET[[OUT["rest"], OUT["event"]]] = -5.0
QUIET[OUT["ground"]] = 5.0


@dataclass(frozen=True)
class Event:
    """Something heard: tick (1 is the first), frame 0 or 1 of it, kind (impact, footstep, throw),
    sounding material 0..5 of what was met, strength 0..1 (log force), slot (-1 the walker), place.
    """

    tick: int
    frame: int
    kind: str
    material: int
    strength: float
    slot: int
    place: tuple[float, float, float]


@dataclass(frozen=True)
class StateResult:
    """The two frames of a tick: players and bodies after each, and the events in order."""

    players: tuple[Player, Player]
    bodies: tuple[Bodies, Bodies]
    events: tuple[Event, ...]


def mass_of(kind: int, size) -> float:
    """Mass (kg) that a ball or box of this size (half extents, m) usually has."""
    s = float(size[0])
    if kind == BALL:
        return 0.55 if abs(s - 0.12) < 0.006 else 0.25 + 25 * s * s
    return min(max(110.0 * float(np.prod(size)) ** (2 / 3), 4.0), 11.0)


def push(bodies: Bodies, player: Player) -> tuple[Bodies, bool]:
    """Bodies after a push by the walker, and whether anything was in reach."""
    vel, rate = np.array(bodies.vel), np.array(bodies.yaw_rate)
    aim = np.array([math.cos(player.yaw), math.sin(player.yaw)])
    pushed = False
    for i in bodies.active:
        if not bodies.movable[i]:
            continue
        centre = bodies.pos[i, :2]
        along = np.array([math.cos(bodies.yaw[i]), math.sin(bodies.yaw[i])])
        if bodies.kind[i] == DOOR:
            centre = centre + along * bodies.size[i, 0]
        elif not -0.3 < bodies.pos[i, 2] - player.pos[2] < 1.9:
            continue
        gap = centre - player.pos[:2]
        angle = math.remainder(math.atan2(gap[1], gap[0]) - player.yaw, 2 * math.pi)
        if math.hypot(*gap) > PUSH_REACH or abs(angle) > PUSH_CONE / 2:
            continue
        pushed = True
        if bodies.kind[i] == DOOR:
            rate[i] += PUSH_RATE * float(np.sign(along[0] * aim[1] - along[1] * aim[0]))
        else:
            vel[i, :2] += min(PUSH_IMPULSE / mass_of(bodies.kind[i], bodies.size[i]),
                              PUSH_SPEED) * aim
    return (bodies.with_(vel=vel, yaw_rate=rate) if pushed else bodies), pushed


class StateModel:
    """Predicts the state streams. Immutable and deterministic; safe to share between threads."""

    def __init__(self, nets: StateNets, materials=None):
        self.nets = nets.eval()
        table = default_materials()
        if materials is not None:
            table = np.where(np.asarray(materials, np.uint8) < 6, materials, table)
        self.materials = table.astype(np.uint8)

    @staticmethod
    def from_tensors(tensors, metadata: dict) -> StateModel:
        """From checkpoint tensors named as the nets' own and metadata {"inputs", "widths",
        "materials": sounding material of every label, 255 none}."""
        if dict(metadata["inputs"]) != INPUTS or int(metadata.get("outputs", OUTPUTS)) != OUTPUTS:
            raise ValueError(f"state nets: token widths {metadata['inputs']} do not fit this "
                             f"version, which reads {INPUTS}")
        nets = StateNets(metadata["inputs"], metadata["widths"])
        nets.load_state_dict({k: torch.as_tensor(v).float() for k, v in tensors.items()})
        return StateModel(nets, metadata.get("materials"))

    @staticmethod
    def load(path) -> StateModel:
        """From a file of the training command."""
        from safetensors import safe_open

        with safe_open(str(path), "pt") as file:
            metadata = json.loads(file.metadata()["state"])
            return StateModel.from_tensors({k: file.get_tensor(k) for k in file.keys()}, metadata)  # noqa: SIM118

    @torch.no_grad()
    def _net(self, kind: str, tokens, gate, asked=None) -> np.ndarray:
        """Outputs [B, OUTPUTS]: corrections (times the gate [B]) and logits, where it is asked."""
        asked = gate > 0 if asked is None else asked
        out = np.tile(QUIET, (len(tokens), 1))
        if asked.any():
            made = self.nets(kind, torch.from_numpy(tokens)).numpy().astype(np.float64)
            made[:, :CORRECTIONS] *= gate[:, None]
            out[asked] = made[asked]
        return out

    def step(self, player: Player, bodies: Bodies, controls, around, tick: int = 0,
             floor_z: float = 0.0) -> StateResult:
        """One tick.

        controls float [9] (see the rooms embodiment); around: the Memory of the fixed world, or
        other Surroundings with `material(point) -> 0..5`; tick: number of this tick, for the
        events; floor_z: height of the floor (m).
        """
        if hasattr(around, "keyframes"):
            around = MemorySurroundings(around, self.materials)
        c = np.asarray(controls, np.float64)
        if c.shape != (9,) or not np.isfinite(c).all():
            raise ValueError(f"state step: controls {c.shape}, expected 9 finite numbers")
        events: list[Event] = []
        players, moments = [], []
        player = replace(player, cooldown=max(player.cooldown - 1, 0),
                         push_wait=max(player.push_wait - 1, 0))
        for frame in range(FRAMES):
            yaw = player.yaw - math.radians(c[7]) / FRAMES
            pitch = player.pitch + math.radians(c[8]) / FRAMES
            player = replace(player, yaw=math.remainder(yaw, 2 * math.pi),
                             pitch=min(max(pitch, -PITCH_LIMIT), PITCH_LIMIT))
            if frame == 0:
                player, bodies = self._act(player, bodies, c, tick, events)
            wish = wished(c[None], np.array([player.yaw]))
            crowd = Crowd(bodies, player)
            walker, heard = self._walk(player, wish, crowd, around, floor_z)
            after = self._balls(bodies, player, crowd, around, floor_z, heard)
            after = self._boxes(bodies, after, player, wish, crowd, around, floor_z, heard)
            after = self._doors(bodies, after, player, wish, crowd, around, heard)
            walker = self._gait(player, walker, wish, tick, frame, around, events)
            for slot, strength, place in heard:
                if strength < LOUD:
                    continue
                material = self._material(slot, place, bodies, around)
                events.append(Event(tick, frame, "impact", material, float(strength), int(slot),
                                    tuple(float(v) for v in place)))
            player, bodies = walker, after
            players.append(player)
            moments.append(bodies)
        return StateResult(tuple(players), tuple(moments), tuple(events))

    @staticmethod
    def _act(player, bodies, c, tick, events):
        """Throw, push and jump, at the start of a tick."""
        if c[6] > 0.5 and player.cooldown == 0:
            start = player.pose[:3] - (0, 0, 0.15)
            bodies = bodies.throw(start, player.vel + THROW_SPEED * player.forward)
            slot = int(np.argmax(bodies.id))
            events.append(Event(tick, 0, "throw", PLASTER, 0.35, slot,
                                tuple(float(v) for v in start)))
            player = replace(player, cooldown=THROW_EVERY)
        if c[5] > 0.5 and player.push_wait == 0:
            bodies, pushed = push(bodies, player)
            if pushed:
                player = replace(player, push_wait=PUSH_EVERY)
        if c[4] > 0.5 and player.on_ground and abs(player.vel[2]) < 0.2:
            vel = np.array(player.vel)
            vel[2] = JUMP_SPEED
            player = replace(player, vel=vel, on_ground=False)
        return player, bodies

    def _walk(self, player, wish, crowd, around, floor_z):
        """The walker's next place and velocity, and impacts heard."""
        travel = heading(player.vel[None], wish, np.array([player.yaw]))
        seen = see_player(around, crowd, player, float(travel[0]), floor_z)
        height = np.array([max(player.pos[2] - floor_z, 0.0)])
        tokens, move, vel, gate, asked = player_inputs(
            player.vel[None], wish, travel, np.array([player.on_ground]), height,
            seen["static"][None].astype(np.float64), seen["moving"][None].astype(np.float64),
            seen["known"][None], seen["below"][None], getattr(around, "axes", 0.0))
        out = self._net("player", tokens, gate, asked)[0]
        still = not wish.any() and np.linalg.norm(player.vel) < 0.02 and player.on_ground
        if still:
            return replace(player, vel=np.zeros(3)), []
        move = turn2(move + out[None, OUT["dpos"]] * SCALE_POS, travel)[0]
        vel = turn2(vel + out[None, OUT["dvel"]] * SCALE_POS / DT, travel)[0]
        pos = player.pos + move
        pos[2] = max(pos[2], floor_z)
        # Feet are on the ground where there is ground right below and they do not rise.
        support = pos[2] < floor_z + 0.004 or seen["below"].min() < 0.03
        ground = support and vel[2] < 0.3 and (
            pos[2] < floor_z + 0.004 or out[OUT["ground"]] > 0)
        if ground:
            vel[2] = 0.0
            if player.on_ground and abs(pos[2] - player.pos[2]) < 0.02:
                pos[2] = player.pos[2]
        heard = []
        if out[OUT["event"]] > 0:
            way = np.array([math.cos(travel[0]), math.sin(travel[0]), 0.0])
            place = pos + 0.3 * way + np.array([0, 0, 0.9])
            heard.append((-1, np.clip(out[OUT["force"]], 0, 1), place))
        return replace(player, pos=pos, vel=vel, on_ground=ground), heard

    @staticmethod
    def _gait(before, after, wish, tick, frame, around, events):
        """Footsteps from the distance walked, and at landing."""
        here = tuple(float(v) for v in after.pos)
        phase = after.phase
        if after.on_ground:
            if not before.on_ground and before.vel[2] < -0.8:
                strength = min(1.0, 0.45 + 0.12 * -float(before.vel[2]))
                events.append(Event(tick, frame, "footstep", around.material(after.pos), strength,
                                    -1, here))
            speed = float(np.hypot(after.vel[0], after.vel[1]))
            grown = phase + float(np.hypot(*(after.pos - before.pos)[:2]))
            if math.floor((grown - FIRST_STEP) / STEP_LENGTH) > math.floor(
                    (phase - FIRST_STEP) / STEP_LENGTH):
                strength = 0.30 + 0.15 * min(speed / WALK_SPEED, 1.0)
                events.append(Event(tick, frame, "footstep", around.material(after.pos), strength,
                                    -1, here))
            phase = 0.0 if speed < 0.06 and not wish.any() else grown
        return replace(after, phase=phase)

    @staticmethod
    def _awake(bodies, index, player):
        """Those of `index` that move, or that something near may set in motion."""
        out = []
        moving = np.linalg.norm(bodies.vel, axis=1) + np.abs(bodies.yaw_rate) > 1e-3
        for i in index:
            reach = float(np.hypot(bodies.size[i, 0], bodies.size[i, 1])) + IDLE_GAP
            centre = middle(bodies.kind[i], bodies.pos[i], bodies.yaw[i], bodies.size[i])
            if moving[i] or np.hypot(*(centre[:2] - player.pos[:2])) < reach:
                out.append(i)
                continue
            for j in np.nonzero(moving & (bodies.kind > 0))[0]:
                if np.linalg.norm(centre - bodies.pos[j]) < reach + float(bodies.size[j, 0]):
                    out.append(i)
                    break
        return np.array(out, int)

    def _balls(self, bodies, player, crowd, around, floor_z, heard):
        index = self._awake(bodies, bodies.of(BALL), player)
        if not len(index):
            return bodies
        seen = see_balls(around, crowd, bodies, index, bodies.vel[index], floor_z)
        n, basis = len(index), seen["basis"]
        old, radius = bodies.pos[index], bodies.size[index, 0].astype(np.float64)
        # Tokens know heights above the floor only through clearances; the guide needs none.
        tokens, pos, vel, gate = ball_inputs(
            old, bodies.vel[index], radius, basis, seen["dirs"],
            seen["static"].astype(np.float64), seen["moving"].astype(np.float64), seen["known"],
            np.tile(player.pos, (n, 1)), np.tile(player.vel, (n, 1)))
        out = self._net("ball", tokens, gate)
        pos = pos + np.einsum("bij,bi->bj", basis, out[:, OUT["dpos"]] * SCALE_POS)
        vel = vel + np.einsum("bij,bi->bj", basis, out[:, OUT["dvel"]] * SCALE_POS / DT)
        rest = (out[:, OUT["rest"]] > 0) & (np.linalg.norm(bodies.vel[index], axis=1) < 0.1)
        pos = np.where(rest[:, None], old, pos)
        vel = np.where(rest[:, None], 0.0, vel)
        pos[:, 2] = np.maximum(pos[:, 2], floor_z + radius)
        for b, i in enumerate(index):
            if out[b, OUT["event"]] > 0 and not rest[b]:
                nearest = np.argmin(np.minimum(seen["static"][b], seen["moving"][b]))
                place = pos[b] + seen["dirs"][b, nearest] * radius[b]
                heard.append((i, np.clip(out[b, OUT["force"]], 0, 1), place))
        return _moved(bodies, index, pos=pos, vel=vel)

    def _boxes(self, before, after, player, wish, crowd, around, floor_z, heard):
        index = self._awake(before, before.of(BOX), player)
        if not len(index):
            return after
        seen = see_boxes(around, crowd, before, index, player)
        n, frame, size = len(index), seen["frame"], seen["size"]
        old, rate = before.pos[index], before.yaw_rate[index]
        mate = turn2(player.pos - old, -frame)
        tokens, move, vel, turn, gate = box_inputs(
            turn2(before.vel[index], -frame), rate, size, seen["static"].astype(np.float64),
            seen["moving"].astype(np.float64), seen["known"], mate[:, :2],
            mate[:, 2] + size[:, 2], turn2(np.tile(player.vel, (n, 1)), -frame)[:, :2],
            turn2(np.tile(wish, (n, 1)), -frame))
        out = self._net("box", tokens, gate)
        pos = old + turn2(move + out[:, OUT["dpos"]] * SCALE_POS, frame)
        vel = turn2(vel + out[:, OUT["dvel"]] * SCALE_POS / DT, frame)
        yaw = before.yaw[index] + turn * DT + out[:, OUT["dyaw"]][:, 0] * SCALE_YAW
        rate = turn + out[:, OUT["drate"]][:, 0] * SCALE_YAW / DT
        rest = (out[:, OUT["rest"]] > 0) & (np.linalg.norm(before.vel[index], axis=1) < 0.1)
        pos, vel = np.where(rest[:, None], old, pos), np.where(rest[:, None], 0.0, vel)
        yaw, rate = np.where(rest, before.yaw[index], yaw), np.where(rest, 0.0, rate)
        pos[:, 2] = np.maximum(pos[:, 2], floor_z + size[:, 2])
        for b, i in enumerate(index):
            if out[b, OUT["event"]] > 0 and not rest[b]:
                way = np.append(np.sign(before.vel[i, :2]) * size[b, :2], -size[b, 2])
                heard.append((i, np.clip(out[b, OUT["force"]], 0, 1), old[b] + way))
        return _moved(after, index, pos=pos, vel=vel, yaw=yaw, yaw_rate=rate)

    def _doors(self, before, after, player, wish, crowd, around, heard):
        index = self._awake(before, before.of(DOOR), player)
        if not len(index):
            return after
        seen = see_doors(around, crowd, before, index, player)
        n, side, yaw = len(index), seen["side"], before.yaw[index]
        flip = np.stack([np.ones(n), side], 1)
        size, rate = before.size[index].astype(np.float64), before.yaw_rate[index]
        tokens, turn, speed, gate = door_inputs(
            rate * side, size, turn2(player.pos - before.pos[index], -yaw)[:, :2] * flip,
            turn2(np.tile(player.vel, (n, 1)), -yaw)[:, :2] * flip,
            turn2(np.tile(wish, (n, 1)), -yaw) * flip, seen["static"].astype(np.float64),
            seen["moving"].astype(np.float64), seen["known"])
        out = self._net("door", tokens, gate)
        turn = (turn + out[:, OUT["dyaw"]][:, 0] * SCALE_YAW) * side
        speed = (speed + out[:, OUT["drate"]][:, 0] * SCALE_YAW / DT) * side
        rest = (out[:, OUT["rest"]] > 0) & (np.abs(rate) < 0.1)
        turn, speed = np.where(rest, 0.0, turn), np.where(rest, 0.0, speed)
        for b, i in enumerate(index):
            if out[b, OUT["event"]] > 0 and not rest[b]:
                reach = 2 * size[b, 0] * np.array([math.cos(yaw[b]), math.sin(yaw[b]), 0.0])
                heard.append((i, np.clip(out[b, OUT["force"]], 0, 1), before.pos[i] + reach))
        return _moved(after, index, yaw=yaw + turn, yaw_rate=speed)

    @staticmethod
    def _material(slot: int, place, bodies: Bodies, around) -> int:
        """What was met: another body at that place (boxes and doors of wood), else the surface."""
        for i in bodies.active:
            if i != slot and bodies.kind[i] != BALL and np.linalg.norm(
                    (bodies.pos[i] - place)[:2]) < 0.05 + float(bodies.size[i, 0]):
                return WOOD
        return int(around.material(np.asarray(place)))


def _moved(bodies: Bodies, index, **changes) -> Bodies:
    """Bodies with some rows of some arrays replaced."""
    arrays = {}
    for name, rows in changes.items():
        array = np.array(getattr(bodies, name))
        array[index] = rows
        arrays[name] = array
    return bodies.with_(**arrays)
