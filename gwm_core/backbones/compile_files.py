"""Compiled layer functions as files: what is compiled, who compiles it, where it is kept."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import GWMError

SUFFIX = {"inductor": ".pt2", "trace": ".pt"}
"""Compilers: "inductor" makes machine code of a function (AOTInductor, torch 2.6 or newer),
"trace" a list of torch's own operations (exact to the bit, and little faster)."""
KEPT = 400
"""Most compiled files in a folder; those used longest ago go first."""
ROOT = Path(__file__).parents[2]
"""What a worker imports ``gwm_core`` from, whatever the package is called here."""
WORKER = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from gwm_core.backbones.compile_worker import main; main(sys.argv[2])"
)
"""What it runs: a Python that comes embedded in a host reads no PYTHONPATH."""


def describe(value: Any) -> Any:
    """What compiled code depends on in an argument, as values that JSON and sets take: shape,
    strides, dtype and device of tensors; lists and tuples by what is in them."""
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return ("tensor", tuple(value.shape), value.stride(), dtype, str(value.device))
    if isinstance(value, (list, tuple)):
        return ("parts", *(describe(v) for v in value))
    return value


def rebuilt(described: Any, tensor: Callable[..., Tensor]) -> Any:
    """An argument of a description, each tensor from ``tensor(shape, strides, dtype, device)``."""
    if not isinstance(described, (list, tuple)):
        return described
    kind, *rest = described
    return tensor(*rest) if kind == "tensor" else tuple(rebuilt(part, tensor) for part in rest)


def made_up(described: Any, draw: torch.Generator) -> Any:
    """An argument of a description, with random numbers."""

    def tensor(shape, strides, dtype, device) -> Tensor:
        size = 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        numbers = torch.randn(max(size, 1), generator=draw).to(device, getattr(torch, dtype))
        return numbers.as_strided(tuple(shape), tuple(strides))

    return rebuilt(described, tensor)


def flat(value: Any) -> list[Tensor]:
    """The tensors in an argument or result, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in flat(part)]
    return []


@dataclass(frozen=True)
class Job:
    """One layer function for one kind of block and one set of shapes.

    module      where the class ``Block`` is, in this folder
    name        of its function
    recipe      JSON from which ``Block.of_recipe`` makes such a block
    parameters  names of the weights, in the order in which code takes them
    weights     their descriptions
    args        descriptions of the arguments
    """

    module: str
    name: str
    recipe: str
    parameters: tuple[str, ...]
    weights: Any
    args: Any

    def mark(self, compiler: str) -> str:
        """What its file is named by: everything that its code depends on."""
        where = {d for d in _devices((self.weights, self.args)) if d.startswith("cuda")}
        card = [torch.cuda.get_device_name(d) for d in sorted(where)]
        source = hashlib.sha256((Path(__file__).parent / f"{self.module}.py").read_bytes())
        told = [asdict(self), compiler, torch.__version__, card, source.hexdigest()]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _devices(described: Any) -> set[str]:
    if not isinstance(described, (list, tuple)):
        return set()
    if described and described[0] == "tensor":
        return {described[4]}
    return {d for part in described for d in _devices(part)}


def job_of(function: Callable, block: nn.Module, args: Sequence[Any]) -> Job:
    """What would be compiled for a call ``function(block, *args)``."""
    named = [(n, p) for n, p in block.named_parameters() if block.needs(function.__name__, n)]
    return Job(
        type(block).__module__.rpartition(".")[2], function.__name__, block.recipe(),
        tuple(n for n, _ in named), describe([p for _, p in named]), describe(list(args)),
    )


class Folder:
    """Where compiled files are made and kept. compiler: of ``SUFFIX``. seconds: that one round of
    compiling may take."""

    def __init__(self, path: str | os.PathLike[str], compiler: str = "inductor",
                 seconds: float = 3600) -> None:
        if compiler not in SUFFIX:
            raise GWMError(f"compiler: {compiler!r}; accepted are {', '.join(SUFFIX)}")
        self.path, self.compiler, self.seconds = Path(path), compiler, seconds
        self._stopped = threading.Event()
        self._worker: subprocess.Popen | None = None

    def file(self, job: Job) -> Path:
        """Where a job's code is kept."""
        return self.path / f"{job.mark(self.compiler)}{SUFFIX[self.compiler]}"

    def build(self, jobs: Sequence[Job]) -> dict[Job, Callable[..., list[Tensor]]]:
        """The code of jobs, compiled by another process where it is not kept yet. Code takes
        weights and tensors of arguments in order. RuntimeError where a compiler fails."""
        self.path.mkdir(parents=True, exist_ok=True)
        made: dict[Job, Callable[..., list[Tensor]]] = {}
        for job in jobs:
            if self.file(job).is_file():
                try:
                    made[job] = self._load(self.file(job))
                except Exception:  # whatever a damaged file makes of torch
                    self.file(job).unlink(missing_ok=True)
        todo = [job for job in jobs if job not in made]
        if todo:
            self._compile(todo)
            self._tidy()
        return {job: made.get(job) or self._load(self.file(job)) for job in jobs}

    def stop(self) -> None:
        """End compiling, now and later."""
        self._stopped.set()
        worker = self._worker
        if worker is not None:
            worker.kill()

    def _compile(self, jobs: Sequence[Job]) -> None:
        if self.compiler == "inductor" and not hasattr(torch._inductor, "aoti_load_package"):
            raise RuntimeError(f"torch {torch.__version__} cannot keep compiled code; 2.6 or newer "
                               "is needed")
        work = [{**asdict(job), "file": str(self.file(job))} for job in jobs]
        with tempfile.TemporaryDirectory() as folder:
            orders, said = Path(folder, "jobs.json"), Path(folder, "said.txt")
            orders.write_text(json.dumps({"compiler": self.compiler, "jobs": work}))
            command = [sys.executable, "-c", WORKER, str(ROOT), str(orders)]
            with open(said, "wb") as out:
                if self._stopped.is_set():
                    raise RuntimeError("stopped")
                self._worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                                stderr=out, cwd=folder)
                if self._stopped.is_set():
                    self._worker.kill()
                try:
                    code = self._worker.wait(self.seconds)
                except subprocess.TimeoutExpired:
                    self._worker.kill()
                    self._worker.wait()
                    raise RuntimeError(f"compiling took more than {self.seconds:.0f} s") from None
                finally:
                    self._worker = None
            if code or not all(self.file(job).is_file() for job in jobs):
                lines = said.read_text(errors="replace").strip().splitlines() or [f"exit {code}"]
                raise RuntimeError(f"the compiler failed: {lines[-1]}")

    def _load(self, file: Path) -> Callable[..., list[Tensor]]:
        os.utime(file)
        if self.compiler == "trace":
            script = torch.jit.load(str(file))

            def traced(*tensors: Tensor) -> list[Tensor]:
                with torch.jit.optimized_execution(False):  # as written: exact, never optimised
                    return flat(script(*tensors))

            return traced
        package = torch._inductor.aoti_load_package(str(file))
        return lambda *tensors: flat(package(*tensors))

    def _tidy(self) -> None:
        files = sorted(self.path.glob(f"*{SUFFIX[self.compiler]}"), key=lambda f: f.stat().st_mtime)
        for file in files[:-KEPT]:
            file.unlink(missing_ok=True)
