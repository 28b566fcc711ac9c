"""The published decoders, from checkouts outside this tree, on the same weights and inputs.

GWM_WRITE_NUMBERS=1 writes what they give:

    GWM_TAEHV=.../taehv GWM_WAN21=.../Wan2.1 \\
        python -m pytest -m slow tests/backbones/test_taehv.py tests/backbones/test_wan_vae.py
"""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import torch

from gwm_core.backbones.taehv import KINDS
from gwm_core.evaluation.open_weights import decoder_cases as cases
from gwm_core.evaluation.open_weights.numbers import FOLDER, committed


def load(path):
    spec = importlib.util.spec_from_file_location(f"reference_{Path(path).stem}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@torch.no_grad()
def taehv(checkout, name) -> dict[str, np.ndarray]:
    """checkout: of madebyollin/taehv."""
    kind = KINDS[name]
    model = load(Path(checkout) / "taehv.py").TAEHV(
        None, patch_size=kind.patch, latent_channels=kind.channels,
        arch_variant="super" if kind.wide else None,
    ).eval()
    model.load_state_dict(model.patch_tgrow_layers(cases.taehv_weights(name)))
    frames = model.decode_video(cases.latents(kind.channels), show_progress_bar=False)
    coded = model.encode_video(cases.pictures(7, 8 * kind.patch), show_progress_bar=False)
    made = {"frames": frames.flatten()[:: cases.KEEP].numpy(), "latents": coded.flatten().numpy()}
    return written("taehv", {f"{name}.{part}": values for part, values in made.items()}, made)


@torch.no_grad()
def wan_vae(checkout) -> dict[str, np.ndarray]:
    """checkout: of Wan-Video/Wan2.1."""
    c = cases.WAN_VAE
    model = load(Path(checkout) / "wan" / "modules" / "vae.py").WanVAE_(
        c.dim, c.channels, list(c.multiples), c.blocks, [], list(c.time)).eval()
    model.load_state_dict(cases.wan_vae_weights())
    scale = [torch.tensor(c.mean), 1 / torch.tensor(c.std)]
    frames = model.decode(cases.latents(c.channels).transpose(1, 2), scale).clamp(-1, 1)
    coded = model.encode(cases.pictures(9, 8).transpose(1, 2) * 2 - 1, scale)
    frames, coded = (frames / 2 + 0.5).transpose(1, 2), coded.transpose(1, 2)
    made = {"frames": frames.flatten()[:: cases.KEEP].numpy(), "latents": coded.flatten().numpy()}
    return written("wan_vae", made, made)


def written(name, arrays, made):
    """``made``, after ``arrays`` were put into the committed numbers where that is asked for."""
    if os.environ.get("GWM_WRITE_NUMBERS") == "1":
        there = committed(name) if (FOLDER / f"{name}.npz").is_file() else {}
        np.savez_compressed(FOLDER / f"{name}.npz", **(there | arrays))
    return made
