"""Who may use the service, and how it says what is wrong."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from ..errors import GWMError, RoboticsError
from .address import is_loopback

#: Bytes of a request's body at most; uploads have a limit of their own.
MAX_BODY = 32 << 20
#: Seconds within which a body has to be there.
BODY_WITHIN = 60.0

#: Status of what nobody waits for any more.
GONE = 499

log = logging.getLogger(__name__)


def refusal(request: web.Request, key: str) -> tuple[int, str] | None:
    """(status, why) of a request that is not let in, or None.

    This service has no pages: what a browser sends for a website carries an Origin and is refused.
    Without a key a request has to name this machine, as a website's name may be made to point here.
    """
    origin = request.headers.get("Origin")
    if origin is not None or request.headers.get("Sec-Fetch-Site", "none") != "none":
        return 403, f"origin {str(origin)[:100]!r}: web pages may not use this service"
    if not key and not is_loopback(name_of(request.host)):
        return 403, (f"host {request.host[:100]!r}: localhost or 127.0.0.1 is accepted without a "
                     "key")
    own = "token" in request.match_info  # such an address is a key of its own
    if key and not own and not has_key(request, key):
        return 401, "key: it is missing or wrong; api_key is the --key that gwm serve has"
    return None


def has_key(request: web.Request, key: str) -> bool:
    """Whether the request carries ``Authorization: Bearer KEY``."""
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {key}".encode())


def name_of(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def gate(
    key: str, refused: Callable[[web.Request, str], tuple[int, str] | None] = refusal
) -> Callable:
    """The middleware: lets in whom ``refused`` does not refuse, and answers every error as JSON
    {"error": text}."""

    @web.middleware
    async def middleware(request: web.Request, handler: Callable) -> web.StreamResponse:
        why = refused(request, key)
        if why is not None:
            return problem(*why)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status == 413:
                return problem(413, f"the body is too large; {MAX_BODY >> 20} MB are accepted")
            if error.status in (404, 405):
                return problem(error.status, f"{request.method} {request.path[:100]}: this service "
                               "has no such call")
            return problem(error.status, error.reason)
        except GWMError as error:
            return problem(400, str(error))
        except Exception:
            if is_gone(request):
                return problem(GONE, "the client is gone")  # nobody reads it, and all is well
            log.exception("gwm serve: %s %s", request.method, request.path)
            return problem(500, "the service failed at this request; its log says why")

    return middleware


def is_gone(request: web.Request) -> bool:
    """Whether the client has closed its connection."""
    return request.transport is None or request.transport.is_closing()


def problem(status: int, text: str) -> web.Response:
    """An error as JSON."""
    return web.json_response({"error": text}, status=status)


async def read_json(request: web.Request) -> dict[str, Any]:
    """The body, a JSON object; RoboticsError says what else it is. NaN passes: those who read
    numbers say where it is."""
    try:
        raw = await asyncio.wait_for(request.read(), BODY_WITHIN)
    except (asyncio.TimeoutError, TimeoutError):
        raise RoboticsError(f"body: not there within {BODY_WITHIN:.0f} s") from None
    try:
        body = await asyncio.get_running_loop().run_in_executor(None, json.loads, raw)
    except (ValueError, RecursionError):
        raise RoboticsError("body: no JSON; a JSON object is accepted") from None
    if not isinstance(body, dict):
        raise RoboticsError("body: a JSON object is accepted")
    return body
