"""Lip-Sync Report: does a mouth follow a voice?"""

from __future__ import annotations

from fractions import Fraction

from comfy_api.v0_0_2 import InputImpl, io

from ..gwm_core.avatars.film_reader import FilmReader
from ..gwm_core.avatars.motion import TICK_RATE, from_json
from ..gwm_core.avatars.mouth import aperture
from ..gwm_core.avatars.sync_plot import plot
from ..gwm_core.avatars.sync_report import at_ticks, compare, opening_of_voice
from ..gwm_core.errors import GWMError
from .adapt import frames_to_image
from .avatars_shared import (
    recording_of,
    report_output,
)
from .faces import faces_on
from .host import TickProgress, say
from .inverse import Frames
from .types import GWMModel

NOTHING = "wire in a video, images or a motion: the mouth to look at"
SEVERAL = "{}: {} is wired in as well; one mouth is looked at, so wire in one of them"
NO_SOUND = "audio: the clip has no sound of its own; wire in the voice that the mouth follows"


class GWMLipSyncReport(io.ComfyNode):
    """How well a mouth follows a voice, and how late it is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMLipSyncReport",
            display_name="Lip-Sync Report",
            category="GWM/avatars",
            description=(
                "Looks at how open a mouth is, frame by frame, and holds it against the voice: "
                "says whether the two are in sync, or by how much the picture is late. For clips "
                "of any model with one face."
            ),
            is_output_node=True,
            inputs=[
                io.Float.Input(
                    "fps",
                    default=float(TICK_RATE),
                    min=1.0,
                    max=240.0,
                    step=0.001,
                    tooltip="Frames a second of the images input. A video brings its own.",
                ),
                io.Video.Input("video", optional=True, tooltip="The clip, with or without sound."),
                io.Image.Input(
                    "images", optional=True, tooltip="The clip as frames, instead of a video."
                ),
                io.String.Input(
                    "curves",
                    optional=True,
                    force_input=True,
                    tooltip="The motion of Drive Avatar instead of pictures: exact and fast.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="The voice. Without it, that of the video.",
                ),
                GWMModel.Input(
                    "model",
                    optional=True,
                    tooltip="gwm-faces: the mouth is held against the one that this model would "
                    "make of the voice, which is much sharper than loudness. Without it, loudness.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "plot", display_name="plot",
                    tooltip="Both curves over time, and their agreement over the shift.",
                ),
                io.Int.Output(
                    "offset", display_name="offset",
                    tooltip="How many frames the picture is late; below 0 it is early. 0 where it "
                    "cannot be told: the report says so.",
                ),
                io.Float.Output(
                    "score", display_name="score",
                    tooltip="How well the two agree at that offset, -1 to 1 (correlation).",
                ),
                report_output("All figures as text."),
            ],
        )

    @classmethod
    def validate_inputs(cls, video="none", images="none", curves="none"):
        # A wired input shows up as None here, one without a wire not at all.
        wired = [name for name, value in (("video", video), ("images", images),
                                          ("curves", curves)) if value is None]
        return True if len(wired) == 1 else _which(wired)

    @classmethod
    def execute(cls, fps, video=None, images=None, curves=None, audio=None, model=None
                ) -> io.NodeOutput:
        wired = [name for name, value in (("video", video), ("images", images),
                                          ("curves", curves)) if value is not None]
        if len(wired) != 1:
            raise GWMError(_which(wired))
        recording = None if audio is None else recording_of(audio, "audio")
        if curves is not None:
            mouth, rate, own = aperture(from_json(curves)), Fraction(TICK_RATE), None
        else:
            mouth, rate, own = _seen(video, images, fps, recording is None)
        recording = recording or own
        if recording is None:
            raise GWMError(NO_SOUND)
        expected, voice = "loudness of the voice", None
        if model is not None:
            with faces_on(model).faces() as loaded:
                voice = opening_of_voice(loaded, recording)
            expected = "model, from the voice"
        found = compare(at_ticks(mouth, rate), recording, voice=voice, expected=expected,
                        measured="motion" if curves is not None else "picture")
        text = found.text()
        say(found.verdict())
        score = found.score if found.score == found.score else 0.0
        return io.NodeOutput(
            frames_to_image(plot(found)[None]), found.frames_late(rate), float(score), text,
            ui={"text": [text]},
        )


def _which(wired: list[str]) -> str:
    return SEVERAL.format(wired[1], wired[0]) if wired else NOTHING


def _seen(video, images, fps: float, sound: bool):
    """(opening of every frame, frames a second, the clip's own voice or None)."""
    if images is not None:
        frames = Frames(images, "images")
        pictures, total, rate = (frames[i] for i in range(len(frames))), len(frames), Fraction(fps)
        return _opening(pictures, total), rate.limit_denominator(1001), None
    if isinstance(video, InputImpl.VideoFromFile):
        with FilmReader(video.get_stream_source()) as film:
            mouth = _opening(film.frames(), film.count)
            rate = film.rate
        own = FilmReader.sound_of(video.get_stream_source()) if sound else None
        return mouth, rate, own
    read = getattr(video, "get_components", None)
    if read is None:
        raise GWMError(f"video: a VIDEO is needed, not {type(video).__name__}")
    parts = read()
    frames = Frames(parts.images, "video")
    own = recording_of(parts.audio, "video") if sound and parts.audio is not None else None
    return _opening((frames[i] for i in range(len(frames))), len(frames)), \
        Fraction(parts.frame_rate), own


def _opening(pictures, total: int):
    from ..gwm_core.avatars.sync_faces import MouthReader  # brings the network: not at start

    bar = TickProgress(total, preview=False)
    return MouthReader().opening(pictures, progress=lambda done: bar(min(done, total), total))
