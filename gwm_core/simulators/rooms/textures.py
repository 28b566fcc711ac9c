"""Quiet procedural textures.

Every function returns a float32 picture [512, 512, 3] in 0..1 that covers 3.2 x 3.2 metres (160
pixels a metre) and repeats without a seam to the right and, for floors, downwards.  Row 0 is the
top of a wall.  Colours are given as hex strings, patterns stay low in contrast: the strong lines
of a room are built as geometry (skirting, rails, frames), not painted.
"""

from __future__ import annotations

import numpy as np

SIZE = 512
METRES = 3.2
PX = SIZE / METRES


def colour(code: str) -> np.ndarray:
    """'#rrggbb' -> float32 [3] in 0..1."""
    code = code.lstrip("#")
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255.0


def cloud(rng: np.random.Generator, beta: float = 1.6, stretch: float = 1.0) -> np.ndarray:
    """Periodic noise [512, 512] with spectrum 1/f^beta, mean 0, standard deviation 1.

    `stretch` > 1 draws it out along x (wood grain), < 1 along y.
    """
    fy = np.fft.fftfreq(SIZE)[:, None] * SIZE
    fx = np.fft.rfftfreq(SIZE)[None, :] * SIZE
    radius = np.sqrt((fx * stretch) ** 2 + (fy / stretch) ** 2)
    radius[0, 0] = np.inf
    spectrum = rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)
    out = np.fft.irfft2(spectrum / radius**beta, s=(SIZE, SIZE))
    out -= out.mean()
    return (out / out.std()).astype(np.float32)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """x, y of the pixel centres in metres; y grows downwards from the top."""
    c = (np.arange(SIZE, dtype=np.float32) + 0.5) / PX
    return np.meshgrid(c, c)


def tint(base: str, shade: np.ndarray, hue: np.ndarray | None = None, warm: float = 0.0):
    """A plain colour, multiplied by (1 + shade); `hue` leans it warm and cool by `warm`."""
    out = colour(base)[None, None] * (1.0 + shade[..., None])
    if hue is not None:
        out = out * (1.0 + warm * hue[..., None] * np.array([1.0, 0.1, -1.0], np.float32))
    return np.clip(out, 0, 1).astype(np.float32)


def mix(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    return a + (b - a) * np.clip(t, 0, 1)[..., None]


def line(distance: np.ndarray, width: float) -> np.ndarray:
    """1 on a line of `width` metres where `distance` (metres) is 0, soft by one pixel."""
    return np.clip((width / 2 - np.abs(distance)) * PX + 0.5, 0, 1)


def plaster(rng, base: str, rough: float = 0.025):
    shade = rough * cloud(rng, 1.3) + 0.5 * rough * cloud(rng, 0.6)
    return tint(base, shade, cloud(rng, 2.0), 0.01)


def stripes(rng, base: str, second: str, period: float = 0.32, share: float = 0.5):
    x, _ = grid()
    phase = (x / period) % 1.0
    edge = np.minimum(np.abs(phase - share / 2), 1 - np.abs(phase - share / 2)) * period
    t = np.clip((share * period / 2 - edge) * PX + 0.5, 0, 1)
    pin = line(edge - share * period / 2 - 0.03, 0.012)
    out = mix(plaster(rng, base, 0.012), plaster(rng, second, 0.012), t)
    return mix(out, np.broadcast_to(colour(second) * 0.85, out.shape), pin * 0.5)


def motif(rng, base: str, second: str, period: float = 0.4):
    """A quiet damask: rows of leaf ovals with a stem, every other row shifted."""
    x, y = grid()
    row = np.floor(y / period)
    u = ((x / period + 0.5 * (row % 2)) % 1.0 - 0.5) * period
    v = (y / period % 1.0 - 0.5) * period
    leaf = 1 - ((u / (0.30 * period)) ** 2 + (v / (0.42 * period)) ** 2)
    heart = 1 - ((u / (0.13 * period)) ** 2 + (v / (0.22 * period)) ** 2)
    t = np.clip(leaf * 4, 0, 1) - 0.8 * np.clip(heart * 4, 0, 1)
    return mix(plaster(rng, base, 0.012), plaster(rng, second, 0.012), t * 0.8)


def bricks(rng, base: str, mortar: str, w: float = 0.32, h: float = 0.1, spread: float = 0.10):
    x, y = grid()
    row = np.floor(y / h + 1e-4)
    shift = x / w + 0.5 * (row % 2)
    col = np.floor(shift) % round(METRES / w)
    shade = rng.normal(size=(64, 64)).astype(np.float32)
    hue = rng.normal(size=(64, 64)).astype(np.float32)
    r, c = row.astype(int) % 64, col.astype(int) % 64
    out = tint(base, spread * np.clip(shade[r, c], -2, 2) + 0.05 * cloud(rng, 0.9), hue[r, c], 0.03)
    gap = np.maximum(
        line((shift % 1.0 - np.round(shift % 1.0)) * w, 0.016),
        line((y / h % 1.0 - np.round(y / h % 1.0)) * h, 0.016),
    )
    return mix(out, plaster(rng, mortar, 0.03), gap * 0.9)


def tiles(rng, base: str, grout: str, w: float = 0.2, h: float | None = None, spread: float = 0.03,
          second: str | None = None):
    """Square tiles; with `second` a chequer."""
    h = h or w
    x, y = grid()
    c, r = np.floor(x / w + 1e-4).astype(int), np.floor(y / h + 1e-4).astype(int)
    shade = rng.normal(size=(64, 64)).astype(np.float32)
    value = spread * np.clip(shade[r % 64, c % 64], -2, 2) + 0.012 * cloud(rng, 1.0)
    out = tint(base, value)
    if second:
        out = mix(out, tint(second, value), ((r + c) % 2).astype(np.float32))
    fx = np.abs((x / w + 0.5) % 1.0 - 0.5) * w
    fy = np.abs((y / h + 0.5) % 1.0 - 0.5) * h
    out = out * (1 + 0.05 * line(np.minimum(fx, fy) - 0.012, 0.012))[..., None]
    gap = line(np.minimum(fx, fy), 0.012) * 0.8
    return mix(out, np.broadcast_to(colour(grout), out.shape), gap)


def planks(rng, base: str, width: float = 0.16, length: float = 1.6, spread: float = 0.07,
           upright: bool = False, groove: float = 0.35):
    """Boards along x (along y when `upright`), with grain and staggered butt joints."""
    x, y = grid()
    row = np.floor(y / width + 1e-4).astype(int)
    start = rng.integers(0, 16, 128) / 16.0
    along = x / length + start[row % 128]
    col = np.floor(along).astype(int) % round(METRES / length)
    shade = rng.normal(size=(128, 8)).astype(np.float32)
    hue = rng.normal(size=(128, 8)).astype(np.float32)
    grain = cloud(rng, 1.0, 6.0)
    value = spread * np.clip(shade[row % 128, col % 8], -2, 2) + 0.035 * grain
    out = tint(base, value, hue[row % 128, col % 8], 0.02)
    joint = np.maximum(
        line(np.abs((y / width + 0.5) % 1.0 - 0.5) * width, 0.010),
        0.7 * line(np.abs((along + 0.5) % 1.0 - 0.5) * length, 0.008) * (length < METRES),
    )
    out = out * (1 - groove * joint[..., None])
    return np.ascontiguousarray(out.transpose(1, 0, 2)) if upright else out


def herringbone(rng, base: str, width: float = 0.1, spread: float = 0.08):
    """Parquet of short boards at right angles (4 widths long)."""
    x, y = grid()
    n = 4
    i, j = np.floor(x / width + 1e-4).astype(int), np.floor(y / width + 1e-4).astype(int)
    phase = (i + j) % (2 * n)
    across = phase < n  # this cell belongs to a board along x
    head_i = i - np.where(across, phase, 0)
    head_j = j - np.where(across, 0, phase - n)
    shade = rng.normal(size=(32, 32, 2)).astype(np.float32)
    s = shade[head_j % 32, head_i % 32, across.astype(int)]
    grain = np.where(across, cloud(rng, 1.0, 5.0), cloud(rng, 1.0, 0.2))
    out = tint(base, spread * np.clip(s, -2, 2) + 0.03 * grain + np.where(across, 0.03, -0.03))
    fx, fy = x / width % 1.0, y / width % 1.0
    d = np.full(x.shape, 9.0, np.float32)
    for side, inside in (
        (fx, ~across | (phase == 0)), (1 - fx, ~across | (phase == n - 1)),
        (fy, across | (phase == n)), (1 - fy, across | (phase == 2 * n - 1)),
    ):
        d = np.where(inside, np.minimum(d, side * width), d)
    return out * (1 - 0.35 * line(d, 0.010)[..., None])


def carpet(rng, base: str, second: str | None = None, period: float = 0.8):
    out = tint(base, 0.05 * cloud(rng, 0.3) + 0.02 * cloud(rng, 1.5))
    if second:
        x, y = grid()
        a = np.abs((x / period + y / period + 0.5) % 1.0 - 0.5) * period
        b = np.abs((x / period - y / period + 0.5) % 1.0 - 0.5) * period
        out = mix(out, tint(second, 0.05 * cloud(rng, 0.3)), line(np.minimum(a, b), 0.035) * 0.7)
    return out


def concrete(rng, base: str, panel: float = 1.6, holes: bool = True):
    x, y = grid()
    out = tint(base, 0.035 * cloud(rng, 1.5) + 0.015 * cloud(rng, 0.5))
    fx = np.abs((x / panel + 0.5) % 1.0 - 0.5) * panel
    fy = np.abs((y / panel + 0.5) % 1.0 - 0.5) * panel
    out = out * (1 - 0.22 * line(np.minimum(fx, fy), 0.014)[..., None])
    if holes:
        q = panel / 4
        u = np.abs(x / (2 * q) % 1.0 - 0.5) * 2 * q
        v = np.abs(y / (2 * q) % 1.0 - 0.5) * 2 * q
        out = out * (1 - 0.3 * np.clip((0.025 - np.hypot(u, v)) * PX + 0.5, 0, 1)[..., None])
    return out


def panels(rng, base: str, w: float = 0.8, h: float = 1.0, frame: float = 0.1, grain: float = 6.0):
    """Framed wooden panelling with a light and a dark bevel line."""
    x, y = grid()
    out = tint(base, 0.03 * cloud(rng, 1.0, 1 / grain) + 0.015 * cloud(rng, 1.6))
    u = (0.5 - np.abs(x / w % 1.0 - 0.5)) * w - frame
    v = (0.5 - np.abs((y + 0.2) / h % 1.0 - 0.5)) * h - frame
    d = np.minimum(u, v)
    upper = ((y + 0.2) / h % 1.0) < 0.5
    bevel = line(d - 0.012, 0.026)
    out = out * (1 + bevel * np.where(upper, -0.22, 0.12))[..., None]
    return out * (1 + 0.05 * np.clip(d * 60, 0, 1))[..., None]


def plates(rng, base: str, w: float = 0.8, h: float = 0.8, studs: float = 0.006):
    """Sheet metal with seams and rivets."""
    x, y = grid()
    out = tint(base, 0.025 * cloud(rng, 1.2, 3.0) + 0.02 * cloud(rng, 1.8))
    fx = np.abs((x / w + 0.5) % 1.0 - 0.5) * w
    fy = np.abs((y / h + 0.5) % 1.0 - 0.5) * h
    out = out * (1 - 0.3 * line(np.minimum(fx, fy), 0.014)[..., None])
    p = 0.16
    gx = np.abs((x / p) % 1.0 - 0.5) * p
    gy = np.abs((y / p) % 1.0 - 0.5) * p
    near = np.minimum(np.hypot(fx - 0.04, gy), np.hypot(gx, fy - 0.04))
    return out * (1 + 0.18 * np.clip((studs * 2 - near) * PX + 0.5, 0, 1))[..., None]


def diamond_plate(rng, base: str):
    x, y = grid()
    p = 0.1
    i = np.floor(x / p + 1e-4).astype(int) + np.floor(y / p + 1e-4).astype(int)
    u, v = (x / p % 1.0 - 0.5) * p, (y / p % 1.0 - 0.5) * p
    s = np.where(i % 2 == 0, 1.0, -1.0)
    a, b = (u + s * v) * 0.707, (u - s * v) * 0.707
    lug = np.clip(1 - (a / 0.038) ** 2 - (b / 0.011) ** 2, 0, 1)
    out = tint(base, 0.02 * cloud(rng, 1.6) + 0.10 * np.sqrt(lug) - 0.02)
    fx = np.abs((x / 1.6 + 0.5) % 1.0 - 0.5) * 1.6
    fy = np.abs((y / 1.6 + 0.5) % 1.0 - 0.5) * 1.6
    return out * (1 - 0.3 * line(np.minimum(fx, fy), 0.016)[..., None])


def screens(rng, paper: str, wood: str, w: float = 0.8):
    """Paper screens in a wooden grid."""
    x, y = grid()
    out = tint(paper, 0.012 * cloud(rng, 1.0) + 0.008 * cloud(rng, 0.4))
    fx = np.abs((x / w + 0.5) % 1.0 - 0.5) * w
    gx = np.abs((x / (w / 3) + 0.5) % 1.0 - 0.5) * w / 3
    gy = np.abs((y / 0.4 + 0.5) % 1.0 - 0.5) * 0.4
    bars = np.maximum(line(fx, 0.07), np.maximum(line(gx, 0.02), line(gy, 0.02)) * 0.75)
    return mix(out, tint(wood, 0.03 * cloud(rng, 1.0, 0.2)), bars)


def split(upper: np.ndarray, lower: np.ndarray, height: float) -> np.ndarray:
    """`lower` up to `height` metres above the floor, `upper` from there."""
    _, y = grid()
    return np.where(((METRES - y) < height)[..., None], lower, upper).astype(np.float32)


def small(picture: np.ndarray, factor: int = 2) -> np.ndarray:
    """Area-averaged by `factor`, as uint8."""
    h, w = picture.shape[:2]
    out = picture.reshape(h // factor, factor, w // factor, factor, 3).mean((1, 3))
    return (np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8)
