"""Listening: nods and smiles where the simulator's stated rules have them, read from a face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..measures import f1, match_f1
from ..report import Metric
from .bars import TRUTH, eased
from .curves import apart, widened

TOLERANCE = 6
"""Ticks that an event may lie beside the rule's."""
NOD, SMILE = 0.18, 0.22
"""Least depth of a nod and rise of a smile, of their channels' range."""
NOD_SPAN = 13
"""Ticks that a nod takes at most."""
SMILE_RISE, SMILE_APART = 6, 10
"""Ticks in which a smile rises, and from one to the next at least."""
OWN = 8
"""Ticks after and before own speech in which neither is looked for: speech moves both."""


def _smooth(curve: np.ndarray) -> np.ndarray:
    if len(curve) < 3:
        return curve
    return np.convolve(np.pad(curve, 1, "edge"), [0.25, 0.5, 0.25], "valid")


def nods(pitch: np.ndarray) -> np.ndarray:
    """Ticks at which the head (pitch [T], up is more) begins to dip and comes up again."""
    pitch = _smooth(np.asarray(pitch, float))
    ticks, found = len(pitch), []
    for t in range(1, ticks - 1):
        if not (pitch[t] <= pitch[t - 1] and pitch[t] < pitch[t + 1]):
            continue
        before = pitch[max(0, t - NOD_SPAN // 2 - 1): t + 1]
        after = pitch[t: t + NOD_SPAN // 2 + 3]
        if min(before.max(), after.max()) - pitch[t] < NOD:
            continue
        level = pitch[t] + 0.8 * (before.max() - pitch[t])
        start = t
        while start > max(0, t - NOD_SPAN) and pitch[start] < level:
            start -= 1
        found.append(start)
    return apart(np.array(found, int), NOD_SPAN // 2)


def smiles(smile: np.ndarray) -> np.ndarray:
    """Ticks at which a smile (smile [T], corners up is more) begins: where it rises most within
    SMILE_RISE ticks."""
    smile = _smooth(_smooth(np.asarray(smile, float)))
    if len(smile) <= SMILE_RISE + 2:
        return np.zeros(0, int)
    rise = smile[SMILE_RISE:] - smile[:-SMILE_RISE]
    around = np.pad(rise, SMILE_APART, constant_values=-np.inf)
    highest = np.lib.stride_tricks.sliding_window_view(around, 2 * SMILE_APART + 1).max(1)
    return apart(np.flatnonzero((rise > SMILE) & (rise >= highest)), SMILE_APART)


def listening_figures(read: dict[str, np.ndarray], performance) -> dict[str, list[int]]:
    """(matched, found, true) of nods and of smiles while the character does not speak."""
    quiet = ~widened(performance.speaking, OWN)
    out = {}
    for name, found, true in (("nods", nods(read["pitch"]), performance.nods),
                              ("smiles", smiles(read["smile"]), performance.smiles)):
        true = np.array([t for t in true if 0 <= t < len(quiet) and quiet[t]], int)
        found = np.array([t for t in found if quiet[min(t + 3, len(quiet) - 1)]], int)
        out[name] = list(match_f1(found, true, TOLERANCE))
    return out


def listening_metrics(model: Sequence[dict], true: Sequence[dict], deaf: Sequence[dict]
                      ) -> list[Metric]:
    """F1 over both kinds of events; ``deaf``: the same with the other's track removed."""
    def score(rows: Sequence[dict], *kinds: str) -> float:
        return f1([tuple(row[k]) for row in rows for k in kinds])

    both = ("nods", "smiles")
    events = sum(row[k][2] for row in model for k in both)
    without = score(deaf, *both)
    return [
        eased(Metric("avatars.listening_f1", score(model, *both), "", {
            TRUTH: score(true, *both), "without the other's track": without,
            "nods": score(model, "nods"), "smiles": score(model, "smiles"),
            f"{TRUTH}: nods": score(true, "nods"), f"{TRUTH}: smiles": score(true, "smiles"),
        }, events, ">= 0.6")),
        Metric("avatars.listening_left", _left(model, deaf), "", {}, events, "<= 0.25",
               note="nods and smiles still at the rules' places without the other's track, "
                    "as a share of those with it"),
    ]


def _left(model: Sequence[dict], deaf: Sequence[dict]) -> float:
    kept, had = (sum(row[k][0] for row in rows for k in ("nods", "smiles"))
                 for rows in (deaf, model))
    return kept / had if had else float("nan")
