"""Sets that are written once and read by many tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gwm_core.robotics.datasets import (
    write_lerobot,
)

from .recorded import episode


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A set of either kind, of 8 episodes in several files."""
    root = tmp_path_factory.mktemp("sets")
    return {
        "video": write_lerobot(
            root / "video", map(episode, range(8)), data_mb=0.004, video_mb=0.003, chunk_files=2
        ),
        "image": write_lerobot(
            root / "image", map(episode, range(8)), images="image", data_mb=0.02, keep_last=True
        ),
    }


@pytest.fixture
def video(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["video"], tmp_path / "video"))
