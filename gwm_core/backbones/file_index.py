"""What a file of weights holds, from its header alone: names, dtypes and shapes.

A header is read in a moment however large the file is; nothing in a file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..tensor_file import FOREIGN, MAX_HEADER

BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I64": 64, "I32": 32,
    "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}
SAMPLE = 4096
"""Bytes of every tensor that count for a file's mark."""
PICKLES = ("a zip or pickled PyTorch file", "a pickled file")


@dataclass(frozen=True)
class Entry:
    """One tensor of a file; ``start`` and ``stop`` in bytes from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int = 0
    stop: int = 0

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class FileIndex:
    """A safetensors file: tensors by name, the header's texts, and where the body begins."""

    path: Path
    entries: Mapping[str, Entry] = field(repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict)
    body: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(entry.stop - entry.start for entry in self.entries.values())

    def shapes(self, prefix: str = "") -> dict[str, tuple[int, ...]]:
        """Shapes by name, without a prefix that all names have."""
        return {name.removeprefix(prefix): e.shape for name, e in self.entries.items()}

    def mark(self) -> str:
        """sha256 (hex) of names, dtypes, shapes and the first 4 KiB of every tensor: other weights
        give another one, and a large file takes no minute."""
        digest = hashlib.sha256()
        with open(self.path, "rb") as file:
            for name in sorted(self.entries):
                entry = self.entries[name]
                head = [name, entry.dtype, list(entry.shape)]
                digest.update(json.dumps(head).encode())
                file.seek(self.body + entry.start)
                digest.update(file.read(min(SAMPLE, entry.stop - entry.start)))
        return digest.hexdigest()


def read_index(path: str | os.PathLike[str]) -> FileIndex:
    """The index of a safetensors file; CheckpointError for one that is missing, foreign, pickled,
    truncated or inconsistent."""
    path = Path(path)
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(64)
            count = int.from_bytes(start[:8], "little") if len(start) >= 8 else 0
            file.seek(8)
            data = file.read(count) if count <= MAX_HEADER else b""
    except FileNotFoundError:
        raise CheckpointError(f"{path.name}: there is no such file ({path})") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path.name}: this is a folder; one file is accepted") from None
    except OSError as problem:
        raise CheckpointError(f"{path.name}: cannot be read ({problem})") from None
    _refuse_foreign(path.name, start)
    if size < 8:
        raise CheckpointError(f"{path.name}: {size} bytes, cut off or empty; download it again")
    if count > MAX_HEADER or start[8:9] not in (b"{", b""):
        raise CheckpointError(f"{path.name}: this is no safetensors file")
    if 8 + count > size:
        raise CheckpointError(
            f"{path.name}: cut off within its header ({size} bytes); download it again"
        )
    try:
        header = json.loads(data.decode("utf-8"))
        metadata = header.pop("__metadata__", {}) or {}
        entries = {name: _entry(entry) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CheckpointError(f"{path.name}: damaged, its header cannot be read") from None
    for name, entry in entries.items():
        bits = BITS.get(entry.dtype)
        if bits is not None and 8 * (entry.stop - entry.start) != bits * entry.numbers:
            raise CheckpointError(f"{path.name}: damaged header (entry {name[:80]!r})")
    missing = max((e.stop for e in entries.values()), default=0) + 8 + count - size
    if missing > 0:
        raise CheckpointError(
            f"{path.name}: cut off, {missing / 1e6:.1f} MB of {(size + missing) / 1e6:.1f} MB are "
            "missing; download it again"
        )
    texts = {str(k): str(v) for k, v in dict(metadata).items()}
    return FileIndex(path, entries, texts, 8 + count)


def _entry(entry: Any) -> Entry:
    start, stop = entry["data_offsets"]
    numbers = [*entry["shape"], start, stop]
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in numbers) or stop < start:
        raise TypeError
    return Entry(str(entry["dtype"]), tuple(entry["shape"]), start, stop)


def _refuse_foreign(name: str, start: bytes) -> None:
    for magic, kind in FOREIGN:
        if not start.startswith(magic):
            continue
        if kind in PICKLES:
            raise CheckpointError(
                f"{name}: this is {kind}, which could run code; turn it into a safetensors file "
                f"once with: gwm convert {name}"
            )
        if magic == b"GGUF":
            raise CheckpointError(
                f"{name}: this is a GGUF file (quantised for other programs); the safetensors "
                "file in bf16, fp16 or fp8 is needed"
            )
        raise CheckpointError(f"{name}: this is {kind}; a safetensors file is needed")
