"""Finding faces in a picture of any style, and their 44 points.

    finder = load_finder()
    faces = finder.find(picture)                      # [Found, ...], the largest first; may be []
    points, found, message = finder.find_or_default(picture, anchors)      # never without points
    points, spread = finder.read(frames, faces[0].points)    # a film of that face, frame by frame

A detector looks at the whole picture at several scales; each face it proposes is then cut out,
turned upright and read twice, the second time where the first reading saw it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch

from ..checkpoint import EMBEDDED, LANDMARKS, SUFFIX, load_into, read_checkpoint, save_checkpoint
from ..embodiment import Embodiment, ViewSpec
from ..errors import AvatarError, CheckpointError, GWMError
from ..model.landmark_net import CELL, SIDE, TYPICAL, FaceDetector, LandmarkNet
from ..pictures import read_picture
from .anchors import corrected
from .character import Character, points_from_anchors
from .face_crop import AROUND, FaceCrop
from .landmarks import MIRROR, face_height
from .motion import TICK_RATE

KIND = "faces-landmarks"
SHIPPED = EMBEDDED / f"gwm-faces.{LANDMARKS}{SUFFIX}"
SURE, PERHAPS = 0.55, 0.3
"""Scores from which a face is one, and from which a picture without such a one has one perhaps."""
GUESS = 0.3
"""What a place that the detector did not propose counts: never enough for a sure face."""
DOUBTFUL = 0.05
"""Mean expected error of points, in face heights, at which a reading counts half."""
OCTAVES = 5
"""Scales at which the picture is looked at, each twice as fine as the one before."""
MOST_PIXELS = 700_000
PROPOSALS = 20
BATCH = 16


@dataclass(frozen=True, eq=False)
class Found:
    """A face: points float32 [44, 2] (pixels of the picture), spread float32 [44] (the expected
    error of each, pixels), score 0..1."""

    points: np.ndarray
    spread: np.ndarray
    score: float

    @property
    def height(self) -> float:
        """From crown to chin in pixels."""
        return float(face_height(self.points))


@dataclass(frozen=True, eq=False)
class _Proposal:
    x: float
    y: float
    height: float
    roll: float
    score: float

    def crop(self) -> FaceCrop:
        return FaceCrop(self.x, self.y, AROUND * self.height, self.roll)


class Finder:
    """Both networks as one; keeps nothing from call to call, so that threads may share it."""

    def __init__(self, detector: FaceDetector, net: LandmarkNet) -> None:
        self.detector = detector.eval().to(memory_format=torch.channels_last)
        self.net = net.eval().to(memory_format=torch.channels_last)
        self.fingerprint = ""

    def find(self, picture: Any, least: float = SURE) -> list[Found]:
        """The faces of a picture, largest first; [] where there is none of score ``least``.

        picture: array or tensor [H, W], [H, W, 1, 3 or 4] or a batch of one, uint8 or float in
        0..1, of 8 to 16384 px a side; alpha is laid over white. AvatarError for anything else.
        """
        rgb = _checked(picture)
        faces = self._confirmed(rgb, _apart(self._proposals(rgb))[:PROPOSALS])
        if least < SURE and all(face.score < SURE for face in faces):
            faces += [face for face in self._confirmed(rgb, _guesses(rgb))
                      if all(_away(face, other) for other in faces)]
        return sorted([face for face in faces if face.score >= least],
                      key=lambda face: -face.height)

    def find_or_default(
        self, picture: Any, anchors: Mapping[str, Sequence[float]] | None = None,
    ) -> tuple[np.ndarray, bool, str]:
        """(points float32 [44, 2], whether a face was found, what to tell the user).

        A picture without a face is no error: then the points are those of a centred face, moved
        by ``anchors`` (name -> x, y; see ``points_from_anchors``, and ``corrected`` for a face that
        was found), which always have the last word. AvatarError only for what is no picture, or
        anchors that are none.
        """
        rgb = _checked(picture)
        height, width = rgb.shape[:2]
        faces = self.find(rgb, PERHAPS)
        sure = [face for face in faces if face.score >= SURE]
        if sure:
            face = _nearest(sure, anchors) if anchors else sure[0]
            points, found = face.points, True
            message = "face found" if len(sure) == 1 else (
                f"{len(sure)} faces found; " + ("the one at the anchors is used" if anchors else
                                                "the largest is used, cut the picture for another"))
        elif faces:
            points, found = max(faces, key=lambda face: face.score).points, True
            message = "a face was found, but not surely: check the points, or drag the anchors"
        else:
            points, found = Character.default_points(width, height), False
            message = "no face found: " + ("the anchors are used" if anchors else
                                           "a centred face is assumed, drag the anchors onto yours")
        if anchors:
            points = (corrected if found else points_from_anchors)(points, anchors)
        return np.asarray(points, np.float32), found, message

    def read(self, frames: Sequence[np.ndarray] | np.ndarray, around: np.ndarray,
             ) -> tuple[np.ndarray, np.ndarray]:
        """Points [N, 44, 2] and spread [N, 44] of frames uint8 [H, W, 3] whose face is about where
        the points ``around`` are ([44, 2] for all frames, or [N, 44, 2])."""
        around = np.asarray(around, np.float64)
        if around.shape[-2:] != MIRROR.shape + (2,) or around.ndim not in (2, 3) or (
                around.ndim == 3 and len(around) != len(frames)):
            raise AvatarError(f"around: points {around.shape}; [44, 2] or [N, 44, 2] is accepted")
        each = around if around.ndim == 3 else [around] * len(frames)
        crops = [FaceCrop.around(p) for p in each]
        points, spread, _ = self._read(frames, crops)
        return points, spread

    # -------------------------------------------------------------- the networks

    def _proposals(self, rgb: np.ndarray) -> list[_Proposal]:
        out: list[_Proposal] = []
        height, width = rgb.shape[:2]
        pad = 2 * CELL
        finest = TYPICAL * 2**(OCTAVES - 1) / min(height, width)
        if finest < 0.5:  # a large picture is gone through once only
            rgb = cv2.resize(rgb, None, fx=2 * finest, fy=2 * finest,
                             interpolation=cv2.INTER_AREA)
        for octave in range(OCTAVES):
            # At the first one a face as high as the shorter side is TYPICAL pixels high.
            scale = TYPICAL * 2**octave / min(height, width)
            wide, tall = max(1, round(width * scale)), max(1, round(height * scale))
            if octave and (wide * tall > MOST_PIXELS or scale > 4):
                break
            small = cv2.resize(rgb, (wide, tall), interpolation=cv2.INTER_AREA if scale < 1
                               else cv2.INTER_LINEAR)
            small = cv2.copyMakeBorder(small, pad, pad + -tall % CELL, pad, pad + -wide % CELL,
                                       cv2.BORDER_REPLICATE)
            with torch.inference_mode():
                cells = self.detector(torch.from_numpy(small).permute(2, 0, 1)[None])[0].numpy()
            for p in proposed(cells, PERHAPS):
                out.append(_Proposal((p.x - pad) * width / wide, (p.y - pad) * height / tall,
                                     p.height / scale, p.roll, p.score))
        return out

    def _confirmed(self, rgb: np.ndarray, proposals: list[_Proposal]) -> list[Found]:
        """What the closer look makes of them; both networks have to see a face, and its points
        have to be sure: in what is no face there are none to be sure of."""
        faces: list[Found] = []
        crops = [p.crop() for p in proposals]
        before = np.array([p.score for p in proposals])
        for careful in (False, True):
            points, spread, score = self._read([rgb] * len(crops), crops, careful)
            doubt = spread.mean(-1) / np.maximum(face_height(points), 1e-3)
            score = np.sqrt(before * score / (1 + (doubt / DOUBTFUL) ** 4))
            near = [i for i in range(len(crops))
                    if score[i] >= PERHAPS and _inside(points[i], rgb.shape)]
            near = _distinct(points, score, near)
            faces = [Found(points[i], spread[i], float(score[i])) for i in near]
            crops, before = [FaceCrop.around(points[i]) for i in near], before[near]
        return faces

    def _read(self, pictures: Sequence[np.ndarray], crops: Sequence[FaceCrop],
              careful: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points, spread (pixels) and score of crops; careful: each is also read mirrored."""
        parts = []
        for i in range(0, len(crops), BATCH):
            cuts = np.stack([crop.cut(picture, SIDE) for picture, crop in
                             zip(pictures[i:i + BATCH], crops[i:i + BATCH], strict=True)])
            pixels = torch.from_numpy(cuts).permute(0, 3, 1, 2)
            with torch.inference_mode():
                out = self.net(pixels)
                points, spread = out["points"].numpy(), out["spread"].numpy()
                score = torch.sigmoid(out["face"]).numpy()
                if careful:
                    out = self.net(pixels.flip(-1))
                    other = out["points"].numpy()[:, MIRROR] * [-1, 1] + [1, 0]
                    points = (points + other) / 2
                    spread = (spread + out["spread"].numpy()[:, MIRROR]) / 2
                    score = (score + torch.sigmoid(out["face"]).numpy()) / 2
            parts += [(crop.out_of(p), s * crop.side, v) for crop, p, s, v in
                      zip(crops[i:i + BATCH], points, spread, score, strict=True)]
        points, spread, score = zip(*parts, strict=True) if parts else ((), (), ())
        return (np.array(points, np.float32).reshape(-1, len(MIRROR), 2),
                np.array(spread, np.float32).reshape(-1, len(MIRROR)), np.array(score))


def proposed(cells: np.ndarray, least: float) -> list[_Proposal]:
    """The peaks of a detector's answer [6, h, w], in pixels of what it looked at."""
    score = 1 / (1 + np.exp(-np.clip(cells[0], -30, 30)))
    peak = score >= cv2.dilate(score, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero(peak & (score >= least))
    out = []
    for r, c in zip(rows, columns, strict=True):
        dx, dy, size, cos, sin = cells[1:, r, c]
        out.append(_Proposal((c + 0.5 + dx) * CELL, (r + 0.5 + dy) * CELL,
                             TYPICAL * float(np.exp(np.clip(size, -1.5, 1.5))),
                             float(np.arctan2(sin, cos)), float(score[r, c])))
    return out


def _guesses(rgb: np.ndarray) -> list[_Proposal]:
    """Where the face of a portrait usually is: looked at when the detector saw none."""
    height, width = rgb.shape[:2]
    side = min(height, 1.4 * width)
    return [_Proposal(width / 2, height * row, side * size, 0.0, GUESS)
            for size in (0.36, 0.52, 0.75) for row in (0.36, 0.48, 0.6)]


def _checked(picture: Any) -> np.ndarray:
    try:
        return read_picture(picture)
    except GWMError as error:
        raise AvatarError(str(error)) from None


def _apart(proposals: list[_Proposal]) -> list[_Proposal]:
    """The best of those that mean the same face; one of quite another size is another one."""
    kept: list[_Proposal] = []
    for p in sorted(proposals, key=lambda p: -p.score):
        if all(np.hypot(p.x - k.x, p.y - k.y) > 0.4 * min(p.height, k.height)
               or not 1 / 1.6 < p.height / k.height < 1.6 for k in kept):
            kept.append(p)
    return kept


def _distinct(points: np.ndarray, score: np.ndarray, among: list[int]) -> list[int]:
    """Of faces points [N, 44, 2] the best of those that are in one place: no face is in another."""
    kept: list[int] = []
    for i in sorted(among, key=lambda i: -score[i]):
        middle, height = points[i].mean(0), face_height(points[i])
        if all(np.linalg.norm(middle - points[k].mean(0))
               > 0.45 * max(height, face_height(points[k])) for k in kept):
            kept.append(i)
    return kept


def _away(face: Found, other: Found) -> bool:
    """Whether they are two faces."""
    apart = np.linalg.norm(face.points.mean(0) - other.points.mean(0))
    return bool(apart > 0.45 * max(face.height, other.height))


def _inside(points: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether most of a face is in the picture."""
    inside = (points >= 0).all(-1) & (points <= [shape[1], shape[0]]).all(-1)
    return bool(np.isfinite(points).all()) and inside.mean() > 0.6


def _nearest(faces: list[Found], anchors: Mapping[str, Sequence[float]]) -> Found:
    spot = np.array([list(at)[:2] for at in anchors.values()], np.float64).mean(0)
    return min(faces, key=lambda face: float(np.linalg.norm(face.points.mean(0) - spot)))


# ------------------------------------------------------------------ files


def save_finder(path: str | os.PathLike[str], detector: FaceDetector, net: LandmarkNet,
                about: Mapping[str, Any] | None = None) -> str:
    """Write a checkpoint of kind "faces-landmarks" and return its fingerprint."""
    tensors = {f"{name}.{k}": v for name, part in (("detector", detector), ("net", net))
               for k, v in part.state_dict().items()}
    crop = Embodiment("faces", TICK_RATE, 1, 0, (ViewSpec("crop", SIDE, SIDE, 30.0),), ())
    return save_checkpoint(path, tensors, {
        "name": "gwm-faces.landmarks", "kind": KIND, "embodiment": crop,
        "config": {"detector": detector.config, "net": net.config}, "licence": "Apache-2.0",
        **(about or {})})


def load_finder(path: str | os.PathLike[str] = SHIPPED) -> Finder:
    """The finder in a file, by default the shipped one; the same file gives the same object.

    CheckpointError says what does not fit.
    """
    path = os.path.abspath(path)
    return _loaded(path, os.stat(path).st_mtime_ns if os.path.isfile(path) else 0)


@lru_cache(maxsize=4)
def _loaded(path: str, written: int) -> Finder:
    tensors, metadata = read_checkpoint(path)
    if metadata["kind"] != KIND:
        raise CheckpointError(f"checkpoint {path}: kind {metadata['kind']!r}; {KIND!r} is accepted "
                              "here")
    parts = {}
    for name, network in (("detector", FaceDetector), ("net", LandmarkNet)):
        if name not in metadata["config"]:
            raise CheckpointError(f"checkpoint {path}: it lacks the part {name!r}")
        part = network(**metadata["config"][name])
        load_into(part, {k.removeprefix(name + "."): v for k, v in tensors.items()
                         if k.startswith(name + ".")}, f"checkpoint {path}: {name}")
        parts[name] = part
    finder = Finder(**parts)
    finder.fingerprint = metadata["fingerprint"]
    return finder
