"""What a run of `gwm eval worlds` keeps, so that an interrupted one goes on and cases are
simulated once: protocols' figures as JSON, simulated walks as .npz; each written whole or not
at all, under a name that changes with everything it depends on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ..report import Metric
from .cases import Case

PACKAGE = Path(__file__).resolve().parents[2]
SIMULATED = ("simulators/rooms/*.py", "evaluation/worlds/cases.py", "evaluation/worlds/walks.py",
             "evaluation/worlds/wander.py", "bodies.py", "noise.py")
MEASURED = ("*.py", "[!cet]*/**/*.py", "evaluation/**/*.py", "evaluation/judges/*.safetensors")
"""Whatever can change a figure besides the checkpoint: all code but training, cli, checkpoints."""
NAMES = ("kind", "pos", "vel", "id")


def default_folder() -> Path:
    """Where runs keep their work: $GWM_EVAL_WORK, else the user's cache folder."""
    given = os.environ.get("GWM_EVAL_WORK")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else cache / "gwm" / "eval"


def digest(patterns: Iterable[str]) -> str:
    """A name for the present content of the package's files of some patterns."""
    paths = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]


class Kept:
    """A work folder for one seed. `key` names what the figures depend on (fingerprint, sizes)."""

    def __init__(self, folder: Path, seed: int, key: str):
        self.folder = folder
        self.cases_at = folder / f"cases-{digest(SIMULATED)}-{seed}"
        name = hashlib.sha256(f"{key}|{seed}|{digest(MEASURED)}".encode()).hexdigest()[:16]
        self.results_at = folder / f"results-{name}"

    def has(self, name: str) -> bool:
        """Whether a protocol is finished."""
        return (self.results_at / f"{name}.json").is_file()

    def figures(self, name: str, measure: Callable[[], list[Metric]],
                ) -> tuple[list[Metric], bool]:
        """The figures of a protocol, and whether they were kept from before."""
        path = self.results_at / f"{name}.json"
        if path.is_file():
            return [Metric.from_json(row) for row in json.loads(path.read_text())], True
        metrics = measure()
        _write(path, lambda file: file.write(
            json.dumps([metric.to_json() for metric in metrics], indent=1).encode()))
        return metrics, False

    def cases(self, name: str, make: Callable[[], list[Case]], worker=None) -> list[Case]:
        """Simulated cases, made once; worker: a process that may be about to make them."""
        folder = self.cases_at / name
        count = folder / "count"
        _await(count, worker)
        if not count.is_file():
            made = make()
            for i, case in enumerate(made):
                _write(folder / f"{i:03d}.npz", lambda file, case=case: np.savez(
                    file, **arrays_of(case)))
            _write(count, lambda file: file.write(str(len(made)).encode()))
        return [case_of(folder / f"{i:03d}.npz") for i in range(int(count.read_text()))]

    def arrays(self, name: str, make: Callable[[], dict[str, np.ndarray]],
               worker=None) -> dict[str, np.ndarray]:
        """Simulated arrays, made once."""
        path = self.cases_at / f"{name}.npz"
        _await(path, worker)
        if not path.is_file():
            made = make()
            _write(path, lambda file: np.savez(file, **made))
        with np.load(path, allow_pickle=False) as file:
            return {k: file[k] for k in file.files}


def _await(path: Path, worker) -> None:
    while worker is not None and worker.is_alive() and not path.is_file():
        time.sleep(0.2)


def _write(path: Path, fill: Callable) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            fill(file)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def arrays_of(case: Case) -> dict[str, np.ndarray]:
    """A case as plain arrays (depth as float16, labels of the first picture only)."""
    def field(bodies, name):
        return np.asarray(bodies[name] if isinstance(bodies, dict) else getattr(bodies, name))

    rest = {"seed": case.seed, "condition": case.condition, "info": case.info,
            "events": [[float(v) for v in event] for event in case.events]}
    return {"frames": case.frames, "depth": case.depth.astype(np.float16), "poses": case.poses,
            "controls": case.controls, "body_map": case.body_map, "label": case.label[:1],
            **{f"bodies_{k}": np.stack([field(b, k) for b in case.bodies]) for k in NAMES},
            "rest": np.array(json.dumps(rest))}


def case_of(path: Path) -> Case:
    """What `arrays_of` described."""
    with np.load(path, allow_pickle=False) as file:
        a = {k: file[k] for k in file.files}
    rest = json.loads(str(a["rest"]))
    bodies = [{k: a[f"bodies_{k}"][i] for k in NAMES} for i in range(len(a["bodies_kind"]))]
    return Case(rest["seed"], a["frames"], a["depth"].astype(np.float32), a["poses"],
                a["controls"], rest["condition"], bodies, a["body_map"], a["label"],
                [tuple(event) for event in rest["events"]], rest["info"])
