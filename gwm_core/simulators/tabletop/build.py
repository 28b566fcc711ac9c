"""A scene as MuJoCo's model language: a table, a gantry with a gripper, boxes, a ball, decals.

Only boxes, balls and flat discs, no textures and no meshes. So one drawing context serves every
scene, and nothing here is anybody else's work.
"""

from __future__ import annotations

import math

from .randomise import PLATE_HALF, RAIL_TOP, RAIL_TRAVEL, Scene

TICK, SUBSTEPS = 0.1, 20
STEP = TICK / SUBSTEPS
TABLE_HALF, FLOOR = 0.35, -0.16
OPENING = 0.08  # m between the finger tips when open
FINGER_HALF = (0.007, 0.010, 0.035)
# name, centre in the gripper's frame (origin between the finger tips, z up), half sizes, colour;
# each finger stands OPENING / 2 + its own half width from the middle when open and closes inwards
PARTS = (
    ("palm", (0.0, 0.0, 0.083), (0.058, 0.016, 0.013), (0.27, 0.28, 0.32)),
    ("arm", (0.0, 0.0, 0.296), (0.015, 0.015, 0.200), (0.34, 0.35, 0.38)),
    ("left", (-OPENING / 2 - FINGER_HALF[0], 0.0, FINGER_HALF[2]), FINGER_HALF, (0.93, 0.93, 0.95)),
    ("right", (OPENING / 2 + FINGER_HALF[0], 0.0, FINGER_HALF[2]), FINGER_HALF, (0.93, 0.93, 0.95)),
)
WRIST = (0.0, -0.105, 0.135, math.pi / 2, math.radians(-58))  # on the carriage, at yaw 0
FOVY = {"front": 45.0, "side": 45.0, "wrist": 70.0}
VIEWS = tuple(FOVY)
# what a target may be: x, y, z (m), roll, pitch, yaw (rad)
REACH_LOW = (-0.335, -0.335, -0.022, -0.35, -0.35, -1.5)
REACH_HIGH = (0.335, 0.335, 0.34, 0.35, 0.35, 1.5)
LEASH = 0.06  # m: a target never runs further ahead of a blocked tip
OBJECT_MASS, GRIP_FORCE = 0.08, 6.0
# natural frequency 50 rad/s, a little over critically damped: settled in a tick, no overshoot
_SLIDE = {"kp": 625.0, "damping": 26.0, "force": 19.0}
_HINGE = {"kp": 35.0, "damping": 1.5, "force": 8.0}
_FINGER = {"kp": 300.0, "damping": 7.0}


def _n(*values: float) -> str:
    return " ".join(f"{float(v):.6f}" for v in values)


def camera_axes(pose) -> str:
    """`xyaxes` of a camera pose (x, y, z, yaw, pitch): right and up, never rolled."""
    yaw, pitch = float(pose[3]), float(pose[4])
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    return _n(sy, -cy, 0.0, -sp * cy, -sp * sy, cp)


def _flat(name: str, x: float, y: float, hx: float, hy: float, top: float, rgb, angle=0.0) -> str:
    """A decal without contacts; `top` orders those that lie on one another."""
    return (f'<geom name="{name}" type="box" pos="{_n(x, y, top / 2)}" '
            f'size="{_n(hx, hy, top / 2)}" euler="{_n(0, 0, angle)}" rgba="{_n(*rgb, 1)}" '
            'class="flat"/>')


def _pattern(scene: Scene) -> list[str]:
    """Quiet lines on the table top: a border, and by pattern a cross, a grid or nothing more."""
    out, edge, w = [], 0.27, 0.005
    for i, (x, y, hx, hy) in enumerate(((0, -edge, edge, w), (0, edge, edge, w),
                                        (-edge, 0, w, edge), (edge, 0, w, edge))):
        out.append(_flat(f"border{i}", x, y, hx, hy, 0.0003, scene.lines))
    places = {0: (), 1: (0.0,), 2: (-0.09, 0.09)}[scene.pattern]
    for i, v in enumerate(places):
        out.append(_flat(f"line_x{i}", v, 0, 0.004, edge, 0.0002, scene.lines))
        out.append(_flat(f"line_y{i}", 0, v, edge, 0.004, 0.0002, scene.lines))
    return out


def _zones(scene: Scene) -> list[str]:
    out = []
    for z in scene.zones:
        if z.kind == "disc":
            out.append(f'<geom name="zone_{z.name}" type="cylinder" pos="{_n(z.x, z.y, 0.0002)}" '
                       f'size="{_n(z.radius, 0.0002)}" rgba="{_n(*z.rgb, 1)}" class="flat"/>')
        elif z.kind == "plate":
            rim = [c * 0.72 for c in z.rgb]
            out.append(_flat("zone_plate_rim", z.x, z.y, PLATE_HALF, PLATE_HALF, 0.0004, rim))
            inner = PLATE_HALF - 0.006
            out.append(_flat("zone_plate", z.x, z.y, inner, inner, 0.0006, z.rgb))
    if scene.rail is not None:
        r, half = scene.rail, RAIL_TRAVEL + 0.03
        out.append(_flat("rail", r.x, r.y, half, 0.009, RAIL_TOP, (0.30, 0.31, 0.34), r.angle))
        end = scene.zone("rail_end")
        out.append(_flat("zone_rail_end", end.x, end.y, 0.03, 0.03, 0.0006, end.rgb, r.angle))
    return out


def _objects(scene: Scene) -> list[str]:
    out = []
    for t in scene.objects:
        rgba = f'rgba="{_n(*t.rgb, 1)}" mass="{OBJECT_MASS}"'
        if t.name == "knob":
            r = scene.rail
            out.append(
                f'<body name="knob" pos="{_n(r.x, r.y, t.pos[2])}" euler="{_n(0, 0, r.angle)}">'
                f'<joint name="knob" type="slide" axis="1 0 0" damping="2" frictionloss="0.4" '
                f'range="{_n(-RAIL_TRAVEL - 0.005, RAIL_TRAVEL + 0.005)}" limited="true"/>'
                f'<geom name="knob" type="box" size="{_n(*t.half)}" {rgba} class="thing"/></body>')
            continue
        kind = (f'type="sphere" size="{_n(t.half[0])}" condim="6" friction="0.8 0.005 0.0012"'
                if t.kind == "ball" else f'type="box" size="{_n(*t.half)}"')
        out.append(f'<body name="{t.name}" pos="{_n(*t.pos)}" euler="{_n(0, 0, t.yaw)}">'
                   f'<joint name="{t.name}" type="free"/>'
                   f'<geom name="{t.name}" {kind} {rgba} class="thing"/></body>')
    return out


def _gripper() -> str:
    parts = {name: (f'<geom name="{name}" type="box" pos="{_n(*centre)}" size="{_n(*half)}" '
                    f'rgba="{_n(*rgb, 1)}"') for name, centre, half, rgb in PARTS}
    slides = "".join(f'<joint name="{a}" type="slide" axis="{v}" damping="{_SLIDE["damping"]}"/>'
                     for a, v in (("x", "1 0 0"), ("y", "0 1 0"), ("z", "0 0 1")))
    hinges = {a: f'<joint name="{a}" type="hinge" axis="{v}" damping="{_HINGE["damping"]}" '
                 'armature="0.011"/>'
              for a, v in (("yaw", "0 0 1"), ("pitch", "0 1 0"), ("roll", "1 0 0"))}
    fingers = "".join(
        f'<body name="{name}" gravcomp="1"><joint name="{name}" type="slide" axis="{sign} 0 0" '
        f'range="-0.001 {OPENING / 2 + 0.0005}" limited="true" damping="{_FINGER["damping"]}"/>'
        f'{parts[name]} mass="0.035" class="finger"/></body>' for name, sign in (("left", 1),
                                                                              ("right", -1)))
    return (f'<body name="carriage" gravcomp="1">{slides}{hinges["yaw"]}'
            '<inertial pos="0 0 0.1" mass="0.06" diaginertia="1e-4 1e-4 1e-4"/>'
            f'<camera name="wrist" pos="{_n(*WRIST[:3])}" xyaxes="{camera_axes(WRIST)}" '
            f'fovy="{FOVY["wrist"]}"/>'
            f'<body name="gripper" gravcomp="1">{hinges["pitch"]}{hinges["roll"]}'
            f'{parts["palm"]} mass="0.09" class="palm"/>{parts["arm"]} mass="0.03" class="arm"/>'
            f'{fingers}</body></body>')


def _actuators() -> str:
    out = []
    for joint in ("x", "y", "z"):
        out.append(f'<position joint="{joint}" kp="{_SLIDE["kp"]}" '
                   f'forcerange="-{_SLIDE["force"]} {_SLIDE["force"]}"/>')
    for joint in ("roll", "pitch", "yaw"):
        out.append(f'<position joint="{joint}" kp="{_HINGE["kp"]}" '
                   f'forcerange="-{_HINGE["force"]} {_HINGE["force"]}"/>')
    for joint in ("left", "right"):
        out.append(f'<position joint="{joint}" kp="{_FINGER["kp"]}" '
                   f'forcerange="-{GRIP_FORCE} {GRIP_FORCE}"/>')
    return "".join(out)


def mjcf(scene: Scene) -> str:
    """The model text of a scene. Bits of contact: 1 table and floor, 2 gripper, 4 objects."""
    cameras = "".join(
        f'<camera name="{name}" pos="{_n(*pose[:3])}" xyaxes="{camera_axes(pose)}" '
        f'fovy="{FOVY[name]}"/>' for name, pose in scene.cameras.items())
    body = "\n".join([*_pattern(scene), *_zones(scene), *_objects(scene)])
    t = TABLE_HALF
    return f"""<mujoco model="tabletop">
<compiler angle="radian" autolimits="true"/>
<option timestep="{STEP}" integrator="implicitfast" cone="elliptic" impratio="5"/>
<statistic extent="1" center="0 0 0" meansize="0.05"/>
<visual><map znear="0.02" zfar="6"/>
<quality shadowsize="0" offsamples="0" numslices="28" numstacks="14"/>
<headlight ambient="{_n(*[scene.ambient] * 3)}" diffuse="0.22 0.22 0.22" specular="0 0 0"/></visual>
<asset><material name="matt" specular="0" shininess="0" reflectance="0"/></asset>
<default><geom material="matt" friction="0.8 0.005 0.0001" solref="0.011 1"/>
<default class="ground"><geom contype="1" conaffinity="6"/></default>
<default class="flat"><geom contype="0" conaffinity="0"/></default>
<default class="thing"><geom contype="4" conaffinity="7"/></default>
<default class="palm"><geom contype="2" conaffinity="5"/></default>
<default class="finger"><geom contype="2" conaffinity="5" friction="1.4 0.02 0.0001"/></default>
<default class="arm"><geom contype="0" conaffinity="0"/></default></default>
<worldbody>
<light directional="true" pos="0 0 2" dir="{_n(*scene.light)}" castshadow="false"
 diffuse="{_n(*[scene.strength] * 3)}" specular="0 0 0"/>
{cameras}
<geom name="floor" type="box" size="4 4 0.05" pos="0 0 {FLOOR - 0.05}" class="ground"
 rgba="{_n(*scene.floor, 1)}"/>
<geom name="table" type="box" size="{t} {t} 0.02" pos="0 0 -0.02" class="ground"
 rgba="{_n(*scene.table, 1)}"/>
<geom name="foot" type="box" size="0.1 0.1 {(-FLOOR - 0.04) / 2}" pos="0 0 {(FLOOR - 0.04) / 2}"
 class="flat" rgba="{_n(*[c * 0.6 for c in scene.table], 1)}"/>
{body}
{_gripper()}
</worldbody>
<actuator>{_actuators()}</actuator>
</mujoco>"""
