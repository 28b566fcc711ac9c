"""Showing kept pixels in the light of now.

Every keyframe remembers the light it was seen in. Light without fog is a property of a surface,
so a keyframe is relit once per light and kept; fog depends on where the camera stands, so it is
laid over each frame. Where neither changed, the bytes shown are the bytes kept.
"""

from __future__ import annotations

import threading
import weakref
from functools import lru_cache

import numpy as np

from ..bodies import Bodies
from ..compiled import kernel
from ..memory import Camera, Keyframe, Memory
from ..relight import Relighter

FOGLESS = 3
"""Lights come in threes: light // 3 * 3 is the same without fog."""
THINNEST = 0.06
"""Transmission below which fogged pixels are not cleared any further: nothing is left in them."""


@lru_cache(maxsize=8)
def ray_lengths(width: int, height: int, fov_deg: float) -> np.ndarray:
    """Distance per unit of z-depth of each pixel, float32 [H, W]."""
    rays = Camera(width, height, fov_deg).rays()
    return np.linalg.norm(rays, axis=-1).astype(np.float32)


@kernel
def _fog(rgb, distance, density, colour, clear, thinnest, out):
    height, width = distance.shape
    for y in range(height):
        for x in range(width):
            t = np.exp(-density * distance[y, x])
            if clear and t < thinnest:
                t = thinnest
            for c in range(3):
                v = float(rgb[y, x, c])
                v = colour[c] + (v - colour[c]) / t if clear else colour[c] + (v - colour[c]) * t
                out[y, x, c] = np.uint8(min(max(v + 0.5, 0.0), 255.0))


class Lighting:
    """The checkpoint's relight network and fog, with relit keyframes kept while they are in use.

    density float [18] per metre and colour float [18, 3] in 0..255: exponential fog by light.
    """

    def __init__(self, relighter: Relighter, density: np.ndarray, colour: np.ndarray) -> None:
        self._relighter = relighter
        self._density = np.asarray(density, np.float64)
        self._colour = np.asarray(colour, np.float64)
        self._frames: weakref.WeakKeyDictionary[Keyframe, dict[int, Keyframe]] = (
            weakref.WeakKeyDictionary())
        self._memories: weakref.WeakKeyDictionary[Memory, dict[int, Memory]] = (
            weakref.WeakKeyDictionary())
        self._textures: dict[tuple, np.ndarray] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ surfaces
    def shown(self, memory: Memory, light: int) -> Memory:
        """The memory in the fogless version of `light`."""
        light = light // FOGLESS * FOGLESS
        if all(k.light == light for k in memory.keyframes):
            return memory
        with self._lock:
            found = self._memories.setdefault(memory, {}).get(light)
            if found is None:
                frames = tuple(self._relit(k, light) for k in memory.keyframes)
                found = Memory(frames, memory.max_keyframes, memory.max_bytes)
                self._memories[memory][light] = found
        return found

    def prepare(self, frame: Keyframe, light: int) -> None:
        """Relight a keyframe ahead, so that the tick that shows it first need not."""
        light = light // FOGLESS * FOGLESS
        if frame.light == light:
            return
        relit = self._relight(frame, light)  # outside the lock: ticks go on meanwhile
        with self._lock:
            self._frames.setdefault(frame, {}).setdefault(light, relit)

    def _relit(self, frame: Keyframe, light: int) -> Keyframe:
        if frame.light == light:
            return frame
        kept = self._frames.setdefault(frame, {})
        if light not in kept:
            kept[light] = self._relight(frame, light)
        return kept[light]

    def _relight(self, frame: Keyframe, light: int) -> Keyframe:
        camera = frame.camera
        away = frame.depth * ray_lengths(camera.width, camera.height, camera.fov_deg)
        rgb = self.without_fog(frame.rgb, away, frame.light)
        source = frame.light // FOGLESS * FOGLESS
        if source != light:
            rgb = self._relighter.relight(rgb, source, light, 0.0, 0.0, frame.label)
        return frame.recoloured(rgb)

    def bodies(self, bodies: Bodies, body_light: np.ndarray, light: int) -> Bodies:
        """Bodies with their textures in the fogless version of `light`."""
        light = light // FOGLESS * FOGLESS
        source = np.asarray(body_light) // FOGLESS * FOGLESS
        active = bodies.active
        if not len(active) or (source[active] == light).all():
            return bodies
        texture, rgb = bodies.texture, np.array(bodies.rgb)
        if texture is not None:
            texture = np.array(texture)
        for slot in active:
            if source[slot] == light:
                continue
            if texture is not None:
                texture[slot] = self._texture(texture[slot], int(source[slot]), light)
            shade = np.clip(rgb[slot] * 255, 0, 255).astype(np.uint8)
            rgb[slot] = self._texture(shade, int(source[slot]), light) / 255
        return bodies.with_(rgb=rgb, texture=texture)

    def _texture(self, pixels: np.ndarray, source: int, light: int) -> np.ndarray:
        key = (pixels.tobytes(), source, light)
        with self._lock:
            if key not in self._textures:
                if len(self._textures) > 256:
                    self._textures.clear()
                self._textures[key] = self._relighter.relight(pixels, source, light, 0.0, 0.0)
            return self._textures[key]

    # ------------------------------------------------------------------ fog
    def with_fog(self, rgb: np.ndarray, distance: np.ndarray, light: int) -> np.ndarray:
        """Fog of `light` laid over rgb u8 [H, W, 3] at distances f32 [H, W] from the eye."""
        return self._through(rgb, distance, light, False)

    def without_fog(self, rgb: np.ndarray, distance: np.ndarray, light: int) -> np.ndarray:
        """The inverse of `with_fog`, as far as pixels can tell."""
        return self._through(rgb, distance, light, True)

    def _through(self, rgb, distance, light, clear):
        if light % FOGLESS == 0:
            return rgb
        out = np.empty_like(rgb)
        _fog(np.ascontiguousarray(rgb), np.ascontiguousarray(distance, np.float32),
             self._density[light], self._colour[light], clear, THINNEST, out)
        return out
