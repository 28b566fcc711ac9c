"""The state of a world at one tick: an immutable value, shared by branches, written to files."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..bodies import Bodies, Player
from ..imagine import Placement
from ..memory import Keyframe, Memory
from ..understand import Thing
from .history import History


@dataclass(frozen=True)
class Scene:
    """What a world is about, as understood from its prompt and events.

    theme: index of the room theme, or -1 when unknown (a picture without a prompt).
    light: light condition 0..17 the world is shown in now (time * 6 + lamps * 3 + fog).
    """

    theme: int = -1
    light: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    things: tuple[Thing, ...] = ()


@dataclass(frozen=True)
class Made:
    """What an imagination gave: keyframes to keep (none when nothing new came of it), and all
    places that are laid in the world now; `pixels` of the view in all."""

    keyframes: tuple[Keyframe, ...]
    placements: tuple[Placement, ...]
    remembered: float = 0.0
    pixels: int = 1


class Ahead:
    """One imagination under way: asked at one tick, visible at a fixed later one.

    The work runs in a thread; `result()` waits for it, so timing never changes a world.
    """

    def __init__(self, due: int, future: Future | None = None, made: Made | None = None):
        self.due = due
        self._future = future
        self._made = made

    def result(self) -> Made:
        """What it made; waits where it is not done yet."""
        made = self._made
        if made is None:
            made = self._made = self._future.result()
        return made


@dataclass(frozen=True)
class RolloutState:
    """Everything the next tick depends on. All members are immutable values.

    tick: ticks done. body_light [12]: the light each slot's colours were seen in.
    history: what the dynamics remembers. audio: the synthesiser's ringing. ahead: imagination
    under way.
    quiet_until: first tick at which a new imagination may be asked for.
    """

    seed: int
    tick: int
    scene: Scene
    player: Player
    bodies: Bodies
    body_light: np.ndarray
    memory: Memory
    placements: tuple[Placement, ...]
    history: History
    audio: Any
    ahead: Ahead | None = None
    quiet_until: int = 0

    def replace(self, **changes) -> RolloutState:
        return replace(self, **changes)

    @property
    def nbytes(self) -> int:
        """Bytes held by this value alone; what it shares is listed by `buffers`."""
        return self.bodies.nbytes + 16384

    def buffers(self) -> list[Any]:
        """The shared parts, so that each is counted once over many states."""
        return [*self.memory.keyframes, *self.history.tensors(), self]

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that describe it; see saved."""
        from .saved import state_to_arrays

        return state_to_arrays(self)
