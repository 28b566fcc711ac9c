"""Two small routes for the editor: whether a control text is right while it is being written, and
that somebody is about to play."""

from __future__ import annotations

import asyncio

from aiohttp import web
from server import PromptServer

from ..gwm_core.controls import Controls
from ..gwm_core.embodiment import rooms_embodiment
from ..gwm_core.errors import ControlError
from ..gwm_core.side_by_side import parse_branches

CHECK = "/gwm/controls/check"
SOON = "/gwm/live/soon"
MOST_BYTES = 65536


def check(text: str, branches: bool) -> dict:
    """{"ok": True, "ticks": [..], "rate": ticks a second} or {"ok": False, "message": ..}."""
    embodiment = rooms_embodiment()
    try:
        if branches:
            tracks = [track for _, track in parse_branches(text, embodiment)]
        else:
            tracks = [Controls.parse(text, embodiment)]
    except ControlError as error:
        return {"ok": False, "message": str(error).removeprefix("controls, ")}
    return {"ok": True, "ticks": [len(track) for track in tracks], "rate": embodiment.tick_rate}


async def answer(request: web.Request) -> web.Response:
    """POST {"text": .., "branches": bool}; reads nothing but the text and keeps nothing."""
    if (request.content_length or 0) > MOST_BYTES:
        return web.json_response({"ok": True, "ticks": [], "rate": 0})
    try:
        data = await request.json()
        text, branches = data["text"], bool(data.get("branches"))
        if not isinstance(text, str):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise web.HTTPBadRequest(text='{"text": "...", "branches": false} is accepted') from None
    return web.json_response(check(text, branches))


async def soon(request: web.Request) -> web.Response:
    """POST: a player is on the page. What a first walk on this machine must compile is compiled
    while its artist still looks around."""
    await asyncio.get_running_loop().run_in_executor(None, _compile_soon)
    return web.json_response({})


def _compile_soon() -> None:
    from ..gwm_core.worlds.warm import warm_up_soon  # brings torch and numba: not at start

    warm_up_soon()


def register() -> None:
    """Adds the routes to the host's server; nothing happens where there is no server."""
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.post(CHECK)(answer)
        server.routes.post(SOON)(soon)
