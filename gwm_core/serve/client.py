"""Our own client of ``gwm serve``: what Runway's cannot ask for.

    table = TableClient("http://127.0.0.1:8009")
    with table.reset(task="push", count=8, seed=3) as runs:      # or observations of your own
        seen = runs.step(actions)                # [8, T, 7] -> every view [8, T, H, W, 3]
        ways = runs.branch(plans, run=0)         # [K, T, 7]: K futures of run 0, which stays
        seen.success[0][-1], seen.violations[0]  # of run 0: at the last tick, at every tick

Nothing but the standard library and numpy is needed.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ..errors import RoboticsError
from .address import is_loopback
from .arrays import packed, unpacked


@dataclass(frozen=True, eq=False)
class Rolled:
    """What T ticks of B runs looked like.

    pixels      by view, uint8 [B, T, H, W, 3] (T is 1 for frames="last"; empty for "none")
    agent_pos   proprioception float32 [B, T, 9]
    success     of each run and tick, whether its task was done by then; None where nothing tells it
    violations  of each run and tick, the names of predicates that were broken
    clipped     of each run and tick, whether the action went beyond its limits: it was cut to them
    runs        the runs after the ticks, to go on from; None for branches that are not kept
    """

    pixels: dict[str, np.ndarray]
    agent_pos: np.ndarray
    success: list[list[bool | None]]
    violations: list[list[tuple[str, ...]]]
    clipped: np.ndarray
    runs: RemoteRuns | None = None


class RemoteRuns:
    """B runs that a service keeps for this client; ``with`` releases them at its end.

    observation  the last look: pixels by view uint8 [B, H, W, 3], agent_pos float32 [B, 9]
    success, violations  as they are now, of each run; predicates: what is looked at, of each run
    tick, task   how many ticks were made; the sentence of each run's task
    """

    def __init__(self, client: TableClient, answer: dict[str, Any],
                 observation: dict[str, Any]) -> None:
        self._client, self._name = client, answer["runs"]
        self.task: list[str] = answer["task"]
        self.predicates: list[list[str]] = answer["predicates"]
        self._now(answer, observation)

    def _now(self, answer: dict[str, Any], observation: dict[str, Any]) -> None:
        self.observation = observation
        self.tick: int = answer["tick"]
        self.success: list[bool | None] = answer["success"]
        self.violations = [tuple(broken) for broken in answer["violations"]]

    def __len__(self) -> int:
        return len(self.task)

    def step(self, actions: Any, frames: str = "all") -> Rolled:
        """T ticks of all runs under actions float [B, T, 7]. frames: "all", "last" or "none", which
        pictures to send. RoboticsError says what is wrong; the runs are then where they were."""
        answer = self._client.call("POST", f"/runs/{self._name}/step", {
            "actions": packed(_floats(actions)), "frames": frames})
        out = _rolled(answer, self)
        self._now(answer, _last(out))
        return out

    def branch(self, actions: Any, run: int = 0, frames: str = "all", keep: bool = False
               ) -> Rolled:
        """What K sequences of actions float [K, T, 7] lead to from one run; all runs stay where
        they are. keep: whether the K branches are kept as runs to go on from."""
        answer = self._client.call("POST", f"/runs/{self._name}/branch", {
            "run": run, "actions": packed(_floats(actions)), "frames": frames, "keep": keep})
        out = _rolled(answer, None)
        return replace(out, runs=RemoteRuns(self._client, answer, _last(out))) if keep else out

    def release(self) -> None:
        """Let the service forget these runs."""
        self._client.call("DELETE", f"/runs/{self._name}")

    def __enter__(self) -> RemoteRuns:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class TableClient:
    """A table model behind ``gwm serve``.

    url      where it answers
    key      the service's --key, where it has one
    timeout  seconds to wait for an answer
    """

    def __init__(self, url: str, key: str = "", timeout: float = 120.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RoboticsError(f"url: {url!r}; one like http://127.0.0.1:8009 is accepted")
        self.url, self._key, self.timeout = url.rstrip("/"), key, timeout
        ways = [urllib.request.ProxyHandler({})] if is_loopback(parts.hostname) else []
        self._opener = urllib.request.build_opener(*ways)

    def model(self) -> dict[str, Any]:
        """Name, fingerprint and embodiment (as JSON) of the model; whether it tells success."""
        return self.call("GET", "/model")

    def reset(self, observations: Any = None, *, task: str | list[str] = "",
              picks: list[int] | None = None, count: int | None = None, seed: int = 0,
              keep_out: Any = None) -> RemoteRuns:
        """New runs side by side.

        observations  a list of first looks, or a batch: pixels by view uint8 [B, H, W, 3] and
                      agent_pos [B, 9]; keep_out: the zone's centre (x, y) m, or one for each run
        picks         else: which of the starts that come with the pack, of a named ``task``
        count, seed   else: how many of them, drawn by a seed
        """
        body: dict[str, Any] = {"task": task}
        if observations is not None:
            body |= {"observations": _looks(observations), "keep_out": _plain(keep_out)}
        elif picks is not None:
            body["picks"] = _plain(picks)
        else:
            body |= {"count": 1 if count is None else int(count), "seed": int(seed)}
        answer = self.call("POST", "/runs", body)
        return RemoteRuns(self, answer, _arrays(answer))

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call below /v1/gwm; RoboticsError says what the service answers, or that none does.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/gwm{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        if self._key:
            request.add_header("Authorization", f"Bearer {self._key}")
        try:
            with self._opener.open(request, timeout=self.timeout) as reply:
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                raise RoboticsError(_why(error)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise RoboticsError(f"{self.url}: no answer ({why}); start the service with: gwm "
                                "serve") from None


def _why(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"{error.url}: status {error.code}; a service of gwm serve is accepted"


def _floats(actions: Any) -> np.ndarray:
    try:
        return np.asarray(actions, np.float32)
    except (TypeError, ValueError):
        raise RoboticsError("actions: no array of numbers; [B, T, 7] is accepted") from None


def _plain(value: Any) -> Any:
    """Arrays and tuples as lists of plain numbers."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _looks(observations: Any) -> dict[str, Any]:
    try:
        if not isinstance(observations, dict):
            views = list(observations[0]["pixels"])
            observations = {
                "pixels": {v: np.stack([o["pixels"][v] for o in observations]) for v in views},
                "agent_pos": np.stack([o["agent_pos"] for o in observations])}
        pixels = {v: np.asarray(p) for v, p in observations["pixels"].items()}
        felt = np.asarray(observations["agent_pos"], np.float32)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as problem:
        raise RoboticsError(f"observations: {problem!r}; looks with pixels by view and agent_pos, "
                            "of one shape each, are accepted") from None
    for view, picture in pixels.items():
        if picture.dtype != np.uint8:
            raise RoboticsError(f"observations: view {view!r} is {picture.dtype}; uint8 is "
                                "accepted")
    return {"pixels": {v: packed(p) for v, p in pixels.items()}, "agent_pos": packed(felt)}


def _arrays(answer: dict[str, Any]) -> dict[str, Any]:
    return {"pixels": {v: unpacked(p, v) for v, p in answer["pixels"].items()},
            "agent_pos": unpacked(answer["agent_pos"], "agent_pos")}


def _rolled(answer: dict[str, Any], runs: RemoteRuns | None) -> Rolled:
    seen = _arrays(answer)
    return Rolled(seen["pixels"], seen["agent_pos"], answer["successes"],
                  [[tuple(now) for now in run] for run in answer["broken"]],
                  np.array(answer["clipped"], bool), runs)


def _last(seen: Rolled) -> dict[str, Any]:
    """The look after the last tick; without pictures where none were sent."""
    return {"pixels": {v: p[:, -1] for v, p in seen.pixels.items()},
            "agent_pos": seen.agent_pos[:, -1]}
