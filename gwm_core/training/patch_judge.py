"""Training of the patch judge: true pieces of pictures against imagined and smooth ones.

The imagined views are a model's own, on the judges' layouts, so the judge knows how that model
imagines and is a severe one.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from ..evaluation.judges import save_judge
from ..evaluation.judges.patch import PatchJudge, auc, cut
from ..evaluation.worlds.imagined import places
from ..evaluation.worlds.walks import free_place
from ..guide import draw, push_pull
from ..memory import Keyframe, Memory
from ..noise import rng
from ..simulators.rooms.layout import JUDGES
from ..simulators.rooms.sim import Rooms
from ..worlds.first import start_world
from ..worlds.view import look

TURNS = (50, 100, 150, 210, 260, 310)


def views(model, layouts, seed: int, log=print):
    """(imagined, smoothly filled, true, unseen) views of turned heads: u8 [N, H, W, 3] and bool
    [N, H, W]."""
    made, filled, true, masks = [], [], [], []
    camera = model.parts.camera
    for n, layout in enumerate(layouts):
        sim = Rooms(layout)
        sim.reset(0, free_place(sim, rng(seed, "patch", n)))
        first = sim.render()
        pose = np.array([0.0, 0.0, 1.55, 0.0, 0.0])
        world = start_world(model.parts, "", first["rgb"], first["depth"], seed, pose=list(pose))
        alone = Memory().add(Keyframe(rgb=first["rgb"], depth=first["depth"], pose=pose))
        for turn in TURNS:
            there = pose.copy()
            there[3] -= math.radians(turn)
            unseen = ~draw(alone, there, camera).covered
            if unseen.mean() < 0.1:
                continue
            made.append(look(model.parts, world, there, world.bodies).frame)
            filled.append(push_pull(draw(alone, there, camera)).rgb)
            at = sim.pose
            at[3] -= math.radians(turn)
            true.append(sim.render(at)["rgb"])
            masks.append(unseen)
        sim.close()
        if n % 10 == 0:
            log(f"patch judge: {n + 1} of {len(layouts)} layouts")
    return tuple(np.stack(v) for v in (made, filled, true, masks))


def pieces(frames, masks, seed: int) -> torch.Tensor:
    """Patches [N, 3, 32, 32] inside the masks and at their edges."""
    generator = np.random.default_rng(seed)
    out = []
    for frame, mask in zip(frames, masks, strict=True):
        for seam in (False, True):
            corners = places(mask, seam, generator, 8)
            if len(corners):
                out.append(cut(frame, corners))
    return torch.cat(out)


def train_patch(model, steps: int = 600, batch: int = 96, seed: int = 0, layouts: int = 60,
                log=print) -> dict:
    """Train and store the patch judge for `model`; returns its scores on held-back layouts."""
    chosen = list(JUDGES)[:layouts]
    cut_at = int(layouts * 0.8)
    sets = {}
    for name, part in (("train", chosen[:cut_at]), ("held", chosen[cut_at:])):
        made, filled, true, masks = views(model, part, seed, log)
        foggy = fog(filled, seed)
        sets[name] = {"true": pieces(true, masks, seed), "made": pieces(made, masks, seed),
                      "filled": pieces(filled, masks, seed), "fog": pieces(foggy, masks, seed)}
    torch.manual_seed(seed)
    judge = PatchJudge()
    optimiser = torch.optim.AdamW(judge.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    data = sets["train"]
    share = {"true": batch // 2, "made": batch // 4, "filled": batch // 8, "fog": batch // 8}
    for step in range(steps):
        x, y = [], []
        for name, count in share.items():
            pick = torch.randint(len(data[name]), (count,), generator=generator)
            x.append(data[name][pick])
            y.append(torch.full((count,), float(name == "true")))
        frames = torch.cat(x)
        if bool(torch.randint(2, (1,), generator=generator)):
            frames = frames.flip(-1)
        loss = F.binary_cross_entropy_with_logits(judge(frames), torch.cat(y))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            log(f"patch judge {step}/{steps}: loss {loss.item():.4f}")
    scores = _score(judge.eval(), sets["held"])
    save_judge("patch", judge, scores)
    return scores


def fog(frames: np.ndarray, seed: int) -> np.ndarray:
    """Blotchy noise over smooth filling: what a half-trained generator makes."""
    generator = np.random.default_rng(seed)
    small = generator.normal(0, 26, (*frames.shape[:1], frames.shape[1] // 8,
                                     frames.shape[2] // 8, 3))
    x = torch.from_numpy(small).permute(0, 3, 1, 2).float()
    big = F.interpolate(x, size=frames.shape[1:3], mode="bilinear").permute(0, 2, 3, 1).numpy()
    return np.clip(frames + big, 0, 255).astype(np.uint8)


@torch.no_grad()
def _score(judge: PatchJudge, data: dict) -> dict:
    out = {name: torch.cat([judge(x[i:i + 256]) for i in range(0, len(x), 256)]).numpy()
           for name, x in data.items()}
    return {f"auc_{name}": auc(out["true"], out[name]) for name in ("made", "filled", "fog")}
