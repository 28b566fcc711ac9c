"""Worlds in files: one safetensors file with everything, so that loading takes no replay.

The header's JSON holds how the world began and its control track; the arrays are the first
picture and depth, the camera's path, the rollout state, and what was seen last.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from . import tensor_file
from .checkpoint import safe_name
from .clip import Clip
from .controls import Controls
from .embodiment import Embodiment
from .errors import WorldError
from .noise import check_seed
from .observation import Observation
from .store import Progress
from .world import World, check_prompt

FORMAT = "gwm-world"
VERSION = 1
ENTRIES = {
    "model": dict, "embodiment": dict, "prompt": str, "seed": int, "track": dict,
    "observation": dict, "key": str, "last_hash": str, "state": dict, "sha256": str,
}


def save_world(
    world: World, path: str | os.PathLike[str], progress: Progress | None = None
) -> None:
    """Write a world to one file, all or nothing; WorldError where it cannot be written.

    The state is replayed first if it was dropped; ``progress`` then follows that.
    """
    state_arrays, meta = world.state(progress).to_arrays()
    state_arrays = {name: np.asarray(array) for name, array in state_arrays.items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "model": {"name": world.model.name, "fingerprint": world.fingerprint},
        "embodiment": world.embodiment.to_json(),
        "prompt": world.prompt,
        "seed": world.seed,
        "track": world.track.to_json(),
        "observation": world.observation.info,
        "key": world.key,
        "last_hash": world.last_hash,
        "state": {"meta": meta},
    }
    arrays = {
        **world.observation.arrays(),
        "path": world.path,
        **{f"state.{name}": array for name, array in state_arrays.items()},
        **(_seen_arrays(world.last_clip()) if world.tick else {}),
    }
    header["sha256"] = _hash(arrays, header)
    tensor_file.write_tensors(path, arrays, header, "world", WorldError)


def _seen_arrays(clip: Clip) -> dict[str, np.ndarray]:
    """The last block of ticks as arrays."""
    return {
        "seen.audio": clip.audio,
        **{f"seen.frames.{view}": frames for view, frames in clip.frames.items()},
        **{f"seen.depth.{view}": depth for view, depth in clip.depth.items()},
    }


def _seen(arrays: dict[str, np.ndarray], track: Controls) -> Clip | None:
    """The last block of ticks of a file; None in files that do not have it."""
    if "seen.audio" not in arrays:
        return None
    body = track.embodiment
    views = {
        kind: {n.split(".", 2)[2]: np.array(a) for n, a in arrays.items() if n.startswith(kind)}
        for kind in ("seen.frames.", "seen.depth.")
    }
    audio = np.array(arrays["seen.audio"])
    last = track[len(track) - body.block_ticks :].without_pending()
    frames = len(next(iter(views["seen.frames."].values()), ()))
    first = frames - (len(last) - 1) * body.frames_per_tick
    short = len(track) == len(last) and 0 < first < body.frames_per_tick
    return Clip(views["seen.frames."], views["seen.depth."], audio, body.sample_rate, body.fps,
                last, first=first if short else None)


def _hash(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> str:
    """sha256 (hex) of all that a file holds, but for this hash itself."""
    rest = {name: value for name, value in header.items() if name != "sha256"}
    return tensor_file.hash_arrays(
        arrays, tensor_file.canonical_json(rest, "world header", WorldError)
    )


def load_world(
    path: str | os.PathLike[str],
    model: Any = None,
    loader: Callable[[str], Any] | None = None,
) -> World:
    """Read a world file and file its state, so that it goes on at once.

    model   the model it was made with; None loads it by the name in the file
    loader  name -> model, ``gwm_core.load`` when None

    WorldError for a file that is missing, foreign, truncated, damaged, of another version, or
    made with another model.
    """
    where = f"world {path}"
    arrays, metadata = tensor_file.read_tensors(path, "world", WorldError)
    header = tensor_file.metadata_json(metadata, where, WorldError)
    if header.get("format") != FORMAT:
        raise WorldError(f"{where}: format {header.get('format')!r}; {FORMAT!r} is accepted")
    if header.get("version") != VERSION:
        raise WorldError(
            f"{where}: format version {header.get('version')!r}; this GWM reads version {VERSION}"
        )
    for name, kind in ENTRIES.items():
        if not isinstance(header.get(name), kind) or isinstance(header.get(name), bool):
            raise WorldError(f"{where}: damaged header ({name} is missing or wrong)")
    model = _model_of(header["model"], model, loader, where)
    try:
        return _rebuild(arrays, header, model, where)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        if isinstance(error, WorldError) and where in str(error):
            raise
        raise WorldError(f"{where}: damaged ({error})") from error


def _model_of(
    made_with: dict[str, Any], model: Any, loader: Callable[[str], Any] | None, where: str
) -> Any:
    """The model of a file, or WorldError naming both fingerprints."""
    name, fingerprint = made_with.get("name"), made_with.get("fingerprint")
    if not isinstance(name, str) or not isinstance(fingerprint, str):
        raise WorldError(f"{where}: damaged header (model)")
    if model is None:
        if loader is None:
            name = safe_name(name, f"{where}: model name")
            from .worlds import load as loader
        model = loader(name)
    if model.fingerprint != fingerprint:
        raise WorldError(
            f"{where}: made with model {name!r} (fingerprint {fingerprint[:12]}), but "
            f"{model.name!r} has {model.fingerprint[:12]}; the same checkpoint is needed"
        )
    return model


def _rebuild(
    arrays: dict[str, np.ndarray], header: dict[str, Any], model: Any, where: str
) -> World:
    """The world of a checked header, with its state filed in the store."""
    embodiment = Embodiment.from_json(header["embodiment"])
    if embodiment != model.embodiment:
        raise WorldError(f"{where}: damaged header (embodiment of another model)")
    observation = Observation(
        {n.removeprefix("frame."): a for n, a in arrays.items() if n.startswith("frame.")},
        {n.removeprefix("depth."): a for n, a in arrays.items() if n.startswith("depth.")},
        header["observation"],
    )
    observation.check(model.embodiment)
    track = Controls.from_json(header["track"], model.embodiment)
    path = np.array(arrays["path"], np.float64)
    if path.ndim != 2 or path.shape[1] != 5 or not np.isfinite(path).all():
        raise WorldError(f"{where}: damaged (camera path)")
    path.flags.writeable = False
    world = World(
        model, check_prompt(header["prompt"]), check_seed(header["seed"]), observation, track,
        path, header["last_hash"], seen=_seen(arrays, track),
    )
    if world.key != header["key"]:
        raise WorldError(f"{where}: damaged, its contents do not match its key")
    if world.tick % model.embodiment.block_ticks:
        raise WorldError(f"{where}: damaged ({world.tick} ticks are no whole blocks)")
    if _hash(arrays, header) != header["sha256"]:
        raise WorldError(f"{where}: damaged, its contents do not match its hash")
    kept = {n.removeprefix("state."): a for n, a in arrays.items() if n.startswith("state.")}
    copies = {name: array.copy() for name, array in kept.items()}
    state = model.state_from_arrays(copies, header["state"].get("meta"))
    block = model.embodiment.block_ticks
    world.store.put(world.store_key(), state, world._stored(world.start_key), world.tick, block)
    return world
