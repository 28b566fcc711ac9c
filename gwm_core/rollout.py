"""The sampling loop over any dynamics, driven by its spec alone.

A rollout is a chain of immutable ``RolloutValue``s, one at the end of each block of ticks. What is
drawn at random depends on (seed, tick, step, stream) only, so that the same value, controls and
seed give the same ticks however a walk is cut into calls, and whatever else runs meanwhile.

Controls are taken up in whole blocks: rows that do not fill a block wait in the value (``waiting``)
until more come, because a block is denoised at once and what was shown can never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from .errors import Cancelled
from .model.spec import DecoderLike, DynamicsLike, DynamicsSpec, Guide, Tokens
from .noise import noise as keyed_noise


class Hooks(Protocol):
    """What happens around the network in a block; ``context`` is an opaque value that travels in
    the rollout value (kept pixels, for example). Both functions are pure."""

    def guides(
        self, context: Any, tick: int, streams: tuple[str, ...], known: Tokens
    ) -> tuple[dict[str, Guide] | None, Any]:
        """Guides for the streams about to be denoised, given the clean tokens ``known`` so far."""

    def finish(self, context: Any, tick: int, clean: Tokens) -> tuple[Tokens, Any]:
        """The clean tokens that enter the history (covered ones pinned, for example)."""


@dataclass(frozen=True)
class Pending:
    """A denoised tick that the next pass over the weights will commit."""

    clean: Tokens
    controls: Tensor | None
    guides: dict[str, Guide] | None
    tick: int


@dataclass(frozen=True)
class RolloutValue:
    """A rollout at the end of a block: everything the next block depends on.

    ``history``: the last ``control_history`` control rows [B, h, n]. ``waiting``: rows [B, k, n]
    of a block that is not full yet. ``seeds``: one per branch.
    """

    cache: Any
    tick: int
    seeds: tuple[int, ...]
    block: int = 0
    decoder: Any = None
    context: Any = None
    history: Tensor | None = None
    waiting: Tensor | None = None
    pending: Pending | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the cache, the decoder's state and the small parts."""
        total = int(getattr(self.cache, "nbytes", 0)) + _bytes(self.decoder)
        for part in (self.history, self.waiting):
            total += _bytes(part)
        if self.pending is not None:
            total += _bytes(self.pending.clean) + _bytes(self.pending.controls)
        return total


@dataclass(frozen=True)
class Tick:
    """One generated tick: clean latents by stream [B, ...], frames by view (None without a
    decoder), the guides it was made with. ``value`` resumes after it: at block ends, else None."""

    index: int
    latents: Tokens
    frames: dict[str, Any] | None
    guides: dict[str, Guide] | None
    value: RolloutValue | None


def begin(
    model: DynamicsLike,
    prompt: Any = None,
    observation: Tokens | None = None,
    seeds: int | Sequence[int] = 0,
    context: Any = None,
    **prefill: Any,
) -> RolloutValue:
    """The value before the first generated tick: tick 1 after an observation, else tick 0."""
    cache = model.prefill(prompt, observation, **prefill)
    seeds = (int(seeds),) if isinstance(seeds, int) else tuple(int(s) for s in seeds)
    return RolloutValue(cache, tick=1 if observation else 0, seeds=seeds, context=context)


def rollout(
    model: DynamicsLike,
    value: RolloutValue,
    controls: Tensor,
    hooks: Hooks | None = None,
    decoder: DecoderLike | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Tick]:
    """Generate the ticks that ``controls`` [B, T, n] (and rows waiting in ``value``) ask for.

    Yields a ``Tick`` at a time; ``should_stop`` is asked before each block and ends the loop with
    ``Cancelled``, which leaves every value valid. A generator that is simply dropped does too.
    """
    spec = model.spec
    rows = _joined(value.waiting, controls)
    size = spec.block_ticks
    for start in range(0, rows.shape[1] - size + 1, size):
        if should_stop is not None and should_stop():
            raise Cancelled(f"stopped before tick {value.tick}")
        if spec.max_ticks is not None and value.tick + size > spec.max_ticks:
            raise ValueError(f"rollout: this model ends at tick {spec.max_ticks}")
        value, ticks = _block(model, spec, value, rows[:, start : start + size], hooks, decoder)
        left = rows[:, start + size :]
        # what waits is in the value itself only where no full block is left to be made
        keep = left if 0 < left.shape[1] < size else None
        value = replace(value, waiting=keep)
        yield from (replace(t, value=value) if t is ticks[-1] else t for t in ticks)


def wait(value: RolloutValue, controls: Tensor, block_ticks: int) -> RolloutValue:
    """The value after control rows that do not fill a block (``rollout`` yields no tick then)."""
    rows = _joined(value.waiting, controls)
    if rows.shape[1] >= block_ticks:
        raise ValueError(f"rollout: {rows.shape[1]} rows fill a block of {block_ticks}")
    return replace(value, waiting=rows)


def settle(model: DynamicsLike, value: RolloutValue) -> RolloutValue:
    """The value with its pending tick committed (the next tick then needs no fused pass)."""
    if value.pending is None:
        return value
    p = value.pending
    cache = _call(model.commit, value.cache, p.clean, p.controls, p.tick, guides=p.guides)
    return replace(value, cache=cache, pending=None)


def _block(model, spec: DynamicsSpec, value: RolloutValue, rows: Tensor, hooks, decoder):
    """Denoise, finish and commit one block of ticks."""
    t0, size = value.tick, spec.block_ticks
    controls, history = _control_rows(spec, value, rows)
    sigmas = spec.sigmas(value.block)
    known: Tokens = {}
    guides: dict[str, Guide] = {}
    cache, context, pending = value.cache, value.context, value.pending
    for streams in spec.passes or (tuple(spec.latent_shape),):
        if hooks is not None:
            more, context = hooks.guides(context, t0, streams, known)
            guides.update(more or {})
        current = {s: _draw(spec, value, s, t0, 0, rows) for s in streams}
        for i, (sigma, following) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
            noisy = {**known, **current}
            levels = {**dict.fromkeys(known, 0.0), **dict.fromkeys(streams, sigma)}
            level: Any = levels if known else sigma
            if pending is not None:
                cache, out = _call(
                    model.commit_step, cache, pending.clean, pending.controls, noisy, level,
                    controls, pending.tick, guides=pending.guides, next_guides=guides or None,
                )
                pending = None
            else:
                out = _call(model.step, cache, noisy, level, controls, t0, guides=guides or None)
            for s in streams:
                clean = out[s] if spec.prediction == "x" else current[s] - sigma * out[s]
                if following <= 0:
                    current[s] = clean
                elif spec.between_steps == "renoise":
                    fresh = _draw(spec, value, s, t0, i + 1, rows)
                    current[s] = (1.0 - following) * clean + following * fresh
                else:
                    current[s] = current[s] + (following - sigma) * (current[s] - clean) / sigma
        known = {**known, **current}
    if hooks is not None:
        known, context = hooks.finish(context, t0, known)
    made = Pending(known, controls, guides or None, t0)
    if not spec.fused:
        cache = _call(model.commit, cache, known, controls, t0, guides=guides or None)
    ticks, state = [], value.decoder
    for j in range(size):
        latents = {s: x[:, j : j + 1] for s, x in known.items()}
        frames = None
        if decoder is not None:
            frames, state = decoder.decode(state, latents)
        ticks.append(Tick(t0 + j, latents, frames, guides or None, None))
    after = replace(
        value, cache=cache, tick=t0 + size, block=value.block + 1, decoder=state, context=context,
        history=history, pending=made if spec.fused else None,
    )
    return after, ticks


def _call(function, *args, **guides):
    """Call without the guide arguments where there are none: not every dynamics knows them."""
    return function(*args, **{k: v for k, v in guides.items() if v})


def _draw(spec: DynamicsSpec, value: RolloutValue, stream: str, t0: int, step: int, like: Tensor):
    """Noise [B, block, ...] of one stream: keyed by seed, tick and step, never global state."""
    shape = spec.latent_shape[stream]
    seeds = value.seeds * like.shape[0] if len(value.seeds) == 1 else value.seeds
    drawn = {
        seed: np.stack(
            [keyed_noise(seed, t0 + j, step, stream, shape) for j in range(spec.block_ticks)]
        )
        for seed in dict.fromkeys(seeds)
    }
    return torch.from_numpy(np.stack([drawn[s] for s in seeds])).to(like.device)


def _control_rows(spec: DynamicsSpec, value: RolloutValue, rows: Tensor):
    """Controls as ``step`` wants them (per frame or tick, history in front), and new history."""
    if spec.controls == 0:
        return None, None
    own = rows
    if spec.control_rate == "frame":
        counts = [spec.frames(value.tick + j) for j in range(rows.shape[1])]
        own = rows.repeat_interleave(torch.tensor(counts, device=rows.device), dim=1)
    if not spec.control_history:
        return own, None
    before = value.history
    if before is None:  # before the beginning nothing was held
        before = rows.new_zeros(rows.shape[0], spec.control_history, rows.shape[2])
    joined = torch.cat([before, own], dim=1)
    return joined, joined[:, -spec.control_history :]


def _joined(waiting: Tensor | None, controls: Tensor) -> Tensor:
    return controls if waiting is None else torch.cat([waiting, controls], dim=1)


def _bytes(value: Any) -> int:
    """Bytes of tensors in a tree of dicts, lists and tuples, or of a value with ``nbytes``."""
    if isinstance(value, dict):
        return sum(_bytes(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return sum(_bytes(v) for v in value)
    return int(getattr(value, "nbytes", 0) or 0)


def stack(values: Sequence[RolloutValue]) -> RolloutValue:
    """One batched value of branches at the same tick (for one pass over all of them).

    Contexts and decoder states become tuples, one a branch; seeds stay each branch's own.
    """
    first = values[0]
    if any(v.tick != first.tick or v.block != first.block for v in values):
        raise ValueError("rollout: only values at the same tick can be stacked")
    pending = None
    if first.pending is not None:
        parts = [v.pending for v in values]
        pending = Pending(
            {s: torch.cat([p.clean[s] for p in parts]) for s in first.pending.clean},
            None if first.pending.controls is None else torch.cat([p.controls for p in parts]),
            _stack_guides([p.guides for p in parts]),
            first.pending.tick,
        )
    return replace(
        first,
        cache=type(first.cache).stack([v.cache for v in values]),
        seeds=tuple(s for v in values for s in v.seeds),
        decoder=None if first.decoder is None else tuple(v.decoder for v in values),
        context=None if first.context is None else tuple(v.context for v in values),
        history=None if first.history is None else torch.cat([v.history for v in values]),
        waiting=None if first.waiting is None else torch.cat([v.waiting for v in values]),
        pending=pending,
    )


def _stack_guides(guides: list[dict[str, Guide] | None]) -> dict[str, Guide] | None:
    if guides[0] is None:
        return None
    return {
        s: Guide(
            torch.cat([g[s].tokens for g in guides]),
            torch.cat([g[s].coverage for g in guides]),
            guides[0][s].sigma,
        )
        for s in guides[0]
    }
