"""`gwm train rooms`: every stage of gwm-rooms in order, each resumable, then one checkpoint.

The parts are trained one after another on the simulator's episodes and packed into a single
safetensors file (fp16) with the bank of remembered places beside it; last, into files of their own
beside them, the inverse dynamics, on clips of the finished checkpoint too, and what hears impacts
in silent clips.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..checkpoint import (
    EMBEDDED,
    FOLEY,
    INVERSE,
    bank_path,
    companion_path,
    read_bank,
    save_bank,
    save_checkpoint,
)
from ..embodiment import rooms_embodiment
from .stages import chosen

NAME = "gwm-rooms"
LICENCE = "Apache-2.0"
PARTS = ("state", "finder", "text", "light", "depth", "trunk")
STAGES = ("episodes", "state", "finder", "text", "light", "bank", "depth", "trunk", "pack",
          "inverse", "foley")
COMPANIONS = {"inverse": INVERSE, "foley": FOLEY}
TRAIN_LAYOUTS, TRAIN_TICKS = 120, 40
TOUCH_LAYOUTS = range(140, 220)  # where boxes and doors are sought most, for the state nets
STATE_LAYOUTS, FINDER_LAYOUTS, DEPTH_LAYOUTS, BANK_LAYOUTS = 100, 200, 250, 330


def train(work: Path, out: Path | None = None, stages: list[str] | None = None,
          minutes: float | None = None, seed: int = 0,
          progress: Callable[[str], None] = print) -> None:
    """Run the stages (all by default) in the folder `work`; finished ones are not done again.

    minutes: time for each stage that can be cut short. ValueError for an unknown stage.
    """
    wanted = chosen(STAGES, stages)
    work = Path(work)
    (work / "weights").mkdir(parents=True, exist_ok=True)
    path = Path(out) if out else EMBEDDED / f"{NAME}.safetensors"
    for stage in wanted:
        if stage == "pack":
            progress(f"checkpoint {path.name}: {pack(work / 'weights', path)}")
            continue
        there = _weights(work, stage).exists()
        progress(f"{stage}: {'already there' if there else 'begins'}")
        if not there:
            more = {"checkpoint": path} if stage == "inverse" else {}
            _RUN[stage](work, minutes, seed, progress, **more)
        if stage in COMPANIONS:  # lies beside the finished checkpoint
            shutil.copyfile(_weights(work, stage), companion_path(path, COMPANIONS[stage]))


def _weights(work: Path, stage: str) -> Path:
    name = f"{NAME}.bank" if stage == "bank" else stage
    return work / "weights" / f"{name}.safetensors"


# ------------------------------------------------------------------ stages
def _episodes(work, minutes, seed, progress):
    from .record import record_set

    record_set(work / "rooms" / "train", "train", TRAIN_LAYOUTS, TRAIN_TICKS, report=progress)


def _state(work, minutes, seed, progress):
    from . import state, state_data

    state_data.collect(work / "state" / "train", range(STATE_LAYOUTS), 300, seed)
    state_data.collect(work / "state" / "train", TOUCH_LAYOUTS, 240, seed, touch=True)
    state.train(work / "state" / "train", _weights(work, "state"), seed=seed)


def _finder(work, minutes, seed, progress):
    from . import finder, finder_data

    finder_data.collect(work / "finder" / "train", range(FINDER_LAYOUTS), 24, seed)
    finder.train(work / "finder" / "train", _weights(work, "finder"), seed=seed)


def _text(work, minutes, seed, progress):
    from . import text

    text.train(_weights(work, "text"), seed, minutes or 2.5, log=progress)


def _light(work, minutes, seed, progress):
    from . import light

    light.train(_weights(work, "light"), seed, minutes or 2.5, log=progress)


def _depth(work, minutes, seed, progress):
    from . import depth, depth_data

    depth_data.collect(work / "depth", DEPTH_LAYOUTS, 20, seed, progress)
    depth.train(_weights(work, "depth"), work / "depth", seed, minutes or 50,
                resume=work / "depth.resume", log=progress)


def _bank(work, minutes, seed, progress):
    from . import bank

    bank.build_bank(_weights(work, "bank"), seed, work / "bank_work", BANK_LAYOUTS, progress)


def _trunk(work, minutes, seed, progress):
    from . import trunk

    trunk.train(work / "rooms" / "train", work / "trunk", _weights(work, "trunk"),
                minutes=minutes or 25, seed=seed, log=progress)


def _inverse(work, minutes, seed, progress, checkpoint):
    from . import inverse

    inverse.train(_weights(work, "inverse"), work / "inverse", checkpoint, seed, minutes, progress)


def _foley(work, minutes, seed, progress):
    from . import foley

    foley.train(_weights(work, "foley"), work / "foley", seed, progress)


_RUN = {"episodes": _episodes, "state": _state, "finder": _finder, "text": _text,
        "light": _light, "depth": _depth, "bank": _bank, "trunk": _trunk,
        "inverse": _inverse, "foley": _foley}


# ------------------------------------------------------------------ one file
def pack(weights: Path, path: Path) -> str:
    """Join the parts' files in the folder `weights` into the checkpoint `path`; its fingerprint.

    FileNotFoundError names a part that is not trained yet.
    """
    from safetensors import safe_open

    tensors: dict[str, np.ndarray] = {}
    config: dict[str, dict] = {}
    for part in PARTS:
        file = weights / f"{part}.safetensors"
        if not file.exists():
            raise FileNotFoundError(f"{file}: train the stage {part!r} first")
        with safe_open(str(file), "np") as opened:
            metadata = opened.metadata()
            config[part] = json.loads(metadata.get("config") or metadata[part])
            for key in opened.keys():  # noqa: SIM118 (not a dict)
                tensors[f"{part}.{key}"] = opened.get_tensor(key)
    tensors |= tables() | fog_tables(weights.parent / "rooms" / "train")
    arrays, info = read_bank(weights / f"{NAME}.bank.safetensors")
    mark = save_bank(bank_path(path), arrays, {k: v for k, v in info.items()
                                               if k not in ("format", "version", "fingerprint")})
    return save_checkpoint(path, tensors, {
        "name": NAME, "kind": "rooms", "embodiment": rooms_embodiment(), "config": config,
        "licence": LICENCE, "bank": mark,
        "imaginer": "remembered places (a bank of simulated rooms)"})


def tables() -> dict[str, np.ndarray]:
    """What the model knows of the simulator's catalogue: room tone by light, looks of things,
    sounding material by label."""
    from ..model.audio_tokens import bed_levels
    from ..simulators.rooms import catalogue as cat
    from ..simulators.rooms.sound import ambience
    from .finder_data import material_table

    rate, ticks = 24000, 60
    tone = np.zeros((18, 9), np.float32)
    for light in range(18):
        generator = np.random.Generator(np.random.Philox(key=[light, 7]))
        tone[light, :8] = bed_levels(ambience(ticks * 2000, light // 6, generator), rate)
    out = {"tables.ambience": tone, "tables.materials": np.asarray(material_table(), np.uint8)}
    for kind in ("ball", "box"):
        for name in cat.COLOUR_NAMES:
            picture = cat.thing_texture(kind, name)
            pick = (np.arange(24) * 64 + 32) // 24
            out[f"looks.{kind}.{name}"] = picture[np.ix_(pick, pick)]
    return out


def fog_tables(episodes: Path, count: int = 12) -> dict[str, np.ndarray]:
    """Density per metre [18] and colour [18, 3] (0..255) of exponential fog, fitted to pairs of
    the same pictures with and without it (least squares of the colour, search of the density)."""
    from ..worlds.light import ray_lengths
    from .record import episodes as paths
    from .record import load_episode, relight_episode

    chosen = [p for p in paths(episodes) if load_episode(p, ())["condition"]["index"] == 0][:count]
    density, colour = np.zeros(18, np.float32), np.zeros((18, 3), np.float32)
    rates = np.linspace(0.01, 0.5, 99)
    for light in range(18):
        if light % 3 == 0:
            continue
        clear, foggy, away = [], [], []
        for n, path in enumerate(chosen):
            episode = load_episode(path)
            tick = 3 * n % len(episode["controls"])
            clear.append(relight_episode(episode, light // 3 * 3, tick)[0, 1, ::4, ::4])
            foggy.append(relight_episode(episode, light, tick)[0, 1, ::4, ::4])
            depth = episode["depth"][tick, 1].astype(np.float64)
            height, width = depth.shape
            away.append((depth * ray_lengths(width, height, 60.0))[::4, ::4])
        x, y = (np.stack(v).reshape(-1, 3).astype(np.float64) for v in (clear, foggy))
        d = np.stack(away).reshape(-1, 1)
        best = np.inf
        for rate in rates:
            t = np.exp(-rate * d)
            c = ((1 - t) * (y - x * t)).sum(0) / ((1 - t) ** 2).sum()
            error = np.square(c + (x - c) * t - y).mean()
            if error < best:
                best, density[light], colour[light] = error, rate, c
    return {"tables.fog_density": density, "tables.fog_colour": colour}
