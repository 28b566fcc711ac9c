"""One piece of work, in whichever process: the function by its name, its result as bytes.

A result is a dict of JSON values and numpy arrays, at any depth. As bytes it is an npz file (never
a pickle) with its sha256 behind it, always the same for the same result.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RoboticsError

ARRAY = "__array__"
DIGEST = 32  # bytes
LONGEST = 4000  # characters of an error's text

Work = Callable[[dict], dict]


def resolve(name: str) -> Callable[..., Any]:
    """What a text such as "package.module:function" or "path/file.py:function" names.

    Such texts come from the program, never from a file that somebody shared.
    """
    place, _, function = name.rpartition(":") if isinstance(name, str) else ("", "", "")
    if not place or not function.isidentifier():
        raise RoboticsError(
            f"work: {name!r}; \"package.module:function\" or \"file.py:function\" is accepted"
        )
    try:
        if place.endswith(".py"):
            return getattr(_module_of(Path(place).resolve()), function)
        if place.split(".")[0] == "gwm_core":
            # This copy of the library, which a host may have under another name.
            place = __package__.rpartition(".")[0] + place[len("gwm_core") :]
        return getattr(importlib.import_module(place), function)
    except Exception as error:
        raise RoboticsError(f"work: {name!r} cannot be imported: {error}") from error


def _module_of(path: Path) -> Any:
    # Another path or text is another module; the same one is run once.
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()
    name = f"gwm_work_{path.stem}_{digest[:12]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        # Before it runs: its own classes look their module up.
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def compute(function: Work, item: dict) -> bytes:
    """The encoded result of one item, made with one thread of torch.

    A worker that has not loaded torch yet has the thread of its environment instead.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return encode(function(item))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return encode(function(item))
    finally:
        torch.set_num_threads(threads)


def failure(error: BaseException) -> str:
    """An error of the work in a line, with the place that raised it."""
    place = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(place[-1].filename).name}, line {place[-1].lineno})" if place else ""
    return f"its work failed: {type(error).__name__}: {str(error)[:LONGEST]}{where}"


def failed(item: dict, what: str) -> RoboticsError:
    """The error that names an item and what happened to it."""
    return RoboticsError(f"item {json.dumps(item)[:300]}: {what}")


# ------------------------------------------------------------------ bytes


def encode(result: Any) -> bytes:
    """A result as bytes; RoboticsError names a value that cannot be kept."""
    if not isinstance(result, dict):
        raise RoboticsError(f"work: it returned {type(result).__name__}; a dict is accepted")
    arrays: list[np.ndarray] = []
    text = json.dumps(_plain(result, "result", arrays))
    out = io.BytesIO()
    entries = {f"a{i}": array for i, array in enumerate(arrays)}
    np.savez(out, json=np.frombuffer(text.encode(), np.uint8), **entries)
    data = out.getvalue()
    return data + hashlib.sha256(data).digest()


def _plain(value: Any, where: str, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise RoboticsError(f"work: {where} is an array of objects; numbers are accepted")
        arrays.append(value)
        return {ARRAY: len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        if ARRAY in value or not all(isinstance(name, str) for name in value):
            raise RoboticsError(f"work: {where}: its keys must be text, and not {ARRAY}")
        return {name: _plain(v, f"{where}[{name!r}]", arrays) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, f"{where}[{i}]", arrays) for i, v in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise RoboticsError(
        f"work: {where} is {type(value).__name__}; JSON values and numpy arrays are accepted"
    )


def is_whole(data: bytes) -> bool:
    """Whether these are all bytes of a result, as they were written."""
    return hashlib.sha256(data[:-DIGEST]).digest() == data[-DIGEST:]


def decode(data: bytes) -> dict:
    """What ``encode`` was given (tuples are lists); RoboticsError where the bytes are damaged."""
    if not is_whole(data):
        raise RoboticsError(f"result: its {len(data)} bytes are damaged; make it again")
    with np.load(io.BytesIO(data[:-DIGEST]), allow_pickle=False) as file:
        entries = {name: file[name] for name in file.files}
    return _full(json.loads(entries["json"].tobytes()), entries)


def _full(value: Any, entries: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if ARRAY in value:
            return entries[f"a{value[ARRAY]}"]
        return {name: _full(v, entries) for name, v in value.items()}
    return [_full(v, entries) for v in value] if isinstance(value, list) else value
