"""Builds the bank of remembered places from held-in floor plans of the simulator.

One panorama a room and some in doorways, in daylight with lamps off and no fog, without anything
that moves. Resumable: each floor plan's places are kept in a work folder until the bank is
written.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from ..bank import MAX_BYTES, pack_picture, pack_surface, write_bank
from .panoramas import FACE, capture, describe, hide_bodies

EYE = 1.55
QUALITY = 75


def _clear(sim, x: float, y: float, gap: float) -> bool:
    """Whether nothing fixed stands within ``gap`` metres of a standing person."""
    azimuths = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    reach = sim.static_rays((x, y, 0.0), np.array([0.25, 0.7, 1.3]), azimuths)
    return float(reach.min()) > gap


def _spots(sim, rng) -> list[tuple[float, float, int, bool]]:
    """Where to stand in a floor plan: (x, y, room, doorway)."""
    out = []
    for k, room in enumerate(sim.layout.rooms):
        for _ in range(40):
            x = float(rng.uniform(room.x0 + 0.5, room.x1 - 0.5))
            y = float(rng.uniform(room.y0 + 0.5, room.y1 - 0.5))
            if _clear(sim, x, y, 0.45):
                out.append((x, y, k, False))
                break
    for opening in sim.layout.openings:
        if opening.kind in ("open", "hinged") and rng.random() < 0.16:
            x, y = (float(c) for c in opening.point())
            out.append((x, y, int(opening.rooms[int(rng.integers(2))]), True))
    return out


def take_places(seed: int, bank_seed: int) -> list[dict]:
    """The remembered places of one floor plan as entries of a bank."""
    from ..simulators.rooms import catalogue
    from ..simulators.rooms.sim import Rooms

    rng = np.random.Generator(np.random.Philox(key=[bank_seed, seed]))
    sim = Rooms(seed, width=FACE, height=FACE, fov_deg=90.0)
    try:
        hide_bodies(sim)
        entries = []
        for x, y, room, doorway in _spots(sim, rng):
            pano, error = capture(sim, x, y, EYE)
            if error > 0.01:
                continue
            theme = sim.layout.rooms[room].theme
            floor = catalogue.THEMES[theme].floor_index
            entries.append({
                "picture": pack_picture(pano.rgb, QUALITY),
                "surface": pack_surface(pano.surface),
                "planes": pano.planes.astype(np.float16),
                "labels": pano.labels,
                "cells": describe(pano),
                "place": np.array([theme, floor, seed, doorway, round(100 * x), round(100 * y)],
                                  np.int32),
            })
        return entries
    finally:
        sim.close()


def _save(path: Path, entries: list[dict]) -> None:
    arrays = {}
    for k, entry in enumerate(entries):
        for name, value in entry.items():
            data = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
            arrays[f"{k:02d}.{name}"] = data
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


def _load(path: Path) -> list[dict]:
    entries: dict[str, dict] = {}
    with np.load(path) as data:
        for key in data.files:
            number, name = key.split(".")
            value = data[key]
            entries.setdefault(number, {})[name] = (
                value.tobytes() if name in ("picture", "surface") else value)
    return [entries[k] for k in sorted(entries)]


def _size(entry: dict) -> int:
    return (len(entry["picture"]) + len(entry["surface"]) + 7 * len(entry["labels"])
            + entry["cells"].size + 24 + 24)


def build_bank(out, seed: int = 0, work=None, layouts: int = 320, log=print,
               part: tuple[int, int] = (0, 1), plans: list[int] | None = None) -> dict:
    """Makes the bank file ``out`` (at most 24 MB) and returns its figures.

    ``work``: folder for finished floor plans (default: beside ``out``). ``layouts``: how many of
    the 500 held-in floor plans, in an order drawn from ``seed``; ``plans`` names them instead
    (a bank's own list is in its metadata: the same list gives the same bank). ``part`` (k, n)
    takes only every n-th plan and writes no bank, to share the work between processes.
    """
    out = Path(out)
    work = Path(work) if work else out.parent / (out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(500)[:layouts]
    if plans is not None:
        order = np.asarray(plans, np.int64)
    began = time.monotonic()
    for n, layout in enumerate(order[part[0]::part[1]]):
        path = work / f"{seed}-{int(layout):03d}.npz"
        if not path.exists():
            _save(path, take_places(int(layout), seed))
        if n % 20 == 0:
            log(f"bank: {n + 1} floor plans, {time.monotonic() - began:.0f} s")
    if part[1] > 1:
        return {}
    return assemble(out, seed, work, [int(k) for k in order], log)


def assemble(out, seed: int, work, order: list[int], log=print) -> dict:
    """Writes the bank from the finished floor plans among ``order``, as many places as fit."""
    entries: list[dict] = []
    used: list[int] = []
    total = 8000
    for layout in order:
        path = Path(work) / f"{seed}-{layout:03d}.npz"
        if not path.exists():
            continue
        used.append(layout)
        for entry in _load(path):
            if total + _size(entry) > MAX_BYTES:
                break
            total += _size(entry)
            entries.append(entry)
    info = {"seed": seed, "light": 0, "eye": EYE, "quality": QUALITY, "layouts": "held-in 0..499",
            "plans": used, "licence": "Apache-2.0"}
    size = write_bank(out, entries, info)
    themes = np.bincount([int(e["place"][0]) for e in entries], minlength=14)
    figures = {"bytes": size, "places": len(entries), "themes": themes.tolist(),
               "doorways": int(sum(int(e["place"][3]) for e in entries))}
    log(f"bank: {figures}")
    return figures
