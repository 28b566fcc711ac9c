"""The three published variants of Matrix-Game 2.0: sizes, controls, and what the network reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..embodiment import ControlSpec, Embodiment, StreamSpec, ViewSpec
from .matrix_game import BLOCK, VIEW, MatrixGameConfig
from .matrix_game_actions import ActionConfig

FPS = 25.0
FULL = 0.1
"""The only size of mouse values in the published demos: pitch up, yaw right positive."""
DEGREES = 6.0
"""Turning of a tick that is given to the network as a full value; what it turns by is its own."""


@dataclass(frozen=True)
class Layout:
    """Rows of an embodiment's controls as the network reads them; ``columns`` are its own."""

    columns: int
    make: Callable[[Tensor], Tensor]

    def __call__(self, rows: Tensor) -> Tensor:
        """[..., columns] -> [..., the network's keys, then pitch and yaw]."""
        if rows.shape[-1] != self.columns:
            raise ValueError(
                f"Matrix-Game controls: {rows.shape[-1]} columns; {self.columns} are accepted"
            )
        return self.make(rows)


@dataclass(frozen=True)
class Variant:
    """A published file: ``name`` as in its configuration, ``title`` for people."""

    name: str
    title: str
    config: MatrixGameConfig
    controls: tuple[ControlSpec, ...]
    make: Callable[[Tensor], Tensor]

    @property
    def layout(self) -> Layout:
        return Layout(sum(len(spec.columns) for spec in self.controls), self.make)

    def embodiment(self, config: MatrixGameConfig | None = None) -> Embodiment:
        """The contract of the variant (of a network of other sizes)."""
        config = config or self.config
        wan = config.wan
        return Embodiment(
            f"matrix-game-2-{self.name.replace('_', '-')}", FPS / 4, 4, 0,
            (ViewSpec(VIEW, 16 * wan.columns, 16 * wan.rows, 60.0),), self.controls,
            (StreamSpec(VIEW, wan.tokens, wan.dim),),
            {"block_ticks": BLOCK, "reads_text": False},
        )


def _button(name: str, code: str, label: str, *aliases: str) -> ControlSpec:
    return ControlSpec(name, "button", code, label, aliases=aliases)


WALK = (
    _button("W", "KeyW", "walk forward"),
    _button("S", "KeyS", "walk back"),
    _button("A", "KeyA", "step left"),
    _button("D", "KeyD", "step right"),
    _button("up", "ArrowUp", "look up"),
    _button("down", "ArrowDown", "look down"),
    _button("left", "ArrowLeft", "turn left"),
    _button("right", "ArrowRight", "turn right"),
    ControlSpec("look", "axis", "", "turn right and look up", -DEGREES, DEGREES, "deg",
                components=("x", "y"), step=1 / 64, accumulate=True),
)
DRIVE = (
    _button("W", "KeyW", "accelerate"),
    _button("S", "KeyS", "brake, reverse"),
    _button("A", "KeyA", "steer left"),
    _button("D", "KeyD", "steer right"),
)
RUN = (
    _button("jump", "KeyW", "jump", "W"),
    _button("slide", "KeyS", "slide", "S"),
    _button("turn_left", "KeyZ", "turn left", "Z"),
    _button("turn_right", "KeyC", "turn right", "C"),
    _button("left", "KeyA", "lean left", "A"),
    _button("right", "KeyD", "lean right", "D"),
)


def _walk(rows: Tensor) -> Tensor:
    pitch = rows[..., 4] - rows[..., 5] + rows[..., 9] / DEGREES
    yaw = rows[..., 7] - rows[..., 6] + rows[..., 8] / DEGREES
    turn = FULL * torch.stack([pitch, yaw], -1).clamp(-1, 1)
    return torch.cat([(rows[..., :4] > 0.5).to(rows), turn], -1)


def _drive(rows: Tensor) -> Tensor:
    held = (rows > 0.5).to(rows)
    yaw = FULL * (held[..., 3] - held[..., 2])
    return torch.cat([held[..., :2], torch.stack([torch.zeros_like(yaw), yaw], -1)], -1)


def _run(rows: Tensor) -> Tensor:
    """One of seven: nothing, or the first of what is held."""
    held = rows > 0.5
    first = held & (held.int().cumsum(-1) == 1)
    return torch.cat([~held.any(-1, keepdim=True), first], -1).to(rows)


_UNIVERSAL = MatrixGameConfig(ActionConfig(keys=4))
VARIANTS = {
    v.name: v
    for v in (
        Variant("universal", "Matrix-Game 2.0 universal", _UNIVERSAL, WALK, _walk),
        Variant(
            "gta_drive", "Matrix-Game 2.0 GTA drive",
            replace(_UNIVERSAL, actions=ActionConfig(keys=2), local=4), DRIVE, _drive,
        ),
        Variant(
            "templerun", "Matrix-Game 2.0 Temple Run",
            replace(_UNIVERSAL, actions=ActionConfig(keys=7, mouse=False),
                    steps=(1000, 750, 500, 250)), RUN, _run,
        ),
    )
}
