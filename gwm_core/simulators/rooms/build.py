"""MuJoCo model of a floor plan."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from . import catalogue as cat
from . import textures as tx
from .layout import LEAF, WALL, Layout
from .mesh import room_meshes

STEP = 1.0 / 240.0
SLOTS = 12
POOL = 3  # thrown balls that can exist at once
THROWN_RADIUS, THROWN_MASS = 0.12, 0.55
RADIUS, EYE, TALL = 0.25, 1.55, 1.7
# collision bits
B_STATIC, B_PLAYER, B_THING, B_DOOR, B_FRESH, B_FLOOR = 1, 2, 4, 8, 16, 32
THING_AFFINITY = B_STATIC | B_PLAYER | B_THING | B_DOOR | B_FLOOR | B_FRESH
FRESH_AFFINITY = B_STATIC | B_THING | B_DOOR | B_FLOOR
KINDS = {"ball": 1, "box": 2, "door": 3}
#: surface -> part of the label
PART = {"floor": cat.FLOOR, "wall": cat.WALL, "ceiling": cat.CEILING, "trim": cat.TRIM,
        "picture": cat.TRIM, "door": cat.DOOR, "latch": cat.DOOR, "window": cat.WINDOW,
        "shade": cat.LAMP}


@dataclass
class Slot:
    """One body slot: kind as in gwm_core.bodies (1 ball, 2 box, 3 door), look and material."""

    kind: int
    body: int
    qpos: int
    dof: int
    size: tuple[float, float, float]
    mass: float
    look: str
    rgb: tuple[float, float, float]
    material: int
    pool: bool
    geoms: tuple[int, ...]


@dataclass
class Model:
    mj: mujoco.MjModel
    slots: list[Slot]
    solid: np.ndarray  # [n, 6] centre and half extents of every fixed solid box
    solid_material: np.ndarray  # [n] sounding material
    geom_label: np.ndarray  # [ngeom] uint8
    geom_slot: np.ndarray  # [ngeom] uint8: slot + 1, 0 static
    geom_material: np.ndarray  # [ngeom] sounding material of solid geoms, -1 unknown, -2 floor
    player_geom: int


def solid_boxes(layout: Layout) -> list[tuple[tuple, tuple, int]]:
    """Every fixed solid box of a plan as (centre, half extents, sounding material)."""
    out = []
    x0, y0 = min(r.x0 for r in layout.rooms), min(r.y0 for r in layout.rooms)
    x1, y1 = max(r.x1 for r in layout.rooms), max(r.y1 for r in layout.rooms)
    top = 3.3
    h = WALL / 2
    seen: set[tuple] = set()
    for index, room in enumerate(layout.rooms):
        mat = cat.THEMES[room.theme].wall_index
        for axis, at, low, high in (
            (0, room.y0 - h, room.x0, room.x1), (0, room.y1 + h, room.x0, room.x1),
            (1, room.x0 - h, room.y0, room.y1), (1, room.x1 + h, room.y0, room.y1),
        ):
            doors = sorted(
                (o for o in layout.openings if index in o.rooms and o.axis == axis
                 and abs(o.at - at) < 0.03 and o.kind in ("open", "hinged")),
                key=lambda o: o.centre)
            outer = abs(at - (y0 - h)) < 0.01 or abs(at - (y1 + h)) < 0.01 if axis == 0 else (
                abs(at - (x0 - h)) < 0.01 or abs(at - (x1 + h)) < 0.01)
            # a room owns its half of an inner wall and reaches over the corners
            sign = 1.0 if (at > (room.y0 + room.y1) / 2 if axis == 0
                           else at > (room.x0 + room.x1) / 2) else -1.0
            mid, thick = (at, h) if outer else (at - sign * h / 2, h / 2)
            u = low - WALL
            spans = []
            for o in doors:
                spans.append((u, o.centre - o.width / 2, 0.0))
                spans.append((o.centre - o.width / 2, o.centre + o.width / 2, o.high))
                u = o.centre + o.width / 2
            spans.append((u, high + WALL, 0.0))
            for a, b, z in spans:
                if b - a < 1e-3:
                    continue
                c = ((a + b) / 2, mid, (z + top) / 2)
                e = ((b - a) / 2, thick, (top - z) / 2)
                if axis == 1:
                    c, e = (c[1], c[0], c[2]), (e[1], e[0], e[2])
                key = tuple(round(v, 3) for v in (*c, *e))
                if key not in seen:
                    seen.add(key)
                    out.append((c, e, mat))
        for f in room.fixed:
            if f.solid:
                kind = {"stone": "stone", "metal": "metal", "fabric": "carpet"}.get(f.surface)
                out.append((f.centre, f.half, cat.MATERIALS.index(kind or "wood")))
        for (x, y, z), hung in zip(room.lamps, room.lamp_on_ceiling, strict=True):
            if not hung:
                out.append(((x, y, z / 2 + 0.06), (0.1, 0.1, z / 2 + 0.06),
                            cat.MATERIALS.index("metal")))
        out.append((tuple([*room.centre, room.height + 0.05]),
                    ((room.x1 - room.x0) / 2 + h, (room.y1 - room.y0) / 2 + h, 0.05), mat))
    return out


def _texture(spec, name: str, picture: np.ndarray, cube: bool = False) -> None:
    t = spec.add_texture()
    t.name = name
    t.nchannel = 3
    t.width = picture.shape[1]
    if cube:
        t.type = mujoco.mjtTexture.mjTEXTURE_CUBE
        t.height = picture.shape[0] * 6
        t.data = np.ascontiguousarray(np.concatenate([picture] * 6)).tobytes()
    else:
        t.type = mujoco.mjtTexture.mjTEXTURE_2D
        t.height = picture.shape[0]
        t.data = np.ascontiguousarray(picture[::-1]).tobytes()


def _material(spec, name: str, texture: str | None = None, rgb=(1.0, 1.0, 1.0)) -> None:
    m = spec.add_material()
    m.name = name
    m.specular = 0.0
    m.shininess = 0.0
    m.rgba = [*map(float, rgb), 1.0]
    if texture:
        names = list(m.textures)
        names[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] = texture
        m.textures = names


def crate_side() -> np.ndarray:
    """One side of a heavy crate: boards, a dark frame and a diagonal."""
    rng = np.random.Generator(np.random.Philox(key=5))
    boards = tx.small(tx.planks(rng, "#8f6d47", 0.4, 3.2, 0.06), 2) / 255.0
    y, x = np.mgrid[0:256, 0:256] / 255.0
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    frame = (edge < 0.11) | (np.abs(x - y) < 0.07)
    out = np.where(frame[..., None], boards * 0.62, boards)
    line = (np.abs(edge - 0.11) < 0.008) | (np.abs(np.abs(x - y) - 0.07) < 0.008)
    out = np.where((line & (edge > 0.1))[..., None], out * 0.6, out)
    bolts = (np.abs(x - 0.5) > 0.4) & (np.abs(y - 0.5) > 0.4)
    out = np.where((bolts & (edge > 0.03) & (edge < 0.08))[..., None], 0.22, out)
    return (out * 255).astype(np.uint8)


def _visuals(spec, layout: Layout, labels: dict[str, int]) -> None:
    world = spec.worldbody
    stone = tx.small(tx.plaster(np.random.Generator(np.random.Philox(key=9)), "#a49c90", 0.05), 2)
    _texture(spec, "crate", crate_side())
    _texture(spec, "stone", stone)
    _texture(spec, "picture", cat.pictures())
    _texture(spec, "window", cat.sky())
    for name in ("crate", "stone", "picture", "window"):
        _material(spec, name, name)
    _material(spec, "dark", None, tx.colour("#37312c"))
    _material(spec, "latch", None, tx.colour("#24272b"))
    for index, room in enumerate(layout.rooms):
        theme = cat.THEMES[room.theme]
        for part in ("wall", "floor", "wood", "fabric"):
            pic = cat.surface(room.theme, part)
            if part in ("wood", "fabric"):
                pic = tx.small(pic / np.float32(255), 2)
            _texture(spec, f"{part}{index}", pic)
            _material(spec, f"{part}{index}", f"{part}{index}")
        for part, code in (("ceiling", theme.ceiling), ("trim", theme.trim), ("door", theme.door),
                           ("shade", theme.shade)):
            _material(spec, f"{part}{index}", None, tx.colour(code))
        for surface, quads in room_meshes(layout, index, theme).items():
            data = quads.arrays()
            if data is None:
                continue
            v, n, uv, tri = data
            mesh = spec.add_mesh()
            mesh.name = f"m{index}_{surface}"
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
            mesh.uservert = v.astype(np.float32).ravel()
            mesh.usernormal = n.astype(np.float32).ravel()
            mesh.usertexcoord = uv.astype(np.float32).ravel()
            for attr in ("userface", "userfacenormal", "userfacetexcoord"):
                setattr(mesh, attr, tri.astype(np.int32).ravel())
            own = f"{surface}{index}"
            g = world.add_geom()
            g.name = f"v{index}_{surface}"
            g.type = mujoco.mjtGeom.mjGEOM_MESH
            g.meshname = mesh.name
            g.material = own if surface in (
                "wall", "floor", "ceiling", "trim", "door", "wood", "fabric", "shade") else surface
            g.contype = g.conaffinity = 0
            g.group = 1
            labels[g.name] = room.theme * 8 + PART.get(surface, cat.FURNITURE)


def _thing_visual(spec, kind: str, look: str) -> str:
    name = f"{kind}_{look}"
    if name not in [m.name for m in spec.materials]:
        _texture(spec, name, cat.thing_texture(kind, look), cube=True)
        _material(spec, name, name)
    return name


def build(layout: Layout, visual: bool = True) -> Model:
    """Compile a plan.  visual=False leaves out everything that only a picture needs."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = STEP
    spec.option.iterations = 12
    spec.option.ls_iterations = 8
    spec.option.enableflags |= int(mujoco.mjtEnableBit.mjENBL_SLEEP)
    spec.option.sleep_tolerance = 0.004
    spec.visual.map.znear = 0.03
    spec.visual.map.zfar = 60.0
    spec.stat.extent = 1.0
    spec.stat.center = [0, 0, 0]
    q = spec.visual.quality
    q.offsamples = 0
    q.shadowsize = 0
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1280, 1024
    head = spec.visual.headlight
    head.ambient, head.diffuse, head.specular = [0.58] * 3, [0.0] * 3, [0.0] * 3
    world = spec.worldbody
    if visual:
        for direction, strength in (((-0.35, -0.5, -0.79), 0.42), ((0.62, 0.45, 0.55), 0.30)):
            light = world.add_light()
            light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
            light.dir = direction
            light.diffuse, light.ambient, light.specular = [strength] * 3, [0.0] * 3, [0.0] * 3
            light.castshadow = False
        cam = world.add_camera()
        cam.name = "eye"
        cam.fovy = 60.0
    labels: dict[str, int] = {}
    if visual:
        _visuals(spec, layout, labels)
    solids = solid_boxes(layout)
    floor = world.add_geom()
    floor.name, floor.type = "ground", mujoco.mjtGeom.mjGEOM_PLANE
    floor.size = [0, 0, 1]
    floor.contype, floor.conaffinity, floor.group = B_FLOOR, 0, 3
    floor.friction = [0.7, 0.005, 0.0001]
    for k, (c, e, _) in enumerate(solids):
        g = world.add_geom()
        g.name, g.type = f"s{k}", mujoco.mjtGeom.mjGEOM_BOX
        g.pos, g.size = c, e
        g.contype, g.conaffinity, g.group = B_STATIC, 0, 3
        g.friction = [0.6, 0.005, 0.0001]
    player = world.add_body()
    player.name = "player"
    player.pos = [0, 0, 0]
    for axis, name in enumerate("xyz"):
        j = player.add_joint()
        j.name = f"p{name}"
        j.type = mujoco.mjtJoint.mjJNT_SLIDE
        j.axis = [float(axis == k) for k in range(3)]
        if axis == 2:
            j.limited = True
            j.range = [0.0, 20.0]
            j.solref_limit = [0.01, 1.0]
            continue
        a = spec.add_actuator()
        a.name = f"a{name}"
        a.target = j.name
        a.trntype = mujoco.mjtTrn.mjTRN_JOINT
        a.gainprm[0] = 900.0
        a.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        a.biasprm[2] = -900.0
        a.forcelimited, a.forcerange = True, [-700.0, 700.0]
    g = player.add_geom()
    g.name, g.type = "player", mujoco.mjtGeom.mjGEOM_CYLINDER
    g.size = [RADIUS, (TALL - 0.02) / 2, 0]
    g.pos = [0, 0, (TALL + 0.02) / 2]
    g.mass, g.group = 70.0, 3
    g.contype, g.conaffinity = B_PLAYER, B_STATIC | B_THING | B_DOOR
    g.priority, g.condim, g.friction = 2, 1, [0.0, 0.0, 0.0]
    slots: list[dict] = []
    _doors(spec, layout, slots, visual, labels)
    _things(spec, layout, slots, visual)
    mj = spec.compile()
    return _finish(mj, slots, solids, labels)


def _doors(spec, layout: Layout, slots: list[dict], visual: bool, labels) -> None:
    rng = np.random.Generator(np.random.Philox(key=layout.seed * 31 + 5))
    for o in [o for o in layout.openings if o.kind == "hinged"]:
        k = len(slots)
        theme = cat.THEMES[layout.rooms[o.rooms[0]].theme]
        along = np.array([1.0, 0.0]) if o.axis == 0 else np.array([0.0, 1.0])
        hinge = o.point() - along * (LEAF[0] / 2)
        yaw = 0.0 if o.axis == 0 else np.pi / 2
        b = spec.worldbody.add_body()
        b.name = f"body{k}"
        b.pos = [*hinge, 0.0]
        b.quat = [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        j = b.add_joint()
        j.name, j.type = f"j{k}", mujoco.mjtJoint.mjJNT_HINGE
        j.axis = [0, 0, 1]
        j.limited, j.range = True, [-1.55, 1.55]
        j.damping[0] = 2.0
        j.frictionloss = 0.3
        half = (LEAF[0] / 2, LEAF[1] / 2, 1.0)
        g = b.add_geom()
        g.name, g.type = f"g{k}", mujoco.mjtGeom.mjGEOM_BOX
        g.size, g.pos = half, [LEAF[0] / 2, 0, 1.02]
        g.mass, g.group = 9.0, 1
        g.contype, g.conaffinity = B_DOOR, B_PLAYER | B_THING
        g.rgba = [*tx.colour(theme.door), 1]
        names = [g.name]
        if visual:
            for q, (c, e, col) in enumerate((
                ((0.45, 0, 0.55), (0.30, 0.024, 0.32), 0.86),
                ((0.45, 0, 1.45), (0.30, 0.024, 0.42), 0.86),
                ((0.83, 0, 1.02), (0.022, 0.07, 0.022), 2.0),
            )):
                g = b.add_geom()
                g.name, g.type = f"g{k}_{q}", mujoco.mjtGeom.mjGEOM_BOX
                g.size, g.pos, g.mass, g.group = e, c, 0.01, 1
                g.contype = g.conaffinity = 0
                rgb = tx.colour(theme.door) * col if col < 1.5 else tx.colour("#c9b27a")
                g.rgba = [*np.clip(rgb, 0, 1), 1]
                names.append(g.name)
        ajar = float(rng.uniform(0.12, 0.55) * rng.choice([-1, 1]))
        slots.append({"kind": 3, "name": b.name, "size": half, "mass": 9.0, "look": theme.name,
                      "rgb": tuple(map(float, tx.colour(theme.door))), "pool": False,
                      "material": cat.MATERIALS.index("wood"), "geoms": names, "ajar": ajar})


def _things(spec, layout: Layout, slots: list[dict], visual: bool) -> None:
    things = [t for t in layout.things if t.kind == "box"]
    things += [t for t in layout.things if t.kind == "ball"]
    plan = [(t.kind, t.position, t.size, t.mass, t.look, t.yaw, False) for t in things]
    r = THROWN_RADIUS
    plan += [("ball", (-30.0 - 2 * k, -30.0, r), (r, r, r), THROWN_MASS, "thrown", 0.0, True)
             for k in range(POOL)]
    for kind, pos, size, mass, look, yaw, pool in plan:
        k = len(slots)
        b = spec.worldbody.add_body()
        b.name = f"body{k}"
        b.pos = pos
        b.quat = [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        j = b.add_joint()
        j.name, j.type = f"j{k}", mujoco.mjtJoint.mjJNT_FREE
        g = b.add_geom()
        g.name, g.mass, g.group = f"g{k}", mass, 1
        g.contype, g.conaffinity = B_THING, THING_AFFINITY
        if kind == "ball":
            g.type = mujoco.mjtGeom.mjGEOM_SPHERE
            g.size = [size[0], 0, 0]
            g.solref, g.priority = [0.03, 0.15], 1
            g.friction = [0.6, 0.005, 0.0001]
            j.damping[0] = 0.004 * mass / 0.5 * (size[0] / 0.12) ** 2
        else:
            g.type = mujoco.mjtGeom.mjGEOM_BOX
            g.size = size
            g.friction = [0.45, 0.005, 0.0001]
        name = look if look != "thrown" else cat.THROWN_COLOUR
        rgb = tx.colour(cat.THING_COLOURS.get(name, name))
        if visual:
            g.material = _thing_visual(spec, kind, look)
        slots.append({"kind": KINDS[kind], "name": b.name, "size": size, "mass": mass,
                      "look": look, "rgb": tuple(map(float, rgb)), "pool": pool,
                      "material": cat.MATERIALS.index("wood" if kind == "box" else "plaster"),
                      "geoms": [g.name]})


def _finish(mj, slots: list[dict], solids, labels: dict[str, int]) -> Model:
    label = np.full(mj.ngeom, cat.NO_LABEL, np.uint8)
    owner = np.zeros(mj.ngeom, np.uint8)
    material = np.full(mj.ngeom, -1, np.int64)
    for name, value in labels.items():
        label[mj.geom(name).id] = value
    material[mj.geom("ground").id] = -2
    for k, (_, _, m) in enumerate(solids):
        material[mj.geom(f"s{k}").id] = m
    out: list[Slot] = []
    for k, s in enumerate(slots):
        body = mj.body(s["name"]).id
        joint = mj.body_jntadr[body]
        geoms = tuple(int(mj.geom(n).id) for n in s["geoms"])
        for g in geoms:
            owner[g] = k + 1
            material[g] = s["material"]
        if s["kind"] == 3:
            mj.qpos0[mj.jnt_qposadr[joint]] = s["ajar"]
        out.append(Slot(s["kind"], body, int(mj.jnt_qposadr[joint]), int(mj.jnt_dofadr[joint]),
                        tuple(map(float, s["size"])), float(s["mass"]), s["look"], s["rgb"],
                        s["material"], s["pool"], geoms))
    solid = np.array([[*c, *e] for c, e, _ in solids], np.float64)
    return Model(mj, out, solid, np.array([m for _, _, m in solids]), label, owner, material,
                 mj.geom("player").id)
