"""Numbered files of a LeRobot set that are filled one after the other up to a size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..video import VideoWriter
from .lerobot_meta import VIDEO_PATH, package

MB = 2**20


@dataclass(frozen=True)
class Limits:
    """Where files go, and when the next one begins.

    root         where the files are written
    data_mb      a parquet file ends at about so many megabytes
    video_mb     the same for a video file
    chunk_files  files in a chunk-000 folder
    """

    root: Path
    data_mb: float
    video_mb: float
    chunk_files: int


class Files:
    """Numbered files of one kind: how large the open one is, and which is next."""

    def __init__(self, limits: Limits, part: str, last: dict[str, Any]) -> None:
        self.limits, self.part = limits, part
        chunk, file = (last.get(f"{part}/{k}") for k in ("chunk_index", "file_index"))
        self._next = (0, 0) if chunk is None else self._after((chunk, file))
        self._now = self._next
        self._open: Any = None
        self._rows = 0

    def _after(self, at: tuple[int, int]) -> tuple[int, int]:
        full = at[1] >= self.limits.chunk_files - 1
        return (at[0] + 1, 0) if full else (at[0], at[1] + 1)

    def _roll(self, rows: int, size: int, limit_mb: float) -> None:
        """Closes a file that these rows would make larger than the limit."""
        if self._rows and size + size / self._rows * rows >= limit_mb * MB:
            self.close()

    def close(self) -> None:
        """Ends the open file; the next rows go to a new one."""
        if self._open is not None:
            self._open.close()
            self._open = None
            self._next, self._rows = self._after(self._now), 0

    def _name(self, template: str, **also: str) -> Path:
        self._now = self._next
        path = self.limits.root / template.format(
            chunk_index=self._now[0], file_index=self._now[1], **also
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _place(self) -> dict[str, int]:
        return {f"{self.part}/chunk_index": self._now[0], f"{self.part}/file_index": self._now[1]}


class Tables(Files):
    """Parquet files; a row group for each table."""

    def __init__(self, limits: Limits, part: str, template: str, last: dict[str, Any]) -> None:
        super().__init__(limits, part, last)
        self._template = template

    def place(self, rows: int) -> dict[str, int]:
        """Where the next table of so many rows is going to be."""
        if self._open is not None:
            self._roll(rows, self._path.stat().st_size, self.limits.data_mb)
        if self._open is None:
            self._path = self._name(self._template)
        return self._place()

    def write(self, table: Any, rows: int) -> dict[str, int]:
        """Writes a table; its chunk_index and file_index."""
        place = self.place(rows)
        if self._open is None:
            pq = package("pyarrow.parquet")
            self._open = pq.ParquetWriter(self._path, table.schema, compression="snappy")
        self._open.write_table(table.cast(self._open.schema))
        self._rows += rows
        return place


class Videos(Files):
    """The video files of one camera."""

    def __init__(
        self, limits: Limits, key: str, height: int, width: int, fps: float, crf: int,
        last: dict[str, Any],
    ) -> None:
        super().__init__(limits, f"videos/{key}", last)
        self._key, self._size, self._fps, self._crf = key, (height, width), fps, crf

    def write(self, frames: np.ndarray) -> dict[str, Any]:
        """Writes an episode's frames; its place and times."""
        if self._open is not None:
            self._roll(len(frames), self._open.bytes, self.limits.video_mb)
        if self._open is None:
            path = self._name(VIDEO_PATH, video_key=self._key)
            self._open = VideoWriter(path, *self._size, self._fps, self._crf)
        begin = self._open.frames
        self._open.add(frames)
        self._rows += len(frames)
        return self._place() | {
            f"{self.part}/from_timestamp": begin / self._fps,
            f"{self.part}/to_timestamp": self._open.frames / self._fps,
        }
