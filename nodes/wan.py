"""Camera to Wan: a walked path as the host's camera condition."""

from __future__ import annotations

import comfy.model_management
import comfy.utils
import numpy as np
import torch
from comfy_api.v0_0_2 import io

from ..gwm_core.errors import GWMError
from ..gwm_core.plucker import sample_times, wan_camera_embedding
from .adapt import tensor_of
from .types import GWMWorld, WorldOnWire


class GWMCameraToWan(io.ComfyNode):
    """The path walked in a world, for Wan's camera models."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMCameraToWan",
            display_name="Camera to Wan",
            category="GWM/controls",
            description=(
                "The path walked in a world as ComfyUI's own camera embedding, for "
                "WanCameraImageToVideo: Wan then films the same walk. Frames or depth of the "
                "walk are brought to the same times and size."
            ),
            inputs=[
                GWMWorld.Input("world", tooltip="A world that has been stepped."),
                io.Int.Input(
                    "width",
                    default=832,
                    min=16,
                    max=16384,
                    step=16,
                    tooltip="Width of the Wan video.",
                ),
                io.Int.Input(
                    "height",
                    default=480,
                    min=16,
                    max=16384,
                    step=16,
                    tooltip="Height of the Wan video.",
                ),
                io.Int.Input(
                    "length",
                    default=81,
                    min=1,
                    max=16384,
                    step=4,
                    tooltip="Frames of the Wan video: 4n+1. The walk is spread over all of them.",
                ),
                io.Float.Input(
                    "scale",
                    default=1.0,
                    min=0.01,
                    max=100.0,
                    step=0.01,
                    tooltip="How far one metre of the walk is for Wan. Turning is not changed.",
                ),
                io.Int.Input(
                    "last_ticks",
                    default=0,
                    min=0,
                    max=1000000,
                    tooltip="Only the last so many ticks of the walk; 0 takes all of it.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="Frames or depth of the same walk (from Step World), to be brought to "
                    "the Wan video's length and size.",
                ),
            ],
            outputs=[
                io.WanCameraEmbedding.Output(
                    "camera_embedding",
                    display_name="camera_embedding",
                    tooltip="For WanCameraImageToVideo's camera_conditions.",
                ),
                io.Int.Output("out_width", display_name="width", tooltip="The width, passed on."),
                io.Int.Output(
                    "out_height", display_name="height", tooltip="The height, passed on."
                ),
                io.Int.Output(
                    "out_length", display_name="length", tooltip="The length, passed on."
                ),
                io.Image.Output(
                    "guide",
                    display_name="guide",
                    tooltip="The frames at the Wan video's times and size; one black frame when "
                    "none were wired in.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, length=None):
        if length is not None and (length < 1 or length % 4 != 1):
            return f"Wan needs 4n+1 frames (1, 5, 9, ... 81, ...), not {length}"
        return True

    @classmethod
    def execute(cls, world, width, height, length, scale, last_ticks, images=None) -> io.NodeOutput:
        view = world.world.embodiment.views[0]
        path, frames = walked_frames(world, last_ticks, images)
        embedding = wan_camera_embedding(
            path, width, height, length, view.fov_deg, (view.width, view.height), scale
        )
        target = comfy.model_management.intermediate_device()
        guide = _guide(frames, width, height, length)
        return io.NodeOutput(embedding.to(target), width, height, length, guide.to(target))


def walked_frames(world: WorldOnWire, last_ticks: int, images):
    """The poses of a walk ``[P, 5]`` and, where wired in, the frame seen from each of them.

    Frames are those that end the walk: from them the poses are counted back.
    """
    path = world.world.path
    if len(path) < 2:
        raise GWMError("world: nothing has been walked yet; put a Step World before this node")
    most = last_ticks * world.world.embodiment.frames_per_tick + 1 if last_ticks else len(path)
    if images is None:
        return path[-most:], None
    frames = tensor_of(images, "images", (4,), "an IMAGE [batch, height, width, channels]")
    if len(frames) > len(path):
        raise GWMError(
            f"images: {len(frames)} frames, but the world's walk has only {len(path)}; "
            "wire images or depth of the step that made this world"
        )
    count = min(most, len(frames))
    return path[-count:], frames[-count:]


def _guide(frames: torch.Tensor | None, width: int, height: int, length: int) -> torch.Tensor:
    """Frames at the video's times (the nearest one each), cut to its aspect and scaled."""
    if frames is None:
        return torch.zeros(1, height, width, 3)
    index = torch.from_numpy(np.round(sample_times(len(frames), length)).astype(np.int64))
    picked = frames[index][..., :3].movedim(-1, 1)
    return comfy.utils.common_upscale(picked, width, height, "bilinear", "center").movedim(1, -1)
