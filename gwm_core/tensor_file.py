"""Reading and writing of safetensors files as numpy arrays: checkpoints, banks and worlds.

The reader is our own, so that every way in which a file can be wrong has its own message, and
files in dtypes that numpy lacks can be read; nothing in a file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import GWMError

DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
    "BF16": np.uint16,
}
MAX_HEADER = 32 << 20
KEY = "gwm"
FOREIGN = (
    (b"PK\x03\x04", "a zip or pickled PyTorch file"),
    (b"\x80\x02", "a pickled file"),
    (b"\x80\x03", "a pickled file"),
    (b"\x80\x04", "a pickled file"),
    (b"\x80\x05", "a pickled file"),
    (b"GGUF", "a GGUF file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a Git LFS pointer, the file itself was not downloaded"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)


def read_tensors(
    path: str | os.PathLike[str], what: str, error: type[GWMError]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and header metadata of a safetensors file; bf16 is widened to float32.

    ``what`` names the file in messages ("checkpoint"). ``error`` is raised for a file that is
    missing, foreign, pickled, truncated or inconsistent. Arrays are read-only views of one buffer.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise error(f"{what} {path}: there is no such file") from None
    except IsADirectoryError:
        raise error(f"{what} {path}: this is a folder; a safetensors file is accepted") from None
    except (OSError, ValueError) as problem:
        raise error(f"{what} {path}: cannot be read ({problem})") from None
    return parse_tensors(data, f"{what} {path}", error)


def parse_tensors(
    data: bytes, where: str, error: type[GWMError]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """``read_tensors`` on bytes; ``where`` starts every message."""
    for start, kind in FOREIGN:
        if data.startswith(start):
            raise error(f"{where}: this is {kind}; only safetensors files are accepted")
    if len(data) < 8:
        raise error(f"{where}: {len(data)} bytes, cut off or empty; a safetensors file is accepted")
    size = int.from_bytes(data[:8], "little")
    if size > MAX_HEADER or data[8:9] not in (b"{", b""):
        raise error(f"{where}: this is no safetensors file")
    if 8 + size > len(data):
        raise error(f"{where}: cut off within its header ({len(data)} bytes)")
    try:
        header = json.loads(data[8 : 8 + size].decode("utf-8"))
    except (ValueError, RecursionError):
        raise error(f"{where}: this is no safetensors file (its header is not JSON)") from None
    if not isinstance(header, dict):
        raise error(f"{where}: this is no safetensors file (its header is no JSON object)")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise error(f"{where}: damaged header (metadata)")
    body = memoryview(data)[8 + size :]
    end = 0
    tensors = {}
    for name, entry in header.items():
        array, stop = _tensor(name, entry, body, where, error)
        tensors[name] = array
        end = max(end, stop)
    if end < len(body):
        raise error(f"{where}: {len(body) - end} bytes too long; the file is damaged")
    return tensors, metadata


def _tensor(
    name: str, entry: Any, body: memoryview, where: str, error: type[GWMError]
) -> tuple[np.ndarray, int]:
    """One array of the body and where it ends."""
    try:
        kind, shape = entry["dtype"], entry["shape"]
        start, stop = entry["data_offsets"]
        numbers = [*shape, start, stop]
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in numbers):
            raise TypeError
    except (TypeError, KeyError, ValueError):
        raise error(f"{where}: damaged header (entry {name[:80]!r})") from None
    if kind not in DTYPES:
        accepted = ", ".join(DTYPES)
        raise error(f"{where}: {name!r} has dtype {kind}; accepted are {accepted}")
    dtype = np.dtype(DTYPES[kind]).newbyteorder("<")
    if stop - start != math.prod(shape) * dtype.itemsize:
        size = f"{shape} of {kind} in {stop - start} bytes"
        raise error(f"{where}: damaged header ({name!r}: {size})")
    if stop > len(body):
        raise error(f"{where}: cut off, {stop - len(body)} bytes or more are missing")
    array = np.frombuffer(body[start:stop], dtype).reshape(shape)
    if kind == "BF16":
        array = np.asarray(array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array, stop


def read_header(path: str | os.PathLike[str], what: str, error: type[GWMError]) -> dict[str, str]:
    """Only the metadata of a safetensors file, without reading its body."""
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            size = int.from_bytes(start, "little") if len(start) == 8 else 0
            data = start + (file.read(size) if size <= MAX_HEADER else b"")
    except OSError as problem:
        raise error(f"{what} {path}: cannot be read ({problem})") from None
    try:
        metadata = json.loads(data[8:].decode("utf-8"))["__metadata__"]
        return {str(key): str(value) for key, value in metadata.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise error(f"{what} {path}: no safetensors file with GWM metadata") from None


def metadata_json(metadata: Mapping[str, str], where: str, error: type[GWMError]) -> dict[str, Any]:
    """The GWM entry of a header's metadata as a dict, or ``error``."""
    if KEY not in metadata:
        raise error(f"{where}: a safetensors file, but not one of GWM (no {KEY!r} metadata)")
    try:
        value = json.loads(metadata[KEY])
    except (ValueError, RecursionError):
        raise error(f"{where}: its {KEY!r} metadata is not JSON") from None
    if not isinstance(value, dict):
        raise error(f"{where}: its {KEY!r} metadata is no JSON object")
    return value


def canonical_json(value: Any, where: str, error: type[GWMError]) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text. NaN is refused."""
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as problem:
        raise error(f"{where}: not plain JSON ({problem})") from None


def hash_arrays(arrays: Mapping[str, np.ndarray], extra: str = "") -> str:
    """sha256 (hex) over sorted (name, dtype, shape, bytes) of arrays, and ``extra``."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        head = json.dumps([name, array.dtype.newbyteorder("<").str, list(array.shape)])
        digest.update(head.encode())
        if array.size:
            digest.update(memoryview(array.reshape(-1)).cast("B"))
    digest.update(extra.encode())
    return digest.hexdigest()


def write_tensors(
    path: str | os.PathLike[str],
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, Any],
    what: str,
    error: type[GWMError],
) -> Path:
    """Write arrays and one JSON metadata entry as a safetensors file, all or nothing."""
    from safetensors.numpy import save

    text = canonical_json(metadata, f"{what} metadata", error)
    clean = {}
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.newbyteorder("=").type not in set(DTYPES.values()):
            raise error(f"{what}: {name!r} has dtype {array.dtype}, which cannot be stored")
        shape = array.shape
        clean[name] = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(shape)
    data = save(clean, metadata={KEY: text})
    return write_atomic(path, lambda file: file.write(data), what, error)


def write_atomic(
    path: str | os.PathLike[str], write: Callable[[Any], Any], what: str, error: type[GWMError]
) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one move.

    On any failure the temporary file is removed and what was at ``path`` before stays.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(".tmp", f".{path.name}.", path.parent)
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except (OSError, ValueError) as problem:
        if isinstance(problem, GWMError):
            raise
        raise error(f"{what} {path}: cannot be written ({problem})") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return path


_UMASK: list[int] = []


def _umask() -> int:
    """The process's umask; mkstemp ignores it, a normal file honours it."""
    if not _UMASK:
        current = os.umask(0o022)
        os.umask(current)
        _UMASK.append(current)
    return _UMASK[0]


def shorten(names: Iterable[str], limit: int = 8) -> str:
    """Some names for a message, and how many more there are."""
    names = sorted(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
