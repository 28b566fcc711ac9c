"""The page of a live avatar without a browser: its socket, what it says and what it is shown."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np

from gwm_core.avatars.live_hub import MAGIC
from gwm_core.live.messages import unpack

from .client import WAIT, _run, node, open_socket

RATE = 48_000
DIALS = {name: 1.0 for name in ("intensity", "mouth", "expression", "gaze", "head", "blinks")}


def graph(take: str = "", **inputs: Any) -> dict[str, dict]:
    """A prompt in API form with one Live Avatar, node "4"; its portrait is a grey card."""
    return {
        "1": node("GWMLoadModel", model_name="gwm-faces", device="default"),
        "2": node("EmptyImage", width=96, height=120, batch_size=1, color=0x8090A0),
        "3": node("GWMCharacter", image=["2", 0], name="", strength=1.0, anchors=""),
        "4": node("GWMLiveAvatar", **{
            "model": ["1", 0], "character": ["3", 0], **DIALS, "seed": 3, "size": 120,
            "max_frames": 500, "take": take, **inputs,
        }),
    }


class Caller:
    """One socket. ``texts`` and ``frames`` (header, uint8 [H, W, 3]) are all that came."""

    def __init__(self, comfy, headers: dict | None = None) -> None:
        self.comfy, self.headers = comfy, headers or {}
        self.texts: list[dict] = []
        self.frames: list[tuple[dict, np.ndarray]] = []
        self.closed = False
        self._changed = threading.Condition()
        _run(self._connect())

    async def _connect(self) -> None:
        self._http, self._socket = await open_socket(self.comfy, "/api/gwm/avatar", self.headers)
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type == aiohttp.WSMsgType.TEXT:
                self.texts.append(json.loads(message.data))
            else:
                header, picture = unpack(message.data)
                size = header["frames"]
                shape = (size["height"], size["width"], 3)
                self.frames.append((header, np.frombuffer(picture, np.uint8).reshape(shape)))
                await self._socket.send_json({"type": "ack", "n": header["n"]})
            with self._changed:
                self._changed.notify_all()
        self.closed = True
        with self._changed:
            self._changed.notify_all()

    def say(self, kind: str, **values: Any) -> None:
        _run(self._socket.send_json({"type": kind, **values}))

    def speak(self, pcm: np.ndarray, rate: int = RATE) -> None:
        """int16 [N, 2]."""
        data = MAGIC + rate.to_bytes(4, "little") + pcm.astype("<i2").tobytes()
        _run(self._socket.send_bytes(data))

    def until(self, true: Callable[[], Any], seconds: float = WAIT) -> Any:
        limit = time.monotonic() + seconds
        with self._changed:
            while not (found := true()):
                assert time.monotonic() < limit, f"not in time: {self.texts[-3:]}"
                self._changed.wait(0.1)
        return found

    def told(self, kind: str) -> list[dict]:
        return [text for text in self.texts if text["type"] == kind]

    def start(self, prompt: dict | None = None) -> Caller:
        """On air with the character of a prompt."""
        token = secrets.token_hex(16)
        prompt = prompt or graph()
        prompt["4"]["inputs"]["take"] = json.dumps({"gwm_open": token})
        self.say("open", token=token, encoding="auto")
        self.comfy.queue(prompt)
        self.until(lambda: self.frames)
        return self

    def close(self) -> None:
        async def end() -> None:
            await self._socket.close()
            await self._http.close()

        _run(end())
