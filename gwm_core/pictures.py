"""An artist's own picture as the first view of a world: cropped, resized, given depth.

The rule: the picture is cut evenly on two sides to the view's shape (left and right of a wide
one, top and bottom of a tall one), nothing else is lost, and then resized to the view. The eye is
taken to be 1.55 m above the floor and level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from .depth import EYE_HEIGHT, FAR, NEAR, DepthEstimator
from .errors import GWMError

KINDS = ("near_white", "near_black", "metres")
MAX_SIDE = 16384


@dataclass(frozen=True)
class FirstPicture:
    """rgb u8 [H, W, 3], depth f32 [H, W] (z, metres), label u8 [H, W] (255 where unknown).

    ``rooms``: share of the picture that looks like a room the model knows; ``pitch``: by how
    much the camera looks up (radians).
    """

    rgb: np.ndarray
    depth: np.ndarray
    label: np.ndarray
    rooms: float
    pitch: float = 0.0


def crop_box(width: int, height: int, shape: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the largest centred box with width / height = ``shape``."""
    if width > height * shape:
        wide = max(1, round(height * shape))
        left = (width - wide) // 2
        return left, 0, left + wide, height
    tall = max(1, round(width / shape))
    top = (height - tall) // 2
    return 0, top, width, top + tall


def read_picture(picture) -> np.ndarray:
    """Any picture as u8 [H, W, 3].

    Accepted: arrays or tensors [H, W], [H, W, 1 or 3 or 4] or a batch of one of these, u8 or
    float in 0..1; alpha is laid over white. GWMError otherwise, also for values that are not
    finite.
    """
    if isinstance(picture, torch.Tensor):
        picture = picture.detach().cpu().float().numpy() if picture.is_floating_point() else (
            picture.detach().cpu().numpy())
    array = np.asarray(picture)
    if array.ndim == 4:
        if len(array) != 1:
            raise GWMError(f"picture: a batch of {len(array)}; one picture is accepted")
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or min(array.shape[:2]) < 8:
        raise GWMError(
            f"picture: its shape is {np.shape(picture)}; [H, W, 1, 3 or 4] of at least 8x8 pixels "
            "is accepted"
        )
    if max(array.shape[:2]) > MAX_SIDE:
        raise GWMError(f"picture: {array.shape[1]}x{array.shape[0]}; sides up to {MAX_SIDE} are "
                       "accepted")
    if array.dtype != np.uint8:
        if not np.issubdtype(array.dtype, np.floating):
            raise GWMError(f"picture: {array.dtype} values; uint8 or floats in 0..1 are accepted")
        if not np.isfinite(array).all():
            raise GWMError("picture: some values are not finite (NaN or infinite)")
        array = (np.clip(array, 0, 1) * 255 + 0.5).astype(np.uint8)
    if array.shape[2] == 4:
        alpha = array[..., 3:].astype(np.float32) / 255
        array = (array[..., :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(array, 3, 2) if array.shape[2] == 1 else array)


def fit_picture(picture, width: int, height: int) -> np.ndarray:
    """A picture cropped and resized to the view by the rule above; u8 [height, width, 3]."""
    rgb = read_picture(picture)
    box = crop_box(rgb.shape[1], rgb.shape[0], width / height)
    image = Image.fromarray(rgb).crop(box)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def fit_depth(
    depth, picture, width: int, height: int, kind: str = "near_white", estimate=None,
    fov_deg: float = 60.0,
) -> np.ndarray:
    """Metric z-depth f32 [height, width] from a depth map, cropped like its picture.

    depth: [H, W], with channels (the first counts) or a batch of one, at any resolution but of
    the same aspect as ``picture``. kind: "near_white" (relative disparity as depth nodes give
    it), "near_black" (the same inverted) or "metres". Relative maps are scaled to ``estimate``
    f32 [height, width] (metres), without it to a level floor 1.55 m below the eye.
    """
    if kind not in KINDS:
        raise GWMError(f"depth kind: got {kind!r}; one of {', '.join(KINDS)} is accepted")
    given = _crop_depth(depth, picture, width, height)
    if kind == "metres":
        if given.min() <= 0:
            raise GWMError("depth: metres must be above 0 everywhere")
        return np.clip(given, 0.05, FAR).astype(np.float32)
    if kind == "near_black":
        given = given.max() - given
    if estimate is None:
        return _on_floor(given, fov_deg)
    return relative_to_metric(given, estimate)


def _on_floor(relative: np.ndarray, fov_deg: float) -> np.ndarray:
    """Relative disparity as metres: the lowest rows are floor, the farthest is 12 m away."""
    low = float(np.median(relative[-max(1, len(relative) // 20):]))
    far = float(np.quantile(relative, 0.01))
    floor = math.tan(math.radians(fov_deg) / 2) / EYE_HEIGHT
    share = (relative - far) / max(low - far, 1e-3 + 0.1 * float(np.ptp(relative)))
    return np.clip(1.0 / np.maximum(1 / 12 + share * (floor - 1 / 12), 1 / FAR), NEAR, FAR).astype(
        np.float32)


def _crop_depth(depth, picture, width: int, height: int) -> np.ndarray:
    """A depth map cropped and resized like its picture, without mixing near and far."""
    size = read_picture(picture).shape
    picture_size = (size[1], size[0])
    array = depth.detach().cpu().float().numpy() if isinstance(depth, torch.Tensor) else depth
    array = np.asarray(array)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 3:
        array = array[0] if array.shape[0] == 1 and array.shape[2] > 4 else array[..., 0]
    if array.ndim != 2 or min(array.shape) < 8:
        raise GWMError(f"depth: its shape is {np.shape(depth)}; [H, W] or [1, H, W, C] is accepted")
    array = array.astype(np.float32) / (255.0 if array.dtype == np.uint8 else 1.0)
    if not np.isfinite(array).all():
        raise GWMError("depth: some values are not finite (NaN or infinite)")
    ratio = (array.shape[1] / array.shape[0]) / (picture_size[0] / picture_size[1])
    if not 0.97 < ratio < 1.03:
        raise GWMError(
            f"depth: {array.shape[1]}x{array.shape[0]} has another shape than its picture "
            f"{picture_size[0]}x{picture_size[1]}; both must show the same"
        )
    left, top, right, bottom = crop_box(array.shape[1], array.shape[0], width / height)
    rows = top + (np.arange(height) + 0.5) * (bottom - top) / height
    columns = left + (np.arange(width) + 0.5) * (right - left) / width
    return array[np.clip(rows.astype(int), 0, array.shape[0] - 1)][
        :, np.clip(columns.astype(int), 0, array.shape[1] - 1)]


def relative_to_metric(relative: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Relative disparity (near = white) as metric depth: scale and shift by least squares to an
    estimate, robustly; f32 [H, W] in metres."""
    x = relative.astype(np.float64).ravel()
    y = 1.0 / np.clip(estimate.astype(np.float64).ravel(), NEAR, FAR)
    if np.ptp(x) < 1e-6:
        return estimate.astype(np.float32)
    weight = np.ones_like(x)
    scale, shift = 1.0, 0.0
    for _ in range(8):
        mx, my = np.average(x, weights=weight), np.average(y, weights=weight)
        spread = np.average((x - mx) ** 2, weights=weight)
        scale = max(np.average((x - mx) * (y - my), weights=weight) / max(spread, 1e-12), 0.05)
        shift = my - scale * mx
        error = np.abs(y - scale * x - shift)
        weight = 1.0 / (error + 0.1 * np.median(error) + 1e-6)
    disparity = scale * x + shift
    # The darkest parts stay before the horizon instead of wrapping behind it.
    floor = 0.02 + 0.02 * np.clip(x, 0, 1)
    depth = 1.0 / np.maximum(disparity, floor)
    return np.clip(depth, NEAR, FAR).reshape(relative.shape).astype(np.float32)


def first_picture(
    picture, estimator: DepthEstimator, width: int, height: int, *, depth=None,
    depth_kind: str = "near_white", fov_deg: float = 60.0,
) -> FirstPicture:
    """The first view of a world from an artist's picture and, if given, its depth."""
    rgb = fit_picture(picture, width, height)
    guess = estimator.estimate(rgb, fov_deg)
    if depth is None:
        return FirstPicture(rgb, guess.depth, guess.label, guess.rooms, guess.pitch)
    z = fit_depth(depth, picture, width, height, depth_kind, guess.depth, fov_deg)
    _, label, rooms = estimator.read(rgb, pitch=guess.pitch, fov_deg=fov_deg, depth=z)
    return FirstPicture(rgb, z, label, rooms, guess.pitch)
