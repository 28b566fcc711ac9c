"""How well the dynamics uses the machine: against plain matrix products, and against no cache.

``matmul_fraction``: the matrix products of one pass alone, on equal shapes, as a share of the time
of the pass. ``recompute_share``: how much faster the ring rollout is than recomputing the window
at every step, as a share of the ideal W * s / (s + commits).

Times are the median of interleaved rounds, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..model.dynamics import Dynamics
from ..model.spec import Guide


def _interleaved(calls: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Median seconds of each call; all of them run in every round."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(rounds):
        for kept, call in zip(times, calls, strict=True):
            start = time.perf_counter()
            call()
            kept.append(time.perf_counter() - start)
    return [statistics.median(t) for t in times]


class Example:
    """A full ring and one tick of random tokens for a model of any streams."""

    def __init__(self, model: Dynamics, seed: int = 0) -> None:
        self.model = model
        self.generator = torch.Generator().manual_seed(seed)
        width = model.config["prompt_width"]
        self.prompt = self.draw(1, 8, width) if width else None
        ticks = model.window + 1
        self.clean, self.controls = [], []
        for _ in range(ticks):
            self.clean.append(
                {name: self.draw(1, 1, *shape) for name, shape in model.spec.latent_shape.items()}
            )
            self.controls.append(self.draw(1, 1, model.spec.controls))
        self.guides = {
            name: Guide(self.draw(1, 1, *model.spec.latent_shape[name]),
                        torch.rand(1, 1, model.spec.latent_shape[name][0], 1,
                                   generator=self.generator))
            for name in model.spec.guided
        }
        self.caches = [model.prefill(self.prompt, self.clean[0], self.controls[0], self.guides)]
        for t in range(1, ticks - 1):
            self.caches.append(
                model.commit(self.caches[-1], self.clean[t], self.controls[t], t, self.guides)
            )
        self.tick = ticks - 1

    def draw(self, *shape: int) -> Tensor:
        like = self.model.sinks
        return torch.randn(*shape, generator=self.generator).to(like.device, like.dtype)

    def fused(self) -> None:
        """Commit of the last tick and one step of the next in one pass."""
        t = self.tick
        self.model.commit_step(
            self.caches[-2], self.clean[t - 1], self.controls[t - 1], self.clean[t], 1.0,
            self.controls[t], t - 1, self.guides, self.guides,
        )

    def apart(self) -> None:
        """The same tick as two passes: commit, then step."""
        t = self.tick
        cache = self.model.commit(
            self.caches[-2], self.clean[t - 1], self.controls[t - 1], t - 1, self.guides
        )
        self.model.step(cache, self.clean[t], 1.0, self.controls[t], t, self.guides)

    def step(self) -> None:
        t = self.tick
        self.model.step(
            self.caches[-1], self.clean[t], 1.0, self.controls[t], t, self.guides
        )

    def window(self) -> Callable[[], None]:
        """A step without any cache: the whole window again."""
        model, last = self.model, range(self.tick + 1 - self.model.window, self.tick + 1)
        tokens = {n: torch.cat([self.clean[t][n] for t in last], 1) for n in self.clean[0]}
        if model.spec.controls:
            tokens["controls"] = torch.cat([self.controls[t] for t in last], 1)[:, :, None]
        sigma = {n: torch.zeros(1, len(last)) for n in tokens}
        for name in model.spec.latent_shape:
            sigma[name][:, -1] = 1.0
        shape = (-1, len(last), -1, -1)
        guides = {
            n: Guide(g.tokens.expand(shape), g.coverage.expand(shape))
            for n, g in self.guides.items()
        }

        def call() -> None:
            with torch.inference_mode():
                model(tokens, sigma, guides, self.prompt)

        return call


def _products(model: Dynamics, rows: int, attended: Sequence[tuple[int, int]]):
    """A call that makes only the matrix products of a pass over ``rows`` tokens, and its FLOPs.

    attended: (queries, keys) of each attention call in a layer.
    """
    width, heads, depth = model.width, model.heads, model.depth
    like = model.sinks

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, device=like.device).to(like.dtype)

    block = model.blocks[0]
    hidden = block.fc1.weight.shape[0]
    x, h = draw(rows, width), draw(rows, hidden)
    # every layer has weights of its own, as in the network: they do not all fit into the caches
    layers = [
        [draw(3 * width, width), draw(width, width), draw(hidden, width), draw(width, hidden)]
        for _ in range(depth)
    ]
    pairs = [
        [(draw(heads, q, model.head_dim), draw(heads, model.head_dim, k), draw(heads, q, k),
          draw(heads, k, model.head_dim)) for q, k in attended]
        for _ in range(depth)
    ]
    linear = torch.nn.functional.linear

    def call() -> None:
        with torch.inference_mode():
            for (qkv, out, fc1, fc2), attention in zip(layers, pairs, strict=True):
                linear(x, qkv)
                for q, k, p, v in attention:
                    torch.bmm(q, k)
                    torch.bmm(p, v)
                linear(x, out)
                linear(x, fc1)
                linear(h, fc2)

    per_layer = 2 * rows * (4 * width * width + 2 * width * hidden)
    per_layer += sum(4 * q * k * width for q, k in attended)
    return call, depth * per_layer


def matmul_fraction(model: Dynamics, rounds: int = 40) -> dict[str, Any]:
    """Share of a step's time that its matrix products alone need on this machine.

    Returns value (the step), per-pass details in ms and GFLOP/s, W, s, commits.
    """
    model.eval()
    example = Example(model)
    prompt = example.caches[0].prompt.shape[3]
    seen = model.tokens * (model.window - 1) + prompt + model.tokens
    step, flops = _products(model, model.tokens, [(model.tokens, seen)])
    both, both_flops = _products(model, 2 * model.tokens, [(model.tokens, seen)] * 2)
    plain, forward, plain_both, fused = _interleaved(
        [step, example.step, both, example.fused], rounds
    )
    return {
        "value": plain / forward,
        "W": model.window, "s": 1, "commits": 1,
        "details": {
            "step_ms": forward * 1e3, "products_ms": plain * 1e3,
            "machine_gflops": flops / plain / 1e9, "step_gflops": flops / forward / 1e9,
            "commit_and_step_ms": fused * 1e3, "commit_and_step_products_ms": plain_both * 1e3,
            "commit_and_step_fraction": plain_both / fused,
            "commit_and_step_gflop": both_flops / 1e9,
            "parameters": model.parameter_count(), "tokens": model.tokens,
            "threads": torch.get_num_threads(),
        },
    }


def recompute_share(model: Dynamics, rounds: int = 12) -> dict[str, Any]:
    """Speed of the ring rollout over a rollout that recomputes its window, as a share of the
    ideal W * s / (s + commits). Returns value, W, s, commits and details in ms a tick."""
    model.eval()
    example = Example(model)
    steps = len(model.spec.sigmas(0)) - 1
    commits = 1

    def ring() -> None:
        example.fused()
        for _ in range(steps - 1):
            example.step()

    def apart() -> None:
        example.apart()
        for _ in range(steps - 1):
            example.step()

    window = example.window()

    def full() -> None:
        for _ in range(steps):
            window()

    fused, two, recompute = _interleaved([ring, apart, full], rounds)
    ideal = model.window * steps / (steps + commits)
    return {
        "value": recompute / fused / ideal,
        "W": model.window, "s": steps, "commits": commits,
        "details": {
            "ring_ms": fused * 1e3, "ring_unfused_ms": two * 1e3,
            "unfused_share": recompute / two / ideal,
            "recompute_ms": recompute * 1e3, "ideal_ratio": ideal, "ratio": recompute / fused,
            "threads": torch.get_num_threads(),
        },
    }
