"""One fixed run of a tiny Waypoint, long enough that every kind of layer forgets something.

The committed numbers were made by the network of NVIDIA FlashDreams (Apache-2.0,
integrations_v2/waypoint: network 193e2eb, history 3019c7d, rotary positions 18db13b; its files as
published but for docstrings and the CUDA-only history) on the same weights and inputs, both drawn
from NumPy.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ...backbones.keys_waypoint import own_name, published_shapes
from ...backbones.tiny import draw
from ...backbones.waypoint import VIEW, WaypointDynamics, load_waypoint
from ...backbones.waypoint_config import WaypointConfig

CONFIG = WaypointConfig(
    channels=4, height=8, width=12, layers=8, dim=128, heads=4, kv_heads=2, buttons=16,
    noise_dim=32, local_window=4, global_window=8, dilation=2,
)
"""Local layers forget from tick 4 on, global ones from tick 8 on."""
SEED, TICKS, BATCH = 15, 12, 2
LEVELS = (1.0, 0.75, 0.3)
"""Noise levels asked of every tick."""


def weights(config: WaypointConfig = CONFIG, seed: int = SEED) -> dict[str, torch.Tensor]:
    """A published state dict with every parameter drawn anew; what is tied stays so."""
    return draw(published_shapes(config), seed, own_name)


def inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clean latents [T, B, 1, C, H, W], noise of that shape, controls [T, B, 1, n]."""
    rng = np.random.default_rng(SEED)
    shape = (TICKS, BATCH, 1, *CONFIG.latent_shape)
    clean = rng.standard_normal(shape).astype(np.float32)
    noise = rng.standard_normal(shape).astype(np.float32)
    rows = rng.standard_normal((TICKS, BATCH, 1, CONFIG.controls)).astype(np.float32)
    rows[..., 2:-1] = rows[..., 2:-1] > 1
    rows[..., -1] = np.sign(rows[..., -1])
    return clean, noise, rows


def run(dynamics: WaypointDynamics | None = None) -> np.ndarray:
    """Velocities float32 [T, levels, B, C, H, W] along the fixed track."""
    dynamics = dynamics or WaypointDynamics(load_waypoint(weights(), CONFIG))
    clean, noise, rows = (torch.from_numpy(x) for x in inputs())
    cache = dynamics.prefill()
    out = []
    for tick in range(TICKS):
        seen = []
        for level in LEVELS:
            noisy = (1 - level) * clean[tick] + level * noise[tick]
            velocity = dynamics.step(cache, {VIEW: noisy}, level, rows[tick], tick)
            seen.append(velocity[VIEW][:, 0])
        out.append(torch.stack(seen))
        cache = dynamics.commit(cache, {VIEW: clean[tick]}, rows[tick], tick)
    return torch.stack(out).numpy()


KEEP = 7
"""Of the velocities every seventh number is compared."""


ERRORS = ("controls a tick late", "one more past tick", "grouped heads interleaved")
INTERLEAVED = [0, 2, 1, 3]
"""Query heads in an order that gives each the other key head."""


class Late(WaypointDynamics):
    """Wrong on purpose: every tick acts on the controls of the one before."""

    def __init__(self, network) -> None:
        super().__init__(network)
        self.asked: dict[int, torch.Tensor] = {}

    def _run(self, cache, latent, level, rows, tick, commit=False):
        self.asked[tick] = rows
        late = self.asked.get(tick - 1, torch.zeros_like(rows))
        return super()._run(cache, latent, level, late, tick, commit)


def wrong(kind: str) -> WaypointDynamics:
    """A Waypoint with one deliberate error; ``ERRORS`` names them."""
    if kind == "controls a tick late":
        return Late(load_waypoint(weights(), CONFIG))
    if kind == "one more past tick":
        longer = replace(CONFIG, local_window=CONFIG.local_window + 1)
        return WaypointDynamics(load_waypoint(weights(), longer))
    if kind == "grouped heads interleaved":
        network = load_waypoint(weights(), CONFIG)
        for block in network.transformer.blocks:
            heads = block.attn.q_proj.weight.data.unflatten(0, (CONFIG.heads, -1))
            block.attn.q_proj.weight.data = heads[INTERLEAVED].flatten(0, 1)
            out = block.attn.out_proj.weight.data.unflatten(1, (CONFIG.heads, -1))
            block.attn.out_proj.weight.data = out[:, INTERLEAVED].flatten(1)
        return WaypointDynamics(network)
    raise ValueError(kind)
