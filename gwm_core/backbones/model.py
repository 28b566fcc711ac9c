"""A large backbone with its decoder, played as the embedded model is played.

Everything a world, a session or a node asks of a model is here; which network it is shows only in
its spec, its embodiment and its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..clip import Clip
from ..controls import Controls
from ..embodiment import Embodiment
from ..errors import CheckpointError, WorldError
from ..noise import check_seed
from ..pictures import fit_picture
from ..rollout import RolloutValue, rollout
from ..store import ClipStore, Progress, StateStore
from ..world import Observation, World, check_prompt
from .arrays import array_of, tensor_of
from .beginnings import Beginning, prompt_of
from .latent_decoder import DecoderState, LatentDecoder
from .licences import Licence
from .offload import OffloadingStore

VERSION = 1
STATES = 4
"""States of a world that are kept in the host's memory as points to rewind to."""


@dataclass(frozen=True)
class BackboneState:
    """A rollout at the end of a block, and what was said in the world so far."""

    value: RolloutValue
    prompt: str = ""
    said: tuple[str, ...] = ()

    def buffers(self) -> list[Tensor]:
        """Its tensors; those shared with other states are the same objects."""
        value = self.value
        decoder = value.decoder.buffers() if value.decoder is not None else []
        small = [t for t in (value.history, value.waiting) if t is not None]
        return [*value.cache.buffers(), *decoder, *small]

    @property
    def nbytes(self) -> int:
        return sum(int(t.nbytes) for t in self.buffers())

    def to(self, device: Any) -> BackboneState:
        """The same state on another device."""
        value = self.value
        moved = replace(
            value, cache=value.cache.to(device),
            decoder=None if value.decoder is None else value.decoder.to(device),
            history=None if value.history is None else value.history.to(device),
            waiting=None if value.waiting is None else value.waiting.to(device),
        )
        return replace(self, value=moved)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(numpy arrays by name, JSON values); the model's ``state_from_arrays`` restores it."""
        value = self.value
        arrays, meta = _named("cache", *value.cache.to_arrays())
        meta = {
            "version": VERSION, "cache": meta, "tick": value.tick, "block": value.block,
            "seeds": list(value.seeds), "prompt": self.prompt, "said": list(self.said),
            "decoder": None, "rows": {},
        }
        if value.decoder is not None:
            more, meta["decoder"] = _named("decoder", *value.decoder.to_arrays())
            arrays |= more
        for name in ("history", "waiting"):
            rows = getattr(value, name)
            if rows is not None:
                arrays[name], meta["rows"][name] = array_of(rows)
        return arrays, meta


class BackboneModel:
    """A loaded open-weights model.

    title       its name for people ("Matrix-Game 2.0 universal")
    dynamics    the network behind ``DynamicsLike``; it has ``network``, a torch module
    decoder     latents to frames
    beginning   what a world begins from
    embodiment  controls, view, clock
    fingerprint sha256 (hex) of what its frames depend on: weights, decoder, sizes
    licence     of the weights; stored in every world it makes
    restore     ``from_arrays`` of the dynamics' cache
    runs_on     where it computes, None where its weights are now (a host may keep weights
                elsewhere and bring them when they are used)
    """

    inverse = None

    def __init__(
        self, name: str, title: str, dynamics: Any, decoder: LatentDecoder, beginning: Beginning,
        embodiment: Embodiment, fingerprint: str, licence: Licence, restore: Any,
        store: StateStore | None = None, runs_on: Any = None,
    ) -> None:
        self.name, self.title, self.fingerprint = name, title, fingerprint
        self.dynamics, self.decoder, self.beginning = dynamics, decoder, beginning
        self.embodiment, self.licence, self._restore = embodiment, licence, restore
        self.network = nn.ModuleDict({"dynamics": dynamics.network, "decoder": decoder.network})
        self.metadata = {"licence": f"{licence.name} ({licence.source})", "name": name}
        self._runs_on = None if runs_on is None else torch.device(runs_on)
        self.variant = f"{self.device.type}-{str(dynamics.network.dtype).removeprefix('torch.')}"
        self.store = store or OffloadingStore(
            STATES * dynamics.spec.state_bytes + (1 << 28), every=8 * embodiment.block_ticks
        )

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._runs_on or next(self.dynamics.network.parameters()).device

    # ------------------------------------------------------------------ making and stepping

    def new_world(self, prompt: str = "", image: np.ndarray | None = None,
                  depth: np.ndarray | None = None, seed: int = 0,
                  depth_kind: str = "near_white") -> World:
        """A world at tick 0.

        prompt: text, may be empty where a picture is read. image: uint8 [H, W, 3] of any size
        (the middle is cut to the view's shape). depth: not read by these models. seed: 0 to
        2**64 - 1. GWMError names what is missing or not accepted.
        """
        check_prompt(prompt)
        seed = check_seed(seed)
        kind = self.beginning.picture
        if depth is not None:
            raise WorldError(f"depth: {self.title} keeps no geometry and reads none; leave it out")
        if image is None and kind == "needed":
            raise WorldError(f"image: {self.title} begins from a picture; connect one")
        if image is not None and kind == "none":
            raise WorldError(f"image: {self.title} begins from words alone; leave the picture out")
        if self.beginning.text and not prompt.strip():
            raise WorldError(f"prompt: {self.title} begins from words; say what is to be seen")
        self.beginning.check(self, image is not None)
        said = self.understand(prompt)
        info = {
            "origin": "prompt" if image is None else "picture",
            "understood": list(said.understood), "ignored": list(said.ignored),
            "licence": self.licence.name, "source": self.licence.source,
        }
        view = self.embodiment.views[0]
        frames = {} if image is None else {view.name: fit_picture(image, view.width, view.height)}
        return World.begin(self, prompt, Observation(frames, {}, info), seed)

    def step(self, world: World, controls: Controls | str, progress: Progress | None = None,
             clips: ClipStore | None = None) -> tuple[World, Clip]:
        """Play controls: see :meth:`gwm_core.World.step`."""
        return world.step(controls, progress, clips)

    def branch(self, world: World, tracks: Sequence[Controls | str],
               progress: Progress | None = None) -> tuple[tuple[World, ...], tuple[Clip, ...]]:
        """Several futures of one world."""
        return world.branch(tracks, progress)

    def read_controls(self, *args: Any, **kwargs: Any) -> Controls:
        """Not possible with these models: CheckpointError."""
        raise CheckpointError(f"{self.title}: it cannot read controls from a clip; gwm-rooms can")

    read_clip = read_controls

    def understand(self, text: str, event: bool = False) -> SimpleNamespace:
        """``understood`` and ``ignored`` parts of a text: all of it, or none."""
        text = text.strip()
        if not text:
            return SimpleNamespace(understood=(), ignored=())
        if self.beginning.text:
            return SimpleNamespace(understood=(text,), ignored=())
        return SimpleNamespace(understood=(), ignored=(f"{text} ({self.title} reads no words)",))

    # ------------------------------------------------------------------ what World calls

    @torch.no_grad()
    def start(self, prompt: str, observation: Observation, seed: int) -> BackboneState:
        """The state at tick 0 (see gwm_core.world.WorldModel)."""
        picture = observation.frames.get(self.embodiment.views[0].name)
        value = self.beginning.start(self, prompt_of(prompt, ()), picture, seed)
        return BackboneState(value, prompt)

    @torch.no_grad()
    def advance(self, state: BackboneState, controls: Controls,
                events: tuple[tuple[int, str], ...]) -> tuple[BackboneState, Clip]:
        """One block of ticks (see gwm_core.world.WorldModel). A block is made at once: events
        within it happen at its beginning."""
        value, said = state.value, state.said
        if events and self.beginning.text:
            said = (*said, *(text for _, text in events))
            value = self.beginning.told(self, value, prompt_of(state.prompt, said))
        rows = torch.from_numpy(np.array(controls.values, np.float32))[None].to(self.device)
        ticks = list(rollout(self.dynamics, value, rows, decoder=self.decoder))
        view = self.embodiment.views[0].name
        made = [tick.frames[self.decoder.view][0].numpy() for tick in ticks]
        spec = self.dynamics.spec
        short = value.tick == 0 and spec.first_tick_frames != spec.frames_per_tick
        clip = Clip(
            {view: np.concatenate(made)}, {}, np.zeros((1, 0), np.float32), 0,
            self.embodiment.fps, controls, {}, spec.first_tick_frames if short else None,
        )
        return BackboneState(ticks[-1].value, state.prompt, said), clip

    def state_from_arrays(self, arrays: dict[str, np.ndarray], meta: Any) -> BackboneState:
        """The state that ``BackboneState.to_arrays`` described."""
        if meta["version"] != VERSION:
            raise ValueError(f"state version {meta['version']!r}; this GWM reads {VERSION}")
        device, decoder = self.device, None
        if meta["decoder"] is not None:
            decoder = DecoderState.from_arrays(_part(arrays, "decoder"), meta["decoder"], device)
        rows = {n: tensor_of(arrays[n], dtype, device) for n, dtype in meta["rows"].items()}
        value = RolloutValue(
            self._restore(_part(arrays, "cache"), meta["cache"], device), int(meta["tick"]),
            tuple(int(s) for s in meta["seeds"]), int(meta["block"]), decoder,
            history=rows.get("history"), waiting=rows.get("waiting"),
        )
        return BackboneState(value, str(meta["prompt"]), tuple(str(s) for s in meta["said"]))


def _named(start: str, arrays: dict[str, np.ndarray], meta: Any) -> tuple[dict, Any]:
    return {f"{start}.{name}": array for name, array in arrays.items()}, meta


def _part(arrays: dict[str, np.ndarray], start: str) -> dict[str, np.ndarray]:
    head = start + "."
    return {n.removeprefix(head): a for n, a in arrays.items() if n.startswith(head)}
