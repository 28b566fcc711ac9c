"""Checkpoints: weights and contract of a model in one safetensors file.

A model that remembers views keeps them in a second file beside it, ``<name>.bank.safetensors``;
one that reads controls from clips keeps that part in ``<name>.inverse.safetensors``.
Embedded checkpoints lie in ``gwm_core/checkpoints``; ``add_model_folder`` adds a user's folders.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import tensor_file
from .embodiment import Embodiment
from .errors import CheckpointError, EmbodimentError

FORMAT = "gwm-checkpoint"
BANK_FORMAT = "gwm-bank"
VERSION = 1
SUFFIX = ".safetensors"
BANK, INVERSE, EYES, LANDMARKS = "bank", "inverse", "eyes", "landmarks"
SPEECH, FOLEY = "speech", "foley"
COMPANIONS = (BANK, INVERSE, EYES, LANDMARKS, SPEECH, FOLEY)
"""Files beside a checkpoint, ``<name>.<companion>.safetensors``: parts of it, no models."""
EMBEDDED = Path(__file__).parent / "checkpoints"
REQUIRED = ("name", "kind", "embodiment", "config", "licence")
PART = re.compile(r"[\w][\w .+@()\[\]-]*")

_folders: list[Path] = []


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint in memory.

    tensors      numpy arrays by name; fp16 on disk comes back as float32
    metadata     dict with format, version, name, kind, embodiment, config, licence, fingerprint
    fingerprint  sha256 (hex) of everything that changes what the model does, the bank included
    bank         arrays of the bank, {} where there is none; left in the dtypes of the file
    """

    path: Path
    tensors: dict[str, np.ndarray]
    metadata: dict[str, Any]
    fingerprint: str
    bank: dict[str, np.ndarray] = field(default_factory=dict)
    bank_metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.metadata["name"]

    @property
    def kind(self) -> str:
        return self.metadata["kind"]

    @property
    def config(self) -> dict[str, Any]:
        return self.metadata["config"]

    @property
    def embodiment(self) -> Embodiment:
        return Embodiment.from_json(self.metadata["embodiment"])

    def part(self, prefix: str) -> dict[str, np.ndarray]:
        """The tensors whose name starts with ``prefix.``, without it."""
        start = prefix + "."
        return {k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)}


def _numpy(name: str, tensor: Any) -> np.ndarray:
    """A torch tensor or array as numpy; bf16 is widened, since numpy has none."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        if str(tensor.dtype) == "torch.bfloat16":
            tensor = tensor.float()
        tensor = tensor.numpy()
    array = np.asarray(tensor)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CheckpointError(f"checkpoint: tensor {name!r} holds NaN or infinity")
    return array


def _store(name: str, tensor: Any, keep: Iterable[str]) -> np.ndarray:
    """What is written of one tensor: float16, unless a pattern of ``keep`` names it."""
    array = _numpy(name, tensor)
    if array.dtype.kind != "f" or any(fnmatch.fnmatchcase(name, pattern) for pattern in keep):
        return array
    if array.size and float(np.abs(array).max()) > 65504:
        raise CheckpointError(
            f"checkpoint: tensor {name!r} exceeds float16 (65504); list it in keep"
        )
    return array.astype(np.float16)


def fingerprint(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    """sha256 (hex) over tensors as stored, and format, version, kind, embodiment and config."""
    relevant = {k: metadata.get(k) for k in ("format", "version", "kind", "embodiment", "config")}
    text = tensor_file.canonical_json(relevant, "checkpoint metadata", CheckpointError)
    return tensor_file.hash_arrays(tensors, text)


def _check_metadata(metadata: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Complete metadata of format and version that this library reads."""
    missing = [key for key in REQUIRED if key not in metadata]
    if missing:
        raise CheckpointError(f"{where}: its metadata lacks {', '.join(missing)}")
    if metadata["format"] != FORMAT:
        raise CheckpointError(f"{where}: format {metadata['format']!r}; {FORMAT!r} is accepted")
    if metadata["version"] != VERSION:
        raise CheckpointError(
            f"{where}: format version {metadata['version']!r}; this GWM reads version {VERSION}"
        )
    for key, kind in (("name", str), ("kind", str), ("config", dict), ("licence", str)):
        if not isinstance(metadata[key], kind):
            raise CheckpointError(f"{where}: {key} in its metadata is no {kind.__name__}")
    try:
        Embodiment.from_json(metadata["embodiment"])
    except EmbodimentError as error:
        raise CheckpointError(f"{where}: {error}") from None
    return dict(metadata)


def save_checkpoint(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Any],
    metadata: Mapping[str, Any],
    keep: Iterable[str] = (),
) -> str:
    """Write a checkpoint, all or nothing, and return its fingerprint.

    tensors   numpy arrays or torch tensors by name; floats are stored as fp16, others as they are
    metadata  name, kind, embodiment (an Embodiment or its JSON), config (dict), licence; further
              JSON entries are kept, but are no part of the fingerprint
    keep      patterns (``*`` allowed) of float tensors that keep their own precision
    """
    metadata = {"format": FORMAT, "version": VERSION, **metadata}
    if isinstance(metadata.get("embodiment"), Embodiment):
        metadata["embodiment"] = metadata["embodiment"].to_json()
    if not tensors:
        raise CheckpointError(f"checkpoint {path}: no tensors given")
    metadata = _check_metadata(metadata, f"checkpoint {path}")
    keep = tuple(keep)
    stored = {name: _store(name, tensor, keep) for name, tensor in tensors.items()}
    metadata["fingerprint"] = fingerprint(stored, metadata)
    tensor_file.write_tensors(path, stored, metadata, "checkpoint", CheckpointError)
    return metadata["fingerprint"]


def read_checkpoint(
    path: str | os.PathLike[str], widen: bool = True
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors (numpy) and metadata of a checkpoint file; ``widen`` turns fp16 into float32.

    CheckpointError for a file that is missing, foreign, pickled, truncated, changed after it was
    written, or of another version.
    """
    where = f"checkpoint {path}"
    tensors, header = tensor_file.read_tensors(path, "checkpoint", CheckpointError)
    metadata = tensor_file.metadata_json(header, where, CheckpointError)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{where}: format {metadata.get('format')!r}; {FORMAT!r} is accepted"
        )
    metadata = _check_metadata(metadata, where)
    if metadata.get("fingerprint") != fingerprint(tensors, metadata):
        raise CheckpointError(f"{where}: damaged, its contents do not match its fingerprint")
    if widen:
        tensors = {name: _widen(array) for name, array in tensors.items()}
    return tensors, metadata


def _widen(array: np.ndarray) -> np.ndarray:
    """A writable array; float16 becomes float32."""
    return array.astype(np.float32) if array.dtype == np.float16 else array.copy()


def save_bank(
    path: str | os.PathLike[str], arrays: Mapping[str, Any], metadata: Mapping[str, Any]
) -> str:
    """Write a bank of remembered views (arrays as they are) and return its fingerprint."""
    metadata = {"format": BANK_FORMAT, "version": VERSION, **metadata}
    stored = {name: _numpy(name, array) for name, array in arrays.items()}
    metadata["fingerprint"] = fingerprint(stored, metadata)
    tensor_file.write_tensors(path, stored, metadata, "bank", CheckpointError)
    return metadata["fingerprint"]


def read_bank(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays (read-only, dtypes of the file) and metadata of a bank file, or CheckpointError."""
    where = f"bank {path}"
    arrays, header = tensor_file.read_tensors(path, "bank", CheckpointError)
    metadata = tensor_file.metadata_json(header, where, CheckpointError)
    if (metadata.get("format"), metadata.get("version")) != (BANK_FORMAT, VERSION):
        found = f"{metadata.get('format')!r} version {metadata.get('version')!r}"
        raise CheckpointError(f"{where}: {found}; {BANK_FORMAT!r} version {VERSION} is accepted")
    if metadata.get("fingerprint") != fingerprint(arrays, metadata):
        raise CheckpointError(f"{where}: damaged, its contents do not match its fingerprint")
    return arrays, metadata


def companion_path(path: str | os.PathLike[str], companion: str) -> Path:
    """Where a companion of the checkpoint at ``path`` lies, whether it exists or not."""
    path = Path(path)
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.{companion}{SUFFIX}")


def is_companion(file: str) -> bool:
    """Whether a file of this name is a part of a checkpoint beside it."""
    return file.endswith(tuple(f".{companion}{SUFFIX}" for companion in COMPANIONS))


def bank_path(path: str | os.PathLike[str]) -> Path:
    """Where the bank of the checkpoint at ``path`` lies, whether it exists or not."""
    return companion_path(path, BANK)


def open_checkpoint(name_or_path: str | os.PathLike[str]) -> Checkpoint:
    """A checkpoint with its bank, by registered name or by path.

    A ``bank`` entry in the metadata holds the fingerprint of the bank it was made with: then the
    bank must be there and be that one. Without the entry a bank beside it is used as it is.
    """
    path = resolve(name_or_path, allow_path=True)
    tensors, metadata = read_checkpoint(path)
    wanted, beside = metadata.get("bank"), bank_path(path)
    if not wanted and not beside.is_file():
        return Checkpoint(path, tensors, metadata, metadata["fingerprint"])
    if not beside.is_file():
        raise CheckpointError(f"checkpoint {path}: its bank {beside.name} is missing beside it")
    bank, bank_metadata = read_bank(beside)
    if wanted and bank_metadata["fingerprint"] != wanted:
        raise CheckpointError(f"bank {beside}: belongs to another checkpoint than {path.name}")
    both = tensor_file.hash_arrays({}, metadata["fingerprint"] + bank_metadata["fingerprint"])
    return Checkpoint(path, tensors, metadata, both, bank, bank_metadata)


def load_into(module: Any, tensors: Mapping[str, np.ndarray], what: str = "checkpoint") -> None:
    """Copy tensors into a torch module of exactly these parameters and buffers.

    CheckpointError names missing, unexpected and wrongly shaped keys; then nothing was changed.
    """
    import torch

    state = module.state_dict()
    problems = []
    missing, unexpected = set(state) - set(tensors), set(tensors) - set(state)
    if missing:
        problems.append(f"missing: {tensor_file.shorten(missing)}")
    if unexpected:
        problems.append(f"unexpected: {tensor_file.shorten(unexpected)}")
    mismatched = [
        f"{name} is {list(tensors[name].shape)}, the network has {list(state[name].shape)}"
        for name in state
        if name in tensors and tuple(tensors[name].shape) != tuple(state[name].shape)
    ]
    if mismatched:
        problems.append(f"shapes: {tensor_file.shorten(mismatched)}")
    if problems:
        kind = type(module).__name__
        raise CheckpointError(f"{what} does not fit {kind}: {'; '.join(problems)}")
    with torch.no_grad():
        for name, target in state.items():
            target.copy_(torch.from_numpy(np.array(tensors[name])))


def add_model_folder(path: str | os.PathLike[str]) -> None:
    """Also look for checkpoints in this folder and below it; it need not exist yet."""
    folder = Path(path).absolute()
    if folder not in _folders:
        _folders.append(folder)


def remove_model_folder(path: str | os.PathLike[str]) -> None:
    """Forget a folder that ``add_model_folder`` added."""
    folder = Path(path).absolute()
    if folder in _folders:
        _folders.remove(folder)


def model_folders() -> tuple[Path, ...]:
    """The embedded folder, then the added ones in order."""
    return (EMBEDDED, *_folders)


def list_models() -> dict[str, Path]:
    """Registered checkpoints by name ("gwm-rooms", "mine/attic"); an earlier folder wins."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        if not folder.is_dir():
            continue
        seen = set()
        for root, folders, files in os.walk(folder, followlinks=True):
            real = os.path.realpath(root)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for file in sorted(files):
                if not file.endswith(SUFFIX) or is_companion(file) or file[0] == ".":
                    continue
                path = Path(root) / file
                name = path.relative_to(folder).as_posix().removesuffix(SUFFIX)
                found.setdefault(name, path)
    return found


def safe_name(name: object, what: str = "model name") -> str:
    """A name that cannot leave its folder, or CheckpointError.

    Accepted are parts of letters, digits and ``. _ + - @ ( ) [ ]`` or spaces, joined by "/".
    """
    text = name.replace("\\", "/") if isinstance(name, str) else ""
    parts = text.split("/")
    if len(text) > 200 or not all(PART.fullmatch(p) and not p.endswith((".", " ")) for p in parts):
        raise CheckpointError(
            f"{what} {str(name)[:80]!r}: a plain name as in 'gwm-rooms' or 'folder/name' is "
            "accepted, no absolute path and no '..'"
        )
    return text


def resolve(name: str | os.PathLike[str], allow_path: bool = False) -> Path:
    """The file of a registered name, with or without ``.safetensors``.

    ``allow_path`` also takes the path of a file; leave it off for names that come from a shared
    workflow. CheckpointError lists the names there are.
    """
    if allow_path:
        path = Path(name)
        looks = isinstance(name, os.PathLike) or path.is_absolute() or path.suffix == SUFFIX
        if looks and path.is_file():
            return path
        if isinstance(name, os.PathLike) or path.is_absolute():
            raise CheckpointError(f"checkpoint {path}: there is no such file")
    key = safe_name(name).removesuffix(SUFFIX)
    models = list_models()
    if key not in models:
        there = tensor_file.shorten(models, 20) or "none"
        raise CheckpointError(f"model {key!r} is not installed; there are: {there}")
    return models[key]
