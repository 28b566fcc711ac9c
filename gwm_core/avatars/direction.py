"""Direction: what a face does of its own accord, seeded: blinks, gaze targets, head, breath, mood.

It is a *known* stream for the network, as the controls of a game are: the network plays what the
direction asks for together with what the voices ask for. Tick t of a seed is the same however
long the run is and wherever it starts: each process is drawn block by block from counter-based
noise. Blink intervals are gamma distributed (Bentivoglio et al. 1997 find about 17 a minute in
conversation); while speaking the eyes leave the viewer more often than while listening (Kendon
1967; Argyle & Cook 1976).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import AvatarError
from ..noise import check_seed, rng
from .motion import GROUPS, TICK_RATE

DIRECTION: tuple[str, ...] = (
    "blink",  # 1 where a blink begins
    "look_x", "look_y",  # where the eyes go, in gaze units; 0 is the viewer
    "turn", "nod", "tilt", "sway",  # where the head goes, in units of yaw, pitch, roll and sway
    "breath",  # 0..1: shoulders raised
    "mood",  # -1 frown .. 1 smile
    "brows",  # -1..1
    "energy",  # 0..2: how strongly the mouth speaks
    "beat",  # 0..2: how strongly the head answers the voices
    "warmth",  # 0..2: how strongly brows and smile answer the voices
)
INDEX = {name: i for i, name in enumerate(DIRECTION)}
MAX_DIAL = 2.0
_DIAL = {"blink": "eyes", "look_x": "gaze", "look_y": "gaze", "turn": "head", "nod": "head",
         "tilt": "head", "sway": "head", "breath": "head", "mood": "expression",
         "brows": "expression", "energy": "mouth", "beat": "head", "warmth": "expression"}
_BLOCK = 20 * TICK_RATE
"""Ticks drawn at once."""
_BLINK_EVERY, _BLINK_SHAPE, _BLINK_LEAST = 60 / 17, 2.5, 0.6
_BREATH_EVERY = 4.0
"""Seconds of a breath: 15 a minute; a block holds whole breaths."""


def direct(
    ticks: int,
    seed: int,
    state: np.ndarray | None = None,
    dials: dict[str, float] | None = None,
    start: int = 0,
    blink_rate: float = 1.0,
) -> np.ndarray:
    """The direction of ticks ``start`` .. ``start + ticks``: float32 [T, len(DIRECTION)].

    state: float32 [T, 3] of ``turns.state`` (left out: listening). dials: 0..2 for each of
    ``motion.GROUPS`` (left out: 1); with all at zero nothing moves. AvatarError names what does
    not fit. blink_rate: 0..2 times the usual number of blinks.
    """
    ticks, start = _count(ticks, "ticks"), _count(start, "start")
    scale = _scales(dials or {})
    speak = np.zeros(ticks, bool)
    if state is not None:
        state = np.asarray(state)
        if state.shape != (ticks, 3):
            raise AvatarError(f"state: shape {state.shape}; ({ticks}, 3) is accepted")
        speak = state[:, 0] > 0.5
    seed, blink_rate = check_seed(seed), _dial("blink_rate", blink_rate)
    if ticks == 0:
        return np.zeros((0, len(DIRECTION)), np.float32)
    first, last = start // _BLOCK, (start + ticks - 1) // _BLOCK
    drawn = np.concatenate([_block(seed, k, blink_rate) for k in range(first, last + 1)])
    rows = drawn[start - first * _BLOCK:][:ticks]
    out = rows[:, :len(DIRECTION)].copy()
    # what is looked at while speaking is drawn all the time, so that a turn only chooses
    averted = rows[:, len(DIRECTION):]
    for axis, name in enumerate(("look_x", "look_y")):
        out[:, INDEX[name]] = np.where(speak, averted[:, axis], out[:, INDEX[name]])
    return out * scale


def _count(value: int, name: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) \
            or value < 0:
        raise AvatarError(f"{name}: {value!r}; a whole number from 0 is accepted")
    return int(value)


def _scales(dials: dict[str, float]) -> np.ndarray:
    """float32 [D]: the dial of each number."""
    for name, value in dials.items():
        if name not in GROUPS:
            raise AvatarError(f"dials: {name!r}; {', '.join(GROUPS)} are accepted")
        _dial(f"dials: {name}", value)
    return np.array([dials.get(_DIAL[name], 1.0) for name in DIRECTION], np.float32)


def _dial(name: str, value: float) -> float:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= float(value) <= MAX_DIAL:
        raise AvatarError(f"{name}: {value!r}; 0 to {MAX_DIAL:g} is accepted")
    return float(value)


class Director:
    """``direct`` tick by tick, for one who does not know the states of the ticks to come."""

    def __init__(self, seed: int, blink_rate: float = 1.0) -> None:
        self.seed, self.blink_rate, self.ticks = seed, blink_rate, 0

    def tick(self, state: np.ndarray) -> np.ndarray:
        """The direction [len(DIRECTION)] of the next tick, whose state [3] is known."""
        row = direct(1, self.seed, np.asarray(state)[None], start=self.ticks,
                     blink_rate=self.blink_rate)[0]
        self.ticks += 1
        return row


@lru_cache(maxsize=32)
def _block(seed: int, number: int, blink_rate: float) -> np.ndarray:
    """Block ``number``: float32 [_BLOCK, len(DIRECTION) + 2], the last two look where speaking."""
    out = np.zeros((_BLOCK, len(DIRECTION) + 2), np.float32)

    def draw(name: str) -> np.random.Generator:
        return rng(seed, "direction", name, number)

    out[_blinks(draw("blink"), blink_rate), INDEX["blink"]] = 1
    look = draw("look")
    out[:, [INDEX["look_x"], INDEX["look_y"]]] = _held(look, 0.7, 2.6, _near(look, 0.1))
    away = draw("away")
    out[:, len(DIRECTION):] = _held(away, 0.5, 1.8, _near(away, 0.45))
    for name, spread in (("turn", 0.2), ("nod", 0.16), ("tilt", 0.15), ("sway", 0.25)):
        g = draw(name)
        out[:, INDEX[name]] = _held(g, 1.0, 4.0, lambda g=g, s=spread: [_bell(g, s)])[:, 0]
    g = draw("mood")
    out[:, INDEX["mood"]] = _held(g, 3.0, 8.0, lambda: [np.clip(g.normal(0.12, 0.22), -1, 1)])[:, 0]
    h = draw("brows")
    out[:, INDEX["brows"]] = _held(h, 2.0, 6.0, lambda: [_bell(h, 0.12)])[:, 0]
    e = draw("energy")
    out[:, INDEX["energy"]] = _held(e, 2.0, 6.0, lambda: [e.uniform(0.85, 1.15)])[:, 0]
    out[:, INDEX["beat"]] = out[:, INDEX["warmth"]] = 1
    out[:, INDEX["breath"]] = _breath(draw("breath"))
    out.flags.writeable = False
    return out


def _bell(g: np.random.Generator, spread: float) -> float:
    """A normal number of that spread, at most 2.5 of it."""
    return float(np.clip(g.normal(0, spread), -2.5 * spread, 2.5 * spread))


def _held(g: np.random.Generator, least: float, most: float, target) -> np.ndarray:
    """[_BLOCK, n]: a target held for ``least``..``most`` seconds, then the next."""
    rows, at = [], 0
    while at < _BLOCK:
        held = int(g.uniform(least, most) * TICK_RATE)
        rows.append(np.repeat([target()], held, axis=0))
        at += held
    return np.concatenate(rows)[:_BLOCK]


def _near(g: np.random.Generator, often: float):
    """Targets of the eyes: about the viewer, or aside with the probability ``often``."""
    def target() -> list[float]:
        if g.uniform() < often:
            side = g.choice([-1.0, 1.0])
            return [side * g.uniform(0.25, 0.75), float(np.clip(g.normal(0.02, 0.25), -0.6, 0.6))]
        return [_bell(g, 0.05), _bell(g, 0.035)]
    return target


def _blinks(g: np.random.Generator, rate: float) -> list[int]:
    """Ticks of a block at which blinks begin."""
    if rate == 0:
        return []
    rest = _BLINK_EVERY - _BLINK_LEAST

    def interval() -> float:
        return _BLINK_LEAST + g.gamma(_BLINK_SHAPE, rest / _BLINK_SHAPE / rate)

    out, at = [], interval() * g.uniform(0.1, 1.0)
    while at < (_BLOCK / TICK_RATE) - 0.4:
        out.append(int(at * TICK_RATE))
        at += interval()
    return out


def _breath(g: np.random.Generator) -> np.ndarray:
    """[_BLOCK]: in within 40 %, out within 50 % of a breath, of slightly differing lengths."""
    count = round(_BLOCK / TICK_RATE / _BREATH_EVERY)
    lengths = g.uniform(0.85, 1.15, count)
    edges = np.concatenate([[0], np.cumsum(lengths / lengths.sum() * _BLOCK)])
    depth = g.uniform(0.35, 0.65, count)
    t = np.arange(_BLOCK)
    k = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, count - 1)
    phase = (t - edges[k]) / (edges[k + 1] - edges[k])
    up = 0.5 - 0.5 * np.cos(np.pi * np.clip(phase / 0.4, 0, 1))
    down = 0.5 + 0.5 * np.cos(np.pi * np.clip((phase - 0.4) / 0.5, 0, 1))
    return depth[k] * np.where(phase < 0.4, up, down)
