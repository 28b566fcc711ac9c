"""The patch judge: is this 32x32 piece of a picture true or imagined? 0.5 = cannot tell."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .blocks import Down

SIZE = 32


class PatchJudge(nn.Module):
    """RGB patches [N, 3, 32, 32] in -1..1 -> logit [N] that the patch is true."""

    def __init__(self, width: int = 24):
        super().__init__()
        self.net = nn.Sequential(Down(3, width), Down(width, 2 * width),
                                 Down(2 * width, 3 * width), nn.Flatten(),
                                 nn.Linear(3 * width * 16, 96), nn.SiLU(), nn.Linear(96, 1))

    def forward(self, x):
        return self.net(x)[:, 0]


def cut(frame: np.ndarray, places: np.ndarray) -> torch.Tensor:
    """Patches of one uint8 picture at top-left corners [N, 2] (row, column)."""
    rows = [frame[y:y + SIZE, x:x + SIZE] for y, x in places]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float() / 127.5 - 1


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve of two score samples (ties count half)."""
    scores = np.concatenate([positive, negative])
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):
        same = scores == value
        ranks[same] = ranks[same].mean()
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
