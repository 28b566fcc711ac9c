"""Fixed runs of tiny causal Wan networks, past the first eviction, with and without a sink.

The committed numbers were made by the published code of Self Forcing (guandeh17/Self-Forcing,
33593df) on the same weights and inputs, both drawn from NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...backbones.causal_wan import VIEW, CausalWanConfig, CausalWanDynamics, CausalWanNet
from ...backbones.keys_wan import causal_wan_shapes
from ...backbones.tiny import draw

SEED, KEEP = 21, 17
CHUNKS = CausalWanConfig(
    local=6, sink=0, rows=4, columns=6, dim=48, heads=2, layers=3, ffn_dim=96, freq_dim=32,
    text_tokens=20, text_width=24,
)
CASES = {
    "chunks": (CHUNKS, 4),
    "sink": (replace(CHUNKS, local=9, sink=3), 5),
    "frames": (replace(CHUNKS, block=1, local=4, steps=(1000, 500), first_steps=(1000, 750, 500)),
               6),
}
"""Name -> sizes, and blocks of the run."""
WORDS = 7


@dataclass(frozen=True)
class Case:
    """Inputs of one run; ``blocks``: (noisy, clean) latents [1, block, 16, H, W]."""

    words: Tensor
    blocks: list[tuple[Tensor, Tensor]]
    sigma: float = 0.9375


def weights(config: CausalWanConfig) -> dict[str, Tensor]:
    """A published state dict with every parameter drawn anew."""
    return draw(causal_wan_shapes(config), SEED)


def network(config: CausalWanConfig) -> CausalWanNet:
    """A network of those weights."""
    net = CausalWanNet(config)
    net.load_state_dict(weights(config))
    return net.eval()


def inputs(config: CausalWanConfig, blocks: int) -> Case:
    """Inputs drawn from NumPy."""
    rng = np.random.default_rng(SEED)

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    shape = (1, config.block, *config.wan.latent)
    words = normal(1, WORDS, config.text_width)
    return Case(words, [(normal(*shape), normal(*shape)) for _ in range(blocks)])


@torch.no_grad()
def run(dynamics: CausalWanDynamics, case: Case) -> list[np.ndarray]:
    """Velocities [1, block, 16, H, W] of every block, each after commits of the ones before."""
    cache, out, block = dynamics.prefill(case.words), [], dynamics.spec.block_ticks
    for index, (noisy, clean) in enumerate(case.blocks):
        made = dynamics.step(cache, {VIEW: noisy}, case.sigma, None, block * index)
        out.append(made[VIEW].numpy())
        cache = dynamics.commit(cache, {VIEW: clean}, None, block * index)
    return out
