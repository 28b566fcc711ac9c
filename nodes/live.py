"""The sockets of live players: who may open one. What is said there is gwm_core's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

from aiohttp import web
from server import PromptServer

from ..gwm_core.errors import GWMError
from ..gwm_core.live import Hub, Limits
from ..gwm_core.live.origin import refusal
from ..gwm_core.serve import live_socket

ROUTE = "/gwm/live"
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
    return await live_socket.serve(request, hub)


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
