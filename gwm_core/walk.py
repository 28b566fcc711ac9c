"""Walks: what was played in a world, as the text that a workflow file carries.

A walk is a control track and what it was recorded in, so that it says so when the world under it
has changed, or when another machine draws its last frame differently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .controls import Controls
from .embodiment import Embodiment
from .errors import ControlError
from .world import World

VERSION = 1
MAX_CHARS = 4 << 20
"""Longest text of a walk; ten minutes with the mouse take about 100 thousand."""
FACTS = ("model", "fingerprint", "prompt", "seed", "tick", "computed")


@dataclass(frozen=True)
class Walk:
    """A recorded walk.

    controls  its ticks and events
    of        where it begins: texts under "model", "fingerprint", "prompt" and "seed", and the
              "tick" of that world; {} where nobody knows (controls written by hand). "computed"
              stands there for models with two ways of computing: ticks at which the way changed
    world     key (hex) of the world it begins in, "" where not known
    last      sha256 (hex) of its last frame, "" where not known
    """

    controls: Controls
    of: Mapping[str, Any] = field(default_factory=dict)
    world: str = ""
    last: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``read`` gives an equal walk back."""
        return {
            "gwm_walk": VERSION,
            "controls": self.controls.to_json(),
            "of": dict(self.of),
            "world": self.world,
            "last": self.last,
        }

    def to_text(self) -> str:
        """One line of JSON, as the widget of a node holds it."""
        return json.dumps(self.to_json(), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def read(cls, data: Mapping[str, Any] | str | None, embodiment: Embodiment) -> Walk:
        """A walk from its JSON (a dict, or its text), or from control text; "" is an empty walk.

        ControlError says what is wrong with it.
        """
        if data is None or (isinstance(data, str) and not data.strip()):
            return cls(Controls.idle(0, embodiment))
        if isinstance(data, str):
            if len(data) > MAX_CHARS:
                raise ControlError(f"walk: {len(data)} characters; up to {MAX_CHARS} are accepted")
            if not data.lstrip().startswith("{"):
                return cls(Controls.parse(data, embodiment))
            try:
                data = json.loads(data)
            except (ValueError, RecursionError) as error:
                raise ControlError(f"walk: damaged JSON ({error}); play it anew") from None
        if not isinstance(data, Mapping) or "gwm_walk" not in data:
            raise ControlError("walk: a recorded walk or control text such as W*24 is accepted")
        if data["gwm_walk"] != VERSION:
            raise ControlError(
                f"walk: version {data['gwm_walk']!r}; this GWM reads version {VERSION}"
            )
        of, world, last = data.get("of") or {}, data.get("world") or "", data.get("last") or ""
        if not isinstance(of, Mapping) or not isinstance(world, str) or not isinstance(last, str):
            raise ControlError("walk: 'of' is an object, 'world' and 'last' are texts")
        facts = {name: of[name] for name in FACTS if name in of}
        return cls(Controls.from_json(data.get("controls"), embodiment), facts, world, last)

    def remind(self, world: World) -> None:
        """Tell the model of ``world`` how this walk was computed, so that it is made again to the
        bit; for models with one way of computing there is nothing to tell."""
        computed = self.of.get("computed")
        recall = getattr(world.model, "recall", None)
        if recall is None or not isinstance(computed, list):
            return
        if all(isinstance(tick, int) and tick >= 0 for tick in computed):
            recall(world, sorted(computed), world.tick + len(self.controls))

    def changed(self, world: World) -> tuple[str, ...]:
        """What differs between the world this was recorded in and ``world``: of "model", "prompt",
        "seed", "start" (how far the world had been played) and, where nothing else does,
        "picture" (the first picture: another one, or drawn by another machine)."""
        if not self.of or (self.world and self.world == world.key):
            return ()
        now = facts_of(world)
        found = []
        if any(self.of.get(name) != now[name] for name in ("model", "fingerprint")):
            found.append("model")
        found += [name for name in ("prompt", "seed") if self.of.get(name) != now[name]]
        if self.of.get("tick") != now["tick"]:
            found.append("start")
        return tuple(found) or (("picture",) if self.world else ())


def facts_of(world: World) -> dict[str, Any]:
    """What a walk that begins in ``world`` is ``of``. The seed is a text: it has up to 64 bits,
    and a page reads numbers of 53."""
    computed = getattr(world.model, "computed", None)
    switches = list(computed(world)) if computed is not None else []
    return {
        **({"computed": switches} if switches else {}),
        "model": world.model.name,
        "fingerprint": world.fingerprint,
        "prompt": world.prompt,
        "seed": str(world.seed),
        "tick": world.tick,
    }
