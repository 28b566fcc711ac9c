"""Filling what a guide does not cover: narrow cracks at every draw, whole holes smoothly.

Nothing that is filled here is ever kept. A crack mostly opens beside a near thing's rim, onto
what lies behind it: where its two ends differ in depth the farther one is continued.
"""

from __future__ import annotations

import numpy as np

from .compiled import kernel


@kernel
def _spans(covered, longest, out):
    """out int16 [H,W,4]: distances to the covered ends left, right, up, down of runs of not more
    than `longest` uncovered pixels; 0 where the run is longer or meets the picture's edge."""
    h, w = covered.shape
    out[:] = 0
    for i in range(h):
        last = -1
        for j in range(w):
            if covered[i, j]:
                gap = j - last - 1
                if last >= 0 and 0 < gap <= longest:
                    for x in range(last + 1, j):
                        out[i, x, 0], out[i, x, 1] = x - last, j - x
                last = j
    for j in range(w):
        last = -1
        for i in range(h):
            if covered[i, j]:
                gap = i - last - 1
                if last >= 0 and 0 < gap <= longest:
                    for y in range(last + 1, i):
                        out[y, j, 2], out[y, j, 3] = y - last, i - y
                last = i


@kernel
def _cross(spans, rgb, depth, out_rgb, out_depth, filled):
    """Fill each pixel that has a span, along its shorter one."""
    h, w = depth.shape
    for i in range(h):
        for j in range(w):
            left, right = spans[i, j, 0], spans[i, j, 1]
            up, low = spans[i, j, 2], spans[i, j, 3]
            if left == 0 and up == 0:
                continue
            if left > 0 and (up == 0 or left + right <= up + low):
                ai, aj, bi, bj, da, db = i, j - left, i, j + right, left, right
            else:
                ai, aj, bi, bj, da, db = i - up, j, i + low, j, up, low
            za, zb = depth[ai, aj], depth[bi, bj]
            share = da / (da + db)
            if za > zb * 1.1:
                share = 0.0
            elif zb > za * 1.1:
                share = 1.0
            for c in range(3):
                value = rgb[ai, aj, c] * (1.0 - share) + rgb[bi, bj, c] * share
                out_rgb[i, j, c] = int(value + 0.5)
            out_depth[i, j] = 1.0 / ((1.0 - share) / za + share / zb)
            filled[i, j] = True


@kernel
def _take(rgb, depth, known, value, weight):
    """Colour and disparity of known pixels with weight 1; of others nothing."""
    for i in range(depth.shape[0]):
        for j in range(depth.shape[1]):
            sure = known[i, j]
            weight[i, j] = 1.0 if sure else 0.0
            for c in range(3):
                value[i, j, c] = rgb[i, j, c]
            value[i, j, 3] = 1.0 / depth[i, j] if sure else 1.0


@kernel
def _put(value, known, rgb, depth):
    """Filled colour and disparity into what is not known."""
    for i in range(depth.shape[0]):
        for j in range(depth.shape[1]):
            if not known[i, j]:
                for c in range(3):
                    rgb[i, j, c] = int(min(max(round(value[i, j, c]), 0.0), 255.0))
                depth[i, j] = 1.0 / max(value[i, j, 3], 1e-3)


@kernel
def _pull(value, weight, out, total):
    """Half the size: weighted means of 2 x 2 cells; the weight saturates at 1."""
    h, w = weight.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            s = 0.0
            a0 = a1 = a2 = a3 = 0.0
            for y in range(2 * i, min(2 * i + 2, h)):
                for x in range(2 * j, min(2 * j + 2, w)):
                    g = weight[y, x]
                    s += g
                    a0 += g * value[y, x, 0]
                    a1 += g * value[y, x, 1]
                    a2 += g * value[y, x, 2]
                    a3 += g * value[y, x, 3]
            d = max(s, 1e-9)
            out[i, j, 0], out[i, j, 1], out[i, j, 2], out[i, j, 3] = a0 / d, a1 / d, a2 / d, a3 / d
            total[i, j] = min(s, 1.0)


@kernel
def _push(value, weight, coarse):
    """Blend the coarser level, bilinearly enlarged, into where the weight is below 1."""
    h, w = weight.shape
    ch, cw = coarse.shape[0], coarse.shape[1]
    for i in range(h):
        y = min(max((i + 0.5) / 2 - 0.5, 0.0), ch - 1.0)
        y0 = min(int(y), ch - 1)
        y1 = min(y0 + 1, ch - 1)
        fy = y - y0
        for j in range(w):
            g = weight[i, j]
            if g >= 1.0:
                continue
            x = min(max((j + 0.5) / 2 - 0.5, 0.0), cw - 1.0)
            x0 = min(int(x), cw - 1)
            x1 = min(x0 + 1, cw - 1)
            fx = x - x0
            for c in range(4):
                top = coarse[y0, x0, c] * (1 - fx) + coarse[y0, x1, c] * fx
                low = coarse[y1, x0, c] * (1 - fx) + coarse[y1, x1, c] * fx
                value[i, j, c] = g * value[i, j, c] + (1 - g) * (top * (1 - fy) + low * fy)


def narrow(covered: np.ndarray, width: int = 5) -> np.ndarray:
    """bool [H,W]: uncovered pixels of gaps at most `width` pixels wide, across or down."""
    out = np.empty((*covered.shape, 4), np.int16)
    _spans(np.ascontiguousarray(covered), width, out)
    return out.any(-1)


def fill_cracks(guide, max_px: int = 5):
    """The guide with cracks of at most `max_px` pixels filled; they are marked in `filled` and
    stay out of `covered`."""
    known = guide.known
    spans = np.empty((*known.shape, 4), np.int16)
    _spans(known, max_px, spans)
    rgb, depth, filled = guide.rgb.copy(), guide.depth.copy(), guide.filled.copy()
    _cross(spans, guide.rgb, guide.depth, rgb, depth, filled)
    return guide.with_(rgb=rgb, depth=depth, filled=filled)


def smooth(rgb: np.ndarray, depth: np.ndarray, known: np.ndarray):
    """Push-pull: rgb uint8 [H,W,3] and depth float32 [H,W] with the pixels that are not in
    `known` bool [H,W] filled smoothly (disparity is what is interpolated). Where nothing at all
    is known: mid grey at 3 m."""
    if not known.any():
        return np.full_like(rgb, 128), np.full_like(depth, 3.0)
    if known.all():
        return rgb.copy(), depth.copy()
    value = np.empty((*depth.shape, 4), np.float32)
    weight = np.empty(depth.shape, np.float32)
    _take(rgb, depth, known, value, weight)
    levels = [(value, weight)]
    while max(levels[-1][1].shape) > 1:
        value, weight = levels[-1]
        half = tuple((n + 1) // 2 for n in weight.shape)
        out, total = np.empty((*half, 4), np.float32), np.empty(half, np.float32)
        _pull(value, weight, out, total)
        levels.append((out, total))
    for fine, coarse in zip(levels[-2::-1], levels[:0:-1], strict=True):
        _push(fine[0], fine[1], coarse[0])
    rgb, depth = rgb.copy(), depth.astype(np.float32)
    _put(levels[0][0], known, rgb, depth)
    return rgb, depth


def push_pull(guide):
    """The guide with everything uncovered filled smoothly (and marked in `filled`)."""
    known = guide.known
    rgb, depth = smooth(guide.rgb, guide.depth, known)
    return guide.with_(rgb=rgb, depth=depth, filled=guide.filled | ~known)
