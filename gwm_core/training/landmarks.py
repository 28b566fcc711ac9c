"""Training of the face finder on drawn faces.

    python -m gwm_core.training.landmarks --work DIR            # the shipped finder
    python -m gwm_core.training.landmarks --work DIR --judge    # another one, for evaluation only

Both go on where they were stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..avatars.finder import SHIPPED, load_finder, save_finder
from ..avatars.landmarks import INDEX
from ..model.landmark_net import HEAT, FaceDetector, LandmarkNet
from ..noise import rng
from .fit import Plan, fit
from .landmarks_data import Crops, Drawings, canvases, collect, crops, point_weights
from .scene_reader import has_bfloat16

FACES, NET_STEPS, DETECTOR_STEPS = 10_000, 4_600, 3_900
NET_BATCH, DETECTOR_BATCH = 16, 12
BEARDED, BEARD_STEPS, BEARD_RATE, BEARD_SHARE = 3_000, 4_000, 6e-4, 0.4
"""Faces with hair about the mouth, few in any crowd: drawn besides, and so many of a batch in the
last steps of the net."""
JUDGE = Path(__file__).parents[1] / "evaluation" / "judges" / "landmarks.safetensors"
JUDGE_SEED = 7001
UNIT = 25.0
"""Of errors in shares of a crop, so that all parts of a loss are about as large."""


def net_losses(net: LandmarkNet, pixels: Tensor, points: Tensor, face: Tensor) -> dict[str, Tensor]:
    """Parts of the loss of crops uint8 [B, 3, 112, 112], points [B, 44, 2], face [B]."""
    out = net(pixels)
    weight = torch.from_numpy(point_weights()) * face[:, None]
    count = face.sum().clamp(min=1) * len(point_weights())

    def far(error: Tensor) -> Tensor:
        return (error.square().sum(-1) + 4e-6).sqrt() * UNIT

    error = far(out["points"] - points)
    gap = (lips(out["points"]) - lips(points)).abs() * UNIT
    spread = out["spread"] * UNIT
    doubt = error.detach() / spread + spread.log()
    target = _bells(points)
    heat = -(target * out["heat"].log_softmax(-1)).sum(-1)
    return {
        "points": (error * weight).sum() / count,
        "spots": 0.5 * (far(out["spots"] - points) * weight).sum() / count,
        "gap": (gap.mean(-1) * face).sum() / face.sum().clamp(min=1),
        "heat": 0.05 * (heat * weight).sum() / count,
        "spread": 0.05 * (doubt * face[:, None]).sum() / count,
        "face": 0.3 * F.binary_cross_entropy_with_logits(out["face"], face),
    }


def lips(points: Tensor) -> Tensor:
    """How far the inner lips are apart at three places [B, 3], along the picture's y."""
    return torch.stack([points[:, INDEX[f"inner_bottom{side}"], 1]
                        - points[:, INDEX[f"inner_top{side}"], 1]
                        for side in ("_left", "", "_right")], -1)


def _bells(points: Tensor) -> Tensor:
    """Heat maps [B, 44, 14 * 14] that sum to 1, half a cell wide, at points in shares of a crop."""
    line = (torch.arange(HEAT) + 0.5) / HEAT
    x = torch.exp(-2 * ((line - points[..., :1]) * HEAT) ** 2)
    y = torch.exp(-2 * ((line - points[..., 1:]) * HEAT) ** 2)
    bell = (y[..., :, None] * x[..., None, :]).flatten(-2)
    return bell / (bell.sum(-1, keepdim=True) + 1e-6)


def detector_losses(net: FaceDetector, pixels: Tensor, heat: Tensor, values: Tensor,
                    weight: Tensor) -> dict[str, Tensor]:
    """Focal loss of centres (as Zhou et al. 2019) and what is read at them; see Canvases."""
    out = net(pixels)
    logit = out[:, 0]
    p = torch.sigmoid(logit)
    hit = heat == 1
    right = (1 - p) ** 2 * F.logsigmoid(logit)
    wrong = (1 - heat) ** 4 * p**2 * F.logsigmoid(-logit)
    count = hit.sum().clamp(min=1)
    error = F.smooth_l1_loss(out[:, 1:], values, reduction="none", beta=0.1)
    scale = error.new_tensor([1, 1, 2, 1, 1])[None, :, None, None]
    return {"centre": -torch.where(hit, right, wrong).sum() / count,
            "values": (error * scale * weight[:, None]).sum() / weight.sum().clamp(min=1)}


def train_net(drawings: Drawings, out: Path, steps: int = NET_STEPS, seed: int = 0,
              progress: Callable[[dict], None] | None = None) -> LandmarkNet:
    """The landmark net after ``steps``; goes on from ``out``."""
    torch.manual_seed(seed)
    net = LandmarkNet().to(memory_format=torch.channels_last)
    return _fit_net(net, Plan(steps, 1.5e-3, clip=3.0, every=100, fall=0.5), out / "net", seed,
                    lambda step: crops(drawings, rng(seed, "crops", step), NET_BATCH), progress)


def train_beards(net: LandmarkNet, faces: Drawings, bearded: Drawings, out: Path,
                 steps: int = BEARD_STEPS, seed: int = 0,
                 progress: Callable[[dict], None] | None = None) -> LandmarkNet:
    """``net`` after ``steps`` more in which many are ``bearded``; goes on from ``out``."""
    torch.manual_seed(seed)
    both = faces + bearded

    def cut(step: int) -> Crops:
        draw = rng(seed, "bearded crops", step)
        which = np.where(draw.random(NET_BATCH) < BEARD_SHARE,
                         len(faces) + draw.integers(len(bearded), size=NET_BATCH),
                         draw.integers(len(faces), size=NET_BATCH))
        return crops(both, draw, NET_BATCH, only=which)

    return _fit_net(net, Plan(steps, BEARD_RATE, clip=3.0, every=100, fall=0.7), out / "beards",
                    seed, cut, progress)


def _fit_net(net: LandmarkNet, plan: Plan, folder: Path, seed: int, cut: Callable[[int], Crops],
             progress: Callable[[dict], None] | None) -> LandmarkNet:
    """``net`` trained on what ``cut(step)`` gives."""
    fast = has_bfloat16()

    def parts(step: int) -> dict[str, Tensor]:
        batch = cut(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            return net_losses(net, torch.from_numpy(batch.pixels).permute(0, 3, 1, 2),
                              torch.from_numpy(batch.points), torch.from_numpy(batch.face))

    return fit(net, plan, folder / "run.safetensors", {"seed": seed}, parts, progress)


def train_detector(drawings: Drawings, out: Path, steps: int = DETECTOR_STEPS, seed: int = 0,
                   progress: Callable[[dict], None] | None = None) -> FaceDetector:
    """The detector after ``steps``; goes on from ``out``."""
    torch.manual_seed(seed)
    net, fast = FaceDetector().to(memory_format=torch.channels_last), has_bfloat16()

    def parts(step: int) -> dict[str, Tensor]:
        batch = canvases(drawings, rng(seed, "canvases", step), DETECTOR_BATCH)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            return detector_losses(net, torch.from_numpy(batch.pixels).permute(0, 3, 1, 2),
                                   *map(torch.from_numpy, (batch.heat, batch.values,
                                                           batch.weight)))

    plan = Plan(steps, 1.5e-3, clip=3.0, every=100, fall=0.5)
    return fit(net, plan, out / "detector" / "run.safetensors", {"seed": seed}, parts, progress)


def train(work: Path, out: Path, *, faces: int = FACES, net_steps: int = NET_STEPS,
          beard_steps: int = BEARD_STEPS, detector_steps: int = DETECTOR_STEPS, seed: int = 0,
          progress: Callable[[dict], None] | None = None) -> dict[str, float]:
    """Draw, train, score and store a finder at ``out``; returns its scores."""
    from .landmarks_eval import score

    cv2.setNumThreads(1)
    drawings = Drawings(collect(work / f"faces-{seed}", faces, seed, progress=progress))
    bearded = Drawings(collect(work / f"beards-{seed}", min(BEARDED, faces), seed,
                               progress=progress, bearded=True))
    net = train_net(drawings, work / f"run-{seed}", net_steps, seed, progress)
    net = train_beards(net, drawings, bearded, work / f"run-{seed}", beard_steps, seed, progress)
    detector = train_detector(drawings, work / f"run-{seed}", detector_steps, seed, progress)
    save_finder(out, detector, net)
    scores = score(load_finder(out))
    save_finder(out, detector, net, {"scores": scores})
    return scores


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="where drawings and runs are kept")
    parser.add_argument("--judge", action="store_true", help="train the judge instead")
    parser.add_argument("--out", type=Path, help="where the finder goes")
    parser.add_argument("--faces", type=int, default=FACES)
    parser.add_argument("--net-steps", type=int, default=NET_STEPS)
    parser.add_argument("--beard-steps", type=int, default=BEARD_STEPS)
    parser.add_argument("--detector-steps", type=int, default=DETECTOR_STEPS)
    args = parser.parse_args(argv)
    scores = train(args.work, args.out or (JUDGE if args.judge else SHIPPED), faces=args.faces,
                   net_steps=args.net_steps, beard_steps=args.beard_steps,
                   detector_steps=args.detector_steps,
                   seed=JUDGE_SEED if args.judge else 0,
                   progress=lambda line: print(json.dumps(line), flush=True))
    print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
