"""The process that compiles layer functions, started by ``compile_files.Folder``.

Each result is written whole or not at all.
"""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .compile_files import flat, made_up, rebuilt


class Layer(nn.Module):
    """One function of a block that takes weights and arguments as tensors in a row."""

    def __init__(self, block: nn.Module, name: str, parameters: list[str], args: Any) -> None:
        super().__init__()
        self.name, self.args = name, args
        split = [parameter.rpartition(".") for parameter in parameters]
        # in a tuple: none of its weights is one of this module's
        self.hidden = (block, [(block.get_submodule(path), leaf) for path, _, leaf in split])

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        block, owners = self.hidden
        for (owner, leaf), tensor in zip(owners, tensors, strict=False):
            object.__setattr__(owner, leaf, tensor)  # goes before the parameter of that name
        rest = iter(tensors[len(owners) :])
        args = rebuilt(self.args, lambda *_: next(rest))
        return tuple(flat(getattr(type(block), self.name)(block, *args)))


@torch.no_grad()
def compile_one(job: dict[str, Any], compiler: str) -> None:
    """Make the file of one job."""
    module = importlib.import_module(f"{__package__}.{job['module']}")
    with torch.device("meta"):
        block = module.Block.of_recipe(job["recipe"]).eval()
    layer = Layer(block, job["name"], list(job["parameters"]), job["args"])
    draw = torch.Generator().manual_seed(7)
    example = (*flat(made_up(job["weights"], draw)), *flat(made_up(job["args"], draw)))
    target = Path(job["file"])
    part = target.with_name(f".{os.getpid()}-{target.name}")
    try:
        if compiler == "trace":
            traced = torch.jit.trace(layer, example, check_trace=False, strict=False)
            torch.jit.save(traced, str(part))
        else:
            exported = torch.export.export(layer, example, strict=False)
            torch._inductor.aoti_compile_and_package(exported, package_path=str(part))
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def main(path: str) -> None:
    """Every job of a file that ``Folder`` wrote, one after the other."""
    if hasattr(os, "nice"):
        os.nice(10)
    torch.set_num_threads(1)
    orders = json.loads(Path(path).read_text())
    for job in orders["jobs"]:
        if not Path(job["file"]).is_file():
            compile_one(job, orders["compiler"])
