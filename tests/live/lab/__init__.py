"""A node that tells what is on a wire in the units of the live socket, and one that is slow."""

from __future__ import annotations

import hashlib
import json
import time

import comfy.model_management
import numpy as np
import torch
from comfy_api.v0_0_2 import ComfyExtension, io


class LiveTell(io.ComfyNode):
    """Text in the history: pictures hashed as bytes, sound as int16, worlds by their keys."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LiveTell",
            category="lab",
            is_output_node=True,
            inputs=[io.AnyType.Input("value")],
            outputs=[],
        )

    @classmethod
    def execute(cls, value):
        return io.NodeOutput(ui={"text": [json.dumps(tell(value))]})


def tell(value) -> dict:
    """What a value is, as JSON."""
    if isinstance(value, torch.Tensor):
        pixels = np.rint(value.cpu().numpy() * 255).astype(np.uint8)
        return {"shape": list(value.shape), "hash": digest(pixels)}
    if isinstance(value, dict):
        sound = value["waveform"][0].cpu().numpy()
        pcm = np.rint(np.clip(sound, -1, 1) * np.float32(32767)).astype("<i2").T
        return {"shape": list(sound.shape), "rate": value["sample_rate"], "hash": digest(pcm)}
    if hasattr(value, "world"):
        world = value.world
        return {"key": world.key, "tick": world.tick, "hash": world.last_hash}
    if hasattr(value, "to_text"):
        return {"ticks": len(value), "text": value.to_text()}
    if hasattr(value, "get_components"):
        parts = value.get_components()
        return {"shape": list(parts.images.shape), "rate": float(parts.frame_rate)}
    return {"value": str(value)}


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


class LiveSlow(io.ComfyNode):
    """Keeps the queue busy for some seconds, without computing; Cancel ends it."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LiveSlow",
            category="lab",
            is_output_node=True,
            inputs=[io.Float.Input("seconds", default=1.0, max=60.0)],
            outputs=[],
        )

    @classmethod
    def fingerprint_inputs(cls, **_):
        return time.time()

    @classmethod
    def execute(cls, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(0.02)
        return io.NodeOutput()


class LiveLab(ComfyExtension):
    async def get_node_list(self):
        return [LiveTell, LiveSlow]


async def comfy_entrypoint():
    return LiveLab()
