"""The trunk of gwm-rooms: the dynamics transformer over controls, state, sound and views."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ..model.audio_tokenizer import TOKENS as AUDIO_TOKENS
from ..model.audio_tokenizer import WIDTH as AUDIO_WIDTH
from ..model.dynamics import Dynamics
from ..model.patches import PatchTokenizer
from ..model.spec import StreamConfig
from ..worlds.correction import VIEW
from ..worlds.tokens import BODY_WIDTH, STATE_TOKENS
from . import guides
from .dynamics import TrainConfig
from .dynamics import train as train_dynamics
from .noising import NoiseConfig

WIDTH, DEPTH, HEADS, WINDOW = 192, 4, 4, 8


def streams(tokenizer: PatchTokenizer) -> list[StreamConfig]:
    """The rooms embodiment's streams in sequence order."""
    return [
        StreamConfig("controls", 1, 9),
        StreamConfig("state", STATE_TOKENS, BODY_WIDTH, weight=0.1),
        StreamConfig("audio", AUDIO_TOKENS, AUDIO_WIDTH, weight=0.1),
        StreamConfig(VIEW, tokenizer.tokens, tokenizer.token_width, tokenizer.grid, guide=True),
    ]


class TokenShards:
    """Windows drawn from the token files (see guides) as gwm_core.training.dynamics takes them."""

    NAMES = {"view": VIEW, "guide": f"guide.{VIEW}", "coverage": f"coverage.{VIEW}"}

    def __init__(self, folder: Path) -> None:
        self.data = guides.load(folder)

    def batch(self, rng: np.random.Generator, size: int, ticks: int) -> dict[str, torch.Tensor]:
        count, length = self.data["view"].shape[:2]
        walk = rng.integers(count, size=size)
        start = rng.integers(length - ticks + 1, size=size)
        out = {}
        for key, rows in self.data.items():
            part = np.stack([rows[w, s:s + ticks] for w, s in zip(walk, start, strict=True)])
            tensor = torch.from_numpy(part.astype(np.float32))
            out[self.NAMES.get(key, key)] = tensor[:, :, 0] if key == "controls" else tensor
        return out


def train(episodes: Path, work: Path, out: Path, minutes: float = 25, steps: int = 6000,
          batch: int = 4, ticks: int = 3, seed: int = 0, log=print) -> dict:
    """Fit the view tokens, draw the guides, train, and write `out` (fp16 safetensors).

    Stops after `steps` steps or `minutes` of training, whichever is first; resumable. With
    `minutes` the learning rate falls over that time: 0 makes a run independent of timing.
    """
    from safetensors.torch import save_file

    work.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(episodes, work, seed, log)
    guides.build(episodes, work / "tokens", tokenizer, seed, log)
    shards = TokenShards(work / "tokens")
    log(f"trunk: {shards.data['view'].shape[0]} walks of {shards.data['view'].shape[1]} ticks")
    torch.manual_seed(seed)
    model = Dynamics(streams(tokenizer), WIDTH, DEPTH, HEADS, WINDOW)
    config = TrainConfig(
        model=model.config, batch=batch, ticks=ticks, seed=seed, minutes=minutes, history=0.3,
        warmup=40, average=0.995, uncovered=6.0,
        noise=NoiseConfig(full=0.45, view_known=0.05, guide=0.1, context=0.1))
    figures: dict[str, float] = {}

    def report(step: int, values: dict[str, float]) -> None:
        figures.update(values)
        if step % 50 == 0:
            log(f"trunk {step}: " + ", ".join(f"{k} {v:.4f}" for k, v in values.items()))

    model = train_dynamics(config, shards, work / "run", steps, progress=report)
    tensors = {f"dynamics.{k}": v.detach().half().contiguous()
               for k, v in model.state_dict().items()}
    tensors |= {f"patches.{k}": v.detach().half().contiguous()
                for k, v in tokenizer.state_dict().items()}
    settings = {"dynamics": model.config, "patches": tokenizer.config}
    save_file(tensors, str(out), metadata={"config": json.dumps(settings)})
    return figures


def _tokenizer(episodes: Path, work: Path, seed: int, log) -> PatchTokenizer:
    from safetensors.torch import load_file, save_file

    path = work / "patches.safetensors"
    if path.exists():
        tokenizer = PatchTokenizer()
        tokenizer.load_state_dict(load_file(str(path)))
        return tokenizer
    tokenizer, report = guides.fit_patches(episodes, seed=seed)
    log(f"view tokens: {report}")
    save_file({k: v.contiguous() for k, v in tokenizer.state_dict().items()}, str(path))
    return tokenizer
