"""An AV-Sync Report as a picture, drawn with pillow."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..avatars.sync_plot import BEST, FAINT, GRID, INK, MOUTH, PAPER, VOICE
from ..avatars.sync_report import TICK_RATE
from .av_sync import FINE, MOST_SHIFT, TOLERANCE, AVSync, matches

SIZE = (1120, 560)
SCALE = 2
"""Drawn so much larger and then brought down: smooth lines."""
LEFT, RIGHT, TOP = 84, 44, 92
SOUND, LIPS, SHIFTS = 190, 90, 90
"""Heights of the three diagrams."""


class _Pen:
    """Draws in units of the finished picture."""

    def __init__(self, sheet: Image.Image) -> None:
        self._draw = ImageDraw.Draw(sheet)

    def text(self, x: float, y: float, text: str, size: int = 13, ink=INK, anchor="la") -> None:
        font = ImageFont.load_default(size * SCALE)
        self._draw.text((x * SCALE, y * SCALE), text, ink, font, anchor=anchor)

    def line(self, places, ink, width: float = 1.6) -> None:
        self._draw.line([(x * SCALE, y * SCALE) for x, y in places], ink, round(width * SCALE),
                        joint="curve")

    def dot(self, x: float, y: float, radius: float, ink) -> None:
        self._draw.ellipse([(x - radius) * SCALE, (y - radius) * SCALE, (x + radius) * SCALE,
                            (y + radius) * SCALE], ink)


def plot(report: AVSync, title: str = "Picture and sound") -> np.ndarray:
    """uint8 [560, 1120, 3]: what is seen above what is heard over time, lips against the voice, and
    how many events match over the shift."""
    sheet = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), PAPER)
    pen = _Pen(sheet)
    pen.text(LEFT, 18, title, 20)
    pen.text(LEFT, 46, report.verdict(), 15, FAINT)
    span = max(report.seconds, 1e-6)

    def x_of(seconds: float) -> float:
        return LEFT + (SIZE[0] - LEFT - RIGHT) * min(max(seconds / span, 0.0), 1.0)

    _events(pen, report, x_of)
    _lips(pen, report, x_of)
    _shift(pen, report)
    return np.asarray(sheet.resize(SIZE, Image.Resampling.LANCZOS))


def _events(pen: _Pen, report: AVSync, x_of) -> None:
    middle, bottom = TOP + 60, TOP + SOUND
    step = next(s for s in (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
                if report.seconds / s <= 14 or s == 600)
    for k in range(int(report.seconds / step) + 1):
        x = x_of(k * step)
        pen.line([(x, TOP), (x, bottom)], GRID, 0.5)
        pen.text(x, bottom + 4, f"{k * step:g} s", 12, FAINT, "ma")
    loud = report.loudness / max(float(report.loudness.max(initial=0.0)), 1e-6)
    half = (bottom - middle) / 2 - 8
    axis = (middle + bottom) / 2 + 4
    for k, value in enumerate(loud):
        x = x_of((k + 0.5) / len(loud) * report.seconds)
        pen.line([(x, axis - half * value), (x, axis + half * value)], (74, 84, 96), 1)
    matched_seen = {s for s, _ in report.pairs}
    matched_heard = {h for _, h in report.pairs}
    for seen, heard in report.pairs:
        pen.line([(x_of(seen), TOP + 26), (x_of(heard), middle + 6)], BEST, 1)
    for time in report.seen:
        pen.dot(x_of(time), TOP + 20, 4, BEST if time in matched_seen else MOUTH)
    for time in report.heard:
        ink = BEST if time in matched_heard else VOICE
        pen.line([(x_of(time), middle + 6), (x_of(time), middle + 20)], ink, 2)
    pen.text(LEFT - 8, TOP + 20, "seen", 12, MOUTH, "rm")
    pen.text(LEFT - 8, middle + 12, "heard", 12, VOICE, "rm")
    if not report.seen:
        pen.text(LEFT + 6, TOP + 20, "no impact is seen", 12, FAINT, "lm")


def _lips(pen: _Pen, report: AVSync, x_of) -> None:
    top = TOP + SOUND + 34
    bottom = top + LIPS
    pen.line([(LEFT, bottom), (SIZE[0] - RIGHT, bottom)], GRID, 1)
    pen.text(LEFT - 8, (top + bottom) / 2, "lips", 12, FAINT, "rm")
    if not report.lips:
        pen.text(LEFT + 6, (top + bottom) / 2, "no speaking face is seen", 12, FAINT, "lm")
    for stretch in report.lips:
        found = stretch.report
        for curve, ink in ((found.voice, VOICE), (found.mouth, MOUTH)):
            most = float(curve.max())
            if most <= 0:
                continue
            places = [(x_of(stretch.start + (k + 0.5) / TICK_RATE), bottom - (LIPS - 6) * v / most)
                      for k, v in enumerate(curve)]
            if len(places) > 1:
                pen.line(places, ink, 1.4)


def _shift(pen: _Pen, report: AVSync) -> None:
    top = TOP + SOUND + LIPS + 66
    bottom, right = top + SHIFTS, SIZE[0] - RIGHT
    pen.text(LEFT, top - 8, "events that match, by how far the picture is shifted against the "
             "sound", 13, FAINT, "lb")
    pen.line([(LEFT, bottom), (right, bottom)], GRID, 1)
    fps = float(report.fps)
    for shift in range(-MOST_SHIFT, MOST_SHIFT + 1, 4):
        x = LEFT + (right - LEFT) * (shift + MOST_SHIFT) / (2 * MOST_SHIFT)
        label = "in place" if shift == 0 else f"{1000 * shift / fps:+.0f} ms"
        pen.line([(x, top), (x, bottom)], GRID, 0.5)
        pen.text(x, bottom + 6, label, 12, FAINT, "ma")
    if not report.seen or not report.heard:
        return
    shifts = np.arange(-MOST_SHIFT * FINE, MOST_SHIFT * FINE + 1) / FINE
    most = min(len(report.seen), len(report.heard))
    places = []
    for shift in shifts:
        moved = [t + shift / fps for t in report.heard]
        share = len(matches(report.seen, moved, TOLERANCE / fps)) / most
        places.append((LEFT + (right - LEFT) * (shift + MOST_SHIFT) / (2 * MOST_SHIFT),
                       bottom - (SHIFTS - 6) * share))
    pen.line(places, INK, 1.6)
    if np.isfinite(report.offset):
        shift = float(np.clip(report.offset, -MOST_SHIFT, MOST_SHIFT))
        x = LEFT + (right - LEFT) * (shift + MOST_SHIFT) / (2 * MOST_SHIFT)
        pen.line([(x, top), (x, bottom)], BEST, 1.4)
        pen.text(x + 8, bottom - 18, f"{report.offset:+.2f} frames", 12, BEST)
