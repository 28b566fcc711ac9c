"""Controls: what is pressed and turned at every tick, and the events between ticks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from . import control_text
from .embodiment import Embodiment
from .errors import ControlError

VERSION = 1
MAX_TICKS = control_text.MAX_TICKS


class Controls:
    """An immutable track of controls.

    values      float32 [T, n], columns as in ``embodiment.control_names``; buttons are 0 or 1,
                axes lie in their range; read-only
    events      ((tick, text), …) in order, tick from 0 to T: it holds from that tick on, and at T
                it waits for the next tick
    embodiment  whose controls these are

    ControlError says which column and tick do not fit. Equality is exact.
    """

    def __init__(
        self,
        values: np.ndarray | Sequence[Sequence[float]],
        events: Iterable[tuple[int, str]] = (),
        embodiment: Embodiment | None = None,
    ) -> None:
        if not isinstance(embodiment, Embodiment):
            raise ControlError("controls: an embodiment is needed, which says what they mean")
        self.embodiment = embodiment
        self.values = _check_values(values, embodiment)
        self.events = _check_events(events, len(self.values))

    @classmethod
    def _trusted(
        cls, values: np.ndarray, events: tuple[tuple[int, str], ...], embodiment: Embodiment
    ) -> Controls:
        """Without checks, for parts of controls that were checked before."""
        self = cls.__new__(cls)
        values.flags.writeable = False
        self.values, self.events, self.embodiment = values, events, embodiment
        return self

    @classmethod
    def idle(cls, ticks: int, embodiment: Embodiment) -> Controls:
        """``ticks`` ticks in which nothing is pressed."""
        if not 0 <= ticks <= MAX_TICKS:
            raise ControlError(f"controls: {ticks} ticks; 0 to {MAX_TICKS} are accepted")
        return cls._trusted(np.zeros((ticks, embodiment.control_dim), np.float32), (), embodiment)

    @classmethod
    def parse(cls, text: str, embodiment: Embodiment) -> Controls:
        """Read control text; ControlError names line, column and what is accepted."""
        values, events = control_text.parse(text, embodiment)
        return cls(values, events, embodiment)

    @classmethod
    def of(cls, controls: Controls | str, embodiment: Embodiment) -> Controls:
        """Controls as they are, or control text; both must fit the embodiment."""
        if isinstance(controls, str):
            return cls.parse(controls, embodiment)
        if not isinstance(controls, Controls):
            kind = type(controls).__name__
            raise ControlError(f"controls: got {kind}; control text or Controls are accepted")
        if controls.embodiment.controls != embodiment.controls:
            raise ControlError(
                f"controls of {controls.embodiment.name!r} ("
                f"{', '.join(controls.embodiment.control_names)}) do not fit "
                f"{embodiment.name!r} ({', '.join(embodiment.control_names)})"
            )
        if controls.embodiment is embodiment:
            return controls
        return cls._trusted(controls.values, controls.events, embodiment)

    def to_text(self) -> str:
        """Canonical control text; ``parse`` gives exactly these controls back."""
        return control_text.to_text(self.values, self.events, self.embodiment)

    def __len__(self) -> int:
        return len(self.values)

    def __bool__(self) -> bool:
        return bool(len(self.values) or self.events)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.values.nbytes + sum(len(text) + 96 for _, text in self.events)

    @cached_property
    def pending(self) -> tuple[str, ...]:
        """Events after the last tick, which hold from the tick that comes next."""
        return tuple(text for tick, text in self.events if tick == len(self))

    def column(self, name: str) -> np.ndarray:
        """The values [T] of one column; ControlError lists the names."""
        names = self.embodiment.control_names
        if name not in names:
            raise ControlError(f"control {name!r}: accepted are {', '.join(names)}")
        return self.values[:, names.index(name)]

    def __getitem__(self, index: slice) -> Controls:
        """Ticks [a:b] with their events; ``c[:k].concat(c[k:]) == c`` for every k.

        Events that wait after the last tick go with a slice that reaches the end.
        """
        if not isinstance(index, slice) or index.step not in (None, 1):
            raise ControlError("controls: only slices of whole ticks, as in controls[4:12]")
        start, stop, _ = index.indices(len(self))
        stop = max(start, stop)
        to_end = stop == len(self)
        events = tuple(
            (tick - start, text)
            for tick, text in self.events
            if start <= tick and (tick < stop or (to_end and tick == stop))
        )
        return Controls._trusted(self.values[start:stop], events, self.embodiment)

    def concat(self, *others: Controls) -> Controls:
        """These controls, then the others."""
        parts = [self, *(Controls.of(other, self.embodiment) for other in others)]
        total = sum(len(part) for part in parts)
        if total > MAX_TICKS:
            raise ControlError(f"controls: {total} ticks in all; up to {MAX_TICKS} are accepted")
        events, start = [], 0
        for part in parts:
            events += [(tick + start, text) for tick, text in part.events]
            start += len(part)
        values = np.concatenate([part.values for part in parts])
        return Controls._trusted(values, tuple(events), self.embodiment)

    def with_event(self, text: str) -> Controls:
        """The same track with an event after its last tick."""
        event = (len(self), control_text.check_event(text))
        return Controls._trusted(self.values, (*self.events, event), self.embodiment)

    def without_pending(self) -> Controls:
        """The same ticks without events that wait after the last one."""
        if not self.pending:
            return self
        events = tuple(event for event in self.events if event[0] < len(self))
        return Controls._trusted(self.values, events, self.embodiment)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Controls):
            return NotImplemented
        return (
            self.embodiment.controls == other.embodiment.controls
            and self.events == other.events
            and self.values.shape == other.values.shape
            and bool((self.values == other.values).all())
        )

    def __hash__(self) -> int:
        return hash((self.values.tobytes(), self.events))

    def __repr__(self) -> str:
        text = self[:200].to_text() if len(self) > 200 else self.to_text()
        return f"Controls({len(self)} ticks: {text[:120]}{'…' if len(text) > 120 else ''})"

    def to_json(self) -> dict[str, Any]:
        """A compact dict of plain JSON values; ``from_json`` gives exactly these controls back.

        ``columns`` maps a column's name to ``[unit, runs]``, columns that are 0 throughout are
        left out. ``runs`` is one string of numbers, each with ``*count`` where it repeats; a value
        is its number times ``unit``, in float32. One string, since workflow files are printed
        with one array entry a line.
        """
        columns = {}
        for (spec, _), name, column in zip(
            self.embodiment.columns, self.embodiment.control_names, self.values.T, strict=True
        ):
            if column.any():
                columns[name] = _pack(column, spec.step if spec.kind == "axis" else 1.0)
        return {
            "gwm_controls": VERSION,
            "embodiment": self.embodiment.name,
            "names": list(self.embodiment.control_names),
            "ticks": len(self),
            "columns": columns,
            "events": [[tick, text] for tick, text in self.events],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str, embodiment: Embodiment) -> Controls:
        """Read what ``to_json`` made (a dict, or its text); ControlError says what is wrong."""
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except ValueError as error:
                raise ControlError(f"controls: not JSON ({error})") from None
        if not isinstance(data, Mapping) or "gwm_controls" not in data:
            raise ControlError("controls: this JSON is no control track (no gwm_controls entry)")
        if data["gwm_controls"] != VERSION:
            raise ControlError(
                f"controls: version {data['gwm_controls']!r}; this GWM reads version {VERSION}"
            )
        names, ticks = data.get("names"), data.get("ticks")
        columns, events = data.get("columns", {}), data.get("events", [])
        if names != list(embodiment.control_names):
            raise ControlError(
                f"controls: recorded for {data.get('embodiment')!r} with {names}; "
                f"{embodiment.name!r} has {list(embodiment.control_names)}"
            )
        if isinstance(ticks, bool) or not isinstance(ticks, int) or not 0 <= ticks <= MAX_TICKS:
            raise ControlError(f"controls: ticks {ticks!r}; 0 to {MAX_TICKS} are accepted")
        if not isinstance(columns, Mapping) or not isinstance(events, list):
            raise ControlError("controls: columns must be an object and events a list")
        values = np.zeros((ticks, embodiment.control_dim), np.float32)
        for name, packed in columns.items():
            if name not in names:
                raise ControlError(f"controls: column {name!r}; accepted are {', '.join(names)}")
            values[:, names.index(name)] = _unpack(name, packed, ticks)
        return cls(values, events, embodiment)


def _check_values(values: object, embodiment: Embodiment) -> np.ndarray:
    """A read-only float32 [T, n] copy, or ControlError."""
    names, width = embodiment.control_names, embodiment.control_dim
    try:
        given = np.asarray(values)
        if given.dtype.kind not in "fiub":
            raise TypeError
    except (TypeError, ValueError):
        raise ControlError("controls: numbers in an array [ticks, controls] are accepted") from None
    if given.ndim != 2 or given.shape[1] != width:
        raise ControlError(
            f"controls: an array of shape {list(given.shape)}; [ticks, {width}] is accepted, "
            f"columns {', '.join(names)}"
        )
    if len(given) > MAX_TICKS:
        raise ControlError(f"controls: {len(given)} ticks; up to {MAX_TICKS} are accepted")
    with np.errstate(over="ignore"):
        array = given.astype(np.float32) + np.float32(0)
    bad = ~np.isfinite(array)
    if bad.any():
        tick, column = (int(i) for i in np.argwhere(bad)[0])
        raise ControlError(f"controls: {names[column]} at tick {tick} is not a finite number")
    low, high, buttons = embodiment.limits
    wrong = (array < low) | (array > high) | (buttons & (array != 0) & (array != 1))
    if wrong.any():
        tick, column = (int(i) for i in np.argwhere(wrong)[0])
        spec = embodiment.columns[column][0]
        accepted = f"{spec.low:g} to {spec.high:g}{' ' + spec.unit if spec.unit else ''}"
        raise ControlError(
            f"controls: {names[column]} at tick {tick} is {array[tick, column]:g}; "
            f"{'0 or 1' if spec.kind == 'button' else accepted} is accepted"
        )
    array.flags.writeable = False
    return array


def _check_events(events: Iterable[tuple[int, str]], ticks: int) -> tuple[tuple[int, str], ...]:
    """Events in order of their ticks, or ControlError."""
    checked = []
    for entry in events:
        try:
            tick, text = entry
        except (TypeError, ValueError):
            raise ControlError(f"event {entry!r}: [tick, text] is accepted") from None
        if isinstance(tick, (bool, np.bool_)) or not isinstance(tick, (int, np.integer)):
            raise ControlError(f"event at {tick!r}: a whole tick is accepted")
        if not 0 <= tick <= ticks:
            raise ControlError(f"event at tick {tick}: 0 to {ticks} are accepted")
        checked.append((int(tick), control_text.check_event(text, f"event at tick {tick}")))
    if len(checked) > control_text.MAX_EVENTS:
        raise ControlError(f"controls: more than {control_text.MAX_EVENTS} events")
    return tuple(sorted(checked, key=lambda event: event[0]))


def _pack(column: np.ndarray, step: float) -> list[Any]:
    """[unit, runs] of one column; unit 1 with plain decimals where it is not on the grid."""
    unit = step if step > 0 else 1.0
    counts = np.round(column.astype(np.float64) / unit)
    exact = bool(((counts * unit).astype(np.float32) == column).all())
    starts = np.concatenate([[0], np.flatnonzero(column[1:] != column[:-1]) + 1, [len(column)]])
    runs = []
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        text = str(int(counts[start])) if exact else control_text.shortest(column[start])
        runs.append(text if end - start == 1 else f"{text}*{end - start}")
    return [unit if exact else 1.0, " ".join(runs)]


def _unpack(name: str, packed: object, ticks: int) -> np.ndarray:
    """The values [ticks] of one packed column, or ControlError."""
    form = f"controls, column {name}: [unit, runs] is accepted"
    if not isinstance(packed, list) or len(packed) != 2 or not isinstance(packed[1], str):
        raise ControlError(form)
    unit, runs = packed
    if isinstance(unit, bool) or not isinstance(unit, (int, float)) or not unit > 0:
        raise ControlError(form + f"; unit is {unit!r}")
    values, counts, total = [], [], 0
    for run in runs.split():
        number, _, count = run.partition("*")
        try:
            values.append(float(number))
            counts.append(int(count) if count else 1)
        except ValueError:
            raise ControlError(f"controls, column {name}: {run[:40]!r} is no run") from None
        if counts[-1] < 1:
            raise ControlError(f"controls, column {name}: {run[:40]!r} repeats less than once")
        total += counts[-1]
        if total > ticks:
            break
    if total != ticks:
        more = "more" if total > ticks else str(total)
        raise ControlError(f"controls, column {name}: {more} values for {ticks} ticks")
    with np.errstate(over="ignore"):
        return np.repeat((np.array(values, np.float64) * unit).astype(np.float32), counts)
