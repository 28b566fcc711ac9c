"""The art-directed catalogue: room themes, sounding materials, looks of movable things, light.

Themes and materials are shared by training and evaluation; held out are layouts, combinations of
(theme, time, fog) and the wording of prompts.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import textures as tx

MATERIALS = ("wood", "stone", "tile", "carpet", "metal", "plaster")
TIMES = ("day", "dusk", "night")
LAMPS = ("off", "on")
FOGS = ("none", "light", "dense")
#: parts of a room: label = theme * 8 + part; 255 is "no theme" (movable things, the player)
PARTS = ("floor", "wall", "ceiling", "trim", "door", "furniture", "window", "lamp")
FLOOR, WALL, CEILING, TRIM, DOOR, FURNITURE, WINDOW, LAMP = range(8)
NO_LABEL = 255

Painter = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Theme:
    """One look of a room.  Colours are hex strings, materials are names out of MATERIALS."""

    name: str
    wall: Painter
    floor: Painter
    ceiling: str
    trim: str
    door: str
    wood: str
    fabric: str
    shade: str
    wall_material: str
    floor_material: str
    #: height in metres of a rail along the walls, 0 for none
    rail: float = 0.0
    cornice: float = 0.07
    skirting: float = 0.11
    beams: bool = False

    @property
    def floor_index(self) -> int:
        return MATERIALS.index(self.floor_material)

    @property
    def wall_index(self) -> int:
        return MATERIALS.index(self.wall_material)


THEMES: tuple[Theme, ...] = (
    Theme("brick hall", lambda r: tx.bricks(r, "#a2644e", "#b9a898"),
          lambda r: tx.concrete(r, "#8d8a86", 1.6, False), "#cfc8bf", "#4a3f39", "#5d4436",
          "#7a5a41", "#5b6570", "#e9d8b4", "stone", "stone", cornice=0.0, skirting=0.14,
          beams=True),
    Theme("white gallery", lambda r: tx.plaster(r, "#e4e0d8", 0.012),
          lambda r: tx.planks(r, "#c3a079", 0.2, 1.6, 0.04), "#efece6", "#f4f1ea", "#d9d4ca",
          "#b08d66", "#7d8a8c", "#f3ead6", "plaster", "wood", cornice=0.05, skirting=0.14),
    Theme("green study", lambda r: tx.split(tx.motif(r, "#5c7a63", "#6c8b71"),
                                            tx.panels(r, "#6f4f37", 0.8, 1.2, 0.12), 1.0),
          lambda r: tx.herringbone(r, "#96683f"), "#d8d2c0", "#5a3d29", "#5a3d29", "#6b4a31",
          "#8a3b33", "#d9c28c", "wood", "wood", rail=1.0),
    Theme("blue salon", lambda r: tx.split(tx.stripes(r, "#9db3c6", "#aabfd0", 0.32),
                                           tx.panels(r, "#e3e2dc", 0.8, 1.0, 0.1), 0.9),
          lambda r: tx.carpet(r, "#46566f"), "#eceae4", "#ebe8e0", "#dfdbd0", "#84664b",
          "#c9a24e", "#efe3c6", "plaster", "carpet", rail=0.9, cornice=0.1),
    Theme("teal bath", lambda r: tx.split(tx.plaster(r, "#d9e2de", 0.012),
                                          tx.tiles(r, "#5f9c97", "#cfdcd8", 0.16), 1.44),
          lambda r: tx.tiles(r, "#d8dad6", "#9aa5a3", 0.32, second="#5d7f80"), "#e6ebe8", "#e2e6e2",
          "#cfd8d4", "#8a9a97", "#e0e4e0", "#f0f0e4", "tile", "tile", rail=1.44, cornice=0.04,
          skirting=0.08),
    Theme("concrete loft", lambda r: tx.concrete(r, "#a9a8a4"),
          lambda r: tx.concrete(r, "#6f7173", 3.2, False), "#b8b7b3", "#33363a", "#3a3e43",
          "#a57f55", "#c0603a", "#e4dccb", "stone", "stone", cornice=0.0, skirting=0.05,
          beams=True),
    Theme("timber cabin", lambda r: tx.planks(r, "#b58656", 0.2, 3.2, 0.05),
          lambda r: tx.planks(r, "#7c5636", 0.2, 1.6, 0.06), "#c39a6b", "#6a4426", "#6a4426",
          "#8c6239", "#5f7a52", "#f0d9a0", "wood", "wood", cornice=0.06, beams=True),
    Theme("terracotta court", lambda r: tx.split(tx.plaster(r, "#d9a27c", 0.03),
                                                 tx.plaster(r, "#b5664a", 0.03), 0.8),
          lambda r: tx.tiles(r, "#b9694a", "#d8b9a0", 0.32, spread=0.05), "#efdcc8", "#f0dcc4",
          "#4f7f86", "#805437", "#3f7c86", "#f0dcb0", "plaster", "tile", rail=0.8, cornice=0.05),
    Theme("steel workshop", lambda r: tx.split(tx.plates(r, "#8d9aa6", 0.8, 0.8),
                                               tx.plates(r, "#54626f", 0.8, 0.8), 1.2),
          lambda r: tx.diamond_plate(r, "#74797d"), "#7d868e", "#2f353b", "#c08a2e", "#66717c",
          "#c08a2e", "#e8ecee", "metal", "metal", rail=1.2, cornice=0.0, skirting=0.1, beams=True),
    Theme("stone cellar", lambda r: tx.bricks(r, "#9b9283", "#7c7467", 0.8, 0.4, 0.07),
          lambda r: tx.tiles(r, "#7f7a70", "#5f5a52", 0.8, 0.64, spread=0.06), "#8f877a", "#6e665a",
          "#5b4632", "#694e35", "#6b3f37", "#f0cf90", "stone", "stone", cornice=0.0,
          skirting=0.16, beams=True),
    Theme("rose parlour", lambda r: tx.motif(r, "#c58f92", "#d0a0a1", 0.4),
          lambda r: tx.carpet(r, "#b8a890", "#a5937a"), "#f0e8e2", "#f0e6df", "#e4d6cd",
          "#7d523f", "#5d7a78", "#f3dfc8", "plaster", "carpet", rail=0.0, cornice=0.11,
          skirting=0.18),
    Theme("mustard kitchen",
          lambda r: tx.split(tx.plaster(r, "#eadfc4", 0.012),
                             tx.tiles(r, "#c8993c", "#e8d9ae", 0.16, 0.08), 1.28),
          lambda r: tx.tiles(r, "#dcd5c4", "#a89f8c", 0.4, second="#4d4f52"), "#f2ecdc", "#f0e9d8",
          "#7d9a8a", "#7d9a8a", "#b4503c", "#f4e6be", "tile", "tile", rail=1.28, cornice=0.05),
    Theme("walnut library", lambda r: tx.panels(r, "#6d4a33", 0.8, 0.8, 0.1),
          lambda r: tx.carpet(r, "#7a2f31", "#94504a"), "#d9c9ae", "#4c3020", "#4c3020", "#553622",
          "#2f5a4a", "#e6c98a", "wood", "carpet", cornice=0.12, skirting=0.2),
    Theme("paper house", lambda r: tx.screens(r, "#e8e0cc", "#5a4230"),
          lambda r: tx.planks(r, "#b5ab77", 0.8, 1.6, 0.02, groove=0.55), "#d9c9a4", "#5a4230",
          "#5a4230", "#6b5038", "#7c3f45", "#f6ead0", "wood", "carpet", cornice=0.05,
          skirting=0.06, beams=True),
)
THEME_NAMES = tuple(t.name for t in THEMES)

#: distinct, saturated looks: nothing static in the catalogue is this bright
THING_COLOURS: dict[str, str] = {
    "red": "#e01f2f", "blue": "#1f4be0", "green": "#16b04a", "yellow": "#f6d512",
    "purple": "#9a25d6", "white": "#fbfbfb",
}
COLOUR_NAMES = tuple(THING_COLOURS)
BANDS = {"red": "#fbfbfb", "blue": "#ffe14a", "green": "#fbfbfb", "yellow": "#1b1b1b",
         "purple": "#7dffe0", "white": "#e01f2f"}
#: the thrown ball has one fixed look
THROWN_COLOUR, THROWN_BAND = "#ff7a14", "#ffffff"


@functools.lru_cache(maxsize=64)
def surface(theme: int, part: str) -> np.ndarray:
    """Texture uint8 [512, 512, 3] of 'wall', 'floor', 'ceiling', 'wood' or 'fabric'."""
    t = THEMES[theme]
    rng = np.random.Generator(np.random.Philox(key=zlib.crc32(f"{t.name}/{part}".encode())))
    if part in ("wall", "floor"):
        picture = getattr(t, part)(rng)
    elif part == "ceiling":
        picture = tx.plaster(rng, t.ceiling, 0.012)
    elif part == "wood":
        picture = tx.planks(rng, t.wood, 0.2, 3.2, 0.02, groove=0.15)
    elif part == "fabric":
        picture = tx.carpet(rng, t.fabric)
    else:
        raise ValueError(f"part must be wall, floor, ceiling, wood or fabric, not {part!r}")
    return tx.small(picture, 1)


@functools.lru_cache(maxsize=1)
def pictures() -> np.ndarray:
    """Atlas uint8 [512, 512, 3] of 16 small painted pictures, 4 x 4."""
    rng = np.random.Generator(np.random.Philox(key=77))
    y, x = np.mgrid[0:128, 0:128].astype(np.float32) / 127
    atlas = np.zeros((512, 512, 3), np.float32)
    palettes = (("#d9c7a0", "#a5563f", "#3f5d6b"), ("#c9d2d4", "#4e6f7d", "#22343f"),
                ("#e3d6c0", "#7f8f5a", "#3e4f3a"), ("#ead9cf", "#c58a80", "#6d3f4a"))
    for k in range(16):
        a, b, c = (tx.colour(v) for v in palettes[k % 4])
        pic = np.broadcast_to(a, (128, 128, 3)).copy()
        if k // 4 == 0:  # hills
            for j, col in enumerate((b * 0.5 + a * 0.5, b, c)):
                h = 0.35 + 0.2 * j + 0.08 * np.sin(x * rng.uniform(3, 8) + rng.uniform(0, 6))
                pic = np.where((y > h)[..., None], col, pic)
        elif k // 4 == 1:  # discs
            for col in (b, c, b * 0.6 + a * 0.4):
                cx, cy, r = rng.uniform(0.25, 0.75, 2).tolist() + [rng.uniform(0.12, 0.28)]
                pic = np.where((np.hypot(x - cx, y - cy) < r)[..., None], col, pic)
        elif k // 4 == 2:  # bars
            for col in (b, c, b, c):
                u, w = rng.uniform(0.1, 0.8), rng.uniform(0.04, 0.16)
                inside = (np.abs(x - u) < w) if rng.random() < 0.6 else (np.abs(y - u) < w)
                pic = np.where(inside[..., None], col, pic)
        else:  # a jug on a table
            pic = np.where((y > 0.7)[..., None], b, pic)
            body = ((x - 0.5) / 0.2) ** 2 + ((y - 0.58) / 0.24) ** 2 < 1
            neck = (np.abs(x - 0.5) < 0.07) & (y > 0.22) & (y < 0.5)
            pic = np.where((body | neck)[..., None], c, pic)
        mat = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) < 0.09
        pic = np.where(mat[..., None], np.float32([0.93, 0.91, 0.86]), pic)
        pic = pic + 0.012 * rng.normal(size=pic.shape)
        r, q = divmod(k, 4)
        atlas[r * 128 : r * 128 + 128, q * 128 : q * 128 + 128] = pic
    return (np.clip(atlas, 0, 1) * 255 + 0.5).astype(np.uint8)


@functools.lru_cache(maxsize=1)
def sky() -> np.ndarray:
    """What a window shows by day, uint8 [256, 256, 3]; the light formula tints it by time."""
    y = np.linspace(0, 1, 256, dtype=np.float32)[:, None, None]
    top, low = np.float32([0.62, 0.77, 0.93]), np.float32([0.93, 0.95, 0.96])
    pic = np.broadcast_to(top + (low - top) * y, (256, 256, 3)).copy()
    x = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None]
    hill = 0.80 + 0.05 * np.sin(x * 6.283) + 0.02 * np.sin(x * 18.85 + 1)
    pic = np.where(y > hill, np.float32([0.56, 0.66, 0.62]), pic)
    return (pic * 255 + 0.5).astype(np.uint8)


@functools.lru_cache(maxsize=32)
def thing_texture(kind: str, name: str) -> np.ndarray:
    """Texture uint8 [64, 64, 3] of a 'ball' (longitude x latitude) or a face of a 'box'."""
    if name == "thrown":
        base, band = tx.colour(THROWN_COLOUR), tx.colour(THROWN_BAND)
    else:
        base, band = tx.colour(THING_COLOURS[name]), tx.colour(BANDS[name])
    y, x = np.mgrid[0:64, 0:64].astype(np.float32) / 64 + 1 / 128
    pic = np.broadcast_to(base, (64, 64, 3)).copy()
    if kind == "ball":
        on = np.abs(y - 0.5) < 0.11
    else:
        k = COLOUR_NAMES.index(name) % 3
        d = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5))
        if k == 0:  # a cross
            on = (np.abs(x - y) < 0.09) | (np.abs(x + y - 1) < 0.09)
        elif k == 1:  # a square inside
            on = (d < 0.26) & (d > 0.12)
        else:  # a broad band
            on = np.abs(y - 0.5) < 0.13
        on = on | (d > 0.45)
    pic = np.where(on[..., None], band, pic)
    return (pic * 255 + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class Condition:
    """Light of a world: time 0..2 (day, dusk, night), lamps 0..1 (off, on), fog 0..2."""

    time: int = 0
    lamps: int = 0
    fog: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.time < 3 and 0 <= self.lamps < 2 and 0 <= self.fog < 3):
            raise ValueError(f"no such light condition: {self!r}")

    @property
    def index(self) -> int:
        return self.time * 6 + self.lamps * 3 + self.fog

    @classmethod
    def of(cls, value: int | Condition) -> Condition:
        """From an index 0..17 (time * 6 + lamps * 3 + fog) or a Condition."""
        if isinstance(value, Condition):
            return value
        value = int(value)
        return cls(value // 6, value // 3 % 2, value % 3)


def is_held_out(theme: int, condition: int | Condition) -> bool:
    """True for the combinations (theme, time, fog) that training never sees in a start room."""
    c = Condition.of(condition)
    key = f"{THEME_NAMES[theme]}|{TIMES[c.time]}|{FOGS[c.fog]}".encode()
    return c.index % 9 != 0 and zlib.crc32(key) % 7 == 0
