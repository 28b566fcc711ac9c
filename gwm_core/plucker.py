"""A walked path as the camera condition of Wan-style video models (Pluecker rays).

The rays, their order and the packing of four frames into one latent frame are those of ComfyUI's
own *WanCameraEmbedding* node, which follows CameraCtrl (He et al. 2024). Here the poses are the
ones that were walked, in metres, instead of a preset motion.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .errors import GWMError


def camera_matrices(poses: np.ndarray) -> np.ndarray:
    """Camera-to-world matrices of poses.

    Args:
        poses: float ``[P, 5]``: x, y, z in metres (z up), yaw and pitch in radians.

    Returns:
        float64 ``[P, 4, 4]``; camera axes x right, y down, z forward.
    """
    poses = np.asarray(poses, np.float64)
    yaw, pitch = poses[:, 3], poses[:, 4]
    zero = np.zeros_like(yaw)
    forward = np.stack(
        [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)], axis=1
    )
    right = np.stack([np.sin(yaw), -np.cos(yaw), zero], axis=1)
    down = np.cross(forward, right)
    matrices = np.tile(np.eye(4), (len(poses), 1, 1))
    matrices[:, :3, 0] = right
    matrices[:, :3, 1] = down
    matrices[:, :3, 2] = forward
    matrices[:, :3, 3] = poses[:, :3]
    return matrices


def sample_times(count: int, length: int) -> np.ndarray:
    """Where in ``count`` frames the ``length`` evenly spread samples lie, float ``[length]``."""
    return np.linspace(0.0, count - 1.0, length)


def resample_poses(poses: np.ndarray, length: int) -> np.ndarray:
    """``length`` poses spread evenly over the path, ends kept; yaw goes the short way round."""
    poses = np.asarray(poses, np.float64)
    smooth = poses.copy()
    smooth[:, 3] = np.unwrap(poses[:, 3])
    times = sample_times(len(poses), length)
    index = np.arange(len(poses))
    return np.stack([np.interp(times, index, smooth[:, i]) for i in range(5)], axis=1)


def check_length(length: int) -> None:
    """Raises GWMError unless ``length`` is 4n+1: Wan packs four frames after the first."""
    if length < 1 or length % 4 != 1:
        below = max(1, (length - 1) // 4 * 4 + 1)
        raise GWMError(
            f"length: Wan needs 4n+1 frames (1, 5, 9, ... 81, ...), not {length}; "
            f"the nearest are {below} and {below + 4}"
        )


def focal_length(fov_deg: float, view: tuple[int, int], size: tuple[int, int]) -> float:
    """Focal length in pixels of a view, enlarged and centre-cropped to another size.

    Args:
        fov_deg: the view's vertical field of view.
        view: its width and height.
        size: width and height that it is scaled to fill (the overhang is cut off evenly).
    """
    own = (view[1] / 2) / math.tan(math.radians(fov_deg) / 2)
    return own * max(size[0] / view[0], size[1] / view[1])


def plucker_rays(poses: np.ndarray, width: int, height: int, focal: float) -> torch.Tensor:
    """Pluecker coordinates of every pixel's ray, relative to the first pose.

    Args:
        poses: ``[F, 5]`` world poses, already in the unit wanted for translation.
        width, height: picture size in pixels.
        focal: focal length in pixels, the same in both directions; centre in the middle.

    Returns:
        float32 ``[F, height, width, 6]``: moment (origin x direction), then direction.
    """
    worlds = camera_matrices(poses)
    relative = np.linalg.inv(worlds[0]) @ worlds
    relative[0] = np.eye(4)
    matrices = torch.from_numpy(relative.astype(np.float32))
    y, x = torch.meshgrid(
        torch.linspace(0, height - 1, height) + 0.5,
        torch.linspace(0, width - 1, width) + 0.5,
        indexing="ij",
    )
    rays = torch.stack(
        [(x - width / 2) / focal, (y - height / 2) / focal, torch.ones_like(x)], dim=-1
    )
    rays = (rays / rays.norm(dim=-1, keepdim=True)).reshape(1, height * width, 3)
    direction = rays @ matrices[:, :3, :3].transpose(1, 2)
    origin = matrices[:, None, :3, 3].expand_as(direction)
    moment = torch.linalg.cross(origin, direction, dim=-1)
    return torch.cat([moment, direction], dim=-1).reshape(len(poses), height, width, 6)


def wan_camera_embedding(
    poses: np.ndarray,
    width: int,
    height: int,
    length: int,
    fov_deg: float,
    view: tuple[int, int],
    scale: float = 1.0,
) -> torch.Tensor:
    """The camera condition of a walked path.

    Args:
        poses: ``[P, 5]`` walked poses, P at least 1.
        width, height: size of the video to be made, multiples of 16.
        length: its frames, 4n+1; the path is resampled to them from end to end.
        fov_deg, view: vertical field of view and (width, height) of the walked view.
        scale: metres are multiplied by this.

    Returns:
        float32 ``[1, 24, (length - 1) // 4 + 1, height, width]``.

    Raises:
        GWMError: no poses, numbers that are not finite, or sizes Wan cannot take.
    """
    poses = np.asarray(poses, np.float64)
    if poses.ndim != 2 or poses.shape[1] != 5 or len(poses) == 0 or not np.isfinite(poses).all():
        raise GWMError(
            "world: its walked path must be finite poses [P, 5] with at least one row, "
            f"not {poses.shape}"
        )
    check_length(length)
    for name, value in (("width", width), ("height", height)):
        if value < 16 or value % 16:
            raise GWMError(f"{name}: Wan needs a multiple of 16, at least 16, not {value}")
    path = resample_poses(poses, length)
    path[:, :3] *= scale
    rays = plucker_rays(path, width, height, focal_length(fov_deg, view, (width, height)))
    video = rays.permute(3, 0, 1, 2)[None]
    video = torch.cat([video[:, :, :1].repeat_interleave(4, dim=2), video[:, :, 1:]], dim=2)
    _, channels, frames, rows, columns = video.shape
    video = video.reshape(1, channels, frames // 4, 4, rows, columns)
    # The host's order: for each channel the four frames that share one latent frame.
    return (
        video.permute(0, 1, 3, 2, 4, 5)
        .reshape(1, channels * 4, frames // 4, rows, columns)
        .contiguous()
    )
