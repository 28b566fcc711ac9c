"""Whatever comes in, it is refused with a sentence, the others play on and the server is well."""

from __future__ import annotations

import json
import secrets
import socket
import time
import urllib.request
from urllib.parse import urlsplit

import aiohttp
import pytest

from .client import Page, graph
from .conftest import SILENT, eventually


def refused(comfy, **headers: str) -> int:
    """The status with which a socket is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        Page(comfy, headers=headers)
    return error.value.status


def accepted(comfy, **headers: str) -> bool:
    with Page(comfy, headers=headers) as page:
        page.send("play")
        return page.wait("error")["code"] == "unknown-session"


def netloc(comfy) -> str:
    return urlsplit(comfy.url).netloc


# --------------------------------------------------------------------------------- who may come in


def test_other_websites_get_no_socket(live):
    for origin in (
        "http://evil.example", "https://evil.example", "null", "http://localhost.evil.example",
        "http://127.0.0.1:1", "file://", "chrome-extension://abcdef",
    ):
        assert refused(live, Origin=origin) == 403, origin
        # The same where the host itself would let it pass, since it is reached by a name.
        assert refused(live, Origin=origin, Host="studio.lan:8188") == 403, origin


def test_pages_of_this_server_get_one(live):
    assert accepted(live, Origin=live.url)
    assert accepted(live, Origin="http://studio.lan:8188", Host="studio.lan:8188")
    assert accepted(live, Origin="https://studio.lan", Host="studio.lan")
    assert accepted(live), "no browser: no origin"


def test_a_forwarded_host_counts_only_from_a_named_proxy(live, clean):
    behind = {
        "Origin": "https://studio.example",
        "Host": "inside.lan:8188",
        "X-Forwarded-Host": "studio.example",
    }
    assert refused(live, **behind) == 403, "nobody has named a proxy here"
    assert accepted(clean, **behind), "the second server was told of one on this address"
    assert refused(clean, **{**behind, "X-Forwarded-Host": "other.example"}) == 403
    assert refused(clean, **{**behind, "Origin": "http://evil.example"}) == 403


def test_a_page_may_ask_why_it_is_refused(live):
    """Browsers tell pages nothing about a socket that is refused."""

    def why(**headers: str) -> str:
        request = urllib.request.Request(f"{live.url}/api/gwm/live/why", b"", headers)
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)["refused"]

    assert why(Origin=live.url) == "" == why()
    behind = {"Origin": "https://studio.example", "Host": "inside.lan:8188"}
    said = why(**behind, **{"X-Forwarded-Host": "studio.example"})
    assert "GWM_TRUSTED_PROXY=127.0.0.1" in said


# ----------------------------------------------------------------------------------- what they say

MALFORMED = [
    ("{", "no JSON"),
    ("", "no JSON"),
    ("[" * 100_000, "no JSON"),
    ("[]", "type"),
    ("null", "type"),
    ("7", "type"),
    ('{"type": "jump"}', "accepted are open, resume"),
    ('{"type": ["open"]}', "type"),
    ('{"type": "\\ud800"}', "type"),
    (json.dumps({"type": "x" * 100_000}), "type"),
    ('{"type": "open"}', "'token' is missing"),
    ('{"type": "open", "token": 7}', "'token' must be str"),
    ('{"type": "open", "token": "short"}', "16 to 64"),
    ('{"type": "open", "token": "0123456789abcdef", "walk": 3}', "'walk' must be dict"),
    ('{"type": "open", "token": "0123456789abcdef", "encoding": "gif"}', "auto, lossless, small"),
    ('{"type": "resume", "session": null}', "'session' must be str"),
    ('{"type": "controls", "seq": 1}', "'held' is missing"),
    ('{"type": "controls", "seq": -1, "held": {}}', "'seq' is -1"),
    ('{"type": "controls", "seq": 1.5, "held": {}}', "'seq' must be int"),
    ('{"type": "controls", "seq": true, "held": {}}', "'seq' must be int"),
    ('{"type": "controls", "seq": 1e400, "held": {}}', "'seq' must be int"),
    ('{"type": "controls", "seq": 99999999999999999999, "held": {}}', "'seq' is"),
    ('{"type": "controls", "seq": 1, "held": [1]}', "'held' must be dict"),
    ('{"type": "seek"}', "'tick' is missing"),
    ('{"type": "seek", "tick": -4}', "'tick' is -4"),
    ('{"type": "pause", "tick": "now"}', "'tick' must be"),
    ('{"type": "step", "ticks": []}', "'ticks' must be int"),
    ('{"type": "event", "text": {}}', "'text' must be str"),
    ('{"type": "ack"}', "'n' is missing"),
    (b"\x00\x01", "bytes came"),
]


@pytest.fixture
def page(live):
    with Page(live) as page:
        page.open()
        yield page


def test_malformed_messages_are_refused_one_by_one(live, other, page):
    """The same page plays on between and after all of them: what is right clears what was wrong."""
    for text, words in MALFORMED:
        page.send_text(text)
        error = page.wait("error")
        assert error["code"] == "bad-message" and not error["fatal"], text[:80]
        assert words in error["message"], (text[:80], error["message"])
        assert len(error["message"]) < 600
        page.send("release")
    page.walk_about(2)


def test_nothing_but_malformed_messages_ends_it(live, other):
    with Page(live) as page:
        page.send_many(["{"] * 30)
        error = page.wait("error", fatal=True)
        assert error["code"] == "bad-message"
        assert page.wait_closed() == 1000
        assert sum(m["type"] == "error" for m in page.messages) == 20


def test_controls_that_do_not_fit_change_nothing(live, other, page):
    for held, words in [
        ({"W": 2}, "0 or 1"),
        ({"W": 0.5}, "0 or 1"),
        ({"W": "1"}, "a number"),
        ({"W": None}, "a number"),
        ({"look": [1e9, 0]}, "is accepted"),
        ({"look": [float("nan"), 0]}, "is accepted"),
        ({"look": [0, float("-inf")]}, "is accepted"),
        ({"look": [1]}, "2 numbers"),
        ({"look": 3}, "2 numbers"),
        ({"look_x": {}}, "a number"),
        ({"fly": 1}, "accepted are W, A, S, D"),
        ({"W": 10**400}, "out of range"),
        ({"\ud800": 1}, "accepted are"),
        ({"W": 1, "Z" * 500_000: 1}, "accepted are"),
    ]:
        page.hold(**held)
        error = page.wait("error")
        assert error["code"] == "control" and not error["fatal"] and words in error["message"]
    page.send("step", ticks=2)
    page.wait_tick(2)
    assert not page.track.values.any()


def test_events_that_are_none(live, other, page):
    for text in ("", "   ", "x" * 100_000, "\ud800"):
        page.send("event", text=text)
        error = page.wait("error")
        assert error["code"] == "control" and not error["fatal"], text[:20]
    page.send_many([json.dumps({"type": "event", "text": f"rain {i}"}) for i in range(70)])
    assert page.wait("error", code="limit")["message"]
    page.wait("event", text="rain 63")
    page.walk_about(2)
    assert len(page.events) == 64


def test_walks_that_cannot_be_read(live, other):
    names = ["W"]
    good = {"gwm_controls": 1, "names": names, "ticks": 1, "columns": {}, "events": []}
    for walk, words in [
        ({}, "walk"),
        ({"gwm_walk": 2}, "version"),
        ({"gwm_walk": 1}, "control track"),
        ({"gwm_walk": 1, "controls": good}, "recorded for"),
        ({"gwm_walk": 1, "controls": {**good, "ticks": 10**9}}, "recorded for"),
        ({"gwm_walk": 1, "of": [], "world": 7, "controls": good}, "texts"),
        ("{broken", "damaged"),
        ("W*2 Z", "'Z'"),
    ]:
        with Page(live) as page:
            token = secrets.token_hex(16)
            page.send("open", token=token, walk=walk)
            live.client.submit(graph(json.dumps({"gwm_open": token})))
            error = page.wait("error")
            assert error["code"] == "control" and error["fatal"], (walk, error)
            assert words in error["message"], (walk, error)
            page.open()  # and the same page may try again


def test_oversized_messages_close_the_socket(live, other):
    with Page(live) as page:
        page.open()
        page.send_text(json.dumps({"type": "event", "text": "x" * (1 << 20)}))
        assert page.wait_closed() == 1009


def test_a_flood_ends_the_socket(live, other):
    with Page(live) as page:
        page.open()
        page.send_many([json.dumps({"type": "controls", "seq": i, "held": {"W": i % 2}})
                        for i in range(3000)])
        error = page.wait("error", fatal=True)
        assert "messages a second" in error["message"]
        assert page.wait_closed() == 1000


def test_floods_of_requests_are_bounded(live, other, page):
    """Each of these may take seconds: 64 wait at most, and a pause ends what is under way."""
    page.send_many([json.dumps({"type": "step", "ticks": 240})] * 200)
    assert "wait already" in page.wait("error", code="limit")["message"]
    page.send("close")
    page.open()
    page.walk_about(2)


def test_a_long_step_ends_with_a_pause(live, page):
    page.send("step", ticks=240)
    page.wait_tick(2)
    began = time.monotonic()
    page.send("pause")
    state = page.wait("state", state="paused")
    while state["tick"] < len(page.rows):
        state = page.wait("state", state="paused")
    assert time.monotonic() - began < 5 and state["ticks"] < 200


def test_seeks_in_a_row_show_the_last_one(live, other, page):
    page.walk_about(6)
    page.send_many([json.dumps({"type": "seek", "tick": i % 6}) for i in range(199)])
    page.send("seek", tick=5)

    def arrived() -> bool:
        state = [m for m in page.messages if m["type"] == "state"][-1]
        still = [m for m in page.messages if m.get("kind") == "still"][-1]
        return (state["tick"], state["ticks"], still["tick"]) == (5, 6, 5)

    eventually(arrived)
    assert page.quiet(0.3)
    stills = [m for m in page.messages if m.get("kind") == "still"]
    assert len(stills) < 100, "those in between are skipped"
    page.walk_about(2)


# ---------------------------------------------------------------------------- who they say they are


def test_unknown_sessions_and_tokens(live, other):
    with Page(live) as page:
        for session in ("", "0" * 32, "x" * 100_000, other.session[:-1]):
            page.send("resume", session=session)
            error = page.wait("error")
            assert error["code"] == "unknown-session" and error["fatal"]
        for kind in ("play", "watch", "cut", "step"):
            page.send(kind)
            assert page.wait("error")["code"] == "unknown-session"
        page.send("open", token=secrets.token_hex(16))
        error = page.wait("error", within=10)
        assert error["code"] == "unknown-token" and error["fatal"]


def test_a_token_serves_once(live, other):
    token = secrets.token_hex(16)
    live.client.submit(graph(json.dumps({"gwm_open": token})))
    with Page(live) as first, Page(live) as second:
        first.send("open", token=token)
        first.wait("binary", kind="still")
        second.send("open", token=token)
        assert second.wait("error", within=10)["code"] == "unknown-token"
        first.walk_about(2)


def test_a_token_that_two_pages_wait_for(live):
    token = secrets.token_hex(16)
    with Page(live) as first, Page(live) as second:
        first.send("open", token=token)
        second.send("open", token=token)
        assert first.wait("error")["code"] == "unknown-token"
        live.client.submit(graph(json.dumps({"gwm_open": token})))
        second.wait("binary", kind="still")


def test_one_page_waits_for_one_world(live):
    """Tokens that nobody makes a world for are not piled up."""
    with Page(live) as page:
        walk = "# " + "x" * 900_000
        page.send_many([json.dumps({"type": "open", "token": secrets.token_hex(16), "walk": walk})
                        for _ in range(20)])
        page.open()
        page.walk_about(2)


# ------------------------------------------------------------------------------------ how they read


def test_a_page_that_never_answers_stops_alone(live, other):
    with Page(live, acks=False) as page:
        page.open()
        page.play()
        state = page.wait(lambda m: "did not answer" in m.get("why", ""), within=SILENT + 10)
        assert state["state"] == "paused"
        assert len([m for m in page.messages if m["type"] == "binary"]) == 2
        page.acks = True
        page.send("ack", n=2)
        page.wait_tick(state["tick"])
        page.walk_about(2)


def test_a_page_that_stops_reading(live, other):
    """Its socket fills up; neither the server nor the others wait for it."""
    host, port = netloc(live).split(":")
    raw = socket.create_connection((host, int(port)))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(
        f"GET /api/gwm/live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b"101" in raw.recv(200)
    token = secrets.token_hex(16)
    raw.sendall(frame(json.dumps({"type": "open", "token": token, "encoding": "lossless"})))
    live.client.submit(graph(json.dumps({"gwm_open": token})))
    raw.sendall(frame(json.dumps({"type": "play"})))
    for number in range(1, 200):
        raw.sendall(frame(json.dumps({"type": "ack", "n": number})))
        time.sleep(0.01)
    other.wait_tick(len(other.rows) + 6, within=20)
    raw.close()


def frame(text: str) -> bytes:
    """A text as a masked frame, as clients send them."""
    data = text.encode()
    assert len(data) < 126
    mask = b"\x01\x02\x03\x04"
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
    return bytes([0x81, 0x80 | len(data)]) + mask + masked


def test_a_hundred_opens_and_closes(live, other):
    """In every stage of opening; none of them leaves anything that counts."""
    for i in range(100):
        page = Page(live)
        if i % 10 == 0:
            page.open()
            page.play()
        elif i % 2:
            token = secrets.token_hex(16)
            page.send("open", token=token)
            live.client.submit(graph(json.dumps({"gwm_open": token})))
        page.lose() if i % 3 else page.close()

    def room() -> bool:
        with Page(live) as page:
            page.send("open", token=(token := secrets.token_hex(16)))
            live.client.submit(graph(json.dumps({"gwm_open": token})))
            return page.wait(lambda m: m["type"] in ("opened", "error"))["type"] == "opened"

    eventually(room, 10)
