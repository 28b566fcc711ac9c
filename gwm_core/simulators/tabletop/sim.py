"""The tabletop simulator: actions in, pictures, proprioception and the truth out."""

from __future__ import annotations

import hashlib
import math
import struct

import mujoco
import numpy as np

from ...errors import RoboticsError
from .build import (
    FOVY,
    GRIP_FORCE,
    LEASH,
    OPENING,
    REACH_HIGH,
    REACH_LOW,
    STEP,
    SUBSTEPS,
    VIEWS,
    WRIST,
    mjcf,
)
from .draw import Painter
from .randomise import OBJECTS, RAIL_TRAVEL, Scene, check_task, make_scene
from .tasks import HOLD, Truth, done
from .violations import VIOLATIONS, violated

FPS = 10
ACTION_LIMIT = np.array([0.04, 0.04, 0.04, 0.3, 0.3, 0.3, 1.0])
ACTION_NAMES = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "grip")
STATE_NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "opening", "effort", "force")
ROBOT, FIRST_OBJECT = 1, 2
_KIND = mujoco.mjtState.mjSTATE_INTEGRATION
_MAGIC = struct.Struct("<4sI16s")
_VERSION = 1


class Tabletop:
    """One randomised table with a gripper, at 10 ticks a second.

    task  one of TASKS; seed 0 .. 2**64 - 1: the pair decides the scene on every machine
    size  pixels of each square view (16 .. 1024)

    An observation is ``{"pixels": {view: uint8 [size, size, 3]}, "agent_pos": float32 [9]}``, see
    STATE_NAMES. An action float [7] is a change a tick, see ACTION_NAMES and ACTION_LIMIT.
    """

    def __init__(self, task: str, seed: int, *, size: int = 64) -> None:
        check_task(task)
        if isinstance(size, bool) or not isinstance(size, int) or not 16 <= size <= 1024:
            raise RoboticsError(f"size: got {size!r}; a whole number from 16 to 1024 is accepted")
        self.task, self.size = task, size
        self._painter: Painter | None = None
        self._load(seed)

    # ------------------------------------------------------------------ scene
    def _load(self, seed: int) -> None:
        self.scene: Scene = make_scene(self.task, seed)
        self.seed = self.scene.seed
        text = mjcf(self.scene)
        self.model = m = mujoco.MjModel.from_xml_string(text)
        digest = hashlib.blake2b(text.encode(), digest_size=16, person=b"gwm-tabletop")
        self._digest = digest.digest()
        self.data = mujoco.MjData(m)
        self.close()
        self._cam = {v: m.camera(v).id for v in VIEWS}
        self._joint_q = np.array([m.joint(n).qposadr[0] for n in
                                  ("x", "y", "z", "roll", "pitch", "yaw")])
        self._finger_q = np.array([m.joint(n).qposadr[0] for n in ("left", "right")])
        self._finger_v = np.array([m.joint(n).dofadr[0] for n in ("left", "right")])
        self._tip_v = np.array([m.joint(n).dofadr[0] for n in ("x", "y", "z")])
        self._body = {t.name: m.body(t.name).id for t in self.scene.objects}
        self._dof = {t.name: int(m.joint(t.name).dofadr[0]) for t in self.scene.objects}
        self._loose = [t.name for t in self.scene.objects if t.name != "knob"]
        labels = np.zeros(m.ngeom, np.int8)
        for name in ("palm", "arm", "left", "right"):
            labels[m.geom(name).id] = ROBOT
        for name in self._body:
            labels[m.geom(name).id] = FIRST_OBJECT + OBJECTS.index(name)
        self._labels = labels
        self._finger_geom = [m.geom("left").id, m.geom("right").id]
        zone = self.scene.zone("keep_out")
        self._keep_out = None if zone is None else (zone.x, zone.y)
        self._zones = {z.name: (z.kind, np.array([z.x, z.y, 0.0]), z.radius)
                       for z in self.scene.zones}
        self._start()

    def _start(self) -> None:
        m, d = self.model, self.data
        mujoco.mj_resetData(m, d)
        target = np.array([*self.scene.tip, 0.0, 0.0, self.scene.yaw])
        d.qpos[self._joint_q] = target
        if self.scene.rail is not None:
            d.qpos[m.joint("knob").qposadr[0]] = self.scene.rail.start
        self._target, self._closing = target, 0.0
        self._force = self._effort = 0.0
        self._fall = dict.fromkeys(self._loose, 0.0)
        self._tick = self._held = 0
        self._broken: tuple[str, ...] = ()
        d.ctrl[:6] = target
        self._see()
        self._broken = violated(self._tip(), None, 0.0, self._keep_out, self._centres(),
                                self._fall)

    def _see(self) -> None:
        """Poses of this instant, without touching what the next step depends on."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def reset(self, seed: int | None = None) -> dict:
        """Back to the start of the scene, or of another seed's; the first observation."""
        if seed is None or seed == self.seed:
            self._start()
        else:
            self._load(seed)
        return self.observe()

    # ------------------------------------------------------------------ motion
    def step(self, action) -> dict:
        """One tick. RoboticsError for an action of wrong width, not finite or out of range."""
        self.advance(action)
        return self.observe()

    def advance(self, action) -> None:
        """One tick without pictures."""
        a = check_action(action)
        d = self.data
        before = self._tip()
        pose = d.qpos[self._joint_q]
        target = np.clip(self._target + a[:6], REACH_LOW, REACH_HIGH)
        target[:3] = np.clip(target[:3], pose[:3] - LEASH, pose[:3] + LEASH)
        closing = min(max(self._closing + 0.5 * a[6], 0.0), 1.0)
        old = np.array([*self._target, *[self._closing * OPENING / 2] * 2])
        new = np.array([*target, *[closing * OPENING / 2] * 2])
        ramp = old + (new - old) * (np.arange(1, SUBSTEPS + 1) / SUBSTEPS)[:, None]
        felt = np.empty((SUBSTEPS, self.model.nv))
        speed = np.empty((SUBSTEPS, self.model.nv))
        press = np.empty((SUBSTEPS, 2))
        for k in range(SUBSTEPS):
            d.ctrl[:] = ramp[k]
            mujoco.mj_step(self.model, d)
            felt[k], speed[k] = d.qfrc_constraint, d.qvel
            press[k] = d.qfrc_actuator[self._finger_v] + d.qfrc_passive[self._finger_v]
        self._target, self._closing = target, closing
        self._tick += 1
        self._feel(felt, press)
        falls = self._falls(felt, speed)
        self._see()
        self._broken = violated(self._tip(), before, self._force, self._keep_out,
                                self._centres(), falls)
        self._held = min(self._held + 1, HOLD) if done(self.task, self.truth()) else 0

    def _feel(self, felt: np.ndarray, press: np.ndarray) -> None:
        """Force at the wrist and effort of the fingers, means over the tick.

        The slides are world axes, so the constraint force on them is the sum of all contact
        forces on gripper parts. A thing between the fingers counts as part of the gripper: the
        forces between the two cancel, and with them its weight.
        """
        total = felt[:, self._tip_v].mean(0)
        for name in self._grasped():
            total = total + felt[:, self._dof[name] : self._dof[name] + 3].mean(0)
        self._force = min(float(np.linalg.norm(total)), 30.0)
        self._effort = min(max(float(press.mean()), 0.0) / GRIP_FORCE, 1.0)

    def _grasped(self) -> list[str]:
        """Loose things that touch both fingers."""
        d = self.data
        touch: dict[int, set[int]] = {}
        for a, b in d.contact.geom.tolist():
            for f, o in ((a, b), (b, a)):
                if f in self._finger_geom and self._labels[o] >= FIRST_OBJECT:
                    touch.setdefault(o, set()).add(f)
        both = {self.model.geom(o).name for o, fingers in touch.items() if len(fingers) == 2}
        return [name for name in self._loose if name in both]

    def _falls(self, felt: np.ndarray, speed: np.ndarray) -> dict[str, float]:
        """The longest way that each loose thing fell freely by some instant of this tick."""
        out = {}
        for name in self._loose:
            i = self._dof[name]
            free = (np.abs(felt[:, i : i + 3]) < 1e-9).all(1)
            fall, longest = self._fall[name], 0.0
            if free.any() or fall:
                for alone, down in zip(free, -speed[:, i + 2] * STEP, strict=True):
                    fall = max(fall + down, 0.0) if alone else 0.0
                    longest = max(longest, fall)
            self._fall[name], out[name] = fall, longest
        return out

    # ------------------------------------------------------------------ senses
    def _tip(self) -> np.ndarray:
        return self.data.qpos[self._joint_q[:3]].copy()

    def _centres(self) -> dict[str, np.ndarray]:
        return {n: self.data.xpos[self._body[n]].copy() for n in self._loose}

    def _opening(self) -> float:
        gap = OPENING - float(self.data.qpos[self._finger_q].sum())
        return min(max(gap / OPENING, 0.0), 1.0)

    def agent_pos(self) -> np.ndarray:
        """Proprioception float32 [9], see STATE_NAMES."""
        pose = self.data.qpos[self._joint_q]
        return np.array([*pose, self._opening(), self._effort, self._force], np.float32)

    def _paint(self) -> Painter:
        if self._painter is None:
            self._painter = Painter(self.model, self._labels, self.size)
        return self._painter

    def observe(self) -> dict:
        """The observation of this instant."""
        paint = self._paint()
        pixels = {v: paint.picture(self.data, self._cam[v]) for v in VIEWS}
        return {"pixels": pixels, "agent_pos": self.agent_pos()}

    def labels(self, view: str) -> tuple[np.ndarray, np.ndarray]:
        """`masks` and `depth` of a view in one drawing."""
        if view not in FOVY:
            raise RoboticsError(f"view: got {view!r}; accepted are {', '.join(VIEWS)}")
        return self._paint().labels(self.data, self._cam[view])

    def masks(self, view: str) -> np.ndarray:
        """int8 [size, size]: 0 what stands still, 1 robot, 2.. objects in the order of OBJECTS."""
        return self.labels(view)[0]

    def depth(self, view: str) -> np.ndarray:
        """float32 [size, size], metres along the camera's axis."""
        return self.labels(view)[1]

    def cameras(self) -> dict[str, np.ndarray]:
        """Camera poses float64 [5] by view (x, y, z, yaw, pitch)."""
        pose = self.data.qpos[self._joint_q]
        out = {v: np.array(p, np.float64) for v, p in self.scene.cameras.items()}
        c, s = math.cos(pose[5]), math.sin(pose[5])
        x, y, z, yaw, pitch = WRIST
        out["wrist"] = np.array([pose[0] + c * x - s * y, pose[1] + s * x + c * y, pose[2] + z,
                                 yaw + pose[5], pitch])
        return out

    def truth(self) -> Truth:
        """What is really there at this instant."""
        d = self.data
        objects, quats, speeds = {}, {}, {}
        for t in self.scene.objects:
            body, i = self._body[t.name], self._dof[t.name]
            q = d.xquat[body].copy()
            yaw = math.atan2(2 * (q[0] * q[3] + q[1] * q[2]), 1 - 2 * (q[2] ** 2 + q[3] ** 2))
            objects[t.name] = (t.kind, d.xpos[body].copy(), yaw, np.array(t.half), np.array(t.rgb))
            quats[t.name] = q
            width = 1 if t.name == "knob" else 3
            speeds[t.name] = float(np.linalg.norm(d.qvel[i : i + width]))
        rail = self.scene.rail
        pose = d.qpos[self._joint_q]
        return Truth(pose[:3].copy(), pose[3:].copy(), self._opening(), objects, quats, speeds,
                     dict(self._zones), self.cameras(),
                     None if rail is None else (rail.x, rail.y, rail.angle, RAIL_TRAVEL),
                     self._force)

    def success(self) -> bool:
        """Whether the task is done now and has been for three ticks."""
        return self._held >= HOLD

    def violations(self) -> tuple[str, ...]:
        """What was violated at the last tick, names of VIOLATIONS."""
        return self._broken

    def command(self) -> np.ndarray:
        """Where the gripper was told to be, float64 [7]: x, y, z, roll, pitch, yaw, closing."""
        return np.array([*self._target, self._closing])

    @property
    def tick(self) -> int:
        """Ticks since the start of the scene."""
        return self._tick

    # ------------------------------------------------------------------ snapshots
    def get_state(self) -> bytes:
        """All that the future depends on; `set_state` continues bit for bit."""
        n = mujoco.mj_stateSize(self.model, _KIND.value)
        body = np.empty(n)
        mujoco.mj_getState(self.model, self.data, body, _KIND.value)
        flags = [float(name in self._broken) for name in VIOLATIONS]
        own = [*self._target, self._closing, self._force, self._effort, self._tick, self._held,
               *self._fall.values(), *flags]
        head = _MAGIC.pack(b"GWMT", _VERSION, self._digest)
        return head + np.array([*body, *own], "<f8").tobytes()

    def set_state(self, state: bytes) -> None:
        """Continue from a snapshot of the same scene (task, seed); RoboticsError for another."""
        n = mujoco.mj_stateSize(self.model, _KIND.value)
        own = 11 + len(self._loose) + len(VIOLATIONS)
        wanted = _MAGIC.size + 8 * (n + own)
        if not isinstance(state, bytes | bytearray) or len(state) < _MAGIC.size:
            raise RoboticsError("snapshot: not one; the bytes of Tabletop.get_state are accepted")
        magic, version, digest = _MAGIC.unpack_from(state)
        if magic != b"GWMT" or version != _VERSION:
            raise RoboticsError(f"snapshot: format {magic!r} {version}; version {_VERSION} of "
                                "Tabletop.get_state is accepted")
        if digest != self._digest:
            raise RoboticsError("snapshot: it is of another scene; only one of task "
                                f"{self.task!r}, seed {self.seed} is accepted here")
        if len(state) != wanted:
            raise RoboticsError(f"snapshot: {len(state)} bytes; {wanted} are accepted (was it "
                                "made by another version of MuJoCo?)")
        values = np.frombuffer(state, "<f8", offset=_MAGIC.size).astype(np.float64)
        mujoco.mj_resetData(self.model, self.data)
        mujoco.mj_setState(self.model, self.data, values[:n].copy(), _KIND.value)
        rest = values[n:]
        self._target = rest[:6].copy()
        self._closing, self._force, self._effort = (float(v) for v in rest[6:9])
        self._tick, self._held = int(rest[9]), int(rest[10])
        for name, v in zip(self._loose, rest[11:], strict=False):
            self._fall[name] = float(v)
        flags = rest[11 + len(self._loose) :]
        self._broken = tuple(n for n, v in zip(VIOLATIONS, flags, strict=True) if v)
        self._see()

    def close(self) -> None:
        """Let go of the drawing; it comes back by itself when a picture is asked for."""
        if self._painter is not None:
            self._painter.close()
            self._painter = None


def check_action(action) -> np.ndarray:
    """An action as float64 [7] within ACTION_LIMIT; RoboticsError says what is wrong with it."""
    try:
        a = np.asarray(action, np.float64)
    except (TypeError, ValueError):
        raise RoboticsError(f"action: got {action!r}; seven numbers are accepted") from None
    if a.shape != (7,):
        raise RoboticsError(f"action: shape {a.shape}; [7] is accepted: {', '.join(ACTION_NAMES)}")
    if not np.isfinite(a).all():
        names = ", ".join(n for n, v in zip(ACTION_NAMES, a, strict=True) if not math.isfinite(v))
        raise RoboticsError(f"action: {names} not finite; finite numbers are accepted")
    far = np.abs(a) > ACTION_LIMIT + 1e-6
    if far.any():
        i = int(np.argmax(far))
        raise RoboticsError(f"action: {ACTION_NAMES[i]} = {a[i]:g}; {-ACTION_LIMIT[i]:g} to "
                            f"{ACTION_LIMIT[i]:g} is accepted")
    return np.clip(a, -ACTION_LIMIT, ACTION_LIMIT)
