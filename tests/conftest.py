"""Fixtures shared by all tests: a real ComfyUI server with this pack linked in.

The host is the one that `gwm studio` prepares in the cache folder; GWM_COMFYUI=PATH takes
another tree instead (any ComfyUI from 0.3.75 on).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gwm_core.cli import host, paths
from gwm_core.cli.client import Client, outputs_of
from gwm_core.cli.convert import to_prompt
from gwm_core.cli.server import Server

ROOT = Path(__file__).resolve().parents[1]
CACHE_MODES = {"classic": (), "lru": ("--cache-lru", "20"), "none": ("--cache-none",)}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With GWM_NO_SKIPS=1 (set by .ci/run) a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("GWM_NO_SKIPS") == "1":
        session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"GWM_NO_SKIPS: {len(skipped)} skipped, first {skipped[0].nodeid}")


class Comfy:
    """A running server and a client of it.

    `url`, `base_dir` (input/, output/, models/ ...), `pack_name` (folder in custom_nodes),
    `client`, `events` (those of the last `queue`, in order; binary ones as ("binary", bytes)).
    """

    def __init__(self, tree: Path, base_dir: Path, extra: tuple[str, ...] = ()):
        self.tree = tree
        self.base_dir = host.make_base(base_dir, tree)
        self.pack_name = host.link_pack(ROOT, base_dir)
        self.log = base_dir / "comfyui.log"
        self.events: list = []
        self._start(extra)

    def _start(self, extra: tuple[str, ...]) -> None:
        cpu = not os.environ.get("GWM_TEST_GPU")
        extra = ("--disable-api-nodes", *extra)  # nothing here needs services on the internet
        self.server = Server(self.tree, self.base_dir, self.log, cpu=cpu, extra=extra).start()
        self.url = self.server.url
        self.client = Client(self.url)

    def queue(self, prompt: dict, timeout: float = 120, workflow: dict | None = None) -> dict:
        """Run a prompt in API form; returns its history entry.

        Raises PromptFailed with the nodes' errors when it is refused or fails.
        """
        self.events = []
        with self.client.listen() as listener:
            prompt_id = self.client.submit(prompt, workflow)

            def keep(kind: str, data: dict | bytes) -> None:
                self.events.append((kind, data))

            return self.client.wait(prompt_id, timeout, keep, listener)

    def convert(self, workflow: dict) -> dict:
        """A workflow as the editor saves it, in API form."""
        return to_prompt(workflow, self.client.object_info())

    def outputs(self, entry: dict) -> list[Path]:
        """The files that a finished prompt made."""
        return [
            self.base_dir / file["type"] / file.get("subfolder", "") / file["filename"]
            for file in outputs_of(entry)
        ]

    def restart(self, *extra: str) -> None:
        """Start anew with other arguments; the base directory stays."""
        self.stop()
        self._start(extra)

    def stop(self) -> None:
        self.server.stop()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")


@pytest.fixture(scope="session")
def comfy_tree() -> Path:
    """The ComfyUI tree under test."""
    if os.environ.get("GWM_COMFYUI"):
        return host.existing(os.environ["GWM_COMFYUI"])
    return host.prepared(paths.cache_dir(), print)


@pytest.fixture(scope="session")
def start_comfy(
    comfy_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Comfy]]:
    """start_comfy(*arguments of main.py) -> Comfy, in a base directory of its own."""
    running: list[Comfy] = []

    def start(*extra: str) -> Comfy:
        running.append(Comfy(comfy_tree, tmp_path_factory.mktemp("comfy"), extra))
        return running[-1]

    yield start
    for comfy in running:
        comfy.stop()


@pytest.fixture(scope="session")
def _session_comfy(start_comfy: Callable[..., Comfy]) -> Comfy:
    return start_comfy()


@pytest.fixture
def comfy(_session_comfy: Comfy) -> Comfy:
    """The server that the whole session shares; started anew if a test left it stopped."""
    if not _session_comfy.server.alive():
        _session_comfy.restart()
    return _session_comfy


@pytest.fixture(scope="module", params=CACHE_MODES)
def cache_comfy(
    request: pytest.FixtureRequest, start_comfy: Callable[..., Comfy]
) -> Iterator[Comfy]:
    """A server in each of ComfyUI's cache modes."""
    comfy = start_comfy(*CACHE_MODES[request.param])
    yield comfy
    comfy.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Show the end of the server's log with a failed test that used one."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        used = [value for value in item.funcargs.values() if isinstance(value, Comfy)]
        for comfy in dict.fromkeys(used):
            report.sections.append(("ComfyUI log", comfy.server.log_tail(60)))
