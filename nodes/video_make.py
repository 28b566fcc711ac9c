"""Generate Video with Audio, and Retake."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

import comfy.model_management
import folder_paths
import numpy as np
from comfy_api.v0_0_2 import InputImpl, io

from ..gwm_core.avatars.film_reader import FilmReader
from ..gwm_core.errors import GWMError
from .adapt import frames_to_image, sound_of
from .avatars_shared import report_output
from .faces import faces_on
from .host import TickProgress, say
from .types import FilmOnWire, GWMFilm, GWMModel, GWMStoryboardWire

# What makes films brings OpenCV, numba and scipy: it is imported where it is used, not at start.
if TYPE_CHECKING:
    from ..gwm_core.video.film_report import FilmReport
    from ..gwm_core.video.parts import Parts
    from ..gwm_core.video.retake import Retake
    from ..gwm_core.video.storyboard import Storyboard

WHATS = {"picture and sound": "both", "picture": "picture", "sound": "sound"}
STEMS = ("dialogue", "effects", "ambience")


def outputs() -> list:
    """What a film gives, for both nodes."""
    return [
        io.Video.Output("video", display_name="video",
                        tooltip="The whole film with its mixed sound; it lies in a file, not in "
                        "memory."),
        io.Image.Output("images", display_name="images",
                        tooltip="Its frames from the beginning on, at most max_frames."),
        io.Audio.Output("audio", display_name="audio",
                        tooltip="The mix: dialogue, effects and ambience at the storyboard's "
                        "loudness."),
        io.Audio.Output("dialogue", display_name="dialogue",
                        tooltip="What is said, apart from all else (a stem)."),
        io.Audio.Output("effects", display_name="effects",
                        tooltip="Impacts, steps, throws, apart from all else (a stem)."),
        io.Audio.Output("ambience", display_name="ambience",
                        tooltip="The tone of the rooms, apart from all else (a stem)."),
        io.String.Output("subtitles", display_name="subtitles",
                         tooltip="The lines with their times, in the SRT form."),
        GWMFilm.Output("film_out", display_name="film", tooltip="For Retake."),
        report_output("Shots, length, loudness, and what was kept or made anew."),
    ]


def frames_input() -> io.Int.Input:
    return io.Int.Input(
        "max_frames", default=240, min=1, max=15000,
        tooltip="Most frames in 'images', from the beginning on: they lie in memory uncompressed. "
        "video and audio are always whole.",
    )


def rooms_input() -> GWMModel.Input:
    return GWMModel.Input("rooms", tooltip="gwm-rooms, from Load GWM Model: places, things that "
                          "happen, their sound.")


def faces_input() -> GWMModel.Input:
    return GWMModel.Input("faces", optional=True,
                          tooltip="gwm-faces, from a second Load GWM Model: characters and their "
                          "speech. Needed as soon as somebody is seen or says something.")


class GWMGenerateVideo(io.ComfyNode):
    """A storyboard becomes a film with sound."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMGenerateVideo",
            display_name="Generate Video with Audio",
            category="GWM/video",
            description=(
                "Makes the film of a storyboard, picture and sound together: rooms, characters, "
                "dialogue that the model itself speaks, impacts where they are seen, the tone of "
                "the place under all of it. Finished shots are kept: after a change only the "
                "changed shots are made again, and a stopped run goes on where it was."
            ),
            inputs=[
                GWMStoryboardWire.Input("storyboard", tooltip="From Storyboard."),
                rooms_input(),
                frames_input(),
                faces_input(),
            ],
            outputs=outputs(),
        )

    @classmethod
    def execute(cls, storyboard, rooms, max_frames, faces=None) -> io.NodeOutput:
        return made(storyboard.board, (), rooms, faces, max_frames)


class GWMRetake(io.ComfyNode):
    """A time range of a film made again; all else stays as it is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMRetake",
            display_name="Retake",
            category="GWM/video",
            description=(
                "Makes a second of a film again, or a line of it, with what comes before and "
                "after known: outside the range nothing changes. Chain several."
            ),
            inputs=[
                GWMFilm.Input("film", tooltip="From Generate Video with Audio, or a Retake."),
                rooms_input(),
                io.Float.Input("start", default=1.0, min=0.0, max=3600.0, step=0.01,
                               tooltip="Where the range begins, in seconds of the film."),
                io.Float.Input("end", default=2.0, min=0.0, max=3600.0, step=0.01,
                               tooltip="Where it ends, in seconds of the film."),
                io.Combo.Input("what", options=list(WHATS), default=next(iter(WHATS)),
                               tooltip="What is made again within the range."),
                io.Int.Input("seed", default=1, min=0, max=0xFFFFFFFFFFFFFFFF,
                             control_after_generate=False,
                             tooltip="Another seed, another take."),
                io.String.Input("words", default="", multiline=True, dynamic_prompts=False,
                                tooltip="New words for the line that is said at start: picture "
                                "and sound of that line are made again, whatever end and what "
                                "say. Empty: the range is taken again as it is."),
                frames_input(),
                faces_input(),
            ],
            outputs=outputs(),
        )

    @classmethod
    def validate_inputs(cls, start=None, end=None, words=None):
        if None not in (start, end) and end <= start and not (words or "").strip():
            return f"end: {end:g} s; it must be after start, {start:g} s"
        return True

    @classmethod
    def execute(cls, film, rooms, start, end, what, seed, words, max_frames, faces=None
                ) -> io.NodeOutput:
        if what not in WHATS:
            raise GWMError(f"what: {what!r}; one of {', '.join(WHATS)} is accepted")
        from ..gwm_core.video.retake import Retake, checked, line_retake

        report = film.report
        begin, until = (Fraction(t).limit_denominator(100_000) for t in (start, end))
        if words.strip():
            again = line_retake(report, *line_at(report, begin), words, seed)
        else:
            again = checked(Retake(begin, until, WHATS[what], seed), report)
        return made(report.board, (*report.retakes, again), rooms, faces, max_frames)


def line_at(report: FilmReport, at: Fraction) -> tuple[int, int]:
    """(shot, line), from 0, of what is said ``at`` seconds of a film."""
    for index, shot in enumerate(report.shots):
        for number, (_, _, begins, ends) in enumerate(report.spoken[index]):
            first = shot.first / report.fps
            if first + begins <= at < first + ends:
                return index, number
    raise GWMError(f"words: nobody speaks at {float(at):g} s; start must lie within the line that "
                   "gets new words (subtitles and report say when lines are said)")


def made(board: Storyboard, retakes: tuple[Retake, ...], rooms, faces, max_frames: int
         ) -> io.NodeOutput:
    """The film of a storyboard with all its retakes, as the nodes' outputs."""
    from ..gwm_core.video.film import make_film
    from ..gwm_core.video.storyboard_print import print_board

    with running(rooms, faces) as parts:
        report = make_film(board, new_file(), parts=parts, folder=shelf(), stems=True,
                           retakes=retakes, progress=Bar(), stop=stopped,
                           metadata={"storyboard": print_board(board)})
    with FilmReader(str(report.path)) as film:
        frames = np.stack(list(islice(film.frames(), max_frames)))
    sounds = [_sound(report.stems[name]) for name in ("mix", *STEMS)]
    text = report.text()
    say(text.splitlines()[0])
    return io.NodeOutput(
        InputImpl.VideoFromFile(str(report.path)), frames_to_image(frames), *sounds, report.srt,
        FilmOnWire(report), text, ui={"text": [text]})


def _sound(path) -> dict:
    """A stem's file as the host's AUDIO."""
    from ..gwm_core.video.sound_file import SoundFile

    with SoundFile(path) as file:
        return sound_of(file.read(0, file.shape[1]), file.rate)


@contextlib.contextmanager
def running(rooms, faces) -> Iterator[Parts]:
    """The models on both wires, as the library takes them."""
    from ..gwm_core.video.parts import load_parts

    with contextlib.ExitStack() as stack:
        world = stack.enter_context(rooms.running())
        face = {} if faces is None else {"faces": stack.enter_context(faces_on(faces).faces())}
        yield load_parts(rooms=world, **face)


def stopped() -> bool:
    """Never true: where Cancel was pressed the host's own interrupt is raised."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    return False


class Bar:
    """The node's bar over all shots of the film, with a line about the one in work."""

    STEPS = 100

    def __init__(self) -> None:
        self._bar: TickProgress | None = None
        self._shot = -1

    def __call__(self, shot: int, shots: int, frame: int, frames: int,
                 picture: np.ndarray | None = None) -> None:
        total = (shots + 1) * self.STEPS  # writing the film counts as one more
        if self._bar is None:
            self._bar = TickProgress(total)
        if shot != self._shot:
            self._shot = shot
            say(f"shot {shot} of {shots}" if shot else "cutting and mixing")
        done = (shot - 1 if shot else shots) + frame / max(frames, 1)
        self._bar(int(done * self.STEPS), total, picture)


def new_file() -> str:
    """A new film's file in the host's temp folder."""
    folder = os.path.join(folder_paths.get_temp_directory(), "gwm")
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, f"film_{uuid.uuid4().hex}.mp4")


def shelf() -> str:
    """Where finished shots are kept between runs."""
    folder = os.path.join(folder_paths.get_user_directory(), "gwm", "shots")
    os.makedirs(folder, exist_ok=True)
    return folder
