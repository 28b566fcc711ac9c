"""A small client of ComfyUI's API: queue a prompt, follow its events, cancel, list outputs."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from .errors import BAD_INPUT, FAILED, NO_HOST, CommandError

Event = tuple[str, dict | bytes]


class PromptFailed(CommandError):
    """A prompt was refused or a node of it failed. `details` is what the server said."""

    def __init__(self, message: str, details: dict, status: int = FAILED):
        super().__init__(message, status)
        self.details = details


class Client:
    """Talks to the server at `url` ("http://host:port"), as one client of its own."""

    def __init__(self, url: str, timeout: float = 30):
        self.url = url.rstrip("/")
        self.id = uuid.uuid4().hex
        self.timeout = timeout

    def call(self, path: str, data: object = None, method: str | None = None):
        """GET `path`, or POST `data` as JSON; returns the decoded reply (None when empty)."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(
            self.url + path, body, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                text = reply.read()
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            raise CommandError(f"no ComfyUI answers at {self.url} ({error})", NO_HOST) from error
        return json.loads(text) if text else None

    def object_info(self) -> dict:
        """Every node's definition, by node id."""
        return self.call("/object_info")

    def submit(self, prompt: dict, workflow: dict | None = None) -> str:
        """Queue a prompt in API form; returns its id. `workflow` is embedded in the outputs.

        Raises PromptFailed with the nodes' own errors when the server refuses it.
        """
        extra = {"extra_pnginfo": {"workflow": workflow}} if workflow else {}
        message = {"prompt": prompt, "client_id": self.id, "extra_data": extra}
        try:
            return self.call("/prompt", message)["prompt_id"]
        except urllib.error.HTTPError as error:
            details = _json_or_text(error.read())
            raise PromptFailed(refusal(details, prompt), details, BAD_INPUT) from error

    def history(self, prompt_id: str) -> dict | None:
        """What is known of a finished prompt: {"outputs", "status", ...}; None before that."""
        return self.call(f"/history/{prompt_id}").get(prompt_id)

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Cancel: take the prompt out of the queue, or stop it where it runs."""
        if prompt_id is not None:
            self.call("/queue", {"delete": [prompt_id]})
        self.call("/interrupt", {"prompt_id": prompt_id} if prompt_id else {})

    def free(self) -> None:
        """Drop models and cached results."""
        self.call("/free", {"unload_models": True, "free_memory": True})

    def upload(self, file: Path, name: str | None = None) -> str:
        """Copy a file into the server's input folder; returns its name there."""
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; '
            f'filename="{name or file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        tail = f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue'
        body = head.encode() + file.read_bytes() + f"{tail}\r\n--{boundary}--\r\n".encode()
        request = urllib.request.Request(
            self.url + "/upload/image",
            body,
            {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        with urllib.request.urlopen(request, timeout=self.timeout) as reply:
            return json.load(reply)["name"]

    def listen(self) -> Listener:
        """Open the event socket; use as a context manager."""
        return Listener(self)

    def wait(
        self,
        prompt_id: str,
        timeout: float | None = None,
        on_event: Callable[[str, dict | bytes], None] | None = None,
        listener: Listener | None = None,
    ) -> dict:
        """Wait for a prompt and return its history entry, handing events on as they come.

        Raises PromptFailed when a node failed or it was interrupted, CommandError after
        `timeout` seconds or when the server is gone.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        while True:
            entry = self.history(prompt_id)
            if listener is not None and on_event is not None:
                for kind, data in listener.drain(0.0 if entry else 0.25):
                    on_event(kind, data)
            elif not entry:
                time.sleep(0.05)
            if entry:
                failure = failure_of(entry)
                if failure:
                    raise failure
                return entry
            if limit is not None and time.monotonic() > limit:
                raise CommandError(f"the prompt did not finish within {timeout:g} s", FAILED)


class Listener:
    """The event socket, read in a thread; events wait in a queue. Reconnects are not tried."""

    def __init__(self, client: Client):
        self._client = client
        self._events: queue.Queue[Event] = queue.Queue()
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="comfyui-events", daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        if not self._ready.wait(self._client.timeout) or self._error:
            raise CommandError(
                f"no event socket at {self._client.url} ({self._error or 'no answer'})", NO_HOST
            )
        return self

    def __exit__(self, *_) -> None:
        self._closing.set()
        self._thread.join(5)

    def drain(self, wait: float = 0.0) -> list[Event]:
        """The events that have come; waits up to `wait` seconds for the first."""
        events = []
        try:
            events.append(self._events.get(timeout=wait) if wait else self._events.get_nowait())
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events

    def _run(self) -> None:
        try:
            asyncio.run(self._read())
        except Exception as error:  # handed to the thread that waits
            self._error = error
        finally:
            self._ready.set()

    async def _read(self) -> None:
        import aiohttp

        address = f"{self._client.url.replace('http', 'ws', 1)}/ws?clientId={self._client.id}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=0) as socket,
        ):
            self._ready.set()
            while not self._closing.is_set():
                try:
                    message = await socket.receive(timeout=0.2)
                except asyncio.TimeoutError:
                    continue
                if message.type == aiohttp.WSMsgType.TEXT:
                    event = json.loads(message.data)
                    self._events.put((event["type"], event.get("data", {})))
                elif message.type == aiohttp.WSMsgType.BINARY:
                    self._events.put(("binary", message.data))
                else:
                    return


def _json_or_text(body: bytes) -> dict:
    try:
        return json.loads(body)
    except ValueError:
        return {"error": {"message": body.decode(errors="replace")[:500]}}


def refusal(details: dict, prompt: dict) -> str:
    """One readable text from the server's refusal of a prompt."""
    error = details.get("error", {})
    lines = [error.get("message", str(error)) if isinstance(error, dict) else str(error)]
    if isinstance(error, dict) and error.get("details"):
        lines[0] += f": {error['details']}"
    for node_id, report in details.get("node_errors", {}).items():
        title = title_of(prompt, node_id)
        for fault in report.get("errors", []):
            lines.append(f"  {title}: {fault.get('message')}: {fault.get('details')}")
    return "\n".join(lines)


def failure_of(entry: dict) -> PromptFailed | None:
    """The failure in a history entry, or None when the prompt succeeded."""
    status = entry.get("status") or {}
    if status.get("status_str") != "error":
        return None
    for kind, data in status.get("messages", []):
        if kind == "execution_error":
            where = f"{data.get('node_type')} (node {data.get('node_id')})"
            return PromptFailed(f"{where}: {data.get('exception_message', '').strip()}", data)
        if kind == "execution_interrupted":
            where = f"{data.get('node_type')} (node {data.get('node_id')})"
            return PromptFailed(f"cancelled in {where}", {**data, "interrupted": True})
    return PromptFailed("the prompt failed", status)


def title_of(prompt: dict, node_id: str) -> str:
    """A node's title and id, for messages."""
    node = prompt.get(str(node_id), {})
    title = node.get("_meta", {}).get("title") or node.get("class_type", "node")
    return f"{title} ({node_id})"


def outputs_of(entry: dict) -> list[dict]:
    """The files that a finished prompt made: {"filename", "subfolder", "type", "node"} each."""
    files = []
    for node_id, output in entry.get("outputs", {}).items():
        for items in output.values():
            for item in items if isinstance(items, list) else []:
                if isinstance(item, dict) and "filename" in item:
                    files.append({**item, "node": node_id})
    return files


def view_url(url: str, file: dict) -> str:
    """Where the server shows an output file."""
    query = {key: file.get(key, "") for key in ("filename", "subfolder", "type")}
    return f"{url}/view?{urlencode(query)}"
