"""A store whose idle states lie in the host's memory, so that a card holds few of them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from ..store import StateStore, _buffers


class Mover:
    """Copies tensors between a card and the host's memory; strides stay, so do all bits."""

    def home(self, tensor: Tensor) -> Hashable | None:
        """The card that a tensor lies on, None for the host's memory."""
        return None if tensor.device.type == "cpu" else tensor.device

    def ready(self, home: Hashable) -> Any:
        """A mark of all that the card was told to compute until now."""
        if torch.device(home).type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event

    def down(self, tensor: Tensor, ready: Any) -> Tensor:
        """A whole copy in pinned memory, made beside what the card computes; it waits for
        ``ready``."""
        if tensor.device.type != "cuda":
            return tensor.to("cpu")
        host = torch.empty_like(tensor, device="cpu", pin_memory=True)
        stream = torch.cuda.Stream(tensor.device)
        with torch.cuda.stream(stream):
            stream.wait_event(ready)
            host.copy_(tensor, non_blocking=True)
        stream.synchronize()
        return host

    def up(self, host: Tensor, home: Hashable) -> Tensor:
        """A copy on the card."""
        return torch.empty_like(host, device=home).copy_(host, non_blocking=host.is_pinned())


class OffloadingStore(StateStore):
    """Like ``StateStore``, for states that have ``map(change)`` over their tensors.

    The newest state stays where it was made, and those used last as far as they need no more than
    ``room`` bytes besides: what they share with it is free. The others are moved to the host's
    memory by a thread, so that no tick waits for it, and moved back when they are asked for. What
    states share is copied once and shared there as well, in both directions. max_bytes counts what
    lies on either side.
    """

    def __init__(self, max_bytes: int, every: int = 24, recent: int = 1, room: int = 0,
                 mover: Mover | None = None) -> None:
        super().__init__(max_bytes, every, recent)
        self.room, self._mover = int(room), mover or Mover()
        self._below = WeakIdKeyDictionary()  # on the card -> its copy in the host's memory
        self._above = WeakIdKeyDictionary()  # copy -> (card, the tensor there)
        self._copying = threading.RLock()
        self._moving = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._everything = False

    def put(self, key: bytes, state: Any, walk: bytes = b"", tick: int = 0, block: int = 1) -> None:
        super().put(key, state, walk, tick, block)
        with self._lock:
            self._everything = False
            self._start()

    def get(self, key: bytes, thaw: Callable[[dict, Any], Any] | None = None) -> Any:
        state = super().get(key, thaw)
        return state if state is None else state.map(self._up)

    def idle(self) -> None:
        """Move every state away, the newest too: the card is needed for something else. Returns
        when that is done."""
        with self._lock:
            self._everything = True
            self._start()
        self.settled()

    def settled(self, seconds: float | None = None) -> bool:
        """Wait until nothing is being moved; whether that is so."""
        with self._lock:
            return self._moving.wait_for(lambda: self._thread is None, seconds)

    def card_bytes(self) -> int:
        """Bytes of kept states on cards, shared ones once."""
        with self._lock:
            kept = {id(t): t for e in self._entries.values() for t in self._on_card(e)}
            return sum(int(t.nbytes) for t in kept.values())

    def _on_card(self, entry: Any) -> list[Tensor]:
        if entry.state is None:
            return []
        return [t for t in entry.state.buffers() if self._mover.home(t) is not None]

    def _surplus(self) -> bytes | None:
        """The key of a state that is to be moved away, None where there is none."""
        order = sorted(self._entries, key=self._last_use, reverse=True)
        seen: set[int] = set()
        room = -1 if self._everything else self.room
        for place, key in enumerate(order):
            new = {id(t): int(t.nbytes) for t in self._on_card(self._entries[key])}
            more = sum(size for t, size in new.items() if t not in seen)
            if (place or self._everything) and new:
                room -= more
                if room < 0:
                    return key
            seen |= set(new)
        return None

    def _start(self) -> None:
        if self._thread is None and self._surplus() is not None:
            self._thread = threading.Thread(target=self._work, name="gwm-states", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                key = self._surplus()
                if key is None:
                    self._thread = None
                    self._moving.notify_all()
                    return
                entry = self._entries[key]
                state = entry.state
            try:
                moved = self._moved(state)
            except Exception:  # no memory to pin: it is dropped, a replay makes it again
                moved = None
            with self._lock:
                if self._entries.get(key) is not entry or entry.state is not state:
                    continue
                if key == max(self._entries, key=self._last_use) and not self._everything:
                    continue  # asked for meanwhile: it stays
                if moved is None:
                    self._drop(key)
                    continue
                self._count(entry, -1)
                entry.state, entry.buffers = moved, _buffers(moved)
                self._count(entry, 1)

    @torch.no_grad()
    def _moved(self, state: Any) -> Any:
        homes = {home: None for t in state.buffers() if (home := self._mover.home(t)) is not None}
        marks = {home: self._mover.ready(home) for home in homes}

        def down(tensor: Tensor) -> Tensor:
            home = self._mover.home(tensor)
            if home is None:
                return tensor
            with self._copying:
                known = self._below.get(tensor)
                host = known() if known is not None else None
            if host is None:
                host = self._mover.down(tensor, marks[home])  # no tick waits: the lock is free
                with self._copying:
                    self._pair(tensor, host, home)
            return host

        return state.map(down)

    @torch.no_grad()
    def _up(self, tensor: Tensor) -> Tensor:
        with self._copying:
            found = self._above.get(tensor)
            if found is None:
                return tensor
            home, above = found
            card = above()
            if card is None:
                card = self._mover.up(tensor, home)
                self._pair(card, tensor, home)
            return card

    def _pair(self, card: Tensor, host: Tensor, home: Hashable) -> None:
        self._below[card] = weakref.ref(host)
        self._above[host] = (home, weakref.ref(card))
