"""What a LeRobot v3.0 data set says about itself: its files, features, episodes and tasks.

The layout is that of lerobot 0.4 (lerobot.datasets.lerobot_dataset and utils):

    meta/info.json                                   version, fps, features, sizes, templates
    meta/stats.json                                  statistics by feature
    meta/tasks.parquet                               sentences by task_index
    meta/episodes/chunk-000/file-000.parquet         a row an episode: where its rows and frames are
    data/chunk-000/file-000.parquet                  a row a tick, episode after episode
    videos/<feature>/chunk-000/file-000.mp4          frames, episode after episode
"""

from __future__ import annotations

import importlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import RoboticsError

VERSION = "v3.0"
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
DATA_PATH = f"data/{FILE}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{FILE}.mp4"
EPISODES_PATH = f"meta/episodes/{FILE}.parquet"
INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
EXTRA = "gwm/episode"
"""Column of the episodes' table: success, violations and info of an Episode as JSON."""
COUNTERS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
OUTCOMES = ("next.reward", "next.done", "next.success")
CAMERA = "observation.images."
STATE, ACTION = "observation.state", "action"
CONVERT = "python -m lerobot.datasets.v30.convert_dataset_v21_to_v30"


def package(name: str) -> Any:
    """The module of an optional package, or a RoboticsError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise RoboticsError(
            f"data sets: the package {name.partition('.')[0]} is needed "
            '(pip install "gwm[robotics]")'
        ) from None


def parquet(path: Path) -> Any:
    """An open ``pyarrow.parquet.ParquetFile``; a missing or damaged file is named."""
    pq, arrow = package("pyarrow.parquet"), package("pyarrow")
    if not path.is_file():
        raise RoboticsError(f"{path}: no such file; copy it from where the data set came from")
    try:
        return pq.ParquetFile(path)
    except (arrow.ArrowInvalid, OSError) as error:
        raise RoboticsError(
            f"{path}: no whole parquet file ({error}); it is truncated or damaged: copy or "
            "download it again"
        ) from None


def read_table(path: Path, skip: str | None = None) -> Any:
    """A whole small table, without the columns that start with ``skip``."""
    file = parquet(path)
    with file:
        names = [n for n in file.schema_arrow.names if skip is None or not n.startswith(skip)]
        try:
            return file.read(columns=names)
        except (package("pyarrow").ArrowException, OSError) as error:
            raise RoboticsError(
                f"{path}: its columns cannot be read ({error}); copy or download it again"
            ) from None


def element_names(feature: dict[str, Any], stem: str) -> list[str]:
    """A name for every number of a feature of shape [n], however its ``names`` are written."""
    count = int(feature["shape"][0])
    names = feature.get("names")
    if isinstance(names, dict):  # {"motors": [...]} of older sets
        names = next(iter(names.values()), None)
    if isinstance(names, (list, tuple)) and len(names) == count:
        return [str(name) for name in names]
    return [f"{stem}_{i}" for i in range(count)]


@dataclass(frozen=True, eq=False)
class Meta:
    """The checked metadata of a set.

    folder    its root
    info      meta/info.json
    tasks     sentences by task_index
    episodes  a row of meta/episodes for each episode, without statistics
    """

    folder: Path
    info: dict[str, Any]
    tasks: list[str]
    episodes: list[dict[str, Any]]

    @property
    def fps(self) -> float:
        """Ticks a second."""
        return float(self.info["fps"])

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """Features by name: dtype, shape, names."""
        return self.info["features"]

    @property
    def cameras(self) -> dict[str, dict[str, Any]]:
        """The features that are pictures, in the order of the set."""
        kinds = ("video", "image")
        return {key: f for key, f in self.features.items() if f["dtype"] in kinds}

    def data_file(self, row: dict[str, Any]) -> Path:
        """Where the rows of an episode are."""
        return self._path("data_path", row, "data", DATA_PATH)

    def video_file(self, row: dict[str, Any], key: str) -> Path:
        """Where the frames of an episode and a camera are."""
        return self._path("video_path", row, f"videos/{key}", VIDEO_PATH, video_key=key)

    def _path(
        self, template: str, row: dict[str, Any], part: str, default: str, **also: str
    ) -> Path:
        place = {k: row.get(f"{part}/{k}") for k in ("chunk_index", "file_index")}
        if None in place.values():
            raise RoboticsError(
                f"{self.folder / 'meta/episodes'}: episode {row['episode_index']} has no "
                f"{part}/chunk_index and {part}/file_index; every episode of a v3.0 set has them"
            )
        try:
            return self.folder / (self.info.get(template) or default).format(**place, **also)
        except (KeyError, IndexError, ValueError) as error:
            raise RoboticsError(
                f"{self.folder / INFO}: {template} {self.info[template]!r} cannot be filled in "
                f"({error!r}); {default!r} is accepted"
            ) from None


def load_meta(folder: str | os.PathLike[str]) -> Meta:
    """The metadata of a LeRobot v3.0 set; RoboticsError names the file and what to do."""
    folder = Path(folder)
    if not folder.is_dir():
        raise RoboticsError(f"{folder}: no such folder; the root of a LeRobot v3.0 set is accepted")
    info = _load_info(folder)
    tasks = _load_tasks(folder / TASKS)
    return Meta(folder, info, tasks, _load_episodes(folder, info))


def read_json(path: Path) -> Any:
    """A JSON file; a missing or damaged one is named."""
    if not path.is_file():
        raise RoboticsError(f"{path}: no such file; the root of a LeRobot v3.0 set has it")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RoboticsError(f"{path}: no JSON ({error}); copy or download it again") from None


def _load_info(folder: Path) -> dict[str, Any]:
    path = folder / INFO
    info = read_json(path)
    if not isinstance(info, dict):
        raise RoboticsError(f"{path}: a {type(info).__name__}; a JSON object is accepted")
    version = str(info.get("codebase_version", "none"))
    if version.lstrip("v").split(".")[0] != "3":
        older = version.lstrip("v")[:1] in ("1", "2")
        *_, owner, name = ("", "", *folder.resolve().parts)
        how = f"{CONVERT} --root={folder.resolve().parent.parent} --repo-id={owner}/{name}"
        then = (
            f"convert v2.1 in place with lerobot 0.4: {how} --push-to-hub=false"
            if older else "a v3.0 set is accepted"
        )
        raise RoboticsError(f"{path}: version {version} of the LeRobot format; {then}")
    for key in ("fps", "features", "total_episodes", "total_frames"):
        if key not in info:
            raise RoboticsError(f"{path}: no {key!r}; a v3.0 set has it")
    if not isinstance(info["fps"], (int, float)) or not info["fps"] > 0:
        raise RoboticsError(f"{path}: fps {info['fps']!r}; a number above 0 is accepted")
    for key, feature in info["features"].items():
        shape = feature.get("shape") if isinstance(feature, dict) else None
        if not isinstance(shape, (list, tuple)) or "dtype" not in feature:
            raise RoboticsError(
                f"{path}: feature {key!r} is {feature!r}; an object with dtype and shape is "
                "accepted"
            )
    return info


def _load_tasks(path: Path) -> list[str]:
    table, arrow = read_table(path), package("pyarrow")
    texts = [
        field.name for field in table.schema
        if arrow.types.is_string(field.type) or arrow.types.is_large_string(field.type)
    ]
    if "task_index" not in table.column_names or not texts:
        raise RoboticsError(
            f"{path}: columns {table.column_names}; task_index and a column of sentences are "
            "accepted"
        )
    indices = table.column("task_index").to_pylist()
    by_index = dict(zip(indices, table.column(texts[-1]).to_pylist(), strict=True))
    if sorted(by_index) != list(range(len(indices))):
        raise RoboticsError(f"{path}: task_index {indices}; 0, 1, 2 .. each once is accepted")
    return [by_index[i] for i in range(len(by_index))]


def _load_episodes(folder: Path, info: dict[str, Any]) -> list[dict[str, Any]]:
    root = folder / "meta/episodes"
    files = sorted(root.glob("*/*.parquet"))
    if not files:
        raise RoboticsError(f"{root}: no chunk-000/file-000.parquet; a v3.0 set has it")
    rows: dict[int, dict[str, Any]] = {}
    needed = ("episode_index", "length", "dataset_from_index", "dataset_to_index")
    for file in files:
        table = read_table(file, skip="stats/")
        missing = [name for name in needed if name not in table.column_names]
        if missing:
            raise RoboticsError(f"{file}: no column {', '.join(missing)}; a v3.0 set has it")
        for row in table.to_pylist():
            rows[row["episode_index"]] = row
    # Rows that info.json does not count are of an addition that was killed before its end.
    total = int(info["total_episodes"])
    if any(i not in rows for i in range(total)):
        first = next(i for i in range(total) if i not in rows)
        raise RoboticsError(
            f"{root}: episode {first} is missing, {folder / INFO} says {total} episodes; copy or "
            "download the folder again"
        )
    episodes = [rows[i] for i in range(total)]
    at = 0
    for row in episodes:
        span = (row["dataset_from_index"], row["dataset_to_index"])
        if span != (at, at + row["length"]) or row["length"] < 1:
            raise RoboticsError(
                f"{root}: episode {row['episode_index']} of {row['length']} rows has rows "
                f"{span[0]} to {span[1]}, the one before ends at {at}; rows without gaps are "
                "accepted"
            )
        at = span[1]
    if at != info["total_frames"]:
        raise RoboticsError(
            f"{folder / INFO}: total_frames {info['total_frames']}, the episodes have {at}; copy "
            "or download the set again"
        )
    return episodes


def contract(folder: str | os.PathLike[str]) -> str:
    """A readable summary of a LeRobot v3.0 set: what a policy or model can expect of it.

    Cameras in their order with size and coding, fps, names and ranges of action and state,
    episodes, tasks. Ranges are those of meta/stats.json. RoboticsError as for ``read_lerobot``.
    """
    meta = load_meta(folder)
    stats = read_json(meta.folder / STATS) if (meta.folder / STATS).is_file() else {}
    lengths = [row["length"] for row in meta.episodes] or [0]
    lines = [
        f"LeRobot {meta.info['codebase_version']} data set {meta.folder.resolve().name!r}, robot "
        f"{meta.info.get('robot_type') or 'unknown'}",
        f"{len(meta.episodes)} episodes of {min(lengths)} to {max(lengths)} rows, {sum(lengths)} "
        f"rows in all, {meta.fps:g} rows a second",
        "",
        "Cameras, in their order" if meta.cameras else "No cameras",
    ]
    for i, (key, feature) in enumerate(meta.cameras.items(), 1):
        height, width = picture_size(key, feature)
        coding = (feature.get("info") or {}).get("video.codec", "")
        coding = f"{feature['dtype']} {coding}".strip()
        lines.append(f"  {i}. {view_name(key)}  {width}x{height}  {coding}  ({key})")
    vectors = [
        key for key, f in meta.features.items()
        if len(f["shape"]) == 1 and key.startswith((ACTION, "observation."))
    ]
    for key in vectors:
        feature = meta.features[key]
        lines += ["", f"{key}  {feature['dtype']} [{feature['shape'][0]}]"]
        names = element_names(feature, key.rpartition(".")[2])
        low, high = (stats.get(key, {}).get(name) for name in ("min", "max"))
        for j, name in enumerate(names):
            known = low and high and len(low) == len(high) == len(names)
            span = f"{low[j]:.4g} .. {high[j]:.4g}" if known else "range not in meta/stats.json"
            lines.append(f"  {name:<12} {span}")
    counts = Counter(task for row in meta.episodes for task in row.get("tasks") or ())
    lines += ["", "Tasks"]
    lines += [f"  {i}. {task!r}  {counts[task]} episodes" for i, task in enumerate(meta.tasks)]
    rest = [k for k in meta.features if k not in {*meta.cameras, *vectors, *COUNTERS}]
    if rest:
        lines += ["", "Further columns: " + ", ".join(rest)]
    return "\n".join(lines)


def view_name(key: str) -> str:
    """The view that a camera's feature is read as when nobody names one."""
    return key.removeprefix(CAMERA).removeprefix("observation.")


def picture_size(key: str, feature: dict[str, Any]) -> tuple[int, int]:
    """Height and width of a camera's feature, channels last or first."""
    shape = [int(n) for n in feature["shape"]]
    names = feature.get("names")
    first = isinstance(names, list) and names[:1] in (["channels"], ["channel"])
    if len(shape) == 3:
        return (shape[1], shape[2]) if first or shape[2] > 4 else (shape[0], shape[1])
    raise RoboticsError(
        f"{INFO}: feature {key!r} has shape {shape}; [height, width, 3] is accepted"
    )


def channels(key: str, feature: dict[str, Any]) -> int:
    """Channels of a camera's feature."""
    height, width = picture_size(key, feature)
    return int(feature["shape"][0]) * int(feature["shape"][1]) * int(feature["shape"][2]) // (
        height * width
    )
