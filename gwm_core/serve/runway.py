"""The calls of Runway's public robotics client (``runway-robotics-sdk`` 0.1.0, ``runwayml``).

    POST /v1/uploads                    {"filename", "type"} -> {"uploadUrl", "fields", "runwayUri"}
    POST uploadUrl                      a form with the part "file"
    POST /v1/robotics_action_to_video   {"robotAction", "promptImage" | "contextVideoUri"} -> {"id"}
    GET, DELETE /v1/tasks/{id}          its state; the address of its video, when it is made; and of
                                        ours: "continued" and "shifted", see ``chunks.Chunk``
    GET output                          the MP4, a frame for each action

What actions mean: ``poses``; how a run is known again: ``chunks``. ``seed`` and ``model`` are taken
and change nothing: the model is deterministic, and there is one. Frames are as large as the model
draws them; each is a tick of the model (0.1 s), while that client writes 15 of them a second.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from ..errors import GWMError, RoboticsError
from .chunks import Chunk, Chunks, read_ask, read_rows
from .gate import BODY_WITHIN, log, problem, read_json
from .shelf import Shelf

#: Bytes of an upload at most, and how long one is kept that nobody uses.
MAX_UPLOAD, UPLOAD_SECONDS = 32 << 20, 900.0
#: Uploads and finished or running tasks that are kept, and bytes of them.
MOST_UPLOADS, UPLOADS_BYTES = 256, 256 << 20
MOST_TASKS, TASKS_BYTES, TASK_SECONDS = 256, 256 << 20, 900.0
#: Chunks that may wait to be made, and bodies that may come in at once.
MOST_WAITING, MOST_INCOMING = 16, 8
#: Seconds that a question for a running task waits for its end: clients ask once a second at most.
HOLD = 5.0
SCHEME = "runway://"


@dataclass(eq=False)
class Upload:
    """A place for a file: where it is sent (``token``), and where it lies once it is there."""

    token: str
    path: Path
    there: bool = False


@dataclass(eq=False)
class Task:
    """A chunk that was asked for."""

    chunk: Chunk
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    work: asyncio.Task | None = None
    error: str | None = None


class RunwayCalls:
    """See the module. ``compute(function, *arguments)`` runs a function off the event loop, one
    after the other."""

    def __init__(self, chunks: Chunks, compute: Any) -> None:
        self.chunks, self._compute = chunks, compute
        self.folder = Path(tempfile.mkdtemp(prefix="gwm-serve-"))
        self._uploads: Shelf[Upload] = Shelf(MOST_UPLOADS, UPLOADS_BYTES, UPLOAD_SECONDS,
                                             self._removed)
        self._to: dict[str, str] = {}  # an upload's token -> its id
        self._tasks: Shelf[Task] = Shelf(MOST_TASKS, TASKS_BYTES, TASK_SECONDS, self._ended)
        self._videos: dict[str, Task] = {}
        self._running: set[asyncio.Task] = set()
        self._incoming = asyncio.Semaphore(MOST_INCOMING)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/uploads", self.new_upload),
            web.post("/v1/uploads/{token}", self.upload),
            web.post("/v1/robotics_action_to_video", self.new_task),
            web.get("/v1/tasks/{id}", self.task),
            web.delete("/v1/tasks/{id}", self.end_task),
            web.get("/v1/outputs/{token}.mp4", self.output),
        ]

    def end_tasks(self) -> None:
        """End what runs: whoever waits for it is told."""
        self._tasks.clear()

    async def close(self) -> None:
        """End what runs, and remove all files."""
        self.end_tasks()
        if self._running:
            await asyncio.wait(self._running)
        self._uploads.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _removed(self, upload: Upload) -> None:
        self._to.pop(upload.token, None)
        upload.path.unlink(missing_ok=True)

    def _ended(self, task: Task) -> None:
        self._videos.pop(task.token, None)
        if task.work is not None:
            task.work.cancel()

    # ------------------------------------------------------------------ uploads

    async def new_upload(self, request: web.Request) -> web.Response:
        await read_json(request)  # a file's name and kind say nothing that its bytes do not
        token = secrets.token_urlsafe(24)
        name = self._uploads.put(Upload(token, self.folder / secrets.token_hex(16)))
        self._to[token] = name
        return web.json_response({"id": name, "uploadUrl": f"{_base(request)}/v1/uploads/{token}",
                                  "fields": {}, "runwayUri": SCHEME + name})

    async def upload(self, request: web.Request) -> web.Response:
        name = self._to.get(request.match_info["token"], "")
        upload = self._uploads.get(name)
        if upload is None or upload.there:
            return problem(404, "upload: no such place, or one that was used; POST /v1/uploads "
                           "gives a new one")
        if request.content_length is None or request.content_length > MAX_UPLOAD + 65536:
            return problem(413, f"upload: {request.content_length} bytes; a form of a known length "
                           f"up to {MAX_UPLOAD >> 20} MB is accepted")
        async with self._incoming:
            try:
                data = await asyncio.wait_for(_file_of(request), BODY_WITHIN)
            except (asyncio.TimeoutError, TimeoutError):
                return problem(408, f"upload: not there within {BODY_WITHIN:.0f} s")
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, upload.path.write_bytes, data)
        upload.there = True
        if self._uploads.get(name) is None:  # it had to go in the meantime
            self._removed(upload)
        self._uploads.grow(name, len(data))
        return web.Response(status=204)

    def _uploaded(self, body: dict[str, Any]) -> tuple[Upload, bool]:
        given = [k for k in ("promptImage", "contextVideoUri") if body.get(k) is not None]
        if len(given) != 1:
            raise RoboticsError(f"promptImage, contextVideoUri: {len(given)} of them; one is "
                                "accepted")
        uri = body[given[0]]
        upload = None
        if isinstance(uri, str) and uri.startswith(SCHEME):
            upload = self._uploads.get(uri.removeprefix(SCHEME))
        if upload is None or not upload.there:
            raise RoboticsError(f"{given[0]}: {str(uri)[:80]!r}; the address of an upload to this "
                                "service of the last quarter of an hour is accepted")
        return upload, given[0] == "contextVideoUri"

    # ------------------------------------------------------------------ tasks

    async def new_task(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        rows = read_rows(body)
        upload, video = self._uploaded(body)
        if len(self._running) >= MOST_WAITING:
            return problem(429, f"{MOST_WAITING} chunks are waiting already; try again soon")
        chunk = await self._compute(self._begun, rows, upload, video)
        task = Task(chunk)
        name = self._tasks.put(task)
        self._videos[task.token] = task
        task.work = asyncio.create_task(self._make(name, task))
        self._running.add(task.work)
        task.work.add_done_callback(self._running.discard)
        return web.json_response({"id": name})

    def _begun(self, rows: Any, upload: Upload, video: bool) -> Chunk:
        try:
            data = upload.path.read_bytes()
        except FileNotFoundError:
            raise RoboticsError("upload: it is gone; send it again") from None
        return self.chunks.begin(read_ask(rows, data, video))

    async def _make(self, name: str, task: Task) -> None:
        """A tick at a time, so that other clients' work comes in between."""
        try:
            while await self._compute(task.chunk.advance):
                pass
            self._tasks.grow(name, len(task.chunk.video))
        except GWMError as error:
            task.error = str(error)
        except Exception:
            log.exception("gwm serve: a chunk failed")
            task.error = "the service failed at this chunk; its log says why"

    async def task(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        task = self._tasks.get(name)
        if task is None:
            return problem(404, "task: no such one, or it is over for long")
        await asyncio.wait({task.work}, timeout=HOLD)
        out: dict[str, Any] = {"id": name, "createdAt": task.created.isoformat(),
                               "continued": task.chunk.known, "shifted": task.chunk.shifted}
        if task.error is not None:
            out |= {"status": "FAILED", "failure": task.error, "failureCode": "GWM"}
        elif task.chunk.video is not None:
            out |= {"status": "SUCCEEDED",
                    "output": [f"{_base(request)}/v1/outputs/{task.token}.mp4"]}
        elif task.work.done():
            out |= {"status": "CANCELLED"}
        else:
            out |= {"status": "RUNNING", "progress": task.chunk.done / task.chunk.total}
        return web.json_response(out)

    async def end_task(self, request: web.Request) -> web.Response:
        if not self._tasks.drop(request.match_info["id"]):
            return problem(404, "task: no such one, or it is over for long")
        return web.Response(status=204)

    async def output(self, request: web.Request) -> web.Response:
        task = self._videos.get(request.match_info["token"])
        if task is None or task.chunk.video is None:
            return problem(404, "output: no such one, or it is over for long")
        return web.Response(body=task.chunk.video, content_type="video/mp4")


def _base(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


async def _file_of(request: web.Request) -> bytes:
    """The part named "file" of a form; RoboticsError where there is none, or it is too large."""
    if request.content_type != "multipart/form-data":
        raise RoboticsError(f"upload: content type {request.content_type[:60]!r}; "
                            "multipart/form-data is accepted")
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "file":
                data = bytearray()
                while piece := await part.read_chunk(1 << 16):
                    data += piece
                    if len(data) > MAX_UPLOAD:
                        raise RoboticsError(f"upload: more than {MAX_UPLOAD >> 20} MB; that much "
                                            "is accepted")
                return bytes(data)
    except (ValueError, AssertionError) as error:
        if isinstance(error, RoboticsError):
            raise
        raise RoboticsError("upload: the form is damaged; a whole one is accepted") from None
    raise RoboticsError('upload: the form has no part named "file"; one is accepted')
