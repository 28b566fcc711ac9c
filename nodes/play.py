"""Play World: a walk that was played live, made again exactly."""

from __future__ import annotations

import json
import os

import folder_paths
import numpy as np
from comfy_api.v0_0_2 import InputImpl, io
from comfy_execution.graph_utils import ExecutionBlocker
from PIL import Image

from ..gwm_core.clip import Clip, ClipWriter
from ..gwm_core.controls import Controls
from ..gwm_core.errors import ControlError
from ..gwm_core.video_file import VideoFile
from ..gwm_core.walk import MAX_CHARS, Walk
from .adapt import clip_depth, clip_images, depth_kind, first_view, sound_of
from .host import TickProgress
from .live import hub
from .types import GWMControlTrack, GWMWorld, WorldOnWire
from .worlds import depth_kind_input

#: Ticks that are made and written at once.
PART = 48
#: Frames of the strip of thumbnails that the timeline shows, and their size.
MOST_THUMBS, THUMB = 120, (64, 40)
NOTHING = "nothing was played yet: press Play in the node and walk"
OUTPUTS = 6


class GWMPlayWorld(io.ComfyNode):
    """The live player; in a run it gives what was played."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMPlayWorld",
            display_name="Play World",
            category="GWM/worlds",
            description=(
                "Walk through a world with keyboard and mouse, live in the node: press Play. The "
                "walk is kept in the workflow; Run gives exactly what was played."
            ),
            is_output_node=True,
            inputs=[
                GWMWorld.Input("world", tooltip="From New World, Load World or another step."),
                io.String.Input(
                    "walk",
                    default="",
                    dynamic_prompts=False,
                    tooltip="What was played. The player writes it; control text such as W*24 "
                    "is accepted too.",
                ),
                io.Int.Input(
                    "max_frames",
                    default=240,
                    min=1,
                    max=14400,
                    tooltip="Most frames in 'images' and 'depth', from the beginning on (24 are a "
                    "second): they lie in memory uncompressed. Video, sound and world are always "
                    "whole.",
                ),
                depth_kind_input("depth_as", "How the depth output is written."),
            ],
            outputs=[
                GWMWorld.Output(
                    "next_world", display_name="world", tooltip="The world after the last tick."
                ),
                io.Video.Output(
                    "video", display_name="video", tooltip="The whole walk with its sound."
                ),
                io.Image.Output(
                    "images", display_name="images", tooltip="Its frames, at most max_frames."
                ),
                io.Audio.Output("audio", display_name="audio", tooltip="The whole sound."),
                io.Image.Output(
                    "depth", display_name="depth", tooltip="Depth of the frames in 'images'."
                ),
                GWMControlTrack.Output(
                    "used_controls",
                    display_name="controls",
                    tooltip="The controls that were played.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, walk=None):
        # The model, and with it the walk's controls, are known only when it runs.
        if walk is not None and len(walk) > MAX_CHARS:
            return f"walk: {len(walk)} characters; up to {MAX_CHARS} are accepted"
        return True

    @classmethod
    def execute(cls, world, walk, max_frames, depth_as) -> io.NodeOutput:
        kind = depth_kind(depth_as, "depth_as")
        token = _token(walk)
        if token is not None:
            hub.offer(token, world.world, world.host.live)
            return io.NodeOutput(*[ExecutionBlocker(None)] * OUTPUTS)
        played = Walk.read(walk, world.world.embodiment)
        if not len(played.controls):
            told = {"gwm_play": [{"ticks": 0, "same": None, "changed": [], "note": NOTHING}]}
            nothing = [ExecutionBlocker(None)] * (OUTPUTS - 2)
            return io.NodeOutput(_after_events(world, played), *nothing, played.controls, ui=told)
        made = Played(world, played, max_frames)
        return io.NodeOutput(
            WorldOnWire(made.world, world.host),
            InputImpl.VideoFromFile(made.path),
            clip_images(made.head)[:max_frames],
            made.audio(),
            _frames(clip_depth(made.head, kind), max_frames),
            played.controls,
            ui=made.ui(),
        )


def _frames(depth, most: int):
    """The first frames of a depth, or what stands for one that does not exist."""
    return depth if isinstance(depth, ExecutionBlocker) else depth[:most]


def _token(walk: str) -> str | None:
    """The token of a page that wants to play live, or None for a real run."""
    if '"gwm_open"' not in walk[:40]:
        return None
    try:
        token = json.loads(walk)["gwm_open"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not 16 <= len(token) <= 64:
        raise ControlError("walk: gwm_open needs a token of 16 to 64 characters")
    return token


def _after_events(world: WorldOnWire, played: Walk) -> WorldOnWire:
    """The world with events that wait for its first tick."""
    after = world.world
    for _, text in played.controls.events:
        after = after.with_event(text)
    return WorldOnWire(after, world.host)


class Played:
    """A walk made again, part by part: the video goes to a file, its first frames stay.

    ``head`` is a clip of at most ``most_frames`` frames (to the next whole tick), ``world`` the
    world after the last tick, ``path`` the video.
    """

    def __init__(self, wire: WorldOnWire, walk: Walk, most_frames: int) -> None:
        self.walk, self.most_frames = walk, most_frames
        self.changed = walk.changed(wire.world)
        walk.remind(wire.world)
        track, body = walk.controls, wire.world.embodiment
        self.frames = len(track) * body.frames_per_tick
        self.every = max(1, -(-len(track) // MOST_THUMBS))
        self._thumbs: list[np.ndarray] = []
        self._sound: list[np.ndarray] = []
        folder = os.path.join(folder_paths.get_temp_directory(), "gwm")
        os.makedirs(folder, exist_ok=True)
        name = wire.world.after(track).key[:32]
        self.path, self._strip = (os.path.join(folder, name + e) for e in (".mp4", ".jpg"))
        self.world = wire.world
        with wire.host.running():
            self._make(track, min(len(track), -(-most_frames // body.frames_per_tick)))

    def _make(self, track: Controls, keep: int) -> None:
        block, total = self.world.embodiment.block_ticks, len(track)
        part = max(1, PART // block) * block
        head, bar = ClipWriter(keep), TickProgress(total, preview=False)
        with VideoFile(self.path) as video:
            for start in range(0, total, part):
                progress = bar.part(start, total)
                todo = track[start : start + part]
                self.world, clip = self.world.step(todo, progress, hub.clips)
                video.add(clip)
                self._sound.append(clip.audio)
                self._look(clip, start)
                if head.done < keep:
                    head.add(clip[: keep - head.done])
        self.head = head.clip()

    def _look(self, clip: Clip, start: int) -> None:
        frames, per = clip.frames[first_view(clip)], clip.embodiment.frames_per_tick
        for tick in range(-start % self.every, len(clip), self.every):
            picture = Image.fromarray(frames[tick * per]).resize(THUMB, Image.Resampling.BOX)
            self._thumbs.append(np.asarray(picture))

    def audio(self) -> dict | ExecutionBlocker:
        """The sound of the whole walk."""
        sound = sound_of(np.concatenate(self._sound, axis=1), self.head.sample_rate)
        return ExecutionBlocker("audio: this model makes no sound") if sound is None else sound

    @property
    def note(self) -> str:
        """What a person should know of this run; "" when all is as it was played."""
        notes = []
        if self.changed and self.changed != ("picture",):
            notes.append(f"the world under this walk has changed ({', '.join(self.changed)})")
        elif self.same is False:
            notes.append("this machine draws the walk slightly differently than it was played")
        if self.frames > self.most_frames:
            notes.append(
                f"images and depth hold the first {self.most_frames} of {self.frames} frames "
                "(max_frames); video and sound are whole"
            )
        return "; ".join(notes)

    @property
    def same(self) -> bool | None:
        """Whether the last frame is the one that was played; None where that is not known."""
        return self.world.last_hash == self.walk.last if self.walk.last else None

    def ui(self) -> dict:
        """What the player in the node shows of this run."""
        Image.fromarray(np.concatenate(self._thumbs, axis=1)).save(self._strip, quality=80)
        told = {
            "ticks": len(self.walk.controls),
            "same": self.same,
            "changed": list(self.changed),
            "note": self.note,
        }
        strip = {"filename": os.path.basename(self._strip), "subfolder": "gwm", "type": "temp"}
        return {"gwm_play": [told], "gwm_strip": [strip], "gwm_strip_every": [self.every]}
