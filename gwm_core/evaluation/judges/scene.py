"""The scene judge: reads a picture's themes by cell, its light, fog and balls.

It gives the labels for `breaks_per_turn`, the attributes for prompt and event accuracy, the
ball positions for the physics figures, and the features of the Fréchet distance.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .blocks import Down, to_input

TIMES, LAMPS, FOGS = 3, 2, 3


class SceneJudge(nn.Module):
    """RGB [N, 3, 80, 128] -> dict of heads.

    label: logits [N, L, 20, 32] (theme * 8 + part); time, lamps, fog, theme: logits [N, k];
    ball: logits [N, 20, 32] of a ball's centre; boxes: logit [N] of a pushable box in view.
    """

    def __init__(self, themes: int, width: int = 24):
        super().__init__()
        self.themes = themes
        self.stem = nn.Conv2d(3, width, 5, 2, 2)
        self.d2 = Down(width, 2 * width)
        self.d3 = Down(2 * width, 3 * width)
        self.d4 = Down(3 * width, 4 * width)
        self.up3 = nn.Conv2d(4 * width, 3 * width, 1)
        self.up2 = nn.Conv2d(3 * width, 2 * width, 1)
        self.mix2 = Down(2 * width, 2 * width, 1)
        self.label = nn.Conv2d(2 * width, themes * 8, 1)
        self.ball = nn.Conv2d(2 * width, 1, 1)
        self.whole = nn.Linear(4 * width, TIMES + LAMPS + FOGS + 1 + themes)

    @staticmethod
    def prepare(frames: np.ndarray) -> torch.Tensor:
        """uint8 [N, H, W, 3] as the network takes it."""
        return to_input(frames)

    def trunk(self, x):
        b = self.d2(nn.functional.silu(self.stem(x)))
        c = self.d3(b)
        return b, c, self.d4(c)

    def forward(self, x) -> dict[str, torch.Tensor]:
        b, c, d = self.trunk(x)
        up = nn.functional.interpolate
        c = c + up(self.up3(d), scale_factor=2)[..., :c.shape[-2], :c.shape[-1]]
        b = self.mix2(b + up(self.up2(c), scale_factor=2)[..., :b.shape[-2], :b.shape[-1]])
        whole = self.whole(d.mean((-2, -1)))
        time, lamps, fog, box, theme = whole.split([TIMES, LAMPS, FOGS, 1, self.themes], -1)
        return {"label": self.label(b), "ball": self.ball(b)[:, 0], "time": time,
                "lamps": lamps, "fog": fog, "boxes": box[:, 0], "theme": theme}

    @torch.no_grad()
    def features(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [N, H, W, 3] -> (picture features [N, 4w], patch features [N, h, w, 2w])."""
        b, _, d = self.trunk(self.prepare(frames))
        return d.mean((-2, -1)).numpy(), b.permute(0, 2, 3, 1).numpy()

    @torch.no_grad()
    def read(self, frames: np.ndarray, batch: int = 64) -> dict[str, np.ndarray]:
        """uint8 [N, H, W, 3] -> label [N, 20, 32], time, lamps, fog, theme: argmax;
        boxes, ball [N, 20, 32]: probabilities."""
        out: dict[str, list] = {}
        for i in range(0, len(frames), batch):
            heads = self(self.prepare(frames[i:i + batch]))
            for key in ("label", "time", "lamps", "fog", "theme"):
                out.setdefault(key, []).append(heads[key].argmax(1).numpy())
            for key in ("ball", "boxes"):
                out.setdefault(key, []).append(heads[key].sigmoid().numpy())
        return {key: np.concatenate(value) for key, value in out.items()}
