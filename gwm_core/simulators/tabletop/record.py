"""Episodes of the tabletop simulator, and shards of them on disk.

A shard is one .npz of up to 25 episodes, a pure function of (seed, its number, size, held out or
not); it is written aside and renamed, so that a run can be stopped and resumed at any time.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

from ...errors import RoboticsError
from ...noise import check_seed, rng
from ...robotics.episode import Episode
from .build import VIEWS
from .expert import STYLES, expert
from .randomise import OBJECTS, TASKS, ZONES
from .sim import FPS, Tabletop
from .tasks import SENTENCES
from .violations import VIOLATIONS

VERSION = 1
SHARD, TICKS = 25, 64
SHARES = {"expert": 0.24, "noisy": 0.22, "clumsy": 0.25, "wander": 0.21, "fast": 0.08}


def record(
    task: str, seed: int, style: str = "expert", ticks: int = TICKS, *, size: int = 64
) -> tuple[Episode, dict[str, np.ndarray]]:
    """Play one episode: (the Episode, what was really there).

    The second holds, for T ticks and in the orders VIEWS, OBJECTS, ZONES, VIOLATIONS:
    poses float32 [T + 1, 4, 7] (x, y, z, qw, qx, qy, qz; zeros where absent), present bool [4],
    half float32 [4, 3] m, rgb float32 [4, 3] 0..1, cameras float32 [T + 1, 3, 5], masks int8
    [T + 1, 3, H, W] (0 still, 1 robot, 2.. objects), command float32 [T + 1, 7] (where the
    gripper was told to be, and closing), done bool [T + 1] (success at that tick), violations
    bool [T + 1, 5], zones float32 [4, 4] (x, y, z, radius), zone_rgb float32 [4, 3], zone_present
    bool [4], rail float32 [4] (centre, direction, half travel; zeros without one).
    """
    if isinstance(ticks, bool) or not isinstance(ticks, int) or ticks < 1:
        raise RoboticsError(f"ticks: got {ticks!r}; a whole number from 1 is accepted")
    policy = expert(task, style)
    sim = Tabletop(task, seed, size=size)
    policy.reset(seed)
    obs = sim.observe()
    seen, states, actions = [obs["pixels"]], [obs["agent_pos"]], []
    rows: dict[str, list] = {}
    _note(sim, rows)
    for _ in range(ticks):
        action = policy.act(sim.truth(), obs)
        obs = sim.step(action)
        actions.append(action)
        seen.append(obs["pixels"])
        states.append(obs["agent_pos"])
        _note(sim, rows)
    arrays = {k: np.stack(v) for k, v in rows.items()} | _constants(sim)
    broken = {name: tuple(int(t) for t in np.flatnonzero(arrays["violations"][:, i]))
              for i, name in enumerate(VIOLATIONS)}
    episode = Episode(
        {v: np.stack([s[v] for s in seen]) for v in VIEWS}, np.stack(states), np.stack(actions),
        FPS, SENTENCES[task], bool(arrays["done"].any()), broken,
        {"simulator": "tabletop", "task": task, "seed": int(seed), "policy": style}).check()
    sim.close()
    return episode, arrays


def _note(sim: Tabletop, rows: dict[str, list]) -> None:
    """Add what is true at this tick."""
    truth = sim.truth()
    poses = np.zeros((len(OBJECTS), 7), np.float32)
    for name, (_, pos, *_) in truth.objects.items():
        poses[OBJECTS.index(name)] = [*pos, *truth.quats[name]]
    broken = sim.violations()
    for key, value in (
        ("poses", poses),
        ("cameras", np.stack([truth.cameras[v] for v in VIEWS]).astype(np.float32)),
        ("masks", np.stack([sim.masks(v) for v in VIEWS])),
        ("command", sim.command().astype(np.float32)),
        ("done", np.bool_(sim.success())),
        ("violations", np.array([name in broken for name in VIOLATIONS])),
    ):
        rows.setdefault(key, []).append(value)


def _constants(sim: Tabletop) -> dict[str, np.ndarray]:
    """What stays the same during an episode."""
    n = len(OBJECTS)
    out = {"present": np.zeros(n, bool), "half": np.zeros((n, 3), np.float32),
           "rgb": np.zeros((n, 3), np.float32), "zones": np.zeros((len(ZONES), 4), np.float32),
           "zone_rgb": np.zeros((len(ZONES), 3), np.float32),
           "zone_present": np.zeros(len(ZONES), bool), "rail": np.zeros(4, np.float32)}
    for t in sim.scene.objects:
        i = OBJECTS.index(t.name)
        out["present"][i], out["half"][i], out["rgb"][i] = True, t.half, t.rgb
    for z in sim.scene.zones:
        i = ZONES.index(z.name)
        out["zone_present"][i], out["zone_rgb"][i] = True, z.rgb
        out["zones"][i] = (z.x, z.y, 0.0, z.radius)
    rail = sim.truth().rail
    if rail is not None:
        out["rail"][:] = rail
    return out


# ------------------------------------------------------------------ shards
def episode_plan(seed: int, number: int, heldout: bool = False) -> tuple[str, str, int]:
    """(task, style, scene seed) of the number-th episode; training seeds are even, held-out odd."""
    r = rng(check_seed(seed), "tabletop", "episode", int(heldout), number)
    style = STYLES[int(r.choice(len(STYLES), p=[SHARES[s] for s in STYLES]))]
    return TASKS[number % len(TASKS)], style, 2 * int(r.integers(2**40)) + int(heldout)


def shard_path(folder: str | Path, seed: int, number: int, heldout: bool = False) -> Path:
    """Where a shard lies."""
    kind = "heldout" if heldout else "train"
    return Path(folder) / f"tabletop_{kind}_{seed}_{number:05d}.npz"


def generate(
    folder: str | Path, episodes: int, seed: int, workers: int = 1, size: int = 64,
    progress: Callable[[int, int], None] | None = None, *, heldout: bool = False,
) -> list[Path]:
    """Record `episodes` episodes of 64 ticks into shards of 25; the paths of all shards.

    Tasks and styles are mixed. Shards that are there and whole are kept; one of another size or
    length is a RoboticsError. progress is called with (episodes done, episodes wanted).
    A shard has the arrays of `record` with a leading axis E, and frames uint8 [E, T + 1, 3, H, W,
    3], state [E, T + 1, 9], actions [E, T, 7], success bool [E], task and style int8 [E] (indices
    into TASKS and STYLES), seed int64 [E], and meta (JSON: version, the names of every axis).
    """
    if episodes < 1 or workers < 1:
        raise RoboticsError(f"episodes ({episodes}) and workers ({workers}) must be at least 1")
    check_seed(seed)
    Path(folder).mkdir(parents=True, exist_ok=True)
    jobs, paths, kept = [], [], 0
    for first in range(0, episodes, SHARD):
        count, number = min(SHARD, episodes - first), first // SHARD
        path = shard_path(folder, seed, number, heldout)
        paths.append(path)
        if _whole(path, count, size):
            kept += count
        else:
            jobs.append((str(path), int(seed), first, count, size, heldout))
    if progress:
        progress(kept, episodes)
    for count in _run(jobs, workers):
        kept += count
        if progress:
            progress(kept, episodes)
    return paths


def _run(jobs: list[tuple], workers: int):
    if workers == 1 or len(jobs) < 2:
        yield from map(_write_shard, jobs)
        return
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(min(workers, len(jobs))) as pool:
        yield from pool.imap_unordered(_write_shard, jobs)


def _whole(path: Path, count: int, size: int) -> bool:
    """Whether a shard is there; RoboticsError where it is of another kind."""
    if not path.exists():
        return False
    try:
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(str(file["meta"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False  # damaged from outside: made again
    if meta.get("version") != VERSION or meta.get("size") != size:
        raise RoboticsError(f"{path.name}: holds version {meta.get('version')}, size "
                            f"{meta.get('size')}; version {VERSION}, size {size} is accepted: "
                            "choose another folder")
    return int(meta.get("episodes", 0)) == count  # a shorter last shard is made again


def _write_shard(job: tuple) -> int:
    path, seed, first, count, size, heldout = job
    columns: dict[str, list] = {}
    for number in range(first, first + count):
        task, style, scene = episode_plan(seed, number, heldout)
        episode, arrays = record(task, scene, style, TICKS, size=size)
        row = arrays | {
            "frames": np.stack([episode.views[v] for v in VIEWS], 1), "state": episode.state,
            "actions": episode.actions, "success": np.bool_(episode.success),
            "task": np.int8(TASKS.index(task)), "style": np.int8(STYLES.index(style)),
            "seed": np.int64(scene)}
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    meta = {"version": VERSION, "size": size, "episodes": count, "fps": FPS, "views": VIEWS,
            "objects": OBJECTS, "zones": ZONES, "violations": VIOLATIONS, "tasks": TASKS,
            "styles": STYLES, "sentences": [SENTENCES[t] for t in TASKS]}
    _save(Path(path), {k: np.stack(v) for k, v in columns.items()}, meta)
    return count


def _save(path: Path, arrays: dict[str, np.ndarray], meta: dict) -> None:
    """Write aside and rename."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for key, value in {**arrays, "meta": np.array(json.dumps(meta))}.items():
                buffer = BytesIO()
                np.lib.format.write_array(buffer, np.asarray(value, order="C"), allow_pickle=False)
                file.writestr(f"{key}.npy", buffer.getbuffer())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def load_shard(path: str | Path) -> tuple[dict[str, np.ndarray], dict]:
    """(arrays, meta) of a shard; RoboticsError where it is none or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
        return arrays, json.loads(str(arrays.pop("meta")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as problem:
        raise RoboticsError(f"{path}: not a whole shard ({problem}); files that `generate` wrote "
                            "are accepted") from problem
