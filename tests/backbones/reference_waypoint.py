"""The Waypoint network of NVIDIA FlashDreams (Apache-2.0), from a checkout outside this tree.

Only its network, history, rotary positions and norms are imported; packages above them are
replaced by empty ones, because they start a whole serving runtime. GWM_WRITE_NUMBERS=1 writes what
it gives:

    GWM_FLASHDREAMS=.../flashdreams python -m pytest -m slow tests/backbones/test_waypoint.py
"""

import dataclasses
import os
import sys
import types
from pathlib import Path

import numpy as np
import torch

from gwm_core.evaluation.open_weights import waypoint_case as case
from gwm_core.evaluation.open_weights.numbers import FOLDER, thin


def load(checkout):
    """(network module, history module, spec module) of a checkout of NVIDIA/flashdreams."""
    root = Path(checkout) / "integrations_v2" / "waypoint"
    for name, path in (("waypoint", root), ("waypoint.impl", root / "impl"),
                       ("waypoint.impl.transformer", root / "impl" / "transformer")):
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    config = types.ModuleType("flashdreams.infra.config")
    config.InstantiateConfig = type("InstantiateConfig", (), {})
    for name in ("flashdreams", "flashdreams.infra"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules[config.__name__] = config
    import waypoint.impl.spec as spec
    import waypoint.impl.transformer.cache as cache
    import waypoint.impl.transformer.network as network
    return network, cache, spec


@torch.no_grad()
def run(checkout) -> np.ndarray:
    """What ``waypoint_case.run`` computes, by the reference."""
    network, cache, spec = load(checkout)
    c = case.CONFIG
    shape = dataclasses.replace(
        spec.WAYPOINT_1_5, channels=c.channels, latent_height=c.height, latent_width=c.width,
        n_layers=c.layers, d_model=c.dim, n_heads=c.heads, n_kv_heads=c.kv_heads,
        n_buttons=c.buttons, noise_embedding_dim=c.noise_dim, local_window=c.local_window,
        global_window=c.global_window, global_pinned_dilation=c.dilation,
    )
    model = network.WaypointDiT(network.WaypointDiTConfig(spec=shape)).eval()
    model.load_state_dict(case.weights(), strict=True)
    history = cache.WaypointKVCache(policy=cache.WaypointAttentionPolicy(spec=shape))
    clean, noise, rows = (torch.from_numpy(x) for x in case.inputs())
    out = []
    for tick in range(case.TICKS):
        row = rows[tick]
        controls = {"mouse": row[..., :2], "button": row[..., 2:-1], "scroll": row[..., -1:]}

        def velocity(latent, level, tick=tick, controls=controls):
            sigma = torch.full((case.BATCH,), level)
            return model(latent, sigma=sigma, frame_index=tick, kv_cache=history, **controls)[:, 0]

        out.append(torch.stack([
            velocity((1 - level) * clean[tick] + level * noise[tick], level)
            for level in case.LEVELS
        ]))
        velocity(clean[tick], 0.0)
    made = torch.stack(out).numpy()
    if os.environ.get("GWM_WRITE_NUMBERS") == "1":
        np.savez_compressed(FOLDER / "waypoint.npz", velocity=thin(made, case.KEEP))
    return made
