"""Serves a policy in Python over the protocol of ``remote_policy.py``.

    from gwm_core.robotics.policy_server import PolicyServer
    PolicyServer(lambda: MyPolicy(), name="my policy", port=8765).serve_forever()

Every run has a policy object of its own. They are called one at a time: networks on one device are
seldom made for more.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from ..errors import RoboticsError
from .policy import act, check_policy, reset_policy
from .remote_policy import PROTOCOL

MOST_BYTES = 64 << 20
"""Of one look."""
MOST_EPISODES = 1024
"""Runs that are remembered; the one that was quiet for longest goes first."""
MOST_PIXELS = 4096 * 4096
IDLE = 120.0  # seconds after which a connection that says nothing is closed


class PolicyServer(ThreadingHTTPServer):
    """Answers on ``host``:``port`` (0: any free port; ``url`` says which).

    make  makes a policy, called once for every run. It sees ``pixels`` (uint8 [H, W, 3] by view),
          ``agent_pos`` (float32 [9]) and ``task`` (a sentence)

    It knows no keys: beyond this machine put it behind something that does.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, make: Callable[[], Any], name: str = "policy", port: int = 8765,
                 host: str = "127.0.0.1") -> None:
        self.make, self.name = make, name
        self._episodes: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """The address to ask."""
        return f"http://{self.server_address[0]}:{self.server_address[1]}"

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to one look; RoboticsError names what is wrong with it."""
        if message.get("protocol") != PROTOCOL:
            raise RoboticsError(f"protocol: {message.get('protocol')!r}; {PROTOCOL!r} is accepted")
        episode, tick, seed = (message.get(k) for k in ("episode", "tick", "seed"))
        if not isinstance(episode, str) or not 1 <= len(episode) <= 100:
            raise RoboticsError("episode: a text of 1 to 100 characters is accepted")
        for name, value in (("tick", tick), ("seed", seed)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise RoboticsError(f"{name}: {value!r}; a whole number from 0 is accepted")
        look = decode_observation(message.get("observation"))
        look["task"] = str(message.get("task", ""))
        with self._lock:
            if tick == 0:
                self._episodes[episode] = policy = check_policy(self.make())
                reset_policy(policy, seed)
                while len(self._episodes) > MOST_EPISODES:
                    self._episodes.popitem(last=False)
            if episode not in self._episodes:
                raise RoboticsError(f"episode {episode}: not known (any more); begin it at tick 0")
            self._episodes.move_to_end(episode)
            action = act(self._episodes[episode], look)
        return {"actions": [action.astype(float).tolist()]}


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept open between looks."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE
    server: PolicyServer

    def do_GET(self) -> None:
        self._say(200, {"protocol": PROTOCOL, "name": self.server.name})

    def do_POST(self) -> None:
        if self.headers.get("Origin"):
            # Any website may make a browser post to this machine.
            return self._say(403, {"error": "pages of a browser are not served"})
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return self._say(413, {"error": f"Content-Length: up to {MOST_BYTES} is accepted"})
        try:
            message = json.loads(self.rfile.read(int(length)))
            if not isinstance(message, dict):
                raise RoboticsError("body: a JSON object is accepted")
            answer = self.server.answer(message)
        except RoboticsError as problem:
            return self._say(400, {"error": str(problem)})
        except (ValueError, RecursionError):
            return self._say(400, {"error": "body: it is no JSON"})
        self._say(200, answer)

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status != 200:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line a tick helps nobody."""


def decode_observation(observation: Any) -> dict[str, Any]:
    """The look in a message; RoboticsError names what is wrong."""
    if not isinstance(observation, dict) or not isinstance(observation.get("pixels"), dict):
        raise RoboticsError("observation: {pixels: {view: PNG in base64}, agent_pos: [9 numbers]} "
                            "is accepted")
    pixels = {}
    for view, text in observation["pixels"].items():
        try:
            data = io.BytesIO(base64.b64decode(text, validate=True))
            with Image.open(data, formats=["PNG"]) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ValueError
                pixels[view] = np.array(picture.convert("RGB"))
        except (binascii.Error, OSError, TypeError, ValueError, Image.DecompressionBombError):
            what = f"observation: view {str(view)[:40]!r} is no PNG in base64"
            raise RoboticsError(what) from None
    try:
        felt = np.asarray(observation.get("agent_pos"), np.float32)
    except (TypeError, ValueError):
        felt = np.empty(0)
    if felt.ndim != 1 or not len(felt) or not np.isfinite(felt).all():
        raise RoboticsError("observation: agent_pos is no list of finite numbers")
    return {"pixels": pixels, "agent_pos": felt}
