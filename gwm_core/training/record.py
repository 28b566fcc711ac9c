"""Episodes of a simulator: recording, and shards of them on disk.

An episode is a dict of numpy arrays and JSON values (see `record_episode`).  A shard is one .npz
file an episode, named by split, layout seed and number, written to a temporary name and then
moved, so that a run can be stopped and resumed at any time; the same seed gives the same file.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

from ..errors import GWMError
from ..simulators.rooms import catalogue as cat
from ..simulators.rooms.explorer import Explorer
from ..simulators.rooms.layout import HELD_IN, HELD_OUT, JUDGES, split_of
from ..simulators.rooms.light import Lighting
from ..simulators.rooms.light import relight as relight_view
from ..simulators.rooms.sim import EVENT_FIELDS, FRAMES, Rooms
from ..simulators.rooms.sound import synthesise

VERSION = 1
POOLS = {"train": HELD_IN, "heldout": HELD_OUT, "judge": JUDGES}
_PLAIN = ("first_rgb", "rgb", "depth")  # stored as they are: they hardly compress
JSON_KEYS = ("condition", "prompt", "attributes", "layout_seed", "split", "number", "version",
             "walk")


def pick_condition(seed: int, number: int, split: str, theme: int, neutral: float = 0.6) -> int:
    """The light of an episode; training never sees a held-out (theme, time, fog) at the start."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 1000 + number]))
    if rng.random() < neutral:
        return 0
    for _ in range(64):
        c = int(rng.integers(18))
        if split != "train" or not cat.is_held_out(theme, c):
            return c
    return 0


def record_episode(seed: int, ticks: int, split: str = "train", render: bool = True,
                   number: int = 0, condition: int | None = None, controls=None, start=None,
                   sim: Rooms | None = None, sound: bool = True, prompt: bool = True) -> dict:
    """Play one episode and return it.

    seed: layout seed, which must belong to `split` ('train', 'heldout' or 'judge'); number: which
    of the layout's walks.  condition: index 0..17, or None for one by seed (60 % neutral).
    controls [T,9] replace the explorer (a scripted walk), start (x, y, yaw) the plan's own start.

    Keys (H 160, W 256, 12 body slots; two frames a tick, frame 0 first):

    - first_rgb [H,W,3] u8, first_depth [H,W] f32 (metres), first_label, first_body_map,
      first_glow [H,W] u8, first_pose [5] f64, first_player [11], first_bodies_*;
    - rgb [T,2,H,W,3] u8, depth [T,2,H,W] f16, label (theme * 8 + part, 255 movable), body_map
      (0 static, else slot + 1), glow (quarters of window + 16 x quarters of lamp shade)
      [T,2,H,W] u8: absent with render=False, as are the first_ pictures;
    - pose [T,2,5] f64, player [T,2,11] f64 (Player.to_array), controls [T,9] f32;
    - bodies_{kind,pos,yaw,vel,yaw_rate,quat,id} [T,2,12,...] as in gwm_core.bodies, and
      body_{size,rgb,movable,mass,material,texture} [12,...];
    - events [E,10] f32, columns EVENT_FIELDS; tick counts from 1, row tick - 1 of the arrays;
    - audio [T * 2000] f32 (absent with sound=False);
    - light_{rooms,windows,lamps,blocks}: what `relight` needs; solid [n,6], solid_material [n];
    - condition {index, time, lamps, fog, theme, themes}, prompt, attributes, layout_seed, split,
      number, version.
    """
    if split_of(seed) != split:
        raise ValueError(f"layout seed {seed} belongs to {split_of(seed)}, not to {split!r}")
    own = sim is None
    sim = sim or Rooms(seed, visual=render)
    theme = sim.layout.rooms[sim.layout.start_room].theme
    if condition is None:
        condition = pick_condition(seed, number, split, theme)
    if start is None and number:
        start = other_start(sim, number)
    sim.reset(condition, start)
    theme = sim.layout.rooms[sim.layout.room_at(*sim.foot[:2])].theme
    if split == "train" and cat.is_held_out(theme, condition):
        condition = 0
        sim.set_condition(0)
    explorer = Explorer(sim, seed * 1009 + number) if controls is None else None
    ticks = ticks if controls is None else len(controls)
    out: dict = {"first_pose": sim.pose, "first_player": sim._player_row()}
    for k, v in sim.body_arrays().items():
        out["first_bodies_" + k] = v
    if render:
        view = sim.render()
        out |= {"first_rgb": view["rgb"], "first_depth": view["depth"],
                "first_label": view["label"], "first_body_map": view["body_map"],
                "first_glow": view["glow"]}
    rows, done = [], []
    for t in range(ticks):
        c = explorer.next() if explorer else np.asarray(controls[t], np.float32)
        rows.append(c)
        done.append(sim.step(c, views=render))
    out["controls"] = np.stack(rows).astype(np.float32)
    out["pose"] = np.stack([d.pose for d in done])
    out["player"] = np.stack([d.player for d in done])
    for k in done[0].bodies:
        out["bodies_" + k] = np.stack([d.bodies[k] for d in done])
    for k, v in sim.body_constants().items():
        out["body_" + k] = v
    events = [e for d in done for e in d.events]
    out["events"] = np.array(events, np.float32).reshape(-1, len(EVENT_FIELDS))
    if render:
        for key, dtype in (("rgb", np.uint8), ("depth", np.float16), ("label", np.uint8),
                           ("body_map", np.uint8), ("glow", np.uint8)):
            out[key] = np.stack([[v[key] for v in d.views] for d in done]).astype(dtype)
    out |= sim.lighting.arrays()
    out["solid"], out["solid_material"] = sim.model.solid, sim.model.solid_material
    c = cat.Condition.of(condition)
    out["condition"] = {
        "index": c.index, "time": cat.TIMES[c.time], "lamps": cat.LAMPS[c.lamps],
        "fog": cat.FOGS[c.fog], "theme": cat.THEME_NAMES[theme],
        "themes": [cat.THEME_NAMES[r.theme] for r in sim.layout.rooms],
    }
    out["layout_seed"], out["split"], out["number"] = seed, split, number
    out["version"] = VERSION
    if sound:
        out["audio"] = synthesise(out, c.time, seed * 1009 + number)
    if prompt:
        from ..simulators.rooms.prompts import describe

        out["prompt"], out["attributes"] = describe(sim, out, split, seed * 1009 + number)
    else:
        out["prompt"], out["attributes"] = "", {}
    if own:
        sim.close()
    return out


def other_start(sim: Rooms, number: int) -> tuple[float, float, float]:
    """Where the number-th walk of a plan begins."""
    from ..simulators.rooms.nav import Map

    rng = np.random.Generator(np.random.Philox(key=[sim.layout.seed, 2000 + number]))
    x, y = Map(sim.layout, sim.model.solid, 0.38).random_point(rng)
    for s in sim.layout.things:  # not inside a box or a ball
        if np.hypot(x - s.position[0], y - s.position[1]) < s.size[0] * 1.5 + 0.3:
            x, y, _ = sim.layout.start
    return x, y, float(rng.uniform(-np.pi, np.pi))


def relight_episode(episode: dict, condition: int, frames=None) -> np.ndarray:
    """The pictures of a fogless episode under another light: rgb [T,2,H,W,3] uint8.

    frames: None for all, else an index of ticks (int or slice).  ValueError when the episode was
    recorded in fog.
    """
    lighting = Lighting.from_arrays(episode)
    source = episode["condition"]["index"]
    pick = slice(None) if frames is None else frames
    if isinstance(pick, int):
        pick = slice(pick, pick + 1)
    rgb = np.empty_like(episode["rgb"][pick])
    for t in range(rgb.shape[0]):
        for f in range(FRAMES):
            rgb[t, f] = relight_view(
                episode["rgb"][pick][t, f], episode["depth"][pick][t, f],
                episode["label"][pick][t, f], episode["pose"][pick][t, f], lighting, condition,
                source, glow=episode["glow"][pick][t, f])
    return rgb


# ------------------------------------------------------------------ shards
def save_episode(path: str | Path, episode: dict) -> None:
    """Write an episode as .npz: pictures plain, the rest lightly compressed; atomic."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    meta = {k: v for k, v in episode.items() if k in JSON_KEYS}
    with zipfile.ZipFile(temporary, "w") as file:
        for key, value in {**episode, "meta": np.array(json.dumps(meta))}.items():
            if key in JSON_KEYS:
                continue
            buffer = BytesIO()
            np.lib.format.write_array(buffer, np.asarray(value, order="C"), allow_pickle=False)
            mode = zipfile.ZIP_STORED if key in _PLAIN else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(f"{key}.npy")
            info.compress_type = mode
            file.writestr(info, buffer.getvalue(), compresslevel=1)
    os.replace(temporary, path)


def load_episode(path: str | Path, keys=None) -> dict:
    """Read an episode (only `keys` where given; the JSON values always come along)."""
    with np.load(path, allow_pickle=False) as file:
        out = json.loads(str(file["meta"]))
        names = [k for k in file.files if k != "meta"] if keys is None else keys
        for key in names:
            if key in file.files:
                out[key] = file[key]
    return out


def episode_path(folder: str | Path, split: str, seed: int, number: int) -> Path:
    return Path(folder) / f"{split}_{seed:05d}_{number:02d}.npz"


def episodes(folder: str | Path) -> list[Path]:
    """All shards of a folder, sorted."""
    return sorted(Path(folder).glob("*_*_*.npz"))


def read(folder: str | Path, keys=None) -> Iterator[dict]:
    for path in episodes(folder):
        yield load_episode(path, keys)


def _record_one(job) -> str:
    folder, seed, number, ticks, split, render, sound = job
    path = episode_path(folder, split, seed, number)
    if not path.exists():
        save_episode(path, record_episode(seed, ticks, split, render, number, sound=sound))
    return str(path)


def record_set(folder: str | Path, split: str, layouts: int, ticks: int, walks: int = 1,
               render: bool = True, sound: bool = True, workers: int = 1, report=print) -> int:
    """Record `walks` episodes of `ticks` in each of the first `layouts` layouts of a split.

    Episodes that exist already are kept: call it again to resume.  Returns how many were made.
    """
    seeds = list(POOLS[split])[:layouts]
    jobs = [(str(folder), seed, n, ticks, split, render, sound)
            for n in range(walks) for seed in seeds]
    return _run(jobs, workers, report)


def record(out: str | Path, episodes: int = 400, ticks: int = 96, seed: int = 0,
           split: str = "train", workers: int = 1, render: bool = True, sound: bool = True,
           progress=print) -> int:
    """Record `episodes` episodes into the folder `out`, beginning with layout seed `seed`.

    split: 'train', 'test' (the held-out layouts) or 'judge'.  Layouts are taken in order and
    again, with other walks, when there are more episodes than layouts.  Resumable; progress is
    called with a line of text now and then.  Returns how many were made now.
    """
    split = "heldout" if split == "test" else split
    if split not in POOLS:
        raise GWMError(f"split {split!r} is unknown; accepted are train, test and judge")
    if episodes < 1 or ticks < 1:
        raise GWMError(f"episodes ({episodes}) and ticks ({ticks}) must be at least 1")
    pool = list(POOLS[split])
    first = pool.index(seed) if seed in pool else seed % len(pool)
    jobs = []
    for k in range(episodes):
        number, index = divmod(first + k, len(pool))
        jobs.append((str(out), pool[index], number, ticks, split, render, sound))
    return _run(jobs, workers, progress)


def _run(jobs: list[tuple], workers: int, report) -> int:
    jobs = [j for j in jobs if not episode_path(j[0], j[4], j[1], j[2]).exists()]
    if workers <= 1:
        for k, job in enumerate(jobs):
            _record_one(job)
            if k % 20 == 0:
                report(f"{k + 1} of {len(jobs)} episodes")
        return len(jobs)
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(workers) as processes:
        for k, _ in enumerate(processes.imap_unordered(_record_one, jobs)):
            if k % 20 == 0:
                report(f"{k + 1} of {len(jobs)} episodes")
    return len(jobs)
