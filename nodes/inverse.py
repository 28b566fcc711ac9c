"""Controls from Video."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.v0_0_2 import io

from ..gwm_core.errors import GWMError
from .adapt import LEAST_SIDE, MOST_SIDE, tensor_of
from .host import TickProgress, plain_tensors, say
from .types import GWMControlTrack, GWMModel
from .worlds import MOST_TICKS

NEITHER = "wire in a video or images: one clip is needed"
BOTH = "images: video is wired in as well; one clip is needed, so wire in one of them"


class Frames:
    """An IMAGE as pictures uint8 [H, W, 3], made one at a time."""

    def __init__(self, images, name: str) -> None:
        what = "an IMAGE [batch, height, width, channels]"
        self.images = tensor_of(images, name, (4,), what)
        _, height, width, channels = self.images.shape
        if channels not in (1, 3, 4):
            raise GWMError(f"{name}: {what} with 1, 3 or 4 channels is needed, not {channels}")
        if min(height, width) < LEAST_SIDE or max(height, width) > MOST_SIDE:
            raise GWMError(
                f"{name}: {width} x {height} pixels; sides of {LEAST_SIDE} to {MOST_SIDE} are "
                "accepted"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> np.ndarray:
        frame = self.images[index][..., :3].clamp(0, 1) * 255
        return frame.round().to(torch.uint8).expand(-1, -1, 3).contiguous().numpy()


class GWMControlsFromVideo(io.ComfyNode):
    """What was pressed in a clip of such a world."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMControlsFromVideo",
            display_name="Controls from Video",
            category="GWM/controls",
            description=(
                "Reads from a clip of such a world what was pressed and where the view turned, as "
                "controls: to walk the same way again, here or in another world."
            ),
            inputs=[
                GWMModel.Input("model", tooltip="From Load GWM Model; it reads the clip."),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.05,
                    max=0.95,
                    step=0.05,
                    tooltip="How sure the model must be that a key was held. Lower finds more "
                    "keys, also wrong ones; higher only the plain ones.",
                ),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames a second of the images input. A video brings its own. Read "
                    "best at 24, as worlds are made; other rates are brought to it.",
                ),
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="The clip, from Step World, Load Video or any node that gives a "
                    "video. Its sound is not used.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The clip as frames in order, instead of a video. With an odd number "
                    "the first one is the picture before anything was pressed.",
                ),
            ],
            outputs=[
                GWMControlTrack.Output(
                    "controls",
                    display_name="controls",
                    tooltip="What was read, for Step World, Branch World or Join Controls.",
                ),
                io.String.Output(
                    "text",
                    display_name="text",
                    tooltip="The same as control text, to read, change and paste into Controls.",
                ),
                io.Int.Output(
                    "ticks",
                    display_name="ticks",
                    tooltip="How many ticks they last (12 make a second).",
                ),
                io.Float.Output(
                    "confidence",
                    display_name="confidence",
                    tooltip="The share of ticks, 0 to 1, whose keys the model thinks it has all "
                    "right.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, video="none", images="none"):
        return one_clip(video, images)

    @classmethod
    def execute(cls, model, threshold, fps, video=None, images=None) -> io.NodeOutput:
        frames, rate = clip_of(video, images, fps)
        embodiment = model.model.embodiment
        ticks = len(frames) * embodiment.tick_rate / rate
        if ticks > MOST_TICKS + 1:
            raise GWMError(
                f"clip: {len(frames)} frames are {ticks:.0f} ticks; at most {MOST_TICKS} "
                "(5 minutes) are read at once: cut it in parts"
            )
        with plain_tensors():
            reading = model.model.read_clip(frames, rate, threshold, TickProgress(int(ticks)))
        sure = reading.confidence
        say(f"{len(reading)} ticks, {sure:.0%} of them sure")
        return io.NodeOutput(reading.controls, reading.controls.to_text(), len(reading), sure)


def one_clip(video, images) -> bool | str:
    """For ``validate_inputs``, where a wired input shows up as None and one without a wire as its
    default: True, or the sentence that says that one of both is needed."""
    wired = (video is None) + (images is None)
    return (NEITHER, True, BOTH)[wired]


def clip_of(video, images, fps: float) -> tuple[Frames, float]:
    """The frames of the one clip that is wired in, and their rate."""
    if video is None and images is None:
        raise GWMError(NEITHER)
    if video is not None and images is not None:
        raise GWMError(BOTH)
    if video is None:
        return Frames(images, "images"), float(fps)
    read = getattr(video, "get_components", None)
    if read is None:
        raise GWMError(f"video: a VIDEO is needed, not {type(video).__name__}")
    parts = read()
    return Frames(parts.images, "video"), float(parts.frame_rate)
