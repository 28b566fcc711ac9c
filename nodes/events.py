"""World Event and Branch World."""

from __future__ import annotations

from comfy_api.v0_0_2 import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..gwm_core.about import understood_line
from ..gwm_core.controls import Controls
from ..gwm_core.errors import GWMError
from ..gwm_core.side_by_side import MOST_BRANCHES, parse_branches, side_by_side
from .adapt import clip_audio, clip_images, first_view, frames_to_image, video_of
from .controls import TEXT_HELP, check_text
from .host import TickProgress, say
from .types import GWMControlTrack, GWMWorld, WorldOnWire
from .worlds import MOST_TICKS, check_room

_BRANCHES = "left: A+look(-6,0)*15 W*21\nstraight on: W*36\nright: D+look(6,0)*15 W*21"


class GWMWorldEvent(io.ComfyNode):
    """Words that change a running world."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMWorldEvent",
            display_name="World Event",
            category="GWM/worlds",
            description=(
                "Changes a running world by words: the light, the time of day, the fog. It shows "
                "within a few ticks of the next step and holds wherever you look."
            ),
            inputs=[
                GWMWorld.Input("world", tooltip="The world it happens in."),
                io.String.Input(
                    "text",
                    multiline=True,
                    default="the lights go out",
                    dynamic_prompts=True,
                    tooltip="What happens. 'understood' says which words the model knows.",
                ),
            ],
            outputs=[
                GWMWorld.Output(
                    "changed_world", display_name="world", tooltip="The world with the event."
                ),
                io.String.Output(
                    "understood",
                    display_name="understood",
                    tooltip="Which words the model knows, and which not.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, text=None):
        if text is not None and not text.strip():
            return "say what happens, for example: the lights go out"
        return True

    @classmethod
    def execute(cls, world, text) -> io.NodeOutput:
        with world.host.running() as loaded:
            said = loaded.understand(text, event=True)
            changed = world.world.with_event(text)
        line = understood_line(said.understood, said.ignored)
        say(line)
        return io.NodeOutput(WorldOnWire(changed, world.host), line)


class GWMBranchWorld(io.ComfyNode):
    """One world, several futures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMBranchWorld",
            display_name="Branch World",
            category="GWM/worlds",
            description=(
                "Plays several controls from the same moment of one world and shows them side by "
                "side. Go on with whichever future you like."
            ),
            inputs=[
                GWMWorld.Input("world", tooltip="The world to branch."),
                io.String.Input(
                    "branches",
                    multiline=True,
                    default=_BRANCHES,
                    dynamic_prompts=False,
                    tooltip=f"One branch a line: name: controls. Two to {MOST_BRANCHES} branches, "
                    f"those of the wires included. {TEXT_HELP}",
                ),
                io.Int.Input(
                    "sound_of",
                    default=1,
                    min=1,
                    max=MOST_BRANCHES,
                    tooltip="Which branch is heard in the video.",
                ),
                *(
                    GWMControlTrack.Input(
                        f"controls_{i}",
                        optional=True,
                        tooltip="One more branch, after those of the text.",
                    )
                    for i in (1, 2, 3)
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video", display_name="video", tooltip="All branches side by side, labelled."
                ),
                io.Image.Output(
                    "images", display_name="images", tooltip="The frames of that video."
                ),
                *(
                    GWMWorld.Output(
                        f"world_{i}",
                        display_name=f"world {i}",
                        tooltip=f"The world at the end of branch {i}."
                        + (" Stops what follows when there are only two." if i == 3 else ""),
                    )
                    for i in (1, 2, 3)
                ),
                GWMWorld.Output(
                    "worlds",
                    display_name="all worlds",
                    is_output_list=True,
                    tooltip="Every branch's world as a list: nodes behind it run once for each.",
                ),
                io.Video.Output(
                    "videos",
                    display_name="all videos",
                    is_output_list=True,
                    tooltip="Every branch's own video with its sound, as a list.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, branches=None):
        return branches is None or check_text(lambda body: parse_branches(branches, body))

    @classmethod
    def execute(cls, world, branches, sound_of, **wired) -> io.NodeOutput:
        labels, tracks = _branches(world, branches, wired)
        if sound_of > len(tracks):
            raise GWMError(f"sound_of: there are {len(tracks)} branches, not {sound_of}")
        with world.host.running():
            progress = TickProgress(sum(len(t) for t in tracks))
            after, clips = world.world.branch(tracks, progress=progress)
        worlds = [WorldOnWire(w, world.host) for w in after]
        view = first_view(clips[0])
        videos = [video_of(clip_images(c), clip_audio(c), c.fps) for c in clips]
        grid = frames_to_image(side_by_side([c.frames[view] for c in clips], labels))
        return io.NodeOutput(
            video_of(grid, clip_audio(clips[sound_of - 1]), clips[0].fps),
            grid,
            worlds[0],
            worlds[1],
            worlds[2] if len(worlds) > 2 else ExecutionBlocker(None),
            worlds,
            videos,
        )


def _branches(world, text: str, wired: dict):
    found = parse_branches(text, world.world.embodiment)
    for name in sorted(wired):
        if wired[name] is not None:
            track = Controls.of(wired[name], world.world.embodiment)
            found.append((f"{len(found) + 1}: {track.to_text()}", track))
    if not 2 <= len(found) <= MOST_BRANCHES:
        raise GWMError(
            f"branches: {len(found)} in all, lines and wires; two to {MOST_BRANCHES} are needed"
        )
    for number, (label, track) in enumerate(found, start=1):
        if not 0 < len(track) <= MOST_TICKS:
            raise GWMError(
                f"branches: branch {number} ({label}) has {len(track)} ticks; "
                f"1 to {MOST_TICKS} are needed"
            )
    check_room(world.world.embodiment, sum(len(track) for _, track in found), "branches")
    return [label for label, _ in found], [track for _, track in found]
