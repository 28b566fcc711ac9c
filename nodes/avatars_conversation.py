"""Conversation: two characters who speak and listen to each other."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.v0_0_2 import io

from ..gwm_core.avatars.conversation import LAYOUTS, SIDES, TwoShot, mix, who_speaks
from ..gwm_core.avatars.drive import checked_ticks, curves_from_voice
from ..gwm_core.avatars.motion import to_json
from ..gwm_core.errors import AvatarError
from .adapt import frames_to_image
from .avatars_shared import (
    actor_of,
    audio_of,
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
    video_output,
)
from .faces import faces_on


class GWMConversation(io.ComfyNode):
    """Two characters in one film."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMConversation",
            display_name="Conversation",
            category="GWM/avatars",
            description=(
                "Two characters talk: each speaks its own track and listens while the other one "
                "speaks. Both tracks begin together, as a recording of two microphones does."
            ),
            inputs=[
                model_input(),
                character_input("left_character", "Who is on the left, from Character."),
                character_input("right_character", "Who is on the right, from Character."),
                io.Audio.Input(
                    "left_audio",
                    tooltip="What the left one says, silent where it listens. Any sample rate.",
                ),
                io.Audio.Input(
                    "right_audio",
                    tooltip="What the right one says. A shorter track is silent to the end.",
                ),
                io.Combo.Input(
                    "layout",
                    options=list(LAYOUTS),
                    default=LAYOUTS[0],
                    tooltip="Both beside each other; a film of one of them, who still hears the "
                    "other; or a camera that cuts to who speaks.",
                ),
                *dial_inputs(),
                seed_input(),
                io.Int.Input(
                    "size", default=384, min=64, max=2048, step=2,
                    tooltip="Longest side of each character's part of the picture, in pixels.",
                ),
                frames_input(),
            ],
            outputs=[
                images_output(),
                io.Audio.Output(
                    "audio", display_name="audio",
                    tooltip="Both voices in one sound, at the higher of their sample rates.",
                ),
                video_output("The whole film with both voices, exactly 25 frames a second."),
                io.Mask.Output(
                    "left_mask", display_name="left mask",
                    tooltip="White where the left character's part of the picture is: one mask, or "
                    "one for every frame of images where the camera cuts.",
                ),
                io.Mask.Output(
                    "right_mask", display_name="right mask",
                    tooltip="The same for the right character.",
                ),
                io.String.Output(
                    "left_motion", display_name="left motion",
                    tooltip="The left one's motion as curves (JSON), for Drive Avatar.",
                ),
                io.String.Output(
                    "right_motion", display_name="right motion",
                    tooltip="The right one's motion as curves (JSON), for Drive Avatar.",
                ),
                report_output("How long the film is, and what was heard."),
            ],
        )

    @classmethod
    def execute(cls, model, left_character, right_character, left_audio, right_audio, layout,
                seed, size, max_frames, **dials) -> io.NodeOutput:
        faces = faces_on(model)
        if layout not in LAYOUTS:
            raise AvatarError(f"layout: {layout!r}; one of {', '.join(LAYOUTS)} is accepted")
        voices = {side: recording_of(audio, f"{side}_audio")
                  for side, audio in zip(SIDES, (left_audio, right_audio), strict=True)}
        characters = dict(zip(SIDES, (left_character, right_character), strict=True))
        ticks = checked_ticks(max(voice.ticks for voice in voices.values()))
        sound = mix(*voices.values())
        actors = {side: actor_of(one, size, dials) for side, one in characters.items()}
        shot = TwoShot(*(actor.size for actor in actors.values()), layout)

        speakers = who_speaks(*voices.values(), ticks)
        speaking = iter(speakers)

        def draw(both: np.ndarray) -> np.ndarray:
            speaker = SIDES[next(speaking)]
            return shot.compose(*(
                actors[side].draw(both[i]) if shot.shows(side, speaker) else None
                for i, side in enumerate(SIDES)
            ), speaker)

        with faces.faces() as loaded:
            tracks = [
                curves_from_voice(
                    loaded, voices[side], voices[_other(side)], ticks=ticks,
                    # Two who blink at the same moments look like one.
                    seed=(seed + i) % 2**64, dials=dials_of(dials))
                for i, side in enumerate(SIDES)
            ]
            pairs = (np.stack(pair) for pair in zip(*tracks, strict=True))
            taken, video = filmed(pairs, draw, ticks, sound, max_frames)
        lines = [length_line(ticks, len(taken.frames))]
        lines += [f"{side}: {voice.described()}" for side, voice in voices.items()]
        return io.NodeOutput(
            frames_to_image(taken.frames),
            audio_of(sound),
            video,
            *(torch.from_numpy(shot.mask(side, speakers[:max_frames])) for side in SIDES),
            *(to_json(taken.motion[:, i]) for i in range(2)),
            "\n".join(lines),
        )


def _other(side: str) -> str:
    return SIDES[1 - SIDES.index(side)]
