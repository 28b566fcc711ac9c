"""Tiny twins in the place of the large files that a workflow asks for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gwm_core.backbones.tiny_models import write_twin

NETWORKS = {"waypoint": ("waypoint", "360P")}
"""Which twin stands in, by the beginning of a network's file name."""


def wanted(workflow: dict) -> list[dict]:
    """The files that a workflow's nodes name for the host's download dialog."""
    return [m for node in workflow["nodes"] for m in node.get("properties", {}).get("models", [])]


@contextmanager
def standing_in(workflow: dict, models: Path) -> Iterator[list[Path]]:
    """The files a workflow asks for, as twins in the folders that it names, while this lasts."""
    files = wanted(workflow)
    placed: list[Path] = []
    with tempfile.TemporaryDirectory() as folder:
        for start, (kind, variant) in NETWORKS.items():
            pair = [f for f in files if f["name"].startswith(start)]
            for file, twin in zip(pair, write_twin(folder, kind, variant), strict=True):
                target = models / file["directory"] / file["name"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(twin, target)
                placed.append(target)
    try:
        yield placed
    finally:
        for path in placed:
            path.unlink()
