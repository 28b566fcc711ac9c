"""Published tensor names and shapes of Matrix-Game 2.0 and of causal Wan.

Written down from the files' descriptions, independently of the networks that read them.
"""

from __future__ import annotations

from collections.abc import Mapping

from .causal_wan import CausalWanConfig
from .matrix_game import MASK, MatrixGameConfig
from .matrix_game_actions import WINDOW, ActionConfig

Shapes = dict[str, tuple[int, ...]]
PREFIXES = ("model._fsdp_wrapped_module.", "_fsdp_wrapped_module.", "model.diffusion_model.",
            "diffusion_model.", "model.")
"""What files put before the names; a longer one first."""


def without_prefix(names: Mapping[str, object] | list[str]) -> str:
    """The prefix that all names of a file share ("" where there is none)."""
    listed = list(names)
    for prefix in PREFIXES:
        if listed and all(name.startswith(prefix) for name in listed):
            return prefix
    return ""


def _linear(name: str, inp: int, out: int, bias: bool = True) -> Shapes:
    shapes: Shapes = {f"{name}.weight": (out, inp)}
    return shapes | ({f"{name}.bias": (out,)} if bias else {})


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _wan(dim: int, ffn: int, freq: int, inp: int, out: int, layers: int) -> Shapes:
    """What both have."""
    shapes: Shapes = {"patch_embedding.weight": (dim, inp, 1, 2, 2), "patch_embedding.bias": (dim,)}
    shapes |= _linear("time_embedding.0", freq, dim) | _linear("time_embedding.2", dim, dim)
    shapes |= _linear("time_projection.1", dim, 6 * dim)
    shapes |= {"head.modulation": (1, 2, dim)} | _linear("head.head", dim, 4 * out)
    for layer in range(layers):
        at = f"blocks.{layer}."
        shapes |= {at + "modulation": (1, 6, dim)} | _norm(at + "norm3", dim)
        for kind in ("self_attn", "cross_attn"):
            for name in ("q", "k", "v", "o"):
                shapes |= _linear(f"{at}{kind}.{name}", dim, dim)
            shapes |= {f"{at}{kind}.norm_{name}.weight": (dim,) for name in ("q", "k")}
        shapes |= _linear(at + "ffn.0", dim, ffn) | _linear(at + "ffn.2", ffn, dim)
    return shapes


def _actions(at: str, dim: int, config: ActionConfig) -> Shapes:
    width, key, head = config.width, config.key_width, config.width // config.heads
    shapes: Shapes = {}
    if config.mouse:
        shapes |= _linear(at + "mouse_mlp.0", dim + 2 * WINDOW, width)
        shapes |= _linear(at + "mouse_mlp.2", width, width) | _norm(at + "mouse_mlp.3", width)
        shapes |= _linear(at + "t_qkv", width, 3 * width, bias=False)
        shapes |= _linear(at + "proj_mouse", width, dim, bias=False)
        shapes |= {f"{at}img_attn_{name}_norm.weight": (head,) for name in ("q", "k")}
    shapes |= _linear(at + "keyboard_embed.0", config.keys, key)
    shapes |= _linear(at + "keyboard_embed.2", key, key)
    shapes |= _linear(at + "mouse_attn_q", dim, width, bias=False)
    shapes |= _linear(at + "keyboard_attn_kv", WINDOW * key, 2 * width, bias=False)
    shapes |= _linear(at + "proj_keyboard", width, dim, bias=False)
    return shapes | {f"{at}key_attn_{name}_norm.weight": (head,) for name in ("q", "k")}


def matrix_game_shapes(config: MatrixGameConfig) -> Shapes:
    """Every tensor of a Matrix-Game 2.0 file (without its prefix ``model.``)."""
    dim, clip = config.dim, config.clip_width
    inp = 2 * config.channels + MASK
    shapes = _wan(dim, config.ffn_dim, config.freq_dim, inp, config.channels, config.layers)
    shapes |= _norm("img_emb.proj.0", clip) | _linear("img_emb.proj.1", clip, clip)
    shapes |= _linear("img_emb.proj.3", clip, dim) | _norm("img_emb.proj.4", dim)
    for layer in range(config.actions.layers):
        shapes |= _actions(f"blocks.{layer}.action_model.", dim, config.actions)
    return shapes


def causal_wan_shapes(config: CausalWanConfig) -> Shapes:
    """Every tensor of a causal Wan file (without its prefix)."""
    dim, channels = config.dim, config.channels
    shapes = _wan(dim, config.ffn_dim, config.freq_dim, channels, channels, config.layers)
    shapes |= _linear("text_embedding.0", config.text_width, dim)
    return shapes | _linear("text_embedding.2", dim, dim)
