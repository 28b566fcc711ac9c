"""What `gwm eval` and `gwm bench` print: metrics with their baselines, as a table or as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_BOUND = re.compile(r"^\s*(>=|<=)\s*(-?[\d.]+)\s*$")
_RANGE = re.compile(r"^\s*(-?[\d.]+)\s*\.\.\s*(-?[\d.]+)\s*$")


def holds(value: float, bound: str) -> bool:
    """Whether `value` keeps a bound: ">= 5", "<= 0.3" or "0.7..1.3" (NaN keeps none).

    Raises ValueError for a bound of another form.
    """
    if match := _BOUND.match(bound):
        limit = float(match[2])
        return value >= limit if match[1] == ">=" else value <= limit
    if match := _RANGE.match(bound):
        return float(match[1]) <= value <= float(match[2])
    raise ValueError(f"bound {bound!r}: accepted are '>= x', '<= x' and 'x..y'")


@dataclass
class Metric:
    """One measured figure.

    baselines: the same figure of something simpler (copying, shuffled controls), or of the
    truth as the ceiling, by name. must, aim: bounds as `holds` reads them, "" for none.
    n: how many cases it is the figure of.
    """

    id: str
    value: float
    unit: str = ""
    baselines: dict[str, float] = field(default_factory=dict)
    n: int = 0
    must: str = ""
    aim: str = ""
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the value keeps `must`; None where nothing is asked."""
        return holds(self.value, self.must) if self.must else None

    def to_json(self) -> dict:
        return {
            "id": self.id,
            "value": _plain(self.value),
            "unit": self.unit,
            "baselines": {name: _plain(value) for name, value in self.baselines.items()},
            "n": self.n,
            "must": self.must,
            "aim": self.aim,
            "ok": self.ok,
            **({"note": self.note} if self.note else {}),
        }

    @classmethod
    def from_json(cls, data: dict) -> Metric:
        def number(value: float | None) -> float:
            return math.nan if value is None else value

        return cls(value=number(data["value"]), note=data.get("note", ""),
                   baselines={key: number(v) for key, v in data["baselines"].items()},
                   **{key: data[key] for key in ("id", "unit", "n", "must", "aim")})


@dataclass
class Report:
    """All metrics of a family, with what is needed to measure them again.

    problems: why the measurement itself cannot be trusted (a replay that differs, a foreign
    fingerprint); the command fails when there are any. info: further facts for the JSON.
    """

    family: str
    metrics: list[Metric]
    seed: int = 0
    fingerprint: str = ""
    problems: list[str] = field(default_factory=list)
    info: dict = field(default_factory=dict)
    commit: str = field(default_factory=lambda: commit())
    machine: dict = field(default_factory=lambda: machine())

    def to_json(self) -> dict:
        return {
            "family": self.family,
            "commit": self.commit,
            "machine": self.machine,
            "fingerprint": self.fingerprint,
            "seed": self.seed,
            "metrics": [metric.to_json() for metric in self.metrics],
            "problems": self.problems,
            **({"info": self.info} if self.info else {}),
        }

    @classmethod
    def from_json(cls, data: dict) -> Report:
        return cls(
            family=data["family"],
            metrics=[Metric.from_json(metric) for metric in data["metrics"]],
            seed=data.get("seed", 0),
            fingerprint=data.get("fingerprint", ""),
            problems=list(data.get("problems", [])),
            info=data.get("info", {}),
            commit=data.get("commit", ""),
            machine=data.get("machine", {}),
        )

    def dumps(self) -> str:
        """The JSON text (NaN becomes null, so that every parser reads it)."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False)

    def save(self, path: Path) -> None:
        """Write the JSON to `path`, whole or not at all."""
        temporary = path.with_name(path.name + ".part")
        temporary.write_text(self.dumps() + "\n")
        os.replace(temporary, path)

    def table(self) -> str:
        """The printed table: metric, value, baselines, what must hold and is aimed at, n."""
        head = ("metric", "value", "baselines", "must", "aim", "n", "")
        mark = {True: "ok", False: "MISSED", None: ""}
        rows = [
            (
                metric.id,
                f"{_short(metric.value)} {metric.unit}".strip(),
                ", ".join(f"{name} {_short(value)}" for name, value in metric.baselines.items()),
                metric.must,
                metric.aim,
                str(metric.n or ""),
                mark[metric.ok],
            )
            for metric in self.metrics
        ]
        lines = [_row(head, _widths([head, *rows]))]
        lines += [_row(row, _widths([head, *rows])) for row in rows]
        lines += [f"note: {m.id}: {m.note}" for m in self.metrics if m.note]
        lines += [f"PROBLEM: {problem}" for problem in self.problems]
        lines.append(f"seed {self.seed}, commit {self.commit}, {self.machine.get('cpu', '')}")
        return "\n".join(lines)

    def show(self, as_json: bool) -> None:
        """Print the table, or with `as_json` the JSON and nothing else."""
        print(self.dumps() if as_json else self.table())

    @property
    def missed(self) -> list[Metric]:
        """Metrics that do not keep what must hold."""
        return [metric for metric in self.metrics if metric.ok is False]


def _plain(value: float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None


def _short(value: float) -> str:
    if value != value:
        return "-"
    if float(value).is_integer() and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def commit() -> str:
    """The repository's commit ("+" when files differ from it), or "unknown" outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "unknown"

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        name = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except OSError:
        return "unknown"
    return f"{name or 'unknown'}{'+' if changed else ''}"


def machine() -> dict:
    """What a figure depends on: processor, cores, memory, system, Python, torch, device."""
    import torch

    facts = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
