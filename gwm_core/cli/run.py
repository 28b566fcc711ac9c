"""Run a workflow without a browser, with a progress bar, and print where its outputs are.

WORKFLOW is a JSON file, as the editor saves it or in API form. It runs in a studio that is
already open, else in a host started for it, else at --server URL. Exit status: 0 done,
1 a node failed, 2 wrong input, 3 no host, 130 cancelled by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from . import paths
from .client import Client, PromptFailed, outputs_of, title_of, view_url
from .convert import is_prompt, to_prompt
from .errors import BAD_INPUT, CommandError
from .server import answers, stop_on_terminate
from .studio import add_host_arguments, prepare, running

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workflow", metavar="WORKFLOW", help="a workflow's JSON file")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a widget: seed=7, 12.seed=7 (node id) or 'New World.seed=7' (node title)",
    )
    parser.add_argument("--server", metavar="URL", help="a running ComfyUI")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="give up after this long")
    parser.add_argument("--json", action="store_true", help="print the outputs as JSON only")
    add_host_arguments(parser)


def read(path: str) -> dict:
    """The JSON of a workflow file; CommandError when it cannot be read."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CommandError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(data, dict):
        raise CommandError(f"{path}: not a workflow")
    return data


def apply_inputs(prompt: dict, settings: list[str], object_info: dict) -> None:
    """Set widgets of `prompt` in place from NAME=VALUE texts.

    NAME is the widget's, or "node id.widget", or "node title.widget"; it must mean exactly
    one widget. VALUE is read by the widget's type.
    """
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise CommandError(f"--input {setting}: write it as NAME=VALUE")
        where, _, widget = name.rpartition(".")
        found = [
            (node_id, node)
            for node_id, node in prompt.items()
            if widget in node["inputs"]
            and where in ("", node_id, node.get("_meta", {}).get("title"), node["class_type"])
        ]
        if not found:
            raise CommandError(f"--input {setting}: no node has the widget {name!r}")
        if len(found) > 1:
            ids = ", ".join(f"{node_id}.{widget}" for node_id, _ in found)
            raise CommandError(f"--input {setting}: it could be any of {ids}")
        node = found[0][1]
        definition = object_info.get(node["class_type"], {}).get("input", {})
        specs = {**definition.get("required", {}), **definition.get("optional", {})}
        node["inputs"][widget] = _typed(text, specs.get(widget, ["STRING"])[0], setting)


def _typed(text: str, kind: object, setting: str) -> object:
    try:
        if kind == "INT":
            return int(text)
        if kind == "FLOAT":
            return float(text)
        if kind == "BOOLEAN":
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    except (ValueError, KeyError):
        raise CommandError(f"--input {setting}: {text!r} is not of type {kind}") from None
    return text


class Progress:
    """One line on a terminal: which node runs and how far it is. Silent elsewhere."""

    WIDTH = 28

    def __init__(self, prompt: dict):
        self.prompt = prompt
        self.done: set[str] = set()
        self.shown = ""
        self.active = sys.stderr.isatty()

    def __call__(self, kind: str, data: dict | bytes) -> None:
        if kind == "executing" and data.get("node"):
            self._draw(data["node"], 0.0)
        elif kind == "progress" and data.get("max"):
            self._draw(data.get("node"), data["value"] / data["max"])
        elif kind == "execution_cached":
            self.done.update(data.get("nodes", []))
        elif kind == "executed":
            self.done.add(data.get("node"))

    def _draw(self, node: str | None, share: float) -> None:
        if not self.active:
            return
        full = round(self.WIDTH * share)
        bar = "#" * full + "." * (self.WIDTH - full)
        line = f"[{bar}] {share:4.0%}  {title_of(self.prompt, str(node))}"
        sys.stderr.write("\r" + line.ljust(len(self.shown)))
        sys.stderr.flush()
        self.shown = line

    def end(self) -> None:
        if self.shown:
            sys.stderr.write("\r" + " " * len(self.shown) + "\r")
            sys.stderr.flush()


@contextmanager
def host_for(args: argparse.Namespace):
    """(url, base directory or None) of the server to use; stops it after if it was started."""
    if args.server:
        url = args.server.rstrip("/")
        if not answers(url, timeout=10):
            raise CommandError(f"--server {args.server}: no ComfyUI answers there", 3)
        yield url, None
        return
    note = None if args.comfyui else running(paths.cache_dir(args.cache))
    if note:
        yield note["url"], Path(note["base"])
        return
    server, base, _ = prepare(args)
    if not args.json:
        print("gwm: starting ComfyUI ...", file=sys.stderr, flush=True)
    server.start()
    try:
        yield server.url, base
    finally:
        server.stop()


def run(args: argparse.Namespace) -> int:
    data = read(args.workflow)
    stop_on_terminate()
    with host_for(args) as (url, base):
        client = Client(url)
        object_info = client.object_info()
        prompt = data if is_prompt(data) else to_prompt(data, object_info)
        apply_inputs(prompt, args.input, object_info)
        progress = Progress(prompt)
        started = time.monotonic()
        with client.listen() as listener:
            prompt_id = client.submit(prompt, None if is_prompt(data) else data)
            try:
                entry = client.wait(prompt_id, args.timeout, progress, listener)
            except PromptFailed as failure:
                if failure.details.get("interrupted"):
                    raise KeyboardInterrupt from failure
                raise
            except (KeyboardInterrupt, CommandError):
                client.interrupt(prompt_id)
                raise
            finally:
                progress.end()
        files = outputs_of(entry)
        places = [_place(file, url, base) for file in files]
        if args.json:
            print(json.dumps({"outputs": places, "seconds": time.monotonic() - started}))
        else:
            for place in places:
                print(place)
            if not places:
                raise CommandError("the workflow ran but made no file", BAD_INPUT)
            print(f"gwm: done in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return 0


def _place(file: dict, url: str, base: Path | None) -> str:
    if base is None:
        return view_url(url, file)
    return str(base / file.get("type", "output") / file.get("subfolder", "") / file["filename"])
