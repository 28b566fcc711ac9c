"""Windows for the trunk: what a guide would have shown in recorded walks, as tokens.

Each episode becomes one file of tokens: controls, state, audio, the true view, its guide (drawn
from the first picture and now and then a later one) and how much of each token it covers.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..bodies import Bodies, Player
from ..guide import draw, fill_cracks, push_pull
from ..memory import Camera, Keyframe, Memory
from ..model.audio_tokens import encode_events
from ..model.patches import PatchTokenizer
from ..worlds.tokens import control_token, state_tokens
from .record import episodes, load_episode

KEYS = ("controls", "state", "audio", "view", "guide", "coverage")


def fit_patches(folder: Path, count: int = 60, seed: int = 0) -> tuple[PatchTokenizer, dict]:
    """The view tokens' basis from some ticks of many episodes."""
    rng = np.random.default_rng(seed)
    frames, near = [], []
    for path in episodes(folder)[:: max(1, len(episodes(folder)) // count)]:
        episode = load_episode(path, ("rgb", "depth"))
        for t in rng.choice(len(episode["rgb"]), 6, replace=False):
            frames.append(episode["rgb"][t])
            near.append(1 / np.maximum(episode["depth"][t].astype(np.float32), 0.05))
    tokenizer = PatchTokenizer()
    return tokenizer, tokenizer.fit(np.stack(frames), np.stack(near), seed=seed)


def bodies_of(episode: dict, t: int, f: int) -> Bodies:
    """The simulator's bodies of frame f of tick t (t = -1: the first picture)."""
    def at(name):
        return (episode[f"first_bodies_{name}"] if t < 0 else episode[f"bodies_{name}"][t, f])

    kind = at("kind")
    on = kind > 0
    return Bodies(kind, at("pos"), at("yaw"), at("vel"), at("yaw_rate"),
                  np.where(on[:, None], episode["body_size"], 0),
                  np.where(on[:, None], episode["body_rgb"], 0), episode["body_movable"] & on,
                  at("id"), episode["body_texture"])


def windows_of(episode: dict, tokenizer: PatchTokenizer, seed: int) -> dict[str, np.ndarray]:
    """Tokens of one episode, T ticks: float16 arrays [T, n, w] by name (see KEYS)."""
    rng = np.random.default_rng([seed, episode["layout_seed"]])
    camera = Camera(tokenizer.width, tokenizer.height)
    memory = Memory().add(Keyframe(rgb=episode["first_rgb"], depth=episode["first_depth"],
                                   pose=episode["first_pose"],
                                   keep=episode["first_body_map"] == 0))
    ticks = len(episode["controls"])
    extra = set(rng.choice(ticks, max(1, ticks // 10), replace=False).tolist())
    out: dict[str, list] = {key: [] for key in KEYS}
    grid, patch = tokenizer.grid, tokenizer.patch
    for t in range(ticks):
        guides = [push_pull(fill_cracks(draw(memory, episode["pose"][t, f], camera,
                                             bodies_of(episode, t, f)))) for f in range(2)]
        depth = np.maximum(episode["depth"][t].astype(np.float32), 0.05)
        out["view"].append(tokenizer.encode(episode["rgb"][t], 1 / depth))
        near = np.stack([1 / np.maximum(g.depth, 0.05) for g in guides])
        out["guide"].append(tokenizer.encode(np.stack([g.rgb for g in guides]), near))
        share = np.mean([g.covered for g in guides], 0).reshape(grid[0], patch, grid[1], patch)
        out["coverage"].append(share.mean((1, 3)).reshape(-1, 1))
        player = Player.from_array(episode["player"][t, 1][:11])
        out["state"].append(state_tokens(player, bodies_of(episode, t, 1)))
        out["controls"].append(control_token(episode["controls"][t]))
        if t in extra:
            f = 1
            memory = memory.add(Keyframe(rgb=episode["rgb"][t, f], depth=depth[f],
                                         pose=episode["pose"][t, f],
                                         keep=episode["body_map"][t, f] == 0))
    heard = [(e[0], e[1], e[2], e[3], e[4]) for e in episode["events"]]
    out["audio"] = list(encode_events(heard, ticks))
    return {k: np.stack([np.asarray(v, np.float32) for v in rows]).astype(np.float16)
            for k, rows in out.items()}


def build(folder: Path, out: Path, tokenizer: PatchTokenizer, seed: int = 0, log=print) -> int:
    """Token files of all fogless episodes in `folder` (resumable); how many there are."""
    out.mkdir(parents=True, exist_ok=True)
    paths = episodes(folder)
    for n, path in enumerate(paths):
        target = out / path.name
        if target.exists():
            continue
        episode = load_episode(path)
        if episode["condition"]["index"] % 3:
            continue
        temporary = out / f".{path.stem}.{os.getpid()}.npz"
        np.savez(temporary, **windows_of(episode, tokenizer, seed))
        os.replace(temporary, target)
        if n % 20 == 0:
            log(f"guides: {n + 1} of {len(paths)} episodes")
    return len(list(out.glob("*.npz")))


def load(folder: Path) -> dict[str, np.ndarray]:
    """All token files joined: float16 [E, T, n, w] by name."""
    parts: dict[str, list] = {key: [] for key in KEYS}
    for path in sorted(folder.glob("*.npz")):
        if path.name.startswith("."):
            continue
        with np.load(path) as file:
            for key in KEYS:
                parts[key].append(file[key])
    ticks = min(len(v) for v in parts["view"])
    return {k: np.stack([v[:ticks] for v in rows]) for k, rows in parts.items()}
