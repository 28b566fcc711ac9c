"""Off-screen pictures through MuJoCo: one drawing context a process thread and size, for all.

Colours are drawn twice as fine and averaged: small things keep their sub-pixel places, at less
than the cost of the driver's own multi-sampling. The context holds nothing of a scene (there are
no textures, meshes or planes), so tables come and go without it.
"""

from __future__ import annotations

import atexit
import os
import threading

import cv2
import mujoco
import numpy as np

FINE = 2  # samples along each side of a pixel
_LOCAL = threading.local()
_EMPTY = """<mujoco><statistic extent="1"/><visual><global offwidth="{0}" offheight="{0}"/>
<quality shadowsize="0" offsamples="0" numslices="28" numstacks="14"/></visual></mujoco>"""
_OFF = ("mjRND_SHADOW", "mjRND_REFLECTION", "mjRND_SKYBOX", "mjRND_HAZE", "mjRND_FOG")


class _Context:
    """An OpenGL context with an off-screen buffer for pictures of size x size."""

    def __init__(self, size: int) -> None:
        if os.environ.get("MUJOCO_GL") == "egl":
            # named outright: somebody may have imported mujoco before the variable was set
            from mujoco.egl import GLContext
        else:
            from mujoco import GLContext
        fine = FINE * size
        self.gl = GLContext(fine, fine)
        self.gl.make_current()
        model = mujoco.MjModel.from_xml_string(_EMPTY.format(fine))
        self.con = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self.con)
        self.con.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self.rect = mujoco.MjrRect(0, 0, size, size)
        self.fine = mujoco.MjrRect(0, 0, fine, fine)
        self.rgb = np.empty((fine, fine, 3), np.uint8)
        self.ids = np.empty((size, size, 3), np.uint8)
        self.z = np.empty((size, size), np.float32)
        atexit.register(self.free)

    def free(self) -> None:
        try:
            self.gl.make_current()
            self.con.free()
            self.gl.free()
        except Exception:  # the driver may be gone already; the process ends anyway
            return


def _context(size: int) -> _Context:
    held = _LOCAL.__dict__.setdefault("contexts", {})
    key = (os.getpid(), size)
    if key not in held:
        held[key] = _Context(size)
    held[key].gl.make_current()
    return held[key]


class Painter:
    """Pictures of one model. `labels` int8 [ngeom]: what each geom is in a mask."""

    def __init__(self, model: mujoco.MjModel, labels: np.ndarray, size: int) -> None:
        self._model, self._labels, self._size = model, labels, size
        self._scene = mujoco.MjvScene(model, model.ngeom + 8)
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        for flag in _OFF:
            self._scene.flags[getattr(mujoco.mjtRndFlag, flag)] = False
        self._of_segment: np.ndarray | None = None

    def _aim(self, data: mujoco.MjData, camera: int) -> None:
        self._camera.fixedcamid = camera
        mujoco.mjv_updateScene(self._model, data, self._option, None, self._camera,
                               mujoco.mjtCatBit.mjCAT_ALL.value, self._scene)

    def picture(self, data: mujoco.MjData, camera: int) -> np.ndarray:
        """What a camera sees, uint8 [size, size, 3]."""
        c = _context(self._size)
        self._aim(data, camera)
        mujoco.mjr_render(c.fine, self._scene, c.con)
        mujoco.mjr_readPixels(c.rgb, None, c.fine, c.con)
        small = cv2.resize(c.rgb, (self._size, self._size), interpolation=cv2.INTER_AREA)
        return small[::-1].copy()

    def labels(self, data: mujoco.MjData, camera: int) -> tuple[np.ndarray, np.ndarray]:
        """(mask int8, depth float32 in metres along the axis), both [size, size]."""
        c = _context(self._size)
        self._aim(data, camera)
        scene = self._scene
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = True
        scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
        mujoco.mjr_render(c.rect, scene, c.con)
        mujoco.mjr_readPixels(c.ids, c.z, c.rect, c.con)
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = False
        scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = False
        if self._of_segment is None:
            table = np.zeros(scene.ngeom + 1, np.int8)
            for g in scene.geoms[: scene.ngeom]:
                if g.segid >= 0 and g.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                    table[g.segid + 1] = self._labels[g.objid]
            self._of_segment = table
        number = c.ids[..., 0].astype(np.int64) + 256 * c.ids[..., 1].astype(np.int64)
        mask = self._of_segment[np.minimum(number, len(self._of_segment) - 1)]
        vis = self._model.vis.map
        near = vis.znear * self._model.stat.extent
        far = vis.zfar * self._model.stat.extent
        # a reversed depth buffer: 1 at the near plane, 0 at the far one
        depth = near * far / (near + c.z.astype(np.float64) * (far - near))
        return mask[::-1].copy(), depth[::-1].astype(np.float32)

    def close(self) -> None:
        self._scene = None
