"""Portraits that nobody trained on: where their points are found, and whether they speak."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ...avatars.character import Character
from ...avatars.landmarks import INDEX, face_height
from ...avatars.motion import INDEX as CHANNEL
from ...avatars.motion import MOTION
from ...avatars.mouth import aperture
from ...avatars.rig import Rig
from ...noise import rng
from ..report import Metric
from .clips import FIRST, SIZE, Clip
from .curves import pearson
from .played import Parts
from .points import MOUTH

if TYPE_CHECKING:
    from ...simulators.faces.faces import Face

COUNT = {False: 40, True: 200}
TICKS = 120
"""Of the clip that strangers speak."""
LONGEST, CELL, SHOWN = 384, 160, 9
"""Pixels of a stranger's frame and of a cell of the sheet; frames shown of each."""
LIPS = [i for name, i in INDEX.items() if name.startswith(("mouth_", "lip_", "inner_"))]


def errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Distance of each point [44] over the face's height."""
    return np.linalg.norm(found - true, axis=-1) / face_height(true)


def landmark_metrics(find: Callable[[np.ndarray], np.ndarray | None], seed: int, full: bool
                     ) -> list[Metric]:
    """The finder on faces of the held-out style, at rest and moved; None counts as the centred
    default face that the product then uses."""
    from ...simulators.faces.faces import HELD_STYLES, STYLES, Face
    from ...simulators.faces.poses import random_motion

    means: dict[str, list[float]] = {"held": [], "known": [], "centred": [], "mouth": []}
    missed = 0
    for i in range(COUNT[full]):
        draw = rng(seed, "avatars", "strangers", i)
        for kind, styles in (("held", HELD_STYLES), ("known", STYLES)):
            style = str(styles[int(draw.integers(len(styles)))])
            face = Face(FIRST + int(draw.integers(1_000_000)), style=style, split="held")
            picture, true = face.draw(random_motion(draw), size=SIZE)
            found = find(picture)
            centred = Character.default_points(SIZE, SIZE)
            error = errors(centred if found is None else found, true)
            means[kind].append(float(error.mean()))
            if kind == "held":
                missed += found is None
                means["centred"].append(float(errors(centred, true).mean()))
                means["mouth"].append(float(error[LIPS].mean()))
    n = COUNT[full]
    return [
        Metric("avatars.landmark_error", float(np.mean(means["held"])), "face heights",
               {"a centred face": float(np.mean(means["centred"])),
                "known styles": float(np.mean(means["known"])),
                "the mouth's points": float(np.mean(means["mouth"])),
                "median": float(np.median(means["held"]))}, n, "<= 0.05",
               note=f"held-out style; no face found in {missed} of {n}"),
    ]


def shut_metric(find: Callable[[np.ndarray], np.ndarray | None], seed: int, full: bool) -> Metric:
    """avatars.shut_mouths: of mouths that are shut, how many the product takes for shut; hair about
    them looks much like teeth and the dark between lips. Of open ones, how many for open."""
    shares = {}
    for kind in ("beard", "moustache", "bare"):
        shut, opened = [], []
        for face in _faces_with(kind, seed, COUNT[full] // 2):
            for jaw, parted in ((0.0, shut), (0.35, opened)):
                motion = np.zeros(len(MOTION), np.float32)
                motion[CHANNEL["jaw"]] = jaw
                picture, _ = face.draw(motion, size=SIZE)
                found = find(picture)
                if found is not None:
                    parted.append(Rig(Character(picture, found), size=SIZE).lips.parted)
        shares[kind] = 1 - float(np.mean(shut)), float(np.mean(opened))
    return Metric("avatars.shut_mouths", shares["beard"][0], "",
                  {"moustache": shares["moustache"][0], "bare": shares["bare"][0]}
                  | {f"open ones, {kind}": both[1] for kind, both in shares.items()},
                  COUNT[full] // 2, note="bearded portraits at rest, known and held-out styles")


def _faces_with(kind: str, seed: int, count: int) -> Iterator[Face]:
    """People who have a beard, only a moustache, or neither."""
    from ...simulators.faces.faces import HELD_STYLES, STYLES, Face

    styles, k = (*STYLES, *HELD_STYLES), 0
    while count:
        draw = rng(seed, "avatars", "shut", kind, k)
        k += 1
        face = Face(FIRST + int(draw.integers(1_000_000)),
                    style=str(styles[int(draw.integers(len(styles)))]), split="held")
        hair = next((name for name in ("beard", "moustache") if name in face.identity.extras),
                    "bare")
        if hair == kind:
            count -= 1
            yield face


# ------------------------------------------------------------------ pictures by other hands


def strangers(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pictures of a folder with the points that a person placed on them (``points.json``), by
    name; {} where there are none."""
    known = folder / "points.json"
    if not known.is_file():
        return {}
    placed = json.loads(known.read_text())
    return {name: (np.asarray(Image.open(folder / name).convert("RGB")),
                   np.array(points, np.float32)) for name, points in sorted(placed.items())
            if (folder / name).is_file()}


def stranger_metrics(parts: Parts, clip: Clip, folder: Path, sheets_at: Path | None
                     ) -> list[Metric]:
    """The clip's voice on pictures by other hands, as the product finds and moves them: does the
    mouth that the judge sees open as it is driven?"""
    pictures = strangers(folder)
    if not pictures:
        return []
    motion = parts.drive(clip)[:TICKS]
    asked, r, error, missed, rows = aperture(motion), {}, {}, [], []
    for name, (picture, true) in pictures.items():
        found = parts.find(picture)
        if found is None:
            missed.append(name)
        error[name] = float(errors(parts.placed(picture), true).mean()) if found is not None \
            else float("nan")
        small, near = fitted(picture, true)
        draw = parts.rig(small, parts.placed(small))
        frames = np.stack([draw(row) for row in motion])
        rest = parts.sight.read(small[None], near)[0]
        points = parts.sight.read(frames, near)
        mouth = parts.sight.mouth(frames, points, small, rest)
        r[name] = pearson(mouth[:, MOUTH.index("open")], asked)
        rows.append((name, small, frames))
    if sheets_at is not None:
        save_strangers(sheets_at, rows, asked)
    values = [v for v in error.values() if v == v]
    return [
        Metric("avatars.strangers_r", float(np.mean(list(r.values()))), "", r, len(r),
               note="opening of the mouth as seen against as driven, each picture; no face found "
                    f"in {', '.join(missed) if missed else 'none'}"),
        Metric("avatars.strangers_error", float(np.mean(values)) if values else float("nan"),
               "face heights", error, len(values),
               note="found points against those that a person placed"),
    ]


def fitted(picture: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its longest side at LONGEST pixels at most, and its points."""
    scale = min(1.0, LONGEST / max(picture.shape[:2]))
    if scale == 1:
        return picture, points
    height, width = (max(16, round(side * scale)) for side in picture.shape[:2])
    small = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))
    return small, points * np.array([width / picture.shape[1], height / picture.shape[0]],
                                    np.float32)


def save_strangers(folder: Path, rows: list[tuple[str, np.ndarray, np.ndarray]],
                   asked: np.ndarray) -> None:
    """One sheet: a row for each picture, at rest and at the widest and most closed moments."""
    ticks = np.linspace(0, len(asked), SHOWN + 1).round().astype(int)
    picks = [a + int((asked[a:b].argmax if k % 3 else asked[a:b].argmin)())
             for k, (a, b) in enumerate(zip(ticks[:-1], ticks[1:], strict=True))]
    sheet = Image.new("RGB", (CELL * (SHOWN + 1), CELL * len(rows)), (250, 249, 246))
    for y, (_, still, frames) in enumerate(rows):
        for x, frame in enumerate([still, *(frames[t] for t in picks)]):
            cell = Image.fromarray(frame)
            cell.thumbnail((CELL, CELL), Image.Resampling.BOX)
            sheet.paste(cell, (x * CELL + (CELL - cell.width) // 2,
                               y * CELL + (CELL - cell.height) // 2))
    folder.mkdir(parents=True, exist_ok=True)
    sheet.save(folder / "strangers.png")
