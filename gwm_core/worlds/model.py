"""The rooms model: worlds from a prompt or a picture, stepped by controls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bodies import EYE
from ..clip import Clip
from ..controls import Controls
from ..errors import WorldError
from ..inverse import InverseReading, Lazy
from ..noise import check_seed
from ..pictures import first_picture
from ..store import ClipStore, Progress, StateStore
from ..world import Observation, World, check_prompt
from .events import apply_event
from .first import FAMILIAR, first_frame, start_world
from .parts import Parts
from .saved import state_from_arrays
from .state import RolloutState
from .threads import one_thread
from .tick import advance_tick

ROOM_TO_WALK = 5.0
"""Median depth in metres of a picture without depth that looks like no room the model knows."""
DEPTH_KINDS = ("near_white", "near_black", "metres")


class RoomsModel:
    """A loaded model of first-person worlds.

    name, fingerprint, embodiment, metadata: as the checkpoint says. network: all its weights as
    one torch module, for a host's memory management. trace: whether clips also tell which pixels
    were imagined (``info["unseen"]``, bool [F, H, W]); it changes nothing else.
    """

    def __init__(self, name: str, metadata: dict, network: Any, parts: Parts,
                 store: StateStore | None = None, path: Path | None = None) -> None:
        self.name = name
        self.metadata = metadata
        self.network = network
        self.parts = parts
        self.embodiment = parts.embodiment
        self.fingerprint = parts.fingerprint
        self.store = store or StateStore()
        self.variant = variant_of(network)
        self.trace = False
        self.inverse = Lazy(path, parts.embodiment)

    # ------------------------------------------------------------------ making and stepping

    def new_world(self, prompt: str = "", image: np.ndarray | None = None,
                  depth: np.ndarray | None = None, seed: int = 0,
                  depth_kind: str = "near_white") -> World:
        """A world at tick 0.

        prompt: text, may be empty. image: uint8 [H, W, 3] of any size and aspect, or None: then
        the first picture is imagined. depth: float [H, W] for the image (any size of the same
        aspect); depth_kind: "near_white" (nearness, as depth nodes give it), "near_black" or
        "metres". seed: 0 to 2**64 - 1. GWMError names what does not fit.
        """
        check_prompt(prompt)
        seed = check_seed(seed)
        said = self.understand(prompt)
        view = self.embodiment.views[0]
        info: dict[str, Any] = {"understood": list(said.understood),
                                "ignored": list(said.ignored)}
        if image is None:
            if depth is not None:
                raise WorldError("depth: given without an image; connect the picture it belongs to")
            with one_thread():
                state = start_world(self.parts, prompt, None, None, seed)
                frame, near = first_frame(self.parts, state)
            info |= {"origin": "prompt", "pose": [float(v) for v in state.player.pose]}
            observation = Observation({view.name: frame}, {view.name: near}, info)
            world = World.begin(self, prompt, observation, seed)
            self.store.put(world.store_key(), state, world.store_key(), 0)
            return world
        with one_thread():
            picture, metres, pitch = self._first(image, depth, depth_kind)
        info |= {"origin": "picture", "pose": [0.0, 0.0, EYE, 0.0, pitch]}
        observation = Observation({view.name: picture}, {view.name: metres}, info)
        return World.begin(self, prompt, observation, seed)

    def _first(self, image, depth, kind: str) -> tuple[np.ndarray, np.ndarray, float]:
        """The artist's picture at the view's size, its depth in metres, and how far it looks up."""
        if kind not in DEPTH_KINDS:
            raise WorldError(f"depth kind {kind!r}: accepted are {', '.join(DEPTH_KINDS)}")
        view = self.embodiment.views[0]
        first = first_picture(image, self.parts.depth, view.width, view.height, depth=depth,
                              depth_kind=kind, fov_deg=view.fov_deg)
        metres = np.asarray(first.depth, np.float32)
        if depth is None and first.rooms < FAMILIAR:
            # The size of what a painting shows is anyone's guess: leave room to walk.
            metres = metres * max(1.0, ROOM_TO_WALK / float(np.median(metres)))
        return first.rgb, metres.clip(0.05, 60).astype(np.float32), float(first.pitch)

    def step(self, world: World, controls: Controls | str, progress: Progress | None = None,
             clips: ClipStore | None = None) -> tuple[World, Clip]:
        """Play controls: see :meth:`gwm_core.World.step`."""
        return world.step(controls, progress, clips)

    def branch(self, world: World, tracks: Sequence[Controls | str],
               progress: Progress | None = None) -> tuple[list[World], list[Clip]]:
        """Several futures of one world, each exactly what ``step`` alone would give.

        ``progress(done, total, frame)`` counts the ticks of all branches together.
        """
        return world.branch(tracks, progress)

    # ------------------------------------------------------------------ reading clips

    def read_controls(self, frames: Any, fps: float | None = None, threshold: float = 0.5,
                      progress: Progress | None = None) -> Controls:
        """The controls that a clip of such a world shows: see `read_clip`."""
        return self.read_clip(frames, fps, threshold, progress).controls

    def read_clip(self, frames: Any, fps: float | None = None, threshold: float = 0.5,
                  progress: Progress | None = None) -> InverseReading:
        """The controls of a clip, with how sure each of them is.

        frames: uint8 [F, H, W, 3] of any size (the middle of the view's aspect is taken), or a
        sequence of such pictures. fps: their rate where it is not the model's; the frames nearest
        in time are taken then. With 1 + 2T frames the first one is the picture before the first
        tick; with 2T that picture is missing (as in what `step` gives), and the first tick is
        read from its second half alone. threshold: probability from which a key counts as held.
        progress(done, total, frame) is called after every tick; raising in it cancels.
        GWMError names what does not fit, CheckpointError a model without inverse dynamics.
        """
        inverse = self.inverse()
        with one_thread():
            return inverse.read(frames, fps, threshold, progress)

    # ------------------------------------------------------------------ words

    def understand(self, text: str, event: bool = False):
        """What a prompt (or an event) says to this model: ``understood`` and ``ignored`` words,
        attributes, change."""
        return self.parts.words.understand(text, event=event)

    # ------------------------------------------------------------------ what World calls

    def start(self, prompt: str, observation: Observation, seed: int) -> RolloutState:
        """The state at tick 0 (see gwm_core.world.WorldModel)."""
        with one_thread():
            if observation.info.get("origin") == "prompt":
                return start_world(self.parts, prompt, None, None, seed)
            view = self.embodiment.views[0].name
            return start_world(self.parts, prompt, observation.frames[view],
                               observation.depth.get(view), seed,
                               pose=observation.info.get("pose"))

    def advance(self, state: RolloutState, controls: Controls,
                events: tuple[tuple[int, str], ...]) -> tuple[RolloutState, Clip]:
        """One tick (see gwm_core.world.WorldModel)."""
        with one_thread():
            for _, text in events:
                state = apply_event(self.parts, state, text)
            state, out = advance_tick(self.parts, state, controls.values[0])
        view = self.embodiment.views[0].name
        info: dict[str, Any] = {"poses": out.poses, "imagined": [float(out.imagined.mean())]}
        if self.trace:
            info["unseen"] = out.imagined
        clip = Clip(frames={view: out.frames}, depth={view: out.depth},
                    audio=out.audio[None].astype(np.float32),
                    sample_rate=self.embodiment.sample_rate, fps=self.embodiment.fps,
                    controls=controls, info=info)
        return state, clip

    def state_from_arrays(self, arrays: dict[str, np.ndarray], meta: Any) -> RolloutState:
        """The state that ``RolloutState.to_arrays`` described."""
        return state_from_arrays(self.parts, arrays, meta)


def variant_of(network: Any) -> str:
    """Tells apart states that are not exchangeable: device and dtype of the weights."""
    first = next(iter(network.parameters()))
    return f"{first.device.type}-{str(first.dtype).removeprefix('torch.')}"
