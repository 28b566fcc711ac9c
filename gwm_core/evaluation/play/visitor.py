"""A client of the live socket without a page: plays, seeks, and keeps a walk as a page does."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...controls import Controls
from ...embodiment import Embodiment
from ...live.messages import unpack
from ...walk import Walk
from .server import Comfy, played

PATIENCE = 120
"""Seconds that an answer may take before the measurement is given up."""
REPLAY = 900
"""The same for a walk that may have to be made again."""


class Visitor:
    """One player's socket; use as an async context manager.

    headers  of every binary message, each with "at" (seconds) added
    walk     what was played, as the page would write it into the workflow
    tick     the tick shown
    """

    def __init__(self, comfy: Comfy):
        self.comfy = comfy
        self.headers: list[dict] = []
        self.opened: dict = {}
        self.state: dict = {}
        self.tick = 0
        self._rows: list[list[float]] = []
        self._events: list[tuple[int, str]] = []
        self._marks: dict[int, str] = {}
        self._sent = 0
        self._trouble: str | None = None
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Visitor:
        import aiohttp

        self._http = aiohttp.ClientSession()
        address = self.comfy.url.replace("http", "ws", 1) + "/api/gwm/live"
        self._socket = await self._http.ws_connect(address, max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await self._socket.close()
        await self._http.close()

    # ------------------------------------------------------------------ what a page does

    async def open(self, graph: dict, walk: dict | None = None) -> dict:
        """Queue what leads to the player, take the world; returns once its picture is there.

        The graph's nodes run only where the host has not kept what they gave."""
        token = secrets.token_hex(16)
        self.opened = {}
        before = len(self.headers)
        await self.say("open", token=token, walk=walk)
        prompt = played(graph, json.dumps({"gwm_open": token}))
        await asyncio.to_thread(self.comfy.client.submit, prompt)
        await self.until(lambda: self.opened)
        if walk is not None:
            recorded = Walk.read(walk, self.embodiment)
            self._rows = recorded.controls.values.tolist()
            self._events = list(recorded.controls.events)
        await self.until(lambda: len(self.headers) > before, REPLAY)
        return self.opened

    async def play(self, rows: np.ndarray, events: dict[int, str] | None = None) -> None:
        """Play on for as many ticks as there are rows, pressing what they say as the ticks come;
        then pause at the last one. (The track holds what the ticks used, not quite these rows.)
        """
        names = [spec.name for spec in self.embodiment.controls if spec.kind == "button"]
        first, told = self.tick, -1
        await self.say("play")
        while (done := self.tick - first) < len(rows):
            if done > told:
                held = dict(zip(names, (int(v) for v in rows[done]), strict=False))
                await self.press(held | {"look": rows[done, len(names) :].tolist()})
                for tick in range(told + 1, done + 1):
                    if text := (events or {}).get(tick):
                        await self.say("event", text=text)
                told = done
            await self.until(lambda now=self.tick: self.tick != now)
        await self.say("pause", tick=self.tick)
        await self.until(lambda: self.state.get("state") == "paused")

    async def seek(self, tick: int) -> float:
        """Show a tick; seconds until its picture was there."""
        before, started = len(self.headers), time.perf_counter()
        await self.say("seek", tick=tick)
        await self.until(lambda: any(
            h["kind"] == "still" and h["tick"] == tick for h in self.headers[before:]
        ))
        return time.perf_counter() - started

    async def press(self, held: dict[str, Any]) -> int:
        """What is held now; the number of the message."""
        self._sent += 1
        await self.say("controls", seq=self._sent, held=held)
        return self._sent

    async def say(self, kind: str, **values: Any) -> None:
        await self._socket.send_str(json.dumps({"type": kind, **values}))

    async def until(self, true: Callable[[], Any], patience: float = PATIENCE) -> None:
        """Wait until something is so; RuntimeError where the server says that it will not be."""
        async with self._news:
            try:
                await asyncio.wait_for(
                    self._news.wait_for(lambda: self._trouble or true()), patience
                )
            except asyncio.TimeoutError:
                raise RuntimeError(f"no answer of the live socket in {patience:g} s") from None
        if self._trouble:
            raise RuntimeError(f"live socket: {self._trouble}")

    # ------------------------------------------------------------------ what a page keeps

    @property
    def embodiment(self) -> Embodiment:
        return Embodiment.from_json(self.opened["embodiment"])

    @property
    def marks(self) -> dict[int, str]:
        """tick -> hash of its last frame, of the ticks of the walk that were shown."""
        return {tick: mark for tick, mark in self._marks.items() if tick <= len(self._rows)}

    @property
    def walk(self) -> dict:
        """The walk as it is written into a workflow."""
        track = Controls(
            np.asarray(self._rows, np.float32).reshape(-1, self.embodiment.control_dim),
            self._events,
            self.embodiment,
        )
        last = self._marks.get(len(self._rows), "")
        return Walk(track, self.opened["of"], self.opened["world"], last).to_json()

    async def _read(self) -> None:
        import aiohttp

        async for message in self._socket:
            if message.type == aiohttp.WSMsgType.TEXT:
                self._heard(json.loads(message.data))
            elif message.type == aiohttp.WSMsgType.BINARY:
                header, _ = unpack(message.data)
                await self.say("ack", n=header["n"])
                self._seen({**header, "at": time.perf_counter()})
            async with self._news:
                self._news.notify_all()
        self._trouble = self._trouble or "it was closed"
        async with self._news:
            self._news.notify_all()

    def _heard(self, message: dict) -> None:
        kind = message["type"]
        if kind == "opened":
            self.opened, self.tick = message, message["tick"]
            self._rows, self._events, self._marks = [], [], {}
        elif kind == "state":
            self.state = message
        elif kind in ("error", "closed"):
            self._trouble = message.get("message") or message.get("why")

    def _seen(self, header: dict) -> None:
        self.headers.append(header)
        self.tick = header["tick"]
        rows = header["rows"]
        if rows:
            first = self.tick - len(rows)
            self._rows[first:] = rows
            self._events = [e for e in self._events if e[0] < first]
            self._events += [tuple(event) for event in header["events"]]
            self._marks = {t: mark for t, mark in self._marks.items() if t <= first}
        if header["kind"] == "tick":
            self._marks[self.tick] = header["hash"]
