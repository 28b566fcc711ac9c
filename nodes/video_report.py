"""AV-Sync Report: do picture and sound of a film belong together?"""

from __future__ import annotations

from comfy_api.v0_0_2 import io

from ..gwm_core.avatars.film_reader import FilmReader
from ..gwm_core.errors import GWMError
from .adapt import frames_to_image
from .avatars_report import NO_SOUND
from .avatars_shared import recording_of, report_output
from .host import TickProgress, say
from .inverse import clip_of, one_clip
from .types import GWMModel


class GWMAVSyncReport(io.ComfyNode):
    """Impacts and lips in the picture against the sound."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMAVSyncReport",
            display_name="AV-Sync Report",
            category="GWM/video",
            description=(
                "Looks for impacts and speaking mouths in the picture, listens for what sets in "
                "in the sound, and says whether the two are in sync or by how much the picture is "
                "late. For clips of any model."
            ),
            is_output_node=True,
            inputs=[
                GWMModel.Input("rooms", tooltip="gwm-rooms, from Load GWM Model: it sees impacts."),
                io.Float.Input("fps", default=24.0, min=1.0, max=240.0, step=0.001,
                               tooltip="Frames a second of the images input. A video brings its "
                               "own."),
                io.Video.Input("video", optional=True, tooltip="The clip with its sound."),
                io.Image.Input("images", optional=True,
                               tooltip="The clip as frames, instead of a video."),
                io.Audio.Input("audio", optional=True,
                               tooltip="The sound. Without it, that of the video."),
            ],
            outputs=[
                io.Image.Output("plot", display_name="plot",
                                tooltip="Impacts seen and heard over time, lips and voice, and the "
                                "agreement over the shift."),
                io.Float.Output("offset", display_name="offset",
                                tooltip="How many frames the picture is late by its impacts; below "
                                "0 it is early. 0 where it cannot be told: the report says so."),
                io.Float.Output("lips_offset", display_name="lips offset",
                                tooltip="The same by its lips."),
                io.String.Output("figures", display_name="figures",
                                 tooltip="All figures as JSON."),
                report_output("All figures as text."),
            ],
        )

    @classmethod
    def validate_inputs(cls, video="none", images="none"):
        return one_clip(video, images)

    @classmethod
    def execute(cls, rooms, fps, video=None, images=None, audio=None) -> io.NodeOutput:
        from ..gwm_core.video.av_sync import av_sync  # brings OpenCV and scipy: not at start
        from ..gwm_core.video.av_sync_plot import plot

        frames, rate = clip_of(video, images, fps)
        sound = recording_of(audio, "audio") if audio is not None else _own(video)
        if sound is None:
            raise GWMError(NO_SOUND)
        bar = TickProgress(len(frames), preview=False)
        with rooms.running() as loaded:
            found = av_sync(frames, rate, sound, model=loaded,
                            progress=lambda done, total: bar(
                                int(done / max(total, 1) * len(frames)), len(frames)))
        text = found.text()
        say(found.verdict())
        late, lips = (x if x == x else 0.0 for x in (found.offset, found.lips_offset))
        return io.NodeOutput(frames_to_image(plot(found)[None]), float(late), float(lips),
                             found.to_json(), text, ui={"text": [text]})


def _own(video):
    """The clip's own sound, or None."""
    if video is None:
        return None
    source = getattr(video, "get_stream_source", None)
    if source is not None:
        return FilmReader.sound_of(source())
    parts = video.get_components()
    return None if parts.audio is None else recording_of(parts.audio, "video")
