"""`video.face_consistency`: are a character's shots more alike than those of two characters?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ...noise import rng
from ...video.shots import open_shot
from ...video.storyboard import CastMember, Shot, Storyboard
from ..report import Metric
from .board import GALLERY, HALL, board, character
from .face_likeness import FaceEncoder, in_frames, lit
from .voice_likeness import right_order, shuffled

CAST = {False: 6, True: 12}
"""Characters, by ``full``; every second one of the held-out style, the others of known ones."""
FRAMINGS = ((HALL, "close-up"), (GALLERY, "medium"), ("a wooden cabin by day", "close-up"))
SECONDS, LOOKS = Fraction(1, 2), 4
"""Of a shot, and every so many pictures one is looked at."""
Find = Callable[[np.ndarray], "np.ndarray | None"]
Say = Callable[[str], None]


def characters(full: bool, seed: int) -> list[CastMember]:
    from ...simulators.faces.faces import STYLES

    return [CastMember(f"face {k}", character(50 + k, seed, STYLES[k % len(STYLES)] if k % 2
                                              else "")) for k in range(CAST[full])]


def shots_of(members: list[CastMember], seed: int) -> list[tuple[str, Storyboard, int]]:
    """(character, storyboard, shot) of every shot, those of one room together."""
    film = board(seed)
    return [(m.name, replace(film, cast=tuple(members), shots=(
        Shot(SECONDS, place, seed, framing, (m.name,)),)), 0)
            for place, framing in FRAMINGS for m in members]


def seen_faces(parts: Any, members: list[CastMember], encoder: FaceEncoder, find: Find, seed: int,
               say: Say) -> tuple[dict[str, list[np.ndarray]], int]:
    """(embeddings by character, shots in which no face was found)."""
    groups: dict[str, list[np.ndarray]] = {}
    lost = 0
    for k, (name, film, index) in enumerate(shots := shots_of(members, seed)):
        say(f"faces: shot {k + 1} of {len(shots)}")
        frames = list(open_shot(film, index, parts).frames())[::LOOKS]
        found = in_frames(encoder, frames, find)
        if found is None:
            lost += 1
        else:
            groups.setdefault(name, []).append(found)
    return groups, lost


def drawn_faces(members: list[CastMember], encoder: FaceEncoder, find: Find, seed: int
                ) -> dict[str, list[np.ndarray]]:
    """The same characters as the simulator draws them, in other poses and lights."""
    from ...simulators.faces.faces import HELD_STYLES, STYLES, Face
    from ...simulators.faces.poses import random_motion
    from .board import FIRST, PORTRAIT

    groups: dict[str, list[np.ndarray]] = {}
    for k, member in enumerate(members):
        style = STYLES[k % len(STYLES)] if k % 2 else HELD_STYLES[0]
        face = Face(FIRST + 1000 * seed + 50 + k, style, "held")
        for j in range(len(FRAMINGS)):
            draw = rng(seed, "video drawn faces", k, j)
            picture, _ = face.draw(random_motion(draw), size=PORTRAIT // 2)
            found = in_frames(encoder, [lit(picture, draw)], find)
            if found is not None:
                groups.setdefault(member.name, []).append(found)
    return groups


def face_metric(shown: dict[str, list[np.ndarray]], drawn: dict[str, list[np.ndarray]], lost: int,
                seed: int = 0) -> Metric:
    """The share in the right order; a shot without a face counts as wrong."""
    share, n = right_order(shown)
    there = sum(map(len, shown.values()))
    return Metric("video.face_consistency", share * there / max(there + lost, 1), "", {
        "drawn by the simulator": right_order(drawn)[0],
        "shuffled": right_order(shuffled(shown, seed))[0]}, n, ">= 0.95",
        note=f"{len(shown)} characters, {there} shots, in {lost} more no face was found; by an "
             "encoder of our own that tells drawings apart")
