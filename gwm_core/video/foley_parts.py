"""The impact network's answers on a clip of any length, a part of it at once.

Every part is read with as many pictures about it as an answer depends on, so that the parts are
what the whole would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from scipy.ndimage import maximum_filter1d

from ..model.impacts import CONTEXT, NOW, ImpactNet
from .foley_frames import still_cells

AT_ONCE = 48
"""Pictures that are answered at once."""
NEVER = -30.0
STIRRED = 12
"""Pictures before and after one in which something must have moved for an impact in it."""


class Reading:
    """One clip on its way through the network. keep: maps f32 [n, 6, 20, 32] -> what is kept of
    them (None: all)."""

    def __init__(self, network: ImpactNet,
                 keep: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        self.network, self.keep = network, keep
        self.given, self.done, self.first = 0, 0, 0
        self._windows: list[np.ndarray] = []
        self._maps: list[np.ndarray] = []
        self._now: list[np.ndarray] = []
        self._moves: list[bool] = []

    def give(self, windows: Iterable[np.ndarray]) -> None:
        """More inputs u8 [9, 80, 128], in order."""
        new = list(windows)
        self._windows += new
        self.given += len(new)

    def go(self, last: bool = False) -> None:
        """Answer what can be answered; last: all that is left."""
        while self.done < self.given:
            stop = self.done + AT_ONCE
            if not last and stop + CONTEXT > self.given:
                return
            self._part(min(stop, self.given))

    def answers(self) -> tuple[np.ndarray, np.ndarray]:
        """(what is kept of the maps [F, ...], now f32 [F, 9]) of the whole clip."""
        now = np.concatenate(self._now)
        stirred = maximum_filter1d(np.array(self._moves, np.uint8), 2 * STIRRED + 1,
                                   mode="constant")
        now[stirred == 0, NOW["hit"]] = NEVER
        return np.concatenate(self._maps), now

    @torch.no_grad()
    def _part(self, stop: int) -> None:
        about = np.stack(self._windows[: stop + CONTEXT - self.first])
        maps, now = (out[0, self.done - self.first:stop - self.first].float().numpy().copy()
                     for out in self.network(torch.from_numpy(about)[None]))
        here = about[self.done - self.first:stop - self.first]
        still = np.stack([still_cells(one) for one in here])
        maps[:, 0][still] = NEVER
        self._moves += [not one.all() for one in still]
        self._maps.append(maps if self.keep is None else self.keep(maps))
        self._now.append(now)
        self.done = stop
        gone = max(self.done - CONTEXT - self.first, 0)
        del self._windows[:gone]
        self.first += gone
