"""Text figures: does a first picture show what its prompt says, and an event what it says?"""

from __future__ import annotations

import numpy as np

from ..judges.scene import SceneJudge
from ..report import Metric

LIGHT = ("time", "lamps", "fog")


def read_attributes(judge: SceneJudge, frames: np.ndarray) -> list[dict]:
    """What the judge sees in each picture: theme, time, lamps, fog, ball and box in view."""
    seen = judge.read(frames)
    out = []
    for i in range(len(frames)):
        out.append({
            "theme": int(seen["theme"][i]), "time": int(seen["time"][i]),
            "lamps": int(seen["lamps"][i]),
            "fog": int(seen["fog"][i]), "ball": bool(seen["ball"][i].max() > 0.5),
            "box": bool(seen["boxes"][i] > 0.5)})
    return out


def agreement(wanted: list[dict], seen: list[dict]) -> tuple[dict[str, float], int]:
    """Share of named attributes that are seen, by attribute; how many were named in all.

    wanted: attributes of a prompt; entries that are None or missing were not named.
    """
    hits: dict[str, list[bool]] = {}
    for want, see in zip(wanted, seen, strict=True):
        for key in ("theme", *LIGHT):
            if want.get(key) is not None:
                hits.setdefault(key, []).append(int(want[key]) == see[key])
        for entry in want.get("objects") or []:
            kind = entry["kind"]
            if kind in ("ball", "box"):
                hits.setdefault(kind, []).append(see[kind])
    return ({key: float(np.mean(v)) for key, v in hits.items()},
            sum(len(v) for v in hits.values()))


def prompt_accuracy(wanted: list[dict], seen: list[dict], ceiling: float) -> Metric:
    """worlds.prompt_accuracy: mean over the attributes; baseline: prompts shuffled."""
    by, count = agreement(wanted, seen)
    shuffled, _ = agreement(wanted[1:] + wanted[:1], seen)
    return Metric("worlds.prompt_accuracy", float(np.mean(list(by.values()))), "",
                  {"shuffled_prompts": float(np.mean(list(shuffled.values()))),
                   "judge_on_truth": ceiling, **by}, count, ">= 0.8")


def event_accuracy(changes: list[dict], soon: list[dict], turned: list[dict],
                   before: list[dict], ceiling: float) -> Metric:
    """worlds.event_accuracy: named changes that are seen 4 ticks later and after turning round.

    Baseline: the same pictures read before the event.
    """
    def share(seen):
        hits = [int(change[key]) == see[key] for change, see in zip(changes, seen, strict=True)
                for key in LIGHT if change.get(key) is not None]
        return float(np.mean(hits)) if hits else float("nan")

    return Metric("worlds.event_accuracy", (share(soon) + share(turned)) / 2, "",
                  {"before_event": share(before), "after_4_ticks": share(soon),
                   "after_turning": share(turned), "judge_on_truth": ceiling},
                  len(changes), ">= 0.8")
