"""A small https proxy before a server, as artists have them: another host name, a base path."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from pathlib import Path

import aiohttp
from aiohttp import web

HOP = {"host", "connection", "upgrade", "keep-alive", "transfer-encoding", "content-encoding",
       "content-length", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions",
       "sec-websocket-protocol", "accept-encoding"}


class Proxy:
    """Serves https://127.0.0.1:PORT/BASE/... (``base`` may be empty) from ``target``.

    Runs in a thread of its own.

    As usual it tells the host name that was asked for as X-Forwarded-Host.
    """

    def __init__(self, target: str, base: str, folder: Path) -> None:
        self.target, self.base = target, base
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*_certificate(folder))
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=1 << 28)
        prefix = f"/{self.base}" if self.base else ""
        app.router.add_route("*", f"{prefix}/{{path:.*}}", self._pass)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
        headers["Host"] = "192.168.77.3"  # as the proxy's own network calls the server
        headers["X-Forwarded-Host"] = request.headers["Host"]
        headers["X-Forwarded-For"] = request.remote
        address = f"{self.target}/{request.match_info['path']}"
        if request.query_string:
            address += f"?{request.query_string}"
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request, address, headers)
        body = await request.read()
        async with self._session.request(
            request.method, address, headers=headers, data=body, allow_redirects=False
        ) as reply:
            out = web.Response(status=reply.status, body=await reply.read())
            for name in ("Content-Type", "Cache-Control", "Content-Encoding"):
                if name in reply.headers:
                    out.headers[name] = reply.headers[name]
            return out

    async def _socket(self, request: web.Request, address: str, headers: dict):
        try:
            far = await self._session.ws_connect(
                address.replace("http", "ws", 1), headers=headers, max_msg_size=0
            )
        except aiohttp.WSServerHandshakeError as error:
            return web.Response(status=error.status)
        near = web.WebSocketResponse(max_msg_size=0)
        await near.prepare(request)

        async def pump(source, target) -> None:
            async for message in source:
                if message.type == aiohttp.WSMsgType.TEXT:
                    await target.send_str(message.data)
                elif message.type == aiohttp.WSMsgType.BINARY:
                    await target.send_bytes(message.data)
            await target.close()

        await asyncio.gather(pump(near, far), pump(far, near), return_exceptions=True)
        return near


def _certificate(folder: Path) -> tuple[str, str]:
    """Files of a certificate that signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "art.test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")
