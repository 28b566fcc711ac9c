"""A storyboard at a glance: a picture, name, length, camera, cut and first words of every shot."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from PIL import Image, ImageDraw

from ..embodiment import rooms_embodiment
from ..errors import VideoError
from .board_checks import same_name
from .exact_times import print_number
from .lettering import Pen
from .line_times import LEAD, PAUSE, estimated
from .shot_sketch import sketch
from .storyboard import Shot, Storyboard
from .timeline import Timeline

PAPER, CARD, INK, SOFT, FAINT, RULE = (
    (21, 21, 24), (31, 31, 35), (240, 239, 236), (178, 177, 180), (128, 128, 134), (56, 56, 62))
SCALE = 2
"""Type is drawn so much larger and then brought down: smooth edges."""
MARGIN, GUTTER = 44, 26
WIDTHS = (480, 4096)
HEAD, STRIP = 130, 88
_KEYS = {name.casefold(): spec for spec in rooms_embodiment().controls if spec.label
         for name in (spec.name, *spec.aliases)}
ROWS = 3
"""Lines of text below a shot's name, at most."""
ROW = 23
COLUMNS = ((1, 1), (2, 2), (4, 2), (9, 3), (20, 4), (45, 5), (90, 6), (10**6, 8))
"""(up to so many shots, so many columns)."""


def sheet(
    board: Storyboard,
    pictures: Mapping[int, np.ndarray] | Sequence[np.ndarray | None] | None = None,
    width: int = 1600,
) -> np.ndarray:
    """The contact sheet of a storyboard, uint8 [H, width, 3].

    pictures  a frame uint8 [h, w, 3] of a shot by its index; a shot without one is sketched
    width     480 to 4096 pixels

    VideoError for a storyboard without shots or a picture that is none.
    """
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        raise VideoError(f"contact sheet: {width} pixels wide; {WIDTHS[0]} to {WIDTHS[1]} are "
                         "accepted")
    if not board.shots:
        raise VideoError("contact sheet: the storyboard has no shots; one or more are needed")
    timeline = Timeline(board)
    columns = next(c for most, c in COLUMNS if len(board.shots) <= most)
    columns = max(min(columns, (width - 2 * MARGIN + GUTTER) // 190), 1)
    inner = width - 2 * MARGIN
    card = (inner - GUTTER * (columns - 1)) / columns
    if columns == 1:
        card = min(card, 1000)
    tall = round(card * board.height / board.width)
    tall = min(tall, round(card * 1.4))
    most = max(len(_rows(shot, bool(shot.name.strip()))) for shot in board.shots)
    below = 40 + min(most, ROWS) * ROW + 12
    rows = -(-len(board.shots) // columns)
    height = HEAD + STRIP + rows * (tall + below) + (rows - 1) * GUTTER + MARGIN
    image = Image.new("RGB", (width, height), PAPER)
    colours = cast_colours(board)
    placed = []
    for index, shot in enumerate(board.shots):
        row, column = divmod(index, columns)
        left = MARGIN + column * (card + GUTTER)
        top = HEAD + STRIP + row * (tall + below + GUTTER)
        placed.append((index, shot, round(left), top))
    # Text and shapes at twice the size in bands, so that a long sheet stays small in memory.
    bands = [(0, HEAD + STRIP)] + [
        (HEAD + STRIP + row * (tall + below + GUTTER), tall + below + GUTTER)
        for row in range(rows)]
    for number, (start, length) in enumerate(bands):
        band = Image.new("RGB", (width * SCALE, length * SCALE), PAPER)
        pen = Pen(band, SCALE)
        if number == 0:
            _head(pen, board, timeline, width, colours)
            _strip(pen, board, timeline, width, colours)
        else:
            for index, shot, left, top in placed:
                if top == start:
                    _card(pen, board, shot, index, left, 0, round(card), tall, below, colours)
        band = band.resize((width, length), Image.Resampling.LANCZOS)
        image.paste(band, (0, start))
    for index, shot, left, top in placed:
        frame = _picture(board, shot, index, pictures, round(card), tall)
        image.paste(frame, (left, top), _rounded(frame.size))
        _badges(image, shot, index, left, top, round(card), tall)
    return np.asarray(image)


def cast_colours(board: Storyboard) -> dict[str, tuple[int, int, int]]:
    """A colour of its own for each character, far from one another."""
    out = {}
    for k, member in enumerate(board.cast):
        red, green, blue = colorsys.hls_to_rgb((0.58 + k * 0.381966) % 1, 0.68, 0.62)
        out[same_name(member.name)] = (round(red * 255), round(green * 255), round(blue * 255))
    return out


def _head(pen: Pen, board: Storyboard, timeline: Timeline, width: int, colours) -> None:
    title = board.title.strip() or "Storyboard"
    count = len(board.shots)
    facts = (f"{count} shot{'s' if count != 1 else ''}  ·  {clock(timeline.seconds)}  ·  "
             f"{_rate(board.fps)} fps  ·  {board.width} × {board.height}  ·  "
             f"{board.loudness:g} LUFS")
    pen.text(MARGIN, 58, pen.fitted(title, 32, width * 0.62), 32, INK, bold=True)
    pen.text(MARGIN, 86, pen.fitted(facts, 16, width * 0.62), 16, SOFT)
    # The cast, from the right, as far as there is room.
    x, hidden = width - MARGIN, 0
    for member in reversed(board.cast):
        voice = f" {member.voice}" if member.voice else ""
        need = pen.width(member.name, 17) + pen.width(voice, 14) + 40
        if x - need < width * 0.66:
            hidden += 1
            continue
        if voice:
            x -= pen.text(x, 57, voice, 14, FAINT, "r")
        x -= pen.text(x, 57, member.name, 17, INK, "r") + 14
        pen.dot(x, 51, 5.5, colours[same_name(member.name)])
        x -= 26
    if hidden:
        pen.text(width - MARGIN, 86, f"and {hidden} more", 14, FAINT, "r")


def _strip(pen: Pen, board: Storyboard, timeline: Timeline, width: int, colours) -> None:
    """The film from left to right: shots as long as they last, who speaks, what happens."""
    top, high = HEAD + 4, 26
    inner = width - 2 * MARGIN
    scale = inner / timeline.frames

    def at(seconds: Fraction) -> float:
        return MARGIN + float(seconds * timeline.fps) * scale

    for placed, shot in zip(timeline.shots, board.shots, strict=True):
        left = MARGIN + placed.shown[0] * scale
        right = MARGIN + placed.shown[1] * scale
        fade = placed.fade * scale
        tone = (62, 62, 69) if placed.index % 2 else (48, 48, 54)
        # A dissolve begins with a slope.
        pen.polygon([(left, top + high), (left + fade, top), (right - 1, top),
                     (right - 1, top + high)], tone)
        number = str(placed.index + 1)
        if right - left - fade > pen.width(number, 13) + 10:
            pen.text((left + fade + right) / 2, top + 18, number, 13, SOFT, "m")
        after = MARGIN + placed.end_frame * scale
        begin = Fraction(placed.first_frame) / timeline.fps
        for start, end, who in spoken_roughly(shot):
            x0 = at(begin + start)
            x1 = min(max(at(begin + end), x0 + 3), after)
            pen.box(x0, top + high + 5, x1, top + high + 12,
                    colours.get(same_name(who), SOFT), radius=2)
        for happening in shot.happens:
            x = at(begin + happening.at)
            pen.polygon([(x, top + high + 16), (x + 4, top + high + 20), (x, top + high + 24),
                         (x - 4, top + high + 20)], (226, 190, 110))
    step = next(s for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
                if inner * s / float(timeline.seconds) > 74 or s == 600)
    second = 0
    while second <= timeline.seconds:
        x = at(Fraction(second))
        pen.line([(x, top - 5), (x, top - 1)], FAINT)
        anchor = "l" if second == 0 else "r" if x > width - MARGIN - 20 else "m"
        pen.text(x, top - 9, f"{second // 60}:{second % 60:02d}", 11, FAINT, anchor)
        second += step


def _card(pen: Pen, board: Storyboard, shot: Shot, index: int, left: int, top: int, card: int,
          tall: int, below: int, colours) -> None:
    pen.box(left, top, left + card, top + tall + below, CARD, radius=10)
    size = 18 if card > 300 else 15
    small = 15 if card > 300 else 13
    y = top + tall + 28
    pad, right = left + 14, left + card - 14
    cut = "" if shot.cut == "cut" else f"{shot.cut} {print_number(shot.cut_seconds)} s"
    if cut:
        used = pen.text(right, y, cut, small - 1, (226, 190, 110), "r") + 16
    else:
        used = 0
    name = shot.name.strip() or shot.place.strip() or ("Same place" if index else "Shot")
    name = name[0].upper() + name[1:]
    pen.text(pad, y, pen.fitted(name, size, right - pad - used), size, INK, bold=bool(shot.name))
    rows = _rows(shot, bool(shot.name.strip()))
    if len(rows) > ROWS:
        more = len(rows) - ROWS + 1
        rows = [*rows[: ROWS - 1], ("", f"and {more} more", FAINT)]
    for who, text, ink in rows:
        y += ROW
        x = pad
        if who == "\0":
            pen.polygon([(x + 5, y - 10), (x + 10, y - 5), (x + 5, y), (x, y - 5)],
                        (226, 190, 110))
            x += 18
        elif who:
            pen.dot(x + 5, y - 5, 4.5, colours.get(same_name(who), SOFT))
            x += 18
            x += pen.text(x, y, f"{pen.fitted(who, small, 120)}  ", small, SOFT)
        pen.text(x, y, pen.fitted(text, small, right - x), small, ink)


def _rows(shot: Shot, named: bool) -> list[tuple[str, str, tuple]]:
    """(who, text, colour) of what stands below a shot's name; who "\\0": it happens."""
    facts = [shot.camera or ("close-up" if len(shot.seen) == 1 else "two-shot" if shot.seen
                             else "")]
    facts += [", ".join(shot.seen)] if shot.seen else []
    facts += [shot.place] if named else []
    rows = [("", "  ·  ".join(fact for fact in facts if fact), SOFT)]
    rows = [row for row in rows if row[1]]
    quoted = [(line.who, f"“{' '.join(line.text.split())}”" if line.text.strip() else "(recording)",
               INK) for line in shot.lines]
    events = [("\0", f"{print_number(h.at)} s  {_event(h.text)}", SOFT) for h in shot.happens]
    return rows + quoted + events


def _event(text: str) -> str:
    """What happens; of a single key what it does: "Q: throw a ball"."""
    spec = _KEYS.get(text.strip().casefold())
    return f"{text.strip()}: {spec.label}" if spec is not None else text


def spoken_roughly(shot: Shot) -> list[tuple[Fraction, Fraction, str]]:
    """(start, end, who) of each line in seconds of the shot; lengths not known yet are guessed."""
    out, at = [], LEAD
    for line in shot.lines:
        start = line.at if line.at is not None else at
        takes = (line.recording.seconds if line.recording is not None
                 else line.seconds or estimated(line.text))
        out.append((start, start + takes, line.who))
        at = start + takes + PAUSE
    return out


def _picture(board: Storyboard, shot: Shot, index: int, pictures, width: int, height: int
             ) -> Image.Image:
    picture = None
    if isinstance(pictures, Mapping):
        picture = pictures.get(index)
    elif pictures is not None and index < len(pictures):
        picture = pictures[index]
    if picture is None:
        return Image.fromarray(sketch(board, shot, width, height))
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 \
            or not min(picture.shape):
        raise VideoError(f"contact sheet: picture of shot {index + 1}: {picture.dtype} "
                         f"{list(picture.shape)}; uint8 [height, width, 3] is accepted")
    frame = Image.fromarray(np.ascontiguousarray(picture))
    # Filled, never stretched: what is too much is cut off evenly.
    scale = max(width / frame.width, height / frame.height)
    w, h = width / scale, height / scale
    x, y = (frame.width - w) / 2, (frame.height - h) / 2
    return frame.resize((width, height), Image.Resampling.LANCZOS, (x, y, x + w, y + h))


def _rounded(size: tuple[int, int], radius: int = 10) -> Image.Image:
    """A mask with round upper corners."""
    mask = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle([0, 0, size[0] * 2 - 1, (size[1] + radius) * 2],
                                           radius * 2, 255)
    return mask.resize(size, Image.Resampling.LANCZOS)


def _badges(image: Image.Image, shot: Shot, index: int, left: int, top: int, width: int,
            height: int) -> None:
    """The shot's number and length on its picture."""
    for text, right in ((str(index + 1), False), (f"{_length(shot.seconds)} s", True)):
        measure = Pen(Image.new("RGB", (1, 1)), SCALE)
        w, h = round(measure.width(text, 15)) + 18, 26
        plate = Image.new("RGB", (w * SCALE, h * SCALE), (14, 14, 16))
        Pen(plate, SCALE).text(w / 2, 18.5, text, 15, INK, "m")
        plate = plate.resize((w, h), Image.Resampling.LANCZOS)
        mask = Image.new("L", (w * SCALE, h * SCALE), 0)
        ImageDraw.Draw(mask).rounded_rectangle([0, 0, w * SCALE - 1, h * SCALE - 1], 12 * SCALE,
                                               205)
        mask = mask.resize((w, h), Image.Resampling.LANCZOS)
        x = left + width - w - 10 if right else left + 10
        y = top + height - h - 10 if right else top + 10
        image.paste(plate, (x, y), mask)


def clock(seconds: Fraction) -> str:
    """"0:58.5", "12:03": minutes and seconds, tenths where they are not whole."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    whole, tenths = divmod(tenths, 10)
    return f"{minutes}:{whole:02d}" + (f".{tenths}" if tenths else "")


def _length(seconds: Fraction) -> str:
    return f"{float(seconds):.2f}".rstrip("0").rstrip(".")


def _rate(fps: Fraction) -> str:
    return f"{float(fps):.3f}".rstrip("0").rstrip(".")
