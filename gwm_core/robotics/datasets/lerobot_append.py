"""How an addition becomes part of a LeRobot set: new files first, info.json last."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...errors import RoboticsError
from . import lerobot_stats as statistics
from .lerobot_meta import DATA_PATH, INFO, STATS, TASKS, VIDEO_PATH, Meta, parquet, read_json


def appendable(meta: Meta) -> None:
    """A set whose files are where ours would be, and whose next file is known."""
    for key, ours in (("data_path", DATA_PATH), ("video_path", VIDEO_PATH)):
        if meta.info.get(key) not in (None, ours):
            raise RoboticsError(
                f"{meta.folder / INFO}: {key} {meta.info[key]!r}; {ours!r} is accepted to add to a "
                "set: write a new one from read_lerobot"
            )
    if not meta.episodes:
        raise RoboticsError(f"{meta.folder}: a set without episodes; remove it, and write it anew")
    if meta.episodes[-1].get("meta/episodes/file_index") is None:
        raise RoboticsError(
            f"{meta.folder / 'meta/episodes'}: no column meta/episodes/file_index; it is needed to "
            "add to a set: write a new one from read_lerobot"
        )


def commit(part: Path, old: Meta) -> None:
    """Moves the files under ``part`` into the set ``old``.

    Killed at any point, the set reads as it was (info.json does not count the new episodes, and
    nothing that it counts is touched), and the next addition takes away what was left over.
    """
    remove_uncounted(old)
    moves: list[tuple[Path, Path]] = []
    for name in ("videos", "data", TASKS, "meta/episodes", STATS, INFO):
        here = part / name
        files = [here] if here.is_file() else sorted(f for f in here.rglob("*") if f.is_file())
        moves += [(file, old.folder / file.relative_to(part)) for file in files]
    for file, target in moves:
        if target.exists() and file.parent != part / "meta":
            raise RoboticsError(
                f"{target}: is there already, and meta/episodes does not say what it is; move it "
                "away"
            )
    for file, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)


def remove_uncounted(meta: Meta) -> None:
    """Takes away files of an addition that was killed before info.json counted it."""
    keep = {meta.data_file(row) for row in meta.episodes}
    for key, feature in meta.cameras.items():
        if feature["dtype"] == "video":
            keep |= {meta.video_file(row, key) for row in meta.episodes}
    pattern = "chunk-*/file-*"
    for file in (*meta.folder.glob(f"data/{pattern}"), *meta.folder.glob(f"videos/*/{pattern}")):
        if file not in keep:
            file.unlink()
    for file in meta.folder.glob(f"meta/episodes/{pattern}"):
        with parquet(file) as table:
            indices = table.read(columns=["episode_index"]).column(0).to_pylist()
        if indices and min(indices) >= len(meta.episodes):
            file.unlink()


def whole_stats(meta: Meta) -> statistics.Stats:
    """The statistics of the set: those of meta/stats.json where they count every row, else
    those of its episodes together."""
    path = meta.folder / STATS
    if path.is_file():
        stats = statistics.from_json(read_json(path))
        counts = stats.get("index", {}).get("count")
        if counts is not None and int(counts[0]) == meta.info["total_frames"]:
            return stats
    stats: statistics.Stats = {}
    for file in sorted((meta.folder / "meta/episodes").glob("*/*.parquet")):
        with parquet(file) as table:
            for batch in table.iter_batches(100):
                for row in batch.to_pylist():
                    if row["episode_index"] < len(meta.episodes):
                        stats = statistics.merge(stats, _row_stats(row))
    return stats


def _row_stats(row: dict[str, Any]) -> statistics.Stats:
    nested: dict[str, dict[str, Any]] = {}
    for name, value in row.items():
        if name.startswith("stats/") and value is not None:
            key, _, stat = name.removeprefix("stats/").rpartition("/")
            nested.setdefault(key, {})[stat] = value
    return statistics.from_json(nested)


