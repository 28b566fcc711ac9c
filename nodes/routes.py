"""One small route: the editor asks whether a control text is right while it is being written."""

from __future__ import annotations

from aiohttp import web
from server import PromptServer

from ..gwm_core.controls import Controls
from ..gwm_core.embodiment import rooms_embodiment
from ..gwm_core.errors import ControlError
from ..gwm_core.side_by_side import parse_branches

ROUTE = "/gwm/controls/check"
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


def register() -> None:
    """Adds the route to the host's server; nothing happens where there is no server."""
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.post(ROUTE)(answer)
