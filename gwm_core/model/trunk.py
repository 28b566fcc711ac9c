"""The network of the dynamics: stems, blocks, heads, and whole windows in one masked pass."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Block, attend, rotary_split, space_angles, time_angles, unit_phase
from .masks import window_mask
from .ring import WorkspacePool
from .sound_stem import SoundStem
from .spec import DynamicsSpec, Guide, Ring, StreamConfig, Tokens
from .stems import Head, NoiseLevels, Stem

CONTROLS = "controls"


class Trunk(nn.Module):
    """A frame-causal transformer over ``streams``.

    streams
        ``StreamConfig`` in sequence order; one named ``controls`` (1 token) carries the controls.
    width, depth, heads
        of the transformer; ``width`` must be a multiple of 4 * ``heads``.
    window
        ticks in sight, the running one included.
    prompt_width
        width of the prompt's tokens (0: no prompt); ``sinks`` learned prompt tokens are always
        there.
    passes, schedule, frames_per_tick
        see ``DynamicsSpec``; by default all streams but the controls in one pass of one step.
    operations
        where the linear layers come from (``torch.nn`` or a host's casting operations).
    """

    def __init__(
        self,
        streams: Sequence[StreamConfig],
        width: int = 256,
        depth: int = 6,
        heads: int = 4,
        window: int = 16,
        prompt_width: int = 0,
        sinks: int = 4,
        mlp_ratio: int = 4,
        passes: Sequence[Sequence[str]] = (),
        schedule: Sequence[float] = (1.0, 0.0),
        frames_per_tick: int = 2,
        operations=torch.nn,
    ) -> None:
        super().__init__()
        streams = tuple(streams)
        names = [s.name for s in streams]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"dynamics: stream names must be distinct, got {names}")
        if width % (4 * heads):
            raise ValueError(f"dynamics: width {width} is not a multiple of 4 * heads ({heads})")
        if window < 2:
            raise ValueError(f"dynamics: window must be at least 2 ticks, got {window}")
        self.streams = streams
        self.width, self.depth, self.heads, self.window = width, depth, heads, window
        self.head_dim = width // heads
        self.tokens = sum(s.tokens for s in streams)
        self.config = {
            "streams": [s.to_json() for s in streams],
            "width": width, "depth": depth, "heads": heads, "window": window,
            "prompt_width": prompt_width, "sinks": sinks, "mlp_ratio": mlp_ratio,
            "passes": [list(p) for p in passes], "schedule": list(schedule),
            "frames_per_tick": frames_per_tick,
        }
        controls = next((s.width for s in streams if s.name == CONTROLS), 0)
        free = tuple(n for n in names if n != CONTROLS)
        self.spec = DynamicsSpec(
            latent_shape={s.name: (s.tokens, s.width) for s in streams if s.name != CONTROLS},
            frames_per_tick=frames_per_tick,
            schedule=tuple(schedule),
            controls=controls,
            passes=tuple(tuple(p) for p in passes) or (free,),
            guided=tuple(s.name for s in streams if s.guide),
            history=Ring(window, sink=sinks),
            fused=True,
            prompt_kinds=("text",) if prompt_width else (),
            state_bytes=2 * depth * width * 4 * (window - 1) * self.tokens,
        )
        self.stems = nn.ModuleDict({
            _key(s.name): (SoundStem if s.stem_bands else Stem)(s, width, operations)
            for s in streams})
        self.outlets = nn.ModuleDict({_key(s.name): Head(s, width, operations) for s in streams})
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp_ratio, operations) for _ in range(depth)
        )
        self.noise = NoiseLevels(len(streams), width, depth, operations)
        self.prompt_stem = operations.Linear(prompt_width, width) if prompt_width else None
        self.sinks = nn.Parameter(torch.randn(max(sinks, 1), width) * 0.02)
        self.prompt_mod = nn.Parameter(_neutral_modulation(depth, width))
        self._places: dict[Any, Tensor] = {}
        self._pool = WorkspacePool()
        self._modulations: OrderedDict[Any, tuple[Tensor, Tensor]] = OrderedDict()
        self.reset_parameters()

    # ------------------------------------------------------------------ parameters

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Small outputs at the start: guided streams begin by returning their guide."""
        for block in self.blocks:
            for layer in (block.out, block.fc2):
                layer.weight.mul_(0.5 / self.depth**0.5)
        for head in self.outlets.values():
            head.out.weight.zero_()
            head.out.bias.zero_()
            if head.skip is not None:
                head.skip.weight.mul_(0.1)
                head.skip.bias.zero_()
        self.noise.project.weight.mul_(0.1)
        self.noise.project.bias.zero_()
        self.noise.bias[:, (2, 5)] = 1.0

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    def clear_buffers(self) -> None:
        """Forget everything derived from the weights; call it after changing or moving them."""
        self._pool.clear()
        self._modulations.clear()
        self._places.clear()

    def _apply(self, fn, recurse=True):
        self.clear_buffers()
        return super()._apply(fn, recurse)

    def load_state_dict(self, *args, **kwargs):
        out = super().load_state_dict(*args, **kwargs)
        self.clear_buffers()
        return out

    def train(self, mode: bool = True):
        self.clear_buffers()
        return super().train(mode)

    # ------------------------------------------------------------------ pieces

    def _stream(self, name: str) -> StreamConfig:
        for s in self.streams:
            if s.name == name:
                return s
        raise ValueError(
            f"dynamics: unknown stream {name!r}; this network has {[s.name for s in self.streams]}"
        )

    def _input(self, s: StreamConfig, x: Tensor, guide: Guide | None) -> Tensor:
        """Tokens [.., n, w] with the guide channels behind them where the stream has them."""
        if x.shape[-2:] != (s.tokens, s.width):
            raise ValueError(
                f"dynamics: stream {s.name!r} needs [.., {s.tokens}, {s.width}], "
                f"got {tuple(x.shape)}"
            )
        if not s.guide:
            return x
        if guide is None:
            return F.pad(x, (0, s.width + 2))
        coverage = guide.coverage.to(x).expand(*x.shape[:-1], 1)
        level = torch.as_tensor(guide.sigma, dtype=x.dtype, device=x.device)
        while 0 < level.dim() < x.dim():
            level = level[..., None]
        return torch.cat([x, guide.tokens.to(x), coverage, level.expand_as(coverage)], dim=-1)

    def _embed(self, given: Tokens, guides: dict[str, Guide] | None):
        """Embeddings [B, T, M, d] of the given streams in sequence order, and stem skips."""
        parts, skips, names = [], {}, []
        for s in self.streams:
            if s.name not in given:
                continue
            x = given[s.name].to(self.sinks.dtype)
            guide = (guides or {}).get(s.name)
            part, skips[s.name] = self.stems[_key(s.name)](self._input(s, x, guide))
            parts.append(part)
            names.append(s.name)
        return torch.cat(parts, dim=-2), skips, names

    def _outputs(self, h: Tensor, names, wanted, skips, guides, inputs: Tokens) -> Tokens:
        """Heads of the wanted streams: x-prediction, a guided stream's relative to its guide."""
        out, start = {}, 0
        for name in names:
            s = self._stream(name)
            if name in wanted:
                y = self.outlets[_key(name)](h[..., start : start + s.tokens, :], skips[name])
                guide = (guides or {}).get(name)
                out[name] = y + guide.tokens.to(y) if guide is not None and s.guide else y
            start += s.tokens
        return out

    # ------------------------------------------------------------------ tables

    def _levels(self, names: Sequence[str], sigma: dict[str, float]):
        """Modulation of a tick whose streams have the given levels: ([L, 6, M, d], [2, M, d]).

        There are few distinct levels in a rollout, so they are kept."""
        key = tuple((n, float(sigma[n])) for n in names)
        found = self._modulations.get(key)
        if found is None:
            layers, heads = [], []
            for n in names:
                s = self._stream(n)
                index = self.streams.index(s)
                level = torch.tensor(float(sigma[n]), device=self.sinks.device)
                a, b = self.noise(level, index)
                layers.append(a[:, :, None].expand(-1, -1, s.tokens, -1))
                heads.append(b[:, None].expand(-1, s.tokens, -1))
            found = (
                torch.cat(layers, dim=2).to(self.sinks.dtype).contiguous(),
                torch.cat(heads, dim=1).to(self.sinks.dtype).contiguous(),
            )
            self._modulations[key] = found
            while len(self._modulations) > 64:
                self._modulations.popitem(last=False)
        return found

    def _gains(self) -> Tensor:
        return torch.stack([b.gain for b in self.blocks]).float()

    def _table(self, names: Sequence[str], tick: int) -> Tensor:
        """Rotary table with gains, complex [L, M, 2, heads, head_dim / 2]."""
        key = (tuple(names), self.sinks.device)
        place = self._places.get(key)
        if place is None:
            chosen = [self._stream(n) for n in names]
            angles = torch.cat([space_angles(s.grid, s.tokens, self.head_dim) for s in chosen])
            place = self._places[key] = unit_phase(angles).to(self.sinks.device)
        when = torch.tensor(tick, device=place.device)
        phase = place * unit_phase(time_angles(when, self.head_dim))
        return phase[:, None, None] * self._gains()[:, None]

    def _prompt_tokens(self, prompt: Tensor | None, batch: int) -> Tensor:
        x = self.sinks.expand(batch, -1, -1)
        if prompt is None:
            return x
        if self.prompt_stem is None:
            raise ValueError("dynamics: this network takes no prompt (prompt_width is 0)")
        return torch.cat([x, self.prompt_stem(prompt.to(x))], dim=1)

    def _prompt_table(self, tokens: int) -> Tensor:
        shape = (self.depth, tokens, 2, self.heads, self.head_dim // 2)
        return self._gains()[:, None].expand(shape).to(torch.complex64)

    def _timeless(self, like: Tensor) -> Tensor:
        """1 on the dimensions that do not turn with time: prompt keys live only there, so that
        the prompt looks the same at tick 5 and at tick 50,000."""
        time, row, column = rotary_split(self.head_dim)
        keep = torch.zeros(time + row + column, dtype=like.dtype, device=like.device)
        keep[time:] = 1.0
        return keep.repeat_interleave(2)

    # ------------------------------------------------------------------ whole windows

    def forward(
        self,
        noisy: Tokens,
        sigma: dict[str, Tensor],
        guides: dict[str, Guide] | None = None,
        prompt: Tensor | None = None,
        first_pass: Tensor | None = None,
        history: tuple[Tokens, dict[str, Tensor]] | None = None,
        t0: int = 0,
    ) -> Tokens:
        """Clean tokens predicted for whole windows in one masked pass (training, evaluation).

        noisy: [B, T, n, w] for every stream, ``controls`` among them. sigma: [B, T] by stream.
        first_pass: bool [B or 1, T], ticks in which streams of an earlier pass must not see those
        of later ones (as in a rollout, where they come first). history: (tokens, levels) of the
        same ticks as later ones shall see them, as in a rollout; else they see the noisy ones.
        Returns every stream's prediction.
        """
        x, skips, names = self._embed(noisy, guides)
        batch, ticks, per_tick, width = x.shape
        mods, heads = self._window_levels(sigma)
        table = torch.stack([self._table(names, t0 + t) for t in range(ticks)], dim=1).flatten(1, 2)
        if history is not None:
            tokens, levels = history
            x = torch.cat([self._embed(tokens, guides)[0], x], dim=1)
            before = self._window_levels(levels)[0]
            mods = [torch.cat([a, b], dim=1) for a, b in zip(before, mods, strict=True)]
            table = table.repeat(1, 2, 1, 1, 1)
        x = x.flatten(1, 2)
        p = self._prompt_tokens(prompt, batch)
        prompt_table = self._prompt_table(p.shape[1])
        mask = window_mask(
            self, ticks, p.shape[1], first_pass, x.device, history is not None
        )
        # added to the logits once for all layers: a boolean mask is converted in each of them
        mask = torch.zeros_like(mask, dtype=x.dtype).masked_fill_(~mask, float("-inf"))
        for layer, block in enumerate(self.blocks):
            mod = torch.cat([m[:, :, layer] for m in mods], dim=3)  # [B, T, 6, N, d]
            mod = [mod[:, :, i].flatten(1, 2) for i in range(6)]
            prompt_mod = self.prompt_mod[layer][:, None, None]
            pqk, pv = block.queries_keys_values(p, prompt_mod, prompt_table[layer])
            pk = pqk[:, :, 1] * self._timeless(p)
            qk, v = block.queries_keys_values(x, mod, table[layer])
            keys, values = torch.cat([pk, qk[:, :, 1]], dim=1), torch.cat([pv, v], dim=1)
            y = attend(qk[:, :, 0], keys, values, mask)
            if layer + 1 < self.depth:
                p = block.finish(p, attend(pqk[:, :, 0], pk, pv), prompt_mod)
            x = block.finish(x, y, mod)
        head = torch.cat(heads, dim=3)
        x = x[:, -ticks * per_tick :]
        h = F.layer_norm(x, (width,)).unflatten(1, (ticks, per_tick))
        h = torch.addcmul(head[:, :, 0], h, head[:, :, 1])
        return self._outputs(h, names, set(names), skips, guides, noisy)

    def _window_levels(self, sigma: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Modulation by stream from levels [B, T]: ([B, T, L, 6, n, d], [B, T, 2, n, d])."""
        mods, heads = [], []
        for index, s in enumerate(self.streams):
            a, b = self.noise(sigma[s.name].to(self.sinks.device), index)
            mods.append(a[:, :, :, :, None].expand(-1, -1, -1, -1, s.tokens, -1))
            heads.append(b[:, :, :, None].expand(-1, -1, -1, s.tokens, -1))
        return mods, heads


def _key(name: str) -> str:
    return name.replace(".", "_")  # module names cannot contain dots


def _neutral_modulation(depth: int, width: int) -> Tensor:
    mod = torch.zeros(depth, 6, width)
    mod[:, (1, 2, 4, 5)] = 1.0
    return mod
