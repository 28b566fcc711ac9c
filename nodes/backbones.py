"""Open-weights models in the host's care: checked against its memory, loaded and played."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import comfy.clip_vision
import comfy.model_management
import comfy.sd
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher

from ..gwm_core.backbones.compile_files import Folder
from ..gwm_core.backbones.encoders import Encoders
from ..gwm_core.backbones.loading import Plan, load_backbone
from ..gwm_core.backbones.recognise import TEXT, VISION
from ..gwm_core.cli.paths import cache_dir
from .host import HostModel, operations
from .open_weights import AUTOMATIC, Listed, found, planned

#: Bytes of a card that the process which compiles may take; where fewer are to spare, none is.
COMPILER = int(1.5e9)
#: Most worlds that stay on a card besides the one that is played.
ROOM = 3
#: Whether layers are compiled while a world is played: on a card, or never.
COMPILE = ("automatic", "never")


def free_memory(device: torch.device) -> tuple[int, int]:
    """Bytes that could be free on a device when the host has moved its models away, and all."""
    manage = comfy.model_management
    free = manage.get_free_memory(device)
    held = 0
    if device.type != "cpu":  # what lies in RAM cannot be moved away
        there = [m for m in manage.current_loaded_models if m.device == device]
        held = sum(m.model_loaded_memory() for m in there)
    return int(free + held), int(manage.get_total_memory(device))


def computed_in(device: torch.device) -> torch.dtype:
    """The dtype in which a large network computes."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def checked_plan(listed: Listed, device: torch.device, decoder: str = AUTOMATIC) -> Plan:
    """What would be loaded for a device; CheckpointError in a sentence for half a pair or too
    little memory. Nothing is loaded yet. decoder: a choice of ``decoder_names``."""
    made = planned(listed, computed_in(device), decoder)
    made.check(*free_memory(device))
    return made


class HostVision:
    """CLIP ViT-H/14 by the host's own loader, on pixels that are prepared as Wan wants them."""

    def __init__(self, path: str, after: Callable[[], None]) -> None:
        self._path, self._after, self._model = path, after, None

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        if self._model is None:
            self._model = comfy.clip_vision.load(str(self._path))
        model = self._model
        comfy.model_management.load_model_gpu(model.patcher)
        out = model.model(pixel_values=pixels.to(model.load_device).float(), intermediate_output=-2)
        tokens = out[1].float()
        self._after()
        return tokens


class HostText:
    """UMT5-XXL by the host's own loader."""

    def __init__(self, path: str, after: Callable[[], None]) -> None:
        self._path, self._after, self._clip = path, after, None

    def features(self, text: str) -> torch.Tensor:
        if self._clip is None:
            kind = comfy.sd.CLIPType.WAN
            folder = folder_paths.get_folder_paths("embeddings")
            self._clip = comfy.sd.load_clip([str(self._path)], folder, kind)
        tokens = self._clip.tokenize(text)
        features = self._clip.encode_from_tokens(tokens)[:, :512].float()
        self._after()
        return features


class StatePatcher(ModelPatcher):
    """The host's patcher of a network whose worlds leave the card with it."""

    def detach(self, *args, **kwargs):
        self.model.states.idle()
        return super().detach(*args, **kwargs)


class HostBackbone(HostModel):
    """An open-weights model that shares memory with the host's other models. compile: of
    ``COMPILE``."""

    PATCHER = StatePatcher

    def __init__(self, made: Plan, device: torch.device, compile: str = COMPILE[0]) -> None:
        self.plan = made
        on_card, dtype = device.type != "cpu", computed_in(device)
        keep = comfy.model_management.unet_offload_device() if on_card else device
        vision, text = (next(iter(found(role)), None) for role in (VISION, TEXT))
        encoders = Encoders(
            vision=vision and HostVision(vision.index.path, self._load),
            text=text and HostText(text.index.path, self._load),
        )
        model = load_backbone(made, encoders, keep, dtype, operations=operations(),
                              decoder_dtype=torch.float16 if on_card else dtype, runs_on=device)
        if on_card:
            spare = free_memory(device)[0] - made.need.total
            if compile == COMPILE[0] and device.type == "cuda" and spare > COMPILER:
                spare -= COMPILER
                compiled = model.compile_in_background(Folder(cache_dir() / "compiled"))
                weakref.finalize(self, compiled.close)
            # further worlds stay on the card where it has room for them
            model.store.room = max(0, min(ROOM * made.need.branch, spare // 2))
        model.network.states = model.store
        super().__init__(model, device)

    def _load(self) -> None:
        """With room for what the network holds and computes beside its weights; also after an
        encoder has used the card."""
        need = self.plan.need
        comfy.model_management.load_models_gpu(
            [self._patcher], memory_required=need.total - need.weights
        )
