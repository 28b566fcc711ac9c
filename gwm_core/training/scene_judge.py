"""Training of the scene judge on true views (see judge_data)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..evaluation.judges import load_judge, save_judge
from ..evaluation.judges.scene import SceneJudge
from ..simulators.rooms.catalogue import NO_LABEL, THEMES
from .judge_data import is_held
from .judge_loop import loop

BALL, BOX = 1, 2
WALL = 1


def scene_set(folder: Path) -> dict:
    """All views: x u8 [N, 3, 80, 128], label u8 [N, 20, 32], light [N, 3], ball f16 [N, 20, 32]
    (a Gaussian at each ball's centre), boxes bool [N], held bool [N]."""
    rows: dict[str, list] = {k: [] for k in ("x", "label", "light", "ball", "boxes", "held")}
    for path in sorted(folder.glob("views_*.npz")):
        with np.load(path) as file:
            data = {k: file[k] for k in file.files}
        held = is_held(int(path.stem.split("_")[1]))
        for i in range(len(data["rgb"])):
            ball, box = thing_maps(data["body_map"][i], data["kind"][i])
            for j, light in enumerate(data["light"][i]):
                rows["x"].append(SceneJudge.prepare(data["rgb"][i, j][None]).add(1).mul(127.5)
                                 .round().to(torch.uint8)[0])
                rows["label"].append(data["label"][i][j::2, j::2])
                rows["light"].append((light // 6, light // 3 % 2, light % 3))
                rows["ball"].append(ball)
                rows["boxes"].append(box)
                rows["held"].append(held)
    out = {k: torch.from_numpy(np.array(v)) for k, v in rows.items() if k != "x"}
    return {**out, "x": torch.stack(rows["x"])}


def thing_maps(body: np.ndarray, kind: np.ndarray, cells=(20, 32)) -> tuple[np.ndarray, bool]:
    """Heat map of ball centres in a body map [h, w] (0 static, else slot + 1); boxes in view."""
    heat, box = np.zeros(cells, np.float16), False
    scale = body.shape[0] / cells[0]
    yy, xx = np.mgrid[0:cells[0], 0:cells[1]] + 0.5
    for slot in np.unique(body[body > 0]).astype(int) - 1:
        where = body == slot + 1
        if where.sum() < scale * scale / 5:
            continue
        box |= bool(kind[slot] == BOX)
        if kind[slot] == BALL:
            rows, cols = np.nonzero(where)
            y, x = (rows.mean() + 0.5) / scale, (cols.mean() + 0.5) / scale
            heat = np.maximum(heat, np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 1.3))
    return heat.astype(np.float16), box


def main_theme(label: torch.Tensor) -> torch.Tensor:
    """Commonest theme [N] of labels [N, h, w] (negative: unknown)."""
    theme = torch.where(label < 0, torch.full_like(label, len(THEMES) * 8), label) // 8
    counts = F.one_hot(theme.flatten(1), len(THEMES) + 1).sum(1)
    return counts[:, :len(THEMES)].argmax(1)


def known(label: torch.Tensor) -> torch.Tensor:
    """Labels as cross entropy takes them: what has none is -100."""
    label = label.long()
    return torch.where(label == NO_LABEL, torch.full_like(label, -100), label)


def scene_loss(out: dict, label, light, ball, boxes) -> torch.Tensor:
    loss = F.cross_entropy(out["label"], label) + 0.7 * F.cross_entropy(out["theme"],
                                                                        main_theme(label))
    for k, name in enumerate(("time", "lamps", "fog")):
        loss = loss + (1.0 if name == "fog" else 0.5) * F.cross_entropy(out[name], light[:, k])
    loss = loss + 0.5 * F.binary_cross_entropy_with_logits(out["boxes"], boxes.float())
    heat = F.binary_cross_entropy_with_logits(out["ball"], ball, reduction="none")
    return loss + 4 * (heat * (1 + 30 * ball)).mean()


def other_walls(frames: torch.Tensor, label: torch.Tensor, light: torch.Tensor):
    """Every second picture [N, 3, 4h, 4w] shows another's wall, where both are wall, to the right
    of a vertical line: what walls that change their material look like. label [N, h, w]."""
    frames, label = frames.clone(), label.clone()
    wall = label % 8 == WALL
    wall &= label != NO_LABEL
    columns = torch.arange(frames.shape[-1])
    for i in range(0, len(frames) - 1, 2):
        same = [j for j in range(1, len(frames), 2) if bool((light[j] == light[i]).all())]
        j = same[int(torch.randint(len(same), (1,)))] if same else i + 1
        line = int(torch.randint(frames.shape[-1] // 8, frames.shape[-1] * 7 // 8, (1,)))
        cells = wall[i] & wall[j]
        fine = cells.repeat_interleave(4, 0).repeat_interleave(4, 1) & (columns >= line)
        frames[i] = torch.where(fine, frames[j], frames[i])
        label[i] = torch.where(cells & (columns[2::4] >= line), label[j], label[i])
    return frames, label


def train_scene(folder: Path, minutes: float = 15, batch: int = 20, seed: int = 0,
                go_on: bool = False, report=print) -> dict:
    """Train and store the scene judge; returns its scores on held-back layouts.

    go_on: begin with the stored judge instead of a new one.
    """
    torch.manual_seed(seed)
    data = scene_set(folder)
    learn = torch.nonzero(~data["held"])[:, 0]
    # Pictures of one light go together in a batch: a wall of another one fits in (other_walls).
    code = (data["light"].long() * torch.tensor([6, 3, 1])).sum(1)[learn]
    by_light = [learn[code == k] for k in code.unique()]
    model = SceneJudge(len(THEMES))
    if go_on:
        model = load_judge("scene", model)[0].train()
    report(f"scene judge: {len(learn)} pictures to learn from, {int(data['held'].sum())} to score")

    def step() -> torch.Tensor:
        i = torch.cat([part[torch.randint(len(part), (batch // 4,))] for part in
                       (by_light[int(k)] for k in torch.randint(len(by_light), (4,)))])
        frames, y, heat = data["x"][i].float() / 127.5 - 1, data["label"][i], data["ball"][i]
        if torch.rand(()) < 0.5:
            frames, y, heat = frames.flip(-1), y.flip(-1), heat.flip(-1)
        frames, y = other_walls(frames, y, data["light"][i])
        # Imagined pictures are softer and noisier than true ones.
        frames = frames + torch.randn(frames.shape) * 0.04 * torch.rand(len(i), 1, 1, 1)
        return scene_loss(model(frames), known(y), data["light"][i].long(), heat.float(),
                          data["boxes"][i])

    def check() -> dict:
        return score(model.eval(), data)

    loop(model, step, minutes, 1e-3 if go_on else 2e-3, folder / "scene.state", check,
         report=report)
    scores = check()
    save_judge("scene", model, scores)
    return scores


def score(model: SceneJudge, data: dict) -> dict:
    """Accuracy by attribute on the held-back layouts."""
    held = data["held"]
    label, light = data["label"][held], data["light"][held].numpy()
    seen = model.read(data["x"][held].permute(0, 2, 3, 1).numpy())
    marked = known(label)
    valid = (marked >= 0).numpy()
    out = {"theme": float((seen["theme"] == main_theme(marked).numpy()).mean()),
           "theme_by_cell": float((seen["label"] // 8 == label.numpy() // 8)[valid].mean()),
           "label_by_cell": float((seen["label"] == label.numpy())[valid].mean())}
    for k, name in enumerate(("time", "lamps", "fog")):
        out[name] = float((seen[name] == light[:, k]).mean())
    has = data["ball"][held].numpy().max((1, 2)) > 0.5
    out["ball_in_view"] = float(((seen["ball"].max((1, 2)) > 0.5) == has).mean())
    out["box_in_view"] = float(((seen["boxes"] > 0.5) == data["boxes"][held].numpy()).mean())
    return {k: round(v, 4) for k, v in out.items()}
