"""The dynamics: one frame-causal transformer over all token streams of a world.

Per tick the sequence is the streams in the order of the configuration (``controls`` first, views
last). A tick attends to its own tokens, to the earlier ticks of its window and to the prompt.
Every stream has its own noise level at every tick: 0 is known, 1 is to be imagined.

``prefill``, ``step``, ``commit`` and ``commit_step`` are pure functions of immutable caches;
``forward`` (trunk.py) is the same network on whole windows with a mask, for training.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import attend
from .cache import Cache
from .ring import run_layers
from .spec import Guide, StreamConfig, Tokens
from .trunk import CONTROLS, Trunk


class Dynamics(Trunk):
    """The trunk with the rollout interface: see ``Trunk`` for what it is built from."""

    @torch.inference_mode()
    def prefill(
        self,
        prompt: Tensor | None = None,
        observation: Tokens | None = None,
        controls: Tensor | None = None,
        guides: dict[str, Guide] | None = None,
        batch: int = 1,
    ) -> Cache:
        """A cache that holds the prompt and, if given, the observation as tick 0.

        prompt: [B, P, prompt_width] or None. observation: tokens [B, 1, n, w] by stream; streams
        left out count as unknown.
        """
        if prompt is not None:
            batch = prompt.shape[0]
        elif observation:
            batch = next(iter(observation.values())).shape[0]
        cache = Cache(self._prompt(prompt, batch), capacity=self.window - 1)
        return self.commit(cache, observation, controls, 0, guides) if observation else cache

    def cache_from_arrays(self, arrays: dict[str, Any], meta: dict[str, int]) -> Cache:
        """A cache from a file (``Cache.to_arrays``); ValueError where it is not this network's."""
        cache = Cache.from_arrays(arrays, meta, self.sinks.device, self.sinks.dtype)
        want = (self.depth, 2, cache.batch, self.tokens, self.heads, self.head_dim)
        for tick, slot in cache.slots:
            if tuple(slot.shape) != want:
                raise ValueError(
                    f"cache: tick {tick} is {tuple(slot.shape)}, this network needs {want}"
                )
        if cache.capacity != self.window - 1:
            raise ValueError(
                f"cache: holds {cache.capacity} ticks, this network {self.window - 1}"
            )
        return cache

    @torch.inference_mode()
    def with_prompt(self, cache: Cache, prompt: Tensor | None) -> Cache:
        """The same history under another prompt (a world event)."""
        return replace(cache, prompt=self._prompt(prompt, cache.batch))

    def _prompt(self, prompt: Tensor | None, batch: int) -> Tensor:
        x = self._prompt_tokens(prompt, batch)
        kept = []
        table = self._prompt_table(x.shape[1])
        for layer, block in enumerate(self.blocks):
            mod = self.prompt_mod[layer][:, None, None].to(x)
            qk, v = block.queries_keys_values(x, mod, table[layer])
            k = qk[:, :, 1] * self._timeless(x)
            kept.append(torch.stack([k, v]))
            if layer + 1 < self.depth:
                x = block.finish(x, attend(qk[:, :, 0], k, v), mod)
        return torch.stack(kept)

    def _gather(self, given: Tokens | None, controls: Tensor | None, sigma) -> tuple[Tokens, dict]:
        given = dict(given or {})
        names = {s.name for s in self.streams}
        for name in given:
            self._stream(name)
        levels = {n: (sigma[n] if isinstance(sigma, dict) else sigma) for n in given}
        if controls is not None and CONTROLS in names and CONTROLS not in given:
            given[CONTROLS] = controls[..., None, :]
            levels[CONTROLS] = 0.0
        return given, levels

    def _complete(self, clean: Tokens | None, controls: Tensor | None, batch: int):
        """A whole tick for the history: what is not given is unknown (zeros at level 1)."""
        given, levels = self._gather(clean, controls, 0.0)
        for s in self.streams:
            if s.name not in given:
                given[s.name] = torch.zeros(batch, 1, s.tokens, s.width, device=self.sinks.device)
                levels[s.name] = 1.0
        return given, levels

    @torch.inference_mode()
    def step(self, cache, noisy, sigma, controls, t0, guides=None) -> Tokens:
        """Clean tokens predicted for tick ``t0`` from ``noisy`` ones; never writes history.

        noisy: tokens [B, 1, n, w] of any streams, known ones among them at level 0. sigma: noise
        level, or one by stream. controls [B, 1, columns] or None (unknown). Returns [B, 1, n, w]
        for each stream of ``noisy`` whose level is above 0.
        """
        return self._run(cache, None, (noisy, sigma, controls, t0, guides))[1]

    @torch.inference_mode()
    def commit(self, cache, clean, controls, t0, guides=None) -> Cache:
        """A new cache with the clean tokens of tick ``t0`` as its newest; the old stays valid."""
        return self._run(cache, (clean, controls, t0, guides), None)[0]

    @torch.inference_mode()
    def commit_step(
        self, cache, clean, controls, noisy, sigma, next_controls, t0,
        guides=None, next_guides=None,
    ) -> tuple[Cache, Tokens]:
        """``commit`` of tick ``t0`` and ``step`` of ``t0 + 1`` in one pass over the weights."""
        return self._run(
            cache,
            (clean, controls, t0, guides),
            (noisy, sigma, next_controls, t0 + 1, next_guides),
        )

    def _run(self, cache: Cache, past, now) -> tuple[Cache, Tokens]:
        """One pass over up to two segments: a tick to commit, then a tick to denoise."""
        like = self.sinks
        if cache.prompt.device != like.device or cache.prompt.dtype != like.dtype:
            cache = cache.to(like.device, like.dtype)  # the host has moved the weights meanwhile
        segments = []
        if past is not None:
            clean, controls, tick, guides = past
            given, levels = self._complete(clean, controls, cache.batch)
            x, skips, names = self._embed(given, guides)
            segments.append((x, names, levels, tick))
        if now is not None:
            noisy, sigma, controls, tick, guides = now
            given, levels = self._gather(noisy, controls, sigma)
            blind = next((s for s in self.streams if s.name == CONTROLS), None)
            if blind is not None and CONTROLS not in given:
                given[CONTROLS] = torch.zeros(cache.batch, 1, 1, blind.width, device=like.device)
                levels[CONTROLS] = 1.0
            x, skips, names = self._embed(given, guides)
            segments.append((x, names, levels, tick))
        x = torch.cat([s[0] for s in segments], dim=-2).squeeze(1)
        tables = [self._table(s[1], s[3]) for s in segments]
        mods = [self._levels(s[1], s[2]) for s in segments]
        table = torch.cat(tables, dim=1) if len(tables) > 1 else tables[0]
        mod = torch.cat([m[0] for m in mods], dim=2) if len(mods) > 1 else mods[0][0]
        with self._pool.lock:
            space = self._pool.take(cache, self.tokens)
            x, slot = run_layers(
                self.blocks, x, mod, table, space, cache, past[2] if past is not None else None
            )
            if slot is not None:
                cache = cache.committed(past[2], slot)
                space.mirror[cache.positions()[-1]] = slot
        if now is None:
            return cache, {}
        shift, scale = mods[-1][1]
        h = torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), scale)[:, None]
        wanted = {n for n in noisy if levels[n] > 0}
        return cache, self._outputs(h, names, wanted, skips, guides, given)


def build_dynamics(config: dict[str, Any], operations=torch.nn) -> Dynamics:
    """The network of a checkpoint's stored ``Dynamics.config``."""
    config = dict(config)
    streams = [StreamConfig.from_json(s) for s in config.pop("streams")]
    return Dynamics(streams, operations=operations, **config)
