"""Type on pictures: pillow's own font, and another one of the system for letters it lacks."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

OTHERS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "segoeui.ttf",
    "arial.ttf", "Arial.ttf", "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc", "msyh.ttc",
    "PingFang.ttc", "YuGothM.ttc", "malgun.ttf",
)
"""Files that are looked for among the system's fonts, first come first served."""
_NO_LETTER = "\U0010fffe"


class Pen:
    """Draws on an image at ``scale``; places and sizes are of the picture that comes out.

    Text is anchored at its baseline: "l" left, "m" middle, "r" right.
    """

    def __init__(self, image: Image.Image, scale: int = 1) -> None:
        self.image, self.scale = image, scale
        self.draw = ImageDraw.Draw(image)

    def text(self, x: float, y: float, text: str, size: float, ink, anchor: str = "l",
             bold: bool = False) -> float:
        """Write one line with its baseline at y; returns its width."""
        runs = _runs(text, round(size * self.scale))
        width = sum(font.getlength(part) for part, font in runs)
        at = x * self.scale - {"l": 0, "m": width / 2, "r": width}[anchor]
        for part, font in runs:
            self.draw.text((at, y * self.scale), part, ink, font, anchor="ls",
                           stroke_width=max(round(size * self.scale / 45), 1) if bold else 0)
            at += font.getlength(part)
        return width / self.scale

    def width(self, text: str, size: float) -> float:
        return sum(font.getlength(part)
                   for part, font in _runs(text, round(size * self.scale))) / self.scale

    def fitted(self, text: str, size: float, width: float) -> str:
        """The text, cut with "…" where it is wider; between words where that loses little."""
        if self.width(text, size) <= width:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if self.width(text[:middle].rstrip() + "…", size) <= width:
                low = middle
            else:
                high = middle - 1
        kept = text[:low].rstrip()
        words = kept.rsplit(" ", 1)[0]
        if low < len(text) and text[low] != " " and len(words) > 0.7 * len(kept):
            kept = words
        return kept.rstrip(" ,;:") + "…"

    def box(self, left: float, top: float, right: float, bottom: float, fill=None, outline=None,
            radius: float = 0) -> None:
        """A filled rectangle, its corners rounded."""
        s = self.scale
        self.draw.rounded_rectangle([left * s, top * s, right * s - 1, bottom * s - 1],
                                    radius * s, fill, outline, max(s // 2, 1) if outline else 0)

    def dot(self, x: float, y: float, radius: float, fill) -> None:
        s = self.scale
        self.draw.ellipse([(x - radius) * s, (y - radius) * s, (x + radius) * s, (y + radius) * s],
                          fill)

    def polygon(self, places, fill) -> None:
        self.draw.polygon([(x * self.scale, y * self.scale) for x, y in places], fill)

    def line(self, places, ink, width: float = 1) -> None:
        self.draw.line([(x * self.scale, y * self.scale) for x, y in places], ink,
                       max(round(width * self.scale), 1), joint="curve")


def _runs(text: str, pixels: int) -> list[tuple[str, ImageFont.FreeTypeFont]]:
    """The text in parts that one font holds all letters of."""
    out: list[tuple[str, ImageFont.FreeTypeFont]] = []
    for char in unicodedata.normalize("NFC", text):
        if unicodedata.category(char) in ("Mn", "Cf", "Cc"):
            continue
        shown, name = _chosen(char)
        font = _font(name, pixels)
        if out and out[-1][1] is font:
            out[-1] = (out[-1][0] + shown, font)
        else:
            out.append((shown, font))
    return out


@lru_cache(maxsize=4096)
def _chosen(char: str) -> tuple[str, str]:
    """The letter to draw and the font that has it: a letter that none has loses its accents."""
    for name in ("", *OTHERS):
        if _has(name, char):
            return char, name
    plain = unicodedata.normalize("NFKD", char)[0]
    return (plain, "") if _has("", plain) else (char, "")


@lru_cache(maxsize=8192)
def _has(name: str, char: str) -> bool:
    font = _font(name, 20)
    if font is None:
        return False
    if char == " ":
        return True
    got, missing = font.getmask(char), font.getmask(_NO_LETTER)
    return got.size != missing.size or bytes(got) != bytes(missing)


@lru_cache(maxsize=256)
def _font(name: str, pixels: int):
    if not name:
        return ImageFont.load_default(pixels)
    try:
        return ImageFont.truetype(name, pixels)
    except OSError:
        return None
