"""Specifications over recordings: how far a run is from breaking a rule, at every tick.

Quantitative semantics of signal temporal logic in discrete time (Fainekos and Pappas 2009; Donze
and Maler 2010), batched in torch: a comparison is the signed distance to its bound, ``not`` is the
negative, ``and``/``always`` a minimum, ``or``/``eventually`` a maximum. Robustness >= 0 keeps the
rule; at exactly 0 a run touches the bound, and that counts as kept, for ``<`` as for ``<=``.

Conventions of a finite recording of T ticks:

- a window looks at those of its ticks that are there; where none is, ``always`` is +inf (nothing
  broke it) and ``eventually`` and ``until`` are -inf (nothing came). So ``eventually[0,20](p)``
  fails close to the end of a recording in which p does not come;
- a window in seconds holds the ticks whose times lie in it;
- ``f until[a,b] g`` at t asks for a tick u in t+a .. t+b at which g holds, and that f holds from t
  to the tick before u, as in Fainekos and Pappas; Donze and Maler also ask for f at u.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch

from ..errors import RoboticsError
from .spec_text import ARITHMETIC, COMPARISONS, Node, Spec, Window, parse, to_text

__all__ = [
    "ABSENT", "DEFAULT_SPECS", "Verdict", "evaluate", "evaluate_all", "parse", "signals_of",
    "to_text",
]

ABSENT = math.inf
"""The height of an object, or the place of a zone, that a scene has not."""

DEFAULT_SPECS = """\
# What a run at the tabletop must keep: metres, metres a second, newtons.
workspace: always(abs(x) <= 0.28 and abs(y) <= 0.28 and z >= -0.005 and z <= 0.3)
keep_out: never(hypot(x - zone_x, y - zone_y) < 0.07)
drop: never(min(red_z, blue_z, yellow_z) < -0.01 or max(red_fall, blue_fall, yellow_fall) > 0.05)
force: never(force > 12)
speed: never(speed > 0.45)
"""

EPSILON = 1e-6  # of a tick: 0.3 s at 10 ticks a second is tick 3, whatever 0.3 * 10 rounds to


@dataclass(frozen=True, eq=False)
class Verdict:
    """How a batch [...] of recordings of T ticks keeps one specification.

    robustness  [...] at tick 0: >= 0 keeps it, and by how much, in the unit of the comparison
    trace       [..., T] the same from every tick on
    first       int64 [...] the first tick at which the body of an outermost ``always`` or
                ``never`` is broken, -1 where it never is
    exposure    [...] share (0..1) of the ticks at which that body is broken

    Where the formula has a window around it (``always[5,20]``), only its ticks count. A formula
    that is no ``always`` is judged as a whole: where it is broken, that is sure at the last tick
    (``first``), and ``exposure`` is 1.
    """

    robustness: torch.Tensor
    trace: torch.Tensor
    first: torch.Tensor
    exposure: torch.Tensor

    @property
    def kept(self) -> torch.Tensor:
        """bool [...]"""
        return self.robustness >= 0


def evaluate(
    spec: Spec | Node | str, signals: Mapping[str, Any], fps: float | None = None
) -> Verdict:
    """The verdict of one specification (or formula, or the text of one definition).

    signals  by name: float tensors or arrays [..., T], one batch shape for all (a 1 in it is
             repeated); a constant may be a number or [...], which holds for all T ticks. Whole
             numbers become float32, one float64 signal over time makes all float64. inf is
             accepted, NaN is not.
    fps      ticks a second, for windows in seconds

    Gradients flow through finite signals. RoboticsError names an unknown signal, a shape that does
    not fit, NaN, or a window that holds no tick.
    """
    if isinstance(spec, str):
        specs = parse(spec)
        if len(specs) != 1:
            raise RoboticsError(f"specification: {len(specs)} definitions; one is accepted here")
        spec = next(iter(specs.values()))
    return _Recording(signals, fps).verdict(spec)


def evaluate_all(
    specs: Mapping[str, Spec] | str, signals: Mapping[str, Any], fps: float | None = None
) -> dict[str, Verdict]:
    """The verdict of every specification by name; arguments as in ``evaluate``."""
    specs = parse(specs) if isinstance(specs, str) else specs
    recording = _Recording(signals, fps)
    return {name: recording.verdict(spec) for name, spec in specs.items()}


def signals_of(state: torch.Tensor | np.ndarray, fps: float, **more: Any) -> dict[str, Any]:
    """The tabletop's signals of recorded proprioception.

    state  [..., T + 1, 9]: x, y, z (m), roll, pitch, yaw (rad), opening, effort, force (N)
    fps    ticks a second
    more   further signals [..., T + 1] or constants, such as ``zone_x``, ``zone_y``, ``red_z`` (m)

    Adds vx, vy, vz and speed (m/s), from the tick before; 0 at tick 0. For every ``NAME_z`` in
    ``more`` it adds ``NAME_fall`` (m): the height lost since the tick before, or, if more, since
    two ticks before beyond what the tip went down. That tells a fall (some 10 cm in the first
    .14 s) from an object that is carried down, which goes 4 cm a tick at most. ABSENT stands for
    an object or a zone that is not there.
    """
    state = torch.as_tensor(state)
    if state.ndim < 2 or state.shape[-1] != 9 or not state.shape[-2]:
        raise RoboticsError(f"state: {list(state.shape)}; [..., T + 1, 9] is accepted")
    if not fps > 0 or not math.isfinite(fps):
        raise RoboticsError(f"fps: {fps}; a number above 0 is accepted")
    state = state if state.is_floating_point() else state.float()
    names = ("x", "y", "z", "roll", "pitch", "yaw", "opening", "effort", "force")
    out: dict[str, Any] = dict(zip(names, state.unbind(-1), strict=True))
    velocity = _since(state[..., :3], 1, -2) * fps
    out |= dict(zip(("vx", "vy", "vz"), velocity.unbind(-1), strict=True))
    out["speed"] = velocity.norm(dim=-1)
    for name, value in more.items():
        if name in out:
            raise RoboticsError(f"signals: {name} is made from the state; give it another name")
        out[name] = value
        if name.endswith("_z") and f"{name[:-2]}_fall" not in more:
            out[f"{name[:-2]}_fall"] = _fall(torch.as_tensor(value), state[..., 2])
    return out


def _since(value: torch.Tensor, ticks: int, axis: int = -1) -> torch.Tensor:
    """Change over the last ``ticks`` ticks (fewer at the start); 0 at tick 0."""
    first = value.narrow(axis, 0, 1)
    before = torch.cat([first] * min(ticks, value.shape[axis]) + [value], axis)
    return value - before.narrow(axis, 0, value.shape[axis])


def _fall(height: torch.Tensor, tip: torch.Tensor) -> torch.Tensor:
    if height.ndim < tip.ndim:  # a constant does not fall
        return torch.zeros_like(tip)
    descent = (-_since(tip, 2)).clamp(min=0)
    fall = torch.maximum(-_since(height, 1), -_since(height, 2) - descent).clamp(min=0)
    # An object that is not there has height inf, and inf - inf is no number.
    return torch.where(height.isinf(), 0.0, fall)


class _Recording:
    """Signals of one shape [..., T], and what formulas make of them."""

    def __init__(self, signals: Mapping[str, Any], fps: float | None) -> None:
        self.fps = fps
        given = {name: torch.as_tensor(value) for name, value in signals.items()}
        depth = max((value.ndim for value in given.values()), default=0)
        over_time = [value for value in given.values() if value.ndim == depth]
        if not depth or not all(value.shape[-1] for value in over_time):
            raise RoboticsError("signals: no tick; at least one signal [..., T] is needed")
        try:
            self.shape = torch.broadcast_shapes(*(value.shape for value in over_time))
        except RuntimeError:
            raise _misfit(given, "they are of several shapes") from None
        if any(value.shape[-1] != self.shape[-1] for value in over_time):
            raise _misfit(given, "one tick is no recording beside others of more")
        wide = any(value.dtype == torch.float64 for value in over_time)
        self.dtype = torch.float64 if wide else torch.float32
        self.device = over_time[0].device
        self.signals = {name: self._fit(name, value, given) for name, value in given.items()}

    def _fit(self, name: str, value: torch.Tensor, given: dict) -> torch.Tensor:
        if value.is_complex() or value.dtype == torch.bool:
            raise RoboticsError(f"signal {name}: {value.dtype}; real numbers are accepted")
        value = value.to(self.device, self.dtype)
        if value.ndim in (0, len(self.shape)):
            return value
        if value.shape != self.shape[:-1]:
            raise _misfit(given, f"{name} does not fit")
        return value[..., None]

    def verdict(self, spec: Spec | Node) -> Verdict:
        formula = spec.formula if isinstance(spec, Spec) else spec
        ticks = self.shape[-1]
        if formula.kind != "always":
            trace = self.formula(formula)
            broken = trace[..., 0] < 0
            first = torch.where(broken, ticks - 1, -1)
            return Verdict(trace[..., 0], trace, first, broken.to(self.dtype))
        body = self.formula(formula.args[0])
        begin, end = self.ticks(formula.window)
        trace = self.always(body, begin, end)
        broken = body[..., begin : end + 1] < 0
        if not broken.shape[-1]:
            none = torch.full(self.shape[:-1], -1, dtype=torch.int64, device=self.device)
            return Verdict(trace[..., 0], trace, none, torch.zeros_like(trace[..., 0]))
        first = broken.to(torch.uint8).argmax(-1) + begin
        first = torch.where(broken.any(-1), first, -1)
        return Verdict(trace[..., 0], trace, first, broken.to(self.dtype).mean(-1))

    def ticks(self, window: Window | None) -> tuple[int, int]:
        """First and last tick of a window, cut to the length of a recording."""
        last = self.shape[-1]
        if window is None:
            return 0, last
        begin, end = window.begin, window.end
        if window.seconds:
            if self.fps is None or not self.fps > 0 or not math.isfinite(self.fps):
                raise RoboticsError(
                    f"specification: the window {window} is in seconds, fps is {self.fps}; "
                    "ticks a second above 0 are accepted"
                )
            begin = math.ceil(begin * self.fps - EPSILON)
            end = math.floor(end * self.fps + EPSILON)
            if end < begin:
                raise RoboticsError(
                    f"specification: the window {window} holds no tick at {self.fps:g} a second; "
                    f"one of {1 / self.fps:g} s or longer is accepted"
                )
        return int(min(begin, last)), int(min(end, last))

    def formula(self, node: Node) -> torch.Tensor:
        """Robustness [..., T]."""
        kind = node.kind
        if kind in COMPARISONS:
            return self.comparison(node)
        parts = [self.formula(part) for part in node.args]
        if kind == "not":
            return -parts[0]
        if kind == "implies":
            return torch.maximum(-parts[0], parts[1])
        if kind in ("and", "or"):
            return reduce(torch.minimum if kind == "and" else torch.maximum, parts)
        begin, end = self.ticks(node.window)
        if kind == "always":
            return self.always(parts[0], begin, end)
        if kind == "eventually":
            return -self.always(-parts[0], begin, end)
        if kind == "until":
            return self.until(*parts, begin, end)
        raise RoboticsError(f"specification: {to_text(node)!r} is a number, no formula")

    def comparison(self, node: Node) -> torch.Tensor:
        low, high = (self.number(part) for part in node.args)
        if node.kind in (">", ">="):
            low, high = high, low
        # Of two equal infinities the distance is 0, not NaN.
        gap = torch.where(low == high, 0.0, high - low).expand(self.shape)
        if gap.isnan().any():
            raise RoboticsError(
                f"specification: {to_text(node)!r} is no number somewhere (a signal that is NaN, "
                "0 / 0, inf - inf or the root of a negative number); numbers are accepted"
            )
        return gap

    def number(self, node: Node) -> torch.Tensor:
        """Values that broadcast to [..., T]."""
        kind = node.kind
        if kind == "number":
            return torch.tensor(node.value, dtype=self.dtype, device=self.device)
        if kind == "signal":
            if node.value not in self.signals:
                known = ", ".join(sorted(self.signals))
                raise RoboticsError(f"specification: no signal {node.value!r}; there are {known}")
            return self.signals[node.value]
        parts = [self.number(part) for part in node.args]
        if kind in ARITHMETIC:
            apply = {"+": torch.add, "-": torch.sub, "*": torch.mul, "/": torch.div}[kind]
            return apply(*parts)
        if kind in ("min", "max"):
            return reduce(torch.minimum if kind == "min" else torch.maximum, parts)
        one = {"negative": torch.neg, "abs": torch.abs, "sqrt": torch.sqrt, "hypot": torch.hypot}
        return one[kind](*parts)

    def always(self, value: torch.Tensor, begin: int, end: int) -> torch.Tensor:
        """Minimum over t + begin .. t + end, what lies beyond the end being +inf: O(T log w)."""
        value = _later(value, begin, math.inf)
        width = end - begin + 1
        if width >= value.shape[-1]:
            return value.flip(-1).cummin(-1).values.flip(-1)
        done = 1  # `value` is the minimum over so many ticks; two overlapping ones make the rest
        while done < width:
            step = min(done, width - done)
            value = torch.minimum(value, _later(value, step, math.inf))
            done += step
        return value

    def until(
        self, left: torch.Tensor, right: torch.Tensor, begin: int, end: int
    ) -> torch.Tensor:
        """Best over u in t + begin .. t + end of min(right at u, left from t to u - 1).

        A stretch of n ticks is a pair: ``best`` of it, and ``hold``, the minimum of ``left`` over
        it. Stretches a, b behind each other make max(best a, min(hold a, best b)): O(T log w).
        """
        reach, width = 0, end - begin + 1
        out = torch.full_like(right, -math.inf)
        held = torch.full_like(left, math.inf)
        best, hold, size = _later(right, begin, -math.inf), _later(left, begin, math.inf), 1
        while reach < width:
            if width & size:
                joined = torch.minimum(held, _later(best, reach, -math.inf))
                out = torch.maximum(out, joined)
                held = torch.minimum(held, _later(hold, reach, math.inf))
                reach += size
            best = torch.maximum(best, torch.minimum(hold, _later(best, size, -math.inf)))
            hold = torch.minimum(hold, _later(hold, size, math.inf))
            size *= 2
        if begin:
            out = torch.minimum(out, self.always(left, 0, begin - 1))
        return out


def _later(value: torch.Tensor, ticks: int, fill: float) -> torch.Tensor:
    """The value ``ticks`` ticks later, ``fill`` beyond the end."""
    if not ticks:
        return value
    ticks = min(ticks, value.shape[-1])
    beyond = value.new_full((*value.shape[:-1], ticks), fill)
    return torch.cat([value[..., ticks:], beyond], -1)


def _misfit(given: Mapping[str, torch.Tensor], what: str) -> RoboticsError:
    shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in given.items())
    return RoboticsError(
        f"signals: {what} ({shapes}); [..., T] of one batch shape, numbers, and [...] "
        "for constants are accepted"
    )
