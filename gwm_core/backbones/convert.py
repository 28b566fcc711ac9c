"""Published pickles into safetensors files, once, without running anything that is in them.

torch's restricted loader reads tensors and plain containers only; what else a file holds makes it
fail. The result carries plain names, and what shapes alone do not tell.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .keys_wan import without_prefix
from .recognise import VARIANT_KEY, Found, recognise

INSIDE = ("generator_ema", "generator", "state_dict", "model_state_dict", "module", "model")
"""Entries that hold the weights in published files; the first that is there is taken."""
SAFE = (2, 6)
"""The restricted loader of older torch versions can be made to run code (CVE-2025-32434)."""
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "keep": None}


def convert(
    source: str | os.PathLike[str], target: str | os.PathLike[str] | None = None,
    variant: str = "", dtype: str = "bf16", say: Callable[[str], None] = lambda text: None,
) -> Found:
    """Write ``source`` (.pt, .pth, .ckpt, .bin) as a safetensors file and say what it is.

    target: the new file, beside the old one by default. variant: where shapes do not tell it.
    dtype: of floating-point weights, "bf16", "fp16", "fp32" or "keep". A file that is nothing GWM
    can use is removed again; CheckpointError says what it was.
    """
    source = Path(source)
    target = Path(target) if target else source.with_suffix(".safetensors")
    if dtype not in DTYPES:
        raise CheckpointError(f"dtype {dtype!r}: accepted are {', '.join(DTYPES)}")
    if target.exists():
        raise CheckpointError(f"{target}: it is there already; another name is needed")
    say(f"reading {source.name}")
    tensors = read_pickle(source)
    return write_as(tensors, target, variant, DTYPES[dtype], source.name, say)


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The weights of a published pickle by plain names; CheckpointError for anything else."""
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < SAFE:
        raise CheckpointError(
            f"{path.name}: torch {torch.__version__} cannot read pickled files safely; torch 2.6 "
            "or newer is needed for this step"
        )
    if not path.is_file():
        raise CheckpointError(f"{path.name}: there is no such file ({path})")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=_zipped(path))
    except Exception as problem:
        raise CheckpointError(
            f"{path.name}: not read, it is damaged or holds more than weights "
            f"({str(problem).splitlines()[0][:200]})"
        ) from None
    return plain(weights_of(loaded, path.name))


def _zipped(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def weights_of(loaded: Any, name: str) -> dict[str, Tensor]:
    """The state dict in what a file holds."""
    for _ in range(3):
        if isinstance(loaded, Mapping) and loaded:
            if all(isinstance(value, Tensor) for value in loaded.values()):
                return {str(key): value for key, value in loaded.items()}
            inside = next((key for key in INSIDE if isinstance(loaded.get(key), Mapping)), None)
            if inside is not None:
                loaded = loaded[inside]
                continue
        break
    raise CheckpointError(
        f"{name}: no weights found in it; accepted are a state dict, or one under "
        f"{', '.join(INSIDE)}"
    )


def plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without what wrappers put around them, ``model.`` and ``_fsdp_wrapped_module.``."""
    inner = {name.replace("_fsdp_wrapped_module.", ""): t for name, t in tensors.items()}
    inner = {name.replace("_orig_mod.", ""): t for name, t in inner.items()}
    prefix = without_prefix(inner)
    return {name.removeprefix(prefix): t for name, t in inner.items()}


def write_as(
    tensors: Mapping[str, Tensor], target: Path, variant: str, dtype: torch.dtype | None,
    source: str, say: Callable[[str], None],
) -> Found:
    """Write tensors, all or nothing, if they are something that GWM can use."""
    from safetensors.torch import save_file

    def stored(tensor: Tensor) -> Tensor:
        wide = dtype is not None and tensor.is_floating_point()
        return tensor.to(dtype if wide else tensor.dtype).contiguous().clone()

    metadata = {"format": "pt", "gwm.source": source}
    if variant:
        metadata[VARIANT_KEY] = variant
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(".safetensors", f".{target.stem}.", target.parent)
    os.close(handle)
    try:
        say(f"writing {target}")
        save_file({name: stored(tensor) for name, tensor in tensors.items()}, temporary, metadata)
        try:
            found = recognise(temporary)
        except CheckpointError as problem:
            told = str(problem).replace(Path(temporary).name, source)
            raise CheckpointError(told) from None
        if variant:
            found.variant(variant)
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return recognise(target)
