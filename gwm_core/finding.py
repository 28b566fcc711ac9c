"""From one picture with depth to slots: the finder net's maps become bodies in world coordinates.

Colours and textures are taken from the picture itself, so a body is drawn later with the pixels
it was seen with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .bodies import BALL, BOX, DOOR, EMPTY, TEXTURE, Bodies, middle
from .guide import grow
from .model.finder import CELL, HEAD, TYPICAL, FinderNet, finder_input
from .state_memory import MATERIAL_LABEL

THRESHOLD = 0.33
SURE, LIKELY = 3.0, 1.0
"""Logits from which a pixel moves: anywhere, and where a found body is."""
SAME_PLACE = {BALL: 0.35, BOX: 0.5, DOOR: 0.8}


@dataclass(frozen=True)
class Found:
    """bodies: at rest, in world coordinates; score float32 [SLOTS] in 0..1 (0 in empty slots).

    moves bool [H,W]: pixels of things that can move, which must not enter the static memory.
    material uint8 [H,W]: sounding material 0..5 of the fixed surface.
    """

    bodies: Bodies
    score: np.ndarray
    moves: np.ndarray
    material: np.ndarray

    @property
    def label(self) -> np.ndarray:
        """uint8 [H,W]: labels that name the materials, for keyframes (255 where things move)."""
        return np.where(self.moves, 255, self.material + MATERIAL_LABEL).astype(np.uint8)


def camera_axes(yaw: float, pitch: float) -> np.ndarray:
    """Rows right, down, forward of a camera, in world axes, float64 [3,3]."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    return np.array([(sy, -cy, 0.0), (cy * sp, sy * sp, -cp), (cy * cp, sy * cp, sp)])


class View:
    """Pixels to world and back for one pose [5], size and vertical field of view."""

    def __init__(self, pose, width: int, height: int, fov_deg: float = 60.0):
        self.eye = np.asarray(pose[:3], np.float64)
        self.yaw, self.pitch = float(pose[3]), float(pose[4])
        self.axes = camera_axes(self.yaw, self.pitch)
        self.focal = height / 2 / math.tan(math.radians(fov_deg) / 2)
        self.cx, self.cy, self.width, self.height = width / 2, height / 2, width, height

    def world(self, u, v, z) -> np.ndarray:
        """Pixel places (edges at integers) and z-depths (m) [...] -> world [...,3]."""
        cam = np.stack([(u - self.cx) / self.focal * z, (v - self.cy) / self.focal * z, z], -1)
        return self.eye + cam @ self.axes

    def project(self, points):
        """World [...,3] -> u, v (pixels), z (m, negative behind the camera)."""
        cam = (np.asarray(points) - self.eye) @ self.axes.T
        z = cam[..., 2]
        safe = np.where(np.abs(z) < 1e-6, 1e-6, z)
        u = cam[..., 0] / safe * self.focal + self.cx
        return u, cam[..., 1] / safe * self.focal + self.cy, z


def peaks(heat, threshold: float):
    """Local maxima of [K,h,w] scores as (kind, row, column), strongest first."""
    grown = torch.nn.functional.max_pool2d(torch.as_tensor(heat)[None], 3, 1, 1)[0].numpy()
    keep = (heat >= grown) & (heat > threshold)
    places = np.argwhere(keep)
    order = np.argsort(-heat[tuple(places.T)], kind="stable")
    return [tuple(int(i) for i in places[k]) for k in order]


def surface_depth(depth, u: float, v: float) -> float:
    """Depth (m) at a pixel place: the median of 3 x 3 pixels, clamped into the picture."""
    h, w = depth.shape
    row, col = min(max(int(v), 1), h - 2), min(max(int(u), 1), w - 2)
    return float(np.median(depth[row - 1 : row + 2, col - 1 : col + 2]))


def read_slot(kind: int, row: int, col: int, values, depth, view: View) -> dict:
    """One slot from its cell's channels [16]; world coordinates, as keywords of Bodies.add."""
    part = {name: np.asarray(values[place], np.float64) for name, place in HEAD.items()}
    cell = np.array([col + 0.5, row + 0.5])
    seen, (u, v) = (cell + part["seen"]) * CELL, (cell + part["centre"]) * CELL
    z = max(surface_depth(depth, *seen) + float(part["behind"][0]), 0.1)
    centre = view.world(u, v, np.float64(z))
    size = TYPICAL * np.exp(np.clip(part["size"], -3, 2))
    bearing = math.atan2(centre[1] - view.eye[1], centre[0] - view.eye[0])
    if kind == BALL:
        return {"kind": BALL, "pos": centre, "size": (float(size.mean()),) * 3}
    if kind == BOX:
        yaw = bearing + math.atan2(part["turn4"][1], part["turn4"][0]) / 4
        flat = float(size[:2].mean())
        return {"kind": BOX, "pos": centre, "yaw": yaw, "size": (flat, flat, float(size[2]))}
    yaw = bearing + math.atan2(part["turn2"][1], part["turn2"][0]) / 2
    # The panel's line is known up to half a turn: the hinge's side (left of the centre as seen
    # from here when its logit is positive) settles it.
    along = np.array([math.cos(yaw), math.sin(yaw), 0.0])
    left = np.array([-math.sin(bearing), math.cos(bearing), 0.0])
    hinge_left = float(part["hinge"][0]) > 0
    if ((along @ left) < 0) != hinge_left:
        yaw, along = yaw + math.pi, -along
    foot = centre - along * size[0] - np.array([0, 0, size[2]])
    return {"kind": DOOR, "pos": foot, "yaw": math.remainder(yaw, 2 * math.pi),
            "size": tuple(float(s) for s in size)}


def face_points(slot: dict, eye) -> np.ndarray:
    """World points [24,24,3] of the side that faces the eye, rows from the top."""
    t = (np.arange(TEXTURE) + 0.5) / TEXTURE * 2 - 1
    across, up = t[None, :, None], -t[:, None, None]
    pos, size = np.asarray(slot["pos"], np.float64), slot["size"]
    if slot["kind"] == BALL:
        to = np.asarray(eye) - pos
        to = to / max(np.linalg.norm(to), 1e-6)
        right = np.cross((0.0, 0.0, 1.0), to)
        right = right / max(np.linalg.norm(right), 1e-6)
        return pos + size[0] * (across * right + up * np.cross(to, right))
    yaw = slot["yaw"]
    ax = np.array([math.cos(yaw), math.sin(yaw), 0.0])
    ay = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    if slot["kind"] == DOOR:
        pos = pos + ax * size[0] + np.array([0, 0, size[2]])
    to = np.asarray(eye)[:2] - pos[:2]
    dx, dy = to @ ax[:2], to @ ay[:2]
    if slot["kind"] == DOOR or abs(dy) - size[1] > abs(dx) - size[0]:
        normal, deep, reach = ay * np.sign(dy or 1.0), size[1], size[0]
    else:
        normal, deep, reach = ax * np.sign(dx or 1.0), size[0], size[1]
    wide = np.cross((0.0, 0.0, 1.0), normal)  # to the right as the camera sees the side
    out = pos + normal * deep + reach * across * wide
    return out + size[2] * up * np.array([0.0, 0.0, 1.0])


def take_texture(slot: dict, rgb, depth, moves, view: View):
    """(mean colour [3] in 0..1, texture uint8 [24,24,3]) of a slot from the picture's pixels."""
    points = face_points(slot, view.eye)
    u, v, z = view.project(points)
    h, w = depth.shape
    col, row = np.floor(u).astype(int), np.floor(v).astype(int)
    seen = (col >= 0) & (col < w) & (row >= 0) & (row < h) & (z > 0.05)
    col, row = np.clip(col, 0, w - 1), np.clip(row, 0, h - 1)
    seen &= moves[row, col] & (np.abs(depth[row, col] - z) < 0.15 + max(slot["size"][:2]))
    texture = rgb[row, col]
    if seen.sum() < 4:
        r, c = int(np.median(row)), int(np.median(col))
        mean = rgb[r, c].astype(np.float32)
    else:
        mean = texture[seen].mean(0)
    texture = np.where(seen[..., None], texture, np.round(mean).astype(np.uint8))
    return mean / 255.0, texture.astype(np.uint8)


def moving_pixels(logits, depth, bodies: Bodies, view: View) -> np.ndarray:
    """bool [H,W]: pixels of found bodies, and those that surely move; a pixel wider than that."""
    out = logits > SURE
    for i in bodies.active:
        size = np.asarray(bodies.size[i], np.float64)
        centre = middle(bodies.kind[i], bodies.pos[i], bodies.yaw[i], size)
        reach = float(size[0]) if bodies.kind[i] == BALL else float(np.linalg.norm(size))
        u, v, z = (float(x) for x in view.project(centre))
        wide = 1.15 * reach * view.focal / max(z, 0.2) + 3
        c0, c1 = (int(np.clip(x, 0, view.width)) for x in (u - wide, u + wide + 1))
        r0, r1 = (int(np.clip(x, 0, view.height)) for x in (v - wide, v + wide + 1))
        near = np.abs(depth[r0:r1, c0:c1] - z) < 1.3 * reach + 0.1
        out[r0:r1, c0:c1] |= near & (logits[r0:r1, c0:c1] > LIKELY)
    return grow(out, 1)


class Finder:
    """The net with its reading. `find` is deterministic and takes some 10 ms on one core."""

    def __init__(self, net: FinderNet, threshold: float = THRESHOLD):
        self.net = net.eval().to(memory_format=torch.channels_last)
        self.threshold = threshold

    @staticmethod
    def from_tensors(tensors, metadata: dict) -> Finder:
        """From checkpoint tensors named as the net's own and metadata {"width", "threshold"}."""
        net = FinderNet(int(metadata["width"]))
        net.load_state_dict({k: torch.as_tensor(v).float() for k, v in tensors.items()})
        return Finder(net, float(metadata.get("threshold", THRESHOLD)))

    @torch.no_grad()
    def maps(self, rgb, depth) -> dict[str, np.ndarray]:
        """uint8 [H,W,3] and metres [H,W] -> numpy maps of the net (H and W multiples of 32)."""
        x = finder_input(rgb[None], depth[None]).to(memory_format=torch.channels_last)
        return {k: v[0].numpy() for k, v in self.net(x).items()}

    def find(self, rgb, depth, pose, fov_deg: float = 60.0) -> Found:
        """rgb uint8 [H,W,3], depth float32 [H,W] (m), pose [5] of the camera -> Found."""
        rgb, depth = np.asarray(rgb), np.asarray(depth, np.float32)
        h, w = depth.shape
        if rgb.shape != (h, w, 3) or h % 32 or w % 32:
            raise ValueError(f"find: picture {rgb.shape} and depth {depth.shape}: expected "
                             "[H,W,3] and [H,W] with H and W multiples of 32")
        maps = self.maps(rgb, depth)
        view = View(pose, w, h, fov_deg)
        cells = maps["cells"]
        heat = 1 / (1 + np.exp(-cells[HEAD["heat"]]))
        logits = maps["mask"][0]
        moves = logits > 0
        bodies, scores = Bodies.empty(), np.zeros(len(Bodies.empty()), np.float32)
        for k, row, col in peaks(heat, self.threshold):
            slot = read_slot(k + 1, row, col, cells[:, row, col], depth, view)
            if not (bodies.kind == EMPTY).any() or _taken(bodies, slot):
                continue
            colour, texture = take_texture(slot, rgb, depth, moves, view)
            index = int(np.nonzero(bodies.kind == EMPTY)[0][0])
            bodies = bodies.add(**slot, rgb=colour, texture=texture)
            scores[index] = heat[k, row, col]
        moves = moving_pixels(logits, depth, bodies, view)
        material = maps["material"].argmax(0).astype(np.uint8)
        material = material.repeat(h // material.shape[0], 0).repeat(w // material.shape[1], 1)
        return Found(bodies, scores, moves, material)


def _taken(bodies: Bodies, slot: dict) -> bool:
    """Is there a body of this kind at this place already?"""
    here = middle(slot["kind"], slot["pos"], slot.get("yaw", 0.0), slot["size"])
    for i in bodies.active:
        there = middle(bodies.kind[i], bodies.pos[i], bodies.yaw[i], bodies.size[i])
        limit = SAME_PLACE[slot["kind"]] if bodies.kind[i] == slot["kind"] else 0.2
        if np.linalg.norm((there - here)[:2]) < limit:
            return True
    return False


def merge(bodies: Bodies, found: Bodies) -> Bodies:
    """`bodies` with those of `found` that are not among them yet, while there are free slots."""
    for i in found.active:
        if not (bodies.kind == EMPTY).any():
            break
        slot = {"kind": int(found.kind[i]), "pos": found.pos[i], "yaw": float(found.yaw[i]),
                "size": found.size[i], "rgb": found.rgb[i], "movable": bool(found.movable[i])}
        if not _taken(bodies, slot):
            texture = None if found.texture is None else found.texture[i]
            bodies = bodies.add(**slot, texture=texture)
    return bodies
