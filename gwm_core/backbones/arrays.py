"""Tensors of any dtype as numpy arrays and back, bit for bit, for world files and the store."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

BITS = {1: torch.uint8, 2: torch.int16}


def array_of(tensor: Tensor) -> tuple[np.ndarray, str]:
    """(array, name of the tensor's dtype). What numpy lacks (bfloat16, 8-bit floats) comes as
    integers of the same bits."""
    tensor = tensor.detach().cpu().contiguous()
    name = str(tensor.dtype).removeprefix("torch.")
    try:
        return tensor.numpy(), name
    except TypeError:
        return tensor.view(BITS[tensor.element_size()]).numpy(), name


def tensor_of(array: np.ndarray, dtype: str, device: Any = None) -> Tensor:
    """The tensor that ``array_of`` described; ValueError for a dtype that does not exist.

    It lies in torch's own memory: where an array happens to begin can change the last bit of a
    matrix product on a CPU.
    """
    wanted = getattr(torch, dtype, None)
    if not isinstance(wanted, torch.dtype):
        raise ValueError(f"state: {dtype!r} is no dtype")
    tensor = torch.from_numpy(np.array(array)).clone()
    return (tensor if tensor.dtype == wanted else tensor.view(wanted)).to(device)

