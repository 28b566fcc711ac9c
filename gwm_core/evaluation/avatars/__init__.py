"""The avatars family: lips, listening, life and likeness from rendered pixels; speed."""

from .speed import bench
from .suite import evaluate

__all__ = ["bench", "evaluate"]
