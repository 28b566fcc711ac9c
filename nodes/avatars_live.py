"""Live Avatar: a character that speaks and listens as one talks, and the film of what was said."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths
import numpy as np
from aiohttp import web
from comfy_api.v0_0_2 import io
from comfy_execution.graph_utils import ExecutionBlocker
from server import PromptServer

from ..gwm_core.avatars.drive import curves_from_voice
from ..gwm_core.avatars.live import LiveAvatar
from ..gwm_core.avatars.live_hub import AvatarHub, Cast
from ..gwm_core.avatars.motion import to_json
from ..gwm_core.avatars.sound import Recording
from ..gwm_core.avatars.take import read_take
from ..gwm_core.errors import AvatarError, GWMError
from .adapt import frames_to_image
from .avatars_shared import (
    actor_of,
    audio_of,
    character_input,
    dial_inputs,
    dials_of,
    filmed,
    frames_input,
    images_output,
    length_line,
    model_input,
    report_output,
    seed_input,
    size_input,
    video_output,
)
from .faces import HostFaces, faces_on
from .live import hubs, serve
from .models import file_mark

if TYPE_CHECKING:
    from ..gwm_core.avatars.actor import Actor

ROUTE = "/gwm/avatar"
NOTHING = "nothing was recorded yet: press Start in the node, then Record, and talk"
OUTPUTS = 5

#: Every live avatar of this server.
hub = AvatarHub()
hubs.append(hub)


class GWMLiveAvatar(io.ComfyNode):
    """The live panel; in a run it gives the film of what was recorded."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMLiveAvatar",
            display_name="Live Avatar",
            category="GWM/avatars",
            description=(
                "Talk into a microphone, or play a file, and the character answers with motion at "
                "once: it speaks with its own voice and listens to the other's. Record keeps what "
                "was said; Run makes exactly that film."
            ),
            is_output_node=True,
            inputs=[
                model_input(),
                character_input("character", "From Character."),
                *dial_inputs(),
                seed_input(),
                size_input("Longest side of the frames in pixels, live too: smaller is faster."),
                frames_input(),
                io.String.Input(
                    "take",
                    default="",
                    dynamic_prompts=False,
                    tooltip="The recorded sound, a file in the input folder; Record writes it. "
                    "Left channel: the character's voice; right channel: the other speaker. A "
                    "sound file of one channel is the character's voice.",
                ),
            ],
            outputs=[
                images_output(),
                io.Audio.Output(
                    "audio", display_name="audio", tooltip="Both voices, at the take's rate.",
                ),
                video_output("The whole film with its sound, exactly 25 frames a second."),
                io.String.Output(
                    "motion", display_name="motion",
                    tooltip="The motion as curves (JSON), for another Drive Avatar.",
                ),
                report_output("How long the film is."),
            ],
        )

    @classmethod
    def validate_inputs(cls, take=""):
        if take and _token(take) is None:
            try:
                take_path(take)
            except GWMError as error:
                return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, take="", **_):
        return "" if not take or _token(take) else file_mark(str(take_path(take)))

    @classmethod
    def execute(cls, model, character, seed, size, max_frames, take, **dials) -> io.NodeOutput:
        faces, actor = faces_on(model), actor_of(character, size, dials)
        token = _token(take)
        if token is not None:
            hub.offer(token, _cast(faces, actor, seed, dials))
            return io.NodeOutput(*[ExecutionBlocker(None)] * OUTPUTS)
        if not take:
            nothing = [ExecutionBlocker(None)] * (OUTPUTS - 1)
            return io.NodeOutput(*nothing, NOTHING, ui={"text": [NOTHING]})
        own, other, rate = read_take(take_path(take))
        voice, heard = Recording(own[None], rate, "take"), Recording(other[None], rate, "take")
        sound = Recording(np.clip(own + other, -1, 1)[None], rate, "take")
        with faces.faces() as loaded:
            motions = curves_from_voice(
                loaded, voice, heard, seed=seed, dials=dials_of(dials), ticks=sound.ticks)
            shot, video = filmed(motions, actor.draw, sound.ticks, sound, max_frames)
        report = length_line(sound.ticks, len(shot.frames))
        return io.NodeOutput(
            frames_to_image(shot.frames), audio_of(sound), video,
            to_json(shot.motion), report, ui={"text": [report]},
        )


def _cast(faces: HostFaces, actor: Actor, seed: int, dials: dict[str, float]) -> Cast:
    """How the avatar of a page is made: the driver and drawing of a run, one tick at a time."""
    from ..gwm_core.avatars.driver import Driver

    def make(send: Callable[[str | bytes], None], encoding: str) -> LiveAvatar:
        return LiveAvatar(
            lambda: Driver(faces.loaded, seed=seed, dials=dials_of(dials)),
            actor.draw, send, encoding, faces.live, Path(folder_paths.get_input_directory()),
        )

    height, width = actor.size
    return Cast(make, width, height)


def _token(take: str) -> str | None:
    """The token of a page that wants to go live, or None for a real run."""
    if '"gwm_open"' not in take[:40]:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        token = json.loads(take)["gwm_open"]
        if isinstance(token, str) and 16 <= len(token) <= 64:
            return token
    raise AvatarError("take: gwm_open needs a token of 16 to 64 characters")


def take_path(take: str) -> Path:
    """A take's file in the input folder; anything outside of it is refused."""
    root = os.path.realpath(folder_paths.get_input_directory())
    path = os.path.realpath(os.path.join(root, take.replace("\0", "")))
    if os.path.commonpath([root, path]) != root or not os.path.isfile(path):
        raise AvatarError(
            f"take: {take[:200]!r} is no file in ComfyUI's input folder; press Record in the node, "
            "or name a sound file that lies there"
        )
    return Path(path)


async def avatar(request: web.Request) -> web.StreamResponse:
    """The socket of a live avatar's page."""
    return await serve(request, hub)


def register() -> None:
    """Adds the route to the host's server; nothing happens where there is no server."""
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.get(ROUTE)(avatar)
