"""The socket of the live player: bytes in and out. What they mean is gwm_core.live's."""

from __future__ import annotations

import asyncio
import contextlib
import os

from aiohttp import WSMsgType, web
from server import PromptServer

from ..gwm_core.errors import SessionError
from ..gwm_core.live import Hub
from ..gwm_core.live.messages import MAX_BYTES, say
from ..gwm_core.live.origin import is_near, refusal

ROUTE = "/gwm/live"
HEARTBEAT = 20
#: Messages that may wait for a page that does not read; pictures are at most three of them.
MOST_WAITING = 1000
#: Comma separated addresses of proxies whose X-Forwarded-Host is believed.
PROXIES = "GWM_TRUSTED_PROXY"


def _computing() -> bool:
    """Whether the host runs or is about to run a prompt."""
    server = getattr(PromptServer, "instance", None)
    return server is not None and server.prompt_queue.get_tasks_remaining() > 0


#: Every player of this server.
hub = Hub(busy=_computing)


async def live(request: web.Request) -> web.StreamResponse:
    """One page's socket."""
    from comfy.cli_args import args

    proxies = {a.strip() for a in os.environ.get(PROXIES, "").split(",") if a.strip()}
    why = refusal(request.headers, request.remote, proxies, args.enable_cors_header)
    if why is not None:
        raise web.HTTPForbidden(text=why)
    socket = web.WebSocketResponse(max_msg_size=MAX_BYTES, heartbeat=HEARTBEAT, compress=False)
    await socket.prepare(request)
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue()

    def put(data: str | bytes | None) -> None:
        if data is not None and waiting.qsize() > MOST_WAITING:
            data = None  # it has stopped reading
        waiting.put_nowait(data)

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
    finally:
        link.left()
        sender.cancel()
    return socket


async def _send(socket: web.WebSocketResponse, waiting: asyncio.Queue) -> None:
    """Sends what waits, one after the other; None closes the socket."""
    with contextlib.suppress(ConnectionError):
        while (data := await waiting.get()) is not None:
            if isinstance(data, str):
                await socket.send_str(data)
            else:
                await socket.send_bytes(data)
        await socket.close()


async def _notice_free(request: web.Request, response: web.StreamResponse) -> None:
    """Freeing the host's memory frees live worlds too."""
    if request.method == "POST" and request.path.removeprefix("/api") == "/free":
        with contextlib.suppress(ValueError):
            asked = await request.json()
            if asked.get("unload_models") or asked.get("free_memory"):
                why = "ComfyUI has freed its memory; press Play to go on."
                await asyncio.get_running_loop().run_in_executor(None, hub.free, why)


def register() -> None:
    """Adds the route to the host's server; nothing happens where there is no server."""
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.get(ROUTE)(live)
        server.app.on_response_prepare.append(_notice_free)
