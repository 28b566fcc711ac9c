"""What the service of live avatars answers.

    GET /avatar               a page to talk to a character with, or to learn from; one file
    GET /v1/avatar/portraits  what a client may open, and within which limits
    GET /v1/avatar            a WebSocket: one client and its character

A client sends, as text (JSON):

    {"type": "open", "portrait": NAME or "data:image/png;base64,…", "seed", "size", "dials",
     "anchors", "encoding": "auto" | "lossless" | "small"}      the last five may be left out
    {"type": "ack", "n": N}           frame N is shown; 3 that are not hold further ones back
    {"type": "close"}                 end the avatar; the socket stays

and sound as bytes, in time as it is spoken: "GWMA", u32 samples a second, then pairs of int16 (the
character's voice, the other's); all little endian. It gets "portrait" (how the face was found),
"opened" (width, height), "error" and "closed" as text, and frames as bytes: u32 length of a header,
the header as JSON ("n", "tick", "state", "frames": {"width", "height", "encoding": "raw" | "png" |
"jpeg"}), the picture.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import re
from functools import lru_cache
from pathlib import Path

from aiohttp import web
from PIL import Image

from ..avatars.motion import TICK_RATE
from ..avatars.portrait import Portrait
from ..avatars.take import RATES
from ..live.messages import MAX_BYTES
from ..live.origin import refusal as from_elsewhere
from .address import is_loopback
from .gate import has_key, name_of
from .live_socket import serve
from .stage import LEAST_SIZE, MOST_SIDE, MOST_SIZE, Stage

PAGE, SOCKET, PORTRAITS = "/avatar", "/v1/avatar", "/v1/avatar/portraits"
PROTOCOL = "gwm-avatar"
KEY = "gwm-key."
"""Before the key, in base64 without padding, among the subprotocols: browsers let a page send no
header with a WebSocket."""
PREVIEW = 384
HTML = Path(__file__).with_name("avatar.html")


class AvatarCalls:
    """See the module."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(PAGE, self.page),
            web.get(PORTRAITS, self.portraits),
            web.get(SOCKET, self.socket),
        ]

    async def page(self, request: web.Request) -> web.Response:
        text, policy = _page()
        return web.Response(text=text, content_type="text/html", headers={
            "Content-Security-Policy": policy, "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"})

    async def portraits(self, request: web.Request) -> web.Response:
        known = [{"name": name, "found": portrait.found, "preview": preview(portrait)}
                 for name, portrait in self.stage.portraits.items()]
        limits = self.stage.limits
        return web.json_response({
            "model": self.stage.model.name, "fingerprint": self.stage.model.fingerprint,
            "portraits": known, "fps": TICK_RATE, "rates": list(RATES),
            "limits": {"message_bytes": MAX_BYTES, "portrait_side": MOST_SIDE,
                       "size": [LEAST_SIZE, MOST_SIZE], "sessions": limits.sessions,
                       "seconds": limits.seconds, "silent_seconds": limits.silent}})

    async def socket(self, request: web.Request) -> web.StreamResponse:
        return await serve(request, self.stage, (PROTOCOL,))


@lru_cache(maxsize=256)
def preview(portrait: Portrait) -> str:
    """A portrait of at most ``PREVIEW`` pixels a side as the data URL of a JPEG."""
    image, out = Image.fromarray(portrait.character.image), io.BytesIO()
    image.thumbnail((PREVIEW, PREVIEW))
    image.save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def refused(request: web.Request, key: str) -> tuple[int, str] | None:
    """(status, why) of a request that is not let in, or None.

    Pages of this server alone may use it. Without a key a request has to name this machine, as a
    website's name may be made to point here. The page itself holds nothing and is for everybody.
    """
    if not key and not is_loopback(name_of(request.host)):
        return 403, (f"host {request.host[:100]!r}: localhost or 127.0.0.1 is accepted without a "
                     "key")
    if request.path == PAGE:
        return None
    why = from_elsewhere(request.headers, request.remote)
    if why is not None:
        return 403, why
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return 403, "web pages of other servers may not use this service"
    if key and not has_key(request, key) and not _key_among_protocols(request, key):
        return 401, ("key: it is missing or wrong; Authorization: Bearer KEY is accepted, or from "
                     f"a page the subprotocol {KEY}KEY in base64")
    return None


def _key_among_protocols(request: web.Request, key: str) -> bool:
    wanted = KEY + base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
    given = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    return any(hmac.compare_digest(one.strip().encode(errors="replace"), wanted.encode())
               for one in given)


@lru_cache(maxsize=1)
def _page() -> tuple[str, str]:
    """The page, and what it may do: run its own script, talk to this server, nothing else."""
    text = HTML.read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return text, (f"default-src 'none'; script-src 'sha256-{digest}' blob:; "
                  "style-src 'unsafe-inline'; img-src blob: data:; connect-src 'self'; "
                  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
