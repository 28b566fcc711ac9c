"""A policy over HTTP: the protocol both ways, what is refused, and waits that end."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from gwm_core.errors import Cancelled, RoboticsError
from gwm_core.robotics.policy import act, reset_policy
from gwm_core.robotics.policy_server import PolicyServer, decode_observation
from gwm_core.robotics.remote_policy import PROTOCOL, Address, RemotePolicy, encode_observation

RANDOM = np.random.default_rng(0)
LOOK = {"pixels": {v: RANDOM.integers(0, 256, (64, 64, 3), np.uint8) for v in ("front", "wrist")},
        "agent_pos": np.linspace(-0.2, 0.9, 9, dtype=np.float32)}


class Echo:
    """Answers what it was given: the seed, the tick, the mean of a view, the last number felt."""

    def reset(self, seed: int = 0) -> None:
        self.seed, self.tick = seed, 0

    def select_action(self, look: dict) -> np.ndarray:
        self.tick += 1
        mean = look["pixels"]["front"].mean() / 1000
        return np.array([self.seed, self.tick, mean, look["agent_pos"][8], len(look["task"]), 0, 0])


@pytest.fixture
def server():
    one = PolicyServer(Echo, name="echo  of\nwhat is seen", port=0)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    yield one
    one.shutdown()
    one.server_close()


def answering(answer: bytes, status: int = 200, hello: bytes | None = None, wait: float = 0.0):
    """A server that is no PolicyServer: always the same answers, and what it was asked."""
    asked: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say(200, hello or json.dumps({"protocol": PROTOCOL, "name": "odd"}).encode())

        def do_POST(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            time.sleep(wait)
            self.say(status, answer)

        def say(self, code: int, data: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            if code == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args) -> None: ...

    one = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    return one, asked


def url(server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


# Both ends


def test_a_look_arrives_whole():
    back = decode_observation(json.loads(json.dumps(encode_observation(LOOK))))
    assert back["agent_pos"].tolist() == LOOK["agent_pos"].tolist()
    for view, frame in LOOK["pixels"].items():
        assert (back["pixels"][view] == frame).all()


def test_runs_side_by_side_have_policies_of_their_own(server):
    policies = [RemotePolicy(Address(server.url), "push") for _ in range(2)]
    for seed, policy in enumerate(policies):
        reset_policy(policy, 5 + seed)
    assert policies[0].introduce() == "echo of what is seen"
    sentence = len("Push the red box into the green zone.")
    mean = LOOK["pixels"]["front"].mean() / 1000
    for tick in (1, 2, 3):
        for seed, policy in enumerate(policies):
            action = act(policy, LOOK)
            assert action.dtype == np.float32
            assert np.allclose(action, [5 + seed, tick, mean, 0.9, sentence, 0, 0], atol=1e-5)
    reset_policy(policies[0], 9)
    assert act(policies[0], LOOK)[:2].tolist() == [9, 1] and act(policies[1], LOOK)[1] == 4


def test_some_actions_at_a_time():
    actions = [[0.01 * k] * 7 for k in range(3)]
    server, asked = answering(json.dumps({"actions": actions}).encode())
    policy = RemotePolicy(Address(url(server) + "/act?v=2"))
    given = [act(policy, LOOK)[0] for _ in range(7)]
    assert np.allclose(given, [0, 0.01, 0.02, 0, 0.01, 0.02, 0])
    bodies = [json.loads(body) for _, body in asked]
    assert [b["tick"] for b in bodies] == [0, 3, 6] and asked[0][0] == "/act?v=2"
    assert len({b["episode"] for b in bodies}) == 1 and bodies[0]["protocol"] == PROTOCOL
    server.shutdown()


def test_a_server_that_was_started_anew_says_that_it_forgot(server):
    policy = RemotePolicy(Address(server.url))
    act(policy, LOOK)
    server._episodes.clear()
    with pytest.raises(RoboticsError, match="status 400 .*not known"):
        act(policy, LOOK)


# Addresses


@pytest.mark.parametrize("good", ["http://127.0.0.1:8765", "http://localhost/a", "http://[::1]:80/",
                                  "https://127.8.9.1"])
def test_addresses_of_this_machine(good):
    assert Address(good).url == good


@pytest.mark.parametrize("bad", [
    "http://example.com", "http://10.1.2.3:80", "http://0.0.0.0:80", "http://127.0.0.1.evil.com",
    "http://localhost.evil.com", "file:///etc/passwd", "ftp://127.0.0.1", "127.0.0.1:80", "",
    "http://127.0.0.1:port", "http://a:b@127.0.0.1", "http://127.0.0.1/\r\nX: y", "http:///x",
    "http://2130706433/", "http://127.0.0.1/" + "x" * 600, "http://[::ffff:10.0.0.1]/",
])
def test_other_addresses_are_refused(bad):
    with pytest.raises(RoboticsError, match="url"):
        Address(bad)


def test_hosts_that_are_allowed_by_name():
    assert Address("http://Robot.lan:9/x", ["robot.lan"]).hosts == ("robot.lan",)
    with pytest.raises(RoboticsError, match="another machine"):
        Address("http://robot.lan.evil.com", ["robot.lan"])


# What goes wrong at the other end


@pytest.mark.parametrize(("answer", "status", "words"), [
    (b'{"actions": [[0, 0, 0]]}', 200, "action 0"),
    (b'{"actions": [[0,0,0,0,0,0,0], [0,0,0,0,0,0,NaN]]}', 200, "action 1"),
    (b'{"actions": [[0,0,0,0,0,0,1e999]]}', 200, "finite"),
    (b'{"actions": [[0,0,0,0,0,0,"1"]]}', 200, "action 0"),
    (b'{"actions": [[0,0,0,0,0,0,true]]}', 200, "action 0"),
    (b'{"actions": []}', 200, "1 to 64"),
    (json.dumps({"actions": [[0] * 7] * 65}).encode(), 200, "actions: 65"),
    (b"[]", 200, "no JSON object"),
    (b"<html>", 200, "no JSON object"),
    (b"[" * 100_000, 200, "no JSON object"),
    (b"x" * 1_200_000, 200, "longer than"),
    (b"out of memory", 500, "status 500 .out of memory."),
    (b"", 302, "status 302"),
])
def test_bad_answers(answer, status, words):
    server, _ = answering(answer, status)
    with pytest.raises(RoboticsError, match=words):
        act(RemotePolicy(Address(url(server))), LOOK)
    server.shutdown()


def test_nothing_is_posted_to_what_is_no_policy():
    server, asked = answering(b'{"actions": [[0,0,0,0,0,0,0]]}', hello=b'{"queue_running": []}')
    with pytest.raises(RoboticsError, match="does not say that it is a policy"):
        act(RemotePolicy(Address(url(server))), LOOK)
    assert asked == []
    server.shutdown()


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RoboticsError, match="nobody answers there"):
        RemotePolicy(Address(f"http://127.0.0.1:{port}")).introduce()


def test_a_wait_ends_at_its_time_and_at_once_when_cancelled():
    server, _ = answering(b'{"actions": [[0,0,0,0,0,0,0]]}', wait=8.0)
    begun = time.monotonic()
    with pytest.raises(RoboticsError, match="no answer within 0.3 seconds|in time"):
        act(RemotePolicy(Address(url(server)), timeout=0.3), LOOK)
    assert time.monotonic() - begun < 6
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) > 6:
            raise Cancelled("stopped")

    begun = time.monotonic()
    with pytest.raises(Cancelled):
        act(RemotePolicy(Address(url(server)), timeout=60, check=check), LOOK)
    assert time.monotonic() - begun < 6
    server.shutdown()


# What the server refuses


def post(server, body: bytes, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(*server.server_address, timeout=5)
    connection.request("POST", "/", body, headers)
    reply = connection.getresponse()
    return reply.status, reply.read().decode()


def test_the_server_names_what_is_wrong(server):
    whole = {"protocol": PROTOCOL, "episode": "e", "tick": 0, "seed": 0, "task": "t",
             "observation": encode_observation(LOOK)}
    assert post(server, json.dumps(whole).encode())[0] == 200
    for change, words in (
        ({"protocol": "other"}, "protocol"), ({"episode": ""}, "episode"), ({"tick": -1}, "tick"),
        ({"tick": True}, "tick"), ({"seed": "x"}, "seed"), ({"observation": None}, "observation"),
        ({"observation": {"pixels": {"front": "@@"}, "agent_pos": [0]}}, "view 'front'"),
        ({"observation": {"pixels": {}, "agent_pos": ["a"]}}, "agent_pos"),
        ({"episode": "new", "tick": 4}, "not known"),
    ):
        status, text = post(server, json.dumps(whole | change).encode())
        assert status == 400 and words in text, (change, text)
    assert post(server, b"no json")[0] == 400 and post(server, b"[]")[0] == 400
    assert post(server, json.dumps(whole).encode(), Origin="http://evil.example")[0] == 403
    assert post(server, b"", **{"Content-Length": str(1 << 40)})[0] == 413
