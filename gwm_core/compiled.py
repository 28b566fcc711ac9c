"""Compiled loops: numba with a guarded on-disk cache, raw addresses, and work split by rows.

Kernels release the GIL and are written for one band of output rows, so that two or more threads
may work on one picture without sharing a single output pixel: the result does not depend on the
number of threads. (numba's own `parallel=True` is avoided: its portable thread layer aborts the
process when two Python threads draw at once, which a server does.)
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import ModuleType

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

HOMES = "gwm_kernels_"
_kernels: list = []
_lock = Lock()
_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    """A forked child has none of its parent's threads."""
    global _lock, _pool
    _lock, _pool = Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def kernel(function):
    """Compile `function` with numba at its first call; cached on disk where a folder is writable.

    A kernel calls only helpers of its own file: numba's cache watches no other file.
    """
    # Cached code asks for its module by name. A host imports this package under a name of its own
    # (ComfyUI: by the pack's path), so kernels belong to an empty module of a fixed name: code
    # that was compiled once then serves under every name.
    home = f"{HOMES}{function.__module__.rpartition('.')[2]}"
    sys.modules.setdefault(home, ModuleType(home))
    function.__module__ = home
    try:
        compiled = njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no writable place for the cache
        return njit(nogil=True, error_model="numpy")(function)
    _kernels.append(compiled)
    return compiled


def part(function):
    """A piece of the kernels of its own file, woven into each of them where it is called.

    A real call would pass every array as seven numbers and count its users up and down: for a
    piece that runs once a pixel that is more work than the piece itself.
    """
    return njit(nogil=True, error_model="numpy", inline="always")(function)


def preload() -> int:
    """Read the code of every imported kernel that this machine has compiled before, so that no
    first call stops for it later; how many pieces there were."""
    count = 0
    for compiled in list(_kernels):
        try:
            signatures = [key[0] for key in compiled._cache._cache_file._load_index()]
            for signature in signatures:
                compiled.compile(signature)
                count += 1
        except Exception:  # another numba, or a damaged cache: the first call will see to it
            continue
    return count


def is_cold(compiled) -> bool:
    """Whether a kernel would have to be compiled at its first call: no earlier run has left its
    code on disk."""
    try:
        return not os.path.exists(compiled._cache._cache_file._index_path)
    except AttributeError:  # no cache, or another numba: then nobody can know
        return False


@intrinsic
def pointer(typingctx, address, like):
    """`pointer(address, like)`: an int64 address as a pointer to the type of the scalar `like`."""
    signature = types.CPointer(like)(address, like)

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return signature, codegen


def address(array: np.ndarray) -> int:
    """The address of a contiguous array's first element (the caller keeps the array alive)."""
    if not array.flags.c_contiguous:
        raise ValueError("only a C-contiguous array has one address")
    return array.ctypes.data


def default_threads() -> int:
    """Threads used for one picture: GWM_THREADS, else the usable cores, at most 4."""
    text = os.environ.get("GWM_THREADS", "")
    if text.isdigit() and int(text) > 0:
        return min(int(text), 16)
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return max(1, min(4, cores))


def in_bands(work, rows: int, threads: int | None = None) -> None:
    """Call `work(first_row, end_row)` for bands that cover `rows`, on `threads` threads at most."""
    global _pool
    count = max(1, min(threads or default_threads(), rows))
    if count == 1:
        work(0, rows)
        return
    if _pool is None:
        with _lock:
            if _pool is None:
                _pool = ThreadPoolExecutor(16, thread_name_prefix="gwm-draw")
    edges = [rows * i // count for i in range(count + 1)]
    others = [_pool.submit(work, edges[i], edges[i + 1]) for i in range(1, count)]
    try:
        work(edges[0], edges[1])
    finally:
        for i, other in reversed(list(enumerate(others, 1))):
            if other.cancel():  # no core was free for it until now
                work(edges[i], edges[i + 1])
            else:
                other.result()
