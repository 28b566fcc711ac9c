"""Controls (text), Camera Path and Join Controls."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from comfy_api.v0_0_2 import io

from ..gwm_core.backbones.families import family
from ..gwm_core.camera_path import MOVES, camera_path
from ..gwm_core.controls import Controls
from ..gwm_core.embodiment import Embodiment, rooms_embodiment
from ..gwm_core.errors import GWMError
from .open_weights import networks
from .types import GWMControlTrack, GWMModel

EXAMPLE = "W*24 look(+6,0)*12 W+look(-3,0)*8"
TEXT_HELP = (
    "What to press, from left to right. W A S D walk, SPACE jumps, E pushes, Q throws a ball, "
    "look(right,up) turns by degrees a tick, idle waits. KEY*24 holds for 24 ticks (2 seconds), "
    'KEY+KEY presses together, event("the lights go out") happens at that moment, '
    "# starts a comment."
)


@cache
def _embodiment_of(kind: str, variant: str) -> Embodiment:
    return family(kind, variant).embodiment


def _others() -> list[Embodiment]:
    """Contracts of the open weights that are at hand, whose controls a text may mean too."""
    kinds = {(n.found.kind, n.found.variant(n.variant)) for n in networks().values()}
    return [_embodiment_of(*kind) for kind in sorted(kinds)]


def check_text(read: Callable[[Embodiment], object]) -> bool | str:
    """True, or the sentence that says what is wrong: for ``validate_inputs``, before anything runs.

    At that time no model is known yet: a text is right if ``read`` takes it with the controls of
    the embedded worlds or of open weights in the host's folders. The sentence is that of the
    embedded worlds.
    """
    try:
        read(rooms_embodiment())
    except GWMError as error:
        for body in _others():
            try:
                read(body)
            except GWMError:
                continue
            return True
        return str(error)
    return True


def check_control_text(text: str | None) -> bool | str:
    """``check_text`` for control text. None (the text comes from a wire) is checked when it
    arrives."""
    return text is None or check_text(lambda body: Controls.parse(text, body))


def _embodiment(model) -> Embodiment:
    return rooms_embodiment() if model is None else model.model.embodiment


def _outputs() -> list[io.Output]:
    return [
        GWMControlTrack.Output(
            "controls",
            display_name="controls",
            tooltip="The controls, for Step World or Branch World.",
        ),
        io.Int.Output(
            "ticks", display_name="ticks", tooltip="How many ticks they last (12 make a second)."
        ),
    ]


def _result(controls: Controls) -> io.NodeOutput:
    return io.NodeOutput(controls, len(controls))


class GWMControls(io.ComfyNode):
    """Controls written as text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMControls",
            display_name="Controls (text)",
            category="GWM/controls",
            description="Keys and looks as text, checked before anything runs.",
            inputs=[
                io.String.Input(
                    "text",
                    multiline=True,
                    default=EXAMPLE,
                    dynamic_prompts=False,
                    tooltip=TEXT_HELP,
                ),
                GWMModel.Input(
                    "model",
                    optional=True,
                    tooltip="Only for models with other controls than the embedded ones.",
                ),
            ],
            outputs=_outputs(),
        )

    @classmethod
    def validate_inputs(cls, text=None, model="none"):
        # A wired model shows up as None: its controls are known only when it runs.
        return True if model is None else check_control_text(text)

    @classmethod
    def execute(cls, text, model=None) -> io.NodeOutput:
        return _result(Controls.parse(text, _embodiment(model)))


class GWMCameraPath(io.ComfyNode):
    """Controls from a ready-made camera move."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMCameraPath",
            display_name="Camera Path",
            category="GWM/controls",
            description=(
                "A ready-made camera move as controls. The camera walks like a person: walls and "
                "heavy things stop it."
            ),
            inputs=[
                io.Combo.Input(
                    "move",
                    options=list(MOVES),
                    default="walk forward",
                    tooltip="The shape of the move.",
                ),
                io.Float.Input(
                    "seconds",
                    default=3.0,
                    min=0.1,
                    max=300.0,
                    step=0.1,
                    tooltip="How long it takes.",
                ),
                io.Float.Input(
                    "turn",
                    default=0.0,
                    min=-3600.0,
                    max=3600.0,
                    step=1.0,
                    tooltip="Degrees to turn in all: + right, - left. 0 takes the move's own "
                    "amount (full turn: 360, arc: 90, look around: 60 to each side).",
                ),
                io.Float.Input(
                    "tilt",
                    default=0.0,
                    min=-120.0,
                    max=120.0,
                    step=1.0,
                    tooltip="Degrees to look up (+) or down (-) in all; the head stops at 60.",
                ),
                GWMModel.Input(
                    "model",
                    optional=True,
                    tooltip="Only for models with other controls than the embedded ones.",
                ),
            ],
            outputs=_outputs(),
        )

    @classmethod
    def execute(cls, move, seconds, turn, tilt, model=None) -> io.NodeOutput:
        amount = turn if turn else None
        return _result(camera_path(move, _embodiment(model), seconds, amount, tilt))


class GWMJoinControls(io.ComfyNode):
    """Controls one after the other."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMJoinControls",
            display_name="Join Controls",
            category="GWM/controls",
            description="Plays up to four controls one after the other.",
            inputs=[
                GWMControlTrack.Input("first", tooltip="Played first."),
                GWMControlTrack.Input("second", tooltip="Played after the first."),
                GWMControlTrack.Input("third", optional=True, tooltip="Played after the second."),
                GWMControlTrack.Input("fourth", optional=True, tooltip="Played last."),
            ],
            outputs=_outputs(),
        )

    @classmethod
    def execute(cls, first, second, third=None, fourth=None) -> io.NodeOutput:
        joined = first
        for more in (second, third, fourth):
            if more is not None:
                joined = joined.concat(more)
        return _result(joined)
