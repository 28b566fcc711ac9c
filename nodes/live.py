"""The sockets of live players: bytes in and out. What they mean is gwm_core's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

from aiohttp import WSMsgType, web
from server import PromptServer

from ..gwm_core.errors import GWMError, SessionError
from ..gwm_core.live import Hub, Limits
from ..gwm_core.live.messages import MAX_BYTES, say
from ..gwm_core.live.origin import is_near, refusal

ROUTE = "/gwm/live"
HEARTBEAT = 20
#: Seconds for the last words to a page, and for its answer when it is sent away.
GOODBYE = 3
#: Messages that may wait for a page that does not read; pictures are at most three of them.
MOST_WAITING = 1000
#: Environment variables. Comma separated addresses of proxies whose X-Forwarded-Host is believed:
PROXIES = "GWM_TRUSTED_PROXY"
#: Other limits than gwm_core.live.Limits has, as in "players=4, grace=10":
LIMITS = "GWM_LIVE_LIMITS"

log = logging.getLogger(__name__)


def _computing() -> bool:
    """Whether the host runs or is about to run a prompt."""
    server = getattr(PromptServer, "instance", None)
    return server is not None and server.prompt_queue.get_tasks_remaining() > 0


def _limits() -> Limits:
    try:
        return Limits.parse(os.environ.get(LIMITS, ""))
    except GWMError as error:
        log.warning("gwm: %s is not used: %s", LIMITS, error)
        return Limits()


#: Every player of this server.
hub = Hub(_limits(), busy=_computing)
#: All that freeing the host's memory ends.
hubs: list = [hub]


def _refused(request: web.Request) -> str | None:
    """Why this page may not play, or None."""
    from comfy.cli_args import args

    proxies = {a.strip() for a in os.environ.get(PROXIES, "").split(",") if a.strip()}
    return refusal(request.headers, request.remote, proxies, args.enable_cors_header)


async def why(request: web.Request) -> web.Response:
    """POST: {"refused": why this page's socket is refused, or ""}. Browsers do not tell pages."""
    return web.json_response({"refused": _refused(request) or ""})


async def live(request: web.Request) -> web.StreamResponse:
    """The socket of a page that plays a world."""
    return await serve(request, hub)


async def serve(request: web.Request, hub) -> web.StreamResponse:
    """One page's socket, whose messages go to a link of ``hub``."""
    refused = _refused(request)
    if refused is not None:
        raise web.HTTPForbidden(text=refused)
    socket = web.WebSocketResponse(
        max_msg_size=MAX_BYTES, heartbeat=HEARTBEAT, timeout=GOODBYE, compress=False
    )
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


async def _notice_free(request: web.Request, response: web.StreamResponse) -> None:
    """Freeing the host's memory frees live worlds too."""
    path = request.path.removeprefix("/api")
    if request.method != "POST" or path != "/free" or response.status != 200:
        return
    with contextlib.suppress(ValueError):
        asked = await request.json()
        if asked.get("unload_models") or asked.get("free_memory"):
            why = "ComfyUI has freed its memory; press Play to go on."
            for each in hubs:
                await asyncio.get_running_loop().run_in_executor(None, each.free, why)


def register() -> None:
    """Adds the route to the host's server; nothing happens where there is no server."""
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.get(ROUTE)(live)
        server.routes.post(f"{ROUTE}/why")(why)
        server.app.on_response_prepare.append(_notice_free)
