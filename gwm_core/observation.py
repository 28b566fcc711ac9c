"""What a world begins with: its first picture and depth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from . import tensor_file
from .embodiment import Embodiment
from .errors import WorldError


@dataclass(frozen=True, eq=False)
class Observation:
    """What a world begins with, at tick 0.

    frames  view name -> uint8 [H, W, 3]
    depth   view name -> float32 [H, W], metres, finite and > 0; views without depth are left out
    info    JSON values. Known to the library: ``pose`` (x, y, z, yaw, pitch of the first view),
            ``understood`` and ``ignored`` (words of the prompt)
    """

    frames: Mapping[str, np.ndarray]
    depth: Mapping[str, np.ndarray] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, kind, views in (
            ("frame", np.uint8, self.frames), ("depth", np.float32, self.depth),
        ):
            kept = {}
            for name, array in views.items():
                shape = getattr(array, "shape", ())
                fits = len(shape) == 2 if what == "depth" else len(shape) == 3 and shape[2] == 3
                if not fits or getattr(array, "dtype", None) != kind:
                    form = "[H, W]" if what == "depth" else "[H, W, 3]"
                    got = f"{getattr(array, 'dtype', type(array).__name__)} {list(shape)}"
                    raise WorldError(
                        f"first {what} of {name!r}: got {got}; {kind.__name__} {form} is accepted"
                    )
                if what == "depth" and not (np.isfinite(array).all() and (array > 0).all()):
                    raise WorldError(f"first depth of {name!r}: finite metres > 0 are accepted")
                kept[name] = np.array(array)
                kept[name].flags.writeable = False
            object.__setattr__(self, "frames" if what == "frame" else "depth", kept)
        text = tensor_file.canonical_json(dict(self.info), "first observation", WorldError)
        object.__setattr__(self, "info", json.loads(text))

    @cached_property
    def hash(self) -> str:
        """sha256 (hex) of all of it."""
        info = tensor_file.canonical_json(self.info, "first observation", WorldError)
        return tensor_file.hash_arrays(self.arrays(), info)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by the names that files use."""
        return {
            **{f"frame.{name}": array for name, array in self.frames.items()},
            **{f"depth.{name}": array for name, array in self.depth.items()},
        }

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return sum(array.nbytes for array in self.arrays().values())

    def check(self, embodiment: Embodiment) -> None:
        """WorldError unless there is a picture of every view, of its size.

        Models that begin from the prompt alone (``first_picture`` false in the embodiment's
        ``extra``) may also have none at all.
        """
        if not self.frames and not self.depth and not embodiment.extra.get("first_picture", True):
            return
        sizes = {view.name: (view.height, view.width) for view in embodiment.views}
        if set(self.frames) != set(sizes) or not set(self.depth) <= set(sizes):
            raise WorldError(
                f"first observation: pictures of {sorted(self.frames)} given; "
                f"{sorted(sizes)} are needed"
            )
        for name, array in (*self.frames.items(), *self.depth.items()):
            if array.shape[:2] != sizes[name]:
                height, width = sizes[name]
                raise WorldError(
                    f"first observation: {name!r} is {array.shape[1]}x{array.shape[0]}; "
                    f"{width}x{height} is needed"
                )
