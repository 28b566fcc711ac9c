"""A table model as a service: a thread of its own that answers, and one that computes.

    with Server(model) as server:          # or load_table("…"); server.url is where it answers
        RunwayRobotics(api_key="local", base_url=server.url)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiohttp import web

from ..errors import RoboticsError
from ..robotics.loading import tabletop_embodiment
from ..robotics.rollouts import Probe
from ..robotics.table_model import TableModel
from .calls import Calls
from .chunks import Chunks
from .gate import MAX_BODY, gate
from .media import encode, first_look
from .poses import RESTING
from .runway import RunwayCalls
from .service import Service

PORT = 8009


class Server(Service):
    """A table model for clients of ``runway`` and of ``calls``; see ``Service``.

    probe  tells success, see ``rollouts.Probe``; without one it is None

    ``folder`` is where uploads lie while it answers. RoboticsError where the address cannot be had.
    """

    Wrong = RoboticsError

    def __init__(self, model: TableModel, host: str = "127.0.0.1", port: int = 0, key: str = "",
                 probe: Probe | None = None) -> None:
        super().__init__(host, port, key)
        self.model, self.probe, self.folder = model, probe, None

    @asynccontextmanager
    async def application(self) -> AsyncIterator[web.Application]:
        """The calls of both clients."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "gwm-serve-compute") as computing:

            async def compute(function: Any, *arguments: Any) -> Any:
                return await loop.run_in_executor(computing, function, *arguments)

            async def end_tasks(app: web.Application) -> None:
                runway.end_tasks()

            body = getattr(self.model, "embodiment", None) or tabletop_embodiment(self.model.rig)
            runway = RunwayCalls(Chunks(self.model, body.limits[:2], body.fps), compute)
            self.folder = runway.folder
            own = Calls(self.model, body, compute, self.probe)
            try:
                await compute(_warm, self.model, body.fps)
                app = web.Application(middlewares=[gate(self.key)], client_max_size=MAX_BODY)
                app.add_routes(runway.routes() + own.routes())
                app.on_shutdown.append(end_tasks)
                yield app
            finally:
                runway.end_tasks()
                await runway.close()


def _warm(model: TableModel, fps: float) -> None:
    """The first tick of a process is slow: no client is to wait for it, nor to find out what is
    not installed."""
    empty = np.zeros((model.rig.size, model.rig.size, 3), np.uint8)
    state = model.begin(first_look(empty, np.array([*RESTING, 1, 0, 0], np.float32),
                                   model.rig.size))
    model.step(state, np.zeros((1, 7), np.float32))
    encode(empty[None], fps)
