"""Whether a face is still the portrait's: its pixels outside mouth, eyes and brows, stabilised."""

from __future__ import annotations

import cv2
import numpy as np

from ...avatars.landmarks import INDEX, face_height
from ..measures import psnr
from .points import STEADY

OUTLINE = ("temple_left", "cheek_left", "jaw_left", "chin_left", "chin", "chin_right", "jaw_right",
           "cheek_right", "temple_right", "crown")
MOVING = (
    ("brow_left_outer", "brow_left", "brow_left_inner"),
    ("brow_right_outer", "brow_right", "brow_right_inner"),
    ("eye_left_outer", "eye_left_upper", "eye_left_inner", "eye_left_lower"),
    ("eye_right_outer", "eye_right_upper", "eye_right_inner", "eye_right_lower"),
    ("mouth_left", "lip_top_left", "lip_top", "lip_top_right", "mouth_right", "lip_bottom_right",
     "lip_bottom", "lip_bottom_left"),
)
MARGIN = 0.04
"""Of the face's height: what is left out around brows, eyes and mouth."""
EDGE = 0.05
"""Of the face's height: what is left out at the outline, where the background begins."""


def _hull(points: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    return cv2.convexHull(points[[INDEX[n] for n in names]].astype(np.float32))


def lasting(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """bool [H, W]: the face of ``points`` [44, 2] without mouth, eyes, brows and its rim."""
    height = float(face_height(points))
    face = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(face, _hull(points, OUTLINE).round().astype(np.int32), 1)
    face = cv2.erode(face, _disc(EDGE * height))
    moving = np.zeros(shape[:2], np.uint8)
    for names in MOVING:
        cv2.fillConvexPoly(moving, _hull(points, names).round().astype(np.int32), 1)
    return (face > 0) & (cv2.dilate(moving, _disc(MARGIN * height)) == 0)


def _disc(radius: float) -> np.ndarray:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def stabilised(frame: np.ndarray, points: np.ndarray, portrait: np.ndarray, rest: np.ndarray
               ) -> np.ndarray:
    """``frame`` uint8 [H, W, 3] moved onto ``portrait``: first as a whole by its points [44, 2],
    then pixel by pixel by dense inverse search flow (Kroeger et al. 2016), smoothed so that it
    follows a turn of the head and no texture."""
    keep = list(STEADY) + [INDEX[n] for n in ("cheek_left", "cheek_right", "nose_tip")]
    whole, _ = cv2.estimateAffinePartial2D(rest[keep].astype(np.float32),
                                           points[keep].astype(np.float32), method=cv2.LMEDS)
    if whole is None:
        whole = np.array([[1, 0, 0], [0, 1, 0]], np.float64)
    height, width = portrait.shape[:2]
    # whole maps the portrait's places to the frame's: its inverse warp brings the frame back
    moved = cv2.warpAffine(frame, whole, (width, height), borderMode=cv2.BORDER_REPLICATE,
                           flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY),
                       cv2.cvtColor(moved, cv2.COLOR_RGB2GRAY), None)
    flow = cv2.GaussianBlur(flow, (0, 0), max(1.0, 0.02 * float(face_height(rest))))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return cv2.remap(moved, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC,
                     borderMode=cv2.BORDER_REPLICATE)


def likeness(frames: np.ndarray, points: np.ndarray, portrait: np.ndarray, rest: np.ndarray
             ) -> np.ndarray:
    """PSNR in dB of each frame [N, H, W, 3] against the portrait, on its lasting pixels."""
    where = lasting(rest, portrait.shape)
    return np.array([psnr(stabilised(f, p, portrait, rest), portrait, where)
                     for f, p in zip(frames, points, strict=True)])


def half_pixel(portrait: np.ndarray, rest: np.ndarray) -> float:
    """The same of a portrait that is moved by half a pixel and back: what any resampling costs on
    its texture."""
    away = np.array([[1, 0, 0.5], [0, 1, 0.5]])
    size = portrait.shape[1::-1]
    moved = cv2.warpAffine(portrait, away, size, flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REPLICATE)
    back = cv2.warpAffine(moved, away, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REPLICATE)
    return psnr(back, portrait, lasting(rest, portrait.shape))
