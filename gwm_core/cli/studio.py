"""Prepare and start ComfyUI with this pack linked in, and open the first example.

Without --comfyui, ComfyUI 0.3.75 is prepared once in the cache folder; with it, an
existing installation is used, with its own models, outputs and settings.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from urllib.parse import urlencode

from . import host, paths
from .errors import FAILED, NO_HOST, CommandError
from .server import Server, answers, probe, python_of, stop_on_terminate

PORT = 8188
# The editor opens a template by its address only if the name is made of these.
OPENABLE = re.compile(r"^[a-zA-Z0-9_-]+$")


def add_host_arguments(parser: argparse.ArgumentParser) -> None:
    """Options shared by the commands that need a host."""
    parser.add_argument("--comfyui", metavar="PATH", help="use this ComfyUI installation")
    parser.add_argument("--cache", metavar="DIR", help="cache folder (default: the system's)")
    parser.add_argument("--pack", metavar="DIR", help="the GWM repository (default: found)")
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_host_arguments(parser)
    parser.add_argument("--port", type=int, help=f"port (default: {PORT}, else a free one)")
    parser.add_argument("--example", metavar="NAME", help="example to open (a file's name)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--prepare-only", action="store_true", help="prepare the host and end without starting it"
    )
    parser.add_argument(
        "host_arguments", nargs="*", metavar="-- ARGUMENT", help="more arguments for ComfyUI"
    )


def prepare(args: argparse.Namespace) -> tuple[Server, Path, str]:
    """A host that is ready to start: (server, its base directory, the pack's folder name)."""
    pack = paths.pack_dir(args.pack)
    cache = paths.cache_dir(args.cache)
    if args.comfyui:
        tree = host.existing(args.comfyui)
        base, own_base = tree, None
    else:
        tree = host.prepared(cache, say)
        base = own_base = host.make_base(cache / "studio", tree)
    name = host.link_pack(pack, base)
    python = python_of(tree)
    found = probe(python, look_for_gpu=not args.cpu)
    if found["missing"]:
        advice = 'pip install ".[studio]"'
        if args.comfyui:
            advice = "pip install -r requirements.txt (the pack's), with that interpreter"
        raise CommandError(
            f"{python} lacks {', '.join(found['missing'])}; install with: {advice}", NO_HOST
        )
    server = Server(
        tree,
        own_base,
        cache / "studio" / "comfyui.log",
        python=python,
        cpu=not found["gpu"],
    )
    return server, base, name


def first_example(pack: Path, wanted: str | None) -> str | None:
    """The name of the example to open: `wanted`, else the first one; None without any."""
    names = sorted(file.stem for file in (pack / "example_workflows").glob("*.json"))
    if wanted is not None and wanted not in names:
        raise CommandError(f"--example {wanted}: no such example; there are {', '.join(names)}")
    chosen = wanted or next(iter(names), None)
    return chosen if chosen and OPENABLE.match(chosen) else None


def example_url(url: str, pack_name: str, example: str | None) -> str:
    """The address that opens the editor with an example of the pack loaded."""
    if example is None:
        return url
    return f"{url}/?{urlencode({'template': example, 'source': pack_name})}"


def note_path(cache: Path) -> Path:
    """The file in which a running studio says where it is, for `gwm run`."""
    return cache / "studio" / "running.json"


def running(cache: Path) -> dict | None:
    """{"url", "base"} of a studio that runs from this cache, or None."""
    try:
        note = json.loads(note_path(cache).read_text())
    except (OSError, ValueError):
        return None
    return note if answers(note["url"]) else None


def has_screen() -> bool:
    """Whether a browser could show; without a screen a text browser would take the terminal."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def say(text: str) -> None:
    print(f"gwm: {text}", flush=True)


def compile_ahead(python: str, pack: Path) -> subprocess.Popen:
    """Compile what a first walk needs, in a process of its own; ends at once where it was done."""
    code = "from gwm_core.worlds.warm import warm_up; warm_up()"
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    return subprocess.Popen([python, "-c", code], cwd=pack, **quiet)


def run(args: argparse.Namespace) -> int:
    pack = paths.pack_dir(args.pack)
    example = first_example(pack, args.example)
    server, base, name = prepare(args)
    compiling = compile_ahead(server.python, pack)
    if args.prepare_only:
        say("compiling what a first walk needs (half a minute, once) ...")
        compiling.wait()
        say(f"ComfyUI {host.version_of(server.tree)} is ready in {server.tree}")
        return 0
    server.port = args.port or PORT
    server.extra = tuple(args.host_arguments)
    server.log.unlink(missing_ok=True)
    stop_on_terminate()
    say(f"starting ComfyUI {host.version_of(server.tree)} ...")
    server.start()
    cache = paths.cache_dir(args.cache)
    note = note_path(cache)
    try:
        note.write_text(json.dumps({"url": server.url, "base": str(base), "pid": os.getpid()}))
        address = example_url(server.url, name, example)
        say(f"open {address}")
        say(f"outputs: {base / 'output'}   log: {server.log}")
        say("Ctrl-C stops it")
        if not args.no_browser and has_screen():
            webbrowser.open(address)
        while server.alive():
            time.sleep(0.3)
        print(server.log_tail())
        raise CommandError("ComfyUI ended by itself; the end of its log is above", FAILED)
    except KeyboardInterrupt:
        say("stopping")
        return 0
    finally:
        note.unlink(missing_ok=True)
        server.stop()
