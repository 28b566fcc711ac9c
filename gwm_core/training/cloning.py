"""Behaviour cloning: a policy's network from examples of what was done."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..model.cloned_policy import LIMIT, ClonedNet
from ..noise import rng


def clone(x: np.ndarray, y: np.ndarray, seed: int = 0, steps: int = 4000, batch: int = 256,
          rate: float = 1e-3, shake: float = 0.03) -> ClonedNet:
    """A network that does ``y`` [N, 7] where it sees ``x`` [N, F]; deterministic by seed.

    shake: noise on normalised features, so that it stays on course where it strays a little.
    """
    torch.manual_seed(seed)
    net = ClonedNet(x.shape[1])
    net.mean.copy_(torch.from_numpy(x.mean(0)))
    net.spread.copy_(torch.from_numpy(x.std(0) + 1e-4))
    scale, optimiser = torch.tensor(LIMIT), torch.optim.AdamW(net.parameters(), lr=rate,
                                                              weight_decay=1e-4)
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    average = {k: v.clone() for k, v in net.state_dict().items()}
    generator = torch.Generator().manual_seed(int(rng(seed, "cloning").integers(2**62)))
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 100) * min(1.0, 2 * (1 - step / steps) + .01)
        rows = torch.randint(len(xs), (batch,), generator=generator)
        seen = xs[rows]
        seen = seen + shake * net.spread * torch.randn(seen.shape, generator=generator)
        loss = F.smooth_l1_loss(net(seen) / scale, ys[rows] / scale, beta=0.1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            for k, v in net.state_dict().items():
                average[k].lerp_(v, 0.005 if step > 200 else 1.0)
    net.load_state_dict(average)
    return net.eval()
