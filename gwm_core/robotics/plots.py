"""Pictures of evaluations, drawn with pillow: scatter plot, marked timeline, moments of runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import RoboticsError
from .watching import Watched

PAPER, INK, FAINT, GRID = (24, 24, 26), (236, 236, 236), (150, 150, 156), (58, 58, 64)
GOOD, BAD, UNKNOWN, POINT = (64, 140, 92), (226, 68, 58), (72, 72, 78), (110, 178, 255)
SCALE = 2
"""Drawn so much larger and then brought down: smooth lines."""
SCATTER, EDGE = (960, 760), 20
"""Size of the picture, and pixels between 0 % and the edge of its square."""
MOST_RUNS = 12
"""Of a timeline: of more runs the first ones are drawn."""


@dataclass(frozen=True)
class Point:
    """A point of a scatter plot, 0..1 both ways, with the ends of its intervals."""

    name: str
    x: float
    y: float
    x_within: tuple[float, float] | None = None
    y_within: tuple[float, float] | None = None


class _Sheet:
    """A picture that is drawn at SCALE; places and sizes are of the picture that comes out."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self.pen = ImageDraw.Draw(self.image)
        self._fonts: dict[int, ImageFont.ImageFont] = {}

    def font(self, size: int):
        if size not in self._fonts:
            self._fonts[size] = ImageFont.load_default(size * SCALE)
        return self._fonts[size]

    def width_of(self, text: str, size: int) -> float:
        return self.font(size).getlength(text) / SCALE

    def text(self, x: float, y: float, text: str, size: int = 13, ink=INK, anchor: str = "la"
             ) -> None:
        self.pen.text((x * SCALE, y * SCALE), text, ink, self.font(size), anchor=anchor)

    def sideways(self, x: float, middle: float, text: str, size: int, ink) -> None:
        """Text that runs upwards, its right edge at x and its middle at ``middle``."""
        font = self.font(size)
        left, top, right, bottom = font.getbbox(text)
        note = Image.new("RGB", (math.ceil(right - left) + 4, math.ceil(bottom - top) + 4), PAPER)
        ImageDraw.Draw(note).text((2 - left, 2 - top), text, ink, font)
        note = note.rotate(90, expand=True)
        self.image.paste(note, (round(x * SCALE) - note.width,
                                round(middle * SCALE) - note.height // 2))

    def line(self, places: Sequence[tuple[float, float]], ink, width: float = 1) -> None:
        self.pen.line([(x * SCALE, y * SCALE) for x, y in places], ink, round(width * SCALE))

    def box(self, left: float, top: float, right: float, bottom: float, fill=None, outline=None
            ) -> None:
        self.pen.rectangle([left * SCALE, top * SCALE, right * SCALE - 1, bottom * SCALE - 1],
                           fill, outline)

    def dot(self, x: float, y: float, radius: float, fill, outline=None) -> None:
        self.pen.ellipse([(x - radius) * SCALE, (y - radius) * SCALE, (x + radius) * SCALE,
                          (y + radius) * SCALE], fill, outline, SCALE)

    def picture(self, frame: np.ndarray, left: float, top: float, side: float) -> None:
        image = Image.fromarray(np.ascontiguousarray(frame))
        # Robot cameras are small: their pixels stay visible instead of blurring.
        image = image.resize((round(side * SCALE), round(side * SCALE)), Image.Resampling.LANCZOS)
        self.image.paste(image, (round(left * SCALE), round(top * SCALE)))

    def done(self) -> np.ndarray:
        """uint8 [H, W, 3]"""
        return np.asarray(self.image.resize(self.size, Image.Resampling.LANCZOS))


def shortened(sheet: _Sheet, text: str, width: float, size: int) -> str:
    """The text, cut with an ellipsis where it is wider than ``width``."""
    text = " ".join(text.split())
    if sheet.width_of(text, size) <= width:
        return text
    while text and sheet.width_of(text + "...", size) > width:
        text = text[:-1]
    return text + "..."


# ------------------------------------------------------------------ scatter


def scatter(points: Sequence[Point], title: str, x_label: str, y_label: str, notes: str = "",
            diagonal: bool = False) -> np.ndarray:
    """uint8 [760, 960, 3]: points with whiskers and names on a square of 0..100 %.

    notes     lines of text beside it; diagonal: the line on which both are equal
    """
    if not points:
        raise RoboticsError("plot: no points; one or more are accepted")
    sheet = _Sheet(*SCATTER)
    left, top, side = 76.0, 56.0, 620.0
    right, bottom = left + side, top + side
    sheet.text(left, 16, shortened(sheet, title, SCATTER[0] - left - 20, 18), 18)
    sheet.box(left, top, right, bottom, None, GRID)
    for i in range(11):
        at = EDGE + (side - 2 * EDGE) * i / 10
        sheet.line([(left + at, top), (left + at, bottom)], GRID, 0.5)
        sheet.line([(left, bottom - at), (right, bottom - at)], GRID, 0.5)
        if i % 2 == 0:
            sheet.text(left + at, bottom + 8, f"{10 * i} %", 12, FAINT, "ma")
            sheet.text(left - 8, bottom - at, f"{10 * i} %", 12, FAINT, "rm")
    sheet.text(left + side / 2, bottom + 32, x_label, 14, INK, "ma")
    sheet.sideways(left - 44, top + side / 2, y_label, 14, INK)

    def place(x: float, y: float) -> tuple[float, float]:
        x, y = (EDGE + (side - 2 * EDGE) * min(max(v, 0), 1) for v in (x, y))
        return left + x, bottom - y

    if diagonal:
        sheet.line([place(0, 0), place(1, 1)], FAINT, 1)
    for p in points:
        for ends, flat in ((p.x_within, True), (p.y_within, False)):
            if ends is not None:
                a, b = (place(e, p.y) if flat else place(p.x, e) for e in ends)
                sheet.line([a, b], (70, 104, 142), 1.2)
    spots = [place(p.x, p.y) for p in points]
    for x, y in spots:
        sheet.dot(x, y, 4.5, POINT, PAPER)
    _names(sheet, points, spots, (left, top, right, bottom))
    if notes:
        y = top
        for line in notes.splitlines():
            sheet.text(right + 20, y, shortened(sheet, line, SCATTER[0] - right - 32, 12), 12,
                       FAINT)
            y += 18
    return sheet.done()


def _names(sheet: _Sheet, points: Sequence[Point], spots: list[tuple[float, float]],
           frame: tuple[float, float, float, float]) -> None:
    """Names beside their points, each at the first free place around it, with a line to it where
    that is not close."""
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in spots]
    size, height = 11, 14.0
    for p, (x, y) in sorted(zip(points, spots, strict=True), key=lambda one: one[1]):
        name = shortened(sheet, p.name, 150, size)
        wide = sheet.width_of(name, size) + 2
        best, least = None, math.inf
        for radius in (9, 20, 34, 50, 70, 95, 125):
            for angle in (0, 180, 35, -35, 145, -145, 90, -90):
                c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
                cx, cy = x + radius * c, y - radius * s
                a = cx if c > 0.3 else cx - wide if c < -0.3 else cx - wide / 2
                box = (a, cy - height / 2, a + wide, cy + height / 2)
                if not (frame[0] <= box[0] and box[2] <= frame[2] + 4
                        and frame[1] <= box[1] and box[3] <= frame[3]):
                    continue
                cost = sum(_shared(box, other) for other in taken) * 10 + radius
                if cost < least:
                    best, least = (box, (cx, cy), radius), cost
            if least <= radius:
                break
        if best is None:
            continue
        box, end, radius = best
        taken.append(box)
        if radius > 9:
            sheet.line([(x, y), end], GRID, 0.8)
        sheet.text(box[0] + 1, (box[1] + box[3]) / 2, name, size, INK, "lm")


def _shared(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Area that two boxes share."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return max(wide, 0) * max(high, 0)


# ------------------------------------------------------------------ timeline


def timeline(runs: Sequence[Watched], title: str, view: str | None = None, width: int = 1120
             ) -> np.ndarray:
    """uint8 [H, width, 3]: for every run pictures of it and a lane a rule, red where it is broken.

    view  the camera whose pictures are shown; the run's first one when left out. In a lane the
          line is the distance to the rule's bound: the lower, the closer
    """
    if not runs:
        raise RoboticsError("plot: no rollouts; one or more are accepted")
    shown, left, lane = runs[:MOST_RUNS], 132, 26
    inner = width - left - 20
    film = 76 if len(shown) <= 4 else 0
    heights = [30 + (film + 8 if film and w.episode.views else 0) + lane * len(w.lanes) + 26
               for w in shown]
    sheet = _Sheet(width, 46 + sum(heights))
    more = f" (the first {MOST_RUNS} of {len(runs)} runs)" if len(runs) > MOST_RUNS else ""
    sheet.text(16, 12, shortened(sheet, title + more, width - 32, 17), 17)
    y = 46
    for number, (w, height) in enumerate(zip(shown, heights, strict=True), start=1):
        _run(sheet, w, number, y, left, inner, film, lane, view)
        y += height
    return sheet.done()


def _run(sheet: _Sheet, w: Watched, number: int, y: int, left: int, inner: int, film: int,
         lane: int, view: str | None) -> None:
    e = w.episode
    ticks = max(e.ticks, 1)

    def at(tick: float) -> float:
        return left + inner * (tick + 0.5) / (ticks + 1)

    ends = {True: "task done", False: "task not done", None: ""}[e.success]
    said = ", ".join(str(part) for part in (e.info.get("policy", ""), ends, e.task) if part)
    sheet.text(16, y, shortened(sheet, f"run {number}: {said}", inner + left - 32, 13), 13)
    y += 26
    if film and e.views:
        name = view if view in e.views else next(iter(e.views))
        count = max(2, min(e.ticks + 1, int(inner // (film + 6))))
        marks = {round(t) for t in np.linspace(0, e.ticks, count)}
        step = inner / len(marks)
        for k, tick in enumerate(sorted(marks)):
            place = left + step * k + (step - film) / 2
            bad = any(bool(ln.broken[tick]) for ln in w.lanes if ln.looked)
            sheet.picture(e.views[name][tick], place, y, film)
            sheet.pen.rectangle([place * SCALE - 1, y * SCALE - 1, (place + film) * SCALE,
                                 (y + film) * SCALE], None, BAD if bad else GRID, 2 * SCALE)
            sheet.line([(place + film / 2, y + film), (at(tick), y + film + 8)], GRID, 0.8)
        y += film + 8
    for one in w.lanes:
        _lane(sheet, one, y, lane, left, inner, ticks)
        y += lane
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9)
                if ticks / s * 46 <= inner or s == 10**9)
    for tick in range(0, ticks + 1, step):
        sheet.line([(at(tick), y), (at(tick), y + 3)], FAINT, 0.8)
        sheet.text(at(tick), y + 4, f"{tick / e.fps:g} s", 10, FAINT, "ma")


def _lane(sheet: _Sheet, one, y: int, lane: int, left: int, inner: int, ticks: int) -> None:
    top, bottom, step = y + 2, y + lane - 2, inner / (ticks + 1)
    ink = INK if one.looked else FAINT
    sheet.text(left - 10, (top + bottom) / 2, shortened(sheet, one.name, left - 26, 12), 12, ink,
               "rm")
    sheet.box(left, top, left + inner, bottom, GOOD if one.looked else UNKNOWN)
    if not one.looked:
        sheet.text(left + 8, (top + bottom) / 2, "not looked at", 11, FAINT, "lm")
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[0], one.broken.astype(int), [0]])))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        sheet.box(left + step * begin, top, max(left + step * end, left + step * begin + 2), bottom,
                  BAD)
    finite = one.margin[np.isfinite(one.margin)]
    if len(finite):
        reach = max(float(np.abs(finite).max()), 1e-9)
        middle, swing = (top + bottom) / 2, (bottom - top) / 2 - 2
        sheet.line([(left, middle), (left + inner, middle)], (40, 92, 60), 0.6)
        line = [(left + step * (t + 0.5), middle - swing * float(m) / reach)
                for t, m in enumerate(one.margin) if np.isfinite(m)]
        if len(line) > 1:
            sheet.line(line, (232, 240, 232), 1)
    if one.first >= 0:
        x = left + step * (one.first + 0.5)
        sheet.line([(x, top - 2), (x, bottom + 2)], INK, 1.5)


# ------------------------------------------------------------------ moments


def moments(runs: Sequence[dict[str, np.ndarray]], labels: Sequence[str], fps: float,
            views: Sequence[str], columns: int = 6, side: int = 128) -> np.ndarray:
    """uint8 [H, W, 3]: a row a run and view, its pictures at times from the first to the last.

    runs  frames uint8 [T + 1, H, W, 3] by view; a shorter run holds its last picture
    """
    if not runs or len(runs) != len(labels):
        raise RoboticsError(f"plot: {len(runs)} runs, {len(labels)} labels; one or more runs with "
                            "a label each are accepted")
    last = max(len(run[views[0]]) for run in runs) - 1
    at = sorted({round(t) for t in np.linspace(0, last, columns)})
    left, gap, bar = 150, 4, 24
    row = len(views) * (side + gap) + 8
    sheet = _Sheet(left + len(at) * (side + gap) + 12, bar + 10 + row * len(runs) + 4)
    for k, tick in enumerate(at):
        sheet.text(left + k * (side + gap) + side / 2, 8, f"{tick / fps:g} s", 12, FAINT, "ma")
    for i, (run, label) in enumerate(zip(runs, labels, strict=True)):
        y = bar + 6 + i * row
        for j, line in enumerate(_wrapped(sheet, label, left - 26, 13)):
            sheet.text(14, y + 4 + 18 * j, line, 13)
        for v, view in enumerate(views):
            for k, tick in enumerate(at):
                frame = run[view][min(tick, len(run[view]) - 1)]
                sheet.picture(frame, left + k * (side + gap), y + v * (side + gap), side)
    return sheet.done()


def _wrapped(sheet: _Sheet, text: str, width: float, size: int, most: int = 5) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and sheet.width_of(joined, size) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return [shortened(sheet, line, width, size) for line in lines[:most]]


def of_one_size(films: Sequence[np.ndarray], least: int = 256, most: int = 480
                ) -> list[np.ndarray]:
    """Films uint8 [T, H, W, 3] of any sizes brought to one: a height from ``least`` to ``most``
    pixels, and the width of the widest (others get a margin)."""
    height = min(max(least, *(f.shape[1] for f in films)), most)
    widths = [max(1, round(f.shape[2] * height / f.shape[1])) for f in films]
    out = []
    for film, width in zip(films, widths, strict=True):
        sheet = np.empty((len(film), height, max(widths), 3), np.uint8)
        sheet[:] = PAPER
        for t, frame in enumerate(film):
            picture = Image.fromarray(np.ascontiguousarray(frame))
            left = (max(widths) - width) // 2
            sheet[t, :, left : left + width] = picture.resize((width, height),
                                                              Image.Resampling.BICUBIC)
        out.append(sheet)
    return out
