"""Which actions lead from look to look of a film: inverse dynamics from pictures alone.

Every camera has a small convolutional network of its own that sees two looks one upon the other; a
network over all views' features answers. How the camera on the gripper moved above the table, and
the gripper before it, is then registered exactly (``ground_motion``, ``hand_motion``), beginning at
that answer, and corrects it. Two looks do not show where the gripper was already told to go before
the first of them; the pair before shows some of it. So another answer hears what was found in the
pair before as well: that is what a film's actions are read with, but for its first.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .contacts import ahead, back, heading
from .ground_motion import GroundMotion
from .hand_motion import HandMotion

ACTION = (0.015, 0.015, 0.015, 0.025, 0.025, 0.08, 0.25)
"""What outputs of 1 stand for (m, rad, share): about an action's standard deviation."""
MOVED = (*ACTION[:6], 0.15)
"""The same of how the gripper moved and how its opening changed."""
FELT = (0.15, 0.15, 0.08, 0.04, 0.04, 0.6, 0.4)
"""The same of where the gripper is at first (x, y, z, roll, pitch, yaw) and its opening."""
FOUND = 128
"""Numbers of what is found in a pair by the networks,"""
REGISTERED = 13 + 10 + 2
"""and by registration: of the table, of the gripper, and the way along the table's x and y."""
SAID = len(ACTION) + len(MOVED) + len(FELT)


class ActionReader(nn.Module):
    """Two looks uint8 [B, V, 3, S, S] each -> what is found in the pair; see ``pair``, ``film``
    and ``read``. S is a multiple of 8."""

    def __init__(self, views: int = 3, width: int = 16, side: int = 64,
                 mounted: dict[str, Any] | None = None, operations=nn) -> None:
        super().__init__()
        self.config = {"views": views, "width": width, "side": side, "mounted": mounted}
        self.looks = nn.ModuleList(_look(width, operations) for _ in range(views))
        cells = (side // 8) ** 2
        self.join = nn.Sequential(
            operations.Linear(views * 2 * width * cells, 256), nn.SiLU(),
            operations.Linear(256, FOUND), nn.SiLU())
        self.pair_out = operations.Linear(FOUND, SAID)
        told = FOUND + SAID
        if mounted:
            self.view, told = int(mounted["view"]), told + REGISTERED
            camera = side, mounted["fov"], mounted["mount"]
            self.ground = GroundMotion(*camera, mounted["hides"])
            self.hand = HandMotion(*camera, **mounted["hand"])
            # with FOUND too it would soon know its few episodes by heart
            self.registered_out = _answer(REGISTERED + SAID, 24, operations)
        self.film_out = _answer(2 * told, 64, operations)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """What is found in pairs of looks, [B, FOUND + REGISTERED] (FOUND of a reader that
        knows no camera on the gripper)."""
        return self.found(self.join(self.seen(before, after)), before, after)

    def found(self, joined: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """``joined`` [B, FOUND] with what registration of its two looks finds."""
        if not self.config["mounted"]:
            return joined
        said, looks = self.pair(joined), (before[:, self.view], after[:, self.view])
        pose, moved = said["felt"], said["moved"]
        turned = heading(pose[:, 5])
        ground = self.ground(*looks, pose[:, 2],
                             torch.cat([ahead(moved[:, :3], turned), moved[:, 5:6]], 1))
        hand = self.hand(*looks, pose[:, 3:5], torch.cat([moved[:, 3:5], moved[:, 6:]], 1))
        return torch.cat([joined, ground, hand, back(ground[:, :3], turned)[:, :2]], 1)

    def seen(self, before: Tensor, after: Tensor) -> Tensor:
        """What the cameras' networks say of pairs of looks: all that reads pictures."""
        last = (0, 1, 3, 4, 2)  # channels last, as films are stored and as convolutions are fastest
        both = torch.cat([before.permute(last), after.permute(last)], -1).float()
        both = (both - 128).div_(128).permute(0, 1, 4, 2, 3)  # of whole levels exact in bfloat16
        return torch.cat([look(both[:, v]).flatten(1) for v, look in enumerate(self.looks)],
                         1).float()

    def pair(self, found: Tensor) -> dict[str, Tensor]:
        """Of each pair alone: ``action`` [B, 7], how the gripper ``moved`` [B, 7] (m, rad, change
        of its opening), where it was ``felt`` before [B, 7] (m, rad, opening). Of ``found`` the
        FOUND numbers of the networks are enough; the action is less sure then."""
        sizes = found.new_tensor(ACTION + MOVED + FELT)
        said = self.pair_out(found[..., :FOUND]) * sizes
        parts = dict(zip(("action", "moved", "felt"),
                         said.split([len(ACTION), len(MOVED), len(FELT)], -1), strict=True))
        if found.shape[-1] > FOUND:
            parts["action"] = self.corrected(found)
        return parts

    def corrected(self, found: Tensor, heard: Tensor | None = None) -> Tensor:
        """Actions [B, 7] of pairs whose looks are registered. heard: in training, what all that
        the correction hears is multiplied by."""
        said = self.pair_out(found[..., :FOUND])
        about = torch.cat([found[..., FOUND:], said], -1)
        added = self.registered_out(about if heard is None else about * heard)
        return (said[..., : len(ACTION)] + added) * found.new_tensor(ACTION)

    def film(self, earlier: Tensor, found: Tensor, heard: Tensor | None = None) -> Tensor:
        """Actions [B, 7] of pairs, where what was found in the pair one tick ``earlier`` is known
        too: what the pair alone says, corrected. heard: as in ``corrected``."""
        both = torch.cat([part for row in (earlier, found)
                          for part in (row, self.pair_out(row[..., :FOUND]))], -1)
        added = self.film_out(both if heard is None else both * heard)
        return self.pair(found)["action"] + added * found.new_tensor(ACTION)

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


def _answer(heard: int, width: int, operations) -> nn.Sequential:
    """From all that is heard to what is added to an action, little at first."""
    out = nn.Sequential(
        operations.Linear(heard, width), nn.SiLU(), operations.Linear(width, width), nn.SiLU(),
        operations.Linear(width, len(ACTION)))
    with torch.no_grad():
        out[-1].weight.mul_(0.1)
    return out
