"""Runs many independent pieces of work: here, in a pool of processes, or on a Ray cluster.

``run(items, "package.module:function")`` calls ``function(item) -> dict`` for every item, a dict
of JSON values. The results are the same, in the order of the items, whatever the executor: every
result goes through the same bytes, and torch has one thread wherever it runs. Finished items are
kept in a folder, so that a run that was stopped or killed goes on where it was. (Threads of numpy's
own matrix products are those of the environment: OMP_NUM_THREADS=1 makes them equal too.)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import Cancelled, RoboticsError
from . import on_ray, pool
from .work import compute, decode, failed, failure, is_whole, resolve

MAX_WORKERS = 256
STALE = 60.0  # seconds after which a half-written file is nobody's

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


def run(
    items: Sequence[dict],
    work: str,
    executor: str = "inline",
    workers: int = 2,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    shard: tuple[int, int] = (0, 1),
) -> list[dict]:
    """The results of all items (of this shard) in their order.

    items     dicts of JSON values; equal items are worked once
    work      "package.module:function", or "path/file.py:function"; the function takes an item and
              returns a dict of JSON values and numpy arrays, at any depth (tuples become lists)
    executor  "inline", "pool" or "ray" (``pip install "gwm[ray]"``)
    workers   processes of the pool, 1..MAX_WORKERS; CPUs of a Ray that is started here
    folder    where finished items are kept, one file each by a digest of (work, item); damaged
              files are made again. Take a new one when the work's own code has changed
    progress  called with (done, total), first with what the folder had
    stop      asked all the time; True kills the work at once (inline: after the item at hand) and
              raises Cancelled; finished items stay in the folder
    shard     (i, n): only items i, i + n, ...

    RoboticsError names the item whose work failed, or whose worker died several times.
    """
    how = (executor, workers, folder, progress, stop, shard)
    # Closed at once, not when the garbage collector comes: no process outlives this call.
    with contextlib.closing(stream(items, work, *how)) as results:
        return list(results)


def stream(
    items: Sequence[dict],
    work: str,
    executor: str = "inline",
    workers: int = 2,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[dict]:
    """As ``run``, one result at a time, so that not all of them are in memory.

    Workers do not wait for whoever reads. Close it (contextlib.closing) where it is not read to
    its end.
    """
    if executor not in EXECUTORS:
        raise RoboticsError(f"executor: {executor!r}; {', '.join(EXECUTORS)} are accepted")
    if isinstance(workers, bool) or not isinstance(workers, int) or (
        not 1 <= workers <= MAX_WORKERS
    ):
        raise RoboticsError(f"workers: {workers!r}; 1 to {MAX_WORKERS} are accepted")
    part, parts = check_shard(shard)
    items = list(items)[part::parts]
    keys = [_key(work, item, part + parts * i) for i, item in enumerate(items)]
    source = EXECUTORS[executor]
    stop = stop or (lambda: False)
    return _stream(
        dict(zip(keys, items, strict=True)), keys, None if folder is None else Path(folder),
        progress or (lambda done, total: None),
        lambda todo: source(todo, work, workers, stop),
    )


def _stream(
    items: dict[str, dict], keys: list[str], folder: Path | None, progress: Progress,
    start: Callable[[dict[str, dict]], Iterator[tuple[str, bytes]]],
) -> Iterator[dict]:
    there = set() if folder is None else _kept(folder, items)
    uses = Counter(keys)
    done = sum(uses[key] for key in there)
    progress(done, len(keys))
    fresh: dict[str, bytes] = {}
    todo = {key: item for key, item in items.items() if key not in there}
    with contextlib.closing(start(todo)) as arriving:
        for key in keys:
            while key not in there:
                new, data = next(arriving)
                if folder is not None:
                    _save(folder, new, data)
                fresh[new] = data
                there.add(new)
                done += uses[new]
                progress(done, len(keys))
            data = fresh[key] if key in fresh else _file(folder, key).read_bytes()
            uses[key] -= 1
            if not uses[key]:
                fresh.pop(key, None)
            yield decode(data)


def check_shard(shard: tuple[int, int]) -> tuple[int, int]:
    """(i, n) itself; RoboticsError where it is no shard."""
    whole = isinstance(shard, (tuple, list)) and len(shard) == 2 and all(
        isinstance(v, int) and not isinstance(v, bool) for v in shard)
    if not whole or not 0 <= shard[0] < shard[1]:
        raise RoboticsError(f"shard: {shard!r}; (i, n) with 0 <= i < n is accepted")
    return shard[0], shard[1]


def _inline(
    todo: dict[str, dict], work: str, workers: int, stop: Stop
) -> Iterator[tuple[str, bytes]]:
    import torch  # noqa: F401  (so that it has one thread also where the work loads it)

    function = resolve(work) if todo else None
    for key, item in todo.items():
        if stop():
            raise Cancelled("stopped")
        try:
            data = compute(function, item)
        except Cancelled:
            raise
        except Exception as error:
            raise failed(item, failure(error)) from error
        yield key, data


EXECUTORS = {"inline": _inline, "pool": pool.results, "ray": on_ray.results}
"""By name: ``results(items by key, work, workers, stop) -> (key, bytes) as they are finished``."""


# ------------------------------------------------------------------ kept items


def _key(work: str, item: dict, index: int) -> str:
    if not isinstance(item, dict):
        raise RoboticsError(f"item {index}: {type(item).__name__}; a dict is accepted")
    try:
        text = json.dumps([work, item], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RoboticsError(f"item {index}: {error}; JSON values are accepted") from None
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _file(folder: Path, key: str) -> Path:
    return folder / f"{key}.npz"


def _kept(folder: Path, keys: dict[str, dict]) -> set[str]:
    """Which of these keys the folder has, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in folder.glob("*.part"):
        # One of long ago is from a run that was killed while it wrote.
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()
    there = set()
    for key in keys:
        with contextlib.suppress(OSError):
            if is_whole(_file(folder, key).read_bytes()):
                there.add(key)
    return there


def _save(folder: Path, key: str, data: bytes) -> None:
    part = folder / f"{key}.{os.getpid()}.part"
    try:
        part.write_bytes(data)
        os.replace(part, _file(folder, key))
    finally:
        part.unlink(missing_ok=True)
