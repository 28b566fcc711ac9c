"""Starts, watches and stops one ComfyUI server process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from .errors import NO_HOST, CommandError

STARTED_WITHIN = 300  # seconds; the first import of torch from a cold disk is slow
STOPPED_WITHIN = 15
# What the host and the pack import at start; the probe names those that are missing.
NEEDED = (
    "torch torchvision torchaudio aiohttp av safetensors transformers numba "
    "comfyui_frontend_package"
).split()
PROBE = """
import importlib.util, json, sys
look, *needed = sys.argv[1:]
missing = [n for n in needed if importlib.util.find_spec(n) is None]
gpu = False
if look == "gpu" and "torch" not in missing:
    import torch
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    gpu = gpu or (hasattr(torch, "xpu") and torch.xpu.is_available())
print(json.dumps({"missing": missing, "gpu": bool(gpu)}))
"""


def free_port(preferred: int | None = None) -> int:
    """`preferred` if it is free, else a port that the system picks."""
    for port in [preferred, 0] if preferred else [0]:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise CommandError("no free port on this machine", NO_HOST)


def python_of(tree: Path) -> str:
    """The interpreter that belongs to a tree: its own environment, else this one."""
    for place in (
        tree / "venv/bin/python",
        tree / ".venv/bin/python",
        tree / "venv/Scripts/python.exe",
        tree / ".venv/Scripts/python.exe",
        tree.parent / "python_embeded/python.exe",  # spelled so in the portable build
    ):
        if place.is_file():
            return str(place)
    return sys.executable


def probe(python: str, look_for_gpu: bool = True) -> dict:
    """{"missing": packages that `python` lacks, "gpu": whether its torch sees one}."""
    command = [python, "-c", PROBE, "gpu" if look_for_gpu else "no", *NEEDED]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(f"{python} cannot import torch: {done.stderr.strip()[-500:]}", NO_HOST)
    return json.loads(done.stdout)


def stop_on_terminate() -> None:
    """Make SIGTERM end this process as Ctrl-C does, so that no server stays behind."""

    def end(*_) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def answers(url: str, timeout: float = 2) -> bool:
    """Whether a ComfyUI server answers at `url`."""
    try:
        with urllib.request.urlopen(f"{url}/system_stats", timeout=timeout) as reply:
            return "system" in json.load(reply)
    except (OSError, ValueError):
        return False


class Server:
    """One `main.py` process. `start` returns when it answers; `stop` is safe to repeat.

    tree: the ComfyUI folder; base: its --base-directory (None: the tree itself);
    log: file that its output goes to; extra: further arguments of main.py.
    """

    def __init__(
        self,
        tree: Path,
        base: Path | None,
        log: Path,
        python: str | None = None,
        cpu: bool = True,
        port: int | None = None,
        extra: tuple[str, ...] = (),
    ):
        self.tree, self.base, self.log, self.cpu = tree, base, log, cpu
        self.python = python or sys.executable
        self.port = port
        self.extra = tuple(extra)
        self.process: subprocess.Popen | None = None
        self.url = ""

    def command(self) -> list[str]:
        command = [self.python, "main.py", "--port", str(self.port), "--disable-auto-launch"]
        if self.cpu:
            command.append("--cpu")
        if self.base is not None:
            # The database would else lie in the tree, which several servers may share.
            database = self.base / "user" / "comfyui.db"
            command += ["--base-directory", str(self.base)]
            command += ["--database-url", f"sqlite:///{database.as_posix()}"]
        return command + list(self.extra)

    def start(self, within: float = STARTED_WITHIN) -> Server:
        """Start and wait until it answers; CommandError with the log's end when it does not."""
        self.port = free_port(self.port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        own_group = {"start_new_session": True}  # Ctrl-C must reach us first, not both at once
        if sys.platform == "win32":
            own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.tree,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                **own_group,
            )
        limit = time.monotonic() + within
        try:
            while not answers(self.url):
                if self.process.poll() is not None:
                    raise self._trouble(f"ComfyUI ended at start ({self.process.returncode})")
                if time.monotonic() > limit:
                    raise self._trouble(f"ComfyUI did not answer within {within:.0f} s")
                time.sleep(0.2)
        except BaseException:
            self.stop()
            raise
        return self

    def _trouble(self, what: str) -> CommandError:
        return CommandError(f"{what}; the end of its log {self.log}:\n{self.log_tail()}", NO_HOST)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """End the process: politely, then firmly."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        firmer = [signal.SIGINT, signal.SIGTERM]
        # who was started in the background of a script ignores SIGINT, and so do its children
        if sys.platform == "win32" or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            firmer = firmer[1:]
        for how in firmer:
            process.send_signal(how)
            try:
                process.wait(STOPPED_WITHIN)
                return
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        process.wait()
