"""Off-screen drawing through MuJoCo: colours twice as fine and averaged, depth and labels."""

from __future__ import annotations

import os

import mujoco
import numpy as np

from ...compiled import kernel
from .build import Model

_CONTEXT: dict[tuple[int, int, int], object] = {}


def _gl(width: int, height: int):
    """One GL context of a process and size, made current."""
    key = (os.getpid(), width, height)
    if key not in _CONTEXT:
        if os.environ.get("MUJOCO_GL") == "egl":
            # named outright: somebody may have imported mujoco before the variable was set
            from mujoco.egl import GLContext
        else:
            from mujoco import GLContext
        _CONTEXT[key] = GLContext(width, height)
    context = _CONTEXT[key]
    context.make_current()
    return context


@kernel
def gather(fine, ids, z, labels, slots, near, far, rgb, depth, label, body, glow):
    """From twice as fine rows, bottom up, to pictures, top down.

    Colours are averaged.  Depth, label and body are those of the surface that covers most of the
    four samples (the nearer one of two); disparity is linear on a plane, so its mean over the
    samples is exact at the pixel's centre.
    """
    height, width = depth.shape
    c = 0.5 * (far + near) / (far - near) - 0.5
    d = far * near / (far - near)
    number = np.empty(4, np.int64)
    disparity = np.empty(4)
    for i in range(height):
        for j in range(width):
            for k in range(3):
                total = 2
                for a in range(2):
                    for b in range(2):
                        total += int(fine[2 * (height - 1 - i) + a, 2 * j + b, k])
                rgb[i, j, k] = total >> 2
            window, lamp = 0, 0
            for a in range(2):
                for b in range(2):
                    y, x = 2 * (height - 1 - i) + a, 2 * j + b
                    n = int(ids[y, x, 0]) + 256 * int(ids[y, x, 1])
                    n = min(n, labels.shape[0] - 1)
                    number[2 * a + b] = n
                    disparity[2 * a + b] = (z[y, x] + c) / d
                    if labels[n] != 255:
                        window += (labels[n] & 7) == 6
                        lamp += (labels[n] & 7) == 7
            best, score = 0, -1.0
            for a in range(4):
                same = 0.0
                for b in range(4):
                    same += number[a] == number[b]
                same += min(disparity[a], 20.0) * 1e-3
                if same > score:
                    best, score = a, same
            total_d, n = 0.0, 0
            for a in range(4):
                if number[a] == number[best]:
                    total_d += disparity[a]
                    n += 1
            depth[i, j] = min(max(n / total_d, 0.05), 60.0)
            label[i, j] = labels[number[best]]
            body[i, j] = slots[number[best]]
            glow[i, j] = window + 16 * lamp


class Painter:
    """Draws a Model from any pose.  fov_deg is the vertical field of view."""

    def __init__(self, model: Model, width: int, height: int, fov_deg: float = 60.0) -> None:
        self.model, self.width, self.height = model, width, height
        mj = model.mj
        self._eye = mj.camera("eye").id
        mj.cam_fovy[self._eye] = fov_deg
        self._gl = _gl(2 * width, 2 * height)
        self._scene = mujoco.MjvScene(mj, mj.ngeom + 16)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[1] = 1
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = self._eye
        self._con = mujoco.MjrContext(mj, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._con)
        self._con.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        flags = self._scene.flags
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION,
                     mujoco.mjtRndFlag.mjRND_SKYBOX, mujoco.mjtRndFlag.mjRND_HAZE,
                     mujoco.mjtRndFlag.mjRND_FOG):
            flags[flag] = False
        self._fine = mujoco.MjrRect(0, 0, 2 * width, 2 * height)
        self._rgb = np.empty((2 * height, 2 * width, 3), np.uint8)
        self._ids = np.empty((2 * height, 2 * width, 3), np.uint8)
        self._z = np.empty((2 * height, 2 * width), np.float32)
        self._label: np.ndarray | None = None
        self._slot: np.ndarray | None = None

    def aim(self, data, pose) -> None:
        x, y, z, yaw, pitch = (float(v) for v in pose)
        cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
        data.cam_xpos[self._eye] = (x, y, z)
        # MuJoCo's camera looks along -z with y up
        right, up = (sy, -cy, 0.0), (-sp * cy, -sp * sy, cp)
        back = (-cp * cy, -cp * sy, -sp)
        data.cam_xmat[self._eye] = np.array([right, up, back]).T.ravel()
        mujoco.mjv_updateScene(self.model.mj, data, self._option, None, self._camera,
                               mujoco.mjtCatBit.mjCAT_ALL.value, self._scene)

    def draw(self, data, pose):
        """Draw everything from a pose.

        Returns (reflectance uint8 [H,W,3], depth float32 [H,W], label uint8, body_map uint8,
        glow uint8 [H,W]: quarters of the pixel that are window, plus 16 x quarters lamp shade).
        """
        self._gl.make_current()
        self.aim(data, pose)
        scene = self._scene
        mujoco.mjr_render(self._fine, scene, self._con)
        mujoco.mjr_readPixels(self._rgb, None, self._fine, self._con)
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = True
        scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
        mujoco.mjr_render(self._fine, scene, self._con)
        mujoco.mjr_readPixels(self._ids, self._z, self._fine, self._con)
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = False
        scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = False
        if self._label is None:
            label = np.full(scene.ngeom + 1, 255, np.uint8)
            slot = np.zeros(scene.ngeom + 1, np.uint8)
            for g in scene.geoms[: scene.ngeom]:
                if g.segid >= 0:
                    label[g.segid + 1] = self.model.geom_label[g.objid]
                    slot[g.segid + 1] = self.model.geom_slot[g.objid]
            self._label, self._slot = label, slot
        h, w = self.height, self.width
        rgb, depth = np.empty((h, w, 3), np.uint8), np.empty((h, w), np.float32)
        label, body, glow = (np.empty((h, w), np.uint8) for _ in range(3))
        scale = float(self.model.mj.stat.extent)
        gather(self._rgb, self._ids, self._z, self._label, self._slot,
               self.model.mj.vis.map.znear * scale, self.model.mj.vis.map.zfar * scale,
               rgb, depth, label, body, glow)
        return rgb, depth, label, body, glow

    def close(self) -> None:
        self._gl.make_current()
        self._con.free()
