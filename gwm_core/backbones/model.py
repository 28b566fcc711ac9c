"""A large backbone with its decoder, played as the embedded model is played.

Everything a world, a session or a node asks of a model is here; which network it is shows only in
its spec, its embodiment and its beginning.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
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
from ..rollout import RolloutValue, Tick, rollout
from ..store import ClipStore, Progress, StateStore
from ..world import Observation, World, check_prompt
from .arrays import array_of, tensor_of
from .beginnings import Beginning, prompt_of
from .compile_files import Folder
from .compiled_step import CompiledStep
from .latent_decoder import DecoderState, LatentDecoder
from .licences import Licence
from .offload import OffloadingStore
from .ways import Ways

log = logging.getLogger(__name__)
VERSION = 1
STATES = 4
"""States of a world that are kept in the host's memory as points to rewind to."""


@dataclass(frozen=True)
class BackboneState:
    """A rollout at the end of a block, and what was said in the world so far.

    origin: names the world's beginning. switches: ticks at which the way of computing changed (see
    ``ways``).
    """

    value: RolloutValue
    prompt: str = ""
    said: tuple[str, ...] = ()
    origin: str = ""
    switches: tuple[int, ...] = ()

    def buffers(self) -> list[Tensor]:
        """Its tensors; those shared with other states are the same objects."""
        value = self.value
        decoder = value.decoder.buffers() if value.decoder is not None else []
        small = [t for t in (value.history, value.waiting) if t is not None]
        return [*value.cache.buffers(), *decoder, *small]

    @property
    def nbytes(self) -> int:
        return sum(int(t.nbytes) for t in self.buffers())

    def map(self, change: Callable[[Tensor], Tensor]) -> BackboneState:
        """The same state with every tensor replaced by ``change(tensor)``."""
        value = self.value
        changed = replace(
            value, cache=value.cache.map(change),
            decoder=None if value.decoder is None else value.decoder.map(change),
            history=None if value.history is None else change(value.history),
            waiting=None if value.waiting is None else change(value.waiting),
        )
        return replace(self, value=changed)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(numpy arrays by name, JSON values); the model's ``state_from_arrays`` restores it."""
        value = self.value
        arrays, meta = _named("cache", *value.cache.to_arrays())
        meta = {
            "version": VERSION, "cache": meta, "tick": value.tick, "block": value.block,
            "seeds": list(value.seeds), "prompt": self.prompt, "said": list(self.said),
            "decoder": None, "rows": {}, "origin": self.origin, "switches": list(self.switches),
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
        self.ways = Ways()
        self.compiled: CompiledStep | None = None
        self.store = store or OffloadingStore(
            STATES * dynamics.spec.state_bytes + (1 << 28), every=8 * embodiment.block_ticks
        )

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._runs_on or next(self.dynamics.network.parameters()).device

    # ------------------------------------------------------------------ ways of computing

    def compile_in_background(self, folder: Folder) -> CompiledStep:
        """From now on layers are compiled while worlds are played, and taken once they are there.

        Ticks computed with them differ from others in the last bits, so each world records which
        were (``computed``), and every replay computes them so again.
        """
        if self.compiled is None:
            title = self.title
            self.compiled = CompiledStep(folder, lambda text: log.warning("%s: %s", title, text))
            self.compiled.attach(self.dynamics.network)
        return self.compiled

    def computed(self, world: World) -> tuple[int, ...]:
        """The ticks of a world at which the way of computing changed; it begins with layers as
        they are. Walks keep it."""
        return self.ways.switches(_origin(world.prompt, world.observation, world.seed))

    def recall(self, world: World, switches: Sequence[int], tick: int) -> bool:
        """Take up what ``computed`` told of the first ``tick`` ticks, in another run of the
        program. False where those ticks were already computed in another way here."""
        origin = _origin(world.prompt, world.observation, world.seed)
        return self.ways.recall(origin, switches, tick)

    def _blocks(self, state: BackboneState, rows: Tensor) -> list[Tick]:
        """The ticks of a block, in the way that this world's record says or now gets."""
        value = state.value

        def work() -> list[Tick]:
            return list(rollout(self.dynamics, value, rows, decoder=self.decoder))

        compiled, ways = self.compiled, self.ways
        if compiled is None:
            return work()
        spec = self.dynamics.spec
        key = (value.cache.shape(), tuple(rows.shape), len(spec.sigmas(value.block)))
        ticks = spec.block_ticks
        tick = value.block * ticks  # of the world; a first picture may be a tick of the rollout
        if ways.decide(state.origin, tick, ticks, lambda: compiled.ready(key)):
            # it is only not ready where this tick was played in another run of the program
            if compiled.ready(key) or compiled.prepare(key, work):
                try:
                    return compiled.run(key, work, compiled=True)
                except Exception as problem:  # any compiler's; play must go on
                    compiled.fail(problem)
            ways.back(state.origin, tick)
        return compiled.run(key, work)

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
        return BackboneState(value, prompt, origin=_origin(prompt, observation, seed))

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
        ticks = self._blocks(replace(state, value=value), rows)
        view = self.embodiment.views[0].name
        made = [tick.frames[self.decoder.view][0].numpy() for tick in ticks]
        spec = self.dynamics.spec
        short = value.tick == 0 and spec.first_tick_frames != spec.frames_per_tick
        clip = Clip(
            {view: np.concatenate(made)}, {}, np.zeros((1, 0), np.float32), 0,
            self.embodiment.fps, controls, {}, spec.first_tick_frames if short else None,
        )
        after, origin = ticks[-1].value, state.origin
        return BackboneState(after, state.prompt, said, origin, self.ways.switches(origin)), clip

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
        said = tuple(str(s) for s in meta["said"])
        origin = str(meta.get("origin", ""))
        switches = tuple(int(s) for s in meta.get("switches", ()))
        if switches:
            self.ways.recall(origin, switches, value.block * self.dynamics.spec.block_ticks)
        return BackboneState(value, str(meta["prompt"]), said, origin, switches)


def _origin(prompt: str, observation: Observation, seed: int) -> str:
    """What names a world's beginning, the same in every run of the program."""
    return hashlib.sha256(json.dumps([prompt, observation.hash, seed]).encode()).hexdigest()


def _named(start: str, arrays: dict[str, np.ndarray], meta: Any) -> tuple[dict, Any]:
    return {f"{start}.{name}": array for name, array in arrays.items()}, meta


def _part(arrays: dict[str, np.ndarray], start: str) -> dict[str, np.ndarray]:
    head = start + "."
    return {n.removeprefix(head): a for n, a in arrays.items() if n.startswith(head)}
