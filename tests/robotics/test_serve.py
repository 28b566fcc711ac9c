"""`gwm serve`: Runway's own client, unmodified, against an untrained model over real HTTP.

What a client cannot send by itself (NaN, 18 actions, half a request) is sent by hand.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runway_robotics_sdk import APIStatusError, AuthenticationError, RunwayRobotics
from runwayml import NotFoundError

from gwm_core.errors import RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics.loading import save_table
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.table_model import TableModel
from gwm_core.serve import gate, runway
from gwm_core.serve.chunks import Ask, Chunks
from gwm_core.serve.media import last_frame
from gwm_core.serve.poses import RESTING
from gwm_core.serve.server import Server
from gwm_core.simulators.tabletop import Tabletop

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-of-ones-own"


@pytest.fixture(scope="module")
def model() -> TableModel:
    torch.manual_seed(0)
    return TableModel(SceneReader(width=8), ContactNet(width=16), tabletop_rig())


@pytest.fixture(scope="module")
def server(model):
    with Server(model) as server:
        yield server


@pytest.fixture(scope="module")
def look() -> dict:
    return Tabletop("push", 3).observe()


def poses(look: dict, count: int, step=(0.01, 0.005, -0.002), turn: float = 0.03) -> np.ndarray:
    """A path of absolute poses from where the gripper is at the look; the fingers close."""
    t = np.arange(count)[:, None]
    out = np.concatenate([look["agent_pos"][:6] + 0 * t, np.zeros((count, 1))], 1)
    out[:, :3] += t * step
    out[:, 5] += turn * t[:, 0]
    out[:, 6] = np.clip(t[:, 0] / 20, 0, 1)
    return out


def world(server, look, wrist=True, key="local"):
    client = RunwayRobotics(api_key=key, base_url=server.url)
    views = look["pixels"]
    return client.world_model.create(views["front"], views["wrist"] if wrist else None)


def alone(model, look, path: np.ndarray) -> list[np.ndarray]:
    """Front and wrist frames of the same path in the model itself, without any service."""
    state = model.begin({"pixels": look["pixels"] | {"side": look["pixels"]["front"]},
                         "agent_pos": np.array([*path[0][:6], 1 - path[0][6], 0, 0], np.float32)})
    frames = []
    for row in path:
        change = row[:6] - state.robot.target[0].numpy()
        closes = (row[6] - float(state.robot.closing)) / 0.5
        limit = np.array([0.04] * 3 + [0.3] * 3 + [1.0])
        action = np.clip([*change, closes], -limit, limit)
        state, seen = model.step(state, action)
        frames.append(np.concatenate([seen["pixels"]["front"][0], seen["pixels"]["wrist"][0]], 1))
    return frames


def ask(server, method: str, path: str, body=None, headers=None) -> tuple[int, dict | bytes]:
    """One request by hand: (status, JSON or bytes)."""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        link.request(method, path, data, headers or {})
        reply = link.getresponse()
        raw = reply.read()
        try:
            return reply.status, json.loads(raw or b"{}")
        except ValueError:
            return reply.status, raw
    finally:
        link.close()


def form(data: bytes, name: str = "file") -> tuple[bytes, dict]:
    head = (f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n").encode()
    return head + data + b"\r\n--edge--\r\n", {
        "Content-Type": "multipart/form-data; boundary=edge"}


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def upload(server, data: bytes) -> str:
    """The address of an uploaded file."""
    status, place = ask(server, "POST", "/v1/uploads", {"filename": "a.png", "type": "ephemeral"})
    assert status == 200
    body, headers = form(data)
    assert ask(server, "POST", path_of(place["uploadUrl"]), body, headers)[0] == 204
    return place["runwayUri"]


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def chunk(server, rows, **uri) -> dict:
    """A finished task of rows asked for by hand."""
    status, answer = ask(server, "POST", "/v1/robotics_action_to_video",
                         {"model": "robotics_v1", "robotAction": np.asarray(rows).tolist(),
                          "seed": 0, **uri})
    assert status == 200, answer
    status, task = ask(server, "GET", f"/v1/tasks/{answer['id']}")
    assert status == 200 and task["status"] == "SUCCEEDED", task
    return task


# Runway's client


def test_three_chunks_of_two_views_are_one_exact_run(model, server, look, tmp_path):
    env, path = world(server, look), poses(look, 51)
    for k in range(3):
        seen = env.step(path[17 * k : 17 * k + 17])
        assert seen.base_image.shape == seen.wrist_image.shape == (64, 64, 3)
    true = alone(model, look, path)
    assert len(env.frames) == 51
    # The client sends its past back as a lossy video: nothing of that may be seen.
    assert all(np.array_equal(a, b) for a, b in zip(env.frames, true, strict=True))
    assert np.abs(true[0].astype(int) - true[-1]).mean() > 1  # and it was not a still
    env.save(tmp_path / "run.mp4")
    count, last = last_frame((tmp_path / "run.mp4").read_bytes())
    assert count == 51 and last.shape == (64, 128, 3)
    assert np.abs(last.astype(int) - true[-1]).mean() < 12


def test_short_chunks_and_a_single_view(model, server, look):
    env, path = world(server, look, wrist=False), poses(look, 25)
    for start, end in ((0, 5), (5, 22), (22, 25)):
        seen = env.step(path[start:end].tolist())
        assert seen.wrist_image is None
    one_view = {"pixels": dict.fromkeys(("front", "side", "wrist"), look["pixels"]["front"]),
                "agent_pos": look["agent_pos"]}
    true = alone(model, one_view, path)
    assert len(env.frames) == 25
    assert all(np.array_equal(a, b[:, :64]) for a, b in zip(env.frames, true, strict=True))


def test_runs_side_by_side_are_not_mixed_up(model, server):
    """Two clients send the same actions from two tables, turn by turn."""
    looks = [Tabletop("push", seed).observe() for seed in (1, 5)]
    for one in looks:
        one["agent_pos"] = looks[0]["agent_pos"].copy()
    path = poses(looks[0], 34)
    envs = [world(server, one) for one in looks]
    for k in range(2):
        for env in envs:
            env.step(path[17 * k : 17 * k + 17])
    for env, one in zip(envs, looks, strict=True):
        assert np.array_equal(env.frames[-1], alone(model, one, path)[-1])


def test_large_pictures_and_another_robots_frame(server):
    grey = np.full((480, 640, 3), 90, np.uint8)
    grey[200:280, 300:340] = (200, 30, 30)
    env = RunwayRobotics(api_key="local", base_url=server.url).world_model.create(
        Image.fromarray(grey), grey)
    path = np.tile([0.5, 0.1, 0.4, 3.1, 0.0, -0.1, 0.0], (17, 1))
    path[:, 0] += 0.01 * np.arange(17)
    seen = env.step(path)
    assert seen.base_image.shape == (64, 64, 3) and len(env.frames) == 17
    # Such a run goes on too, and a service that knows nothing of it begins anew from its pixels.
    env.step(path[-1:])
    assert len(env.frames) == 18


def test_what_is_unknown_begins_anew_from_pixels(model, look):
    path = poses(look, 34)
    with Server(model) as first:
        env = world(first, look)
        env.step(path[:17])
    with Server(model) as second:
        env.client = RunwayRobotics(api_key="local", base_url=second.url)._client
        env.step(path[17:])
        assert len(env.frames) == 34
        uri = upload(second, png(env.frames[20]))
        assert chunk(second, path[20:22], promptImage=uri)["continued"] is True
        uri = upload(second, png(env.frames[20] ^ 1))
        task = chunk(second, path[20:22], promptImage=uri)
        assert task["continued"] is False and task["shifted"] is False


def test_poses_beyond_reach_are_changes_from_rest(model):
    from gwm_core.serve.poses import Frame, felt

    far = np.array([0.5, 0.1, 0.4, np.pi, 0.0, -0.1, 0.2])
    frame = Frame.of(far)
    assert np.allclose(frame.pose(far), RESTING)
    assert felt(frame, far) == pytest.approx([*RESTING, 0.8, 0, 0])
    moved = far + [0.02, -0.03, 0.01, 0, 0, 0.2, 0]
    assert np.allclose(frame.pose(moved), RESTING + [0.02, -0.03, 0.01, 0, 0, 0.2])
    near = np.array([0.1, -0.2, 0.1, 0.0, 0.0, 1.0, 0.0])
    assert Frame.of(near).first is None and np.allclose(Frame.of(near).pose(near), near[:6])


@pytest.mark.parametrize(("size", "kept"), [(1 << 30, 2), (1, 0)])
def test_what_is_kept_of_runs_is_bounded(model, look, size, kept):
    limits = (np.full(7, -1.0), np.ones(7))
    chunks, path = Chunks(model, limits, 10.0, most=2, size=size), poses(look, 12)
    start, _ = chunks.start(Ask(look["pixels"]["front"], 1, path[:1], path[:3]))
    for k in range(4):
        chunks.start = lambda ask: (start, False)  # a first look is read once
        chunk = chunks.begin(Ask(look["pixels"]["front"], 1, path[:1], path[k : k + 3]))
        while chunk.advance():
            pass
        assert last_frame(chunk.video)[0] == 3
    assert len(chunks) == kept and len(chunks._shelf_of) == 3 * kept
    known = {id(p) for points in chunks._by_action.values() for p in points}
    assert len(known) == 3 * kept and {id(p) for p in chunks._by_mark.values()} <= known


# What is refused


def test_wrong_actions(server, look, monkeypatch):
    env = world(server, look)
    monkeypatch.setattr(env, "_action", np.zeros((0, 6)))  # its own check of the width
    with pytest.raises(APIStatusError, match="a row of 6 numbers; 7 are accepted") as caught:
        env.step(np.zeros((3, 6)))
    assert caught.value.status_code == 400
    uri = upload(server, png(look["pixels"]["front"]))
    for rows, said in (([[0.0] * 7] * 19, "18 actions"), ([[0.0] * 7], "0 actions"),
                       ([[0.0] * 7] * 900, "900 rows"), ([[0.0] * 7, [0.0] * 6], "a row of 6"),
                       ([[float("nan")] + [0.0] * 6] * 3, "finite"), ([["a"] * 7], "finite"),
                       ([[10**400] * 7], "finite"), ([[[0.0]] * 7], "finite"), ([7], "a row of"),
                       ("no", "rows"), (None, "rows"), ([], "0 rows")):
        status, answer = ask(server, "POST", "/v1/robotics_action_to_video",
                             {"robotAction": rows, "promptImage": uri})
        assert status == 400 and "robotAction" in answer["error"] and said in answer["error"]


def test_wrong_uploads(server, look):
    rows = {"robotAction": [[0.0] * 7] * 3}
    for given, said in (({}, "0 of them"), ({"promptImage": "runway://none"}, "upload"),
                        ({"promptImage": "http://127.0.0.1/a.png"}, "upload"),
                        ({"promptImage": "file:///etc/hostname"}, "upload"),
                        ({"promptImage": "a", "contextVideoUri": "b"}, "2 of them"),
                        ({"promptImage": upload(server, b"no picture")}, "PNG"),
                        ({"promptImage": upload(server, b"1234ftypisom" + bytes(50))}, "damaged"),
                        ({"promptImage": upload(server, png(look["pixels"]["front"])[:200])},
                         "damaged"),
                        ({"promptImage": upload(server, png(np.zeros((8, 900, 3), np.uint8)))},
                         "900x8")):
        status, answer = ask(server, "POST", "/v1/robotics_action_to_video", rows | given)
        assert status == 400 and said in answer["error"], (given, answer)


def test_bodies_have_a_limit(server, monkeypatch):
    monkeypatch.setattr(runway, "MAX_UPLOAD", 100_000)
    _, place = ask(server, "POST", "/v1/uploads", {"filename": "a"})
    body, headers = form(bytes(300_000))
    status, answer = ask(server, "POST", path_of(place["uploadUrl"]), body, headers)
    assert status == 413 and "upload" in answer["error"]
    body, headers = form(bytes(120_000))  # within the form's allowance, beyond the file's
    status, answer = ask(server, "POST", path_of(place["uploadUrl"]), body, headers)
    assert status == 400 and "upload" in answer["error"]
    body, headers = form(bytes(1000))  # the place is still good
    assert ask(server, "POST", path_of(place["uploadUrl"]), body, headers)[0] == 204
    assert ask(server, "POST", path_of(place["uploadUrl"]), body, headers)[0] == 404
    body, headers = form(b"x", name="other")
    _, place = ask(server, "POST", "/v1/uploads", {"filename": "a"})
    status, answer = ask(server, "POST", path_of(place["uploadUrl"]), body, headers)
    assert status == 400 and '"file"' in answer["error"]
    status, answer = ask(server, "POST", "/v1/robotics_action_to_video",
                         b"[" + b"0," * (gate.MAX_BODY // 2) + b"0]")
    assert status == 413 and "too large" in answer["error"]


def test_json_and_unknown_calls(server):
    for body in (b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000):
        status, answer = ask(server, "POST", "/v1/robotics_action_to_video", body)
        assert status == 400 and "JSON" in answer["error"]
    assert ask(server, "GET", "/v1/tasks/none")[0] == 404
    assert ask(server, "DELETE", "/v1/tasks/none")[0] == 404
    assert ask(server, "GET", "/v1/outputs/none.mp4")[0] == 404
    status, answer = ask(server, "GET", "/etc/passwd")
    assert status == 404 and "no such call" in answer["error"]
    client = RunwayRobotics(api_key="local", base_url=server.url)
    with pytest.raises(NotFoundError, match="no such call"):
        client.image_to_video.generate(np.zeros((64, 64, 3), np.uint8), "a table")


def test_ids_are_long_and_a_task_can_be_ended(server, look):
    uri = upload(server, png(look["pixels"]["front"]))
    again = upload(server, png(look["pixels"]["front"]))
    assert uri != again and len(uri) > 35
    _, answer = ask(server, "POST", "/v1/robotics_action_to_video",
                    {"robotAction": poses(look, 18).tolist(), "promptImage": uri})
    assert ask(server, "DELETE", f"/v1/tasks/{answer['id']}")[0] == 204
    assert ask(server, "GET", f"/v1/tasks/{answer['id']}")[0] == 404


def test_pages_of_websites_are_refused(server):
    body = {"filename": "a"}
    for headers in ({"Origin": "https://example.org"}, {"Origin": "null"}, {"Origin": server.url},
                    {"Sec-Fetch-Site": "cross-site"}, {"Host": "example.org"},
                    {"Host": "127.0.0.1.example.org:80"}):
        status, answer = ask(server, "POST", "/v1/uploads", body, headers)
        assert status == 403, headers
        assert "Access-Control-Allow-Origin" not in answer
    for host in ("localhost", "127.0.0.1:8009", "[::1]:8009"):
        assert ask(server, "POST", "/v1/uploads", body, {"Host": host})[0] == 200


def test_a_key(model, look):
    with Server(model, host="0.0.0.0", key=KEY) as server:
        with pytest.raises(AuthenticationError, match="key"):
            world(server, look, key="wrong").step(poses(look, 2))
        for headers in ({}, {"Authorization": KEY}, {"Authorization": f"Bearer {KEY}x"}):
            assert ask(server, "GET", "/v1/gwm/model", headers=headers)[0] == 401
            assert ask(server, "POST", "/v1/uploads", {"filename": "a"}, headers)[0] == 401
        env = world(server, look, key=KEY)
        env.step(poses(look, 3))
        assert len(env.frames) == 3


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_beyond_loopback_only_with_a_key(model, host):
    with pytest.raises(RoboticsError, match="--key"):
        Server(model, host=host)


def test_addresses_that_cannot_be_had(model, server):
    with pytest.raises(RoboticsError, match="taken"):
        Server(model, port=server.port).start()
    with pytest.raises(RoboticsError, match="address of this machine"):
        Server(model, host="192.0.2.1", key=KEY).start()
    with pytest.raises(RoboticsError, match="--port"):
        Server(model, port=70_000)
    with pytest.raises(RoboticsError, match="ASCII"):
        Server(model, key="schlüssel")


def test_killed_clients_harm_nobody(model, server, look, caplog):
    """Some break off in the middle of a head, a body, an upload, or before their answer."""
    _, place = ask(server, "POST", "/v1/uploads", {"filename": "a"})
    body, headers = form(bytes(200_000))
    uri = upload(server, png(look["pixels"]["front"]))
    rows = json.dumps({"robotAction": poses(look, 18).tolist(), "promptImage": uri}).encode()

    def post(path: str, data: bytes, kind: str = "application/json") -> bytes:
        return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(data)}\r\n\r\n").encode() + data

    whole = post("/v1/robotics_action_to_video", rows)
    for sent in (b"POST /v1/upl", whole[:300], whole,
                 post(path_of(place["uploadUrl"]), body, headers["Content-Type"])[:90_000]):
        with socket.create_connection(("127.0.0.1", server.port)) as link:
            link.sendall(sent)
            time.sleep(0.1)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    env, path = world(server, look), poses(look, 17)
    env.step(path)
    assert np.array_equal(env.frames[-1], alone(model, look, path)[-1])
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


def test_files_are_removed_at_the_end(model, look):
    with Server(model) as server:
        upload(server, png(look["pixels"]["front"]))
        folder = server.folder
        assert len(list(folder.iterdir())) == 1
    assert not folder.exists()
    server.stop()  # again: nothing happens
    with pytest.raises(ConnectionError):
        ask(server, "GET", "/v1/gwm/model")


# The command


def test_the_command_serves_a_checkpoint_and_ends_at_ctrl_c(model, look, tmp_path):
    file = tmp_path / "table.safetensors"
    save_table(file, model.reader, model.contacts)
    command = [sys.executable, "-m", "gwm_core.cli", "serve", "--port", "0", "--model", str(file)]
    # A shell's background job ignores Ctrl-C, and what it starts as well
    listens = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, preexec_fn=listens) as process:
        try:
            assert "starting gwm-tabletop" in process.stdout.readline()
            line = process.stdout.readline()
            assert "answers at http://127.0.0.1:" in line, process.stderr.read()
            url = line.split("answers at ")[1].split(";")[0]
            env = RunwayRobotics(api_key="local", base_url=url).world_model.create(
                look["pixels"]["front"], look["pixels"]["wrist"])
            env.step(poses(look, 4))
            assert len(env.frames) == 4
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            rest = process.stdout.read() + process.stderr.read()
            assert "Traceback" not in rest and "stopping" in rest
        finally:
            process.kill()


def test_the_command_says_what_is_wrong(tmp_path):
    for key, more, said in (("", ["--host", "0.0.0.0"], "--key"),
                            ("two words", ["--host", "0.0.0.0"], "ASCII"),
                            ("", ["--model", str(tmp_path / "none.safetensors")], "none.safe")):
        done = subprocess.run([sys.executable, "-m", "gwm_core.cli", "serve", *more], cwd=ROOT,
                              env={**os.environ, "GWM_SERVE_KEY": key}, capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
