"""Control figures: what an inverse-dynamics judge reads from generated frames, and collisions."""

from __future__ import annotations

import numpy as np

from ..judges.inverse import KEYS, InverseJudge
from ..report import Metric
from .cases import Case

MOVED = 0.02
SHOWN = 60
"""A thing shows that has this many pixels in a tick's three frames."""
STOPPED = 0.35
"""Below this share of walking speed the walker counts as stopped."""


def effective(case: Case) -> np.ndarray:
    """bool [T, 7]: keys that are held and changed the true camera or scene in that tick.

    Walking keys: moved that way. Jump: left the ground (held on in the air, it changes nothing).
    Push: something in view was sped up. Throw: a ball appeared.
    """
    held = case.controls[:, :7] > 0.5
    ends = case.poses[::2]
    step = np.diff(ends[:, :3], axis=0)
    yaw = ends[:-1, 3]
    ahead = step[:, 0] * np.cos(yaw) + step[:, 1] * np.sin(yaw)
    right = step[:, 0] * np.sin(yaw) - step[:, 1] * np.cos(yaw)
    out = held.copy()
    out[:, 0] &= ahead > MOVED
    out[:, 2] &= ahead < -MOVED
    out[:, 1] &= right < -MOVED
    out[:, 3] &= right > MOVED
    out[:, 4] &= (step[:, 2] > MOVED) & (np.r_[0.0, step[:-1, 2]] <= MOVED)
    for t in range(case.ticks):
        before, after = case.bodies[2 * t], case.bodies[2 * t + 2]
        out[t, 5] = out[t, 5] and _pushed(before, after, case.body_map[2 * t:2 * t + 3])
        out[t, 6] = out[t, 6] and _appeared(before, after)
    return out


def _field(bodies, name: str) -> np.ndarray:
    return np.asarray(bodies[name] if isinstance(bodies, dict) else getattr(bodies, name))


def _pushed(before, after, body_map: np.ndarray) -> bool:
    """Whether a ball or box that shows (in one of the frames' body maps) was sped up."""
    both = (_field(before, "kind") > 0) & (_field(before, "kind") < 3) & (_field(after, "kind") > 0)
    gain = np.linalg.norm(_field(after, "vel") - _field(before, "vel"), axis=1)
    fast = np.flatnonzero(both & (gain > 0.4))
    return any((body_map == slot + 1).sum() >= SHOWN for slot in fast)


def _appeared(before, after) -> bool:
    fresh = _field(after, "id") != _field(before, "id")
    return bool((fresh & (_field(after, "kind") == 1)).any())


def readings(judge: InverseJudge, cases: list[Case],
             clips: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """What the judge reads from each clip: frames [2T, H, W, 3] after its case's first picture."""
    return [judge.read(np.concatenate([case.frames[:1], clip]))
            for case, clip in zip(cases, clips, strict=True)]


def key_scores(read: list[tuple[np.ndarray, np.ndarray]], cases: list[Case],
               shift: int = 0) -> tuple[dict[str, float], float, dict[str, int]]:
    """(balanced accuracy by key, correlation of the turn rate, positives by key).

    read: see `readings`; `shift` holds them against the controls of another case (the shuffled
    baseline).
    """
    probability, positive, negative, look, turned = [], [], [], [], []
    for i, (keys, seen) in enumerate(read):
        other = cases[(i + shift) % len(cases)]
        n = min(len(keys), other.ticks)
        probability.append(keys[:n])
        positive.append(effective(other)[:n])
        negative.append(other.controls[:n, :7] < 0.5)
        look.append(seen[:n, 0])
        turned.append(other.controls[:n, 7])
    p, pos, neg = (np.concatenate(v) for v in (probability, positive, negative))
    scores, counts = {}, {}
    for k, name in enumerate(KEYS):
        counts[name] = int(pos[:, k].sum())
        if counts[name] >= 3 and neg[:, k].any():
            hit = (p[pos[:, k], k] > 0.5).mean()
            miss = (p[neg[:, k], k] <= 0.5).mean()
            scores[name] = float((hit + miss) / 2)
    r = float(np.corrcoef(np.concatenate(look), np.concatenate(turned))[0, 1])
    return scores, r, counts


def control_metrics(judge: InverseJudge, cases: list[Case],
                    clips: list[np.ndarray]) -> list[Metric]:
    """worlds.keys_accuracy, worlds.keys_worst, worlds.turn_r."""
    made = readings(judge, cases, clips)
    ours, r, counts = key_scores(made, cases)
    other, r_other, _ = key_scores(made, cases, shift=1)
    true, r_true, _ = key_scores(
        readings(judge, cases, [case.frames[1:] for case in cases]), cases)
    mean = {name: float(np.mean(list(s.values()))) for name, s in
            (("ours", ours), ("true", true), ("other", other))}
    worst = min(ours, key=ours.get)
    n = sum(counts.values())
    return [
        Metric("worlds.keys_accuracy", mean["ours"], "",
               {"shuffled": mean["other"], "true_frames": mean["true"],
                **{f"key_{k}": v for k, v in ours.items()}}, n, ">= 0.9", ">= 0.95"),
        Metric("worlds.keys_worst", ours[worst], "",
               {"shuffled": other.get(worst, float("nan")),
                "true_frames": true.get(worst, float("nan"))}, counts[worst], ">= 0.8", ">= 0.95",
               note=f"worst key: {worst}"),
        Metric("worlds.turn_r", r, "", {"shuffled": r_other, "true_frames": r_true}, len(cases),
               ">= 0.95"),
    ]


def stop_tick(poses: np.ndarray, span: float, top: float) -> int | None:
    """First tick (from the third on) at which the walker is stopped and stays so; None: never.

    poses [1 + 2T, 5]; span: seconds a tick; top: walking speed in m/s.
    """
    ends = poses[::2, :2]
    speed = np.linalg.norm(np.diff(ends, axis=0), axis=1) / span
    slow = speed < STOPPED * top
    for t in range(2, len(slow)):
        if slow[t:].all():
            return t
    return None


def collision_accuracy(cases: list[Case], paths: list[np.ndarray], kinds: list[str],
                       span: float, top: float = 1.9) -> Metric:
    """worlds.collision_accuracy: stops within 2 ticks of the simulator's, or passes where it does.

    Baseline: a walker that never collides.
    """
    def right(path, case):
        a, b = stop_tick(path, span, top), stop_tick(case.poses, span, top)
        if b is None:
            return a is None
        return a is not None and abs(a - b) <= 2

    hits = [right(path, case) for path, case in zip(paths, cases, strict=True)]
    by = {f"kind_{kind}": float(np.mean([h for h, k in zip(hits, kinds, strict=True)
                                         if k == kind])) for kind in sorted(set(kinds))}
    free = [stop_tick(case.poses, span, top) is None for case in cases]
    return Metric("worlds.collision_accuracy", float(np.mean(hits)), "",
                  {"no_collisions": float(np.mean(free)), **by}, len(hits), ">= 0.9", ">= 0.96")
