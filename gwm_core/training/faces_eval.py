"""How far a training of gwm-faces is, on held-out voices: from the motion itself.

`gwm eval avatars` measures rendered pixels; these figures are for the training's log and the card.
"""

from __future__ import annotations

import numpy as np
import torch

from ..avatars.faces_model import SPREAD, Reading
from ..avatars.gate import SilenceGate
from ..avatars.motion import INDEX, clamp
from ..avatars.mouth import aperture
from ..model.dynamics import Dynamics
from .faces_data import Performances
from .faces_loss import imagine

REACH = 5
"""Ticks of sound around a tick that the ridge regression sees: 3 before, 2 after it."""


def motions(net: Dynamics, reading: Reading, data: Performances, which: np.ndarray) -> np.ndarray:
    """What the driver would show, float32 [P, K, 24], of whole performances."""
    rows = data.tokens(which, np.zeros(len(which), int), data.rows["own"].shape[1])
    with torch.no_grad():
        out = clamp(imagine(net, reading, rows).numpy() * SPREAD)
    for p, speaking in enumerate(rows["speaking"].numpy()):
        gate = SilenceGate()
        for k, active in enumerate(speaking):
            out[p, k] = gate.apply(out[p, k], bool(active))
    return out


def judge(net: Dynamics, reading: Reading, data: Performances,
          voices: tuple[str, ...]) -> dict[str, float]:
    """Figures of performances whose voices are ``voices`` in turn."""
    shown = np.concatenate([motions(net, reading, data, np.arange(i, min(i + 8, len(data))))
                            for i in range(0, len(data), 8)])
    truth = data.rows["motion"].astype(np.float32)
    spoken, listening = _places(data)
    out: dict[str, float] = {}
    by_voice = {v: np.arange(i, len(data), len(voices)) for i, v in enumerate(voices)}
    rs = {v: aperture_r(aperture(shown[p]), aperture(truth[p]), spoken[p])
          for v, p in by_voice.items()}
    out |= {f"r {v}": r for v, r in rs.items() if np.isfinite(r)}
    out["r worst"] = float(np.nanmin(list(rs.values())))
    out["closure auc"] = closure_auc(aperture(shown), aperture(truth), spoken)
    out["offset"] = float(best_offset(aperture(shown), aperture(truth)))
    loud = aperture(shown)[spoken].mean()
    out["silence"] = float(aperture(shown)[~_near(spoken, 3)].mean() / loud)
    for name in ("pitch", "smile", "brow_left"):
        out[f"listening {name}"] = _r(shown[..., INDEX[name]][listening],
                                      truth[..., INDEX[name]][listening])
    for name in ("blink_left", "gaze_x", "yaw", "pitch", "smile", "close", "pucker", "stretch"):
        out[f"r {name}"] = _r(shown[..., INDEX[name]], truth[..., INDEX[name]])
    return out


def aperture_r(shown: np.ndarray, truth: np.ndarray, spoken: np.ndarray) -> float:
    """Pearson's r of two apertures where a voice is heard; NaN where none is."""
    return _r(shown[spoken], truth[spoken])


def closure_auc(shown: np.ndarray, truth: np.ndarray, spoken: np.ndarray,
                closed: float = 0.01) -> float:
    """How surely a tick of closed lips within speech is less open than another one."""
    x, y = -shown[spoken], truth[spoken] < closed
    order = np.argsort(np.argsort(x, kind="stable"), kind="stable") + 1.0
    many = int(y.sum())
    if many in (0, len(y)):
        return float("nan")
    return float((order[y].sum() - many * (many + 1) / 2) / (many * (len(y) - many)))


def best_offset(shown: np.ndarray, truth: np.ndarray, most: int = 6) -> int:
    """Ticks that the motion is late by (cross-correlation over whole performances)."""
    a, b = shown - shown.mean(), truth - truth.mean()
    length = a.shape[1]
    scores = {k: float((a[:, most + k:length - most + k] * b[:, most:length - most]).sum())
              for k in range(-most, most + 1)}
    return max(scores, key=scores.get)


def baselines(train: Performances, held: Performances) -> dict[str, float]:
    """Aperture from loudness alone, and by ridge regression on the bands: r and closure AUC."""
    spoken, _ = _places(held)
    want = aperture(held.rows["motion"].astype(np.float32))
    loud = held.rows["own"].astype(np.float32).max(axis=(2, 3))
    loud = np.roll(loud, 2, axis=1)  # the loudness of the tick itself
    x, y = _ridge_rows(train, np.arange(min(len(train), 400)))
    gram = x.T @ x + 50 * np.eye(x.shape[1], dtype=np.float32)
    weights = np.linalg.solve(gram, x.T @ y)
    guess = (_ridge_rows(held, np.arange(len(held)))[0] @ weights).reshape(want.shape)
    return {"loudness r": _r(loud[spoken], want[spoken]),
            "ridge r": _r(guess[spoken], want[spoken]),
            "loudness closure auc": closure_auc(loud, want, spoken),
            "ridge closure auc": closure_auc(guess, want, spoken)}


def _ridge_rows(data: Performances, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from ..avatars.voice import heard

    bands = heard(data.rows["own"][which].astype(np.float32))
    bands = bands.reshape(*bands.shape[:2], -1)
    padded = np.pad(bands, ((0, 0), (REACH, 0), (0, 0)))
    near = [padded[:, i:i + bands.shape[1]] for i in range(REACH + 1)]
    x = np.concatenate([*near, np.ones_like(bands[..., :1])], axis=-1)
    y = aperture(data.rows["motion"][which].astype(np.float32))
    return x.reshape(-1, x.shape[-1]), y.reshape(-1)


def _places(data: Performances) -> tuple[np.ndarray, np.ndarray]:
    """bool [P, K] where the own voice is heard, and where only the other's is, at the row of the
    motion."""
    speaking = np.roll(data.rows["speaking"], 2, axis=1)
    state = np.roll(data.rows["state"], 2, axis=1)
    speaking[:, :2] = False
    return _near(speaking, 1), state[..., 1] > 0.5


def _near(places: np.ndarray, ticks: int) -> np.ndarray:
    """Also the ticks beside them."""
    out = places.copy()
    for k in range(1, ticks + 1):
        out[:, k:] |= places[:, :-k]
        out[:, :-k] |= places[:, k:]
    return out


def _r(a: np.ndarray, b: np.ndarray) -> float:
    if a.size < 3 or a.std() < 1e-6 or b.std() < 1e-6:
        return float("nan")
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
