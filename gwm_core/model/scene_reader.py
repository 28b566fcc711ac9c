"""What stands on the table, read from one look of every camera.

One small convolutional network sees each view; a heat map for every identity says where its centre
is (soft-argmax), a mask what moves. A network over all views' places turns them into metres.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 64
MARKS = ("red", "blue", "yellow", "knob", "goal", "keep_out", "plate", "rail_end")
"""Things first, then zones."""
THINGS = 4
CLASSES = 2 + THINGS
"""Of a mask: what stands still, the robot, things."""
PER_MARK = 8
"""Place x, y, z (decimetres), sine and cosine of 4 yaw, shown, half size (cm), spare."""


class SceneReader(nn.Module):
    """Views uint8 or float [B, V, 3, 64, 64] and proprioception [B, 9] -> marks, masks, cameras."""

    def __init__(self, views: int = 3, width: int = 16, operations=nn) -> None:
        super().__init__()
        self.config = {"views": views, "width": width}
        w, conv = width, operations.Conv2d
        self.views = views
        self.down1 = nn.Sequential(conv(3 + 2 + views, w, 5, padding=2, stride=2), nn.SiLU(),
                                   conv(w, w, 3, padding=1), nn.SiLU())
        self.down2 = nn.Sequential(conv(w, 2 * w, 3, padding=1), nn.GroupNorm(4, 2 * w), nn.SiLU(),
                                   conv(2 * w, 2 * w, 3, padding=1, stride=2), nn.SiLU())
        self.mid = nn.Sequential(conv(2 * w, 3 * w, 3, padding=1), nn.GroupNorm(4, 3 * w),
                                 nn.SiLU(), conv(3 * w, 3 * w, 3, padding=2, dilation=2),
                                 nn.GroupNorm(4, 3 * w), nn.SiLU(),
                                 conv(3 * w, 3 * w, 3, padding=1, stride=2), nn.SiLU(),
                                 conv(3 * w, 3 * w, 3, padding=1), nn.SiLU())
        self.up = nn.Sequential(conv(3 * w + 2 * w, 2 * w, 3, padding=1), nn.SiLU())
        self.fine = nn.Sequential(conv(2 * w + w, 2 * w, 3, padding=1), nn.GroupNorm(4, 2 * w),
                                  nn.SiLU())
        self.heat = conv(2 * w, len(MARKS), 1)
        self.mask = conv(2 * w, CLASSES * 4, 1)  # four pixels of each cell
        self.around = conv(2 * w, 16, 1)
        seen = views * (len(MARKS) * (3 + 16))
        self.join = nn.Sequential(
            operations.Linear(seen + views * 3 * w + 9, 512), nn.SiLU(),
            operations.Linear(512, 256), nn.SiLU(),
            operations.Linear(256, len(MARKS) * PER_MARK + views * 5))

    def forward(self, pixels: Tensor, felt: Tensor) -> dict[str, Tensor]:
        """``place`` [B, M, 3] m, ``turn`` [B, M, 2] (sine, cosine of four times the yaw), ``shown``
        logits [B, M], ``half`` [B, M] m, ``cameras`` [B, V, 5] offsets (cm and degrees),
        ``heat`` [B, V, M, 32, 32] logits, ``mask`` logits [B, V, C, 64, 64]."""
        b, v = pixels.shape[:2]
        x = pixels.float() / 127.5 - 1 if pixels.dtype == torch.uint8 else pixels
        x = x.flatten(0, 1)
        line = torch.linspace(-1, 1, SIDE, device=x.device)
        grid = torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(len(x), -1, -1, -1)
        which = torch.eye(v, device=x.device).repeat(b, 1)[:, :, None, None]
        x = torch.cat([x, grid, which.expand(-1, -1, SIDE, SIDE)], 1)
        half = self.down1(x)
        quarter = self.down2(half)
        deep = self.mid(quarter)
        y = self.up(torch.cat([F.interpolate(deep, scale_factor=2.0), quarter], 1))
        y = self.fine(torch.cat([F.interpolate(y, scale_factor=2.0), half], 1))
        return self._read(y.float(), deep.float(), felt, v)

    def _read(self, y: Tensor, deep: Tensor, felt: Tensor, v: int) -> dict[str, Tensor]:
        """Out of the maps of all views; at full precision, whatever they were made at: a place is
        wanted to a hundredth of what it may be."""
        b = len(felt)
        with torch.autocast(y.device.type, enabled=False):
            heat = self.heat(y)
            weight = heat.flatten(2).softmax(-1)
            line = torch.linspace(-1, 1, SIDE // 2, device=y.device)
            where = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).flatten(0, 1)
            spot = weight @ where
            peak = heat.flatten(2).amax(-1, keepdim=True) / 10
            local = torch.einsum("bmn,bcn->bmc", weight, self.around(y).flatten(2))
            seen = torch.cat([spot * 4, peak, local], -1).reshape(b, -1)
            whole = deep.mean((2, 3)).reshape(b, -1)
            out = self.join(torch.cat([seen, whole, _felt(felt)], -1))
            marks = out[:, : len(MARKS) * PER_MARK].reshape(b, len(MARKS), PER_MARK)
            masks = F.pixel_shuffle(self.mask(y), 2)
            return {
                "place": marks[..., :3] / 10, "turn": marks[..., 3:5], "shown": marks[..., 5],
                "half": 0.022 + marks[..., 6] / 100,
                "cameras": out[:, len(MARKS) * PER_MARK :].reshape(b, v, 5),
                "heat": heat.unflatten(0, (b, v)), "mask": masks.unflatten(0, (b, v)),
            }


def _felt(felt: Tensor) -> Tensor:
    scale = felt.new_tensor([5, 5, 5, 3, 3, 1, 1, 1, 0.1])
    return felt * scale
