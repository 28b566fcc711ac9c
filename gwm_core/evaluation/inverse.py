"""`gwm eval inverse`: what the model's own inverse dynamics reads from clips.

Clips that the model made itself (in worlds from held-out prompts, and from first pictures of
held-out plans), the same ones back from a video file, and the simulator's true frames. Each
figure stands beside what the same readings are worth against the controls of another clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import tensor_file
from ..controls import Controls
from ..errors import GWMError
from ..model.inverse import KEYS
from ..noise import rng
from .report import Metric, Report
from .worlds.cases import Case
from .worlds.control import effective
from .worlds.episodes import PLACES, TRACKS
from .worlds.made import again, as_video, imagined
from .worlds.walks import Player, explored

Say = Callable[[str], None]
LOOK = slice(7, 9)
EPISODES, AGAIN = 6, 2
COMMITTED = Path(__file__).resolve().parents[1] / "checkpoints"


@dataclass(frozen=True)
class Size:
    """Walks of the simulator, worlds of the model (from prompts), and ticks of each."""

    true: int = 12
    prompts: int = 14
    ticks: int = 40


SHORT, FULL = Size(), Size(true=24, prompts=32, ticks=48)


def evaluate(seed: int = 0, full: bool = False, progress: Say = print, model: str = "gwm-rooms",
             only=(), work: str | Path | None = None) -> Report:
    """All figures. full: more clips. only, work: as of other families; this one has one protocol,
    which is not long enough to be kept in parts."""
    from ..worlds import load

    if only:
        raise GWMError("protocols: this family has one only, which is always run")

    size, loaded = FULL if full else SHORT, load(model)
    progress(f"true walks: {size.true} on held-out plans")
    true = explored(size.true, size.ticks, seed, "inverse", explorer=Player)
    progress(f"clips of the model: {size.prompts} from prompts, {size.true} from pictures")
    made = [imagined(loaded, size.ticks, rng(seed, "inverse prompt", i), "heldout")
            for i in range(size.prompts)]
    made += [again(loaded, case.frames[0], case.depth[0], case.controls, case.info["prompt"],
                   rng(seed, "inverse again", i)) for i, case in enumerate(true)]
    sets = {"made": (made, [case.frames for case in made])}
    sets["video"] = (made, [as_video(case.frames) for case in made])
    sets["without_first"] = (made, [case.frames[1:] for case in made])
    sets["true_frames"] = (true, [case.frames for case in true])
    scored, reading = {}, {}
    for name, (cases, clips) in sets.items():
        progress(f"reading: {name}")
        reading[name] = [loaded.read_clip(frames) for frames in clips]
        scored[name] = score(cases, [r.controls for r in reading[name]])
    scored["shuffled"] = score(made, [r.controls for r in reading["made"]], shift=1)
    progress("the clips' own worlds, walked again as read")
    metrics = figures(scored, made, [r.confidence for r in reading["made"]])
    metrics += replayed(loaded, made, [r.controls for r in reading["made"]])
    inverse = loaded.inverse().metadata["fingerprint"]
    mark = tensor_file.hash_arrays({}, loaded.fingerprint + inverse)
    progress("episodes of the report")
    problems = differing(loaded, mark, model)
    info = {"model": loaded.fingerprint, "inverse": inverse, "episodes": recorded(loaded, seed)}
    return Report("inverse", metrics, seed, mark, problems, info)


# ------------------------------------------------------------------ episodes of a report
def reading_of(model, prompt: str, seed: int, track: str) -> Controls:
    """What is read from a clip of the model."""
    _, clip = model.step(model.new_world(prompt=prompt, seed=seed), track)
    return model.read_controls(clip.frames[model.embodiment.views[0].name])


def recorded(model, seed: int) -> list[dict]:
    """EPISODES episodes for a report."""
    generator, out = rng(seed, "inverse episodes"), []
    for _ in range(EPISODES):
        asked = {"prompt": str(generator.choice(PLACES)), "seed": int(generator.integers(1000)),
                 "track": str(generator.choice(TRACKS))}
        out.append({**asked, "read": reading_of(model, **asked).to_text()})
    return out


def differing(model, mark: str, name: str) -> list[str]:
    """What is read otherwise than in random episodes of the committed report: [] or one text
    each."""
    path = COMMITTED / f"{name}.inverse.eval.json"
    if not path.is_file():
        return []
    report = Report.from_json(json.loads(path.read_text()))
    if report.fingerprint != mark:
        return []  # the command says so
    problems, kept = [], report.info.get("episodes", [])
    for k in np.random.default_rng().permutation(len(kept))[:AGAIN]:
        asked = {key: value for key, value in kept[int(k)].items() if key != "read"}
        then = Controls.parse(kept[int(k)]["read"], model.embodiment).values
        now = reading_of(model, **asked).values
        same = (then[:, :7] == now[:, :7]).all(1).mean()
        away = np.abs(then[:, LOOK] - now[:, LOOK]).mean()
        if same < 0.9 or away > 0.2:
            problems.append(f"episode {int(k)} ({asked['prompt']!r}, {asked['track']!r}) reads "
                            f"otherwise than in the report: {1 - same:.0%} of the ticks, "
                            f"{away:.2f} degrees")
    return problems


# ------------------------------------------------------------------ figures


@dataclass
class Score:
    """Of some clips: balanced accuracy by key, positives and precision by key, share of ticks
    with all keys right, look errors in degrees [N, 2], correlation of the turn."""

    keys: dict[str, float]
    count: dict[str, int]
    precision: dict[str, float]
    ticks_right: float
    gap: np.ndarray
    turn_r: float

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.keys.values())))


def score(cases: list[Case], read: list[Controls], shift: int = 0) -> Score:
    """What was read against what was held and did something; a key that was held and did nothing
    counts neither way. shift: against the controls of another clip."""
    held, hit, free, seen, turned = [], [], [], [], []
    for i, controls in enumerate(read):
        other = cases[(i + shift) % len(cases)]
        n = min(len(controls), other.ticks)
        held.append(controls.values[:n, :7] > 0.5)
        hit.append(effective(other)[:n])
        free.append(other.controls[:n, :7] < 0.5)
        seen.append(controls.values[:n, LOOK])
        turned.append(other.controls[:n, LOOK])
    held, hit, free, seen, turned = (np.concatenate(v) for v in (held, hit, free, seen, turned))
    keys, count, precision = {}, {}, {}
    for k, name in enumerate(KEYS):
        count[name] = int(hit[:, k].sum())
        found = int((held & (hit | free))[:, k].sum())
        precision[name] = float((held & hit)[:, k].sum() / found) if found else float("nan")
        if count[name] >= 3 and free[:, k].any():
            keys[name] = float((held[hit[:, k], k].mean() + (~held[free[:, k], k]).mean()) / 2)
    right = ((held == hit) | ~(hit | free)).all(1)
    moving = np.std(seen[:, 0]) > 0 and np.std(turned[:, 0]) > 0
    r = float(np.corrcoef(seen[:, 0], turned[:, 0])[0, 1]) if moving else float("nan")
    return Score(keys, count, precision, float(right.mean()), np.abs(seen - turned), r)


def figures(scored: dict[str, Score], made: list[Case], sure: list[float]) -> list[Metric]:
    """worlds.inverse.*, each beside its baselines."""
    ours, others = scored["made"], {k: v for k, v in scored.items() if k != "made"}
    worst = min(ours.keys, key=ours.keys.get)
    ticks = sum(case.ticks for case in made)
    idle = [Controls.idle(case.ticks, case.info["world"].embodiment) for case in made]
    still = score(made, idle)
    nothing = float("nan")
    return [
        Metric("worlds.inverse.keys_accuracy", ours.mean, "",
               {**{k: v.mean for k, v in others.items()},
                **{f"key_{k}": v for k, v in ours.keys.items()}},
               sum(ours.count.values()), ">= 0.85", ">= 0.95"),
        Metric("worlds.inverse.keys_worst", ours.keys[worst], "",
               {k: v.keys.get(worst, nothing) for k, v in others.items()}, ours.count[worst],
               ">= 0.75", ">= 0.9", f"worst key: {worst}"),
        Metric("worlds.inverse.keys_precision", float(np.nanmean(list(ours.precision.values()))),
               "", {**{k: float(np.nanmean(list(v.precision.values()))) for k, v in
                       others.items()},
                    **{f"key_{k}": v for k, v in ours.precision.items()}}, ticks,
               note="share of the ticks in which a key was read that it did something in"),
        Metric("worlds.inverse.ticks_right", ours.ticks_right, "",
               {"idle": still.ticks_right, **{k: v.ticks_right for k, v in others.items()},
                "confidence": float(np.mean(sure))}, ticks,
               note="ticks with all seven keys right; confidence: what the model expects"),
        Metric("worlds.inverse.look_error_deg", float(ours.gap.mean()), "deg",
               {"no_look": float(still.gap.mean()),
                **{k: float(v.gap.mean()) for k, v in others.items()},
                "median": float(np.median(ours.gap)), "right": float(ours.gap[:, 0].mean()),
                "up": float(ours.gap[:, 1].mean())}, ticks,
               note="a tick, mean of right and up"),
        Metric("worlds.inverse.turn_r", ours.turn_r, "", {k: v.turn_r for k, v in others.items()},
               len(made), ">= 0.95", ">= 0.99"),
    ]


def replayed(model, made: list[Case], read: list[Controls]) -> list[Metric]:
    """How far from the clip's the walk ends that is read from it, in the same world: metres and
    degrees; beside it standing still, and the controls read from another clip."""
    def ends(case: Case, controls: Controls | None) -> tuple[float, float]:
        pose = case.info["world"].path[0]
        if controls is not None:
            track = Controls(controls.values[:case.ticks], case.info["said"], controls.embodiment)
            pose = model.step(case.info["world"], track)[0].path[-1]
        away = float(np.linalg.norm(pose[:3] - case.poses[-1, :3]))
        turn = np.remainder(pose[3] - case.poses[-1, 3] + np.pi, 2 * np.pi) - np.pi
        return away, abs(float(np.degrees(turn)))

    rows = {name: np.array([ends(case, c) for case, c in zip(made, tracks, strict=True)])
            for name, tracks in (("read", read), ("standing", [None] * len(made)),
                                 ("shuffled", read[1:] + read[:1]))}
    walked = np.mean([np.linalg.norm(np.diff(case.poses[:, :2], axis=0), axis=1).sum()
                      for case in made])
    out = []
    for k, (name, unit) in enumerate((("m", "m"), ("deg", "deg"))):
        more = {"walked": float(walked)} if unit == "m" else {}
        out.append(Metric(f"worlds.inverse.replay_{name}", float(np.median(rows["read"][:, k])),
                          unit, {n: float(np.median(v[:, k])) for n, v in rows.items()
                                 if n != "read"} | {"mean": float(rows["read"][:, k].mean())}
                          | more, len(made), note="median over clips, at the clip's end"))
    return out
