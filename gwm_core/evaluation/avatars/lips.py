"""Lips against the voice: how far open, shut on p, b and m, in time, shut in silence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...avatars.mouth import WIDEST, aperture, mouth_shape
from ..judges.sync import SyncJudge, choices
from ..report import Metric
from . import sound
from .bars import TRUTH, eased
from .curves import SETTLED, auc, inner, narrowed, offset, pearson, widened

SHUT = 0.08 * WIDEST
"""Below this the true lips count as shut."""
LABIALS = ("p", "b", "m")
ROUND, PLAIN = 0.4, 0.1
"""True lips count as rounded above, as not rounded below (mouth_shape's ``forward``)."""
LEAST_SPOKEN = 25
"""Ticks of speech that a clip needs to have a correlation."""
SOURCES = ("model", TRUTH, "ridge", "loudness", "shuffled audio")


def spoken(performance) -> np.ndarray:
    """bool [T]: the ticks in which the character speaks, less the clip's ends."""
    return np.asarray(performance.speaking, bool) & inner(len(performance.motion))


def closures(performance) -> np.ndarray:
    """bool [T]: ticks in which the true lips are shut for a p, b or m."""
    ticks = len(performance.motion)
    middle = (np.arange(ticks) + 0.5) / 25
    labial = np.zeros(ticks, bool)
    for start, end, name in performance.phonemes:
        if str(name)[:1].lower() in LABIALS:
            labial |= (middle >= start - 0.02) & (middle <= end + 0.02)
    return labial & (aperture(performance.motion) < SHUT)


def silences(performance) -> dict[str, np.ndarray]:
    """bool [T] each: nobody speaks; only the other one does. Both without the 200 ms around the
    character's own speech, in which a mouth still moves."""
    own = widened(performance.speaking, SETTLED)
    other = np.asarray(performance.other_speaking, bool)
    ticks = inner(len(own), 2)
    return {"silence": narrowed(~own & ~other, 1) & ticks, "listening": ~own & other & ticks}


def lip_figures(performance, seen: np.ndarray, width: np.ndarray | None = None
                ) -> dict[str, float]:
    """What a curve of openings [T] (and of widths) has of a performance; NaN where it says nothing.

    Ticks of a curve that another sound moves are compared as they come.
    """
    true, where = aperture(performance.motion), spoken(performance)
    out = {"r": float("nan"), "offset": float("nan"), "closure": float("nan"),
           "rounding": float("nan")}
    if where.sum() >= LEAST_SPOKEN:
        out["r"] = pearson(seen[where], true[where])
        out["offset"] = offset(seen, true)
        shut = closures(performance)
        rest = where & (shut | (true >= SHUT))
        out["closure"] = auc(-seen[rest], shut[rest])
        if width is not None:
            forward = mouth_shape(performance.motion).forward
            told = where & ((forward > ROUND) | (forward < PLAIN)) & (true >= SHUT)
            out["rounding"] = auc(-width[told], forward[told] > ROUND)
    speech = seen[where].mean() if where.sum() >= LEAST_SPOKEN else float("nan")
    for name, quiet in silences(performance).items():
        out[name] = float(abs(seen[quiet].mean()) / speech) if quiet.sum() >= 5 \
            and speech > 1e-6 else float("nan")
    return out


def sync_figures(judge: SyncJudge, performance, mouth: np.ndarray) -> dict[str, int]:
    """Choices of the judge between the mouth's numbers [T, 8] and the same 40 ms off."""
    mel = sound.whitened(sound.log_mel(performance.audio_self))
    right, asked = choices(judge, mel, mouth, np.asarray(performance.speaking, bool))
    return {"right": right, "asked": asked}


# ------------------------------------------------------------------ over all clips


def _mean(values: Sequence[float]) -> float:
    values = [v for v in values if v == v]
    return float(np.mean(values)) if values else float("nan")


def by_voice(rows: Sequence[dict], source: str, key: str) -> dict[str, float]:
    """Mean over the clips of each voice that have the figure."""
    voices: dict[str, list[float]] = {}
    for row in rows:
        value = row[source].get(key, float("nan"))
        if value == value:
            voices.setdefault(row["voice"], []).append(value)
    return {voice: float(np.mean(values)) for voice, values in sorted(voices.items())}


def lip_metrics(rows: Sequence[dict]) -> list[Metric]:
    """Aperture, closures and rounding of all clips' figures."""
    def all_of(key: str, less: str = "") -> dict[str, float]:
        return {s: _mean([row[s][key] for row in rows if key in row[s]]) for s in SOURCES
                if s != less and any(key in row[s] for row in rows)}

    r = {s: by_voice(rows, s, "r") for s in SOURCES if any("r" in row[s] for row in rows)}
    worst = min(r["model"], key=r["model"].get, default="")
    beside = {s: voices.get(worst, float("nan")) for s, voices in r.items() if s != "model"}
    spoken_clips = sum(row["model"]["r"] == row["model"]["r"] for row in rows)
    out = [Metric("avatars.aperture_r_worst", r["model"].get(worst, float("nan")), "", beside,
                  spoken_clips, ">= 0.75", note=f"voice {worst}; every baseline on the same voice"),
           Metric("avatars.aperture_r", _mean(list(r["model"].values())), "",
                  {**{s: _mean(list(v.values())) for s, v in r.items() if s != "model"},
                   **r["model"]}, spoken_clips, aim=">= 0.85",
                  note="mean over the held-out voices, then each voice")]
    closure = all_of("closure")
    out.append(Metric("avatars.closure_auc", closure.pop("model", float("nan")), "", closure,
                      spoken_clips, ">= 0.9", ">= 0.95"))
    rounding = all_of("rounding")
    out.append(Metric("avatars.rounding_auc", rounding.pop("model", float("nan")), "", rounding,
                      spoken_clips))
    return [eased(m) for m in out]


def sync_metrics(rows: Sequence[dict]) -> list[Metric]:
    """Offsets and the judge's choices of all clips' figures."""
    def median(source: str) -> float:
        values = [abs(row[source]["offset"]) for row in rows
                  if row[source].get("offset", float("nan")) == row[source].get("offset")]
        return float(np.median(values)) if values else float("nan")

    def share(source: str) -> float:
        asked = sum(row[source].get("asked", 0) for row in rows)
        right = sum(row[source].get("right", 0) for row in rows)
        return right / asked if asked else float("nan")

    signed = [row["model"]["offset"] for row in rows
              if row["model"]["offset"] == row["model"]["offset"]]
    asked = sum(row["model"].get("asked", 0) for row in rows)
    beside = {s: median(s) for s in SOURCES[1:]}
    found = {s: share(s) for s in SOURCES[1:]}
    hit = {}
    for voice in sorted({row["voice"] for row in rows}):
        one = [row["model"] for row in rows if row["voice"] == voice]
        if sum(r.get("asked", 0) for r in one):
            hit[voice] = sum(r["right"] for r in one) / sum(r["asked"] for r in one)
    worst = min(hit, key=hit.get, default="")
    return [
        eased(Metric("avatars.sync_offset_frames", median("model"), "frames",
                     {**beside, "signed": float(np.median(signed)) if signed else float("nan")},
                     len(signed), "<= 1", note="median of absolute offsets, 25 frames a second")),
        eased(Metric("avatars.sync_2afc_40ms", share("model"), "", found, asked, ">= 0.9",
                     ">= 0.95", note=f"worst voice {worst} {hit.get(worst, float('nan')):.3f}")),
    ]


def silence_metrics(rows: Sequence[dict]) -> list[Metric]:
    """Opening in silence and while only the other speaks, whichever is wider."""
    def worse(source: str) -> tuple[float, dict[str, float]]:
        parts = {k: _mean([row[source].get(k, float("nan")) for row in rows])
                 for k in ("silence", "listening")}
        known = [v for v in parts.values() if v == v]
        return (max(known) if known else float("nan")), parts

    value, parts = worse("model")
    beside = {s: worse(s)[0] for s in SOURCES[1:] if any("silence" in row[s] for row in rows)}
    n = sum(any(row["model"][k] == row["model"][k] for k in parts) for row in rows)
    return [eased(Metric("avatars.silence_aperture", value, "", {**beside, **parts}, n, "<= 0.05",
                         note="share of the same clip's mean while speaking; "
                              "silence and listening are the model's"))]
