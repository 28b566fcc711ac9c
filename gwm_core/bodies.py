"""The player and the moving things of a world, as plain immutable values.

Both are numpy only: networks turn them into tokens, the rasteriser draws them, the world file
stores them. World frame: metres, z up, yaw counter-clockwise from +x (see the embodiment).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

SLOTS = 12
EMPTY, BALL, BOX, DOOR = 0, 1, 2, 3
KINDS = ("empty", "ball", "box", "door")
TEXTURE = 24

RADIUS = 0.25
HEIGHT = 1.7
EYE = 1.55
WALK_SPEED = 1.9
JUMP_SPEED = 3.2
GRAVITY = 9.81
PITCH_LIMIT = math.radians(60.0)
THROW_SPEED = 5.5
THROW_RADIUS = 0.12
THROW_EVERY = 6
THROW_RGB = (1.0, 0.478, 0.078)
THROWN_BALLS = 3
FIRST_THROWN = 1000
PUSH_REACH = 1.1
PUSH_CONE = math.radians(60.0)
STEP_LENGTH = 0.70
FIRST_STEP = 0.35


def _frozen(array, dtype, shape, name):
    """A read-only contiguous copy of `array`; ValueError names what does not fit."""
    out = np.array(array, dtype=dtype, order="C")
    if out.shape != shape:
        raise ValueError(f"Bodies: {name} has shape {out.shape}, expected {shape}")
    out.setflags(write=False)
    return out


@dataclass(frozen=True, eq=False)
class Player:
    """The walker. `pos` [3] is the foot (m), `vel` [3] m/s, `yaw` and `pitch` radians.

    `phase` is the distance (m) walked on the ground since the last rest, 0 at rest: footsteps
    sound where it passes FIRST_STEP + k * STEP_LENGTH. `cooldown` and `push_wait` count the ticks
    until the next throw and push are possible.
    """

    pos: np.ndarray
    vel: np.ndarray
    yaw: float = 0.0
    pitch: float = 0.0
    on_ground: bool = True
    phase: float = 0.0
    cooldown: int = 0
    push_wait: int = 0

    def __post_init__(self):
        object.__setattr__(self, "pos", _frozen(self.pos, np.float64, (3,), "player pos"))
        object.__setattr__(self, "vel", _frozen(self.vel, np.float64, (3,), "player vel"))
        object.__setattr__(self, "yaw", float(self.yaw))
        object.__setattr__(self, "pitch", float(self.pitch))
        object.__setattr__(self, "on_ground", bool(self.on_ground))
        object.__setattr__(self, "phase", float(self.phase))
        object.__setattr__(self, "cooldown", int(self.cooldown))
        object.__setattr__(self, "push_wait", int(self.push_wait))

    @staticmethod
    def at_pose(pose) -> Player:
        """A player at rest whose eye is at the camera pose [5] (x, y, z, yaw, pitch)."""
        x, y, z, yaw, pitch = (float(v) for v in pose)
        return Player(pos=(x, y, z - EYE), vel=(0, 0, 0), yaw=yaw, pitch=pitch)

    @property
    def pose(self) -> np.ndarray:
        """Camera pose float64 [5] (x, y, z of the eye, yaw, pitch)."""
        return np.array([self.pos[0], self.pos[1], self.pos[2] + EYE, self.yaw, self.pitch])

    @property
    def forward(self) -> np.ndarray:
        """Unit view direction [3], pitch included."""
        c = math.cos(self.pitch)
        return np.array([c * math.cos(self.yaw), c * math.sin(self.yaw), math.sin(self.pitch)])

    def to_array(self) -> np.ndarray:
        """float64 [12]: pos, vel, yaw, pitch, on_ground, phase, cooldown, push_wait."""
        tail = [self.yaw, self.pitch, self.on_ground, self.phase, self.cooldown, self.push_wait]
        return np.concatenate([self.pos, self.vel, np.array(tail, np.float64)])

    @staticmethod
    def from_array(values) -> Player:
        """The inverse of to_array; the last member may be missing (0)."""
        v = np.asarray(values, np.float64)
        if v.shape not in ((11,), (12,)):
            raise ValueError(f"Player: array has shape {v.shape}, expected (12,)")
        wait = int(v[11]) if len(v) > 11 else 0
        return Player(v[0:3], v[3:6], v[6], v[7], v[8] > 0.5, v[9], int(v[10]), wait)


@dataclass(frozen=True, eq=False)
class Bodies:
    """SLOTS slots of moving things as a struct of arrays; kind 0 marks an empty slot.

    kind int8 [N]: 1 ball, 2 box, 3 door.
    pos float64 [N,3]: centre; of a door the foot of its hinge axis (the panel reaches from there
        2*size[0] along (cos yaw, sin yaw), size[1] to either side, and 2*size[2] up).
    yaw, yaw_rate float64 [N] (rad, rad/s); vel float64 [N,3] (m/s; 0 for doors).
    size float32 [N,3]: ball (r, r, r); box half extents along its own axes; door half width,
        half thickness, half height.
    rgb float32 [N,3] in 0..1; texture uint8 [N,24,24,3], rows from the top, or None: a ball's
        is its face as the camera saw it (a square around the disc), a box's or door's its front.
    movable bool [N]; id int32 [N], unique while the world runs (0 in empty slots).
    """

    kind: np.ndarray
    pos: np.ndarray
    yaw: np.ndarray
    vel: np.ndarray
    yaw_rate: np.ndarray
    size: np.ndarray
    rgb: np.ndarray
    movable: np.ndarray
    id: np.ndarray
    texture: np.ndarray | None = field(default=None)

    def __post_init__(self):
        n = len(np.asarray(self.kind))
        for name, dtype, shape in (
            ("kind", np.int8, (n,)), ("pos", np.float64, (n, 3)), ("yaw", np.float64, (n,)),
            ("vel", np.float64, (n, 3)), ("yaw_rate", np.float64, (n,)),
            ("size", np.float32, (n, 3)), ("rgb", np.float32, (n, 3)),
            ("movable", np.bool_, (n,)), ("id", np.int32, (n,)),
        ):
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype, shape, name))
        if self.texture is not None:
            shape = (n, TEXTURE, TEXTURE, 3)
            value = _frozen(self.texture, np.uint8, shape, "texture")
            object.__setattr__(self, "texture", value)

    @staticmethod
    def empty(slots: int = SLOTS) -> Bodies:
        """No bodies."""
        z, z3 = np.zeros(slots), np.zeros((slots, 3))
        return Bodies(kind=z, pos=z3, yaw=z, vel=z3, yaw_rate=z, size=z3, rgb=z3,
                      movable=z.astype(bool), id=z)

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def active(self) -> np.ndarray:
        """Indexes of the slots in use, int64 [M]."""
        return np.nonzero(self.kind > 0)[0]

    def of(self, kind: int) -> np.ndarray:
        """Indexes of the slots that hold `kind`."""
        return np.nonzero(self.kind == kind)[0]

    def with_(self, **changes) -> Bodies:
        """A copy with whole arrays replaced."""
        return replace(self, **changes)

    def add(self, kind: int, pos, *, yaw: float = 0.0, vel=(0, 0, 0), yaw_rate: float = 0.0,
            size=(THROW_RADIUS,) * 3, rgb=THROW_RGB, texture=None, movable: bool = True,
            id: int | None = None) -> Bodies:
        """A copy with one more body, in the first empty slot; `id` defaults to the next free one.

        When every slot is taken the oldest ball makes room, else the body that was added first;
        so a world that throws for ever keeps a bounded state.
        """
        if kind not in (BALL, BOX, DOOR):
            raise ValueError(f"Bodies: kind {kind} is unknown, accepted are 1 ball, 2 box, 3 door")
        free = np.nonzero(self.kind == EMPTY)[0]
        if len(free):
            slot = int(free[0])
        else:
            balls = self.of(BALL)
            pool = balls if len(balls) else np.arange(len(self))
            slot = int(pool[np.argmin(self.id[pool])])
        arrays = {name: np.array(getattr(self, name)) for name in FIELDS}
        values = {"kind": kind, "pos": pos, "yaw": yaw, "vel": vel, "yaw_rate": yaw_rate,
                  "size": size, "rgb": rgb, "movable": movable,
                  "id": self.next_id() if id is None else id}
        for name, value in values.items():
            arrays[name][slot] = value
        textures = self.texture
        if texture is not None or textures is not None:
            if textures is None:
                textures = np.zeros((len(self), TEXTURE, TEXTURE, 3), np.uint8)
                textures[:] = np.round(np.clip(arrays["rgb"], 0, 1) * 255)[:, None, None]
            textures = np.array(textures)
            if texture is None:
                textures[slot] = np.round(np.clip(np.asarray(rgb), 0, 1) * 255)
            else:
                textures[slot] = texture
        return Bodies(**arrays, texture=textures)

    def next_id(self) -> int:
        """One more than the largest id below FIRST_THROWN."""
        return int(self.id[self.id < FIRST_THROWN].max(initial=0)) + 1

    def throw(self, pos, vel) -> Bodies:
        """A copy with a ball thrown from pos [3] at vel [3]; at most THROWN_BALLS exist at once."""
        thrown = np.nonzero((self.id >= FIRST_THROWN) & (self.kind == BALL))[0]
        number = max(int(self.id.max(initial=0)) + 1, FIRST_THROWN)
        out = self
        if len(thrown) >= THROWN_BALLS:
            out = self.remove(int(thrown[np.argmin(self.id[thrown])]))
        return out.add(BALL, pos, vel=vel, texture=throw_texture(), id=number)

    def remove(self, slot: int) -> Bodies:
        """A copy with `slot` emptied."""
        arrays = {name: np.array(getattr(self, name)) for name in FIELDS}
        for name in FIELDS:
            arrays[name][slot] = 0
        return Bodies(**arrays, texture=self.texture)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name (texture only where there is one), for files."""
        out = {name: getattr(self, name) for name in FIELDS}
        if self.texture is not None:
            out["texture"] = self.texture
        return out

    @staticmethod
    def from_arrays(arrays) -> Bodies:
        """The inverse of to_arrays; KeyError where one is missing."""
        return Bodies(**{name: arrays[name] for name in FIELDS}, texture=arrays.get("texture"))

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in self.to_arrays().values())


FIELDS = ("kind", "pos", "yaw", "vel", "yaw_rate", "size", "rgb", "movable", "id")


def throw_texture() -> np.ndarray:
    """The one look of a thrown ball, uint8 [24,24,3]: orange with a white band."""
    rows = (np.arange(TEXTURE) + 0.5) / TEXTURE * 2 - 1
    out = np.empty((TEXTURE, TEXTURE, 3), np.uint8)
    out[:] = np.round(np.array(THROW_RGB) * 255)
    out[np.abs(rows) < 0.22] = 250
    return out


def middle(kind: int, pos, yaw: float, size) -> np.ndarray:
    """The centre [3] of a body (a door's pos is the foot of its hinge)."""
    pos = np.asarray(pos, np.float64)
    if kind != DOOR:
        return pos
    return pos + np.array([math.cos(yaw) * size[0], math.sin(yaw) * size[0], size[2]])


def cuboids(bodies: Bodies, skip: int = -1) -> np.ndarray:
    """Boxes and doors as oriented cuboids, float64 [M,8]: centre, yaw, half extents, slot."""
    rows = []
    for i in bodies.active:
        if i == skip or bodies.kind[i] == BALL:
            continue
        sx, sy, sz = (float(v) for v in bodies.size[i])
        x, y, z = bodies.pos[i]
        yaw = float(bodies.yaw[i])
        if bodies.kind[i] == DOOR:
            x, y, z = x + sx * math.cos(yaw), y + sx * math.sin(yaw), z + sz
        rows.append((x, y, z, yaw, sx, sy, sz, i))
    return np.array(rows, np.float64).reshape(-1, 8)


def spheres(bodies: Bodies, skip: int = -1) -> np.ndarray:
    """Balls, float64 [M,5]: centre, radius, slot."""
    rows = [(*bodies.pos[i], float(bodies.size[i, 0]), i) for i in bodies.of(BALL) if i != skip]
    return np.array(rows, np.float64).reshape(-1, 5)
