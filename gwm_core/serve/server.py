"""The service as a whole: a thread of its own that answers, and one that computes.

    with Server(model) as server:          # or load_table("…"); server.url is where it answers
        RunwayRobotics(api_key="local", base_url=server.url)
"""

from __future__ import annotations

import asyncio
import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from aiohttp import web

from ..errors import RoboticsError
from ..robotics.loading import tabletop_embodiment
from ..robotics.rollouts import Probe
from ..robotics.table_model import TableModel
from .address import check_host
from .calls import Calls
from .chunks import Chunks
from .gate import MAX_BODY, gate
from .media import encode, first_look
from .poses import RESTING
from .runway import RunwayCalls

PORT = 8009
START_WITHIN = 300.0  # seconds; what draws is compiled once on a machine
STOP_WITHIN = 5.0  # seconds for answers that are under way


class Server:
    """A table model for clients of ``runway`` and of ``calls``.

    host   an address of this machine; beyond loopback only with a key
    port   0: a free one
    key    what clients must send as ``Authorization: Bearer KEY``; "": none is asked for
    probe  tells success, see ``rollouts.Probe``; without one it is None

    ``url`` is where it answers, ``folder`` where uploads lie while it does, ``error`` what ended it
    where nobody stopped it. RoboticsError where the address cannot be had.
    """

    def __init__(self, model: TableModel, host: str = "127.0.0.1", port: int = 0, key: str = "",
                 probe: Probe | None = None) -> None:
        check_host(host, key)
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise RoboticsError(f"--port: {port!r}; 0 to 65535 is accepted")
        self.model, self.host, self.port, self.key, self.probe = model, host, port, key, probe
        # Of "localhost" the first address alone, so that there is one port where 0 was asked for
        self._address = "127.0.0.1" if host == "localhost" else host.strip("[]")
        self.url, self.folder = "", None
        self._ready = threading.Event()
        self.error: Exception | None = None
        self._stop: Any = None
        self._thread = threading.Thread(target=self._run, name="gwm-serve", daemon=True)

    def start(self) -> Server:
        """Itself, when it answers."""
        self._thread.start()
        if not self._ready.wait(START_WITHIN):
            raise RoboticsError(f"serve: no answer within {START_WITHIN:.0f} s")
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

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ------------------------------------------------------------------ in its thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except RoboticsError as error:
            self.error = error
        except Exception as error:
            self.error = RoboticsError(f"serve: {error or type(error).__name__}")
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
        with ThreadPoolExecutor(1, "gwm-serve-compute") as computing:

            async def compute(function: Any, *arguments: Any) -> Any:
                return await loop.run_in_executor(computing, function, *arguments)

            runner = None
            body = getattr(self.model, "embodiment", None) or tabletop_embodiment(self.model.rig)
            runway = RunwayCalls(Chunks(self.model, body.limits[:2], body.fps), compute)
            self.folder = runway.folder
            own = Calls(self.model, body, compute, self.probe)
            try:
                await compute(_warm, self.model, body.fps)
                app = web.Application(middlewares=[gate(self.key)], client_max_size=MAX_BODY)
                app.add_routes(runway.routes() + own.routes())
                runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_WITHIN)
                await runner.setup()
                await self._listen(runner)
                self._ready.set()
                await over.wait()
            finally:
                runway.end_tasks()
                if runner is not None:
                    await runner.cleanup()
                await runway.close()

    async def _listen(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self._address, self.port).start()
        except (OSError, OverflowError) as error:
            taken = getattr(error, "errno", None) == errno.EADDRINUSE
            raise RoboticsError(
                f"--host {self.host} --port {self.port}: "
                + ("the port is taken; another one is accepted, or 0 for a free one" if taken else
                   f"{error}; an address of this machine is accepted")) from None
        self.port = runner.addresses[0][1]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._address, self._address)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def _warm(model: TableModel, fps: float) -> None:
    """The first tick of a process is slow: no client is to wait for it, nor to find out what is
    not installed."""
    empty = np.zeros((model.rig.size, model.rig.size, 3), np.uint8)
    state = model.begin(first_look(empty, np.array([*RESTING, 1, 0, 0], np.float32),
                                   model.rig.size))
    model.step(state, np.zeros((1, 7), np.float32))
    encode(empty[None], fps)
