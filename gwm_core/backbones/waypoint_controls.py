"""Controls of Waypoint-1.5: what a player holds, and the columns that the network reads.

The network's vocabulary is Windows virtual-key codes and pixels of pointer motion, one vector a
tick: dx, dy, 256 buttons, sign of the wheel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..embodiment import ControlSpec, Embodiment, StreamSpec, ViewSpec
from .waypoint_config import WaypointConfig

# name, virtual-key code, keyboard event.code, what games mostly do with it. Ctrl and Tab belong to
# browsers (Ctrl + W closes a tab), and a click locks the pointer: other keys stand for them.
KEYS = (
    ("W", 0x57, "KeyW", "walk forward"),
    ("A", 0x41, "KeyA", "step left"),
    ("S", 0x53, "KeyS", "walk back"),
    ("D", 0x44, "KeyD", "step right"),
    ("jump", 0x20, "Space", "jump (Space)"),
    ("run", 0x10, "ShiftLeft", "run (Shift)"),
    ("crouch", 0x11, "KeyB", "crouch (the game's Ctrl)"),
    ("E", 0x45, "KeyE", "use (E)"),
    ("Q", 0x51, "KeyQ", "Q"),
    ("R", 0x52, "KeyR", "reload (R)"),
    ("F", 0x46, "KeyF", "F"),
    ("G", 0x47, "KeyG", "G"),
    ("C", 0x43, "KeyC", "C"),
    ("V", 0x56, "KeyV", "V"),
    ("X", 0x58, "KeyX", "X"),
    ("Z", 0x5A, "KeyZ", "Z"),
    ("T", 0x54, "KeyT", "T"),
    ("tab", 0x09, "Backquote", "the game's Tab"),
    ("up", 0x26, "ArrowUp", "arrow up"),
    ("left", 0x25, "ArrowLeft", "arrow left"),
    ("down", 0x28, "ArrowDown", "arrow down"),
    ("right", 0x27, "ArrowRight", "arrow right"),
    *((f"key{n}", 0x30 + n, f"Digit{n}", f"number {n}") for n in range(10)),
    ("attack", 0x01, "KeyJ", "the game's left mouse button"),
    ("aim", 0x02, "KeyK", "the game's right mouse button"),
    ("middle", 0x04, "KeyL", "the game's middle mouse button"),
)
ALIASES = {"jump": ("SPACE",), "run": ("SHIFT",), "crouch": ("CTRL",)}
PIXELS_PER_DEGREE = 25 / 3
"""Players turn 0.12 degrees a pixel; the network was trained on pixels."""


def waypoint_embodiment(config: WaypointConfig, name: str = "waypoint") -> Embodiment:
    """The contract of a Waypoint checkpoint: one view, keys, pointer and wheel, no sound."""
    width, height = config.display
    buttons = tuple(
        ControlSpec(key, "button", code, label, aliases=ALIASES.get(key, ()))
        for key, _, code, label in KEYS
    )
    look = ControlSpec("look", "axis", "", "turn right and look up", -90.0, 90.0, "deg",
                       components=("x", "y"), step=1 / 64, accumulate=True)
    wheel = ControlSpec("wheel", "axis", "", "mouse wheel", -1.0, 1.0, "", step=1.0)
    return Embodiment(
        name, config.tick_rate, config.frames_per_tick, 0, (ViewSpec("view", width, height, 60.0),),
        (*buttons, look, wheel), (StreamSpec("view", config.tokens, config.dim),),
    )


@dataclass(frozen=True)
class ControlLayout:
    """Rows of an embodiment's controls as the network reads them.

    pixels_per_degree: how far a pointer moves for a degree of turning; larger is livelier.
    """

    columns: int = len(KEYS) + 3
    inputs: int = 259
    pixels_per_degree: float = PIXELS_PER_DEGREE
    codes: tuple[int, ...] = field(default=tuple(code for _, code, _, _ in KEYS))

    def __call__(self, rows: Tensor) -> Tensor:
        """[..., columns] -> [..., inputs]."""
        if rows.shape[-1] != self.columns:
            raise ValueError(
                f"Waypoint controls: {rows.shape[-1]} columns, {self.columns} are accepted"
            )
        out = rows.new_zeros(*rows.shape[:-1], self.inputs)
        keys = len(self.codes)
        out[..., 0] = rows[..., keys] * self.pixels_per_degree
        out[..., 1] = -rows[..., keys + 1] * self.pixels_per_degree
        out[..., torch.tensor([2 + code for code in self.codes])] = (rows[..., :keys] > 0.5).to(out)
        out[..., -1] = torch.sign(rows[..., keys + 2])
        return out
