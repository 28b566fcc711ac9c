"""Rollout states as plain arrays and back, for world files and for the store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from ..bodies import Bodies, Player
from ..imagine import Placement
from ..memory import Keyframe, Memory
from ..model.audio_tokenizer import Ringing
from ..model.cache import Cache
from ..understand import Thing
from .correction import Past
from .history import History
from .parts import Parts
from .state import Ahead, Made, RolloutState, Scene

VERSION = 1


def state_to_arrays(state: RolloutState) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays by name, JSON values) from which `state_from_arrays` makes the same state.

    Imagination under way is waited for and stored with the tick it becomes visible at.
    """
    arrays = {f"memory.{k}": v for k, v in state.memory.to_arrays().items()}
    arrays |= {f"bodies.{k}": np.asarray(v) for k, v in state.bodies.to_arrays().items()}
    arrays["player"] = state.player.to_array()
    arrays["body_light"] = np.asarray(state.body_light)
    ring = state.history.cache.to_tensors("cache.")
    arrays |= {k: v.detach().cpu().numpy() for k, v in ring.items()}
    arrays |= {f"past.{k}": v for k, v in state.history.past.to_arrays().items()}
    if state.audio is not None:
        arrays |= {f"audio.{k}": v for k, v in state.audio.to_arrays().items()}
    meta = {
        "version": VERSION, "seed": state.seed, "tick": state.tick,
        "quiet_until": state.quiet_until, "scene": asdict(state.scene),
        "placements": [asdict(p) for p in state.placements],
        "audio": state.audio is not None, "ahead": None,
    }
    if state.ahead is not None:
        made = state.ahead.result()
        coming = Memory(made.keyframes)
        arrays |= {f"ahead.{k}": v for k, v in coming.to_arrays().items()}
        meta["ahead"] = {
            "due": state.ahead.due, "remembered": made.remembered, "pixels": made.pixels,
            "placements": [asdict(p) for p in made.placements]}
    return arrays, meta


def state_from_arrays(parts: Parts, arrays: dict[str, np.ndarray], meta: Any) -> RolloutState:
    """The inverse of `state_to_arrays`; ValueError, KeyError or TypeError where it does not fit."""
    if meta["version"] != VERSION:
        raise ValueError(f"state version {meta['version']!r}; this GWM reads {VERSION}")

    def part(name: str) -> dict[str, np.ndarray]:
        start = name + "."
        return {k[len(start):]: v for k, v in arrays.items() if k.startswith(start)}

    ahead = None
    if meta["ahead"] is not None:
        coming: tuple[Keyframe, ...] = Memory.from_arrays(part("ahead")).keyframes
        made = Made(coming, _placements(meta["ahead"]["placements"]),
                    float(meta["ahead"]["remembered"]), int(meta["ahead"]["pixels"]))
        ahead = Ahead(int(meta["ahead"]["due"]), made=made)
    return RolloutState(
        seed=int(meta["seed"]), tick=int(meta["tick"]), scene=_scene(meta["scene"]),
        player=Player.from_array(arrays["player"]), bodies=Bodies.from_arrays(part("bodies")),
        body_light=np.asarray(arrays["body_light"]), memory=Memory.from_arrays(part("memory")),
        placements=_placements(meta["placements"]),
        history=History(_cache(parts, part("cache")),
                        Past.from_arrays(part("past"), parts.dynamics.sinks.device)),
        audio=Ringing.from_arrays(part("audio")) if meta["audio"] else None,
        ahead=ahead, quiet_until=int(meta["quiet_until"]))


def _placements(rows: list[dict]) -> tuple[Placement, ...]:
    return tuple(Placement(int(r["index"]), bool(r["mirror"]), float(r["angle"]),
                           tuple(float(v) for v in r["centre"]), float(r["lift"]))
                 for r in rows)


def _scene(row: dict) -> Scene:
    return Scene(int(row["theme"]), int(row["light"]), dict(row["attributes"]),
                 tuple(Thing(t["kind"], t["colour"], int(t["count"])) for t in row["things"]))


def _cache(parts: Parts, arrays: dict[str, np.ndarray]) -> Cache:
    tensors = {k: torch.from_numpy(np.array(v)) for k, v in arrays.items()}
    return Cache.from_tensors(tensors, "").to(parts.dynamics.sinks.device)
