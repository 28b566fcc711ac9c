"""The first stage of gwm-faces: its stem of the own voice learns alone what lips do to a sound.

Most of lip reading backwards is local: the stem hears 320 ms and can say much of the mouth by
itself, and a track costs it a fraction of what its ticks cost one by one. The trunk then begins
with a stem that hears and a reading that guides its motion.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ..avatars.faces_model import FACE, LIPS, STEM, STEM_WIDTH, Reading, new_dynamics
from .faces_data import Performances
from .faces_loss import faces_losses
from .faces_pool import Pool
from .fit import Plan, fit
from .scene_reader import has_bfloat16

TICKS = 48
"""Of a window."""
RATE = 2e-3


class Hearing(nn.Module):
    """The stem of a fresh network, and its reading."""

    def __init__(self, stem_width: int = STEM_WIDTH, **sizes: int) -> None:
        super().__init__()
        net = new_dynamics(stem_width, **sizes)
        self.config = {"stem_width": stem_width, "width": net.width}
        self.stem, self.read = net.stems[STEM], Reading(net.width)

    def forward(self, rows: dict[str, Tensor]) -> Tensor:
        """Motion tokens [B, T, 24] of ``Pool.windows``: the mouth as it is heard, all else as it
        truly is."""
        token = rows[FACE][:, :, 0].clone()
        token[..., LIPS] = self.read(self.stem.track(rows["sound"])).float()
        return token


def fit_hearing(data: Performances, folder: Path, steps: int, seed: int = 0, batch: int = 64,
                ticks: int = TICKS, start: dict[str, Tensor] | None = None, rate: float = RATE,
                progress: Callable[[dict], None] | None = None, **sizes: int) -> Hearing:
    """Train a stem on ``batch`` windows a step, drawn from all performances (``Pool``); the run's
    state is in ``folder``. start: a ``Hearing``'s weights to begin with; rate: of learning, at
    most."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Hearing(**sizes).train()
    if start is not None:
        net.load_state_dict(start)
    pool, fast = Pool(data, seed, ticks), has_bfloat16()

    def parts(step: int) -> dict[str, Tensor]:
        rows = pool.windows(step, batch)
        torch.manual_seed(seed * 1_000_003 + step)  # what is left out, the same when resumed
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            token = net(rows)
        return faces_losses(token, rows)

    plan = Plan(steps, rate, weight_decay=0.02, warm=min(100, steps), fall=0.5, decay=0.998,
                every=min(100, steps))
    with torch.random.fork_rng(devices=[]):
        return fit(net, plan, folder / "hearing.run.safetensors",
                   {"seed": seed, "batch": batch, "ticks": ticks}, parts, progress)
