"""A report of sync as a picture, drawn with pillow."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .motion import TICK_RATE
from .sync_report import LEAST_TICKS, MOST_SHIFT, SyncReport, agreement

PAPER, INK, FAINT, GRID = (24, 24, 26), (236, 236, 236), (150, 150, 156), (58, 58, 64)
MOUTH, VOICE, HEARD, BEST = (110, 178, 255), (255, 176, 84), (46, 53, 60), (120, 214, 140)
SIZE = (1120, 620)
SCALE = 2
"""Drawn so much larger and then brought down: smooth lines."""
LEFT, RIGHT, TOP = 64, 44, 92
CURVES, SHIFTS = 300, 130
"""Heights of the two diagrams."""
MOST_POINTS = 1000


def plot(report: SyncReport, title: str = "Lip sync") -> np.ndarray:
    """uint8 [620, 1120, 3]: above both curves over time, below their agreement over the shift."""
    sheet = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), PAPER)
    pen = ImageDraw.Draw(sheet)
    _text(pen, LEFT, 18, title, 20)
    _text(pen, LEFT, 46, report.verdict(), 15, FAINT)
    _legend(pen, report)
    _over_time(pen, report)
    _over_shift(pen, report)
    return np.asarray(sheet.resize(SIZE, Image.Resampling.LANCZOS))


def _text(pen, x: float, y: float, text: str, size: int = 13, ink=INK, anchor: str = "la") -> None:
    pen.text((x * SCALE, y * SCALE), text, ink, ImageFont.load_default(size * SCALE), anchor=anchor)


def _line(pen, places, ink, width: float = 1.6) -> None:
    pen.line([(x * SCALE, y * SCALE) for x, y in places], ink, round(width * SCALE), joint="curve")


def _box(pen, left, top, right, bottom, fill) -> None:
    pen.rectangle([left * SCALE, top * SCALE, right * SCALE, bottom * SCALE], fill)


def _legend(pen, report: SyncReport) -> None:
    x = SIZE[0] - RIGHT
    for ink, text in ((HEARD, "something is heard"), (VOICE, f"expected by the {report.expected}"),
                      (MOUTH, f"mouth, from the {report.measured}")):
        width = ImageFont.load_default(12).getlength(text)
        _text(pen, x, 62, text, 12, FAINT, "ra")
        _box(pen, x - width - 22, 68, x - width - 8, 72, ink)
        x -= width + 40


def _over_time(pen, report: SyncReport) -> None:
    right, bottom = SIZE[0] - RIGHT, TOP + CURVES
    seconds = len(report.mouth) / TICK_RATE
    span = right - LEFT

    def x_of(tick: float) -> float:
        return LEFT + span * tick / max(1, len(report.mouth))

    edges = np.flatnonzero(np.diff(np.concatenate([[0], report.speaks.astype(int), [0]])))
    for start, stop in edges.reshape(-1, 2):
        _box(pen, x_of(start), TOP, x_of(stop), bottom, HEARD)
    step = next(s for s in (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)
                if seconds / s <= 14 or s == 1800)
    for k in range(int(seconds / step) + 1):
        x = x_of(k * step * TICK_RATE)
        _line(pen, [(x, TOP), (x, bottom)], GRID, 0.5)
        _text(pen, x, bottom + 6, f"{k * step:g} s", 12, FAINT, "ma")
    _line(pen, [(LEFT, bottom), (right, bottom)], FAINT, 1)
    _text(pen, LEFT - 8, bottom, "closed", 12, FAINT, "rs")
    _text(pen, LEFT - 8, TOP + 12, "open", 12, FAINT, "rs")
    for curve, ink in ((report.voice, VOICE), (report.mouth, MOUTH)):
        top = float(curve.max())
        if top <= 0:
            continue
        ticks, values = _thinned(curve / top)
        _line(pen, [(x_of(t + 0.5), bottom - (CURVES - 14) * v)
                    for t, v in zip(ticks, values, strict=True)], ink)


def _thinned(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ticks, values): a long curve by the largest value of every part, so that no peak is lost."""
    part = -(-len(curve) // MOST_POINTS)
    if part == 1:
        return np.arange(len(curve)), curve
    starts = np.arange(0, len(curve), part)
    return starts + part / 2, np.maximum.reduceat(curve, starts)


def _over_shift(pen, report: SyncReport) -> None:
    top, right = TOP + CURVES + 60, SIZE[0] - RIGHT
    bottom = top + SHIFTS
    most = min(MOST_SHIFT, len(report.mouth) - LEAST_TICKS // 2)

    def place(shift: float, r: float) -> tuple[float, float]:
        return (LEFT + (right - LEFT) * (shift + most) / (2 * most),
                bottom - SHIFTS * (np.clip(r, -0.25, 1) + 0.25) / 1.25)

    _text(pen, LEFT, top - 26, "agreement, by how far the picture is shifted against the sound",
          13, FAINT)
    for r in (0, 0.5, 1):
        _line(pen, [place(-most, r), place(most, r)], GRID, 0.5)
        _text(pen, LEFT - 8, place(0, r)[1], f"{r:g}", 12, FAINT, "rm")
    for shift in range(-most // 5 * 5, most + 1, 5):
        if abs(shift) <= most:
            x = place(shift, 0)[0]
            _line(pen, [(x, top), (x, bottom)], GRID, 0.5)
            label = "in place" if shift == 0 else f"{shift * 1000 // TICK_RATE:+d} ms"
            _text(pen, x, bottom + 6, label, 12, FAINT, "ma")
    shifts = np.arange(-most * 4, most * 4 + 1) / 4
    found = [agreement(report.mouth, report.voice, s) for s in shifts]
    places = [place(s, r) for s, r in zip(shifts, found, strict=True) if np.isfinite(r)]
    if len(places) > 1:
        _line(pen, places, INK, 2)
    if np.isfinite(report.offset):
        x, y = place(report.offset, report.score)
        _line(pen, [(x, top), (x, bottom)], BEST, 1.4)
        pen.ellipse([(x - 5) * SCALE, (y - 5) * SCALE, (x + 5) * SCALE, (y + 5) * SCALE], BEST)
        anchor, off = ("ra", -10) if x > (LEFT + right) / 2 else ("la", 10)
        _text(pen, x + off, top + 2, f"{report.score:.2f} at {report.offset:+.2f} frames", 13,
              BEST, anchor)
