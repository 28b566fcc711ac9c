"""Episodes on disk: LeRobot v3.0 data sets (written and read), robomimic HDF5 files (read)."""

from __future__ import annotations

from .lerobot import write_lerobot
from .lerobot_meta import contract
from .lerobot_read import read_lerobot
from .robomimic import read_robomimic

__all__ = ["contract", "read_lerobot", "read_robomimic", "write_lerobot"]
