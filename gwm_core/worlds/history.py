"""What the dynamics remembers of a world, written behind the tick's back.

Where a tick's picture needs nothing of the dynamics, its entry into the history need not hold the
picture up: a thread writes it while the next tick's bodies move. Whoever reads a history waits for
it, so timing never changes a world.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .threads import one_torch_thread

if TYPE_CHECKING:
    from ..model.cache import Cache
    from .correction import Past

_pool = ThreadPoolExecutor(1, thread_name_prefix="gwm-history", initializer=one_torch_thread)


class History:
    """The dynamics' ring (``cache``) and the last tick, which enters it next (``past``).

    An immutable value; reading either may wait, and raises what writing it raised.
    """

    def __init__(self, cache: Cache, past: Past | None) -> None:
        self._written: tuple[Cache, Past | None] | None = (cache, past)
        self._future: Future | None = None
        self._known: list[Any] = []

    def later(self, write: Callable[[Cache, Past], tuple[Cache, Past]]) -> History:
        """The history that ``write(cache, past)`` gives, written by a thread. At most one is
        under way: this one is waited for first."""
        cache, past = self.cache, self.past
        coming = object.__new__(History)
        coming._written, coming._known = None, cache.tensors()
        coming._future = _pool.submit(write, cache, past)
        return coming

    def _read(self) -> tuple[Cache, Past | None]:
        written = self._written
        if written is None:
            written = self._written = self._future.result()
            self._known = []
        return written

    @property
    def cache(self) -> Cache:
        return self._read()[0]

    @property
    def past(self) -> Past | None:
        return self._read()[1]

    def tensors(self) -> list[Any]:
        """The ring's parts, without waiting: while it is being written those it grows from."""
        written = self._written
        return written[0].tensors() if written is not None else list(self._known)
