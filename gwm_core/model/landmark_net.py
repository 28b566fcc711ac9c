"""Faces in pictures of any style: where they are, and the 44 points of one of them.

``FaceDetector`` answers on a grid of 8 px cells over a whole picture; it is asked at several
scales. ``LandmarkNet`` reads one crop: a heat map for each point (soft-argmax, as in integral
regression, Sun et al. 2018), corrected by what was seen at these places and in the whole crop.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Down

POINTS = 44
SIDE = 112
"""Pixels of a crop."""
HEAT = SIDE // 8
"""Cells of a heat map a side."""
AROUND = 6
"""Numbers read at the place of each point."""
CELL = 8
TYPICAL = 32.0
"""Pixels of a face height at which the detector is best; it knows 18 to 64."""
DETECTED = 6
"""Of a cell: logit, centre x, y from the cell's middle (cells), log of the height over TYPICAL,
cosine and sine of the roll."""


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each place: no place depends on what is elsewhere."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], self.weight, self.bias)
        return x.permute(0, 3, 1, 2)


class Wide(nn.Module):
    """Residual dilated convolution: it sees far at no cost of resolution."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.silu(self.norm(self.conv(x)))


class FaceDetector(nn.Module):
    """Pictures [B, 3, H, W], uint8 or float -1..1, H and W multiples of 8 -> [B, 6, H/8, W/8]."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.config = {"width": width}
        w = width
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, w // 3 * 2, 3, 2, 1), ChannelNorm(w // 3 * 2),
            nn.SiLU(), nn.Conv2d(w // 3 * 2, w, 3, 2, 1), ChannelNorm(w), nn.SiLU())
        self.wide = nn.Sequential(*(Wide(w, d) for d in (1, 2, 1, 3, 1)))
        self.head = nn.Conv2d(w, DETECTED, 1)
        nn.init.constant_(self.head.bias[:1], -4.0)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.wide(self.stem(as_float(pixels)))).float()


class LandmarkNet(nn.Module):
    """Crops [B, 3, 112, 112], uint8 or float -1..1 -> points, how sure, whether a face is there.

    ``points`` [B, 44, 2] (x, y) and ``spots`` (what the heat maps alone say) in shares of the
    crop's side; ``spread`` [B, 44]: expected error of each point in the same unit; ``face`` [B]
    logit; ``heat`` logits [B, 44, 14 * 14].
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.config = {"width": width}
        w = width
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, w, 3, 2, 1), nn.SiLU())
        self.down8 = nn.Sequential(Down(w, 2 * w), Down(2 * w, 2 * w, 1))
        self.down16, self.down32 = Down(2 * w, 3 * w), Down(3 * w, 4 * w)
        self.up16, self.up8 = nn.Conv2d(4 * w, 3 * w, 1), nn.Conv2d(3 * w, 2 * w, 1)
        self.fine = nn.Sequential(nn.Conv2d(2 * w, 2 * w, 3, 1, 1), nn.GroupNorm(8, 2 * w),
                                  nn.SiLU())
        self.heat = nn.Conv2d(2 * w, POINTS, 1)
        self.around = nn.Conv2d(2 * w, AROUND, 1)
        seen = POINTS * (2 + 1 + AROUND) + 4 * w
        self.join = nn.Sequential(nn.Linear(seen, 256), nn.SiLU())
        self.shift = nn.Linear(256, POINTS * 2)
        self.sure = nn.Linear(256, POINTS)
        self.face = nn.Linear(256, 1)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        x = as_float(pixels)
        # Neither light nor contrast tells where a mouth is.
        x = x - x.mean((1, 2, 3), keepdim=True)
        x = x / (x.square().mean((1, 2, 3), keepdim=True).sqrt() + 0.05)
        x8 = self.down8(self.stem(x))
        x16 = self.down16(x8)
        x32 = self.down32(x16)
        y16 = x16 + F.interpolate(self.up16(x32), size=x16.shape[-2:])
        y8 = self.fine(x8 + F.interpolate(self.up8(y16), size=x8.shape[-2:]))
        return self._read(y8.float(), x32.float().mean((2, 3)))

    def _read(self, y: Tensor, whole: Tensor) -> dict[str, Tensor]:
        """Out of the maps, at full precision whatever they were made at."""
        with torch.autocast(y.device.type, enabled=False):
            heat = self.heat(y).flatten(2)
            weight = heat.softmax(-1)
            line = (torch.arange(HEAT, device=y.device, dtype=y.dtype) + 0.5) / HEAT
            rows, columns = torch.meshgrid(line, line, indexing="ij")
            spots = weight @ torch.stack([columns, rows], -1).flatten(0, 1)
            local = torch.einsum("bpn,bcn->bpc", weight, self.around(y).flatten(2))
            peak = weight.amax(-1, keepdim=True)
            seen = torch.cat([spots * 4 - 2, peak * 4, local], -1).flatten(1)
            hidden = self.join(torch.cat([seen, whole], -1))
            points = spots + self.shift(hidden).unflatten(-1, (POINTS, 2)) / 10
            spread = 0.02 * self.sure(hidden).clamp(-4, 4).exp()
            return {"points": points, "spots": spots, "spread": spread, "heat": heat,
                    "face": self.face(hidden)[:, 0]}


def as_float(pixels: Tensor) -> Tensor:
    """uint8 as -1..1, in the layout in which convolutions are fastest on a CPU."""
    x = pixels.float() / 127.5 - 1 if pixels.dtype == torch.uint8 else pixels
    return x.contiguous(memory_format=torch.channels_last)
