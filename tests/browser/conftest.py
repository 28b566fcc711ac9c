"""Chromium on the editor: every frontend under test in both of its node renderers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from gwm_core.cli import paths
from gwm_core.evaluation.play.browser import BROWSERS
from gwm_core.evaluation.play.browser import FLAGS as COMMON_FLAGS

FLAGS = [
    *COMMON_FLAGS,
    "--no-proxy-server",
    "--host-resolver-rules=MAP 192.168.77.1 127.0.0.1, MAP 192.168.77.2 127.0.0.1",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",  # and that nobody has to allow
    "--autoplay-policy=no-user-gesture-required",
]
FRONTENDS = ("bundled", "newest")
RENDERERS = {"litegraph": False, "vue": True}


@dataclass
class Editor:
    """A page of the editor. `errors` are what the console and the page complained of."""

    page: Page
    comfy: object
    frontend: str
    renderer: str
    errors: list[str] = field(default_factory=list)

    def open(self, address: str = "") -> None:
        """Load the editor and wait until its app is up."""
        self.errors.clear()
        self.page.goto(self.comfy.url + address, wait_until="domcontentloaded")
        self.page.wait_for_function(
            "() => window.app?.graph && window.app.extensionManager && window.app.vueAppReady",
            timeout=90_000,
        )

    def own_errors(self) -> list[str]:
        """Complaints that concern the pack (the host's own are not ours to judge, nor are the
        lookups of its online services)."""
        marks = (f"/extensions/{self.comfy.pack_name}/", "/gwm/", "GWM")
        elsewhere = ("https://api.comfy.org/", " @ https://")
        return [
            error
            for error in self.errors
            if any(mark in error for mark in marks) and not any(e in error for e in elsewhere)
        ]

    def load(self, workflow: dict) -> None:
        """Load a workflow into the graph."""
        self.page.evaluate("async (data) => { await window.app.loadGraphData(data) }", workflow)

    def nodes(self) -> list[dict]:
        """[{id, type, widgets: {name: value}}] of the open graph."""
        return self.page.evaluate(
            """() => window.app.graph.nodes.map((node) => ({
                id: String(node.id), type: node.type, missing: Boolean(node.has_errors),
                widgets: Object.fromEntries((node.widgets ?? [])
                    .filter((w) => w.options?.serialize !== false)
                    .map((w) => [w.name, w.value])),
            }))"""
        )

    def prompt(self) -> dict:
        """What the editor itself would queue."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def shot(self, name: str) -> None:
        """Keep a picture of the page in the folder GWM_SCREENSHOTS, if that is set."""
        folder = os.environ.get("GWM_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{folder}/{name}-{self.frontend}-{self.renderer}.png")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium: GWM_CHROMIUM, else the system's."""
    program = os.environ.get("GWM_CHROMIUM") or next(
        filter(None, map(shutil.which, BROWSERS)), None
    )
    if program is None:
        pytest.fail("no Chromium found: install it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def newest_frontend() -> Path:
    """The static folder of the newest comfyui-frontend-package, kept in the cache folder."""
    folder = paths.cache_dir() / "frontends"
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--dest", str(folder), "comfyui-frontend-package"]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))  # without a network the newest that was fetched before
    assert wheels, done.stderr
    wheel = max(wheels, key=_version)
    target = folder / wheel.stem
    if not target.exists():
        with zipfile.ZipFile(wheel) as source:
            source.extractall(target)
    return target / "comfyui_frontend_package" / "static"


def _version(wheel: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in wheel.name.split("-")[1].split("."))


@pytest.fixture(scope="module", params=FRONTENDS)
def frontend_comfy(
    request: pytest.FixtureRequest, _session_comfy, start_comfy: Callable
) -> Iterator[tuple]:
    """(server, name of its frontend) for each frontend under test."""
    if request.param == "bundled":
        yield _session_comfy, request.param
        return
    root = request.getfixturevalue("newest_frontend")
    comfy = start_comfy("--front-end-root", str(root))
    yield comfy, request.param
    comfy.stop()


@pytest.fixture(scope="module", params=RENDERERS)
def editor(request: pytest.FixtureRequest, frontend_comfy: tuple, browser: Browser):
    """An open editor: every frontend in both renderers."""
    comfy, frontend = frontend_comfy
    settings = {
        "Comfy.TutorialCompleted": True,
        "Comfy.VueNodes.Enabled": RENDERERS[request.param],
        "Comfy.Workflow.Persist": False,
    }
    comfy.client.call("/settings", settings)
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    editor = Editor(page, comfy, frontend, request.param)

    def on_console(message) -> None:
        if message.type == "error":
            editor.errors.append(f"{message.text} @ {message.location.get('url', '')}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: editor.errors.append(f"{error} {error.stack or ''}"))
    editor.open()
    yield editor
    context.close()
