"""A page's WebSocket on an aiohttp server: bytes in and out. What they mean is a hub's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from ..errors import SessionError
from ..live.messages import MAX_BYTES, say
from ..live.origin import is_near

HEARTBEAT = 20
GOODBYE = 3
"""Seconds for the last words to a page, and for its answer when it is sent away."""
MOST_WAITING = 1000
"""Messages that may wait for a page that does not read; pictures are at most three of them."""

log = logging.getLogger(__name__)


class Meeting(Protocol):
    """Where sockets become links (``Hub``, ``AvatarHub``)."""

    def connect(self, send: Callable[[str | bytes], None], near: bool,
                close: Callable[[], None]) -> Any: ...


async def serve(
    request: web.Request, hub: Meeting, protocols: tuple[str, ...] = ()
) -> web.WebSocketResponse:
    """One socket, from its first to its last message; who may open it was decided before.

    protocols: the subprotocols of WebSocket that are spoken here.
    """
    socket = web.WebSocketResponse(max_msg_size=MAX_BYTES, heartbeat=HEARTBEAT, timeout=GOODBYE,
                                   compress=False, protocols=protocols)
    await socket.prepare(request)
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue()

    def put(data: str | bytes | None) -> None:
        if waiting.qsize() < MOST_WAITING:
            waiting.put_nowait(data)
        elif request.transport is not None:
            request.transport.abort()  # it has stopped reading

    def send(data: str | bytes | None) -> None:
        with contextlib.suppress(RuntimeError):  # the server is stopping
            loop.call_soon_threadsafe(put, data)

    try:
        link = hub.connect(send, is_near(request.headers, request.remote), lambda: send(None))
    except SessionError as error:
        await socket.send_str(say("error", code="full", message=str(error), fatal=True))
        await socket.close()
        return socket
    sender = asyncio.create_task(_send(socket, waiting))
    try:
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                link.receive(message.data)
            elif message.type == WSMsgType.BINARY:
                link.receive(bytes(message.data))
            if link.ended:  # closed while nobody reads, it waits for the page's own goodbye
                break
    finally:
        link.left()
        send(None)  # what was said last still goes out before the socket is closed
        await asyncio.wait({sender}, timeout=GOODBYE)
        sender.cancel()
    return socket


async def _send(socket: web.WebSocketResponse, waiting: asyncio.Queue) -> None:
    """Sends what waits, one after the other; None closes the socket."""
    try:
        while (data := await waiting.get()) is not None:
            if isinstance(data, str):
                await socket.send_str(data)
            else:
                await socket.send_bytes(data)
    except ConnectionError:
        return
    except Exception:
        log.exception("gwm: a live socket could not be written to")
    await socket.close()
