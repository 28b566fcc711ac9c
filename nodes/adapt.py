"""Between the host's tensors and gwm_core's arrays, with every assumption checked."""

from __future__ import annotations

from fractions import Fraction

import comfy.model_management
import numpy as np
import torch
from comfy_api.v0_0_2 import InputImpl, Types
from comfy_execution.graph_utils import ExecutionBlocker

from ..gwm_core.clip import Clip
from ..gwm_core.errors import GWMError

#: Metres that a depth picture shows as its very nearest.
NEAREST = 0.7
#: Sides of a picture that a world can begin with, in pixels.
LEAST_SIDE, MOST_SIDE = 8, 16384
#: How a DEPTH picture is read and written. Disparity (1 / metres) is what depth nodes and
#: ControlNet call depth.
DEPTH_KINDS = {
    "near is white": "near_white",
    "near is black": "near_black",
    "metres": "metres",
}


def depth_kind(choice: str, name: str) -> str:
    """The library's word for a choice of :data:`DEPTH_KINDS`; GWMError for any other."""
    if choice not in DEPTH_KINDS:
        raise GWMError(f"{name}: {choice!r}; one of {', '.join(DEPTH_KINDS)} is accepted")
    return DEPTH_KINDS[choice]


def tensor_of(value, name: str, dims: tuple[int, ...], what: str) -> torch.Tensor:
    """The float CPU tensor behind an input, or a sentence about what it is instead."""
    if not isinstance(value, torch.Tensor):
        raise GWMError(f"{name}: {what} is needed, not {type(value).__name__}")
    if value.ndim not in dims or value.numel() == 0:
        raise GWMError(f"{name}: {what} is needed, not a tensor of shape {list(value.shape)}")
    value = value.detach().to("cpu", torch.float32)
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise GWMError(
            f"{name}: {bad} of its {value.numel()} numbers are NaN or infinite; "
            "finite values from 0 to 1 are needed (the node before it went wrong)"
        )
    return value


def image_to_array(image, name: str = "image") -> np.ndarray:
    """The first picture of an IMAGE as uint8 ``[H, W, C]`` with 1, 3 or 4 channels."""
    what = "an IMAGE [batch, height, width, channels]"
    tensor = tensor_of(image, name, (4,), what)[0]
    height, width, channels = tensor.shape
    if channels not in (1, 3, 4):
        raise GWMError(f"{name}: {what} with 1, 3 or 4 channels is needed, not {channels}")
    if min(height, width) < LEAST_SIDE or max(height, width) > MOST_SIDE:
        raise GWMError(
            f"{name}: {width} x {height} pixels; sides of {LEAST_SIDE} to {MOST_SIDE} are accepted"
        )
    return (tensor.clamp(0, 1) * 255).round().to(torch.uint8).contiguous().numpy()


def depth_to_array(depth, name: str = "depth") -> np.ndarray:
    """The first picture of an IMAGE or a MASK as float32 ``[H, W]``, values as they come."""
    what = "an IMAGE [batch, height, width, channels] or a MASK [batch, height, width]"
    tensor = tensor_of(depth, name, (2, 3, 4), what)
    if tensor.ndim == 4:
        tensor = tensor[0, :, :, :3].mean(dim=-1)
    elif tensor.ndim == 3:
        tensor = tensor[0]
    return tensor.contiguous().numpy()


def frames_to_image(frames: np.ndarray) -> torch.Tensor:
    """uint8 ``[T, H, W, 3]`` to an IMAGE, float 0..1."""
    tensor = torch.from_numpy(np.divide(frames, np.float32(255), dtype=np.float32))
    return tensor.to(comfy.model_management.intermediate_device())


def depth_to_image(depth: np.ndarray, kind: str) -> torch.Tensor:
    """Depth in metres ``[T, H, W]`` as an IMAGE.

    "near_white" and "near_black" are disparity, stretched over the range of the whole clip (one
    range for all its frames: no flicker), where all that is nearer than ``NEAREST`` counts as
    just as near: else one step up to a wall would darken everything else. "metres" keeps the
    plain numbers.
    """
    metres = torch.from_numpy(np.array(depth, np.float32))
    if kind == "metres":
        grey = metres
    else:
        near = 1.0 / metres.clamp(min=NEAREST)
        low, high = near.min(), near.max()
        grey = (near - low) / (high - low).clamp(min=1e-6)
        if kind == "near_black":
            grey = 1.0 - grey
    image = grey[..., None].repeat(1, 1, 1, 3)
    return image.to(comfy.model_management.intermediate_device())


def clip_images(clip: Clip) -> torch.Tensor:
    """The frames of a clip's first view as an IMAGE."""
    return frames_to_image(clip.frames[first_view(clip)])


def clip_depth(clip: Clip, kind: str) -> torch.Tensor | ExecutionBlocker:
    """The depth of a clip's first view as an IMAGE; stops what follows where there is none."""
    depth = clip.depth.get(first_view(clip))
    if depth is None:
        return ExecutionBlocker(f"depth: the model {clip.embodiment.name} makes none")
    return depth_to_image(depth, kind)


def clip_audio(clip: Clip) -> dict | None:
    """A clip's sound as the host's AUDIO; None for a silent model."""
    return sound_of(clip.audio, clip.sample_rate)


def sound_of(audio: np.ndarray, sample_rate: int) -> dict | None:
    """float32 ``[C, N]`` as the host's AUDIO; None where there is no sample rate."""
    if not sample_rate:
        return None
    waveform = torch.from_numpy(np.array(audio, np.float32))[None]
    return {"waveform": waveform, "sample_rate": int(sample_rate)}


def first_view(clip: Clip) -> str:
    """The camera that nodes show."""
    return clip.embodiment.views[0].name


def video_of(images: torch.Tensor, audio: dict | None, fps: float):
    """An IMAGE and an AUDIO as the host's VIDEO; pictures share memory with the IMAGE."""
    rate = Fraction(fps).limit_denominator(1001)
    return InputImpl.VideoFromComponents(
        Types.VideoComponents(images=images, audio=audio, frame_rate=rate)
    )
