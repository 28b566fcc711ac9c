"""Which actions lead from look to look of a film: inverse dynamics from pictures alone.

Every camera has a small convolutional network of its own that sees two looks one upon the other; a
network over all views' features answers. Two looks do not show where the gripper was already told
to go before the first of them; the pair before shows some of it. So a second answer hears what was
found in the pair before as well: that is what a film's actions are read with, but for its first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

ACTION = (0.015, 0.015, 0.015, 0.025, 0.025, 0.08, 0.25)
"""What outputs of 1 stand for (m, rad, share): about an action's standard deviation."""
MOVED = (*ACTION[:6], 0.15)
"""The same of how the gripper moved and how its opening changed."""
FELT = (0.15, 0.15, 0.08, 0.04, 0.04, 0.6, 0.4)
"""The same of where the gripper is at first (x, y, z, roll, pitch, yaw) and its opening."""
FOUND = 128
"""Numbers of what is found in a pair."""


class ActionReader(nn.Module):
    """Two looks uint8 [B, V, 3, S, S] each -> what is found in the pair; see ``pair``, ``film``
    and ``read``. S is a multiple of 8."""

    def __init__(self, views: int = 3, width: int = 16, side: int = 64, operations=nn) -> None:
        super().__init__()
        self.config = {"views": views, "width": width, "side": side}
        self.looks = nn.ModuleList(_look(width, operations) for _ in range(views))
        cells = (side // 8) ** 2
        self.join = nn.Sequential(
            operations.Linear(views * 2 * width * cells, 256), nn.SiLU(),
            operations.Linear(256, FOUND), nn.SiLU())
        self.pair_out = operations.Linear(FOUND, len(ACTION) + len(MOVED) + len(FELT))
        told = FOUND + len(ACTION) + len(MOVED) + len(FELT)
        self.film_out = nn.Sequential(
            operations.Linear(2 * told, 64), nn.SiLU(), operations.Linear(64, 64), nn.SiLU(),
            operations.Linear(64, len(ACTION)))
        with torch.no_grad():
            self.film_out[-1].weight.mul_(0.1)  # at first little is added to what a pair says

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """What is found in pairs of looks, [B, FOUND]."""
        return self.join(self.seen(before, after))

    def seen(self, before: Tensor, after: Tensor) -> Tensor:
        """What the cameras' networks say of pairs of looks: all that reads pictures."""
        last = (0, 1, 3, 4, 2)  # channels last, as films are stored and as convolutions are fastest
        both = torch.cat([before.permute(last), after.permute(last)], -1).float()
        both = (both - 128).div_(128).permute(0, 1, 4, 2, 3)  # of whole levels exact in bfloat16
        return torch.cat([look(both[:, v]).flatten(1) for v, look in enumerate(self.looks)],
                         1).float()

    def pair(self, found: Tensor) -> dict[str, Tensor]:
        """Of each pair alone: ``action`` [B, 7], how the gripper ``moved`` [B, 7] (m, rad, change
        of its opening), where it was ``felt`` before [B, 7] (m, rad, opening)."""
        sizes = found.new_tensor(ACTION + MOVED + FELT)
        parts = (self.pair_out(found) * sizes).split([len(ACTION), len(MOVED), len(FELT)], -1)
        return dict(zip(("action", "moved", "felt"), parts, strict=True))

    def film(self, earlier: Tensor, found: Tensor) -> Tensor:
        """Actions [B, 7] of pairs, where what was found in the pair one tick ``earlier`` is known
        too: what the pair alone says, corrected."""
        return self.corrected(self.both(earlier, found))

    def both(self, earlier: Tensor, found: Tensor) -> Tensor:
        """What ``film`` knows: of the pair before and of the pair, what was found and is said."""
        return torch.cat([earlier, self.pair_out(earlier), found, self.pair_out(found)], -1)

    def corrected(self, both: Tensor, heard: Tensor | None = None) -> Tensor:
        """Actions [B, 7] from ``both``; heard: what its parts are multiplied by for the
        correction, in training."""
        n = both.shape[-1] - len(FELT) - len(MOVED)
        alone = both[..., n - len(ACTION) : n]
        added = self.film_out(both if heard is None else both * heard)
        return (alone + added) * both.new_tensor(ACTION)

    def read(self, looks: Tensor, alone: bool = False) -> Tensor:
        """Actions [T, 7] between looks uint8 [T + 1, V, 3, S, S] of a film; ``alone``: each from
        its two looks and nothing else."""
        found = self(looks[:-1], looks[1:])
        actions = self.pair(found)["action"]
        if alone or len(found) < 2:
            return actions
        return torch.cat([actions[:1], self.film(found[:-1], found[1:])])


def _look(width: int, operations) -> nn.Sequential:
    conv, w = operations.Conv2d, width
    return nn.Sequential(
        conv(6, w, 5, padding=2, stride=2), nn.SiLU(),
        conv(w, 2 * w, 3, padding=1, stride=2), nn.GroupNorm(4, 2 * w), nn.SiLU(),
        conv(2 * w, 3 * w, 3, padding=1), nn.GroupNorm(4, 3 * w), nn.SiLU(),
        conv(3 * w, 3 * w, 3, padding=1, stride=2), nn.GroupNorm(4, 3 * w), nn.SiLU(),
        conv(3 * w, 2 * w, 3, padding=1), nn.SiLU())
