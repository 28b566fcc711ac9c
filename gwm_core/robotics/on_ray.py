"""Work on a Ray cluster for ``executor``: one that RAY_ADDRESS names, or one of this machine.

Machines of a cluster have the library at the same path, and see the same files.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import Cancelled, RoboticsError
from .pool import ONE_THREAD, POLL, TRIES, environment
from .work import failed


def results(
    todo: dict[str, dict], work: str, workers: int, stop: Callable[[], bool]
) -> Iterator[tuple[str, bytes]]:
    """(key, encoded result) of every item as it is finished.

    A Ray that runs in this process already is used as it is; else one with ``workers`` CPUs is
    started, and ended afterwards.
    """
    try:
        import ray
    except ImportError:
        raise RoboticsError(
            'executor "ray": the package ray is needed (pip install "gwm[ray]")'
        ) from None
    if not todo:
        return

    def task(item: dict) -> tuple[bool, Any]:
        # This function travels by value; there the library is found by PYTHONPATH.
        there = importlib.import_module("gwm_core.robotics.work")
        try:
            return True, there.compute(there.resolve(work), item)
        except Exception as error:
            return False, there.failure(error)

    own = not ray.is_initialized()
    if own:
        # A cluster that RAY_ADDRESS names has CPUs of its own.
        size = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers}
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **size)
        except Exception as error:  # what it raises has no type of its own
            raise RoboticsError(f'executor "ray": it cannot be started: {error}') from error
    waiting: dict = {}
    try:
        variables = {name: environment()[name] for name in (*ONE_THREAD, "PYTHONPATH")}
        remote = ray.remote(
            num_cpus=1, max_retries=TRIES - 1, runtime_env={"env_vars": variables})(task)
        waiting = {remote.remote(item): key for key, item in todo.items()}
        while waiting:
            if stop():
                raise Cancelled("stopped")
            for ready in ray.wait(list(waiting), timeout=POLL)[0]:
                key = waiting.pop(ready)
                try:
                    ok, data = ray.get(ready)
                except ray.exceptions.RayError as error:
                    ok, data = False, f"its worker died {TRIES} times: {error}"
                if not ok:
                    raise failed(todo[key], data)
                yield key, data
    finally:
        for ready in waiting:
            ray.cancel(ready, force=True)
        if own:
            ray.shutdown()
