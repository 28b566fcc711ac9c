"""Load GWM Model."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import io

from .. import gwm_core as gwm
from ..gwm_core.about import about
from ..gwm_core.checkpoint import EMBEDDED, SUFFIX, is_companion, list_models
from ..gwm_core.errors import CheckpointError, GWMError
from ..gwm_core.tensor_file import KEY, metadata_json, read_header
from .backbones import COMPILE, HostBackbone, checked_plan
from .faces import KIND as FACES
from .faces import HostFaces
from .host import HostModel, operations, pick_device, plain_tensors, say
from .open_weights import (
    AUTOMATIC,
    Listed,
    decoder_named,
    decoder_names,
    networks,
    pair_marks,
    refusal,
    why_not,
)
from .tables import KIND as TABLE
from .tables import HostTable
from .types import GWMModel

FOLDER = "gwm"
#: Stands first in the list: what a fresh node is set to.
FIRST = "gwm-rooms"

folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
# A new folder name starts without any extensions, which means "all files".
folder_paths.folder_names_and_paths[FOLDER] = (
    folder_paths.folder_names_and_paths[FOLDER][0],
    {SUFFIX},
)

AnyHost = HostModel | HostTable | HostFaces

# Models in use, so that a host that keeps no node outputs (--cache-none) does not load the same
# file for every node; weak: whatever the host lets go of is freed.
_loaded: weakref.WeakValueDictionary[tuple, AnyHost] = weakref.WeakValueDictionary()
_loading = threading.Lock()


def embedded_models() -> dict[str, Path]:
    """The models that come with the pack, by name."""
    return {n: p for n, p in list_models().items() if p.is_relative_to(EMBEDDED)}


def model_names() -> list[str]:
    """Embedded models first, then the files in ``models/gwm`` and its extra paths, then open
    weights in ``models/diffusion_models``."""
    files = [f for f in folder_paths.get_filename_list(FOLDER) if not is_companion(f)]
    own = [*sorted(embedded_models(), key=lambda name: name != FIRST), *files]
    return list(dict.fromkeys([*own, *networks()]))


def model_path(name: str) -> str:
    """Where a listed model lies; GWMError for any other name."""
    # The oldest supported host does not hold a choice against its list.
    names = model_names()
    if name not in names:
        told = why_not(name)
        if told:
            raise GWMError(f"model_name: {told}")
        raise GWMError(
            f"model_name: {name!r} is not in list; there are: {', '.join(names) or 'none'} "
            f"(files belong into models/{FOLDER}, open weights into models/diffusion_models)"
        )
    listed = networks().get(name)
    if listed is not None:
        return listed.path
    embedded = embedded_models()
    if name in embedded:
        return str(embedded[name])
    return folder_paths.get_full_path_or_raise(FOLDER, name)


def file_mark(path: str) -> tuple:
    """Changes when the file does: size and time of the last write."""
    stat = os.stat(path)
    return path, stat.st_size, stat.st_mtime_ns


def kind_of(path: str) -> str:
    """Which kind of model a file holds; empty where it is none (loading it says what is wrong)."""
    try:
        header = read_header(path, "checkpoint", CheckpointError)
        return str(metadata_json(header, path, CheckpointError).get("kind", ""))
    except CheckpointError:
        return ""


def is_own(path: str) -> bool:
    """Whether a file's header says that it is one of GWM."""
    try:
        return KEY in read_header(path, "checkpoint", CheckpointError)
    except CheckpointError:
        return False


def host_of(path: str, choice: str) -> AnyHost:
    """The GWM checkpoint of a file in the host's care, loaded once."""
    own = {TABLE: HostTable, FACES: HostFaces}.get(kind_of(path))
    # What a robot's table and faces compute is small: it has nothing to do on a GPU.
    target = pick_device("cpu" if own else choice)

    def load() -> AnyHost:
        if own:
            return own(path)
        return HostModel(gwm.load(path, device=target, operations=operations()), target)

    return _once((*file_mark(path), str(target)), load)


def open_weights(listed: Listed, choice: str, decoder: str, compile: str) -> HostBackbone:
    """Downloaded open weights in the host's care, loaded once. Whose they are, under which licence
    and what memory they need is told before; GWMError where they cannot be played."""
    target = pick_device(choice)

    def load() -> HostBackbone:
        made = checked_plan(listed, target, decoder)
        say(made.lines())
        return HostBackbone(made, target, compile)

    return _once((*pair_marks(listed, decoder), str(target), compile), load)


def _once(key: tuple, load: Callable[[], AnyHost]) -> AnyHost:
    with _loading:
        host = _loaded.get(key)
        if host is None:
            with plain_tensors():
                host = _loaded[key] = load()
    return host


class GWMLoadModel(io.ComfyNode):
    """Loads a world model: an embedded one, a file from ``models/gwm``, or open weights."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        names = model_names()
        return io.Schema(
            node_id="GWMLoadModel",
            display_name="Load GWM Model",
            category="GWM",
            description=(
                "Loads a world model. Names without an ending come with the pack; files come from "
                "ComfyUI's models/gwm folder, and open weights (Waypoint-1.5, Matrix-Game 2.0, "
                "causal Wan) from models/diffusion_models."
            ),
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=names,
                    default=names[0] if names else None,
                    tooltip="gwm-rooms (embedded: nothing to download) imagines first-person "
                    "rooms, gwm-tabletop a robot's table, gwm-faces moves faces. Your own "
                    ".safetensors checkpoints go into models/gwm; open weights into "
                    "models/diffusion_models, their decoder into models/vae_approx or models/vae.",
                ),
                io.Combo.Input(
                    "device",
                    options=["default", "cpu"],
                    default="default",
                    tooltip="default: where ComfyUI runs its models. cpu: always the processor; "
                    "the embedded models are fast enough there and leave the GPU to others (open "
                    "weights are not). A robot's table and faces always run there.",
                ),
                io.Combo.Input(
                    "decoder",
                    options=decoder_names(),
                    default=AUTOMATIC,
                    optional=True,
                    tooltip="Open weights alone: the file that makes pictures of what the network "
                    "imagines. automatic: the fitting one in models/vae_approx or models/vae, "
                    "TAEHV first (quick, for play); choose the Wan VAE for final quality.",
                ),
                io.Combo.Input(
                    "compile",
                    options=list(COMPILE),
                    default=COMPILE[0],
                    optional=True,
                    tooltip="Open weights alone. automatic: on a graphics card another process "
                    "compiles the network's layers while you play; they are taken at the beginning "
                    "of a tick once they are ready. never: they stay as they are.",
                ),
            ],
            outputs=[
                GWMModel.Output(
                    "model",
                    display_name="model",
                    tooltip="The model: of rooms for New World and Load World, of a robot's "
                    "table for Robot Rollout, Counterfactuals and Evaluate Policies, of faces "
                    "for Drive Avatar and Conversation.",
                ),
                io.String.Output(
                    "about",
                    display_name="about",
                    tooltip="What the model is: its controls and their ranges, its picture size "
                    "and speed, and which imaginer fills what was never seen. Of open weights also "
                    "their makers, licence and memory.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, model_name=None, decoder=None):
        try:
            if model_name is not None:
                model_path(model_name)
            # what is no network reads no decoder
            if decoder is not None and model_name in networks():
                decoder_named(decoder)
            return True
        except GWMError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, model_name, device, decoder=AUTOMATIC, compile=COMPILE[0]):
        listed = networks().get(model_name)
        return file_mark(model_path(model_name)) if listed is None else pair_marks(listed, decoder)

    @classmethod
    def execute(cls, model_name, device, decoder=AUTOMATIC, compile=COMPILE[0]) -> io.NodeOutput:
        path, listed = model_path(model_name), networks().get(model_name)
        if listed is not None:
            host = open_weights(listed, device, decoder, compile)
            note = host.model.metadata.get("note", "")
            lines = [about(host.model), host.plan.lines(), *([note] if note else [])]
            return io.NodeOutput(host, "\n".join(lines))
        if not is_own(path):
            raise GWMError(refusal(path))
        host = host_of(path, device)
        model = host.model if isinstance(host, HostModel) else host.loaded
        return io.NodeOutput(host, about(model))
