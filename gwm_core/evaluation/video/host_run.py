"""The judged film end to end in a real ComfyUI: portraits in, storyboard as text, a file out."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from ...video.storyboard import Storyboard
from ...video.storyboard_print import print_board

ROOMS, FACES, BOARD, FILM, SAVED = "1", "2", "30", "40", "41"
WAIT = 3600
"""Seconds that the film may take."""
Say = Callable[[str], None]


def prompt_of(board: Storyboard, pictures: dict[str, str], info: dict[str, Any]) -> dict:
    """The film as the host's prompt (API form).

    pictures: file in the host's input folder by character. info: the host's description of its
    nodes, from which widgets that are not set here take their defaults.
    """
    def node(kind: str, **inputs: Any) -> dict:
        asked = info[kind]["input"].get("required", {})
        usual = {name: _usual(spec) for name, spec in asked.items()}
        return {"class_type": kind, "inputs": {**{n: v for n, v in usual.items() if v is not None},
                                               **inputs}}

    out = {ROOMS: node("GWMLoadModel", model_name="gwm-rooms"),
           FACES: node("GWMLoadModel", model_name="gwm-faces")}
    before: dict[str, Any] = {}
    for k, member in enumerate(board.cast):
        image, face, cast = f"1{k}", f"2{k}", f"5{k}"
        out[image] = node("LoadImage", image=pictures[member.name])
        out[face] = node("GWMCharacter", image=[image, 0], name=member.name)
        out[cast] = node("GWMCastMember", name=member.name, voice=member.voice,
                         character=[face, 0], **before)
        before = {"cast": [cast, 0]}
    out[BOARD] = node("GWMStoryboard", text=print_board(board), fps=float(board.fps),
                      width=board.width, height=board.height, loudness=board.loudness,
                      true_peak=board.true_peak, **before)
    out[FILM] = node("GWMGenerateVideo", storyboard=[BOARD, 0], rooms=[ROOMS, 0],
                     faces=[FACES, 0], max_frames=1)
    out[SAVED] = node("SaveVideo", video=[FILM, 0], filename_prefix="gwm judged film")
    return out


def run(board: Storyboard, say: Say = lambda text: None) -> float:
    """Seconds from queueing the film to its saved file, in a fresh host. CommandError where there
    is no host, or a node failed."""
    from ..play.server import Comfy

    base = Path(tempfile.mkdtemp(prefix="gwm-film-host-"))
    try:
        with Comfy(base) as host:
            say("a host")
            host.fresh()
            pictures = {}
            for member in board.cast:
                path = base / f"{member.name}.png"
                Image.fromarray(member.character.image).save(path)
                pictures[member.name] = host.client.upload(path)
            say("the film in it")
            began = time.monotonic()
            done = host.run(prompt_of(board, pictures, host.client.object_info()), WAIT)
            seconds = time.monotonic() - began
            if not done.get(SAVED):
                raise RuntimeError("the host saved no film")
            return seconds
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _usual(spec: list) -> Any:
    """The default of a widget as the host describes it; None for a wire."""
    kind, more = spec[0], spec[1] if len(spec) > 1 else {}
    if "default" in more:
        return more["default"]
    choices = kind if isinstance(kind, list) else more.get("options", [])
    return choices[0] if choices else None
