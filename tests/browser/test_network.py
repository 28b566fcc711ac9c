"""Where artists work: plain http in a LAN, and https behind a proxy with a base path."""

from __future__ import annotations

import os

import pytest

from .conftest import Editor
from .play import Play, fit, graph
from .proxy import Proxy

#: Addresses that Chromium is told to find on this machine; to it they are no secure places.
#: Numbers: ComfyUI looks up every name that an Origin has, and waits where no name server answers.
LAN, ART = "192.168.77.1", "192.168.77.2"


def opened(browser, comfy, address: str, **context) -> Editor:
    """An editor at an address, with the example open."""
    settings = {
        "Comfy.TutorialCompleted": True,
        "Comfy.VueNodes.Enabled": False,
        "Comfy.Workflow.Persist": False,
    }
    comfy.client.call("/settings", settings)
    page = browser.new_context(viewport={"width": 1600, "height": 1000}, **context).new_page()
    editor = Editor(page, comfy, "bundled", "litegraph")
    page.on("console", lambda m: m.type == "error" and editor.errors.append(m.text))
    page.goto(address, wait_until="domcontentloaded", timeout=120_000)
    page.wait_for_function(
        "() => window.app?.graph && window.app.extensionManager && window.app.vueAppReady",
        timeout=90_000,
    )
    editor.load(graph())
    fit(editor)
    return editor


def watch_encoding(editor, player) -> None:
    """Keep how pictures travel, for ``encoding``."""
    editor.page.evaluate(
        f"""() => {{
            const {{ session }} = {player.js}, told = session.events.message;
            session.events.message = (message) => {{
                session.seen = message.header.frames.encoding;
                told(message);
            }};
        }}"""
    )


# A page of this very machine is sent raw pictures: compressing would cost more than it saves.
@pytest.mark.parametrize("quality, encoding", [("auto", "raw"), ("small", "jpeg")])
def test_plain_http_has_pictures_sound_and_says_what_is_missing(
    browser, _session_comfy, quality, encoding
):
    port = _session_comfy.url.rsplit(":", 1)[1]
    editor = opened(browser, _session_comfy, f"http://{LAN}:{port}")
    try:
        assert editor.page.evaluate("() => isSecureContext") is False
        assert editor.page.evaluate("() => 'audioWorklet' in AudioContext.prototype") is False
        editor.page.evaluate(
            "(value) => app.extensionManager.setting.set('gwm.play.quality', value)", quality
        )
        player = Play(editor)
        watch_encoding(editor, player)
        player.play()
        player.until("p.ticks >= 12 && p.stats.audioOffsets.length >= 10")
        assert player.get("session.seen") == encoding
        player.press("helpButton")
        text = player.root.locator(".gwm-play-help-text").inner_text()
        assert "https and localhost only" in text
        player.press("play")
        player.until("p.state === 'paused' && p.ticks >= 12")
        assert editor.own_errors() == []
    finally:
        editor.page.context.close()


@pytest.fixture(scope="module")
def proxied(start_comfy, newest_frontend, tmp_path_factory):
    """A server that believes its proxy, and the proxy. (Frontend 1.32.9 itself stays blank under
    a base path.)"""
    os.environ["GWM_TRUSTED_PROXY"] = "127.0.0.1"
    try:
        comfy = start_comfy("--front-end-root", str(newest_frontend))
    finally:
        del os.environ["GWM_TRUSTED_PROXY"]
    proxy = Proxy(comfy.url, "studio/one", tmp_path_factory.mktemp("proxy"))
    yield comfy, proxy
    proxy.stop()
    comfy.stop()


def test_https_behind_a_proxy_with_a_base_path(browser, proxied):
    comfy, proxy = proxied
    address = f"https://{ART}:{proxy.port}/{proxy.base}/"
    editor = opened(browser, comfy, address, ignore_https_errors=True)
    try:
        player = Play(editor)
        socket = player.get("session.socket.address")
        assert socket == f"wss://{ART}:{proxy.port}/{proxy.base}/api/gwm/live"
        watch_encoding(editor, player)
        player.play()
        player.until("p.ticks >= 12")
        assert player.get("session.seen") == "png", "without loss, on any network"
        editor.shot("proxy")
        player.press("play")
        player.until("p.state === 'paused'")
        assert len(player.walk["last"]) == 64
    finally:
        editor.page.context.close()


def test_a_proxy_that_nobody_named_is_refused_with_a_sentence(
    browser, _session_comfy, tmp_path_factory
):
    proxy = Proxy(_session_comfy.url, "", tmp_path_factory.mktemp("proxy"))
    address = f"https://{ART}:{proxy.port}/"
    editor = opened(browser, _session_comfy, address, ignore_https_errors=True)
    try:
        player = Play(editor)
        player.press("big")
        notice = player.root.locator(".gwm-play-notice.is-error")
        notice.wait_for(timeout=60_000)
        assert "GWM_TRUSTED_PROXY" in notice.inner_text()
    finally:
        editor.page.context.close()
        proxy.stop()
