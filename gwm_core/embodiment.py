"""The contract of a checkpoint: its clock, views, sound, controls and streams.

Widgets, key bindings, checks and error messages are all derived from an ``Embodiment``; it
travels as JSON in the header of checkpoints and worlds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from .errors import EmbodimentError

VERSION = 1
NAME = re.compile(r"[^\W\d][\w.]*")
RESERVED = ("idle", "event")


@dataclass(frozen=True)
class ControlSpec:
    """One control.

    name        what its columns are called ("W", "jump", "look")
    kind        "button" (0 or 1) or "axis" (any number from low to high, per component)
    code        the keyboard ``event.code`` that drives it ("KeyW"), "" for none
    label       what a person reads ("walk forward")
    low, high   the accepted range; unit says of what ("deg" per tick)
    aliases     further names in control text; the first one, where given, is printed
    components  columns of an axis: ("x", "y") gives look_x, look_y; () is one column
    step        live input is rounded to multiples of this when it is recorded, 0 = not rounded
    accumulate  live input within a tick adds up (mouse motion); otherwise the latest value counts
    """

    name: str
    kind: str
    code: str = ""
    label: str = ""
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    aliases: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    step: float = 0.0
    accumulate: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "aliases", tuple(self.aliases))
        object.__setattr__(self, "components", tuple(self.components))
        for name in (self.name, *self.aliases):
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise EmbodimentError(f"control name {name!r}: letters, digits, _ and . only")
            if name.casefold() in RESERVED:
                raise EmbodimentError(f"control name {name!r} is reserved in control text")
        if self.kind not in ("button", "axis"):
            raise EmbodimentError(f"control {self.name}: kind {self.kind!r}; button or axis")
        if self.kind == "button" and (self.components or (self.low, self.high) != (0.0, 1.0)):
            raise EmbodimentError(f"control {self.name}: a button is 0 or 1 and has no components")
        finite = all(math.isfinite(v) for v in (self.low, self.high, self.step))
        if not finite or not self.low < self.high or self.step < 0:
            raise EmbodimentError(f"control {self.name}: low < high and step >= 0 are needed")
        if not self.low <= 0 <= self.high:
            raise EmbodimentError(f"control {self.name}: the range must hold 0, which is idle")

    @property
    def text_name(self) -> str:
        """The name that control text prints."""
        return self.aliases[0] if self.aliases else self.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of this control's columns in ``Controls.values``."""
        if not self.components:
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in self.components)


@dataclass(frozen=True)
class ViewSpec:
    """One camera: width x height in pixels (square), vertical field of view in degrees."""

    name: str
    width: int
    height: int
    fov_deg: float

    def __post_init__(self) -> None:
        if not (isinstance(self.width, int) and isinstance(self.height, int)):
            raise EmbodimentError(f"view {self.name!r}: width and height are whole numbers")
        if not (0 < self.width <= 8192 and 0 < self.height <= 8192):
            raise EmbodimentError(
                f"view {self.name!r}: {self.width}x{self.height}; 1 to 8192 pixels a side"
            )
        if not 0 < self.fov_deg < 180:
            raise EmbodimentError(f"view {self.name!r}: field of view {self.fov_deg}; 0 to 180")

    @property
    def focal(self) -> float:
        """Focal length in pixels, the same for both axes."""
        return (self.height / 2) / math.tan(math.radians(self.fov_deg) / 2)


@dataclass(frozen=True)
class StreamSpec:
    """One token stream: ``tokens`` a tick, each of ``width`` numbers."""

    name: str
    tokens: int
    width: int


@dataclass(frozen=True)
class Embodiment:
    """The whole contract.

    name             which kind of world ("rooms")
    tick_rate        ticks per second
    frames_per_tick  video frames per tick
    sample_rate      sound samples per second, 0 = no sound; a whole number of samples a tick
    views            cameras; controls in the order of their columns; streams of the network
    extra            further JSON values; known to the library are ``block_ticks`` (ticks made at
                     once, 1 when absent), ``channels`` (of sound, 1 when absent) and
                     ``first_picture`` (false for models that begin from a prompt alone)
    """

    name: str
    tick_rate: float
    frames_per_tick: int
    sample_rate: int
    views: tuple[ViewSpec, ...]
    controls: tuple[ControlSpec, ...]
    streams: tuple[StreamSpec, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for part in ("views", "controls", "streams"):
            object.__setattr__(self, part, tuple(getattr(self, part)))
        try:
            extra = json.loads(json.dumps(dict(self.extra), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise EmbodimentError(f"embodiment: extra is not plain JSON ({error})") from None
        object.__setattr__(self, "extra", extra)
        if not isinstance(self.name, str) or not self.name:
            raise EmbodimentError("embodiment: a name is needed")
        if not self.tick_rate > 0 or not math.isfinite(self.tick_rate):
            raise EmbodimentError(f"embodiment {self.name}: tick_rate {self.tick_rate} is not > 0")
        if not isinstance(self.frames_per_tick, int) or self.frames_per_tick < 1:
            raise EmbodimentError(f"embodiment {self.name}: frames_per_tick must be 1 or more")
        samples = Fraction(self.sample_rate) / Fraction(self.tick_rate).limit_denominator(10**6)
        if self.sample_rate < 0 or samples.denominator != 1:
            raise EmbodimentError(
                f"embodiment {self.name}: sample_rate {self.sample_rate} is no whole number of "
                f"samples a tick at {self.tick_rate} ticks a second"
            )
        if not isinstance(self.block_ticks, int) or self.block_ticks < 1:
            raise EmbodimentError(f"embodiment {self.name}: block_ticks must be 1 or more")
        for what, names in (
            ("view", [view.name for view in self.views]),
            ("control", [n.casefold() for n in self._text_names()]),
            ("column", list(self.control_names)),
            ("stream", [stream.name for stream in self.streams]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise EmbodimentError(f"embodiment {self.name}: {what} {twice[0]!r} occurs twice")

    def _text_names(self) -> list[str]:
        return [n for spec in self.controls for n in dict.fromkeys((spec.name, *spec.aliases))]

    @cached_property
    def control_names(self) -> tuple[str, ...]:
        """Flat column names of ``Controls.values``."""
        return tuple(name for spec in self.controls for name in spec.columns)

    @property
    def control_dim(self) -> int:
        """Number of columns of ``Controls.values``."""
        return len(self.control_names)

    @cached_property
    def columns(self) -> tuple[tuple[ControlSpec, str], ...]:
        """(spec, component) of every column in order; component is "" where there is one only."""
        return tuple(
            (spec, part) for spec in self.controls for part in (spec.components or ("",))
        )

    @cached_property
    def limits(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every column: lowest and highest value, float32 [n], and whether it is a button."""
        return (
            np.array([spec.low for spec, _ in self.columns], np.float32),
            np.array([spec.high for spec, _ in self.columns], np.float32),
            np.array([spec.kind == "button" for spec, _ in self.columns], bool),
        )

    @property
    def fps(self) -> float:
        """Video frames per second."""
        return self.tick_rate * self.frames_per_tick

    @property
    def samples_per_tick(self) -> int:
        """Sound samples per tick, 0 where there is no sound."""
        return round(self.sample_rate / self.tick_rate)

    @property
    def block_ticks(self) -> int:
        """How many ticks the model makes at once."""
        return self.extra.get("block_ticks", 1)

    def view(self, name: str) -> ViewSpec:
        """The view of that name; EmbodimentError lists what exists."""
        for view in self.views:
            if view.name == name:
                return view
        names = ", ".join(view.name for view in self.views)
        raise EmbodimentError(f"view {name!r}: this model has {names or 'no views'}")

    def to_json(self) -> dict[str, Any]:
        """A dict of plain JSON values; ``from_json`` gives an equal embodiment back."""
        data = asdict(self)
        for spec in data["controls"]:
            spec["aliases"], spec["components"] = list(spec["aliases"]), list(spec["components"])
        for part in ("views", "controls", "streams"):
            data[part] = list(data[part])
        return {"version": VERSION, **data}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str) -> Embodiment:
        """Read what ``to_json`` made (a dict, or its text); EmbodimentError says what is wrong."""
        try:
            data = json.loads(data) if isinstance(data, str) else dict(data)
        except (ValueError, TypeError) as error:
            raise EmbodimentError(f"embodiment: not JSON ({error})") from None
        if not isinstance(data, dict):
            raise EmbodimentError("embodiment: a JSON object is needed")
        version = data.pop("version", None)
        if version != VERSION:
            raise EmbodimentError(f"embodiment: version {version!r}; this GWM reads {VERSION}")
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise EmbodimentError(f"embodiment: unknown entry {unknown[0]!r}")
        try:
            data["views"] = tuple(ViewSpec(**view) for view in data["views"])
            data["controls"] = tuple(ControlSpec(**spec) for spec in data["controls"])
            data["streams"] = tuple(StreamSpec(**stream) for stream in data.get("streams", ()))
            return cls(**data)
        except EmbodimentError:
            raise
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise EmbodimentError(f"embodiment: an entry is missing or wrong ({error})") from None


def _button(name: str, code: str, label: str, *aliases: str) -> ControlSpec:
    return ControlSpec(name, "button", code, label, aliases=aliases)


def rooms_embodiment(
    width: int = 256,
    height: int = 160,
    streams: tuple[StreamSpec, ...] = (),
    extra: Mapping[str, Any] | None = None,
) -> Embodiment:
    """First-person rooms: one view "eye", 12 ticks a second of 2 frames, mono sound at 24 kHz."""
    return Embodiment(
        name="rooms",
        tick_rate=12,
        frames_per_tick=2,
        sample_rate=24000,
        views=(ViewSpec("eye", width, height, 60.0),),
        controls=(
            _button("W", "KeyW", "walk forward"),
            _button("A", "KeyA", "step left"),
            _button("S", "KeyS", "walk back"),
            _button("D", "KeyD", "step right"),
            _button("jump", "Space", "jump", "SPACE"),
            _button("push", "KeyE", "push what is in front", "E"),
            _button("throw", "KeyQ", "throw a ball", "Q"),
            ControlSpec(
                "look", "axis", "", "turn right and look up", -30.0, 30.0, "deg",
                components=("x", "y"), step=1 / 64, accumulate=True,
            ),
        ),
        streams=streams,
        extra=extra or {},
    )
