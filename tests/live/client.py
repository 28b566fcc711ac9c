"""A page of the live player without a browser: its socket, and the walk that it records.

It does what a page must do: acknowledges what it has "drawn", puts rows into its track by their
ticks, and takes the server's word for nothing that it can check itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np

from gwm_core.controls import Controls
from gwm_core.embodiment import Embodiment, rooms_embodiment
from gwm_core.live.messages import unpack

PLACE = "a stone hall at dusk"
WAIT = 40
"""Seconds that a message may take: a replay on a busy machine."""

_loop: asyncio.AbstractEventLoop | None = None


def _run(work) -> Any:
    """Run a coroutine in the one thread that all pages share."""
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
        threading.Thread(target=_loop.run_forever, name="pages", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(work, _loop).result(WAIT)


async def open_socket(comfy, route: str, headers: dict) -> tuple[Any, Any]:
    """(http session, socket) of a live route; the session is closed where the socket fails."""
    http = aiohttp.ClientSession()
    try:
        address = comfy.url.replace("http", "ws", 1) + route
        return http, await http.ws_connect(address, max_msg_size=0, headers=headers)
    except BaseException:
        await http.close()
        raise


def graph(walk: str = "", seed: int = 5, prompt: str = PLACE, **inputs: Any) -> dict[str, dict]:
    """A prompt in API form with one Play World, node "3"."""
    return {
        "1": node("GWMLoadModel", model_name="gwm-rooms", device="default"),
        "2": node(
            "GWMNewWorld", model=["1", 0], prompt=prompt, seed=seed, depth_is="near is white"
        ),
        "3": node(
            "GWMPlayWorld",
            **{
                "world": ["2", 0],
                "walk": walk,
                "max_frames": 240,
                "depth_as": "near is white",
                **inputs,
            },
        ),
    }


def node(class_type: str, **inputs: Any) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def tell(prompt: dict, source: str, slot: int) -> str:
    """Adds a node that tells what an output is; returns its id, for ``told``."""
    name = str(len(prompt) + 1)
    prompt[name] = node("LiveTell", value=[source, slot])
    return name


def told(entry: dict, name: str) -> dict:
    return json.loads(entry["outputs"][name]["text"][0])


class Page:
    """One socket. ``messages`` are all that came: dicts; binary ones have "frames" (bytes of each)
    and "pcm" too.

    acks: whether it acknowledges by itself. headers: of its request.
    """

    def __init__(self, comfy, acks: bool = True, headers: dict | None = None) -> None:
        self.comfy, self.acks, self.headers = comfy, acks, headers or {}
        self.embodiment: Embodiment = rooms_embodiment()
        self.messages: list[dict] = []
        self.at = 0
        self.seq = 0
        self.session = ""
        self.opened: dict = {}
        self.close_code: int | None = None
        self.rows: list[list[float]] = []
        self.events: list[tuple[int, str]] = []
        self.hashes: dict[int, str] = {}
        self.frames: dict[int, bytes] = {}
        self.pcm: dict[int, bytes] = {}
        self.wrong: list[str] = []
        self._paused_at: int | None = None
        self._changed = threading.Condition()
        self._closed = False
        _run(self._connect())

    # ------------------------------------------------------------------ the socket

    async def _connect(self) -> None:
        self._http, self._socket = await open_socket(self.comfy, "/api/gwm/live", self.headers)
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type == aiohttp.WSMsgType.TEXT:
                found = json.loads(message.data)
            elif message.type == aiohttp.WSMsgType.BINARY:
                found = self._binary(message.data)
                if self.acks:
                    await self._socket.send_str(json.dumps({"type": "ack", "n": found["n"]}))
            else:
                continue
            with self._changed:
                self._note(found)
                self.messages.append(found)
                self._changed.notify_all()
        with self._changed:
            self.close_code, self._closed = self._socket.close_code, True
            self._changed.notify_all()

    def _binary(self, data: bytes) -> dict:
        header, payload = unpack(data)
        frames, at = [], 0
        for size in header["frames"]["sizes"]:
            frames.append(payload[at : at + size])
            at += size
        pcm = payload[at:]
        if len(pcm) != header["audio"]["bytes"]:
            self.wrong.append(f"message {header['n']}: lengths do not add up")
        return {"type": "binary", **header, "pictures": frames, "pcm": pcm}

    def _note(self, message: dict) -> None:
        """What a page remembers of a message."""
        if message["type"] == "opened":
            self.opened, self.session = message, message["session"]
            self.embodiment = Embodiment.from_json(message["embodiment"])
            if message["resumed"]:
                track = Controls.from_json(message["walk"]["controls"], self.embodiment)
                self.rows, self.events = track.values.tolist(), list(track.events)
        if message["type"] != "binary":
            return
        tick, rows = message["tick"], message["rows"]
        if "computed" in message:
            self.opened["of"]["computed"] = message["computed"]
        if rows and self._paused_at is not None and tick > self._paused_at:
            return  # made before the server knew of the pause, and cut off there
        if message["kind"] == "tick" and rows:
            start = tick - len(rows)
            if start > len(self.rows):
                self.wrong.append(f"a gap: rows from {start} on, {len(self.rows)} are known")
            if len(message["seqs"]) != len(rows):
                self.wrong.append(f"{len(message['seqs'])} seqs for {len(rows)} rows")
            self.events = [e for e in self.events if e[0] < start]
            self.events += [tuple(e) for e in message["events"]]
            self.rows[start:] = rows
        per = message["frames"]["width"] * message["frames"]["height"] * 3
        whole = all(len(p) == per for p in message["pictures"])
        if message["frames"]["encoding"] == "raw" and not whole:
            self.wrong.append(f"message {message['n']}: raw frames of another size")
        self.hashes[tick] = message["hash"]
        self.frames[tick] = b"".join(message["pictures"])
        if message["pcm"]:
            self.pcm[tick] = message["pcm"]

    def send(self, kind: str, **values: Any) -> None:
        self.send_text(json.dumps({"type": kind, **values}))

    def send_text(self, text: str | bytes) -> None:
        """Anything at all; nothing happens where the socket is closed."""

        async def work() -> None:
            try:
                if isinstance(text, bytes):
                    await self._socket.send_bytes(text)
                else:
                    await self._socket.send_str(text)
            except ConnectionError:
                pass

        _run(work())

    def send_many(self, texts: list[str]) -> None:
        """As fast as the socket takes them."""

        async def work() -> None:
            try:
                for text in texts:
                    await self._socket.send_str(text)
            except ConnectionError:
                pass

        _run(work())

    def close(self) -> None:
        """As a page that leaves."""

        async def work() -> None:
            await self._socket.close()
            await self._http.close()

        _run(work())

    def lose(self) -> None:
        """As a page whose network breaks: no closing handshake."""

        async def work() -> None:
            self._socket._response.connection.transport.abort()
            await self._http.close()

        _run(work())

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        assert not self.wrong, self.wrong

    # ------------------------------------------------------------------ waiting

    def wait(self, want: str | Callable[[dict], bool], within: float = WAIT, **values: Any) -> dict:
        """The next message of a type with these values (or that a function accepts); those before
        it are skipped for good."""
        if isinstance(want, str):
            kind = want

            def want(message: dict) -> bool:
                return message["type"] == kind and all(
                    message.get(name) == value for name, value in values.items()
                )

        limit = time.monotonic() + within
        with self._changed:
            while True:
                while self.at < len(self.messages):
                    self.at += 1
                    if want(self.messages[self.at - 1]):
                        return self.messages[self.at - 1]
                left = limit - time.monotonic()
                if left <= 0 or self._closed:
                    seen = [brief(m) for m in self.messages[-12:]]
                    what = "the socket is closed" if self._closed else f"not within {within} s"
                    raise AssertionError(f"{want if values == {} else values}: {what}; {seen}")
                self._changed.wait(left)

    def quiet(self, seconds: float, kind: str = "binary") -> bool:
        """Whether no message of a type comes for some time."""
        with self._changed:
            self.at = len(self.messages)
        time.sleep(seconds)
        with self._changed:
            return not any(m["type"] == kind for m in self.messages[self.at :])

    def wait_closed(self, within: float = 10) -> int | None:
        """The code that the socket was closed with."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._closed, within), "the socket is open"
        return self.close_code

    # ------------------------------------------------------------------ what a player does

    def open(self, walk: dict | None = None, encoding: str = "auto", **world: Any) -> dict:
        """Queue what is needed, and open; returns the still picture that comes first."""
        token = secrets.token_hex(16)
        self.send("open", token=token, walk=walk, encoding=encoding)
        self.comfy.client.submit(graph(json.dumps({"gwm_open": token}), **world))
        self.rows, self.events = [], []
        if walk:
            track = Controls.from_json(walk["controls"], self.embodiment)
            self.rows, self.events = track.values.tolist(), list(track.events)
        self.wait("opened", resumed=False)
        return self.wait("binary", kind="still")

    def resume(self, session: str) -> dict:
        self.send("resume", session=session)
        self.wait("opened", resumed=True)
        return self.wait("binary", kind="still")

    def hold(self, **held: Any) -> int:
        """Press and turn; returns the number of the message."""
        self.seq += 1
        self.send("controls", seq=self.seq, held=held)
        return self.seq

    def play(self) -> None:
        self._paused_at = None
        self.send("play")

    def step(self, ticks: int = 1) -> None:
        """Make some ticks while paused, and wait for them."""
        self._paused_at = None
        end = len(self.rows) + ticks
        self.send("step", ticks=ticks)
        self.wait_tick(end)

    def wait_tick(self, tick: int, within: float = WAIT) -> dict:
        """Until a tick is shown."""
        return self.wait(lambda m: m["type"] == "binary" and m["tick"] >= tick, within)

    def pause(self) -> dict:
        """Pause at what this page has; returns the server's word on it."""
        with self._changed:
            self._paused_at = tick = len(self.rows)
        self.send("pause", tick=tick)
        return self.wait("state", state="paused", tick=tick, ticks=tick)

    def walk_about(self, ticks: int) -> None:
        """Play so many more ticks, with keys and mouse that change every few of them, and stop."""
        end = len(self.rows) + ticks
        self.play()
        turn = 0
        while len(self.rows) < end:
            turn += 1
            self.hold(W=turn % 3 > 0, D=turn % 2, Q=0, look=[9.0 * (turn % 4 - 1), turn % 3 - 1])
            self.wait_tick(min(end, len(self.rows) + 5))
        self.pause()

    @property
    def track(self) -> Controls:
        return Controls(
            np.array(self.rows, np.float32).reshape(len(self.rows), self.embodiment.control_dim),
            self.events,
            self.embodiment,
        )

    def walk(self) -> dict:
        """The walk as it goes into the widget."""
        return {
            "gwm_walk": 1,
            "controls": self.track.to_json(),
            "of": self.opened["of"],
            "world": self.opened["world"],
            "last": self.hashes.get(len(self.rows), ""),
        }

    def text(self) -> str:
        return json.dumps(self.walk())

    def heard(self) -> str:
        """sha256 of all the sound of the walk."""
        return digest(b"".join(self.pcm[t] for t in sorted(self.pcm) if t <= len(self.rows)))

    def seen(self) -> str:
        """sha256 of all frames of the walk, where none was skipped."""
        return digest(b"".join(self.frames[t] for t in range(1, len(self.rows) + 1)))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def brief(message: dict) -> str:
    """A message in a few words, for failures."""
    left_out = ("pictures", "pcm", "embodiment", "rows", "frames", "walk", "audio", "seqs", "hash")
    return str({k: v for k, v in message.items() if k not in left_out})


class Made:
    """What a queue run of a walk gives: hashes of frames and sound, the world, the node's word."""

    def __init__(self, comfy, walk: str, timeout: float = 120, **world: Any) -> None:
        prompt = graph(walk, **world)
        images, sound, after = (tell(prompt, "3", slot) for slot in (2, 3, 0))
        started = time.monotonic()
        self.entry = comfy.queue(prompt, timeout)
        self.seconds = time.monotonic() - started
        self.frames, self.sound = told(self.entry, images), told(self.entry, sound)
        self.world = told(self.entry, after)
        (self.ui,) = self.entry["outputs"]["3"]["gwm_play"]
