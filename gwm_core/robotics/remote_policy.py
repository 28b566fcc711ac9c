"""A policy in another process: asked over HTTP for every action, or for some at a time.

The protocol, ``gwm-policy/1``, is JSON. Before anything else the address is asked by GET and must
answer ``{"protocol": "gwm-policy/1", "name": "my policy"}``: nothing is ever posted to a service
that has not said so. Then every look is a POST::

    {"protocol": "gwm-policy/1", "episode": "5d1c..", "tick": 0, "seed": 7,
     "task": "Push the red box into the green zone.",
     "observation": {"pixels": {"front": "<PNG in base64>", ..}, "agent_pos": [9 numbers]}}

and its answer ``{"actions": [[7 numbers], ..]}``: one action, or some, which are played before the
next look is sent. Tick 0 begins a run; several runs (``episode``) may go on side by side.
``policy_server.py`` is the other end for a policy in Python.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import ipaddress
import json
import math
import queue
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from ..errors import RoboticsError
from .policy import WIDTH
from .rollouts import sentence

PROTOCOL = "gwm-policy/1"
TIMEOUT = 10.0
MOST_SECONDS = 600.0
MOST_ACTIONS = 64
"""Actions in one answer."""
MOST_BYTES = 1 << 20
"""Of one answer."""
MOST_CHARS = 500
POLL = 0.05  # seconds between two questions whether to go on
LOCAL = ("127.0.0.1", "::1")


class Address:
    """Where a policy answers: an http or https URL on this machine, or on a host of ``allowed``.

    RoboticsError for any other. Without ``allowed`` no name is looked up anywhere.
    """

    def __init__(self, url: str, allowed: Collection[str] = ()) -> None:
        accepted = "http://127.0.0.1:8765 is accepted, for example"
        try:
            parts = urlsplit(url if isinstance(url, str) and len(url) <= MOST_CHARS else "")
            host, port = parts.hostname or "", parts.port
        except ValueError as problem:
            raise RoboticsError(f"url {str(url)[:80]!r}: {problem}; {accepted}") from None
        plain = url.isascii() and url.isprintable() and " " not in url if host else False
        if parts.scheme not in ("http", "https") or not plain:
            raise RoboticsError(f"url {str(url)[:80]!r}: no address of a web server; {accepted}")
        if parts.username is not None or parts.password is not None:
            raise RoboticsError("url: it holds a name or password; they are not sent anywhere, "
                                "write the address alone")
        self.url, self.host = url, host.lower()
        self.port = port or (443 if parts.scheme == "https" else 80)
        self.secure = parts.scheme == "https"
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self.host in {name.strip().lower() for name in allowed}:
            self.hosts: tuple[str, ...] = (self.host,)
        elif self.host == "localhost":
            self.hosts = LOCAL
        elif _is_loopback(self.host):
            self.hosts = (self.host,)
        else:
            raise RoboticsError(f"url: {self.host} is another machine; an address of this one "
                                "(127.0.0.1, localhost) is accepted, others only where the person "
                                "who starts the program has allowed them")

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """A connection that stands; OSError where nobody answers."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        problem: OSError = OSError("no address")
        for host in self.hosts:
            connection = kind(host, self.port, timeout=timeout)
            try:
                connection.connect()
                return connection
            except OSError as failed:
                connection.close()
                problem = failed
        raise problem


class RemotePolicy:
    """One run of the policy at an address; see the module. RoboticsError says what went wrong.

    task     a name of SENTENCES or any sentence: it is sent as a sentence
    timeout  seconds that an answer may take, connecting included
    check    called some 20 times a second while an answer is awaited; what it raises ends the wait
    """

    def __init__(self, address: Address, task: str = "", timeout: float = TIMEOUT,
                 check: Callable[[], None] | None = None) -> None:
        if not isinstance(timeout, (int, float)) or not 0 < timeout <= MOST_SECONDS:
            raise RoboticsError(f"timeout: {timeout!r}; seconds above 0, to {MOST_SECONDS:g}, are "
                                "accepted")
        self.address, self.task, self.timeout = address, sentence(task), float(timeout)
        self.name = ""
        self._check = check or (lambda: None)
        self._connection: http.client.HTTPConnection | None = None
        self._left: deque[np.ndarray] = deque()
        self.reset()

    def reset(self, seed: int = 0) -> None:
        """A new run."""
        self._seed, self._tick, self._episode = int(seed), 0, secrets.token_hex(8)
        self._left.clear()

    def introduce(self) -> str:
        """Ask what is there; the policy's name."""
        answer = self._ask("GET", None)
        if answer.get("protocol") != PROTOCOL:
            raise RoboticsError(f"url {self.address.url}: it does not say that it is a policy; a "
                                f'GET that answers {{"protocol": "{PROTOCOL}", "name": ".."}} is '
                                "needed")
        name = answer.get("name")
        self.name = " ".join(name.split())[:60] if isinstance(name, str) else ""
        self.name = self.name or f"{self.address.host}:{self.address.port}"
        return self.name

    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """The next action [7] for a look without a leading axis."""
        if not self._left:
            if not self.name:
                self.introduce()
            body = {"protocol": PROTOCOL, "episode": self._episode, "tick": self._tick,
                    "seed": self._seed, "task": self.task,
                    "observation": encode_observation(observation)}
            self._left.extend(self._actions(self._ask("POST", json.dumps(body).encode())))
        self._tick += 1
        return self._left.popleft()

    def _actions(self, answer: dict[str, Any]) -> np.ndarray:
        given = answer.get("actions")
        wanted = f"1 to {MOST_ACTIONS} lists of {WIDTH} finite numbers are accepted"
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_ACTIONS:
            found = f"{len(given)}" if isinstance(given, list) else type(given).__name__
            raise RoboticsError(f"policy {self.name}: its answer has actions: {found}; {wanted}")
        for i, row in enumerate(given):
            right = isinstance(row, list) and len(row) == WIDTH and all(
                isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)
                for v in row)
            if not right:
                raise RoboticsError(f"policy {self.name}: action {i} of its answer is "
                                    f"{str(row)[:120]}; {wanted}")
        # What float32 cannot hold would become infinite.
        return np.clip(np.array(given, np.float64), -1e6, 1e6).astype(np.float32)

    # ------------------------------------------------------------------ one exchange

    def _ask(self, method: str, body: bytes | None) -> dict[str, Any]:
        """The JSON object that is answered."""
        answers: queue.SimpleQueue = queue.SimpleQueue()

        def work() -> None:
            try:
                answers.put(self._exchange(method, body))
            except Exception as problem:
                answers.put(problem)

        # A thread of its own: a wait in the socket could not be ended by `check`.
        threading.Thread(target=work, name="gwm-policy", daemon=True).start()
        end = time.monotonic() + self.timeout
        try:
            while True:
                self._check()
                with contextlib.suppress(queue.Empty):
                    answer = answers.get(timeout=POLL)
                    break
                if time.monotonic() > end:
                    raise RoboticsError(f"url {self.address.url}: no answer within "
                                        f"{self.timeout:g} seconds")
            if isinstance(answer, RoboticsError):
                raise answer
            if isinstance(answer, Exception):
                raise RoboticsError(f"url {self.address.url}: {_reason(answer)}; start the "
                                    "policy's server, or correct the address") from None
        except BaseException:
            self.close()
            raise
        return answer

    def _exchange(self, method: str, body: bytes | None) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        kept = self._connection
        for connection in ((kept, None) if kept is not None else (None,)):
            try:
                connection = connection or self.address.connect(self.timeout)
                self._connection = connection
                connection.request(method, self.address.path, body, headers)
                reply = connection.getresponse()
                break
            except (ConnectionError, http.client.RemoteDisconnected):
                # A server may have closed a connection that was idle; a new one is tried once.
                if connection is not kept or kept is None:
                    raise
                kept.close()
        data = reply.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise RoboticsError(f"url {self.address.url}: its answer is longer than {MOST_BYTES} "
                                "bytes; a short JSON object is accepted")
        if reply.will_close:
            self._connection = None
        if reply.status != 200:
            said = " ".join(data[:200].decode("utf-8", "replace").split())
            raise RoboticsError(f"url {self.address.url}: {method} was answered with status "
                                f"{reply.status} ({said or 'no text'}); 200 with a JSON object is "
                                "accepted")
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise RoboticsError(f"url {self.address.url}: its answer is no JSON object; "
                                '{"actions": [[7 numbers], ..]} is accepted')
        return answer

    def close(self) -> None:
        """Let the connection go; the next look opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)  # wakes a read that waits
            connection.close()

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()


def encode_observation(observation: dict[str, Any]) -> dict[str, Any]:
    """A look as JSON values: every view a PNG in base64."""
    pixels = {}
    for view, frame in observation["pixels"].items():
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(frame)).save(out, "PNG", compress_level=1)
        pixels[view] = base64.b64encode(out.getvalue()).decode()
    felt = np.asarray(observation["agent_pos"], np.float64)
    return {"pixels": pixels, "agent_pos": felt.tolist()}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(problem: Exception) -> str:
    if isinstance(problem, ConnectionRefusedError):
        return "nobody answers there"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return f"it cannot be asked ({type(problem).__name__}: {str(problem)[:200]})"
