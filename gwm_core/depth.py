"""How far everything in a single picture is, and what it is, estimated by the checkpoint.

A small network reads the picture (see model.depth); walls are made plane and upright (see
upright), floors are put where a level floor 1.55 m below the eye must be, and depth edges are
drawn along the picture's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from .compiled import kernel
from .errors import CheckpointError
from .model.depth import EYE_HEIGHT, PARTS, THEMES, build_reader
from .upright import straighten

NEAR, FAR = 0.3, 60.0
UNKNOWN = 255
FLOOR = 0
SMOOTH = 0.1  # log-depth that changes less than this within reach of the filter is left as it is


@dataclass(frozen=True)
class Estimate:
    """depth f32 [H, W] (metres), label u8 [H, W], rooms (share of known room), pitch (radians)."""

    depth: np.ndarray
    label: np.ndarray
    rooms: float
    pitch: float


def ray_maps(width: int, height: int, focal: float, pitch: float = 0.0) -> np.ndarray:
    """Elevation and azimuth of every pixel's ray, f32 [2, H, W] in radians."""
    a = ((np.arange(width) + 0.5 - 0.5 * width) / focal)[None, :]
    b = ((np.arange(height) + 0.5 - 0.5 * height) / focal)[:, None]
    up = math.sin(pitch) - b * math.cos(pitch) + 0 * a
    ahead = math.cos(pitch) + b * math.sin(pitch) + 0 * a
    return np.stack([np.arctan2(up, np.hypot(ahead, a)), np.arctan2(a, ahead)]).astype(np.float32)


@kernel
def _sharpen(coarse, rgb, radius, smooth, out):
    """Each pixel takes the log-disparity that most alike pixels near it have: a weighted median,
    then the mean of what lies near the median, so of one side of an edge only."""
    height, width = out.shape
    values = np.empty(256)
    weights = np.empty(256)
    for j in range(height):
        for i in range(width):
            low = high = coarse[j, i]
            for y in range(max(j - radius, 0), min(j + radius + 1, height), 2):
                for x in range(max(i - radius, 0), min(i + radius + 1, width), 2):
                    low, high = min(low, coarse[y, x]), max(high, coarse[y, x])
            if high - low < smooth:  # no edge to sharpen
                out[j, i] = coarse[j, i]
                continue
            n = 0
            total = 0.0
            for dj in range(-radius, radius + 1, 2):
                y = j + dj
                if y < 0 or y >= height:
                    continue
                for di in range(-radius, radius + 1, 2):
                    x = i + di
                    if x < 0 or x >= width:
                        continue
                    c = 0.0
                    for k in range(3):
                        c += abs(float(rgb[y, x, k]) - float(rgb[j, i, k]))
                    w = math.exp(-c / 24.0 - (dj * dj + di * di) / (1.6 * radius * radius))
                    v = coarse[y, x]
                    p = n
                    while p > 0 and values[p - 1] > v:
                        values[p], weights[p] = values[p - 1], weights[p - 1]
                        p -= 1
                    values[p], weights[p] = v, w
                    n += 1
                    total += w
            run = 0.0
            middle = values[0]
            for k in range(n):
                run += weights[k]
                if run >= 0.5 * total:
                    middle = values[k]
                    break
            total = mean = 0.0
            for k in range(n):
                d = (values[k] - middle) / 0.15
                w = weights[k] * math.exp(-d * d)
                total += w
                mean += w * values[k]
            out[j, i] = mean / max(total, 1e-9)


def align_edges(log_disparity: np.ndarray, rgb: np.ndarray, radius: int = 6) -> np.ndarray:
    """Log-disparity whose edges follow the picture's; f32 [H, W]. A joint bilateral filter that
    averages one side of a depth edge only, so that nothing hangs between near and far."""
    out = np.zeros(log_disparity.shape, np.float64)
    _sharpen(log_disparity.astype(np.float64), rgb, radius, SMOOTH, out)
    return out.astype(np.float32)


class DepthEstimator:
    """Depth and labels of a single picture (see model.depth)."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model.float().eval()

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor], config: dict) -> DepthEstimator:
        """From the tensors and the config that training wrote."""
        model = build_reader(config)
        try:
            model.load_state_dict({k: v.float() for k, v in tensors.items()})
        except RuntimeError as error:
            raise CheckpointError(f"picture reader: {error}") from None
        return cls(model)

    def _inputs(self, rgb: np.ndarray, fov_deg: float) -> tuple[np.ndarray, float]:
        """The network's input f32 [1, 7, h, w] with colours only, and its focal length."""
        width, height = self.model.size
        small = np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BOX))
        x = np.zeros((1, 7, height, width), np.float32)
        x[0, :3] = small.transpose(2, 0, 1) / 255.0
        return x, 0.5 * height / math.tan(math.radians(fov_deg) / 2)

    def _see(self, x: np.ndarray):
        """What the network says of an input and of its mirror image, in the mean: log-disparity
        [1, 1, h, w], parts [1, 9, h, w] and themes [1, 15, h, w] (logits), tilt."""
        there = torch.from_numpy(x)
        both = torch.cat([there, there.flip(3)])
        both[1, 3:5] = both[0, 3:5]  # rays stay where they are
        out, parts, themes, tilt = self.model(both)
        maps = (0.5 * (y[:1] + y[1:].flip(3)) for y in (out[:, None], parts, themes))
        return *maps, float(tilt.detach().mean())

    @torch.no_grad()
    def tilt(self, rgb: np.ndarray, fov_deg: float = 60.0) -> float:
        """By how many radians the camera looks up, at most 43 degrees."""
        x, focal = self._inputs(rgb, fov_deg)
        pitch = 0.0
        for _ in range(2):
            x[0, 3:5] = ray_maps(x.shape[3], x.shape[2], focal, pitch)
            pitch = min(max(pitch + self._see(x)[3], -0.75), 0.75)
        # Smaller tilts are seen in level pictures too, and most pictures are level.
        return 0.0 if abs(pitch) < math.radians(3) else pitch

    @torch.no_grad()
    def shares(self, rgb: np.ndarray, fov_deg: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
        """What a picture u8 [H, W, 3] shows, cell by cell of the network's own grid, as shares:
        parts of a room f32 [9, h, w] and themes f32 [15, h, w]; the last of each is "none"."""
        x, focal = self._inputs(rgb, fov_deg)
        x[0, 3:5] = ray_maps(x.shape[3], x.shape[2], focal, self.tilt(rgb, fov_deg))
        _, parts, themes, _ = self._see(x)
        return torch.softmax(parts, 1)[0].numpy(), torch.softmax(themes, 1)[0].numpy()

    def estimate(self, rgb: np.ndarray, fov_deg: float = 60.0) -> Estimate:
        """Depth, labels and tilt of a picture u8 [H, W, 3] of which nothing else is known.

        The tilt is only believed where the picture looks like a known room; else the camera is
        taken to be level.
        """
        pitch = self.tilt(rgb, fov_deg)
        depth, label, rooms = self.read(rgb, pitch=pitch, fov_deg=fov_deg)
        if rooms < 0.35 and pitch:
            pitch = 0.0
            depth, label, rooms = self.read(rgb, pitch=0.0, fov_deg=fov_deg)
        return Estimate(depth, label, rooms, pitch)

    @torch.no_grad()
    def read(self, rgb: np.ndarray, *, pitch: float = 0.0, fov_deg: float = 60.0, depth=None):
        """rgb u8 [H, W, 3] -> (depth f32 [H, W], label u8 [H, W], rooms: share of known rooms).

        ``depth`` f32 [H, W]: metric depth where it is known; then only labels are estimated.
        """
        height, width = rgb.shape[:2]
        x, focal = self._inputs(rgb, fov_deg)
        h, w = x.shape[2:]
        x[0, 3:5] = ray_maps(w, h, focal, pitch)
        if depth is not None:
            rows = ((np.arange(h) + 0.5) * height / h).astype(int)
            columns = ((np.arange(w) + 0.5) * width / w).astype(int)
            x[0, 5] = -np.log(np.clip(depth[rows][:, columns], 0.05, FAR))
            x[0, 6] = 1.0
        out, parts, themes, _ = self._see(x)
        size = (height, width)
        resize = torch.nn.functional.interpolate
        part_p = torch.softmax(resize(parts, size=size, mode="bilinear"), 1)[0].numpy()
        themes = pooled_themes(themes, 2.0 if self.model.hinted else 1.0)
        theme_p = resize(themes, size=size, mode="bilinear")[0].numpy()
        label, rooms = _labels(part_p, theme_p)
        if depth is not None:
            return np.asarray(depth, np.float32), label, rooms
        coarse = resize(out, size=size, mode="bilinear")[0, 0].numpy()
        focal = 0.5 * height / math.tan(math.radians(fov_deg) / 2)
        rays = ray_maps(width, height, focal, pitch)
        coarse = straighten(coarse, part_p, focal, pitch, EYE_HEIGHT)
        coarse = ground_prior(coarse, part_p, rays, pitch)
        sharp = align_edges(coarse, rgb)
        return np.clip(np.exp(-sharp), NEAR, FAR).astype(np.float32), label, rooms


def pooled_themes(logits: torch.Tensor, sure: float) -> torch.Tensor:
    """Probabilities [1, 15, h, w] of themes. A room has one theme: what is seen far around a place,
    and in the whole picture, counts for it as well. sure: how far it may be
    believed; version 1 never learnt what is of no known theme."""
    from scipy import ndimage

    said = torch.log_softmax(logits, 1).clamp(min=-9)[0].numpy()
    wide = logits.shape[2] // 2 + 1
    said = 0.5 * ndimage.uniform_filter(said, (0, wide, wide), mode="nearest") + (
        0.5 * said.mean((1, 2), keepdims=True))
    return torch.softmax(torch.from_numpy(sure * said), 0)[None]


def _labels(part_p: np.ndarray, theme_p: np.ndarray) -> tuple[np.ndarray, float]:
    """Labels where part and theme are both clear."""
    part, theme = part_p.argmax(0), theme_p.argmax(0)
    clear = (part < PARTS) & (theme < THEMES)
    clear &= (part_p.max(0) > 0.5) & (theme_p.max(0) > 0.5)
    label = np.where(clear, theme * 8 + part, UNKNOWN).astype(np.uint8)
    return label, float(clear.mean())


def ground_prior(log_disparity, part_p, rays, pitch: float = 0.0) -> np.ndarray:
    """Floors lie where a level floor 1.55 m below the eye is, as surely as they are floors;
    nothing lies far below that floor."""
    elevation, azimuth = rays
    down = np.sin(-elevation)
    reach = EYE_HEIGHT / np.maximum(down, 1e-3)
    # Range to z-depth: how far along the optical axis.
    along = np.cos(elevation) * np.cos(azimuth) * math.cos(pitch) - down * math.sin(pitch)
    depth = reach * along
    floor = -np.log(np.clip(depth, NEAR, FAR))
    below = elevation < math.radians(-4)
    sure = np.clip((part_p[FLOOR] - 0.35) / 0.4, 0, 1) * below
    out = log_disparity * (1 - sure) + floor * sure
    return np.where(below, np.maximum(out, floor - 0.05), out).astype(np.float32)
