"""Cast Member, Shot and Storyboard: a film before it is made."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from comfy_api.v0_0_2 import io

from ..gwm_core.camera_path import MOVES
from ..gwm_core.errors import VideoError
from ..gwm_core.speech.voices import VOICES
from ..gwm_core.video import contact_sheet, storyboard_text
from ..gwm_core.video.checks import Plan, check
from ..gwm_core.video.storyboard import CUTS, FRAMINGS, CastMember, Line, Shot, Storyboard
from ..gwm_core.video.typed_lines import typed_happenings, typed_lines
from .adapt import frames_to_image
from .avatars_shared import recording_of, report_output
from .host import say
from .types import (
    CastOnWire,
    GWMCast,
    GWMCharacterWire,
    GWMShots,
    GWMStoryboardWire,
    ShotsOnWire,
    StoryboardOnWire,
)

#: What the camera of a shot may do, as the list shows it. Controls as text go into ``path``.
CAMERAS = (*MOVES, *FRAMINGS)


class GWMCastMember(io.ComfyNode):
    """A character of a film: a portrait and a voice under one name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMCastMember",
            display_name="Cast Member",
            category="GWM/video",
            description=(
                "Names a character of your film and gives it a face and a voice. Chain several: "
                "wire one Cast Member's cast into the next. Shots call them by name."
            ),
            inputs=[
                io.String.Input(
                    "name",
                    default="Ada",
                    dynamic_prompts=False,
                    tooltip="What shots and lines call this character, e.g. Ada. Every name once.",
                ),
                io.Combo.Input(
                    "voice",
                    options=list(VOICES),
                    default=next(iter(VOICES)),
                    tooltip="The voice in which the model speaks this character's lines, the same "
                    "in every shot.",
                ),
                GWMCharacterWire.Input(
                    "character",
                    optional=True,
                    tooltip="Face: a portrait from Character. Without one this character is only "
                    "heard (a narrator, a voice on the radio).",
                ),
                GWMCast.Input(
                    "cast",
                    optional=True,
                    tooltip="The cast so far, from another Cast Member.",
                ),
            ],
            outputs=[
                GWMCast.Output(
                    "cast_out",
                    display_name="cast",
                    tooltip="The cast with this character: for Storyboard, or the next Cast "
                    "Member.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, name=None):
        return True if name is None or name.strip() else "name: empty; a name is needed, e.g. Ada"

    @classmethod
    def execute(cls, name, voice, character=None, cast=None) -> io.NodeOutput:
        before = cast.members if cast is not None else ()
        name = name.strip()
        if any(m.name.casefold() == name.casefold() for m in before):
            raise VideoError(f"name: {name!r} is in the cast already; every name once is accepted")
        if voice not in VOICES:
            raise VideoError(f"voice: {voice!r}; one of {', '.join(VOICES)} is accepted")
        face = None if character is None else character.character
        strength = 1.0 if character is None else character.strength
        return io.NodeOutput(CastOnWire((*before, CastMember(name, face, voice, strength))))


class GWMShot(io.ComfyNode):
    """One shot of a film."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMShot",
            display_name="Shot",
            category="GWM/video",
            description=(
                "One shot: a walk through a place, or characters who speak in it. Chain them: "
                "wire one Shot's shots into the next; Storyboard takes them all."
            ),
            inputs=[
                io.Float.Input(
                    "seconds", default=5.0, min=0.0, max=600.0, step=0.01,
                    tooltip="How long the shot is. It is rounded to whole frames of the film.",
                ),
                io.String.Input(
                    "place", default="", multiline=True, dynamic_prompts=False,
                    tooltip="Where it is, as for New World: \"a brick hall at dusk, two red "
                    "balls\". Empty: where the shot before is.",
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Of the place: shots with the same place and seed show the same room.",
                ),
                io.Combo.Input(
                    "camera", options=list(CAMERAS), default=CAMERAS[0],
                    tooltip="Without characters: how the camera goes through the room. With "
                    "characters: how much of them is seen (close-up, medium, wide, two-shot).",
                ),
                io.String.Input(
                    "path", default="", dynamic_prompts=False,
                    tooltip="Instead of camera: controls as in the Controls node, for shots "
                    "without characters: W*24 look(+6,0)*12.",
                ),
                io.String.Input(
                    "seen", default="", dynamic_prompts=False,
                    tooltip="Who is in the picture, from left to right: one name of the cast, or "
                    "two with a comma. Empty: nobody, the camera goes through the room.",
                ),
                io.String.Input(
                    "lines", default="", multiline=True, dynamic_prompts=False,
                    tooltip="What is said, a line each: \"Ada: Who is there?\"; with a time: "
                    "\"Ben at 2.5: Me.\" Who speaks need not be in the picture.",
                ),
                io.String.Input(
                    "happens", default="", multiline=True, dynamic_prompts=False,
                    tooltip="What happens in the room, a line each, with its time: \"2.5: Q\" "
                    "throws a ball, \"4: the lights go out\".",
                ),
                io.Float.Input(
                    "ambience", default=0.0, min=-60.0, max=12.0, step=0.5,
                    tooltip="Level of the room's tone in dB; -60 is none.",
                ),
                io.Combo.Input(
                    "cut", options=list(CUTS), default=CUTS[0],
                    tooltip="How the shot begins: a cut; a dissolve; a j-cut, whose sound begins "
                    "before the picture; an l-cut, under which the last shot's sound goes on.",
                ),
                io.Float.Input(
                    "cut_seconds", default=0.5, min=0.0, max=10.0, step=0.01,
                    tooltip="How long a dissolve, or the overlap of a j-cut or l-cut, takes.",
                ),
                io.String.Input(
                    "name", default="", dynamic_prompts=False,
                    tooltip="What the shot is called in messages and on the contact sheet.",
                ),
                io.Audio.Input(
                    "recording", optional=True,
                    tooltip="Your own take of the shot's first line: it is heard instead of the "
                    "model's voice, and drives the lips.",
                ),
                GWMShots.Input(
                    "shots", optional=True, tooltip="The shots before, from another Shot."
                ),
            ],
            outputs=[
                GWMShots.Output(
                    "shots_out", display_name="shots",
                    tooltip="All shots up to this one: for the next Shot, or Storyboard.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, lines=None, happens=None):
        try:
            if lines is not None:
                typed_lines(lines)
            if happens is not None:
                typed_happenings(happens)
        except VideoError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, seconds, place, seed, camera, path, seen, lines, happens, ambience, cut,
                cut_seconds, name, recording=None, shots=None) -> io.NodeOutput:
        before = shots.shots if shots is not None else ()
        said = typed_lines(lines)
        if recording is not None:
            if not said:
                raise VideoError("recording: there is no line to replace; write one into lines")
            said = (_taken(said[0], recording), *said[1:])
        shot = Shot(
            seconds=Fraction(seconds).limit_denominator(100_000),
            place=place.strip(), seed=seed, camera=path.strip() or camera,
            seen=tuple(n.strip() for n in seen.split(",") if n.strip()), lines=said,
            happens=typed_happenings(happens),
            ambience=None if ambience <= -60 else ambience, cut=cut,
            cut_seconds=Fraction(cut_seconds).limit_denominator(100_000), name=name.strip())
        return io.NodeOutput(ShotsOnWire((*before, shot)))


def _taken(line: Line, recording) -> Line:
    return replace(line, recording=recording_of(recording, "recording"))


class GWMStoryboard(io.ComfyNode):
    """Shots and cast become a storyboard, or a written storyboard does."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMStoryboard",
            display_name="Storyboard",
            category="GWM/video",
            description=(
                "Puts shots and cast together and checks everything before anything is made: "
                "names, lengths, lines that do not fit. Shots come from Shot nodes, or you write "
                "or paste the whole storyboard as text."
            ),
            is_output_node=True,
            inputs=[
                io.String.Input(
                    "text", default="", multiline=True, dynamic_prompts=False,
                    tooltip="The storyboard as text, one block for each shot; the help page shows "
                    "the form. Wired shots come after it. An error names its line and column.",
                ),
                io.Float.Input(
                    "fps", default=24.0, min=1.0, max=60.0, step=0.001,
                    tooltip="Frames a second of the film. 23.976 and 29.97 mean 24000/1001 and "
                    "30000/1001.",
                ),
                io.Int.Input("width", default=512, min=64, max=2048, step=2,
                             tooltip="Width of the film in pixels."),
                io.Int.Input("height", default=288, min=64, max=2048, step=2,
                             tooltip="Height of the film in pixels."),
                io.Float.Input(
                    "loudness", default=-23.0, min=-40.0, max=-9.0, step=0.5,
                    tooltip="How loud the mix is as a whole, in LUFS: -23 for television (EBU "
                    "R128), -16 to -14 for the web.",
                ),
                io.Float.Input(
                    "true_peak", default=-1.0, min=-9.0, max=0.0, step=0.1,
                    tooltip="The highest peak of the mix, in dBTP: nothing clips.",
                ),
                GWMShots.Input("shots", optional=True, tooltip="From the last of the Shot nodes."),
                GWMCast.Input(
                    "cast", optional=True, tooltip="From the last of the Cast Member nodes."
                ),
            ],
            outputs=[
                GWMStoryboardWire.Output(
                    "storyboard", display_name="storyboard",
                    tooltip="For Generate Video with Audio.",
                ),
                io.Image.Output(
                    "contact_sheet", display_name="contact sheet",
                    tooltip="All shots at a glance.",
                ),
                io.String.Output(
                    "written", display_name="text",
                    tooltip="The whole storyboard in its readable form: to keep, send or edit.",
                ),
                report_output("Length, shots, and what had to be fitted (lines spoken faster, "
                              "shots extended)."),
            ],
        )

    @classmethod
    def validate_inputs(cls, text=None, shots="none"):
        if text is not None and shots != "none" and not text.strip():
            return True
        if text is not None and not text.strip() and shots == "none":
            return "text: write a storyboard, or wire in shots from Shot nodes"
        return True

    @classmethod
    def execute(cls, text, fps, width, height, loudness, true_peak, shots=None, cast=None
                ) -> io.NodeOutput:
        members = cast.members if cast is not None else ()
        board, places = Storyboard(members, (), exact_rate(fps), width, height, loudness=loudness,
                                   true_peak=true_peak), None
        if text.strip():
            board, places = storyboard_text.parse_with_places(text, members, usual=board)
        if shots is not None:
            board, places = replace(board, shots=(*board.shots, *shots.shots)), None
        plan = check(board, places=places)
        written = storyboard_text.print_board(plan.storyboard)
        sheet = contact_sheet.sheet(plan.storyboard)
        report = told(plan)
        say(report.splitlines()[0])
        return io.NodeOutput(
            StoryboardOnWire(board, written), frames_to_image(sheet[None]), written, report,
            ui={"text": [report]})


def told(plan: Plan) -> str:
    """What a storyboard comes to, in a few lines."""
    board, timeline = plan.storyboard, plan.timeline
    rate = float(board.fps)
    head = (f"{len(board.shots)} shots, {float(timeline.seconds):.2f} s, {board.width} x "
            f"{board.height} at {rate:.5g} frames a second")
    return "\n".join([head, *plan.remarks])


def exact_rate(fps: float) -> Fraction:
    """``fps`` as editors mean it: 23.976 is 24000/1001."""
    whole = round(fps)
    for exact in (Fraction(whole), Fraction(whole * 1000, 1001)):
        if abs(float(exact) - fps) < 0.002:
            return exact
    return Fraction(fps).limit_denominator(1001)
