"""The voices that a character may have: names for rows of the model's table of voices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """name: as storyboards and nodes show it; about: in a few words; row: of the model's table."""

    name: str
    about: str
    row: int


VOICES: dict[str, Voice] = {voice.name: voice for voice in (
    Voice("Daniel", "a man, American, calm", 0),
    Voice("Grace", "a woman, American, clear", 1),
    Voice("Edmund", "a man, husky", 2),
    Voice("Ruby", "a young woman, bright", 3),
    Voice("Nora", "a woman, warm", 4),
    Voice("Walter", "an old man", 5),
    Voice("Victor", "a man, deep", 6),
    Voice("Leo", "a young man, light", 7),
)}
"""By name, in the order of their rows."""
