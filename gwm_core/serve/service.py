"""Something that answers over HTTP, in a thread of its own; what it answers is the subclass's."""

from __future__ import annotations

import asyncio
import errno
import threading
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiohttp import web

from ..errors import GWMError
from .address import check_host

START_WITHIN = 300.0  # seconds; what draws is compiled once on a machine
STOP_WITHIN = 5.0  # seconds for answers that are under way


class Service:
    """``with`` it, or ``start`` and ``stop`` it.

    host   an address of this machine; beyond loopback only with a key
    port   0: a free one
    key    what clients must send as ``Authorization: Bearer KEY``; "": none is asked for

    ``url`` is where it answers, ``error`` what ended it where nobody stopped it. ``Wrong`` is the
    error where the address cannot be had.
    """

    Wrong: type[GWMError] = GWMError

    def __init__(self, host: str = "127.0.0.1", port: int = 0, key: str = "") -> None:
        check_host(host, key, self.Wrong)
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise self.Wrong(f"--port: {port!r}; 0 to 65535 is accepted")
        self.host, self.port, self.key, self.url = host, port, key, ""
        # Of "localhost" the first address alone, so that there is one port where 0 was asked for
        self._address = "127.0.0.1" if host == "localhost" else host.strip("[]")
        self._ready = threading.Event()
        self.error: Exception | None = None
        self._stop: Any = None
        self._thread = threading.Thread(target=self._run, name="gwm-serve", daemon=True)

    def application(self) -> AbstractAsyncContextManager[web.Application]:
        """What answers, for as long as it does."""
        raise NotImplementedError

    def start(self) -> Any:
        """Itself, when it answers."""
        self._thread.start()
        if not self._ready.wait(START_WITHIN):
            raise self.Wrong(f"serve: no answer within {START_WITHIN:.0f} s")
        if self.error is not None:
            raise self.error
        return self

    def stop(self) -> None:
        """End it, with all that it kept; safe to repeat."""
        if self._stop is not None:
            self._stop()
        if self._thread.is_alive():
            self._thread.join()

    def alive(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive()

    def __enter__(self) -> Any:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ------------------------------------------------------------------ in its thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except GWMError as error:
            self.error = error
        except Exception as error:
            self.error = self.Wrong(f"serve: {error or type(error).__name__}")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def stop() -> None:
            try:
                loop.call_soon_threadsafe(over.set)
            except RuntimeError:  # it has ended already
                pass

        self._stop = stop
        async with self.application() as app:
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_WITHIN)
            try:
                await runner.setup()
                await self._listen(runner)
                self._ready.set()
                await over.wait()
            finally:
                await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self._address, self.port).start()
        except (OSError, OverflowError) as error:
            taken = getattr(error, "errno", None) == errno.EADDRINUSE
            raise self.Wrong(
                f"--host {self.host} --port {self.port}: "
                + ("the port is taken; another one is accepted, or 0 for a free one" if taken else
                   f"{error}; an address of this machine is accepted")) from None
        self.port = runner.addresses[0][1]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._address, self._address)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
