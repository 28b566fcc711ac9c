"""Episodes read from LeRobot v3.0 data sets, our own and those of others."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import RoboticsError
from ..episode import Episode
from ..video import VideoReader
from .lerobot_meta import (
    ACTION,
    COUNTERS,
    EXTRA,
    INFO,
    OUTCOMES,
    STATE,
    TASKS,
    Meta,
    channels,
    element_names,
    load_meta,
    package,
    parquet,
    picture_size,
    view_name,
)

BATCH = 64
"""Rows that are read from a parquet file at a time: pictures may be in them."""


def read_lerobot(
    folder: str | os.PathLike[str],
    episodes: Sequence[int] | None = None,
    cameras: Mapping[str, str] | None = None,
) -> Iterator[Episode]:
    """The episodes of a LeRobot v3.0 set, one at a time, in the order asked for.

    folder    the root of the set
    episodes  which ones, by index 0 .. n - 1; all when left out
    cameras   view names by camera: the feature ("observation.images.front") or its last part
              ("front"); only these are read. All colour cameras when left out, as the last part.

    A row is an observation and the action taken after it, so n rows give an Episode of n frames and
    n - 1 actions; the last row's action is in ``info["lerobot"]["last_action"]``. ``state`` is
    ``observation.state``, or where there is none, all vectors ``observation.*`` after each other;
    actions are ``action``, or all vectors ``action*``. ``info["state_names"]`` and
    ``info["action_names"]`` name the numbers, ``info["lerobot"]["left_out"]`` what was not read.
    ``success`` is whether ``next.success`` was ever true, None where a set does not say.

    The whole set is checked before the first episode: RoboticsError names the file that is
    missing, truncated, of another version (v2.1 sets can be converted), or whose frames, shapes or
    features do not fit, and what to do.
    """
    meta = load_meta(folder)
    chosen = _chosen(meta, episodes)
    views = _views(meta, cameras)
    reader = _Reader(meta, views)
    _check_files(meta, [meta.episodes[i] for i in chosen], views, reader.columns)
    return reader.episodes(chosen)


def _chosen(meta: Meta, episodes: Sequence[int] | None) -> list[int]:
    total = len(meta.episodes)
    if episodes is None:
        return list(range(total))
    for i in episodes:
        if isinstance(i, bool) or not isinstance(i, (int, np.integer)) or not 0 <= i < total:
            raise RoboticsError(f"{meta.folder}: episode {i!r}; 0 to {total - 1} are accepted")
    return [int(i) for i in episodes]


def _views(meta: Meta, cameras: Mapping[str, str] | None) -> dict[str, str]:
    """View names by feature."""
    colour = {key: view_name(key) for key, f in meta.cameras.items() if channels(key, f) == 3}
    if cameras is None:
        return colour
    short = {name: key for key, name in colour.items()}
    views = {}
    for camera, view in cameras.items():
        key = camera if camera in colour else short.get(camera)
        if key is None:
            raise RoboticsError(
                f"{meta.folder / INFO}: no camera {camera!r} with three channels; "
                f"{', '.join(colour) or 'none'} are there"
            )
        views[key] = view
    if len(set(views.values())) < len(cameras):
        raise RoboticsError(f"cameras: {dict(cameras)}; a view name for each camera is accepted")
    return views


def _check_files(
    meta: Meta, rows: list[dict[str, Any]], views: dict[str, str], columns: list[str]
) -> None:
    """Every file that is going to be read is there, whole, and has as many rows and frames."""
    wanted = dict.fromkeys(meta.data_file(row) for row in rows)
    counts = {path: 0 for path in wanted}
    for row in meta.episodes:
        path = meta.data_file(row)
        if path in counts:
            counts[path] += row["length"]
    for path, count in counts.items():
        with parquet(path) as file:
            if file.metadata.num_rows != count:
                raise RoboticsError(
                    f"{path}: {file.metadata.num_rows} rows, meta/episodes says {count}; copy or "
                    "download the set again"
                )
            there = file.schema_arrow.names
        for name in columns:
            if name not in there:
                raise RoboticsError(
                    f"{path}: no column {name!r}, which {INFO} lists; columns {', '.join(there)} "
                    "are there: copy or download the set again"
                )
    videos: dict[Path, tuple[str, int]] = {}
    for key in views:
        if meta.features[key]["dtype"] == "video":
            for row in rows:
                path = meta.video_file(row, key)
                last = round(_start(meta, row, key) * meta.fps) + row["length"]
                videos[path] = (key, max(last, videos.get(path, (key, 0))[1]))
    for path, (key, count) in videos.items():
        video = VideoReader(path)
        video.close()
        height, width = picture_size(key, meta.features[key])
        if (video.height, video.width) != (height, width):
            raise RoboticsError(
                f"{path}: frames of {video.width}x{video.height}, {INFO} says {width}x{height} for "
                f"{key}; correct its shape there"
            )
        if video.frames and video.frames < count:
            raise RoboticsError(
                f"{path}: {video.frames} frames, meta/episodes needs {count}; copy or download the "
                "set again"
            )


def _start(meta: Meta, row: dict[str, Any], key: str) -> float:
    start = row.get(f"videos/{key}/from_timestamp")
    if start is None:
        raise RoboticsError(
            f"{meta.folder / 'meta/episodes'}: episode {row['episode_index']} has no "
            f"videos/{key}/from_timestamp; every episode of a v3.0 set with videos has it"
        )
    return float(start)


def _vectors(meta: Meta, exact: str, prefix: str) -> list[str]:
    """The features that make up a state or an action: the one of that name, or all vectors."""
    features = meta.features
    if exact in features:
        keys = [exact]
    else:
        # "observation.environment_state" and the like are vectors of numbers too
        keys = [
            key for key, f in features.items()
            if key.startswith(prefix) and len(f["shape"]) == 1
            and str(f["dtype"]).startswith(("float", "int", "uint"))
        ]
    for key in keys:
        if len(features[key]["shape"]) != 1:
            raise RoboticsError(
                f"{meta.folder / INFO}: feature {key!r} has shape {features[key]['shape']}; a "
                "vector [n] is accepted: flatten it when the set is written"
            )
    return keys


class _Rows:
    """Consecutive rows of one parquet file, streamed; going back starts again."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path, self._columns = path, columns
        self._file = parquet(path)
        groups = [
            self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)
        ]
        self._ends = np.cumsum(groups)
        self._at: int | None = None

    def take(self, start: int, stop: int) -> Any:
        """The rows start .. stop as an Arrow table."""
        arrow = package("pyarrow")
        group = int(np.searchsorted(self._ends, start, side="right"))
        begin = int(self._ends[group - 1]) if group else 0
        if self._at is None or not begin <= self._at <= start:
            self._at, self._batches = begin, self._file.iter_batches(
                BATCH, row_groups=list(range(group, len(self._ends))), columns=self._columns
            )
            self._rest = self._next(arrow)
        parts, rows = [], 0
        while rows < stop - start:
            if not self._rest.num_rows:
                self._rest = self._next(arrow)
            skip = min(start + rows - self._at, self._rest.num_rows)
            part = self._rest.slice(skip, stop - start - rows)
            self._rest = self._rest.slice(skip + part.num_rows)
            self._at += skip + part.num_rows
            rows += part.num_rows
            if part.num_rows:
                parts.append(part)
        return arrow.Table.from_batches(parts)

    def _next(self, arrow: Any) -> Any:
        try:
            return next(self._batches)
        except (StopIteration, arrow.ArrowException, OSError) as error:
            raise RoboticsError(
                f"{self.path}: its rows end or break off early ({error!r}); copy or download it "
                "again"
            ) from None

    def close(self) -> None:
        self._file.close()


class _Reader:
    """Reads episodes; one data file and one video a camera are open at a time."""

    def __init__(self, meta: Meta, views: dict[str, str]) -> None:
        self.meta, self.views = meta, views
        self.states = _vectors(meta, STATE, "observation.")
        self.actions = _vectors(meta, ACTION, ACTION)
        if not self.actions:
            raise RoboticsError(
                f"{meta.folder / INFO}: no feature {ACTION!r}; features "
                f"{', '.join(meta.features)} are there: an episode needs its actions"
            )
        images = [key for key in views if meta.features[key]["dtype"] == "image"]
        known = {*self.states, *self.actions, *views, *COUNTERS, *OUTCOMES}
        self.left_out = [key for key in meta.features if key not in known]
        self.success = "next.success" if "next.success" in meta.features else None
        self.columns = [*self.states, *self.actions, *images, "episode_index", "task_index"]
        self.columns += [self.success] if self.success else []
        # where the rows of each file begin in the set
        self.begins: dict[Path, int] = {}
        for row in meta.episodes:
            self.begins.setdefault(meta.data_file(row), row["dataset_from_index"])

    def episodes(self, chosen: list[int]) -> Iterator[Episode]:
        rows: _Rows | None = None
        videos: dict[str, VideoReader] = {}
        try:
            for i in chosen:
                row = self.meta.episodes[i]
                path = self.meta.data_file(row)
                if rows is None or rows.path != path:
                    if rows is not None:
                        rows.close()
                    rows = _Rows(path, self.columns)
                yield self._episode(row, rows, videos)
        finally:
            for file in (rows, *videos.values()):
                if file is not None:
                    file.close()

    def _episode(
        self, row: dict[str, Any], rows: _Rows, videos: dict[str, VideoReader]
    ) -> Episode:
        index, length = row["episode_index"], row["length"]
        begin = row["dataset_from_index"] - self.begins[rows.path]
        table = rows.take(begin, begin + length)
        if set(table.column("episode_index").to_pylist()) != {index}:
            raise RoboticsError(
                f"{rows.path}: rows {begin} to {begin + length} are not all of episode {index}; "
                "rows in the order of meta/episodes are accepted: write the set again"
            )
        state = self._matrix(table, self.states, rows.path, length)
        actions = self._matrix(table, self.actions, rows.path, length)
        views = {
            name: self._frames(key, row, table, rows.path, videos)
            for key, name in self.views.items()
        }
        kept = json.loads(row.get(EXTRA) or "{}")
        success = kept.get("success")
        if self.success and row.get(EXTRA) is None:
            success = bool(any(table.column(self.success).to_pylist()))
        violations = {
            name: tuple(t for t in ticks if t < length)
            for name, ticks in kept.get("violations", {}).items()
        }
        info = {
            **kept.get("info", {}),
            "state_names": self._names(self.states),
            "action_names": self._names(self.actions),
            "lerobot": {
                "episode": index,
                "robot": self.meta.info.get("robot_type"),
                "last_action": actions[-1].tolist(),
                "left_out": self.left_out,
            },
        }
        return Episode(
            views=views, state=state, actions=actions[:-1], fps=self.meta.fps,
            task=self._task(row, table, rows.path), success=success, violations=violations,
            info=info,
        ).check()

    def _task(self, row: dict[str, Any], table: Any, path: Path) -> str:
        if row.get("tasks"):
            return str(row["tasks"][0])
        number = table.column("task_index")[0].as_py()
        if not 0 <= number < len(self.meta.tasks):
            raise RoboticsError(
                f"{path}: task_index {number} in episode {row['episode_index']}, {TASKS} has "
                f"{len(self.meta.tasks)} tasks; copy or download the set again"
            )
        return self.meta.tasks[number]

    def _names(self, keys: list[str]) -> list[str]:
        return [
            name for key in keys
            for name in element_names(self.meta.features[key], key.rpartition(".")[2])
        ]

    def _matrix(self, table: Any, keys: list[str], path: Path, length: int) -> np.ndarray:
        """float32 [length, n]: vectors after each other."""
        parts = [np.empty((length, 0), np.float32)]
        for key in keys:
            width = int(self.meta.features[key]["shape"][0])
            column = table.column(key)
            rows = column.to_pylist()
            if width == 1:  # kept without a list around it
                rows = [row if isinstance(row, list) else [row] for row in rows]
            try:
                values = np.array(rows, np.float32)
            except (TypeError, ValueError):
                values = None
            if values is None or values.shape != (length, width) or column.null_count:
                raise RoboticsError(
                    f"{path}: {key!r} holds {column.type} in the rows of an episode, {INFO} says "
                    f"{width} numbers a row; vectors of that length without gaps are accepted"
                )
            parts.append(values)
        return np.concatenate(parts, 1)

    def _frames(
        self, key: str, row: dict[str, Any], table: Any, path: Path,
        videos: dict[str, VideoReader],
    ) -> np.ndarray:
        """uint8 [length, H, W, 3]"""
        if self.meta.features[key]["dtype"] == "image":
            return self._images(key, table.column(key), path)
        file = self.meta.video_file(row, key)
        if key not in videos or videos[key].path != file:
            if key in videos:
                videos.pop(key).close()
            videos[key] = VideoReader(file)
        return videos[key].read(_start(self.meta, row, key), row["length"], self.meta.fps)

    def _images(self, key: str, column: Any, path: Path) -> np.ndarray:
        image = package("PIL.Image")
        height, width = picture_size(key, self.meta.features[key])
        frames = np.empty((len(column), height, width, 3), np.uint8)
        for i, cell in enumerate(column):
            value = cell.as_py()
            data = value.get("bytes") if isinstance(value, dict) else value
            if not isinstance(data, bytes):
                raise RoboticsError(
                    f"{path}: {key!r} holds {column.type} without the pictures' bytes; pictures "
                    "inside the file are accepted: write the set again with embedded images"
                )
            try:
                with image.open(io.BytesIO(data)) as picture:
                    frame = np.asarray(picture.convert("RGB"))
            except OSError as error:
                raise RoboticsError(
                    f"{path}: picture {i} of {key!r} cannot be read ({error}); copy or download "
                    "the set again"
                ) from None
            if frame.shape != frames.shape[1:]:
                raise RoboticsError(
                    f"{path}: picture {i} of {key!r} is {frame.shape[1]}x{frame.shape[0]}, {INFO} "
                    f"says {width}x{height}; correct its shape there"
                )
            frames[i] = frame
        return frames
