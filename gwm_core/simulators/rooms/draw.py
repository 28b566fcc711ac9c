"""Off-screen drawing through MuJoCo: colours twice as fine and averaged, depth and labels."""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import mujoco  # noqa: E402
import numpy as np  # noqa: E402

from .build import Model  # noqa: E402

FAR = 60.0
NEAR = 0.05
_CONTEXT: dict[tuple[int, int, int], object] = {}


def _gl(width: int, height: int):
    """One GL context of a process and size, made current."""
    key = (os.getpid(), width, height)
    if key not in _CONTEXT:
        _CONTEXT[key] = mujoco.GLContext(width, height)
    context = _CONTEXT[key]
    context.make_current()
    return context


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
        self._view = mujoco.MjrRect(0, 0, width, height)
        self._rgb = np.empty((2 * height, 2 * width, 3), np.uint8)
        self._ids = np.empty((height, width, 3), np.uint8)
        self._z = np.empty((height, width), np.float32)
        self._lookup: np.ndarray | None = None

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
        """(reflectance uint8 [H,W,3], depth float32 [H,W], label uint8, body_map uint8)."""
        self._gl.make_current()
        self.aim(data, pose)
        scene, h, w = self._scene, self.height, self.width
        mujoco.mjr_render(self._fine, scene, self._con)
        mujoco.mjr_readPixels(self._rgb, None, self._fine, self._con)
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = True
        scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
        mujoco.mjr_render(self._view, scene, self._con)
        mujoco.mjr_readPixels(self._ids, self._z, self._view, self._con)
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = False
        scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = False
        if self._lookup is None:
            self._lookup = np.full(scene.ngeom + 1, -1, np.int64)
            for g in scene.geoms[: scene.ngeom]:
                if g.segid >= 0:
                    self._lookup[g.segid + 1] = g.objid
        a = self._rgb.reshape(h, 2, w, 2, 3).astype(np.uint16)
        a = a[:, 0] + a[:, 1]
        rgb = ((a[:, :, 0] + a[:, :, 1] + 2) >> 2).astype(np.uint8)[::-1]
        ids = self._ids.astype(np.int64)
        index = self._lookup[np.minimum(ids[..., 0] + ids[..., 1] * 256, len(self._lookup) - 1)]
        index = index[::-1]
        near = np.float32(self.model.mj.vis.map.znear * self.model.mj.stat.extent)
        far = np.float32(self.model.mj.vis.map.zfar * self.model.mj.stat.extent)
        c = 0.5 * (far + near) / (far - near) - 0.5
        d = far * near / (far - near)
        depth = np.clip(d / (self._z[::-1].astype(np.float64) + c), NEAR, FAR).astype(np.float32)
        m = self.model
        label = np.where(index >= 0, m.geom_label[index], 255).astype(np.uint8)
        body = np.where(index >= 0, m.geom_slot[index], 0).astype(np.uint8)
        return np.ascontiguousarray(rgb), depth, label, body

    def close(self) -> None:
        self._gl.make_current()
        self._con.free()
