"""Figures over all judged lines: words, voices, lips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...noise import rng
from ..avatars.bars import eased
from ..report import Metric
from .recogniser import wer
from .sentences import SENTENCES
from .utterances import SOURCES
from .voice_likeness import right_order, shuffled

CLOSURE, OFFSET = ">= 0.9", "<= 1"


def words_metric(rows: Sequence[dict], seed: int = 0) -> Metric:
    """Word error rate of the model's lines above the synthesiser's own, in points. Baselines: all
    three rates, and the rate against other sentences."""
    rate = {}
    for name in SOURCES:
        words = sum(row[name]["words"] for row in rows)
        rate[name] = 100 * sum(row[name]["errors"] for row in rows) / max(words, 1)
    draw = rng(seed, "video other sentences")
    wrong = [wer(SENTENCES[int(draw.integers(len(SENTENCES)))], row["model"]["heard"])
             for row in rows]
    rate["other sentences"] = 100 * sum(e for e, _ in wrong) / max(sum(n for _, n in wrong), 1)
    by_voice = {voice: _excess([r for r in rows if r["voice"] == voice])
                for voice in dict.fromkeys(row["voice"] for row in rows)}
    worst = max(by_voice, key=by_voice.get, default="")
    rate[f"excess of {worst}, the worst"] = by_voice.get(worst, float("nan"))
    return Metric("video.wer_excess_points", rate["model"] - rate["synthesiser"], "points",
                  rate, sum(row["model"]["words"] for row in rows), "<= 10",
                  note=f"{len(rows)} sentences that nothing was trained on, by a recogniser that "
                       "knows none of the voices; rates in percent")


def _excess(rows: Sequence[dict]) -> float:
    return 100 * (sum(r["model"]["errors"] for r in rows)
                  - sum(r["synthesiser"]["errors"] for r in rows)) \
        / max(sum(r["model"]["words"] for r in rows), 1)


def voices_of(rows: Sequence[dict], source: str) -> dict[str, list[np.ndarray]]:
    """Embeddings by voice."""
    out: dict[str, list[np.ndarray]] = {}
    for row in rows:
        if "who" in row[source]:
            out.setdefault(row["voice"], []).append(np.array(row[source]["who"]))
    return out


def voice_metric(rows: Sequence[dict], seed: int = 0) -> Metric:
    """Whether lines of one voice are more alike than lines of two. Floor: names by chance.
    Ceiling: the synthesiser's own voices; and whether the model's are nearest to those they learnt
    from."""
    groups, true = voices_of(rows, "model"), voices_of(rows, "synthesiser")
    share, n = right_order(groups)
    own = [float(np.mean([clip @ t for t in true[name]]))
           > max(float(np.mean([clip @ t for t in many])) for other, many in true.items()
                 if other != name)
           for name, clips in groups.items() for clip in clips] if len(true) > 1 else []
    return Metric("video.voice_consistency", share, "", {
        "synthesiser": right_order(true)[0], "shuffled": right_order(shuffled(groups, seed))[0],
        "nearest to what it learnt from": float(np.mean(own)) if own else float("nan")}, n,
        ">= 0.95", note=f"{len(groups)} voices, {sum(map(len, groups.values()))} lines, by a "
        "speaker encoder" + ("" if groups else "; it is not installed: pip install --no-deps "
                             "resemblyzer==0.1.4"))


def lip_metrics(rows: Sequence[dict]) -> list[Metric]:
    """Closures and offset of the lips, as `gwm eval avatars` has them, on the model's own lines."""
    read = [row["lips"] for row in rows if "lips" in row]
    names = list(read[0]) if read else ["model"]

    def values(name: str, key: str) -> list[float]:
        return [r[name][key] for r in read if r[name].get(key) is not None
                and r[name][key] == r[name][key]]

    def mean(name: str, key: str) -> float:
        found = values(name, key)
        return float(np.mean(found)) if found else float("nan")

    def median(name: str) -> float:
        # offsets of a mouth that fits nothing lie to both sides and must not cancel out
        found = values(name, "offset")
        found = np.abs(found) if name == "shuffled audio" else found
        return abs(float(np.median(found))) if len(found) else float("nan")

    def chosen(name: str) -> float:
        asked = sum(r[name]["asked"] for r in read)
        return sum(r[name]["right"] for r in read) / asked if asked else float("nan")

    beside = [n for n in names if n != "model"]
    return [
        eased(Metric("video.closure_auc", mean("model", "closure"), "",
                     {n: mean(n, "closure") for n in beside}, len(values("model", "closure")),
                     CLOSURE, ">= 0.95")),
        eased(Metric("video.sync_offset_frames", median("model"), "frames",
                     {n: median(n) for n in beside}, len(values("model", "offset")), OFFSET)),
        Metric("video.sync_choice", chosen("model"), "", {n: chosen(n) for n in beside},
               sum(r["model"]["asked"] for r in read),
               note="a judge's choice between the lips and the same 40 ms off"),
    ]
