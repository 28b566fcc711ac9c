"""The published networks, built from a checkout outside of this repository, in fp32 on the CPU.

Both repositories call their package ``wan`` and want flash attention, diffusers and CUDA at
import; what is not needed for a forward pass is stood in for by a few lines.
"""

import sys
import types
from contextlib import contextmanager
from pathlib import Path

import torch


def _module(name, **values):
    module = types.ModuleType(name)
    module.__dict__.update(values)
    return module


def _attention(q, k, v, *args, **kwargs):
    """Full attention of [B, L, H, D] without a mask, in the inputs' precision."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)


@contextmanager
def published(checkout):
    """The module ``wan.modules.causal_model`` of a checkout, importable while inside."""
    root = Path(checkout)
    base = type("Base", (torch.nn.Module,), {})
    stubs = {
        "flash_attn": _module("flash_attn", flash_attn_func=_attention),
        "diffusers": _module("diffusers", __path__=[]),
        "diffusers.loaders": _module(
            "diffusers.loaders", FromOriginalModelMixin=type("A", (), {}),
            PeftAdapterMixin=type("B", (), {}),
        ),
        "diffusers.configuration_utils": _module(
            "diffusers.configuration_utils", ConfigMixin=type("C", (), {}),
            register_to_config=lambda init: init,
        ),
        "diffusers.models": _module("diffusers.models", __path__=[]),
        "diffusers.models.modeling_utils": _module(
            "diffusers.models.modeling_utils", ModelMixin=base
        ),
        "wan": _module("wan", __path__=[str(root / "wan")]),
        "wan.modules": _module("wan.modules", __path__=[str(root / "wan" / "modules")]),
        "wan.modules.attention": _module(
            "wan.modules.attention", attention=_attention, flash_attention=_attention
        ),
    }
    before = {n: m for n, m in sys.modules.items() if n == "wan" or n.startswith("wan.")}
    saved = {name: sys.modules.get(name) for name in stubs} | before
    current, compiled = torch.cuda.current_device, torch.compile
    for name in before:
        del sys.modules[name]
    sys.modules.update(stubs)
    torch.cuda.current_device = lambda: "cpu"
    torch.compile = lambda function, *args, **kwargs: function
    try:
        import importlib

        yield importlib.import_module("wan.modules.causal_model")
    finally:
        torch.cuda.current_device, torch.compile = current, compiled
        for name in [n for n in sys.modules if n == "wan" or n.startswith("wan.")]:
            del sys.modules[name]
        for name, module in saved.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def ring(size, shape, layers):
    """An empty key/value ring of the published pipelines."""
    def whole():
        return torch.zeros(shape[0], size, *shape[1:])

    return [
        {"k": whole(), "v": whole(), "global_end_index": torch.tensor([0]),
         "local_end_index": torch.tensor([0])}
        for _ in range(layers)
    ]
