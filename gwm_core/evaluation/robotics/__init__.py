"""The robotics family: protocols, judges of its pictures, and speed."""

from .suite import bench, evaluate

__all__ = ["bench", "evaluate"]
