"""Live avatars without a host: sound in, frames out, recordings, limits, and what is refused."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext

import numpy as np
import pytest

from gwm_core.avatars.live import IN_FLIGHT, LiveAvatar
from gwm_core.avatars.live_hub import HEAD, MAGIC, MOST_A_SECOND, AvatarHub, Cast, Limits
from gwm_core.avatars.take import read_take, write_take
from gwm_core.errors import AvatarError, SessionError
from gwm_core.live.messages import unpack

RATE = 48_000
TICK = RATE // 25
TOKEN = "t" * 20


class Loudness:
    """A driver whose jaw is the loudness of each 40 ms: enough to see what came through."""

    def __init__(self):
        self.left = np.zeros((0, 2), np.float32)

    def push(self, self_audio, other_audio, rate):
        assert rate == RATE
        self.left = np.concatenate([self.left, np.stack([self_audio, other_audio], 1)])

    def pull(self):
        ticks = len(self.left) // TICK
        sound, self.left = self.left[: ticks * TICK], self.left[ticks * TICK :]
        motion = np.zeros((ticks, 24), np.float32)
        if ticks:
            motion[:, 0] = np.abs(sound[:, 0]).reshape(ticks, -1).max(axis=1)
            motion[:, 1] = np.abs(sound[:, 1]).reshape(ticks, -1).max(axis=1)
        return motion


def draw(motion):
    return np.full((12, 16, 3), np.rint(255 * motion[:2].sum()), np.uint8)


class Page:
    def __init__(self, hub, acks=True):
        self.texts, self.frames, self.acks, self.ended = [], [], acks, False
        self.link = hub.connect(self.hear, True, self.end)

    def hear(self, data):
        if isinstance(data, str):
            self.texts.append(json.loads(data))
            return
        header, picture = unpack(data)
        self.frames.append((header, np.frombuffer(picture, np.uint8).reshape(12, 16, 3)))
        if self.acks:
            self.say("ack", n=header["n"])

    def end(self):
        self.ended = True

    def say(self, kind, **values):
        self.link.receive(json.dumps({"type": kind, **values}))

    def speak(self, pcm, rate=RATE):
        self.link.receive(MAGIC + rate.to_bytes(4, "little") + pcm.astype("<i2").tobytes())

    def told(self, kind):
        return [text for text in self.texts if text["type"] == kind]

    def errors(self):
        return [text["message"] for text in self.told("error")]


def wait_for(condition, seconds=5.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "nothing happened"
        time.sleep(0.005)


def cast(folder):
    def make(send, encoding):
        return LiveAvatar(Loudness, draw, send, encoding, nullcontext, folder)

    return Cast(make, 16, 12)


@pytest.fixture
def on_air(tmp_path):
    hub = AvatarHub()
    page = Page(hub)
    page.say("open", token=TOKEN)
    assert not page.told("opened")
    hub.offer(TOKEN, cast(tmp_path))
    wait_for(lambda: page.frames)
    yield hub, page
    page.link.left()


def tone(ticks, left=0.0, right=0.0):
    one = np.rint(32767 * np.array([left, right]))
    return np.tile(one, (ticks * TICK, 1))


def test_sound_becomes_frames_in_step(on_air):
    _, page = on_air
    assert page.told("opened")[0]["width"] == 16
    header, picture = page.frames[0]
    assert header["tick"] == 0 and not picture.any()
    for tick, level in ((1, 0.2), (2, 0.8), (3, 0.0)):
        page.speak(tone(1, left=level))
        wait_for(lambda tick=tick: page.frames[-1][0]["tick"] == tick)
    shown = [int(picture[0, 0, 0]) for _, picture in page.frames]
    assert shown == [0, 51, 204, 0]
    assert [header["n"] for header, _ in page.frames] == [1, 2, 3, 4]


def test_a_page_that_does_not_answer_gets_no_more_frames(on_air):
    _, page = on_air
    page.acks = False
    for _ in range(10):
        page.speak(tone(1, left=0.5))
    wait_for(lambda: page.link.avatar.tick == 10)
    assert len(page.frames) <= 1 + IN_FLIGHT
    assert page.link.avatar.left_out >= 10 - IN_FLIGHT
    page.say("ack", n=page.frames[-1][0]["n"])
    page.speak(tone(1, left=1.0))
    wait_for(lambda: page.frames[-1][0]["tick"] == 11)
    assert page.frames[-1][1][0, 0, 0] == 255


def test_a_recording_holds_exactly_what_was_said(on_air, tmp_path):
    _, page = on_air
    generator = np.random.default_rng(1)
    page.speak(tone(2, left=0.5))  # before: no part of it
    page.say("record", on=1)
    said = generator.integers(-32768, 32768, (5 * TICK + 7, 2))
    for start in range(0, len(said), 1024):
        page.speak(said[start : start + 1024])
    page.say("record", on=0)
    wait_for(lambda: len(page.told("recording")) == 2)
    done = page.told("recording")[1]
    own, other, rate = read_take(tmp_path / done["file"])
    assert rate == RATE and done["seconds"] == round(len(said) / RATE, 3)
    assert np.array_equal(np.stack([own, other], 1) * 32768, said)
    assert [file.name for file in tmp_path.iterdir()] == [done["file"]]


def test_a_recording_begins_with_a_fresh_driver(on_air):
    _, page = on_air
    page.speak(tone(3, left=0.5)[: 5 * TICK // 2])  # two ticks and a half that are no part of it
    page.say("record", on=1)
    page.speak(tone(1, left=0.25))
    wait_for(lambda: page.told("recording") and page.link.avatar.tick == 1
             and page.frames[-1][0]["tick"] == 1)
    assert page.frames[-1][1][0, 0, 0] == 64


def test_nothing_said_is_no_recording(on_air, tmp_path):
    _, page = on_air
    page.say("record", on=1)
    page.say("record", on=0)
    wait_for(lambda: page.errors())
    assert "nothing was said" in page.errors()[0] and not list(tmp_path.iterdir())
    page.speak(tone(1, left=1.0))  # and it goes on
    wait_for(lambda: page.frames[-1][0]["tick"] == 1)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "0 bytes"),
        (MAGIC + (48000).to_bytes(4, "little"), "8 bytes"),
        (MAGIC + (48000).to_bytes(4, "little") + b"123", "11 bytes"),
        (b"WAVE" + (48000).to_bytes(4, "little") + b"1234", "GWMA"),
        (MAGIC + (12345).to_bytes(4, "little") + b"1234", "12345"),
        (MAGIC + (48000).to_bytes(4, "little") + bytes(4 * 96_001), "96000"),
        ("{", "JSON"),
        ('{"type": "steal"}', "steal"),
        ('{"type": "ack"}', "'n'"),
    ],
)
def test_wrong_messages_are_refused_with_a_sentence(on_air, data, word):
    _, page = on_air
    page.link.receive(data)
    assert word in page.errors()[-1] and not page.ended
    page.speak(tone(1, left=1.0))
    wait_for(lambda: page.frames[-1][0]["tick"] == 1)


def test_floods_end(on_air):
    _, page = on_air
    for _ in range(MOST_A_SECOND + 50):
        page.say("ack", n=1)
    assert page.ended and "messages a second" in page.errors()[-1]


def test_sessions_and_links_are_bounded(tmp_path):
    hub = AvatarHub(Limits(sessions=1, links=2))
    first, second = Page(hub), Page(hub)
    with pytest.raises(SessionError, match="2 pages"):
        Page(hub)
    for page, token in ((first, "a" * 20), (second, "b" * 20)):
        hub.offer(token, cast(tmp_path))
        page.say("open", token=token)
    assert hub.sessions == 1
    assert "1 avatars are live" in second.errors()[0]
    first.link.left()
    assert hub.sessions == 0
    hub.offer("c" * 20, cast(tmp_path))
    second.say("open", token="c" * 20)
    assert hub.sessions == 1
    hub.free("memory")
    assert hub.sessions == 0 and second.told("closed")[0]["why"] == "memory"
    second.link.left()


def test_time_and_silence_end_a_session(tmp_path):
    now = [0.0]
    hub = AvatarHub(Limits(seconds=100, silent=10), clock=lambda: now[0])
    page = Page(hub)

    def make(send, encoding):
        return LiveAvatar(Loudness, draw, send, encoding, nullcontext, tmp_path, lambda: now[0])

    for began, end, word in ((0.0, 11.0, "No sound"), (200.0, 301.0, "longest time")):
        now[0] = began
        hub.offer(TOKEN, Cast(make, 16, 12))
        page.say("open", token=TOKEN)
        page.speak(tone(1))
        assert hub.sessions == 1
        while end - now[0] > 5 and end > 100:
            now[0] += 5.0
            page.speak(tone(1))
        now[0] = end
        page.link.look(end)
        assert hub.sessions == 0 and word in page.told("closed")[-1]["why"]
    page.link.left()


def test_a_driver_that_fails_says_so(tmp_path):
    class Broken(Loudness):
        def pull(self):
            raise AvatarError("voice: it broke")

    hub = AvatarHub()
    page = Page(hub)
    hub.offer(TOKEN, Cast(
        lambda send, encoding: LiveAvatar(Broken, draw, send, encoding, nullcontext, tmp_path),
        16, 12))
    page.say("open", token=TOKEN)
    page.speak(tone(1))
    wait_for(lambda: page.errors())
    assert page.errors() == ["voice: it broke"] and page.told("error")[0]["fatal"]
    page.link.left()


def test_files_of_other_programs_are_read_too(tmp_path):
    pcm = np.random.default_rng(0).integers(-3000, 3000, (5000, 2)).astype(np.int16)
    path = write_take(tmp_path / "a.flac", pcm, 44_100)
    own, other, rate = read_take(path)
    assert rate == 44_100 and len(own) == len(other) == 5000
    (tmp_path / "no.flac").write_bytes(b"nothing")
    with pytest.raises(AvatarError, match="no.flac"):
        read_take(tmp_path / "no.flac")
    assert HEAD == 8


def test_a_slow_machine_leaves_frames_out_and_keeps_all_sound(tmp_path):
    """Drawing takes longer than a tick: what is seen must not get later and later."""
    hub, seconds = AvatarHub(), 1.6
    page = Page(hub)

    def slow(motion):
        time.sleep(0.1)
        return draw(motion)

    def make(send, encoding):
        return LiveAvatar(Loudness, slow, send, encoding, nullcontext, tmp_path)

    page.say("open", token=TOKEN)
    hub.offer(TOKEN, Cast(make, 16, 12))
    wait_for(lambda: page.frames)
    began = time.monotonic()
    for tick in range(round(25 * seconds)):
        page.speak(tone(1, left=0.5))
        time.sleep(max(0, began + 0.04 * (tick + 1) - time.monotonic()))
    avatar = page.link.avatar
    wait_for(lambda: avatar.tick == round(25 * seconds))
    header = page.frames[-1][0]
    assert avatar.lost == 0 and header["made"] < 400 and header["tick"] >= 30
    assert 5 < len(page.frames) < 20
    page.link.left()
