"""Waypoint-1.5 behind the ``Dynamics`` interface."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..model.spec import DynamicsSpec, Ring, Tokens
from .keys_waypoint import adopt
from .waypoint_cache import WaypointCache
from .waypoint_config import WaypointConfig
from .waypoint_net import WaypointNet, rotary_table

VIEW = "view"
LEVELS, TICKS = 16, 4
"""Noise levels whose modulation, and ticks whose rotary positions are kept at hand."""


class WaypointDynamics:
    """One latent a tick, four Euler steps, then a commit at noise level 0. All calls are pure.

    network: a loaded ``WaypointNet``, whose weights do not change any more. layout: turns rows of
    an embodiment's controls into the network's [n + 3] columns; None takes the network's own.
    compat: noise levels and rotary rates rounded to bf16, as the official runtime is reported to
    have them (for comparisons).
    """

    def __init__(self, network: WaypointNet, layout: Callable[[Tensor], Tensor] | None = None,
                 compat: bool = False) -> None:
        self.network, self.layout, self.compat = network, layout, compat
        config = self.config = network.config
        width = getattr(layout, "columns", config.controls)
        self.spec = spec_of(config, width, network.dtype.itemsize)
        self._levels: dict[Any, Any] = {}
        self._tables: dict[Any, Tensor] = {}
        self._lock = threading.Lock()

    def prefill(self, prompt: Any = None, observation: Tokens | None = None) -> WaypointCache:
        """The history before the first generated tick.

        prompt: read by nobody, this model takes no text. observation: {"view": latent
        [B, 1, C, H, W]} of the four frames at tick 0, committed with neutral controls, or None.
        """
        cache = WaypointCache.empty(self.config)
        if observation is None:
            return cache
        return self.commit(cache, observation, None, 0)

    def step(self, cache: WaypointCache, noisy: Tokens, sigma: float | dict[str, float],
             controls: Tensor | None, t0: int) -> Tokens:
        """Velocity {"view": [B, 1, C, H, W]} float32 of a noisy latent at level ``sigma``.

        controls [B, 1, n] or None (neutral). ``cache`` must end just before tick ``t0``.
        """
        level = sigma[VIEW] if isinstance(sigma, dict) else sigma
        latent = self._latent(noisy)
        velocity = self._run(cache, latent, float(level), self._rows(controls, latent), t0)
        return {VIEW: velocity.float()[:, None].to(noisy[VIEW].device)}

    def commit(self, cache: WaypointCache, clean: Tokens, controls: Tensor | None,
               t0: int) -> WaypointCache:
        """The history with tick ``t0`` in it; ``cache`` stays valid and shares its slots."""
        latent = self._latent(clean)
        slots = self._run(cache, latent, 0.0, self._rows(controls, latent), t0, commit=True)
        return cache.committed(self.config, t0, slots)

    @torch.no_grad()
    def _run(self, cache: WaypointCache, latent: Tensor, level: float, rows: Tensor, tick: int,
             commit: bool = False):
        if tick != cache.next_tick:
            raise ValueError(f"Waypoint: tick {tick} asked of a history that ends before tick "
                             f"{cache.next_tick}")
        device, dtype = latent.device, latent.dtype
        network = self.network
        mod = self._once(self._levels, LEVELS, (level, device, dtype),
                         lambda: network.modulation(level, device, self.compat))
        table = self._once(self._tables, TICKS, (tick, device),
                           lambda: rotary_table(self.config, tick, self.compat).to(device))
        past = [[kv.to(device) for _, kv in layer] for layer in cache.layers]
        return network(latent, mod, rows.to(device, dtype), table, past, commit)

    def _latent(self, tokens: Tokens) -> Tensor:
        """[B, 1, C, H, W] checked, as the network computes."""
        latent = tokens[VIEW]
        if latent.ndim != 5 or latent.shape[1] != 1 or latent.shape[2:] != self.config.latent_shape:
            raise ValueError(f"Waypoint: a latent {list(latent.shape)}; accepted is "
                             f"[batch, 1, {', '.join(map(str, self.config.latent_shape))}]")
        return latent[:, 0].to(self.network.device, self.network.dtype)

    def _rows(self, controls: Tensor | None, latent: Tensor) -> Tensor:
        """[B, n + 3] of one tick."""
        if controls is None:
            return latent.new_zeros(latent.shape[0], self.config.controls)
        if controls.ndim != 3 or controls.shape[1] != 1:
            raise ValueError(f"Waypoint: controls {list(controls.shape)}; one row a tick, "
                             "[batch, 1, columns]")
        rows = self.layout(controls) if self.layout is not None else controls
        return rows[:, 0].expand(latent.shape[0], -1)

    def _once(self, kept: dict[Any, Any], limit: int, key: Any, make: Callable[[], Any]) -> Any:
        """A value that depends on the weights and ``key`` only, from the newest of ``kept``."""
        with self._lock:
            if key not in kept:
                if len(kept) >= limit:
                    kept.pop(next(iter(kept)))
                kept[key] = make()
            return kept[key]


def spec_of(config: WaypointConfig, columns: int, size: int) -> DynamicsSpec:
    """The contract of a size; columns of the controls; ``size``: bytes of a number of its
    history."""
    return DynamicsSpec(
        latent_shape={VIEW: config.latent_shape},
        frames_per_tick=config.frames_per_tick,
        first_tick_frames=config.frames_per_tick,
        schedule=config.sigmas,
        between_steps="euler",
        prediction="v",
        controls=columns,
        history=Ring(config.local_window, config.global_window // config.dilation),
        state_bytes=config.history_slots() * config.slot_elements() * size,
    )


def load_waypoint(tensors: Mapping[str, Tensor], config: WaypointConfig, operations: Any = nn,
                  device: Any = None, dtype: torch.dtype | None = None,
                  where: str = "checkpoint", compute: torch.dtype | None = None) -> WaypointNet:
    """The network of a published state dict (any mapping; tensors are read one at a time).

    dtype: of the weights, None keeps that of the file. compute: of activations and history, None
    for that of the weights (bf16 where those have 8 bits; ``operations`` must then cast them).
    CheckpointError names what does not fit.
    """
    any_one = "ctrl_cfg.null_emb"
    stored = dtype or (tensors[any_one].dtype if any_one in tensors else torch.float32)
    compute = compute or (stored if stored.itemsize > 1 else torch.bfloat16)
    network = WaypointNet(config, operations, device="meta", dtype=stored, compute=compute)
    for name, tensor in adopt(tensors, config, where):
        exact = name.startswith("denoise_step_emb.")
        put(network, name, tensor.to(device=device, dtype=torch.float32 if exact else dtype))
    return network.eval()


def put(network: nn.Module, name: str, tensor: Tensor) -> None:
    """Make ``tensor`` the parameter of that name, without a copy."""
    path, _, leaf = name.rpartition(".")
    owner = network.get_submodule(path)
    setattr(owner, leaf, nn.Parameter(tensor, requires_grad=False))
