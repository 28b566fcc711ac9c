"""A GWM model in ComfyUI's model management, and ComfyUI's progress and cancel for its loops."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import comfy.model_management
import comfy.ops
import comfy.utils
import numpy as np
import torch
from comfy.model_patcher import ModelPatcher
from PIL import Image

#: A preview goes to the browser every so many ticks: often enough to watch, rarely enough to cost
#: nothing (encoding is the host's, on its event loop).
PREVIEW_EVERY = 4


def pick_device(choice: str) -> torch.device:
    """The device for a "default" or "cpu" choice."""
    if choice == "cpu":
        return torch.device("cpu")
    return comfy.model_management.get_torch_device()


def operations():
    """The layer classes that make weights manageable by the host (cast on use, low VRAM)."""
    return comfy.ops.manual_cast


@contextlib.contextmanager
def plain_tensors() -> Iterator[None]:
    """Tensors made inside are ordinary ones.

    ComfyUI runs nodes under ``torch.inference_mode``; a tensor made there can never again be
    written to outside of it. Worlds are kept between prompts, so none of theirs may be one.
    """
    with torch.inference_mode(False), torch.no_grad():
        yield


class HostModel:
    """What a GWM_MODEL wire carries: a model that shares memory with the host's other models."""

    PATCHER: type[ModelPatcher] = ModelPatcher

    def __init__(self, model, device: torch.device) -> None:
        self.model = model
        self._patcher = self.PATCHER(
            model.network,
            load_device=device,
            offload_device=comfy.model_management.unet_offload_device()
            if device.type != "cpu"
            else device,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator:
        """The model, loaded on its device, with ordinary tensors made inside."""
        with plain_tensors():
            self._load()
            yield self.model

    @contextlib.contextmanager
    def live(self) -> Iterator:
        """The same for many short uses outside of prompts: loads only what is not loaded."""
        loaded = comfy.model_management.current_loaded_models
        with plain_tensors():
            if not any(one.model is self._patcher for one in list(loaded)):
                self._load()
            yield self.model

    def _load(self) -> None:
        """Ask the host for the device's memory and put the weights there."""
        comfy.model_management.load_models_gpu([self._patcher])

    def get_ram_usage(self) -> int:
        """Bytes of the weights, for ComfyUI's caches."""
        return int(self._patcher.model_size())


class TickProgress:
    """Callable ``(tick, total, frame)``: moves the node's bar, shows a frame, honours Cancel.

    Raises the host's interrupt from inside the loop, so a cancelled run ends within one tick.
    preview: whether frames are shown under the node; one with a picture of its own needs none.
    """

    def __init__(self, total: int, preview: bool = True) -> None:
        self._bar = comfy.utils.ProgressBar(max(1, total))
        self._preview = preview

    def __call__(self, tick: int, total: int, frame: np.ndarray | None = None) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        preview = None
        if self._preview and frame is not None and (tick % PREVIEW_EVERY == 0 or tick == total):
            preview = ("JPEG", Image.fromarray(np.ascontiguousarray(frame)), None)
        self._bar.update_absolute(tick, total, preview)

    def part(self, start: int, total: int):
        """The same for a part that begins at tick ``start`` of ``total``."""
        return lambda tick, _, frame=None: self(start + tick, total, frame)


def say(text: str) -> None:
    """A line of text under the node that is running now, where the host can show one."""
    from comfy_execution.utils import get_executing_context
    from server import PromptServer

    context = get_executing_context()
    server = getattr(PromptServer, "instance", None)
    send = getattr(server, "send_progress_text", None)
    if context is not None and send is not None:
        send(text, context.node_id, server.client_id)
