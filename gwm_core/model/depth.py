"""Reads a single picture: how far everything is, and what it is.

A small U-Net over the picture at 64x40 and the rays of its pixels, with attention between all
cells of an eighth of that size: a room's size can only be told from all of it. It gives
log-disparity, the part of a room that each pixel belongs to, and the room theme it looks like
(both may be unknown).
"""

from __future__ import annotations

import torch
from torch import nn

#: the size the network works at
WIDTH, HEIGHT = 64, 40
#: rgb, ray elevation and azimuth, given log-disparity, whether it is given
INPUTS = 7
PARTS = 8
THEMES = 14
EYE_HEIGHT = 1.55
VERSION = 2
#: the stage (an eighth of the size) at which every cell looks at every other one
LOOKS_AT = 2


class _Stage(nn.Module):
    """Two 3x3 convolutions with a skip; the first may halve the size."""

    def __init__(self, inputs: int, outputs: int, stride: int, operations) -> None:
        super().__init__()
        self.first = operations.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.norm = operations.GroupNorm(8, outputs)
        self.second = operations.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x):
        x = nn.functional.silu(self.norm(self.first(x)))
        return x + nn.functional.silu(self.second(x))


class _Look(nn.Module):
    """Every cell looks at every other one; says nothing when new."""

    def __init__(self, width: int, heads: int, operations) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = operations.Linear(width, 3 * width)
        self.join = operations.Linear(width, width)
        self.wide = operations.Linear(width, 2 * width)
        self.narrow = operations.Linear(2 * width, width)
        for layer in (self.join, self.narrow):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(self.before(x)).reshape(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.join(y.transpose(1, 2).reshape(b, n, c))
        return x + self.narrow(nn.functional.silu(self.wide(self.between(x))))


def floor_hint(elevation):
    """Log-disparity along the ground that a level floor has there; at most that of 20 m."""
    return torch.log(torch.tan((-elevation).clamp(0.077, 1.5)) / EYE_HEIGHT)


class PictureReader(nn.Module):
    """forward(x f32 [B, 7, 40, 64]) -> (log-disparity [B, 40, 64], parts [B, 9, 40, 64]
    logits, themes [B, 15, 40, 64] logits, tilt [B]); the last class of parts and themes is
    "none". tilt: by how many radians the camera looks higher than the given rays say.

    Colours are 0..1, elevation and azimuth of rays in radians. Without `looks` it is the network
    of version 1, which had no attention and no hint of where the floor is.
    """

    size = (WIDTH, HEIGHT)

    def __init__(self, widths=(24, 48, 80, 112, 128), looks: int = 2, heads: int = 4,
                 operations=nn) -> None:
        super().__init__()
        self.config = {"widths": list(widths)}
        if looks:
            self.config |= {"version": VERSION, "looks": looks, "heads": heads}
        self.hinted = looks > 0
        entering = INPUTS + self.hinted
        inputs = [entering, *widths[:-1]]
        # Most of the cost lies at full size: it is entered by a strided convolution.
        strides = [2, 2, 2, 2, 1]
        self.down = nn.ModuleList(
            _Stage(i, o, s, operations) for i, o, s in zip(inputs, widths, strides, strict=True)
        )
        self.whole = operations.Linear(widths[-1], widths[-1])
        self.tilt = operations.Linear(widths[-1], 1)
        self.up = nn.ModuleList(
            _Stage(widths[k] + widths[k - 1], widths[k - 1], 1, operations)
            for k in range(len(widths) - 1, 0, -1)
        )
        if looks:
            cells = (WIDTH // 8) * (HEIGHT // 8)
            self.place = nn.Parameter(torch.zeros(1, cells, widths[LOOKS_AT]))
        self.looks = nn.ModuleList(
            _Look(widths[LOOKS_AT], heads, operations) for _ in range(looks))
        self.fine = operations.Conv2d(widths[0] + entering, 16, 3, padding=1)
        self.out = operations.Conv2d(16, 1 + PARTS + 1 + THEMES + 1, 1)

    def forward(self, x):
        resize = nn.functional.interpolate
        if self.hinted:
            x = torch.cat([x, floor_hint(x[:, 3:4])], 1)
        kept = []
        y = x
        for level, stage in enumerate(self.down):
            y = stage(y)
            if level == LOOKS_AT and self.looks:
                cells = y.flatten(2).transpose(1, 2) + self.place
                for look in self.looks:
                    cells = look(cells)
                y = cells.transpose(1, 2).reshape(y.shape)
            kept.append(y)
        summary = y.mean((2, 3))
        tilt = self.tilt(nn.functional.silu(self.whole(summary)))[:, 0]
        y = y + self.whole(summary)[:, :, None, None]
        for k, stage in enumerate(self.up):
            skip = kept[len(kept) - 2 - k]
            y = stage(torch.cat([resize(y, size=skip.shape[2:], mode="nearest"), skip], 1))
        y = torch.cat([resize(y, size=x.shape[2:], mode="bilinear"), x], 1)
        y = nn.functional.silu(self.fine(y))
        out, parts, themes = self.out(y).split([1, PARTS + 1, THEMES + 1], dim=1)
        return out[:, 0], parts, themes, tilt


def build_reader(config: dict, operations=nn) -> PictureReader:
    """The network that a checkpoint's config describes."""
    return PictureReader(tuple(config["widths"]), config.get("looks", 0), config.get("heads", 4),
                         operations)


def begin_with(model: PictureReader, tensors: dict[str, torch.Tensor]) -> None:
    """Takes over weights of version 1; what they lack begins without effect."""
    own = model.state_dict()
    for name, given in tensors.items():
        mine = own[name]
        if mine.shape != given.shape:  # one more input, of which nothing is known yet
            wide = torch.zeros_like(mine)
            wide[:, :given.shape[1]] = given
            given = wide
        mine.copy_(given)
