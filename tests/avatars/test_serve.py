"""`gwm serve --avatars`: a real server, clients over real sockets, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import torch
from PIL import Image

from gwm_core.avatars.actor import Actor
from gwm_core.avatars.character import Character
from gwm_core.avatars.driver import Driver
from gwm_core.avatars.faces_model import FacesModel, Reading, new_dynamics, save_faces
from gwm_core.avatars.live_hub import MAGIC, MOST_BAD, Limits
from gwm_core.avatars.portrait import Portrait
from gwm_core.errors import AvatarError
from gwm_core.live.messages import unpack
from gwm_core.serve.avatar_server import AvatarServer, portraits_in
from gwm_core.serve.stage import MOST_SIDE

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Path(__file__).parent / "portraits" / "anime.png"
RATE, KEY, WITHIN = 48_000, "a-key/of_one's=own", 60.0


def ran(work):
    """What a coroutine gives, in a thread of its own: a browser of other tests may have left a
    running loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = new_dynamics(stem_width=32, width=32, depth=1, heads=2, window=4)
    torch.nn.init.normal_(net.outlets["motion"].out.weight, std=0.1)
    torch.nn.init.constant_(net.outlets["motion"].out.bias, 0.3)
    return net


def model_of(net):
    """The network with a reading, the same one every time."""
    torch.manual_seed(1)
    return FacesModel(net, Reading(32))


@pytest.fixture(scope="module")
def portrait():
    image = np.random.default_rng(0).integers(0, 255, (80, 64, 3), np.uint8)
    return Portrait(Character(image, Character.default_points(64, 80)), True, "face found")


@pytest.fixture(scope="module")
def server(net, portrait):
    limits = Limits(sessions=2, links=4)
    with AvatarServer(model_of(net), {"anna": portrait}, limits=limits) as server:
        yield server
        assert server.error is None


class Client:
    """One WebSocket; every frame is acknowledged when it comes, also while the test speaks."""

    def __init__(self, socket) -> None:
        self.socket, self.frames, self.texts, self.over = socket, [], [], False
        self._reading = asyncio.ensure_future(self._read())

    async def say(self, kind: str, **values) -> None:
        await self.socket.send_str(json.dumps({"type": kind, **values}))

    async def speak(self, pcm: np.ndarray, rate: int = RATE) -> None:
        await self.socket.send_bytes(
            MAGIC + rate.to_bytes(4, "little") + pcm.astype("<i2").tobytes())

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type == aiohttp.WSMsgType.BINARY:
                header, picture = unpack(message.data)
                self.frames.append((header, picture))
                await self.say("ack", n=header["n"])
            else:
                self.texts.append(json.loads(message.data))
        self.over = True

    async def until(self, condition) -> None:
        limit = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < limit and not self._failed(), (self.texts, self.over)
            await asyncio.sleep(0.005)

    def _failed(self) -> bool:
        return self._reading.done() and self._reading.exception() is not None

    async def told(self, kind: str) -> dict:
        """The next message of this kind."""
        await self.until(lambda: any(text["type"] == kind for text in self.texts))
        return self.texts.pop([text["type"] for text in self.texts].index(kind))

    async def open(self, portrait: str = "anna", **values) -> dict:
        await self.say("open", portrait=portrait, **values)
        opened = await self.told("opened")
        await self.until(lambda: self.frames)
        return opened

    def picture(self, i: int) -> np.ndarray:
        header, data = self.frames[i]
        size = header["frames"]["height"], header["frames"]["width"], 3
        return np.frombuffer(data, np.uint8).reshape(size)


@asynccontextmanager
async def client(server, headers=None, protocols=()):
    async with aiohttp.ClientSession() as session, session.ws_connect(
            server.url + "/v1/avatar", headers=headers, protocols=protocols,
            timeout=aiohttp.ClientWSTimeout(ws_close=5)) as socket:
        page = Client(socket)
        yield page
        page._reading.cancel()


async def get(server, path: str, headers=None) -> tuple[int, str, dict]:
    async with aiohttp.ClientSession() as session, session.get(
            server.url + path, headers=headers) as reply:
        return reply.status, await reply.text(), dict(reply.headers)


def babble(ticks: int) -> np.ndarray:
    """int16 [N, 2]: only the character speaks."""
    at = np.arange(ticks * RATE // 25) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * at) / k for k in range(1, 20))
    return np.rint(np.stack([3000 * buzz, 0 * buzz], 1)).astype(np.int16)


def data_url(image: np.ndarray, kind: str = "png", most: int | None = None) -> str:
    """Of the picture's first ``most`` bytes."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind.upper())
    return f"data:image/{kind};base64," + base64.b64encode(out.getvalue()[:most]).decode()


# What comes back


def test_sound_becomes_the_frames_of_the_film(server, net, portrait):
    async def run() -> None:
        async with client(server) as page:
            opened = await page.open(seed=5, size=64)
            assert (opened["width"], opened["height"]) == (51, 64) and RATE in opened["rates"]
            assert (await page.told("portrait"))["text"] == "face found"
            pcm = babble(12)
            for start in range(0, len(pcm), 1920):
                await page.speak(pcm[start : start + 1920])
                await asyncio.sleep(0.04)
            await page.until(lambda: page.frames[-1][0]["tick"] >= 9)
            driver = Driver(model_of(net), seed=5)
            driver.push(*(pcm.T / np.float32(32768)).astype(np.float32), RATE)
            motions = driver.pull()
            actor, shown = Actor(portrait.character, 64), 0
            for i, (header, _) in enumerate(page.frames[1:], start=1):
                want = actor.draw(motions[header["tick"] - 1])
                assert np.array_equal(page.picture(i), want)
                shown += header["state"] == "speak"
            assert len(page.frames) > 3 and shown and len(motions) >= 9
            await page.say("close")
            await page.speak(pcm[:1920])  # nobody is there any more: no error
            await page.say("open", portrait="nobody")
            error = await page.told("error")
            assert "'nobody'" in error["message"] and "'anna'" in error["message"]

    ran(run())


def test_a_portrait_that_is_sent(server):
    image = np.random.default_rng(1).integers(0, 255, (90, 70, 3), np.uint8)

    async def run() -> None:
        async with client(server) as page:
            opened = await page.open(data_url(image), dials={"head": 2, "mouth": 0}, size=90,
                                     anchors={"chin": [0.5, 0.9]}, encoding="lossless")
            assert (opened["width"], opened["height"]) == (70, 90)
            assert np.array_equal(page.picture(0), image)  # its mouth is kept still
            told = await page.told("portrait")
            assert told["found"] in (True, False) and "face" in told["text"]
            page.frames.clear()
            await page.open(data_url(image, "jpeg"), encoding="small")  # in place of the other
            assert page.frames[0][0]["frames"]["encoding"] == "jpeg"
            assert page.frames[0][1][:2] == b"\xff\xd8"

    ran(run())


def test_the_page_and_what_it_may_open(server):
    status, text, headers = ran(get(server, "/avatar"))
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "/v1/avatar" in text and "http://" not in text and "https://" not in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    status, text, headers = ran(get(server, "/v1/avatar/portraits"))
    known = json.loads(text)
    assert status == 200 and known["limits"]["sessions"] == 2 and known["fps"] == 25
    [anna] = known["portraits"]
    assert anna["name"] == "anna" and anna["preview"].startswith("data:image/jpeg;base64,")
    assert "Access-Control-Allow-Origin" not in headers


# What is refused


def test_wrong_messages_are_answered_and_floods_end(server, tmp_path):
    wide = np.zeros((16, MOST_SIDE + 1, 3), np.uint8)
    start = "data:image/png;base64,"
    good = {"portrait": "anna"}
    wrong = [
        ({"portrait": str(PICTURE)}, "data URL"), ({"portrait": "../anna"}, "data URL"),
        ({"portrait": "file:///etc/passwd"}, "data URL"), ({"portrait": 3}, "must be str"),
        ({"portrait": "http://127.0.0.1/a.png"}, "data URL"), ({}, "missing"),
        ({"portrait": start + "%%"}, "base64"), ({"portrait": start + "YWJj"}, "no picture"),
        ({"portrait": data_url(wide)}, f"16 to {MOST_SIDE}"),
        ({"portrait": data_url(wide[:, :200], most=60)}, "damaged"),
        (good | {"size": 4000}, "size 4000"), (good | {"dials": {"nose": 1}}, "'nose'"),
        (good | {"dials": {"head": 10**400}}, "'head'"), (good | {"encoding": "gif"}, "encoding"),
        (good | {"seed": -1}, "seed"), (good | {"dials": {"head": True}}, "'head'"),
        (good | {"anchors": {"nose": [0, 0]}, "portrait": data_url(wide[:, :40])}, "anchors"),
    ]

    async def run() -> None:
        async with client(server) as page:
            for values, said in wrong:
                await page.say("open", **values)
                error = await page.told("error")
                assert said in error["message"] and not error["fatal"], (values, error)
            await page.say("record", on=1)
            assert "open, ack, close" in (await page.told("error"))["message"]
            await page.socket.send_str("{")
            assert "JSON" in (await page.told("error"))["message"]
            await page.socket.send_bytes(b"GWMA")
            assert "int16" in (await page.told("error"))["message"]
            await page.open()
            await page.speak(babble(1), rate=7)
            assert "7 samples" in (await page.told("error"))["message"]
            for _ in range(MOST_BAD + 1):
                await page.say("nonsense")
            while not (await page.told("error"))["fatal"]:
                pass
            await page.until(lambda: page.over)
        async with client(server) as page:
            await page.socket.send_str("x" * (1 << 21))  # longer than any message may be
            await page.until(lambda: page.over)
            assert page.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG

    ran(run())


def test_sessions_and_links_are_bounded(server):
    async def run() -> None:
        async with client(server) as first, client(server) as second, client(server) as third:
            await first.open()
            await second.open()
            await third.say("open", portrait="anna")
            assert (await third.told("error"))["code"] == "full"
            await first.say("close")
            while server.stage.sessions > 1:
                await asyncio.sleep(0.01)
            await third.open()
            async with client(server), client(server) as fifth:
                error = await fifth.told("error")
                assert error["code"] == "full" and "4 pages" in error["message"]
        limit = time.monotonic() + WITHIN
        while server.stage.sessions:  # all have left
            assert time.monotonic() < limit
            await asyncio.sleep(0.01)

    ran(run())


def test_pages_of_other_servers_are_refused(server):
    async def status_of(headers) -> int:
        try:
            async with client(server, headers):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    async def run() -> None:
        for origin in ("https://example.org", "null", "http://127.0.0.1:1", "file://"):
            assert await status_of({"Origin": origin}) == 403, origin
        for host in ("example.org", f"127.0.0.1.example.org:{server.port}"):
            assert await status_of({"Host": host}) == 403
            assert await status_of({"Host": host, "Origin": f"http://{host}"}) == 403
            assert (await get(server, "/avatar", {"Host": host}))[0] == 403
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert await status_of(elsewhere) == 403
        assert (await get(server, "/v1/avatar/portraits", elsewhere))[0] == 403
        assert await status_of({"Origin": server.url}) == 101
        assert await status_of({}) == 101
        assert (await get(server, "/v1/avatar/none"))[0] == 404

    ran(run())


def test_a_key(net, portrait):
    with pytest.raises(AvatarError, match="--key"):
        AvatarServer(model_of(net), host="0.0.0.0")

    def subprotocol(key: str) -> str:
        return "gwm-key." + base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")

    async def run(server) -> None:
        assert (await get(server, "/avatar"))[0] == 200  # it holds nothing
        assert (await get(server, "/v1/avatar/portraits"))[0] == 401
        right = {"Authorization": f"Bearer {KEY}"}
        assert (await get(server, "/v1/avatar/portraits", right))[0] == 200
        for headers, protocols in (({}, ()), ({"Authorization": KEY}, ()),
                                   ({}, ("gwm-avatar", subprotocol("wrong")))):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                async with client(server, headers, protocols):
                    pass
            assert caught.value.status == 401
        with pytest.raises(aiohttp.WSServerHandshakeError):  # a key opens no foreign page's socket
            async with client(server, right | {"Origin": "https://example.org"}):
                pass
        for headers, protocols in ((right, ()), ({}, ("gwm-avatar", subprotocol(KEY)))):
            async with client(server, headers, protocols) as page:
                assert page.socket.protocol == ("gwm-avatar" if protocols else None)
                await page.open()

    model = model_of(net)
    with AvatarServer(model, {"anna": portrait}, host="0.0.0.0", key=KEY) as server:
        ran(run(server))


def test_at_its_end_everybody_is_told(net, portrait):
    async def run(server) -> None:
        async with client(server) as page:
            await page.open()
            ended = asyncio.get_running_loop().run_in_executor(None, server.stop)
            assert "ends" in (await page.told("closed"))["why"]
            await ended
            assert not server.alive()

    with AvatarServer(model_of(net), {"anna": portrait}) as server:
        ran(run(server))


# The command


def test_the_command(net, tmp_path):
    save_faces(tmp_path / "faces.safetensors", net, model_of(net).reading)
    command = [sys.executable, "-m", "gwm_core.cli", "serve", "--avatars", "--port", "0", "--model",
               str(tmp_path / "faces.safetensors"), "--portrait", str(PICTURE)]
    # A shell's background job ignores Ctrl-C, and what it starts as well
    listens = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, preexec_fn=listens) as process:
        try:
            assert "portrait 'anime'" in process.stdout.readline()
            assert "starting" in process.stdout.readline()
            line = process.stdout.readline()
            assert "/avatar; Ctrl-C" in line, process.stderr.read()

            class There:
                url = line.split("answers at ")[1].split("/avatar")[0]

            async def run() -> None:
                async with client(There) as page:
                    await page.open("anime", size=96)
                    await page.speak(babble(8))
                    await page.until(lambda: page.frames[-1][0]["tick"] > 0)

            ran(run())
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            rest = process.stdout.read() + process.stderr.read()
            assert "Traceback" not in rest and "stopping" in rest
        finally:
            process.kill()


def test_portraits_that_are_called_the_same(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("a.png", "b/a.png", "b/a.jpg"):
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / name)
    files = [tmp_path / name for name in ("a.png", "b/a.png", "b/a.jpg")]
    assert list(portraits_in(files)) == ["a", "a 2", "a 3"]
    from gwm_core.cli.main import main

    assert main(["serve", "--portrait", str(files[0])]) == 2
    assert main(["serve", "--avatars", "--portrait", os.devnull]) == 2
