"""GWM to LTX: a shot of a storyboard for the host's own large video nodes."""

from __future__ import annotations

import comfyui_version
from comfy_api.v0_0_2 import io

import nodes as host_nodes

from ..gwm_core.video.delegate import LEAST_SIDE, MOST_SIDE, request_of
from .avatars_shared import report_output
from .host import say
from .types import GWMStoryboardWire
from .video import exact_rate

#: Node ids by which a host is known to have a model, and what to say where it has not.
LARGE = (
    ("LTX-2 (picture and sound)", ("LTXVEmptyLatentAudio", "LTXVConcatAVLatent"),
     "ComfyUI 0.9 or newer is needed (for LTX-2.5 0.32 or newer)"),
    ("Wan S2V (lips to a voice)", ("WanSoundImageToVideo",), "ComfyUI 0.3.75 or newer has it"),
)


def hosts(ids: tuple[str, ...]) -> bool:
    """Whether the host has all of these nodes."""
    return all(name in host_nodes.NODE_CLASS_MAPPINGS for name in ids)


def host_lines() -> list[str]:
    """Which of the large models this host can run, a line each."""
    lines = []
    for title, ids, otherwise in LARGE:
        there = "its nodes are here" if hosts(ids) else (
            f"not in this ComfyUI ({comfyui_version.__version__}): {otherwise}"
        )
        lines.append(f"{title}: {there}")
    return lines


class GWMToLTX(io.ComfyNode):
    """One shot of a storyboard as a prompt, a length and a size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMToLTX",
            display_name="GWM to LTX",
            category="GWM/video",
            description=(
                "Hands one shot of a storyboard to ComfyUI's own LTX-2 or Wan S2V nodes: the shot "
                "as a prompt, its length on their grid of frames, its size in multiples of 32."
            ),
            inputs=[
                GWMStoryboardWire.Input("storyboard", tooltip="From Storyboard."),
                io.Int.Input("shot", default=1, min=1, max=1000,
                             tooltip="Which shot, counted from 1."),
                io.Float.Input(
                    "fps", default=0.0, min=0.0, max=120.0, step=0.001,
                    tooltip="Frames a second of the large model's video: 24 or 25 for LTX-2, 16 "
                    "for Wan S2V. 0 takes the storyboard's.",
                ),
                io.Int.Input(
                    "longest_side", default=0, min=0, max=MOST_SIDE, step=32,
                    tooltip="The longer of width and height in pixels, from "
                    f"{LEAST_SIDE} on; the other follows the film's shape. 0 takes the "
                    "storyboard's size.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "prompt", display_name="prompt",
                    tooltip="Place, camera, who is seen, what happens and what is said, in one "
                    "paragraph: for CLIP Text Encode.",
                ),
                io.Int.Output(
                    "length", display_name="length",
                    tooltip="Frames: 8n + 1, at least as long as the shot.",
                ),
                io.Float.Output("out_fps", display_name="fps",
                                tooltip="Frames a second, for LTXVConditioning and Create Video."),
                io.Int.Output("width", display_name="width", tooltip="A multiple of 32."),
                io.Int.Output("height", display_name="height", tooltip="A multiple of 32."),
                report_output("What this ComfyUI can run, and where length or size differ from "
                              "the storyboard's."),
            ],
        )

    @classmethod
    def execute(cls, storyboard, shot, fps, longest_side) -> io.NodeOutput:
        asked = request_of(storyboard.board, shot, exact_rate(fps) if fps else None,
                           longest_side or None)
        lines = [
            f"shot {shot}: {asked.length} frames at {float(asked.fps):.5g} a second, "
            f"{asked.width} x {asked.height}",
            *asked.notes, *host_lines(),
        ]
        report = "\n".join(lines)
        say(report)
        return io.NodeOutput(asked.prompt, asked.length, float(asked.fps), asked.width,
                             asked.height, report)
