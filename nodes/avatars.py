"""Character and Drive Avatar."""

from __future__ import annotations

import os
import uuid

import folder_paths
import numpy as np
from comfy_api.v0_0_2 import io
from comfy_execution.graph_utils import ExecutionBlocker
from PIL import Image

from ..gwm_core.avatars.anchors import anchors_of, marked, read_anchors
from ..gwm_core.avatars.drive import CURVES_FOR, curves_from_voice, with_curves
from ..gwm_core.avatars.motion import from_json, scaled, to_json
from ..gwm_core.avatars.portrait import portrait_of
from ..gwm_core.errors import AvatarError, GWMError
from .adapt import frames_to_image, image_to_array, tensor_of
from .avatars_shared import (
    actor_of,
    character_input,
    dial_inputs,
    dials_of,
    filmed,
    frames_input,
    images_output,
    length_line,
    model_input,
    recording_of,
    report_output,
    seed_input,
    size_input,
    video_output,
)
from .faces import faces_on
from .types import CharacterOnWire, GWMCharacterWire

#: Longest side of the portrait that the node itself shows.
SHOWN = 640


class GWMCharacter(io.ComfyNode):
    """A portrait that can be driven."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMCharacter",
            display_name="Character",
            category="GWM/avatars",
            description=(
                "Makes a character of any portrait: photo, painting, drawing, mascot, robot. It "
                "looks for the face by itself; where it is not found or not right, drag the dots "
                "in the node onto eyes, mouth and chin."
            ),
            is_output_node=True,
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The portrait: one face, seen from the front or nearly so, 16 to 8192 "
                    "pixels a side. Its own pixels are what moves. The first of a batch is used.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    dynamic_prompts=False,
                    tooltip="What the character is called in messages.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How strongly this portrait moves, whoever drives it: below 1 for a "
                    "calm painting, above 1 for a broad cartoon.",
                ),
                io.String.Input(
                    "anchors",
                    default="",
                    dynamic_prompts=False,
                    tooltip="Points of the face that you placed; the dots over the portrait write "
                    "them. Empty: all points are found. As text: {\"mouth_left\": [x, y], ...} "
                    "with shares of width and height, for eye_left, eye_right, mouth_left, "
                    "mouth_right, mouth_top, chin.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the character is and where its background: the background then "
                    "stands still. Either way round, as Load Image or a segmentation node gives "
                    "it: the side with the face is the character.",
                ),
            ],
            outputs=[
                GWMCharacterWire.Output(
                    "character",
                    display_name="character",
                    tooltip="For Drive Avatar, Conversation and Live Avatar.",
                ),
                io.Image.Output(
                    "preview", display_name="preview", tooltip="The portrait with its points."
                ),
                io.String.Output(
                    "message",
                    display_name="message",
                    tooltip="Whether a face was found, and what is used otherwise. A portrait "
                    "without a face never stops a run.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, anchors=None):
        try:
            if anchors is not None:
                read_anchors(anchors, 1, 1)
        except AvatarError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, image, name, strength, anchors, mask=None) -> io.NodeOutput:
        picture = image_to_array(image)
        covered = None if mask is None else _mask_array(mask)
        portrait = portrait_of(picture, anchors=anchors, mask=covered, name=name)
        wire = CharacterOnWire(portrait.character, float(strength), portrait.found)
        points = portrait.character.points
        return io.NodeOutput(
            wire,
            frames_to_image(marked(portrait.character.image, points)[None]),
            portrait.message,
            ui=_shown(portrait.character.image, points, portrait.found, portrait.message),
        )


def _mask_array(mask) -> np.ndarray:
    """The first mask of a MASK, float32 [H, W]."""
    tensor = tensor_of(mask, "mask", (2, 3), "a MASK [batch, height, width]")
    return (tensor if tensor.ndim == 2 else tensor[0]).clamp(0, 1).contiguous().numpy()


def _shown(image: np.ndarray, points: np.ndarray, found: bool, message: str) -> dict:
    """What the node shows: a small copy of the portrait, and where the anchors are."""
    height, width = image.shape[:2]
    folder = os.path.join(folder_paths.get_temp_directory(), "gwm")
    os.makedirs(folder, exist_ok=True)
    file = f"portrait_{uuid.uuid4().hex}.jpg"
    small = Image.fromarray(image)
    small.thumbnail((SHOWN, SHOWN))
    small.save(os.path.join(folder, file), quality=90)
    told = {"width": width, "height": height, "anchors": anchors_of(points, width, height),
            "found": found, "message": message}
    return {
        "gwm_character": [told],
        "gwm_portrait": [{"filename": file, "subfolder": "gwm", "type": "temp"}],
    }


class GWMDriveAvatar(io.ComfyNode):
    """A character that speaks, or listens, or moves as another did."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMDriveAvatar",
            display_name="Drive Avatar",
            category="GWM/avatars",
            description=(
                "Lets a character speak a recording: lips, eyes, head and expression follow the "
                "voice. With other_audio it listens to another speaker; with curves it moves as "
                "another performance did."
            ),
            inputs=[
                model_input(),
                character_input("character", "From Character."),
                *dial_inputs(),
                seed_input(),
                size_input("Longest side of the frames in pixels. They keep the portrait's "
                           "aspect."),
                frames_input(),
                io.Combo.Input(
                    "curves_for",
                    options=list(CURVES_FOR),
                    default=CURVES_FOR[0],
                    tooltip="What wired curves decide: everything, or all but the mouth, which "
                    "then follows the voice.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="The character's own voice: any sample rate, mono or stereo, any "
                    "length up to two hours. It comes out unchanged.",
                ),
                io.Audio.Input(
                    "other_audio",
                    optional=True,
                    tooltip="The voice of whom it talks to: it listens and reacts, but does not "
                    "speak it, and it is not in the sound of the film.",
                ),
                io.String.Input(
                    "curves",
                    optional=True,
                    force_input=True,
                    tooltip="The motion of another performance, from another Drive Avatar or "
                    "edited by hand. The dials and the character's strength apply to it too.",
                ),
            ],
            outputs=[
                images_output(),
                io.Audio.Output(
                    "same_audio", display_name="audio",
                    tooltip="The voice exactly as it came in: rate, channels and length.",
                ),
                video_output("The whole film with its sound, exactly 25 frames a second."),
                io.String.Output(
                    "motion", display_name="motion",
                    tooltip="The motion as curves (JSON), to edit or to wire into another Drive "
                    "Avatar.",
                ),
                report_output("How long the film is, and what was heard."),
            ],
        )

    @classmethod
    def validate_inputs(cls, audio="none", other_audio="none", curves="none"):
        # A wired input shows up as None here, one without a wire not at all.
        return True if None in (audio, other_audio, curves) else NOTHING

    @classmethod
    def execute(cls, model, character, seed, size, max_frames, curves_for, audio=None,
                other_audio=None, curves=None, **dials) -> io.NodeOutput:
        faces = faces_on(model)
        own = None if audio is None else recording_of(audio, "audio")
        other = None if other_audio is None else recording_of(other_audio, "other_audio")
        given = None if curves is None else from_json(curves)
        if own is None and other is None and given is None:
            raise GWMError(NOTHING)
        ticks = max([r.ticks for r in (own, other) if r is not None], default=0)
        ticks = own.ticks if own is not None else ticks or len(given)
        actor = actor_of(character, size, dials)
        with faces.faces() as loaded:
            motions = None
            if (own is not None or other is not None) and (
                given is None or curves_for != CURVES_FOR[0]
            ):
                motions = curves_from_voice(
                    loaded, own, other, seed=seed, dials=dials_of(dials), ticks=ticks)
            if given is not None:
                motions = with_curves(motions, _dialled(given, dials), curves_for, ticks)
            shot, video = filmed(motions, actor.draw, ticks, own, max_frames)
        report = _report(own, other, given, shot, ticks)
        return io.NodeOutput(
            frames_to_image(shot.frames),
            ExecutionBlocker(None) if audio is None else audio,
            video,
            to_json(shot.motion),
            report,
        )


NOTHING = ("audio: wire in the character's voice, or other_audio to listen to, or curves of "
           "another performance")


def _dialled(curves: np.ndarray, dials: dict[str, float]) -> np.ndarray:
    """Given curves with the dials on them; how often they blink is theirs."""
    whole = dials["intensity"]
    groups = {name: whole * dials[name] for name in ("mouth", "expression", "gaze", "head")}
    return scaled(curves, {**groups, "eyes": whole * min(1.0, dials["blinks"])})


def _report(own, other, given, shot, ticks: int) -> str:
    lines = [length_line(ticks, len(shot.frames))]
    for what, one in (("voice", own), ("listens to", other)):
        if one is not None:
            lines.append(f"{what}: {one.described()}")
    if given is not None and len(given) != ticks:
        rest = "the last motion is held" if len(given) < ticks else "the rest is not used"
        lines.append(f"curves: {len(given)} ticks; {rest}")
    return "\n".join(lines)
