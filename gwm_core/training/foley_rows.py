"""What the impact network learns from: clips as sequences of windows with marks of what strikes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ..model import modes
from ..model.audio_tokens import strength_of
from ..model.impacts import GRID
from ..simulators.rooms.sim import IMPACT
from ..video.foley_frames import window

FAINT, AUDIBLE = 0.06, 0.15
"""Strength at the camera below which an impact is neither asked for nor counted as a mistake: where
it is seen, and where it is heard only."""
BURST = 1.5
"""Pictures within which impacts are heard as one."""
SPREAD, BESIDE = 0.8, 0.5
"""Of an impact's mark: its width in cells, and its height in the pictures before and after."""


@dataclass
class Clip:
    """One recorded clip: frames u8 [F, 80, 128, 3], turns f32 [F - 1, 2], moving u8 [F, 20, 32];
    seen f32 [n, 6]: frame, row and column (in cells), strength at the camera, pitch, 1 where it
    counts; heard f32 [m, 5]: time in pictures, strength, pitch, material, 1
    where it counts."""

    frames: np.ndarray
    turns: np.ndarray
    moving: np.ndarray
    seen: np.ndarray
    heard: np.ndarray
    _windows: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: Path) -> Clip:
        """A clip as `foley_data.record` stores it."""
        with np.load(path) as file:
            facts = file["facts"]
            return cls(file["frames"], file["turns"], file["moving"],
                       seen_marks(facts), heard_marks(facts))

    def windows(self) -> np.ndarray:
        """All inputs of the network, u8 [F, 9, 80, 128]."""
        return self.cut(0, len(self.frames))

    def cut(self, start: int, stop: int) -> np.ndarray:
        """Inputs of some frames; kept, where the camera moved: turning pictures is slow."""
        if self._windows is not None:
            return self._windows[start:stop]
        if np.abs(self.turns).sum() < 0.05:
            return np.stack([window(self.frames, self.turns, k) for k in range(start, stop)])
        self._windows = np.stack([window(self.frames, self.turns, k)
                                  for k in range(len(self.frames))])
        return self._windows[start:stop]


def _loud(strength: float, distance: float) -> float:
    return strength_of(modes.loudness(strength) * modes.distance_gain(distance))


def _pitch(size: float) -> float:
    return math.log(modes.size_pitch(size)) / math.log(1.4)


def seen_marks(facts: np.ndarray) -> np.ndarray:
    """Impacts that can be seen, as `Clip.seen`."""
    out = []
    for f in facts:
        frame, _, kind, _, strength, distance, size, column, row, seen, slot = f
        if kind == IMPACT and slot >= 0 and seen:
            loud = _loud(strength, distance)
            out.append((frame, row * GRID[0], column * GRID[1], loud, _pitch(size),
                        float(loud >= FAINT)))
    return np.array(out, np.float32).reshape(-1, 6)


def heard_marks(facts: np.ndarray) -> np.ndarray:
    """Impacts that can be heard, wherever they are, as `Clip.heard`; of a burst the loudest."""
    rows = []
    for f in facts:
        frame, offset, kind, material, strength, distance, size, _, _, _, slot = f
        if kind == IMPACT and slot >= 0:
            loud = _loud(strength, distance)
            if loud >= FAINT:
                rows.append((frame + offset - 0.5, loud, _pitch(size), material,
                             float(loud >= AUDIBLE)))
    kept: list[tuple] = []
    for one in sorted(rows):
        if kept and one[0] - kept[-1][0] <= BURST:
            if one[1] > kept[-1][1]:
                kept[-1] = (kept[-1][0], *one[1:])
        else:
            kept.append(one)
    return np.array(kept, np.float32).reshape(-1, 5)


# ------------------------------------------------------------------ targets
def heat_of(rows: np.ndarray, frame: int) -> dict[str, np.ndarray]:
    """Seen marks of a clip -> heat f32 [20, 32] (1 where something strikes in this frame), certain
    (0 beside what is too faint), and of the struck cells: cells [k, 2], values [k, 4] (strength,
    pitch, offset right and down)."""
    heat, certain = np.zeros(GRID, np.float32), np.ones(GRID, np.float32)
    yy, xx = np.mgrid[0:GRID[0], 0:GRID[1]] + 0.5
    cells, values = [], []
    for when, row, column, loud, pitch, counts in rows:
        away = abs(int(when) - frame)
        if away > 2:
            continue
        spot = np.exp(-((yy - row) ** 2 + (xx - column) ** 2) / (2 * SPREAD**2))
        if not counts:
            certain[spot > 0.1] = 0
            continue
        if away == 2:
            continue
        r, c = min(int(row), GRID[0] - 1), min(int(column), GRID[1] - 1)
        heat = np.maximum(heat, spot * 0.95 * (BESIDE if away else 1.0))
        if away == 0:
            heat[r, c] = 1.0
            certain[r, c] = 1
            cells.append((r, c))
            values.append((loud, pitch, column - c - 0.5, row - r - 0.5))
    return {"heat": heat.astype(np.float32), "certain": certain,
            "cells": np.array(cells, int).reshape(-1, 2),
            "values": np.array(values, np.float32).reshape(-1, 4)}


def times_of(rows: np.ndarray, start: int, stop: int) -> dict[str, np.ndarray]:
    """Heard marks -> now f32 [T] of frames start..stop (1 in which something strikes), certain f32
    [T], when int [k] (frames from start) and heard f32 [k, 3] (strength, pitch, material)."""
    now, certain = np.zeros(stop - start, np.float32), np.ones(stop - start, np.float32)
    when, heard = [], []
    for time, loud, pitch, material, counts in rows:
        at = round(float(time)) - start
        for away in (-1, 0, 1):
            k = at + away
            if not 0 <= k < len(now):
                continue
            if not counts:
                certain[k] = 0
            else:
                now[k] = max(now[k], BESIDE if away else 1.0)
        if counts and 0 <= at < len(now):
            when.append(at)
            heard.append((loud, pitch, material))
    certain[now >= 1] = 1
    return {"now": now, "now_certain": certain, "when": np.array(when, int),
            "heard": np.array(heard, np.float32).reshape(-1, 3)}


def mirrored(goal: dict) -> dict:
    """The targets of the mirrored picture."""
    cells, values = goal["cells"].copy(), goal["values"].copy()
    cells[:, 1] = GRID[1] - 1 - cells[:, 1]
    values[:, 2] *= -1
    return {"heat": goal["heat"][:, ::-1], "certain": goal["certain"][:, ::-1], "cells": cells,
            "values": values}


def lit(x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A sequence u8 [T, 9, h, w] in another exposure and tint, with a little noise in the
    differences."""
    out = x.astype(np.float32)
    gain = math.exp(generator.normal() * 0.2)
    out[:, :3] *= gain * np.exp(generator.normal(size=(3, 1, 1)) * 0.05).astype(np.float32)
    out[:, 3:] = (out[:, 3:] - 128) * gain + 128
    if generator.random() < 0.3:
        noise = generator.standard_normal(out[:, 3:].shape, np.float32)
        out[:, 3:] += noise * generator.uniform(0, 3)
    return np.clip(np.round(out), 0, 255).astype(np.uint8)


# ------------------------------------------------------------------ batches
def sequence(clips: list[Clip], count: int, length: int, generator: np.random.Generator) -> dict:
    """`count` stretches of `length` frames, some mirrored, each in a light of its own: inputs and
    targets [B, T, ...]; where int [k, 3]: frame (of B * T), row, column of values [k, 4]; when int
    [m] (of B * T) of heard [m, 3]."""
    rows: dict[str, list] = {k: [] for k in ("x", "heat", "certain", "moving", "now", "now_certain",
                                             "where", "values", "when", "heard")}
    for n in range(count):
        clip = clips[int(generator.integers(len(clips)))]
        span = min(length, len(clip.frames))
        start = int(generator.integers(0, len(clip.frames) - span + 1))
        x = lit(clip.cut(start, start + span), generator)
        goals = [heat_of(clip.seen, k) for k in range(start, start + span)]
        moving = clip.moving[start:start + span] / np.float32(255)
        if generator.random() < 0.5:
            x, moving = x[..., ::-1], moving[..., ::-1]
            goals = [mirrored(goal) for goal in goals]
        times = times_of(clip.heard, start, start + span)
        rows["x"].append(x)
        rows["moving"].append(moving)
        for name in ("heat", "certain"):
            rows[name].append(np.stack([goal[name] for goal in goals]))
        for name in ("now", "now_certain"):
            rows[name].append(times[name])
        rows["when"].append(times["when"] + n * span)
        rows["heard"].append(times["heard"])
        for k, goal in enumerate(goals):
            rows["where"].append(np.column_stack([np.full(len(goal["cells"]), n * span + k),
                                                  goal["cells"]]))
            rows["values"].append(goal["values"])
    joined = ("where", "values", "when", "heard")
    out = {}
    for name, parts in rows.items():
        put = np.concatenate(parts) if name in joined else np.stack(parts)
        put = put.astype(int) if name in ("where", "when") else put
        out[name] = torch.from_numpy(np.ascontiguousarray(put))
    return out
