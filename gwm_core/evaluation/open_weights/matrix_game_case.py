"""Fixed runs of tiny Matrix-Game 2.0 networks, past the first eviction of each variant.

The committed numbers were made by Skywork's published code (zoheth/Matrix-Game, c0e0333) on the
same weights and inputs, both drawn from NumPy. That code wants 880 tokens a latent frame and
heads of 64 in its action modules, so that width and depth are tiny but not the grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from ...backbones import matrix_game as module
from ...backbones.keys_wan import matrix_game_shapes
from ...backbones.matrix_game import (
    BLOCK,
    VIEW,
    ImagePrompt,
    MatrixGameConfig,
    MatrixGameDynamics,
    MatrixGameNet,
)
from ...backbones.matrix_game_actions import WINDOW, ActionConfig, DeadNorm, control_windows
from ...backbones.tiny import draw

SEED, KEEP = 20, 307
"""Of the velocities every 307th number is compared."""
UNIVERSAL = MatrixGameConfig(
    ActionConfig(4, layers=2, heads=2, width=128, key_width=16), dim=48, heads=2, layers=3,
    ffn_dim=96, freq_dim=32, clip_tokens=17, clip_width=24, image_latents=9,
)
CASES = {
    "universal": (UNIVERSAL, 3),
    "gta_drive": (replace(UNIVERSAL, actions=replace(UNIVERSAL.actions, keys=2), local=4), 2),
    "templerun": (
        replace(
            UNIVERSAL, actions=replace(UNIVERSAL.actions, keys=7, mouse=False),
            steps=(1000, 750, 500, 250),
        ), 2,
    ),
}
"""Variant -> sizes, and blocks of the run: past the first eviction where a block can be seen to
be gone (the third for a window of two blocks)."""


@dataclass(frozen=True)
class Case:
    """Inputs of one run; ``blocks``: (noisy, clean) latents [1, 3, 16, 44, 80]."""

    prompt: ImagePrompt
    controls: Tensor
    blocks: list[tuple[Tensor, Tensor]]
    sigma: float


def weights(config: MatrixGameConfig) -> dict[str, Tensor]:
    """A published state dict with every parameter drawn anew."""
    return draw(matrix_game_shapes(config), SEED)


def network(config: MatrixGameConfig) -> MatrixGameNet:
    """A network of those weights."""
    net = MatrixGameNet(config)
    net.load_state_dict(weights(config))
    return net.eval()


def inputs(config: MatrixGameConfig, blocks: int) -> Case:
    """Inputs drawn from NumPy; controls [1, frames, n] as the published demos have them."""
    rng = np.random.default_rng(SEED)

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    latent = config.wan.latent
    frames = 1 + 4 * (BLOCK * blocks - 1)
    prompt = ImagePrompt(
        normal(1, config.image_latents, *latent), normal(1, config.clip_tokens, config.clip_width)
    )
    controls = (normal(1, frames, config.actions.keys) > 0).float()
    if config.actions.mouse:
        controls = torch.cat([controls, 0.1 * normal(1, frames, 2).sign()], -1)
    pairs = [(normal(1, BLOCK, *latent), normal(1, BLOCK, *latent)) for _ in range(blocks)]
    return Case(prompt, controls, pairs, float(module.shifted(*config.steps)[1]))


@torch.no_grad()
def run(dynamics: MatrixGameDynamics, case: Case, blocks: int | None = None) -> list[np.ndarray]:
    """Velocities [1, 3, 16, 44, 80] of every block, each after commits of the ones before."""
    cache, out = dynamics.prefill(case.prompt), []
    history, done = case.controls.new_zeros(1, WINDOW, case.controls.shape[2]), 0
    todo = case.blocks[:blocks]
    for index, (noisy, clean) in enumerate(todo):
        frames = 4 * BLOCK - (3 if index == 0 else 0)
        rows = torch.cat([history, case.controls[:, done : done + frames]], 1)
        done, history = done + frames, rows[:, -WINDOW:]
        made = dynamics.step(cache, {VIEW: noisy}, case.sigma, rows, BLOCK * index)
        out.append(made[VIEW].numpy())
        if index + 1 < len(todo):
            cache = dynamics.commit(cache, {VIEW: clean}, rows, BLOCK * index)
    return out


ERRORS = ("action window off by one", "dead norms applied", "one more past block")


@contextmanager
def wrong(kind: str) -> Iterator[tuple[MatrixGameDynamics, int]]:
    """A universal network with one deliberate error, and how many blocks show it."""
    if kind == "one more past block":
        yield MatrixGameDynamics(network(replace(UNIVERSAL, local=UNIVERSAL.local + BLOCK))), 3
        return
    if kind == "action window off by one":

        def early(rows: Tensor, ticks: int, t0: int) -> Tensor:
            moved = torch.cat([rows[:, :WINDOW], rows[:, WINDOW + 1 :], rows[:, -1:]], 1)
            return control_windows(moved, ticks, t0)

        with mock.patch.object(module, "control_windows", early):
            yield MatrixGameDynamics(network(UNIVERSAL)), 1
        return
    if kind == "dead norms applied":
        plain = DeadNorm.forward

        def weighted(self: DeadNorm, x: Tensor) -> Tensor:
            return plain(self, x) * self.weight

        with mock.patch.object(DeadNorm, "forward", weighted):
            yield MatrixGameDynamics(network(UNIVERSAL)), 1
        return
    raise ValueError(kind)
