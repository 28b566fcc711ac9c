"""A store whose idle states lie in the host's memory, so that a card holds few of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..store import StateStore, _buffers


class OffloadingStore(StateStore):
    """Like ``StateStore``, for states that have ``to(device)``.

    The newest state stays where it was made. When the next one of its walk comes, it is moved to
    the CPU if it is kept at all, and moved back when it is asked for. max_bytes counts both.
    """

    def __init__(self, max_bytes: int, every: int = 24, recent: int = 1) -> None:
        super().__init__(max_bytes, every, recent)
        self._homes: dict[bytes, Any] = {}

    def put(self, key: bytes, state: Any, walk: bytes = b"", tick: int = 0, block: int = 1) -> None:
        super().put(key, state, walk, tick, block)
        with self._lock:
            for other, entry in self._entries.items():
                if other != key and entry.state is not None and other not in self._homes:
                    self._replace(entry, other, "cpu")
            self._homes = {k: home for k, home in self._homes.items() if k in self._entries}

    def get(self, key: bytes, thaw: Callable[[dict, Any], Any] | None = None) -> Any:
        state = super().get(key, thaw)
        home = self._homes.get(key)
        return state if state is None or home is None else state.to(home)

    def _replace(self, entry: Any, key: bytes, device: str) -> None:
        """Move an entry's state; one that is there already stays as it is."""
        tensors = entry.state.buffers()
        home = tensors[0].device if tensors else None
        if home is None or home.type == device:
            return
        self._count(entry, -1)
        entry.state = entry.state.to(device)
        entry.buffers = _buffers(entry.state)
        self._homes[key] = home
        self._count(entry, 1)
