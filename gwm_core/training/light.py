"""Trains the relight network on pixels of simulator rooms shown under all conditions."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..model.light import CONDITIONS, Relight
from ..relight import LAMP, UNKNOWN, WINDOW, Lights, nearness


def collect(layouts, seed: int, views: int = 6, pixels: int = 1500, log=print) -> dict:
    """Pixels of held-in rooms: fogless colours u8 [N, 6, 3] by time and lamps, and what each is.

    Also distance f32 [N] from the eye and extra f32 [N, 6] (see Relight).
    """
    from ..imaginers.panorama import camera_basis
    from ..simulators.rooms.sim import Rooms

    parts: dict[str, list] = {"colour": [], "distance": [], "extra": []}
    for n, layout in enumerate(layouts):
        rng = np.random.Generator(np.random.Philox(key=[seed, int(layout)]))
        sim = Rooms(int(layout))
        focal = 0.5 * sim.height / np.tan(np.radians(sim.fov_deg) / 2)
        for _ in range(views):
            k = int(rng.integers(len(sim.layout.rooms)))
            room = sim.layout.rooms[k]
            pose = np.array([rng.uniform(room.x0 + 0.4, room.x1 - 0.4),
                             rng.uniform(room.y0 + 0.4, room.y1 - 0.4), 1.55,
                             rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4)])
            shown = sim.render(pose, 0)
            chosen = rng.integers(shown["depth"].size, size=pixels)
            # Lamps and panes are few and matter much: draw more of them.
            part = np.where(shown["label"] == UNKNOWN, 0, shown["label"] & 7).ravel()
            bright = np.flatnonzero((part == WINDOW) | (part == LAMP))
            if len(bright):
                chosen = np.concatenate([chosen, rng.choice(bright, 200)])
            row, column = np.divmod(chosen, sim.width)
            basis = camera_basis(pose[3], pose[4])
            rays = (basis[2] + ((column + 0.5 - sim.width / 2) / focal)[:, None] * basis[0]
                    + ((row + 0.5 - sim.height / 2) / focal)[:, None] * basis[1])
            points = pose[:3] + rays * shown["depth"].ravel()[chosen][:, None]
            parts["distance"].append(np.linalg.norm(points - pose[:3], axis=1).astype(np.float32))
            colours = [sim.relight(shown, pose, c * 3).reshape(-1, 3)[chosen] for c in range(6)]
            parts["colour"].append(np.stack(colours, 1))
            lighting = sim.lighting
            lights = Lights(lighting.lamps[lighting.lamps[:, 3] == k, :3],
                            lighting.windows[lighting.windows[:, 6] == k, :3])
            extra = np.zeros((len(chosen), 6), np.float32)
            extra[:, 0] = part[chosen] == WINDOW
            extra[:, 1] = part[chosen] == LAMP
            extra[:, 2:] = nearness(points.astype(np.float32), lights)
            parts["extra"].append(extra)
        sim.close()
        if n % 10 == 0:
            log(f"light: {n + 1} floor plans")
    return {k: np.concatenate(v) for k, v in parts.items()}


def _fogged(colour, condition, distance):
    """The simulator's fog over fogless colours f32 [P, 3] in 0..1 (see simulators.rooms.light)."""
    from ..simulators.rooms.light import DENSITY, fog_colour

    fog = np.stack([fog_colour(c) for c in range(CONDITIONS)])[condition]
    through = np.exp(-DENSITY[condition % 3] * distance)[:, None]
    return fog + (colour - fog) * through


def sample(data: dict, rng, count: int):
    """A batch: what was kept, what it should look like now, and the network's inputs."""
    k = rng.integers(len(data["distance"]), size=count)
    s, t = rng.integers(CONDITIONS, size=count), rng.integers(CONDITIONS, size=count)
    same = rng.random(count) < 0.15
    t[same] = s[same]
    # Most kept pixels come from the canonical light.
    canonical = rng.random(count) < 0.35
    s[canonical & ~same] = 0
    d_s = data["distance"][k]
    d_t = np.clip(d_s * np.exp(rng.normal(0, 0.5, count)), 0.1, 14).astype(np.float32)
    still = rng.random(count) < 0.3
    d_t[still] = d_s[still]
    colour = data["colour"][k].astype(np.float32) / 255.0
    rows = np.arange(count)
    kept = _fogged(colour[rows, s // 3], s, d_s)
    kept = np.round(np.clip(kept, 0, 1) * 255) / 255
    wanted = np.clip(_fogged(colour[rows, t // 3], t, d_t), 0, 1)
    extra = data["extra"][k].copy()
    extra[rng.random(count) < 0.2, :2] = 0
    blind = rng.random(count) < 0.35
    extra[blind, 2:] = 0
    return [torch.from_numpy(np.ascontiguousarray(a)) for a in (
        kept.astype(np.float32), s, d_s, t, d_t, extra, wanted.astype(np.float32))]


def train(out, seed: int = 0, minutes: float = 15.0, steps: int = 3500, plans: int = 40,
          log=print) -> dict:
    """Collects, trains and writes ``out`` (safetensors, fp16); returns figures (PSNR in dB)."""
    torch.manual_seed(seed)
    rng = np.random.Generator(np.random.Philox(key=[seed, 1]))
    data = collect(rng.permutation(500)[:plans], seed, log=log)
    held = collect(range(10000, 10008), seed, log=log)
    model = Relight()
    optimiser = torch.optim.AdamW(model.parameters(), 4e-3, weight_decay=1e-4)
    began, done = time.monotonic(), 0
    for step in range(steps):
        share = max(step / steps, (time.monotonic() - began) / (60 * minutes))
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * min(1.0, step / 100) * (1 - share) ** 0.8 + 1e-5
        *inputs, wanted = sample(data, rng, 4096)
        loss = torch.nn.functional.smooth_l1_loss(model(*inputs), wanted, beta=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        done = step + 1
        if step % 500 == 0:
            log(f"light {step} loss {float(loss.detach()):.5f}")
    figures = {**measure(model, held, seed), "steps": done}
    tensors = {k: t.half().contiguous() for k, t in model.state_dict().items()}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(out), metadata={
        "config": json.dumps({"part": "light", **model.config}), "figures": json.dumps(figures)})
    log(f"light {figures}")
    return figures


@torch.no_grad()
def measure(model: Relight, data: dict, seed: int) -> dict:
    """PSNR on held-out rooms: from the canonical light, from any, and of leaving it as it is."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 2]))
    *inputs, wanted = sample(data, rng, 60000)
    out = model(*inputs).clamp(0, 1)
    source, target = inputs[1], inputs[3]

    def psnr(a, where):
        return round(float(-10 * torch.log10(((a - wanted)[where] ** 2).mean())), 2)

    differ = source != target
    return {"psnr": psnr(out, differ), "psnr_unchanged": psnr(inputs[0], differ),
            "psnr_from_day": psnr(out, differ & (source == 0)),
            "psnr_same": psnr(out, ~differ)}
