"""Episodes written as a LeRobot v3.0 data set, one at a time, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import RoboticsError
from ..episode import Episode
from ..video import CRF
from . import lerobot_stats as statistics
from .lerobot_append import appendable, commit, whole_stats
from .lerobot_files import Limits, Tables, Videos
from .lerobot_meta import (
    ACTION,
    CAMERA,
    DATA_PATH,
    EPISODES_PATH,
    EXTRA,
    INFO,
    OUTCOMES,
    STATE,
    STATS,
    TASKS,
    VERSION,
    VIDEO_PATH,
    Meta,
    load_meta,
    package,
)

TABLETOP_STATE = ("x", "y", "z", "roll", "pitch", "yaw", "opening", "effort", "force")
TABLETOP_ACTION = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "grip")
ROWS = 100
"""Rows of meta/episodes that are written at a time."""


def write_lerobot(
    folder: str | os.PathLike[str],
    episodes: Iterable[Episode],
    *,
    robot: str = "gwm-tabletop",
    images: str = "video",
    progress: Callable[[int], None] | None = None,
    append: bool = False,
    keep_last: bool = False,
    data_mb: float = 100,
    video_mb: float = 200,
    chunk_files: int = 1000,
    crf: int = CRF,
) -> Path:
    """Writes episodes as a LeRobot v3.0 set that lerobot 0.4 loads; returns its folder.

    folder       where; a folder that is there already is refused unless ``append``
    episodes     all of one kind: the same views and sizes, lengths of state and action, and fps.
                 Taken one at a time, so that memory stays flat. ``info["state_names"]`` and
                 ``info["action_names"]`` of the first one name the numbers (the tabletop's names
                 where the lengths are 9 and 7).
    robot        robot_type of the set
    images       "video" (H.264, yuv420p; even sizes) or "image" (PNG inside the data files: exact,
                 and fast to read at random for small pictures)
    progress     called with the number of episodes written so far
    append       adds to a set that is there (of the same features, kind and fps) or begins one
    keep_last    see below
    data_mb      a data file or table of episodes ends at about so many megabytes; when a set is
    video_mb     added to, its own limits hold. The same for videos, and for the number of files in
    chunk_files  a chunk-000 folder
    crf          quality of H.264, 0 .. 51

    Rows are (observation t, action t), t = 0 .. T - 1, as LeRobot has them: **the last of the T + 1
    observations is left out**, and with it what the last action did; ``read_lerobot`` gives back
    T frames and T - 1 actions. ``keep_last=True`` adds it as a row T with an action of zeros (for
    deltas: stay), and then the whole episode is read back. Beside observation and action there are
    ``next.reward`` (1 in the last row of a success, else 0), ``next.done`` (the last row) and
    ``next.success`` (the last row of a success; false too where nobody knows). Success, violations
    and info are kept whole as JSON in the column "gwm/episode" of meta/episodes, which LeRobot
    ignores.

    The set is written to a hidden folder beside (``.NAME.xxxxxxxx.part``) that is removed when
    anything fails (only a killed process leaves it), and renamed when whole. An addition goes to
    new files, and counts from the moment in which info.json is replaced: before that, the set reads
    as it was. One writer at a time. RoboticsError names the episode or file that does not fit.
    """
    folder = Path(folder)
    if images not in ("video", "image"):
        raise RoboticsError(f'images: {images!r}; "video" and "image" are accepted')
    old = None
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not append:
            raise RoboticsError(
                f"{folder}: is there already; a new folder is accepted, or append=True to add to it"
            )
        old = load_meta(folder)
    folder = folder.resolve()
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    part.mkdir(parents=True)
    writer = None
    try:
        limits = Limits(part, data_mb, video_mb, chunk_files)
        writer = _Writer(limits, old, robot, images, keep_last, crf)
        for episode in episodes:
            writer.add(episode)
            if progress is not None:
                progress(writer.written)
        writer.finish()
        if old is not None:
            commit(part, old)
        else:
            if folder.exists():  # empty
                folder.rmdir()
            os.replace(part, folder)
    finally:
        try:
            if writer is not None:
                writer.close()
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def features(episode: Episode, images: str) -> dict[str, dict[str, Any]]:
    """The features of a set of such episodes, as info.json has them."""
    out: dict[str, dict[str, Any]] = {}
    for name, view in episode.views.items():
        if not name or "/" in name:
            raise RoboticsError(f"view {name!r}: a name without / is accepted")
        out[CAMERA + name] = {
            "dtype": images, "shape": list(view.shape[1:]),
            "names": ["height", "width", "channels"],
        }
    for key, values, known, stem in (
        (STATE, episode.state, TABLETOP_STATE, "state"),
        (ACTION, episode.actions, TABLETOP_ACTION, "action"),
    ):
        count = values.shape[1]
        names = episode.info.get(f"{stem}_names") or known
        if len(names) != count:
            names = [f"{stem}_{i}" for i in range(count)]
        if count:
            out[key] = {"dtype": "float32", "shape": [count], "names": list(names)}
    kinds = dict(zip(OUTCOMES, ("float32", "bool", "bool"), strict=True))
    kinds |= {"timestamp": "float32"}
    kinds |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64")
    return out | {k: {"dtype": d, "shape": [1], "names": None} for k, d in kinds.items()}


class _Writer:
    """Writes episodes into files under ``limits.root``; ``old`` is a set they will be added to."""

    def __init__(
        self, limits: Limits, old: Meta | None, robot: str, images: str, keep_last: bool, crf: int
    ) -> None:
        self.part = limits.root
        self.robot, self.images, self.keep_last, self.crf = robot, images, keep_last, crf
        self.written = 0
        self.index = self.rows = 0  # of the next episode, and of its first row
        self.tasks: dict[str, int] = {}
        self.info: dict[str, Any] = {}
        self.stats: statistics.Stats = {}
        self.fps = 0.0
        last: dict[str, Any] = {}
        if old is not None:
            appendable(old)
            self.info, self.fps = dict(old.info), old.fps
            self.tasks = {task: i for i, task in enumerate(old.tasks)}
            limits = Limits(
                limits.root,
                old.info.get("data_files_size_in_mb", limits.data_mb),
                old.info.get("video_files_size_in_mb", limits.video_mb),
                old.info.get("chunks_size", limits.chunk_files),
            )
            self.stats = whole_stats(old)
            self.index, self.rows = len(old.episodes), int(old.info["total_frames"])
            last = old.episodes[-1]
        self.limits, self._last = limits, last
        self._tables = {
            "data": Tables(limits, "data", DATA_PATH, last),
            "meta/episodes": Tables(limits, "meta/episodes", EPISODES_PATH, last),
        }
        self._videos: dict[str, Videos] = {}
        self._waiting: list[dict[str, Any]] = []

    def add(self, episode: Episode) -> None:
        """One more episode."""
        name = f"episode {self.written}"
        try:
            episode.check()
            if not episode.ticks:
                raise RoboticsError("no actions; one or more are accepted")
            if not np.isfinite(episode.state).all():
                raise RoboticsError("its state is not finite; finite numbers are accepted")
            found = features(episode, self.images)
            if not self.info:
                self._begin(episode, found)
            self._same(episode, found)
            extra = _extra(episode)
        except RoboticsError as error:
            raise RoboticsError(f"{name}: {error}") from None
        length = episode.ticks + self.keep_last
        columns = self._columns(episode, length)
        row: dict[str, Any] = {
            "episode_index": self.index, "tasks": [episode.task], "length": length,
        }
        stats = {k: statistics.picture_stats(v[:length]) for k, v in _pictures(episode)}
        stats |= {key: statistics.column_stats(values) for key, values in columns.items()}
        row |= self._tables["data"].write(self._arrow(episode, columns, length), length)
        row |= {"dataset_from_index": self.rows, "dataset_to_index": self.rows + length}
        if self.images == "video":
            for key, frames in _pictures(episode):
                row |= self._videos[key].write(frames[:length])
        for key, of in stats.items():
            row |= {f"stats/{key}/{stat}": value.tolist() for stat, value in of.items()}
        self._waiting.append(row | {EXTRA: extra})
        if len(self._waiting) == ROWS:
            self._write_waiting()
        self.stats = statistics.merge(self.stats, stats)
        self.index, self.rows, self.written = self.index + 1, self.rows + length, self.written + 1

    def _begin(self, episode: Episode, found: dict[str, dict[str, Any]]) -> None:
        self.fps = float(episode.fps)
        self.info = {
            "codebase_version": VERSION,
            "robot_type": self.robot,
            "total_episodes": 0,
            "total_frames": 0,
            "total_tasks": 0,
            "chunks_size": self.limits.chunk_files,
            "data_files_size_in_mb": self.limits.data_mb,
            "video_files_size_in_mb": self.limits.video_mb,
            "fps": int(self.fps) if self.fps.is_integer() else self.fps,
            "splits": {},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH if self.images == "video" and episode.views else None,
            "features": found,
        }
        for key, feature in found.items():
            if feature["dtype"] == "video":
                height, width = feature["shape"][:2]
                feature["info"] = {
                    "video.height": height, "video.width": width, "video.codec": "h264",
                    "video.pix_fmt": "yuv420p", "video.is_depth_map": False,
                    "video.fps": self.info["fps"], "video.channels": 3, "has_audio": False,
                }
                if height % 2 or width % 2:
                    raise RoboticsError(
                        f"view {key.removeprefix(CAMERA)!r} is {width}x{height}; videos accept "
                        'even sizes only, images="image" any'
                    )

    def _same(self, episode: Episode, found: dict[str, dict[str, Any]]) -> None:
        """The episode is of the set's kind."""
        if float(episode.fps) != self.fps:
            raise RoboticsError(f"{episode.fps:g} fps; the set has {self.fps:g}")
        kinds = [
            {key: (f["dtype"], tuple(f["shape"])) for key, f in these.items()}
            for these in (self.info["features"], found)
        ]
        for key in {**kinds[0], **kinds[1]}:
            want, have = (kind.get(key) for kind in kinds)
            if want != have:
                raise RoboticsError(
                    f"{key} is {have or 'not there'}, the set has {want or 'no such feature'}; "
                    "episodes of the same views, sizes and lengths are accepted"
                )
        for key in found:
            if key.startswith(CAMERA) and self.images == "video" and key not in self._videos:
                shape = found[key]["shape"]
                self._videos[key] = Videos(
                    self.limits, key, shape[0], shape[1], self.fps, self.crf, self._last
                )

    def _columns(self, episode: Episode, length: int) -> dict[str, np.ndarray]:
        """Every column but the pictures, in the order of the features."""
        task = self.tasks.setdefault(episode.task, len(self.tasks))
        actions = episode.actions.astype(np.float32)
        if self.keep_last:
            actions = np.concatenate([actions, np.zeros_like(actions[:1])])
        frame = np.arange(length, dtype=np.int64)
        done = frame == length - 1
        success = done & bool(episode.success)
        columns = {
            STATE: episode.state[:length].astype(np.float32),
            ACTION: actions,
            "next.reward": success.astype(np.float32),
            "next.done": done,
            "next.success": success,
            "timestamp": (frame / self.fps).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(length, self.index, np.int64),
            "index": self.rows + frame,
            "task_index": np.full(length, task, np.int64),
        }
        return {key: values for key, values in columns.items() if key in self.info["features"]}

    def _arrow(self, episode: Episode, columns: dict[str, np.ndarray], length: int) -> Any:
        """The rows as the Arrow table that `datasets` writes."""
        pa = package("pyarrow")
        arrays: dict[str, Any] = {}
        kinds: dict[str, Any] = {}
        if self.images == "image":
            cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            for key, frames in _pictures(episode):
                arrays[key] = pa.array(
                    [{"bytes": _png(f), "path": f"frame-{i:06d}.png"}
                     for i, f in enumerate(frames[:length])], cell,
                )
                kinds[key] = {"_type": "Image"}
        for key, values in columns.items():
            kind = {"dtype": self.info["features"][key]["dtype"], "_type": "Value"}
            flat = pa.array(values.reshape(-1))
            if values.ndim == 2 and values.shape[1] > 1:
                flat = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
                kind = {"feature": kind, "length": values.shape[1], "_type": "Sequence"}
            arrays[key], kinds[key] = flat, kind
        told = json.dumps({"info": {"features": kinds}})
        return pa.table(arrays).replace_schema_metadata({"huggingface": told})

    def _write_waiting(self) -> None:
        if self._waiting:
            tables = self._tables["meta/episodes"]
            place = tables.place(len(self._waiting))
            rows = [row | place for row in self._waiting]
            tables.write(package("pyarrow").Table.from_pylist(rows), len(rows))
            self._waiting = []

    def finish(self) -> None:
        """The last files: what is under ``part`` is whole then."""
        if not self.written:
            raise RoboticsError("episodes: none; one or more are accepted")
        self._write_waiting()
        self.close()
        self.info |= {
            "total_episodes": self.index, "total_frames": self.rows,
            "total_tasks": len(self.tasks), "splits": {"train": f"0:{self.index}"},
        }
        _write_tasks(self.part / TASKS, list(self.tasks))
        for name, value in ((STATS, statistics.to_json(self.stats)), (INFO, self.info)):
            text = json.dumps(value, indent=4, ensure_ascii=False)
            (self.part / name).write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Ends the open files."""
        for files in (*self._tables.values(), *self._videos.values()):
            files.close()


def _pictures(episode: Episode) -> list[tuple[str, np.ndarray]]:
    return [(CAMERA + name, frames) for name, frames in episode.views.items()]


def _png(frame: np.ndarray) -> bytes:
    file = io.BytesIO()
    package("PIL.Image").fromarray(frame).save(file, "PNG", compress_level=3)
    return file.getvalue()


def _extra(episode: Episode) -> str:
    kept = {
        "success": None if episode.success is None else bool(episode.success),
        "violations": {k: [int(t) for t in ticks] for k, ticks in episode.violations.items()},
        "info": episode.info,
    }
    try:
        return json.dumps(kept)
    except (TypeError, ValueError) as error:
        raise RoboticsError(f"info cannot be kept ({error}); JSON values are accepted") from None


def _write_tasks(path: Path, tasks: list[str]) -> None:
    """A table that pandas reads with the sentences as its index, as LeRobot expects it."""
    pa, pq = package("pyarrow"), package("pyarrow.parquet")
    index = "__index_level_0__"
    kinds = (("task_index", "task_index", "int64", "int64"), (None, index, "unicode", "object"))
    told = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": [
            {"name": n, "field_name": f, "pandas_type": p, "numpy_type": d, "metadata": None}
            for n, f, p, d in kinds
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), index: tasks})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(told)}), path)
