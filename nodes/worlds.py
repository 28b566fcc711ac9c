"""New World and Step World."""

from __future__ import annotations

import comfy.model_management
import torch
from comfy_api.v0_0_2 import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..gwm_core.about import understood_line
from ..gwm_core.controls import Controls
from ..gwm_core.embodiment import Embodiment
from ..gwm_core.errors import GWMError
from .adapt import (
    DEPTH_KINDS,
    clip_audio,
    clip_depth,
    clip_images,
    depth_kind,
    depth_to_array,
    image_to_array,
    video_of,
)
from .controls import EXAMPLE, TEXT_HELP, check_control_text
from .host import TickProgress, say
from .types import GWMControlTrack, GWMModel, GWMWorld, WorldOnWire

#: Most ticks in one step: five minutes, 7,200 frames, about 7 GB of pictures and depth.
MOST_TICKS = 3600
DEPTH_TIP = (
    "near is white: what ControlNet and most depth nodes use; near is black: the other way round; "
    "metres: plain distances, not a picture to look at."
)


def depth_kind_input(id: str, tooltip: str) -> io.Combo.Input:
    """The choice of what a DEPTH picture means."""
    return io.Combo.Input(
        id, options=list(DEPTH_KINDS), default="near is white", tooltip=f"{tooltip} {DEPTH_TIP}"
    )


class GWMNewWorld(io.ComfyNode):
    """A world from a prompt, or from a picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMNewWorld",
            display_name="New World",
            category="GWM/worlds",
            description=(
                "Begins a world: the model imagines its first picture and depth from the prompt, "
                "or takes your picture as the first one."
            ),
            inputs=[
                GWMModel.Input("model", tooltip="From Load GWM Model."),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="a brick hall at dusk, two red balls",
                    dynamic_prompts=True,
                    tooltip="The place in words: material, time of day, lamps, fog, things. The "
                    "'understood' output says which words the model knows.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Another seed, another place for the same prompt. The same seed gives "
                    "the same world, bit for bit on the same machine.",
                ),
                depth_kind_input("depth_is", "What the depth input means."),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="Your own first picture: photo, painting, any size; the middle is cut "
                    "to the world's aspect. The first of a batch is used.",
                ),
                io.MultiType.Input(
                    "depth",
                    types=[io.Image, io.Mask],
                    optional=True,
                    tooltip="Depth of your picture from any depth node. Without it the model "
                    "estimates depth itself. Used only together with image.",
                ),
            ],
            outputs=[
                GWMWorld.Output(
                    "world", display_name="world", tooltip="The world at its first picture."
                ),
                io.Image.Output("first_image", display_name="image", tooltip="The first picture."),
                io.Image.Output(
                    "first_depth",
                    display_name="depth",
                    tooltip="Its depth, near is white, as ControlNet takes it.",
                ),
                io.String.Output(
                    "understood",
                    display_name="understood",
                    tooltip="Which words of the prompt the model knows, and which not.",
                ),
            ],
        )

    @classmethod
    def execute(cls, model, prompt, seed, depth_is, image=None, depth=None) -> io.NodeOutput:
        if depth is not None and image is None:
            raise GWMError("depth: it needs the image it belongs to; wire that into 'image' too")
        kind = depth_kind(depth_is, "depth_is")
        picture = None if image is None else image_to_array(image)
        distance = None if depth is None else depth_to_array(depth)
        with model.running() as loaded:
            world = loaded.new_world(
                prompt=prompt, image=picture, depth=distance, depth_kind=kind, seed=seed
            )
            clip = world.first_clip()
        line = understood_line(world.understood, world.ignored)
        say(line)
        nothing = ExecutionBlocker("image: this model shows nothing before the first step")
        return io.NodeOutput(
            WorldOnWire(world, model),
            clip_images(clip) if clip.lead else nothing,
            clip_depth(clip, "near_white"),
            line,
        )


class GWMStepWorld(io.ComfyNode):
    """A world, some controls: what is then seen and heard."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMStepWorld",
            display_name="Step World",
            category="GWM/worlds",
            description=(
                "Plays controls in a world and gives pictures, sound and depth of what happens. "
                "The world that goes in stays as it is: wire it into as many steps as you like."
            ),
            inputs=[
                GWMWorld.Input("world", tooltip="From New World, Load World or another step."),
                io.String.Input(
                    "text",
                    multiline=True,
                    default=EXAMPLE,
                    dynamic_prompts=False,
                    tooltip=TEXT_HELP + " Not used when controls are wired in.",
                ),
                depth_kind_input("depth_as", "How the depth output is written."),
                GWMControlTrack.Input(
                    "controls",
                    optional=True,
                    tooltip="From a controls node; takes the place of the text.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "images", display_name="images", tooltip="Every frame, 24 a second."
                ),
                io.Audio.Output("audio", display_name="audio", tooltip="The sound, mono."),
                io.Video.Output(
                    "video", display_name="video", tooltip="Frames and sound, for Save Video."
                ),
                io.Image.Output(
                    "depth",
                    display_name="depth",
                    tooltip="Depth of every frame; 'depth_as' says which end is near. One range "
                    "for the whole clip, so it does not flicker.",
                ),
                GWMControlTrack.Output(
                    "used_controls", display_name="controls", tooltip="The controls that were used."
                ),
                GWMWorld.Output(
                    "next_world", display_name="world", tooltip="The world after the last tick."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, text=None, controls="none"):
        # Wired controls show up as None; the text is then not used.
        return True if controls is None else check_control_text(text)

    @classmethod
    def execute(cls, world, text, depth_as, controls=None) -> io.NodeOutput:
        kind = depth_kind(depth_as, "depth_as")
        track = step_controls(world, text, controls)
        with world.host.running():
            after, clip = world.world.step(track, progress=TickProgress(len(track)))
        images, audio = clip_images(clip), clip_audio(clip)
        return io.NodeOutput(
            images,
            ExecutionBlocker("audio: this model makes no sound") if audio is None else audio,
            video_of(images, audio, clip.fps),
            clip_depth(clip, kind),
            track,
            WorldOnWire(after, world.host),
        )


def step_controls(world: WorldOnWire, text: str, controls):
    """The controls of a step: the wired ones or the text, never empty, never endless."""
    track = Controls.of(text if controls is None else controls, world.world.embodiment)
    if len(track) == 0:
        raise GWMError(
            "text: no ticks to play; write what to press, for example W*24, or idle*12 to wait"
        )
    if len(track) > MOST_TICKS:
        raise GWMError(
            f"controls: {len(track)} ticks in one step; at most {MOST_TICKS} "
            "(5 minutes of video in memory): use several Step World nodes in a row"
        )
    check_room(track.embodiment, len(track), "controls")
    return track


def check_room(body: Embodiment, ticks: int, name: str) -> None:
    """GWMError where the pictures of so many ticks do not fit into the memory that is free."""
    view = body.views[0]
    # Bytes of a tick: pixels as they are made, and as the host's float pictures.
    tick = body.frames_per_tick * view.width * view.height * 3 * 5
    free = comfy.model_management.get_free_memory(torch.device("cpu"))
    if tick * ticks > free:
        raise GWMError(
            f"{name}: {ticks} ticks are {ticks * body.frames_per_tick} frames of {view.width} x "
            f"{view.height}, {tick * ticks / 1e9:.1f} GB of memory as pictures, and "
            f"{free / 1e9:.1f} GB are free; take at most {free // tick} ticks at once, or Play "
            "World, whose video goes to a file"
        )
