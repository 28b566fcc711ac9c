"""Live avatars as a service, for pages and programs on this machine.

    with AvatarServer(load_faces(), portraits_in(["portrait.png"])) as server:
        print(server.url + "/avatar")
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from aiohttp import web

from ..avatars.driver import Driver
from ..avatars.faces_model import FacesModel
from ..avatars.live_hub import Limits
from ..avatars.portrait import Portrait
from ..avatars.portrait_file import portrait_in
from ..avatars.voice import RATE
from ..errors import AvatarError
from .avatar_calls import AvatarCalls, refused
from .gate import gate
from .service import Service
from .stage import Stage

PORT = 8010


class AvatarServer(Service):
    """See ``avatar_calls`` for what it answers, and ``Service``.

    model      a FacesModel
    portraits  by the names that clients may ask for; they may also send their own
    limits     of sessions

    AvatarError where the address cannot be had.
    """

    Wrong = AvatarError

    def __init__(self, model: FacesModel, portraits: Mapping[str, Portrait] | None = None,
                 host: str = "127.0.0.1", port: int = 0, key: str = "",
                 limits: Limits | None = None) -> None:
        super().__init__(host, port, key)
        self.stage = Stage(model, portraits or {}, limits)

    @asynccontextmanager
    async def application(self) -> AsyncIterator[web.Application]:
        """The calls; at the end everybody is sent away."""
        async def close(app: web.Application) -> None:
            await asyncio.get_running_loop().run_in_executor(None, self.stage.close)

        await asyncio.get_running_loop().run_in_executor(None, _warm, self.stage.model)
        app = web.Application(middlewares=[gate(self.key, refused)])
        app.add_routes(AvatarCalls(self.stage).routes())
        app.on_shutdown.append(close)
        yield app


def portraits_in(files: Iterable[str | os.PathLike[str]]) -> dict[str, Portrait]:
    """Portraits of picture files under the files' names, told apart by numbers where two are
    called the same. AvatarError where a file is none."""
    out: dict[str, Portrait] = {}
    for file in files:
        portrait, stem, number = portrait_in(file), Path(file).stem, 2
        name = stem
        while name in out:
            name, number = f"{stem} {number}", number + 1
        out[name] = portrait
    return out


def _warm(model: FacesModel) -> None:
    """The first tick of a process is slow: nobody is to wait for it."""
    driver = Driver(model)
    driver.push(np.zeros(RATE // 5, np.float32))
