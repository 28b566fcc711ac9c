"""The calls of our own client (``client.TableClient``).

    GET    /v1/gwm/model             what is served: views, limits of actions, ticks a second
    POST   /v1/gwm/runs              begin runs side by side (``runs.begin``)
    POST   /v1/gwm/runs/{id}/step    {"actions": [B, T, 7], "frames"}: they go on
    POST   /v1/gwm/runs/{id}/branch  {"run", "actions": [K, T, 7], "frames", "keep"}: K ways on from
                                     one of them, which stays where it is
    DELETE /v1/gwm/runs/{id}         let them go

Arrays are ``arrays.packed``; actions are changes a tick, see the embodiment. The model is
deterministic: the same runs under the same actions give the same frames.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ..embodiment import Embodiment
from ..errors import RoboticsError
from ..robotics.rollouts import Probe
from ..robotics.table_model import TableModel
from .arrays import packed
from .gate import is_gone, problem, read_json
from .runs import RUNS, Rolling, Runs, Starts, begin, read_actions, read_frames
from .shelf import Shelf, weight

#: Sets of runs that are kept, bytes of them, and seconds since one was last used.
MOST_SETS, SETS_BYTES, SET_SECONDS = 256, 512 << 20, 3600.0
#: Calls that may be at work or wait for it.
MOST_WAITING = 16


@dataclass(eq=False)
class Held:
    """A client's runs; one call after the other has them."""

    runs: Runs
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Calls:
    """See the module; ``compute`` as in ``runway.RunwayCalls``."""

    def __init__(self, model: TableModel, body: Embodiment, compute: Any,
                 probe: Probe | None) -> None:
        self.model, self.body, self.probe = model, body, probe
        self._compute, self._starts, self._waiting = compute, Starts(), 0
        self._held: Shelf[Held] = Shelf(MOST_SETS, SETS_BYTES, SET_SECONDS)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/gwm/model", self.about),
            web.post("/v1/gwm/runs", self.new_runs),
            web.post("/v1/gwm/runs/{id}/step", self.step),
            web.post("/v1/gwm/runs/{id}/branch", self.branch),
            web.delete("/v1/gwm/runs/{id}", self.release),
        ]

    async def about(self, request: web.Request) -> web.Response:
        model = self.model
        return web.json_response({
            "name": getattr(model, "name", ""), "fingerprint": getattr(model, "fingerprint", ""),
            "embodiment": self.body.to_json(), "tells_success": self.probe is not None,
            "most_runs": RUNS})

    async def new_runs(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        runs = await self._compute(begin, self.model, body, self._starts, self.probe)
        return await self._said(self._put(runs), runs)

    async def step(self, request: web.Request) -> web.Response:
        name, held, body = await self._asked(request)
        async with held.lock:
            actions = await self._compute(read_actions, body, len(held.runs))
            rolling = await self._roll(request, held.runs, actions, read_frames(body))
            held.runs = rolling.runs  # only now: a call that broke off has changed nothing
        return await _json({"runs": name}, rolling)

    async def branch(self, request: web.Request) -> web.Response:
        _, held, body = await self._asked(request)
        run, runs = body.get("run", 0), held.runs
        if type(run) is not int or not 0 <= run < len(runs):
            raise RoboticsError(f"run: {str(run)[:40]}; a whole number from 0 to {len(runs) - 1} "
                                "is accepted")
        actions = await self._compute(read_actions, body, None)
        rolling = await self._roll(request, runs.pick(run, len(actions)), actions,
                                   read_frames(body))
        kept = {"runs": self._put(rolling.runs)} if body.get("keep") is True else {}
        return await _json(kept, rolling)

    async def release(self, request: web.Request) -> web.Response:
        if not self._held.drop(request.match_info["id"]):
            return problem(404, "runs: no such ones, or they are over for long")
        return web.Response(status=204)

    # ------------------------------------------------------------------ parts

    async def _asked(self, request: web.Request) -> tuple[str, Held, dict[str, Any]]:
        name = request.match_info["id"]
        held = self._held.get(name)
        if held is None:
            raise RoboticsError("runs: no such ones, or they were not used for too long; POST "
                                "/v1/gwm/runs begins new ones")
        return name, held, await read_json(request)

    async def _roll(self, request: web.Request, runs: Runs, actions: Any, frames: str) -> Rolling:
        """A tick at a time, so that other clients' work comes in between."""
        if self._waiting >= MOST_WAITING:
            raise web.HTTPTooManyRequests(reason="many calls are waiting already, try again soon")
        self._waiting += 1
        try:
            rolling = Rolling(self.model, self.body, self.probe, runs, actions, frames)
            while await self._compute(rolling.advance):
                if is_gone(request):
                    raise ConnectionResetError("the client is gone")
            return rolling
        finally:
            self._waiting -= 1

    def _put(self, runs: Runs) -> str:
        return self._held.put(Held(runs), weight((runs.state, runs.seen, runs.memory)))

    async def _said(self, name: str, runs: Runs) -> web.Response:
        def text() -> str:
            pixels = {v: packed(p) for v, p in runs.seen["pixels"].items()}
            return json.dumps({"runs": name, **runs.told(self.probe), "pixels": pixels,
                               "agent_pos": packed(runs.seen["agent_pos"])})

        return _answer(await asyncio.get_running_loop().run_in_executor(None, text))


async def _json(more: dict[str, Any], rolling: Rolling) -> web.Response:
    text = await asyncio.get_running_loop().run_in_executor(
        None, lambda: json.dumps(more | rolling.answer()))
    return _answer(text)


def _answer(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/json")
