"""Showing kept pixels in another light."""

from __future__ import annotations

import numpy as np

from gwm_core.memory import Camera, Keyframe, Memory


def keyframe(light: int, seed: int = 0) -> Keyframe:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(40, 200, (160, 256, 3)).astype(np.uint8)
    return Keyframe(rgb=rgb, depth=np.full((160, 256), 3.0, np.float32),
                    pose=np.array([0, 0, 1.55, 0, 0.0]), light=light, camera=Camera())


def test_unchanged_light_is_the_same_bytes(model):
    memory = Memory().add(keyframe(9))
    assert model.parts.light.shown(memory, 9) is memory


def test_memory_is_relit_once_and_kept(model):
    memory = Memory().add(keyframe(0))
    dusk = model.parts.light.shown(memory, 6)
    assert dusk is model.parts.light.shown(memory, 6)
    assert dusk.keyframes[0].surface is memory.keyframes[0].surface
    assert (dusk.keyframes[0].rgb != memory.keyframes[0].rgb).any()


def test_night_is_darker_than_day(model):
    memory = Memory().add(keyframe(0))
    night = model.parts.light.shown(memory, 12).keyframes[0].rgb
    assert night.mean() < 0.6 * memory.keyframes[0].rgb.mean()


def test_fog_comes_and_goes(model):
    light = model.parts.light
    rgb = keyframe(0).rgb
    away = np.full(rgb.shape[:2], 4.0, np.float32)
    foggy = light.with_fog(rgb, away, 2)
    assert foggy.std() < 0.8 * rgb.std()
    back = light.without_fog(foggy, away, 2)
    assert np.abs(back.astype(int) - rgb).mean() < 4
