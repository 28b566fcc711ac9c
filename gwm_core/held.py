"""What a live client holds down between two ticks, and how that becomes one tick's controls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .controls import Controls
from .embodiment import ControlSpec, Embodiment
from .errors import ControlError

#: Motion in one message may be this many times an axis' range; more is a broken client.
MAX_MOTION = 100


class Held:
    """Coalesces messages: buttons keep their latest value and no tap is lost; motion adds up.

    Motion beyond what one tick allows goes on in the next tick, for one more full range at most,
    so that a quick turn arrives whole and the view never runs on by itself.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment
        self.seq = 0
        self.columns = embodiment.columns
        self.names = {name: i for i, name in enumerate(embodiment.control_names)}
        self.axes: dict[str, tuple[int, ...]] = {}
        for spec in embodiment.controls:
            columns = tuple(self.names[name] for name in spec.columns)
            for name in (spec.name, *spec.aliases):
                self.axes.setdefault(name, columns)
        self.clear()

    def clear(self) -> None:
        """Nothing is held, nothing moves."""
        self.values = np.zeros(self.embodiment.control_dim, np.float64)
        self.tapped = np.zeros(self.embodiment.control_dim, bool)

    def push(self, controls: Mapping[str, Any] | np.ndarray | Controls, seq: int = 0) -> bool:
        """Take one message; False if it is older than the last. ControlError: nothing is taken."""
        given = self._named(controls)
        if isinstance(seq, bool) or not isinstance(seq, (int, np.integer)) or seq < 0:
            raise ControlError(f"controls: sequence number {seq!r}; 0, 1, 2, … are accepted")
        checked = {column: self._number(column, value) for column, value in given.items()}
        if seq and seq < self.seq:
            return False
        self.seq = max(self.seq, int(seq))
        for column, value in checked.items():
            spec = self.columns[column][0]
            if spec.accumulate:
                self.values[column] += value
                limit = 2 * max(abs(spec.low), abs(spec.high))
                self.values[column] = min(max(self.values[column], -limit), limit)
            else:
                self.values[column] = value
                self.tapped[column] |= spec.kind == "button" and value == 1
        return True

    def take(self, ticks: int = 1) -> tuple[np.ndarray, int]:
        """Controls float32 [ticks, n] of the next ticks, and the last sequence number in them."""
        rows = np.zeros((ticks, len(self.columns)), np.float32)
        for column, (spec, _) in enumerate(self.columns):
            value = self.values[column]
            if spec.kind == "button":
                rows[:, column] = value
                rows[0, column] = max(value, float(self.tapped[column]))
            elif not spec.accumulate:
                rows[:, column] = _rounded(value, spec)
            else:
                for tick in range(ticks):
                    rows[tick, column] = _rounded(value / (ticks - tick), spec)
                    value -= float(rows[tick, column])
                self.values[column] = min(max(value, spec.low), spec.high)
        self.tapped[:] = False
        return rows, self.seq

    def _named(self, controls: Mapping[str, Any] | np.ndarray | Controls) -> dict[int, Any]:
        """Column -> value of one message."""
        if isinstance(controls, Controls):
            controls = Controls.of(controls, self.embodiment).values
            if len(controls) != 1:
                raise ControlError(f"controls: {len(controls)} ticks pushed; one is accepted")
            controls = controls[0]
        if isinstance(controls, Mapping):
            given: dict[int, Any] = {}
            for name, value in controls.items():
                columns = self.axes.get(name)
                if name in self.names:
                    given[self.names[name]] = value
                elif columns is None:
                    accepted = ", ".join(dict.fromkeys([*self.names, *self.axes]))
                    raise ControlError(f"control {str(name)[:40]!r}: accepted are {accepted}")
                elif len(columns) == 1:
                    given[columns[0]] = value
                else:
                    if not isinstance(value, (list, tuple)) or len(value) != len(columns):
                        raise ControlError(f"control {name!r}: {len(columns)} numbers are accepted")
                    given.update(zip(columns, value, strict=True))
            return given
        row = np.asarray(controls)
        if row.shape != (len(self.columns),) or row.dtype.kind not in "fiub":
            raise ControlError(
                f"controls: shape {list(row.shape)}; [{len(self.columns)}] numbers or names with "
                "values are accepted"
            )
        return dict(enumerate(row.tolist()))

    def _number(self, column: int, value: Any) -> float:
        spec, name = self.columns[column][0], self.embodiment.control_names[column]
        if not isinstance(value, (int, float, np.integer, np.floating)):
            raise ControlError(f"control {name!r}: got {str(value)[:40]!r}; a number is accepted")
        value = float(value)
        if spec.kind == "button":
            if value not in (0.0, 1.0):
                raise ControlError(f"control {name!r}: got {value:g}; 0 or 1 is accepted")
            return value
        scale = MAX_MOTION if spec.accumulate else 1
        if not math.isfinite(value) or not spec.low * scale <= value <= spec.high * scale:
            raise ControlError(
                f"control {name!r}: got {value:g}; {spec.low * scale:g} to {spec.high * scale:g} "
                "is accepted"
            )
        return value


def _rounded(value: float, spec: ControlSpec) -> float:
    """A value as it is recorded: in range, and a multiple of the control's step."""
    if spec.step <= 0:
        return min(max(value, spec.low), spec.high)
    lowest, highest = math.ceil(spec.low / spec.step), math.floor(spec.high / spec.step)
    return min(max(round(value / spec.step), lowest), highest) * spec.step
