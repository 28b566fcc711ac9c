"""The dynamics' pass of a tick: sees the guide, corrects what is not covered, keeps history.

The commit of the last tick rides in the same pass as the step of this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..model.spec import Guide as TokenGuide
from ..noise import noise
from .history import History
from .parts import Parts
from .state import RolloutState
from .tokens import control_token, state_tokens
from .view import Look, fogged

VIEW = "view.eye"
ENOUGH = 0.93
"""Covered share of a tick's pixels from which what is missing stays as smoothly filled."""
SOFT = 8
"""Pixels of a cell that the correction is averaged over."""


@dataclass(frozen=True, eq=False)
class Past:
    """The last tick's clean tokens, waiting to enter the history: streams f32 [1, 1, n, w],
    controls f32 [1, 1, 9], guide tokens and coverage."""

    tokens: dict[str, torch.Tensor]
    controls: torch.Tensor
    guide: torch.Tensor
    coverage: torch.Tensor

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for t in (*self.tokens.values(), self.guide, self.coverage))

    def to_arrays(self) -> dict[str, np.ndarray]:
        named = {f"tokens.{k}": v for k, v in self.tokens.items()}
        named |= {"controls": self.controls, "guide": self.guide, "coverage": self.coverage}
        return {k: v.detach().cpu().numpy() for k, v in named.items()}

    @staticmethod
    def from_arrays(arrays: dict[str, np.ndarray], device=None) -> Past:
        """The inverse of `to_arrays`; KeyError where one is missing."""
        def tensor(name):
            return torch.from_numpy(np.array(arrays[name])).to(device)

        tokens = {k[7:]: tensor(k) for k in arrays if k.startswith("tokens.")}
        return Past(tokens, tensor("controls"), tensor("guide"), tensor("coverage"))


def _row(array: np.ndarray | torch.Tensor, device) -> torch.Tensor:
    return torch.as_tensor(array).float().to(device)[None, None]


def view_tokens(parts: Parts, rgb: np.ndarray, depth: np.ndarray) -> torch.Tensor:
    """Tokens [n, w] of one or two frames u8 [F, H, W, 3] with depth f32 [F, H, W]."""
    return parts.patches.encode(rgb, 1.0 / np.maximum(depth, 0.05))


def coverage_of(parts: Parts, covered: np.ndarray) -> torch.Tensor:
    """Covered share f32 [n, 1] of each view token, of masks bool [F, H, W]."""
    rows, columns = parts.patches.grid
    patch = parts.patches.patch
    share = covered.mean(0).reshape(rows, patch, columns, patch).mean((1, 3))
    return torch.from_numpy(share.reshape(-1, 1).astype(np.float32))


def first_past(parts: Parts, state: RolloutState, shown: Look) -> Past:
    """Tick 0 as history: the first picture, everything at rest, silence."""
    device = parts.dynamics.sinks.device
    tokens = view_tokens(parts, shown.guide.rgb[None], shown.guide.depth[None])
    audio = np.zeros(parts.dynamics.spec.latent_shape["audio"], np.float32)
    streams = {"state": _row(state_tokens(state.player, state.bodies), device),
               "audio": _row(audio, device), VIEW: _row(tokens, device)}
    controls = torch.zeros(1, 1, parts.embodiment.control_dim, device=device)
    return Past(streams, controls, streams[VIEW],
                _row(coverage_of(parts, shown.guide.covered[None]), device))


def correct(parts: Parts, state: RolloutState, row: np.ndarray, moved, looks: list[Look],
            audio: np.ndarray) -> tuple[np.ndarray, History]:
    """(frames u8 [2, H, W, 3], history) of a tick.

    looks: the guided views of its frames; audio: its audio tokens f32 [1, 3, 16]. Covered pixels
    stay as they are; where nothing was known the dynamics' correction is added to the filling.
    """
    dynamics, tick = parts.dynamics, state.tick
    covered = np.stack([v.guide.covered for v in looks])

    def seen() -> Past:
        """The tick as the dynamics sees it, with the guide for its view."""
        device = dynamics.sinks.device
        rgb, depth = (np.stack([getattr(v.guide, n) for v in looks]) for n in ("rgb", "depth"))
        view = _row(view_tokens(parts, rgb, depth), device)
        streams = {"state": _row(state_tokens(moved.players[-1], moved.bodies[-1]), device),
                   "audio": _row(audio[0], device), VIEW: view}
        return Past(streams, _row(control_token(row)[0], device), view,
                    _row(coverage_of(parts, covered), device))

    if covered.mean() > ENOUGH:  # hardly anything to correct: only the history goes on
        def write(cache, past: Past):
            guides = {VIEW: TokenGuide(past.guide, past.coverage)}
            return dynamics.commit(cache, past.tokens, past.controls, tick, guides), seen()

        frames = np.stack([v.frame for v in looks])
        if dynamics.sinks.device.type == "cpu":
            return frames, state.history.later(write)
        # A host may move weights between ticks; and a graphics card is quick.
        return frames, History(*write(state.history.cache, state.history.past))
    past, now = state.history.past, seen()
    start = noise(state.seed, tick + 1, 0, VIEW, tuple(now.guide.shape[2:]))
    known = {name: now.tokens[name] for name in ("state", "audio")}
    cache, made = dynamics.commit_step(
        state.history.cache, past.tokens, past.controls,
        {**known, VIEW: _row(start, dynamics.sinks.device)},
        {"state": 0.0, "audio": 0.0, VIEW: 1.0}, now.controls, tick,
        guides={VIEW: TokenGuide(past.guide, past.coverage)},
        next_guides={VIEW: TokenGuide(now.guide, now.coverage)})
    change = parts.patches.decode_change(made[VIEW][0, 0] - now.guide[0, 0], SOFT)
    rgb = np.stack([v.guide.rgb for v in looks])
    unknown = ~covered
    rgb[unknown] = _added(rgb[unknown], _smooth(change, rgb.shape[1:3])[unknown])
    frames = np.stack([fogged(parts, rgb[k], looks[k].guide, state.scene.light)
                       for k in range(len(looks))])
    clean = now.guide + (made[VIEW] - now.guide) * (1 - now.coverage)
    return frames, History(cache, replace(now, tokens={**known, VIEW: clean}))


def _smooth(cells: np.ndarray, size) -> np.ndarray:
    """The correction of cells f32 [F, h, w, 3] at full size, without the grid of its patches:
    what one does not know is soft, but must not show tiles."""
    x = torch.from_numpy(cells).permute(0, 3, 1, 2)
    x = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    x = torch.nn.functional.avg_pool2d(x, 3, stride=1)
    x = torch.nn.functional.interpolate(x, size=tuple(size), mode="bilinear")
    return x.permute(0, 2, 3, 1).numpy()


def _added(rgb: np.ndarray, change: np.ndarray) -> np.ndarray:
    return np.clip(rgb + change + 0.5, 0, 255).astype(np.uint8)
