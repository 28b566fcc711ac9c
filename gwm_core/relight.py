"""Shows kept pixels under the light of now, with the checkpoint's relight network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .errors import CheckpointError
from .model.light import CONDITIONS, Relight

WINDOW, LAMP = 6, 7
UNKNOWN = 255


@dataclass(frozen=True)
class Lights:
    """Lamps and windows that the memory shows: centres f32 [L, 3] and [W, 3] in the world."""

    lamps: np.ndarray
    windows: np.ndarray


def no_lights() -> Lights:
    """Nothing known of lamps or windows."""
    return Lights(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))


def find_lights(points: np.ndarray, label: np.ndarray) -> Lights:
    """Lamps and windows among kept points f32 [N, 3] (world) by their labels u8 [N].

    Points of one kind closer than about a metre are one light.
    """
    return Lights(_centres(points, label, LAMP, 0.5), _centres(points, label, WINDOW, 0.8))


def _centres(points, label, part: int, size: float) -> np.ndarray:
    chosen = points[(label != UNKNOWN) & ((label & 7) == part)].astype(np.float64)
    if not len(chosen):
        return np.zeros((0, 3), np.float32)
    cells, inverse, count = np.unique(
        np.floor(chosen / size).astype(np.int64), axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    means = np.stack([np.bincount(inverse, chosen[:, d]) / count for d in range(3)], 1)
    order = np.argsort(-count, kind="stable")
    out: list[np.ndarray] = []
    for k in order:
        if count[k] >= 4 and all(np.linalg.norm(means[k] - c) > 1.5 * size for c in out):
            out.append(means[k])
    return np.array(out[:24], np.float32).reshape(-1, 3)


def nearness(points: np.ndarray, lights: Lights) -> np.ndarray:
    """f32 [N, 4]: how near known lamps are (0..3) and whether any is known; so for windows."""
    out = np.zeros((len(points), 4), np.float32)
    for column, centres, scale in ((0, lights.lamps, 1.44), (2, lights.windows, 0.8)):
        if not len(centres):
            continue
        total = np.zeros(len(points), np.float32)
        for c in centres:
            square = ((points - c) ** 2).sum(1)
            total += np.where(square < 36.0, scale / (scale + square), 0.0).astype(np.float32)
        out[:, column] = np.minimum(total, 3.0)
        out[:, column + 1] = 1.0
    return out


class Relighter:
    """The relight network on arrays of pixels."""

    def __init__(self, model: Relight) -> None:
        self.model = model.float().eval()

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor], config: dict) -> Relighter:
        """From the tensors and the config that training wrote."""
        model = Relight(config.get("width", 40))
        try:
            model.load_state_dict({k: v.float() for k, v in tensors.items()})
        except RuntimeError as error:
            raise CheckpointError(f"relight network: {error}") from None
        return cls(model)

    @torch.no_grad()
    def relight(
        self, rgb, source, target: int, d_source, d_target, label=None, points=None,
        lights: Lights | None = None,
    ) -> np.ndarray:
        """Pixels rgb u8 [..., 3] kept under ``source`` (an index or u8 [...]) as ``target`` shows.

        d_source, d_target: distances from the eye in metres, f32 [...], then and now (any values
        where neither condition has fog). label u8 [...]: window panes and lamps glow by their
        own law. points f32 [..., 3] in the world with ``lights``: pools of light. Returns a new
        u8 array; pixels whose light did not change are the same bytes.
        """
        rgb = np.asarray(rgb, np.uint8)
        shape = rgb.shape[:-1]
        source = np.broadcast_to(np.asarray(source), shape)
        if not 0 <= int(target) < CONDITIONS:
            raise ValueError(f"light condition {target}: 0 to {CONDITIONS - 1} are accepted")
        source = np.where(source < CONDITIONS, source, target).astype(np.int64)
        d_source = np.broadcast_to(np.asarray(d_source, np.float32), shape)
        d_target = np.broadcast_to(np.asarray(d_target, np.float32), shape)
        foggy = source % 3 > 0
        changed = (source != target) | (foggy & (np.abs(d_source - d_target) > 0.02))
        out = rgb.copy()
        if not changed.any():
            return out
        count = int(changed.sum())
        extra = np.zeros((count, 6), np.float32)
        if label is not None:
            part = np.asarray(label)[changed]
            known = part != UNKNOWN
            extra[:, 0] = known & ((part & 7) == WINDOW)
            extra[:, 1] = known & ((part & 7) == LAMP)
        if points is not None and lights is not None:
            extra[:, 2:] = nearness(np.asarray(points, np.float32)[changed], lights)
        result = self.model(
            torch.from_numpy(rgb[changed].astype(np.float32) / 255.0),
            torch.from_numpy(source[changed]),
            torch.from_numpy(np.ascontiguousarray(d_source[changed])),
            torch.full((count,), int(target)),
            torch.from_numpy(np.ascontiguousarray(d_target[changed])),
            torch.from_numpy(extra),
        )
        out[changed] = (result.clamp(0, 1) * 255.0 + 0.5).numpy().astype(np.uint8)
        return out
