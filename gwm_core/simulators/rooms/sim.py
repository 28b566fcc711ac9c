"""The rooms simulator: controls in, bodies, pictures and sound events out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import mujoco
import numpy as np

from ... import bodies as bd
from . import catalogue as cat
from .build import B_FRESH, B_THING, FRESH_AFFINITY, POOL, SLOTS, STEP, THING_AFFINITY, build
from .catalogue import Condition
from .layout import make_layout
from .light import Lighting, relight
from .rays import cast, horizontal

FRAMES = 2
SUBSTEPS = 10
FPS = 24
PUSH_IMPULSE, PUSH_SPEED, PUSH_EVERY = 11.0, 2.6, 4
EVENT_FIELDS = ("tick", "sub", "kind", "material", "strength", "slot", "x", "y", "z", "step")
IMPACT, FOOTSTEP, THROW = 0, 1, 2
EVENT_KINDS = ("impact", "footstep", "throw")


@dataclass
class Tick:
    """What one tick produced: per frame pose [2,5], player [2,11], bodies, and the events."""

    pose: np.ndarray
    player: np.ndarray
    bodies: dict[str, np.ndarray]
    events: list[tuple]
    views: list[dict] = field(default_factory=list)


def strength_of(impulse: float) -> float:
    """Log scale of an impulse in N s: 0.05 -> .15, 1 -> .66, 5 -> 1."""
    return 0.5 * math.log10(1.0 + impulse / 0.05)


class Rooms:
    """One world.  `seed` names the floor plan; visual=False cannot draw but builds faster."""

    def __init__(self, seed: int, visual: bool = True, condition: int | Condition = 0,
                 width: int = 256, height: int = 160, fov_deg: float = 60.0) -> None:
        self.layout = make_layout(seed)
        self.model = build(self.layout, visual)
        self.slots = self.model.slots
        self.lighting = Lighting.of(self.layout)
        self.data = mujoco.MjData(self.model.mj)
        self.width, self.height, self.fov_deg = width, height, fov_deg
        self._visual, self._painter = visual, None
        mj = self.model.mj
        self._player_dof = [int(mj.joint(f"p{a}").dofadr[0]) for a in "xyz"]
        self._player_q = [int(mj.joint(f"p{a}").qposadr[0]) for a in "xyz"]
        self._geom_slot = self.model.geom_slot.astype(np.int64)
        self._free = [k for k, s in enumerate(self.slots) if s.kind != 3]
        self._pool = [k for k, s in enumerate(self.slots) if s.pool]
        self._owner = [int(v) for v in self._geom_slot]
        self.reset(condition)

    # ------------------------------------------------------------------ state
    def reset(self, condition: int | Condition = 0, start=None) -> None:
        """Back to the beginning; start: optional (x, y, yaw) instead of the plan's own."""
        mujoco.mj_resetData(self.model.mj, self.data)
        x, y, yaw = self.layout.start if start is None else start
        self.data.qpos[self._player_q] = (x, y, 0.0)
        self.yaw, self.pitch = float(yaw), 0.0
        self.tick = 0
        self.phase, self.cooldown, self.push_wait = 0.0, 0, 0
        self._airborne, self._fall = False, 0.0
        self._thrown: dict[int, int] = {}
        self._next = 0
        self._touch: dict[tuple[int, int], int] = {}
        self._pairs: set[tuple[int, int]] = set()
        self._raw = b""
        self._clock = 0
        self.ids = np.array([k + 1 for k in range(SLOTS)], np.int32)
        self._new_id = SLOTS
        self.condition = Condition.of(condition)
        for k in self._pool:
            g = self.slots[k].geoms[0]
            self.model.mj.geom_contype[g] = B_THING
            self.model.mj.geom_conaffinity[g] = THING_AFFINITY
        mujoco.mj_forward(self.model.mj, self.data)

    def set_condition(self, condition: int | Condition) -> None:
        self.condition = Condition.of(condition)

    @property
    def foot(self) -> np.ndarray:
        return self.data.qpos[self._player_q].copy()

    @property
    def velocity(self) -> np.ndarray:
        return self.data.qvel[self._player_dof].copy()

    @property
    def pose(self) -> np.ndarray:
        """Camera pose float64 [5]."""
        x, y, z = self.data.qpos[self._player_q]
        return np.array([x, y, z + bd.EYE, self.yaw, self.pitch])

    def player(self) -> bd.Player:
        return bd.Player(self.foot, self.velocity, self.yaw, self.pitch, not self._airborne,
                         self.phase, self.cooldown)

    def _player_row(self) -> np.ndarray:
        return np.concatenate([self.foot, self.velocity,
                               [self.yaw, self.pitch, float(not self._airborne), self.phase,
                                float(self.cooldown)]])

    def body_arrays(self) -> dict[str, np.ndarray]:
        """The bodies as plain arrays of SLOTS rows (see gwm_core.bodies.Bodies)."""
        d = self.data
        kind = np.zeros(SLOTS, np.int8)
        pos, vel = np.zeros((SLOTS, 3)), np.zeros((SLOTS, 3))
        yaw, rate = np.zeros(SLOTS), np.zeros(SLOTS)
        quat = np.zeros((SLOTS, 4), np.float32)
        quat[:, 0] = 1
        for k, s in enumerate(self.slots):
            if s.pool and k not in self._thrown:
                continue
            kind[k] = s.kind
            if s.kind == 3:
                pos[k] = d.xpos[s.body] + (0, 0, 0.02)
                a = d.xmat[s.body]
                yaw[k] = math.atan2(a[3], a[0])
                rate[k] = d.qvel[s.dof]
                quat[k] = d.xquat[s.body]
            else:
                q = d.qpos[s.qpos : s.qpos + 7]
                pos[k] = q[:3]
                quat[k] = q[3:]
                vel[k] = d.qvel[s.dof : s.dof + 3]
                if s.kind == 2:
                    yaw[k] = math.atan2(2 * (q[3] * q[6] + q[4] * q[5]),
                                        1 - 2 * (q[5] ** 2 + q[6] ** 2))
                    rate[k] = d.qvel[s.dof + 5]
        return {"kind": kind, "pos": pos, "yaw": yaw, "vel": vel, "yaw_rate": rate, "quat": quat,
                "id": np.where(kind > 0, self.ids, 0).astype(np.int32)}

    def body_constants(self) -> dict[str, np.ndarray]:
        """What does not change in an episode: size, rgb, movable, mass, material, texture."""
        out = {"size": np.zeros((SLOTS, 3), np.float32), "rgb": np.zeros((SLOTS, 3), np.float32),
               "movable": np.zeros(SLOTS, bool), "mass": np.zeros(SLOTS, np.float32),
               "material": np.zeros(SLOTS, np.int8),
               "texture": np.zeros((SLOTS, bd.TEXTURE, bd.TEXTURE, 3), np.uint8)}
        for k, s in enumerate(self.slots):
            out["size"][k], out["rgb"][k], out["mass"][k] = s.size, s.rgb, s.mass
            out["movable"][k], out["material"][k] = True, s.material
            if s.kind == 3:
                out["texture"][k] = np.round(np.array(s.rgb) * 255)
            else:
                pic = cat.thing_texture("ball" if s.kind == 1 else "box", s.look)
                pick = (np.arange(bd.TEXTURE) * 64 + 32) // bd.TEXTURE
                out["texture"][k] = pic[np.ix_(pick, pick)]
        return out

    def bodies(self) -> bd.Bodies:
        a, c = self.body_arrays(), self.body_constants()
        on = (a["kind"] > 0)[:, None]
        return bd.Bodies(a["kind"], a["pos"], a["yaw"], a["vel"], a["yaw_rate"],
                         np.where(on, c["size"], 0), np.where(on, c["rgb"], 0),
                         c["movable"] & on[:, 0], a["id"], c["texture"])

    # ------------------------------------------------------------------ motion
    def step(self, controls, views: bool = False) -> Tick:
        """Advance one tick by controls [9] (W A S D jump push throw look_x look_y).

        In each of the two frames half of the look is turned first, then ten steps of physics run,
        then the frame is seen.  views=True also draws both frames.
        """
        c = np.asarray(controls, np.float64)
        if c.shape != (9,):
            raise ValueError(f"controls have shape {c.shape}, expected (9,)")
        events: list[tuple] = []
        self.cooldown = max(self.cooldown - 1, 0)
        self.push_wait = max(self.push_wait - 1, 0)
        rows, poses, state, pictures = [], [], [], []
        for sub in range(FRAMES):
            self.yaw -= math.radians(c[7]) / FRAMES
            self.pitch = min(max(self.pitch + math.radians(c[8]) / FRAMES, -bd.PITCH_LIMIT),
                             bd.PITCH_LIMIT)
            if sub == 0:
                if c[6] > 0.5 and self.cooldown == 0:
                    self._throw(events)
                if c[5] > 0.5 and self.push_wait == 0:
                    self._push()
                if c[4] > 0.5 and not self._airborne and abs(self.velocity[2]) < 0.2:
                    self.data.qvel[self._player_dof[2]] = bd.JUMP_SPEED
                    self._airborne = True
            self._frame(c, sub, events)
            rows.append(self._player_row())
            poses.append(self.pose)
            state.append(self.body_arrays())
            if views:
                pictures.append(self.render())
        self.tick += 1
        joined = {k: np.stack([s[k] for s in state]) for k in state[0]}
        return Tick(np.stack(poses), np.stack(rows), joined, events, pictures)

    def _frame(self, c, sub: int, events) -> None:
        d, mj = self.data, self.model.mj
        ahead, side = c[0] - c[2], c[3] - c[1]
        norm = math.hypot(ahead, side)
        speed = bd.WALK_SPEED / norm if norm > 1e-6 else 0.0
        cy, sy = math.cos(self.yaw), math.sin(self.yaw)
        d.ctrl[0] = speed * (ahead * cy + side * sy)
        d.ctrl[1] = speed * (ahead * sy - side * cy)
        qx, qy, qz = self._player_q
        vz = self._player_dof[2]
        x1, y1 = d.qpos[qx], d.qpos[qy]
        for k in range(SUBSTEPS):
            x0, y0 = x1, y1
            mujoco.mj_step(mj, d)
            self._contacts(sub, k, events)
            x1, y1, z = d.qpos[qx], d.qpos[qy], d.qpos[qz]
            w = d.qvel[vz]
            floor = z < 0.004 or (abs(w) < 0.3 and self._stands())
            if floor and w < 0.3:
                if self._airborne and self._fall < -0.8:
                    self._step_event(events, sub, k, min(1.0, 0.45 + 0.12 * -self._fall))
                self._airborne = False
                moved = math.hypot(x1 - x0, y1 - y0)
                before = self.phase
                self.phase += moved
                n0 = math.floor((before - bd.FIRST_STEP) / bd.STEP_LENGTH)
                n1 = math.floor((self.phase - bd.FIRST_STEP) / bd.STEP_LENGTH)
                if n1 > n0:
                    pace = moved / STEP / bd.WALK_SPEED
                    self._step_event(events, sub, k, 0.30 + 0.15 * min(pace, 1.0))
                if moved < 0.06 * STEP and norm < 1e-6:
                    self.phase = 0.0
            elif z > 0.02:
                self._airborne = True
            self._fall = w
        for k in list(self._thrown):
            s = self.slots[k]
            g = s.geoms[0]
            if mj.geom_contype[g] == B_FRESH:
                gap = d.qpos[s.qpos : s.qpos + 2] - d.qpos[[qx, qy]]
                if math.hypot(*gap) > bd.RADIUS + s.size[0] + 0.03:
                    mj.geom_contype[g], mj.geom_conaffinity[g] = B_THING, THING_AFFINITY

    def _step_event(self, events, sub, k, strength) -> None:
        x, y, z = self.foot
        events.append((self.tick + 1, sub, FOOTSTEP, self.floor_material(x, y), strength, -1, x, y,
                       z, k))

    def floor_material(self, x: float, y: float) -> int:
        room = self.layout.rooms[self.layout.room_at(x, y)]
        return cat.THEMES[room.theme].floor_index

    def _contacts(self, sub: int, k: int, events) -> None:
        """Notice new contacts: pairs that had not touched for 25 ms and close in at speed."""
        d = self.data
        self._clock += 1
        if not d.ncon:
            if self._pairs:
                self._parted(self._pairs)
                self._pairs, self._raw = set(), b""
            return
        geoms = d.contact.geom
        raw = geoms.tobytes()
        if raw == self._raw:
            return
        self._raw = raw
        now = {}
        for i, (a, b) in enumerate(geoms.tolist()):
            now.setdefault((a, b), i)
        self._parted(self._pairs - now.keys())
        for key in now.keys() - self._pairs:
            if self._clock - self._touch.get(key, -100) > 6:
                event = self._impact(now[key], *key)
                if event is not None:
                    events.append((self.tick + 1, sub, IMPACT, *event, k))
        self._pairs = set(now)

    def _parted(self, pairs) -> None:
        for key in pairs:
            self._touch[key] = self._clock

    def _stands(self) -> bool:
        """True when the player stands on something other than the floor."""
        d, player = self.data, self.model.player_geom
        if not d.ncon:
            return False
        foot = d.qpos[self._player_q[2]]
        for i, (a, b) in enumerate(d.contact.geom.tolist()):
            if ((a == player or b == player) and abs(d.contact.frame[i][2]) > 0.7
                    and d.contact.pos[i][2] < foot + 0.3):
                return True
        return False

    def _impact(self, i: int, a: int, b: int) -> tuple | None:
        """(material, strength, slot, x, y, z) of a new contact, None when it makes no sound."""
        d, player = self.data, self.model.player_geom
        sa, sb = self._owner[a], self._owner[b]
        va, ma = self._motion(a, sa, player)
        vb, mb = self._motion(b, sb, player)
        closing = abs(float(np.dot(va - vb, d.contact.frame[i][:3])))
        if closing < 0.2:
            return None
        mass = ma * mb / (ma + mb) if ma < 1e8 and mb < 1e8 else min(ma, mb)
        if a == player or b == player:
            if closing < 0.5:
                return None
            mass = min(mass, 4.0)
        x, y, z = (float(v) for v in d.contact.pos[i])
        if sa and sb:  # the lighter thing sounds against the heavier one
            slot, other = (sa, sb) if ma <= mb else (sb, sa)
            material = self.slots[other - 1].material
        else:
            slot, still = (sa, b) if sa else (sb, a)
            if not slot and a == player:
                still = b
            material = int(self.model.geom_material[still])
            if material == -2:
                material = self.floor_material(x, y)
            if material < 0:  # the player against a thing
                material = self.slots[slot - 1].material
        return material, strength_of(1.6 * mass * closing), slot - 1, x, y, z

    def _motion(self, geom: int, slot: int, player: int):
        """(velocity [3], mass) of what owns a geom; infinite mass when it is fixed."""
        if geom == player:
            return self.data.qvel[self._player_dof], 70.0
        if not slot:
            return np.zeros(3), 1e9
        s = self.slots[slot - 1]
        if s.kind == 3:
            rate = self.data.qvel[s.dof]
            a = self.data.xmat[s.body]
            return rate * s.size[0] * np.array([-a[3], a[0], 0.0]), 3.0
        return self.data.qvel[s.dof : s.dof + 3], s.mass

    def _throw(self, events) -> None:
        k = self._pool[self._next % POOL]
        self._next += 1
        self.launch(k, self.pose[:3] - (0, 0, 0.15), self.velocity + bd.THROW_SPEED * self.ahead())
        self.cooldown = bd.THROW_EVERY
        x, y, z = self.pose[:3]
        events.append((self.tick + 1, 0, THROW, 5, 0.35, k, x, y, z - 0.15, 0))

    def ahead(self) -> np.ndarray:
        """Unit view direction [3]."""
        cp = math.cos(self.pitch)
        return np.array([cp * math.cos(self.yaw), cp * math.sin(self.yaw), math.sin(self.pitch)])

    def launch(self, slot: int, position, velocity) -> None:
        """Bring a ball of the pool into the world (it passes the player until it left them)."""
        s, d, mj = self.slots[slot], self.data, self.model.mj
        d.qpos[s.qpos : s.qpos + 7] = [*position, 1, 0, 0, 0]
        d.qvel[s.dof : s.dof + 6] = [*velocity, 0, 0, 0]
        self._wake(s.body)
        g = s.geoms[0]
        mj.geom_contype[g], mj.geom_conaffinity[g] = B_FRESH, FRESH_AFFINITY
        self._thrown[slot] = self.tick
        self._new_id += 1
        self.ids[slot] = self._new_id

    def _wake(self, body: int) -> None:
        """Sleeping islands notice a push only when told."""
        self.data.xfrc_applied[body, 2] += 1e-9

    def _push(self) -> None:
        """An impulse to what is movable within reach in front."""
        d = self.data
        foot = self.foot
        pushed = False
        for k, s in enumerate(self.slots):
            if s.pool and k not in self._thrown:
                continue
            if s.kind == 3:
                a = d.xmat[s.body]
                along = np.array([a[0], a[3]])
                c = d.xpos[s.body][:2] + along * s.size[0]
            else:
                c = d.qpos[s.qpos : s.qpos + 2]
                if not -0.3 < d.qpos[s.qpos + 2] - foot[2] < 1.9:
                    continue
            gap = c - foot[:2]
            dist = math.hypot(*gap)
            angle = math.atan2(gap[1], gap[0]) - self.yaw
            angle = (angle + math.pi) % (2 * math.pi) - math.pi
            if dist > bd.PUSH_REACH or abs(angle) > bd.PUSH_CONE / 2:
                continue
            pushed = True
            self._wake(s.body)
            aim = np.array([math.cos(self.yaw), math.sin(self.yaw)])
            if s.kind == 3:
                d.qvel[s.dof] += 2.4 * float(np.sign(along[0] * aim[1] - along[1] * aim[0]))
            else:
                speed = min(PUSH_IMPULSE / s.mass, PUSH_SPEED)
                d.qvel[s.dof : s.dof + 2] += speed * aim
        if pushed:
            self.push_wait = PUSH_EVERY

    # ------------------------------------------------------------------ senses
    def render(self, pose=None, condition=None) -> dict[str, np.ndarray]:
        """Draw from a pose (default: the player's) under a condition (default: the current one).

        Returns rgb uint8 [H,W,3], depth float32 [H,W], label, body_map and glow uint8 [H,W], and
        reflectance uint8 [H,W,3], which `relight` turns into any condition.
        """
        if not self._visual:
            raise ValueError("this world was built without pictures: use Rooms(seed, visual=True)")
        from .draw import Painter

        if self._painter is None:
            self._painter = Painter(self.model, self.width, self.height, self.fov_deg)
        pose = self.pose if pose is None else np.asarray(pose, np.float64)
        raw, depth, label, body, glow = self._painter.draw(self.data, pose)
        out = {"reflectance": raw, "depth": depth, "label": label, "body_map": body, "glow": glow}
        out["rgb"] = self.relight(out, pose, condition)
        return out

    def relight(self, view: dict, pose, condition=None) -> np.ndarray:
        """A drawn view under a condition (default: the current one), uint8 [H,W,3]."""
        c = self.condition if condition is None else Condition.of(condition)
        return relight(view["reflectance"], view["depth"], view["label"], pose, self.lighting, c,
                       None, self.fov_deg, view["glow"])

    def static_rays(self, position, heights, azimuths, far: float = 60.0) -> np.ndarray:
        """Distances float64 [A, Hn] along level rays to fixed solids.

        position (x, y, z of the foot), heights above it in metres, azimuths in radians (world).
        """
        p, azimuths = np.asarray(position, np.float64), np.asarray(azimuths, np.float64)
        return horizontal(self.model.solid, p, np.asarray(heights, np.float64), azimuths, far)

    def rays(self, origin, directions, far: float = 60.0) -> np.ndarray:
        """Distances float64 [M] from a point along unit directions [M,3] to fixed solids, floor."""
        return cast(self.model.solid, np.asarray(origin, np.float64),
                    np.asarray(directions, np.float64), far)

    def close(self) -> None:
        if self._painter is not None:
            self._painter.close()
            self._painter = None
