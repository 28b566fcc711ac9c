"""Training of the reader of a table: places, masks and cameras from one look of every camera."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..memory import Camera
from ..model.scene_reader import SIDE, THINGS, SceneReader
from ..noise import rng
from ..raster import projection
from ..robotics.rig import Rig, tabletop_rig
from .fit import Plan, fit


class Looks:
    """Recorded looks: pixels uint8 [N, V, H, W, 3], masks int8 [N, V, H, W], felt [N, 9], and of
    every mark place [N, M, 3], yaw, shown, half, upright [N, M]; cam [N, V, 5] (cm, degrees)."""

    def __init__(self, files: list[Path], rig: Rig | None = None) -> None:
        parts = []
        for file in files:
            with np.load(file) as data:
                parts.append({k: data[k] for k in data.files})
        self.data = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
        self.rig = rig or tabletop_rig()
        place = self.data["place"]  # what fell off the table is not looked for
        there = (np.abs(place[..., :2]) < 0.4).all(-1) & (place[..., 2] > -0.05)
        self.data["shown"] = self.data["shown"] * there.astype(np.float32)
        self.spots = self._spots()

    def __len__(self) -> int:
        return len(self.data["felt"])

    def _spots(self) -> np.ndarray:
        """Where marks are in the views: row, column in -1..1, and whether inside, [N, V, M, 3]."""
        d, rig = self.data, self.rig
        n, m = d["shown"].shape
        out = np.zeros((n, len(rig.views), m, 3), np.float32)
        for i in range(n):
            for k, view in enumerate(rig.views):
                offset = d["cam"][i, k] * [0.01, 0.01, 0.01, np.pi / 180, np.pi / 180]
                camera: Camera = rig.camera(view)
                p = projection(rig.pose(view, d["felt"][i, :6], offset), camera.focal, camera.cx,
                               camera.cy).reshape(3, 4)
                h = d["place"][i] @ p[:, :3].T + p[:, 3]
                z = np.maximum(h[:, 2], 1e-3)
                at = np.stack([h[:, 1] / z, h[:, 0] / z], 1)
                inside = (h[:, 2] > 0.02) & (at > -0.5).all(1) & (at < rig.size - 0.5).all(1)
                out[i, k, :, :2] = (at + 0.5) / rig.size * 2 - 1
                out[i, k, :, 2] = inside & (d["shown"][i] > 0)
        return out

    def batch(self, draw: np.random.Generator, size: int) -> dict[str, Tensor]:
        """A batch whose colours and light vary a little more than was recorded."""
        rows = draw.integers(len(self), size=size)
        out = {k: torch.from_numpy(v[rows]) for k, v in self.data.items()}
        out["spots"] = torch.from_numpy(self.spots[rows])
        pixels = out["pixels"].float().permute(0, 1, 4, 2, 3)
        gain = torch.from_numpy(draw.uniform(0.85, 1.15, (size, 1, 3, 1, 1)).astype(np.float32))
        noise = torch.from_numpy(draw.normal(0, 2.0, pixels.shape).astype(np.float32))
        out["pixels"] = (pixels * gain + noise).clamp(0, 255) / 127.5 - 1
        return out


def losses(net: SceneReader, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parts of the loss of one batch."""
    out = net(batch["pixels"], batch["felt"])
    shown = batch["shown"]
    count = shown.sum().clamp(min=1)
    place = F.smooth_l1_loss(out["place"] * 100, batch["place"] * 100, reduction="none").sum(-1)
    turn = torch.stack([(4 * batch["yaw"]).sin(), (4 * batch["yaw"]).cos()], -1)
    upright = batch["up"] * shown
    turned = ((out["turn"] - turn) ** 2).sum(-1)
    half = ((out["half"] - batch["half"]) * 100) ** 2
    spots = batch["spots"]
    side = SIDE // 2
    cell = ((spots[..., :2] + 1) / 2 * side).floor().long().clamp(0, side - 1)
    index = cell[..., 0] * side + cell[..., 1]
    seen = spots[..., 2]
    heat = F.cross_entropy(out["heat"].flatten(3).flatten(0, 2), index.flatten(), reduction="none")
    mask = F.cross_entropy(out["mask"].flatten(0, 1), batch["masks"].long().flatten(0, 1),
                           reduction="none")
    busy = 1 + 4 * (batch["masks"] > 0).flatten(0, 1).float()
    fixed = (out["cameras"][:, :2] - batch["cam"][:, :2])
    return {
        "place": (place * shown).sum() / count, "turn": 0.3 * (turned * upright).sum() / count,
        "shown": F.binary_cross_entropy_with_logits(out["shown"], shown),
        "half": (half * shown)[:, :THINGS].sum() / count,
        "heat": 0.2 * (heat * seen.flatten()).sum() / seen.sum().clamp(min=1),
        "mask": (mask * busy).mean(), "cameras": 0.3 * F.smooth_l1_loss(fixed, fixed * 0),
    }


def train(looks: Looks, out: Path, *, steps: int, seed: int = 0, batch: int = 24,
          rate: float = 1.5e-3, width: int = 16, fast: bool | None = None,
          progress: Callable[[dict], None] | None = None) -> SceneReader:
    """Train for some steps; resumes from ``out``. Another seed gives an independent reader.

    fast: convolutions in bfloat16; by default where the processor has it (1.6 times as fast).
    """
    fast = has_bfloat16() if fast is None else fast
    torch.manual_seed(seed)
    net = SceneReader(len(looks.rig.views), width)

    def parts(step: int) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            return losses(net, looks.batch(rng(seed, "reader", step), batch))

    plan = Plan(steps, rate, clip=2.0, every=50)
    config = {"batch": batch, "seed": seed}
    return fit(net, plan, out / "reader.run.safetensors", config, parts, progress)


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16 (without, it is slower than float32)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


@torch.no_grad()
def judge(net: SceneReader, looks: Looks, most: int = 400) -> dict[str, float]:
    """Median and mean error (m) of things and zones that are there, mask IoU of what moves, shown
    accuracy, camera error (cm, degrees)."""
    d = {k: torch.from_numpy(v[:most]) for k, v in looks.data.items()}
    found = [net(d["pixels"][i : i + 50].permute(0, 1, 4, 2, 3), d["felt"][i : i + 50])
             for i in range(0, len(d["felt"]), 50)]
    out = {k: torch.cat([f[k] for f in found]) for k in found[0]}
    error = (out["place"] - d["place"]).norm(dim=-1)
    there = d["shown"] > 0
    things, zones = there.clone(), there.clone()
    things[:, THINGS:], zones[:, :THINGS] = False, False
    moves, truth = out["mask"].argmax(2) > 0, d["masks"] > 0
    return {
        "things_median_m": float(error[things].median()),
        "things_mean_m": float(error[things].mean()),
        "zones_median_m": float(error[zones].median()),
        "shown": float(((out["shown"] > 0) == there).float().mean()),
        "mask_iou": float((moves & truth).sum() / (moves | truth).sum()),
        "cameras": float((out["cameras"] - d["cam"])[:, :2].abs().mean()),
    }
