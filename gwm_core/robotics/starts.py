"""First looks that come with the pack: held-out scenes for every task, to begin runs from."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..checkpoint import EMBEDDED
from ..errors import RoboticsError
from .evaluation import Start

FILE = EMBEDDED / "gwm-tabletop.starts.npz"


def save_starts(path: Path, starts: Sequence[Start]) -> None:
    """Write starts of any tasks into one file, compressed."""
    tasks = sorted({s.task for s in starts})
    arrays: dict[str, np.ndarray] = {}
    for task in tasks:
        of = [s for s in starts if s.task == task]
        nowhere = (np.nan, np.nan)
        arrays |= {
            f"{task}.agent_pos": np.stack([s.observation["agent_pos"] for s in of]),
            f"{task}.scene": np.array([-1 if s.scene is None else s.scene for s in of], np.int64),
            f"{task}.keep_out": np.array([s.keep_out or nowhere for s in of], np.float32)}
        for view in of[0].observation["pixels"]:
            arrays[f"{task}.pixels.{view}"] = np.stack([s.observation["pixels"][view] for s in of])
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **arrays)
    part.replace(path)


def load_starts(task: str, count: int | None = None, path: Path = FILE) -> list[Start]:
    """The first ``count`` starts (all by default) of a task; RoboticsError names what is wrong."""
    try:
        with np.load(path, allow_pickle=False) as data:
            tasks = sorted({name.split(".")[0] for name in data.files})
            if task not in tasks:
                raise RoboticsError(f"task: {task!r}; {', '.join(tasks)} have starts")
            arrays = {n.split(".", 1)[1]: data[n] for n in data.files if n.startswith(task + ".")}
    except FileNotFoundError:
        raise RoboticsError(f"starts: {path} is missing; it comes with the checkpoint") from None
    except (OSError, ValueError, zipfile.BadZipFile) as problem:
        raise RoboticsError(f"starts: {path} is damaged ({problem}); install it again") from None
    there = len(arrays["scene"])
    count = there if count is None else count
    if isinstance(count, bool) or not 1 <= count <= there:
        raise RoboticsError(f"starts: {count!r} of {task}; 1 to {there} are accepted")
    out = []
    for i in range(count):
        look = {"pixels": {n[7:]: v[i].copy() for n, v in arrays.items()
                           if n.startswith("pixels.")},
                "agent_pos": arrays["agent_pos"][i].copy()}
        scene, zone = int(arrays["scene"][i]), arrays["keep_out"][i]
        out.append(Start(task, look, None if scene < 0 else scene,
                         (float(zone[0]), float(zone[1])) if np.isfinite(zone).all() else None))
    return out
