"""Training of the trunk: one resumable, deterministic loop.

Every step draws its batch and its noise from (seed, step) alone, so that a resumed run is the run
that was interrupted. In a share of the steps each window is given twice, as history and as what is
to be imagined, so that a tick learns from the history that it will have in a rollout; some of them
put the network's own predictions into the history.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..model.dynamics import Dynamics, build_dynamics
from ..model.trunk import CONTROLS
from ..noise import rng as keyed_rng
from .noising import NoiseConfig, Noised, draw_noise, losses
from .state_file import load_run, save_run

STATE = "dynamics.run.safetensors"


class Shards(Protocol):
    """Where windows come from; ``batch`` must depend on its arguments only.

    Returns float32 tensors: ``controls`` [B, T, columns]; every other stream by name
    [B, T, n, w]; ``guide.NAME``, ``coverage.NAME`` (and optionally ``moving.NAME``) of guided
    ones; optionally ``prompt`` [B, P, w]. See ``noising.draw_noise``.
    """

    def batch(self, rng: np.random.Generator, size: int, ticks: int) -> Mapping[str, Tensor]: ...


@dataclass(frozen=True)
class TrainConfig:
    """model: ``Dynamics.config``. history: share of steps in which every tick is given twice (as
    history, as imagined); the others, at half the cost, see noised ticks in their history. own:
    share of the former whose history holds own predictions, from half of the run on. decay: share
    of the run, at its end, over which the rate falls to 0. minutes: the run also ends after this
    long, with the rate falling in time for it (0: no limit; then only seed and step decide)."""

    model: dict[str, Any]
    batch: int = 16
    ticks: int = 8
    rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.3
    weight_decay: float = 0.01
    average: float = 0.999
    clip: float = 1.0
    seed: int = 0
    uncovered: float = 3.0
    moving: float = 3.0
    history: float = 0.5
    own: float = 0.3
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    device: str = "cpu"
    save_every: int = 500
    log_every: int = 50
    minutes: float = 0.0
    compile: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TrainConfig:
        data = dict(data)
        data["noise"] = NoiseConfig(**data.get("noise", {}))
        return cls(**data)


def train(
    config: TrainConfig,
    shards: Shards,
    out: str | Path,
    steps: int,
    resume: bool = True,
    should_stop: Callable[[], bool] | None = None,
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> Dynamics:
    """Train to ``steps`` steps and return the averaged network (in evaluation mode).

    ``out`` is a folder: the run's state (resumed from if there and ``resume``) and ``log.jsonl``.
    ``should_stop`` ends the run early, with its state saved. RuntimeError if the loss is not
    finite.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device(config.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build_dynamics(config.model).to(device).train()
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    optimiser = _optimiser(model, config)
    start, spent = 0, 0.0
    if resume and (out / STATE).exists():
        start, spent = load_run(out / STATE, config.to_json(), model, average, optimiser)
    run = torch.compile(model) if config.compile else model
    kept: dict[str, list[float]] = {}
    began, last = time.perf_counter(), start
    origin = began - spent
    for step in range(start, steps):
        used = (time.perf_counter() - origin) / (60 * config.minutes) if config.minutes else 0.0
        share = max(step / steps, used)
        for group in optimiser.param_groups:
            group["lr"] = config.rate * rate_at(step, share, config.warmup, config.decay)
        rng = keyed_rng(config.seed, "dynamics", step)
        batch = {k: v.to(device) for k, v in
                 shards.batch(rng, config.batch, config.ticks).items()}
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        twice, own = rng.random() < config.history, rng.random() < config.own
        own = own and share >= 0.5
        values = _step(run, model, batch, config, generator, twice, own, device)
        total = sum(s.weight * values[s.name] for s in model.streams)
        if not math.isfinite(float(total.detach())):
            raise RuntimeError(f"training: the loss of step {step} is not finite: "
                               f"{ {k: float(v.detach()) for k, v in values.items()} }")
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimiser.step()
        decay = min(config.average, (step + 1) / (step + 10))  # a short memory at the beginning
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1.0 - decay)
        for name, value in {**values, "norm": norm}.items():
            kept.setdefault(name, []).append(float(value.detach()))
        done = step + 1
        stopped = used >= 1.0 or (should_stop is not None and should_stop())
        if done % config.log_every == 0 or done == steps or stopped:
            line = {k: float(np.mean(v)) for k, v in kept.items()}
            line["ticks_per_second"] = (
                (done - last) * config.batch * config.ticks / (time.perf_counter() - began)
            )
            kept, began, last = {}, time.perf_counter(), done
            with open(out / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps({"step": done, **line}) + "\n")
            if progress is not None:
                progress(done, line)
        if done % config.save_every == 0 or done == steps or stopped:
            save_run(out / STATE, done, config.to_json(), model, average, optimiser,
                     time.perf_counter() - origin)
        if stopped:
            break
    model.load_state_dict(average)
    return model.eval()


def rate_at(step: int, share: float, warmup: int, decay: float) -> float:
    """Factor on the learning rate at ``share`` (0..1) of the run: linear up over the first steps,
    level, linear down to 0 over the last part."""
    up = min(1.0, (step + 1) / max(warmup, 1))
    down = min(1.0, (1.0 - share) / max(decay, 1e-6))
    return max(0.0, min(up, down))


def _optimiser(model: Dynamics, config: TrainConfig) -> torch.optim.AdamW:
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "place" not in n]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.95))


def _step(
    run, model: Dynamics, batch: dict[str, Tensor], config: TrainConfig,
    generator: torch.Generator, twice: bool, own: bool, device: torch.device,
) -> dict[str, Tensor]:
    """Losses of one batch."""
    noised = draw_noise(model, batch, config.noise, generator)
    low = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
    with low:
        if twice and own:
            noised = _own_history(run, model, noised, generator)
        predicted = run(
            noised.noisy, noised.sigma, noised.guides, noised.prompt, noised.first_pass,
            noised.history if twice else None,
        )
    return losses(model, predicted, noised, batch, config.uncovered, config.moving)


@torch.no_grad()
def _own_history(run, model: Dynamics, noised: Noised, generator: torch.Generator) -> Noised:
    """History in which some ticks of the imagined streams are the network's own predictions from
    pure noise: what a rollout will have behind it."""
    noisy, sigma = dict(noised.noisy), dict(noised.sigma)
    for s in model.streams:
        if s.name != CONTROLS:
            noise = torch.randn(noisy[s.name].shape, generator=generator)
            noisy[s.name] = noise.to(noisy[s.name])
            sigma[s.name] = torch.ones_like(sigma[s.name])
    out = run(noisy, sigma, noised.guides, noised.prompt, None, noised.history)
    tokens, levels = dict(noised.history[0]), dict(noised.history[1])
    for s in model.streams:
        if s.name != CONTROLS:
            shape = levels[s.name].shape
            mine = (torch.rand(shape, generator=generator) < 0.7).to(levels[s.name].device)
            tokens[s.name] = torch.where(
                mine[..., None, None], out[s.name].float(), tokens[s.name]
            )
            levels[s.name] = torch.where(mine, torch.zeros_like(levels[s.name]), levels[s.name])
    return replace(noised, history=(tokens, levels))


class RandomShards:
    """Windows of random tokens for a rehearsal: guides that are noisy copies of the views."""

    def __init__(self, model: Dynamics) -> None:
        self.streams = model.streams
        self.prompt_width = model.config["prompt_width"]

    def batch(self, rng: np.random.Generator, size: int, ticks: int) -> dict[str, Tensor]:
        def draw(*shape: int) -> Tensor:
            return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))

        out: dict[str, Tensor] = {}
        for s in self.streams:
            if s.name == CONTROLS:
                out[CONTROLS] = draw(size, ticks, s.width)
                continue
            # tokens that move slowly from tick to tick, so that there is something to learn
            base = draw(size, 1, s.tokens, s.width)
            out[s.name] = base + 0.1 * draw(size, ticks, s.tokens, s.width)
            if s.guide:
                out[f"guide.{s.name}"] = out[s.name] + 0.3 * draw(size, ticks, s.tokens, s.width)
                out[f"coverage.{s.name}"] = draw(size, ticks, s.tokens, 1).sigmoid()
        if self.prompt_width:
            out["prompt"] = draw(size, 4, self.prompt_width)
        return out
