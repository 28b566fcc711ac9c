"""From files that a user brings to a model that plays."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from .encoders import Encoders, encoder_of
from .families import Family, family, windowed
from .licences import LICENCES, Licence
from .matrix_game_actions import dead_norms
from .memory_need import Need, check_memory, need_of
from .model import BackboneModel
from .pairing import decoder_for, recognised
from .recognise import DECODER, NETWORK, Found, recognise
from .taehv import TaehvDecoder, load_taehv
from .tiny_encoders import stand_ins
from .wan_vae import WanVaeDecoder, load_wan_vae

FP8 = {"F8_E4M3", "F8_E5M2"}
WINDOWS = (12, 9, 6)
"""Smaller windows of a causal Wan that a refusal offers, in latent frames."""


class Tensors(Mapping):
    """The tensors of a file by name, each read when it is asked for, into memory of its own (where
    a mapped file happens to begin can change the last bit of a matrix product on a CPU)."""

    def __init__(self, found: Found) -> None:
        from safetensors import safe_open

        self._file = safe_open(str(found.index.path), framework="pt")
        self._prefix, self._index = found.prefix, found.index
        self._names = [name.removeprefix(found.prefix) for name in found.index.entries]

    def __getitem__(self, name: str) -> Tensor:
        return self._file.get_tensor(self._prefix + name).clone()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return f"{self._prefix}{name}" in self._index.entries


@dataclass(frozen=True)
class Plan:
    """What would be loaded: all that can be told before."""

    network: Found
    decoder: Found
    family: Family
    licence: Licence
    variant: str
    need: Need
    alternatives: tuple[tuple[str, Need], ...]

    def lines(self) -> str:
        """Licences and memory, for a person."""
        kind = {"taehv": "taehv", "wan-vae": "wan-2.1-vae"}[self.decoder.kind]
        decoder = LICENCES["twin" if self.decoder.sizes else kind]
        return "\n".join([
            self.licence.lines(self.family.title), decoder.lines(self.decoder.title),
            *([self.network.note] if self.network.note and len(self.network.variants) > 1 else []),
            f"Needs {self.need.line()}.",
        ])

    def check(self, free: int, total: int) -> None:
        """CheckpointError where memory is too little; bytes free and in all."""
        check_memory(self.family.title, self.need, free, total, self.alternatives)


def plan(
    network: str | os.PathLike[str] | Found, decoder: str | os.PathLike[str] | Found | None = None,
    candidates: list[Found] | None = None, variant: str = "", local: int | None = None,
    dtype: torch.dtype = torch.bfloat16, storage: torch.dtype | None = None, config: Any = None,
) -> Plan:
    """What a network and its decoder would be, without loading them.

    decoder: its file; None takes the fitting one of ``candidates``, TAEHV first. variant: where
    shapes do not tell; "" takes the first. local: latent frames in sight of a causal Wan. dtype:
    computed in; storage: dtype of the weights, None takes ``dtype``, but fp8 stays where a file
    has it. config: other sizes than the published ones. CheckpointError names the file, what it
    is and what is needed.
    """
    found = network if isinstance(network, Found) else recognise(network)
    if found.role != NETWORK:
        raise CheckpointError(
            f"{found.name}: this is {found.title}, a {found.role}; a network that plays is needed"
        )
    if decoder is None:
        beside = decoder_for(found, candidates or [])
    else:
        beside = decoder if isinstance(decoder, Found) else recognise(decoder)
        if beside.role != DECODER or beside.channels != found.channels:
            decoder_for(found, [beside])
            raise CheckpointError(f"{beside.name}: this is {beside.title}; a decoder is needed")
    chosen = found.variant(variant)
    config = config or found.sizes
    made = family(found.kind, chosen, windowed(found.kind, chosen, config, local))
    stored = _stored(found, dtype, storage)

    def need(other: Found = beside, size: int = stored, window: int | None = local) -> Need:
        other_window = windowed(found.kind, chosen, config, window)
        fam = made if window == local else family(found.kind, chosen, other_window)
        spec = fam.spec(dtype.itemsize)
        numbers = sum(e.numbers for e in found.index.entries.values())
        if found.kind == "waypoint":  # what is tied is kept once
            numbers -= (fam.config.layers - 1) * TIED * fam.config.dim**2
        _, height, width = next(iter(spec.latent_shape.values()))
        return need_of(
            spec, numbers * size, sum(e.numbers for e in other.index.entries.values()) * 2,
            _decoder_state(other, height, width), other.kind, fam.config.layers, fam.ffn_dim,
            fam.tokens, dtype.itemsize,
        )

    options = []
    if beside.kind != "taehv":
        tiny = next((f for f in candidates or [] if f.kind == "taehv"
                     and f.channels == found.channels), None)
        if tiny is not None:
            options.append((f"with {tiny.title} as decoder", need(tiny)))
    if stored > 1:
        options.append(("with weights in fp8", need(size=1)))
    if found.kind == "causal-wan":
        options += [(f"with {w} latent frames in sight", need(window=w)) for w in WINDOWS]
        options.append((f"with {WINDOWS[-1]} latent frames in sight and weights in fp8",
                        need(size=1, window=WINDOWS[-1])))
    # shapes alone do not tell whose causal Wan it is
    untold = found.kind == "causal-wan" and len(found.variants) > 1 and not variant
    licence = LICENCES["twin" if found.sizes else "causal-wan" if untold else made.licence]
    return Plan(found, beside, made, licence, chosen, need(), tuple(options))


TIED = 6
"""Square matrices of a Waypoint layer that all layers share."""


def _stored(found: Found, dtype: torch.dtype, storage: torch.dtype | None) -> int:
    """Bytes of a stored weight."""
    if storage is not None:
        return storage.itemsize
    fp8 = any(e.dtype in FP8 for e in found.index.entries.values())
    return 1 if fp8 else dtype.itemsize


def _decoder_state(found: Found, height: int, width: int) -> int:
    """Bytes of a decoder's state in half precision, from its file's header."""
    with torch.device("meta"):
        tensors = {n: torch.empty(shape, dtype=torch.float16)
                   for n, shape in found.index.shapes(found.prefix).items()}
    return _decoder(found, tensors, nn, "meta", torch.float16).state_bytes(height, width)


def _decoder(found: Found, tensors: Mapping[str, Tensor], operations: Any, device: Any,
             dtype: torch.dtype | None, size: tuple[int, int] | None = None) -> Any:
    if found.kind == "taehv":
        vae = load_taehv(dict(tensors), operations, device, dtype, found.name, widths=found.sizes)
        return TaehvDecoder(vae, size=size)
    return WanVaeDecoder(load_wan_vae(dict(tensors), operations, device, dtype, found.name),
                         size=size)


def load_backbone(
    planned: Plan, encoders: Encoders | None = None, device: Any = None,
    dtype: torch.dtype = torch.bfloat16, storage: torch.dtype | None = None,
    operations: Any = nn, decoder_dtype: torch.dtype | None = None, runs_on: Any = None,
) -> BackboneModel:
    """The model of a plan, with its weights.

    encoders: of pictures and words; where none for pictures is given, the encoder half of the
    decoder's own file is taken. dtype: computed in; storage as in ``plan`` (fp8 needs casting
    ``operations``). decoder_dtype: float16 by default on a card, else ``dtype``. device: where
    the weights are put; runs_on: where it will compute, if a host brings them there later.
    """
    found, beside, made = planned.network, planned.decoder, planned.family
    if _stored(found, dtype, storage) == 1 and operations is nn:
        raise CheckpointError(
            f"{found.name}: its weights are fp8, which only a host's casting layers can "
            "compute with; a bf16 file is needed here"
        )
    tensors = Tensors(found)
    notes = _live_norms(found, tensors) if found.kind == "matrix-game-2" else ""
    dynamics = made.load(tensors, operations, device, storage, dtype)
    on_card = torch.device(runs_on or device or "cpu").type != "cpu"
    half = decoder_dtype or (torch.float16 if on_card else dtype)
    view = made.embodiment.views[0]
    decoder = _decoder(beside, Tensors(beside), operations, device, half,
                       (view.width, view.height))
    encoders = encoders or Encoders()
    if encoders.picture is None:
        encoders = replace(encoders, picture=encoder_of(decoder.network))
    if found.sizes is not None:
        encoders = stand_ins(found.kind, found.sizes, encoders.picture)
    parts = [found.index.mark(), beside.index.mark(), planned.variant, repr(made.config)]
    mark = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    name = found.index.path.name.removesuffix(".safetensors")
    model = BackboneModel(
        name, made.title, dynamics, decoder, made.beginning(encoders), made.embodiment, mark,
        planned.licence, made.restore, runs_on=runs_on or device,
    )
    if notes:
        model.metadata["note"] = notes
    return model


def open_backbone(
    path: str | os.PathLike[str], decoder: str | os.PathLike[str] | None = None,
    encoders: Encoders | None = None, device: Any = "cpu", variant: str = "",
    local: int | None = None,
) -> BackboneModel:
    """The model of a file: ``plan`` and ``load_backbone`` in one call.

    decoder: its file, else a fitting one in the same folder. Computed in bfloat16 on a card and in
    float32 on a CPU. What is needed is checked against the card's free memory first.
    """
    device = torch.device(device)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    beside = sorted(Path(path).parent.glob("*.safetensors")) if decoder is None else []
    made = plan(path, decoder, recognised(beside)[0], variant, local, dtype)
    if device.type == "cuda":
        made.check(*torch.cuda.mem_get_info(device))
    return load_backbone(made, encoders, device, dtype)


def _live_norms(found: Found, tensors: Mapping[str, Tensor]) -> str:
    """A sentence where norm weights that the published code never applies are not 1: another
    reading of the network applies them, and then pictures would differ."""
    names = [n for n in tensors if ".action_model." in n and n.endswith("_norm.weight")]
    far = dead_norms({name: tensors[name] for name in names})
    if not far or max(far.values()) == 0:
        return ""
    worst = max(far, key=far.get)
    return (
        f"{found.name}: {worst} is {far[worst]:.3g} away from 1; it is not applied, as in the "
        "published code"
    )
