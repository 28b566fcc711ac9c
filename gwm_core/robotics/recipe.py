"""Objects named in JSON, so that another process can make them: a function and its arguments.

    eyes = recipe("gwm_core.robotics.eyes:load_eyes")
    policy = recipe("gwm_core.robotics.scripted:make_policy", name="expert", eyes=eyes)
    made(policy)         # make_policy(name="expert", eyes=load_eyes())

What is inside a recipe (a model, a detector) is made once in a process and shared; ``file`` names a
file by its contents too. Recipes come from the program, never from a file that somebody shared.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RoboticsError
from .work import resolve

Recipe = dict[str, Any]
"""{"make": "package.module:function", "arguments": {name: JSON value, recipe or file}}"""
SHARED = 32
"""Shared objects that a process remembers at most."""


def recipe(make: str, **arguments: Any) -> Recipe:
    """The recipe of ``make(**arguments)``; see Recipe."""
    return checked({"make": make, "arguments": arguments})


def file(path: str | os.PathLike[str]) -> dict[str, str]:
    """An argument that is the path of a file with the contents that it has now."""
    path = Path(path).absolute()
    try:
        return {"file": str(path), "sha256": _digest(path)}
    except OSError as error:
        raise RoboticsError(f"file: {path} cannot be read: {error.strerror}") from None


def checked(value: Any, what: str = "recipe") -> Recipe:
    """The recipe itself; RoboticsError says what is wrong with it."""
    whole = isinstance(value, Mapping) and set(value) == {"make", "arguments"}
    if not whole or not isinstance(value["make"], str) or (
        not isinstance(value["arguments"], Mapping)
    ):
        raise RoboticsError(f'{what}: {str(value)[:200]}; {{"make": "package.module:function", '
                            '"arguments": {..}} is accepted')
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RoboticsError(f"{what}: {value['make']}: {error}; JSON values, recipes and files are "
                            "accepted as arguments") from None
    return dict(value)


def made(value: Recipe) -> Any:
    """A new object of a recipe, from shared parts."""
    value = checked(value)
    return resolve(value["make"])(**{k: _argument(v) for k, v in value["arguments"].items()})


def shared(value: Recipe) -> Any:
    """The object of a recipe that all who ask in this process share."""
    return _shared(json.dumps(value, sort_keys=True))


@functools.lru_cache(SHARED)
def _shared(text: str) -> Any:
    return made(json.loads(text))


def _argument(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"make", "arguments"}:
        return shared(value)
    if isinstance(value, Mapping) and set(value) == {"file", "sha256"}:
        return _checked_file(value["file"], value["sha256"])
    if isinstance(value, Mapping):
        return {k: _argument(v) for k, v in value.items()}
    return [_argument(v) for v in value] if isinstance(value, (list, tuple)) else value


@functools.lru_cache(SHARED)
def _checked_file(path: str, digest: str) -> str:
    if file(path)["sha256"] != digest:
        raise RoboticsError(f"file: {path} has other contents than when it was named; the same "
                            "file is accepted")
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(value: Any) -> Any:
    """JSON values with files named by their contents alone: the same on every machine."""
    if isinstance(value, Mapping):
        drop = {"file"} if set(value) == {"file", "sha256"} else set()
        return {k: contents(v) for k, v in value.items() if k not in drop}
    return [contents(v) for v in value] if isinstance(value, (list, tuple)) else value
