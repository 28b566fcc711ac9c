"""The host that live play is measured on: a real ComfyUI process with this pack linked in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ...cli import host, paths
from ...cli.client import Client
from ...cli.errors import NO_HOST, CommandError
from ...cli.server import Server, probe, python_of

PROBE = Path(__file__).with_name("probe.py")
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Workflow.Persist": False}
WORLD, PLAY, GIVEN = "2", "3", "4"
"""Ids of nodes in the prompts below."""
ANSWER = 120
"""Seconds that the host may take for a reply: beside a browser it is busy."""


class Comfy:
    """A server that is started, stopped and started anew, always from one base folder.

    The folder stays on this machine, as an artist's does: nothing is prepared anew for each run.
    """

    def __init__(self, base: Path | None = None, settings: Mapping[str, object] = SETTINGS):
        cache = paths.cache_dir()
        given = os.environ.get("GWM_COMFYUI")
        self.tree = host.existing(given) if given else host.prepared(cache)
        self.base = base or cache / "bench"
        for name in ("output", "temp"):
            shutil.rmtree(self.base / name, ignore_errors=True)
        host.make_base(self.base, self.tree)
        self.pack_name = host.link_pack(paths.pack_dir(), self.base)
        shutil.copyfile(PROBE, self.base / "custom_nodes" / "gwm_bench_probe.py")
        kept = self.base / "user" / "default" / "comfy.settings.json"
        kept.write_text(json.dumps(dict(settings)))
        self.log = self.base / "comfyui.log"
        self.log.unlink(missing_ok=True)
        python = python_of(self.tree)
        found = probe(python)
        if found["missing"]:
            raise CommandError(
                f"{python} lacks {', '.join(found['missing'])} that the host needs; install with: "
                'pip install ".[studio,test]"',
                NO_HOST,
            )
        cpu = not found["gpu"]
        self._make = lambda: Server(
            self.tree, self.base, self.log, python, cpu, extra=("--disable-api-nodes",)
        )
        self.server: Server | None = None

    def __enter__(self) -> Comfy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fresh(self) -> Comfy:
        """A clean process: nothing loaded, nothing kept."""
        self.stop()
        self.server = self._make().start()
        self.url = self.server.url
        self.client = Client(self.url, timeout=ANSWER)
        return self

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()
            self.server = None

    @property
    def pid(self) -> int:
        return self.server.process.pid

    def run(self, prompt: dict, timeout: float = 600) -> dict:
        """Queue a prompt in API form, wait for it; its outputs by node."""
        return self.client.wait(self.client.submit(prompt), timeout)["outputs"]

    # ------------------------------------------------------------------ the probe

    def listen(self, on: bool = True) -> None:
        """Note what live play shows from now on."""
        self.run({"1": {"class_type": "GWMBenchListen", "inputs": {"on": on}}})

    def heard(self) -> list[dict[int, list]]:
        """What every player has shown since: {tick: [hash, frames' marks, sound's mark]}."""
        told = self.run({"1": {"class_type": "GWMBenchHeard", "inputs": {}}})
        return [_by_tick(player) for player in told["1"]["heard"]]

    def given(self, graph: dict, walk: str | dict) -> tuple[dict[int, list], dict]:
        """What a run of a walk gives, {tick: [frames' marks, sound's mark]}, and what the player
        is told of it."""
        outputs = self.run({**played(graph, walk), GIVEN: {
            "class_type": "GWMBenchGiven",
            "inputs": {"images": [PLAY, 2], "audio": [PLAY, 3], "frames_per_tick": 2,
                       "samples_per_tick": 2000},
        }})
        return _by_tick(outputs[GIVEN]["given"][0]), outputs[PLAY]["gwm_play"][0]


    def stores(self, graph: dict, states_mb: int, clips_mb: int) -> dict:
        """Cap what this server keeps; {"sessions", "states_mb", "clips_mb"} that there are now."""
        node = {"class_type": "GWMBenchStores",
                "inputs": {"world": [WORLD, 0], "states_mb": states_mb, "clips_mb": clips_mb}}
        return self.run({**graph, "9": node})["9"]["stores"][0]


def _by_tick(marks: Mapping[str, list]) -> dict[int, list]:
    return {int(tick): mark for tick, mark in marks.items()}


def new_world(prompt: str, seed: int, model: str = "gwm-rooms") -> dict:
    """The graph of a new world, in API form."""
    return {
        "1": {"class_type": "GWMLoadModel",
              "inputs": {"model_name": model, "device": "default"}},
        WORLD: {"class_type": "GWMNewWorld",
                "inputs": {"model": ["1", 0], "prompt": prompt, "seed": seed,
                           "depth_is": "near is white"}},
    }


def loaded_world(file: str, model: str = "gwm-rooms") -> dict:
    """The graph of a saved world."""
    return {
        **{"1": new_world("", 0, model)["1"]},
        WORLD: {"class_type": "GWMLoadWorld", "inputs": {"model": ["1", 0], "file": file}},
    }


def played(graph: dict, walk: str | dict, max_frames: int = 14400) -> dict:
    """The same graph with Play World behind it."""
    text = walk if isinstance(walk, str) else json.dumps(walk)
    inputs = {"world": [WORLD, 0], "walk": text, "max_frames": max_frames,
              "depth_as": "near is white"}
    return {**graph, PLAY: {"class_type": "GWMPlayWorld", "inputs": inputs}}

