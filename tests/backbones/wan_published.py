"""Runs of the published networks on the fixed cases. GWM_WRITE_NUMBERS=1 writes what they give:

    GWM_MATRIX_GAME=.../Matrix-Game-2 GWM_SELF_FORCING=.../Self-Forcing \\
        python -m pytest -m slow tests/backbones
"""

import os

import numpy as np
import torch

from gwm_core.backbones.matrix_game import BLOCK, MASK
from gwm_core.evaluation.open_weights.numbers import FOLDER, apart, committed, thin

from .wan_reference import published, ring


@torch.no_grad()
def matrix_game(checkout, config, weights, case):
    """Velocities of the published Matrix-Game 2.0 along a case."""
    actions, wan = config.actions, config.wan
    sizes = {
        "keyboard_dim_in": actions.keys, "hidden_size": actions.key_width,
        "img_hidden_size": config.dim, "keyboard_hidden_dim": actions.width, "windows_size": 3,
        "heads_num": actions.heads, "patch_size": [1, 2, 2], "rope_dim_list": [8, 28, 28],
        "mouse_qk_dim_list": [8, 28, 28], "mouse_hidden_dim": actions.width,
        "enable_mouse": actions.mouse, "blocks": list(range(actions.layers)),
    }
    layers, heads = config.layers, config.heads
    with published(checkout) as module:
        net = module.CausalWanModel(
            model_type="i2v", in_dim=wan.in_channels, dim=config.dim, ffn_dim=config.ffn_dim,
            freq_dim=config.freq_dim, out_dim=config.channels, num_heads=heads, num_layers=layers,
            local_attn_size=config.local, action_config=sizes,
        )
        net.img_emb = module.MLPProj(config.clip_width, config.dim)
        net.num_frame_per_block = BLOCK
        net.load_state_dict(weights)
        net.eval()
        head, local = config.dim // heads, config.local
        rings = {
            "kv_cache": ring(local * wan.tokens, (1, heads, head), layers),
            "kv_cache_mouse": ring(local, (wan.tokens, actions.heads, 64), layers),
            "kv_cache_keyboard": ring(local, (1, actions.heads, 64), layers),
            "crossattn_cache": [{"is_init": False} for _ in range(layers)],
        }
        latents = case.prompt.latents
        mask = torch.zeros_like(latents[:, :, :MASK])
        mask[:, 0] = 1
        beside = torch.cat([mask, latents], 2).transpose(1, 2)
        out = []
        for index, (noisy, clean) in enumerate(case.blocks):
            t0 = BLOCK * index
            so_far = case.controls[:, : 1 + 4 * (t0 + BLOCK - 1)]
            mouse = so_far[..., actions.keys :] if actions.mouse else None
            for latent, level in ((noisy, case.sigma), (clean, 0.0)):
                made = net(
                    latent.transpose(1, 2), t=torch.full((1, BLOCK), 1000 * level),
                    visual_context=case.prompt.features,
                    cond_concat=beside[:, :, t0 : t0 + BLOCK],
                    mouse_cond=mouse, keyboard_cond=so_far[..., : actions.keys],
                    current_start=t0 * wan.tokens, **rings,
                )
                if level:
                    out.append(made.transpose(1, 2).numpy())
    return out


@torch.no_grad()
def self_forcing(checkout, config, weights, case):
    """Velocities of the published causal Wan along a case."""
    wan, heads, layers = config.wan, config.heads, config.layers
    with published(checkout) as module:
        net = module.CausalWanModel(
            model_type="t2v", text_len=config.text_tokens, text_dim=config.text_width,
            in_dim=config.channels, dim=config.dim, ffn_dim=config.ffn_dim,
            freq_dim=config.freq_dim, out_dim=config.channels, num_heads=heads, num_layers=layers,
            local_attn_size=config.local, sink_size=config.sink,
        )
        net.load_state_dict(weights)
        net.eval()
        kept = ring(config.local * wan.tokens, (1, heads, config.dim // heads), layers)
        cross = [{"is_init": False} for _ in range(layers)]
        out = []
        for index, (noisy, clean) in enumerate(case.blocks):
            for latent, level in ((noisy, case.sigma), (clean, 0.0)):
                made = net(
                    latent.transpose(1, 2), t=torch.full((1, config.block), 1000 * level),
                    context=case.words, seq_len=10**6, kv_cache=kept, crossattn_cache=cross,
                    current_start=index * config.block * wan.tokens,
                )
                if level:
                    out.append(made.transpose(1, 2).numpy())
    return out


def compared(name, rows, keep):
    """Largest difference of these velocities, by case, from the committed numbers."""
    made = {case: np.stack([thin(values, keep) for values in blocks])
            for case, blocks in rows.items()}
    if os.environ.get("GWM_WRITE_NUMBERS") == "1":
        np.savez_compressed(FOLDER / f"{name}.npz", **made)
    numbers = committed(name)
    return {case: apart(values, numbers[case]) for case, values in made.items()}
