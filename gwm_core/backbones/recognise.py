"""What a file of weights is, told by its tensors' names and shapes, never by its own name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CheckpointError
from ..tensor_file import KEY, shorten
from . import keys_waypoint, taehv
from .causal_wan_variants import VARIANTS as WAN
from .families import KIND_OF, read_sizes
from .file_index import FileIndex, read_index
from .keys_wan import causal_wan_shapes, matrix_game_shapes, without_prefix
from .matrix_game_variants import VARIANTS as GAMES
from .waypoint_config import SIZES, WaypointConfig

Shapes = Mapping[str, tuple[int, ...]]
NETWORK, DECODER, VISION, TEXT = "network", "decoder", "vision", "text"
FOLDERS = {
    NETWORK: "models/gwm or models/diffusion_models", DECODER: "models/vae or models/vae_approx",
    VISION: "models/clip_vision", TEXT: "models/text_encoders",
}
VARIANT_KEY = "gwm.variant"
"""Header entry in which ``gwm convert`` says what shapes alone do not tell."""
SIZES_KEY = "gwm.sizes"
"""Header entry of a tiny twin: the JSON of its configuration, or of its decoder's widths."""


@dataclass(frozen=True)
class Found:
    """A file that can be used.

    role      "network", "decoder", "vision" or "text"
    kind      what it is: "waypoint", "matrix-game-2", "causal-wan", "taehv", "wan-vae", "clip-h",
              "umt5-xxl"
    title     the same for people
    variants  which published variants it can be; shapes do not always tell. The first one is
              taken where nobody says
    channels  of the latents that a network makes or a decoder reads, 0 for encoders
    prefix    what its names begin with
    note      what a person should know besides
    sizes     configuration of a tiny twin (or widths of its decoder); None for published files
    """

    index: FileIndex = field(repr=False)
    role: str
    kind: str
    title: str
    variants: tuple[str, ...] = ()
    channels: int = 0
    prefix: str = ""
    note: str = ""
    sizes: Any = None

    @property
    def name(self) -> str:
        return self.index.path.name

    def line(self) -> str:
        """One line for a person."""
        told = f"{self.name}: {self.title}, {self.index.nbytes / 1e9:.2f} GB"
        return f"{told}. {self.note}" if self.note else told

    def variant(self, chosen: str = "") -> str:
        """The variant to play; CheckpointError for one that this file cannot be."""
        if chosen and chosen not in self.variants:
            raise CheckpointError(
                f"{self.name}: {self.title} cannot be {chosen!r}; "
                f"{', '.join(self.variants) or 'nothing'} is accepted"
            )
        return chosen or (self.variants[0] if self.variants else "")


def recognise(path: str | os.PathLike[str]) -> Found:
    """What a file is; CheckpointError in a sentence that names the file, what it is and what is
    needed instead."""
    return recognise_index(read_index(path))


def recognise_index(index: FileIndex) -> Found:
    """``recognise`` for an index that is at hand."""
    name = index.path.name
    if KEY in index.metadata:
        raise CheckpointError(
            f"{name}: this is a file of GWM itself; load it as a GWM model, world or bank"
        )
    if not index.entries:
        raise CheckpointError(f"{name}: it holds no tensors")
    if any(lora_name(n) for n in index.entries):
        raise CheckpointError(
            f"{name}: this is a LoRA, which changes another model and cannot be played itself; "
            "the whole model is needed"
        )
    if SIZES_KEY in index.metadata:
        return _twin(index)
    prefix = without_prefix(index.entries)
    shapes = index.shapes(prefix)
    for look in (_matrix_game, _wan, _waypoint, _taehv, _wan_vae, _clip, _umt5):
        found = look(index, shapes, prefix)
        if found is not None:
            return found
    raise CheckpointError(f"{name}: {_other(shapes)}; {ACCEPTED}")


def _twin(index: FileIndex) -> Found:
    """A tiny twin, whose header tells what it is."""
    name, variant = index.path.name, index.metadata.get(VARIANT_KEY, "")
    kind = KIND_OF.get(variant, "decoder")
    try:
        data = json.loads(index.metadata[SIZES_KEY])
        if kind == "decoder":
            widths = tuple(int(n) for n in data)
            found = taehv.kind_of(index.shapes(), name)
            return Found(index, DECODER, "taehv", "a tiny TAEHV", channels=found.channels,
                         sizes=widths)
        config = read_sizes(kind, data)
    except (ValueError, TypeError, KeyError) as problem:
        raise CheckpointError(f"{name}: a tiny twin with a damaged header ({problem})") from None
    shapes = {
        "matrix-game-2": matrix_game_shapes, "causal-wan": causal_wan_shapes,
        "waypoint": keys_waypoint.published_shapes,
    }[kind](config)
    _whole(index, index.shapes(), {"": shapes}, "a tiny twin")
    return Found(index, NETWORK, kind, f"a tiny twin of {kind}", (variant,), config.channels,
                 sizes=config)


ACCEPTED = (
    "accepted are Waypoint-1.5, Matrix-Game 2.0 and causal Wan 1.3B networks, TAEHV and Wan 2.1 "
    "VAE decoders"
)
LORA_PARTS = (".lora_a.", ".lora_b.", ".lora_up.", ".lora_down.", "lora_unet_", ".lokr_", ".hada_")


def lora_name(name: str) -> bool:
    """Whether a tensor of this name belongs to a LoRA or one of its relatives."""
    low = "." + name.lower()
    return any(part in low for part in LORA_PARTS)


def _whole(index: FileIndex, shapes: Shapes, choices: Mapping[str, Shapes], title: str) -> str:
    """The choice whose names and shapes a file has; CheckpointError says what differs from the
    nearest one."""
    for choice, wanted in choices.items():
        if shapes == wanted:
            return choice
    name = index.path.name
    if any(n.endswith(("scale_weight", "scaled_fp8", "weight_scale")) for n in shapes):
        raise CheckpointError(
            f"{name}: {title} in scaled fp8; bf16, fp16 or plain fp8 (without scales) is needed"
        )

    def apart(wanted: Shapes) -> tuple[int, set[str], set[str], set[str]]:
        missing, more = set(wanted) - set(shapes), set(shapes) - set(wanted)
        wrong = {n for n in set(shapes) & set(wanted) if shapes[n] != wanted[n]}
        return len(missing) + len(more) + len(wrong), missing, more, wrong

    _, missing, more, wrong = min((apart(w) for w in choices.values()), key=lambda a: a[0])
    problems = []
    if missing:
        problems.append(f"{len(missing)} tensors are missing ({shorten(missing, 3)})")
    if more:
        problems.append(f"{len(more)} are unknown ({shorten(more, 3)})")
    if wrong:
        problems.append(f"{len(wrong)} have other shapes ({shorten(wrong, 3)})")
    shard = " It may be one part of several: the file in one piece is needed." if missing else ""
    raise CheckpointError(f"{name}: it looks like {title}, but {'; '.join(problems)}.{shard}")


def _matrix_game(index: FileIndex, shapes: Shapes, prefix: str) -> Found | None:
    if not any(".action_model." in n for n in shapes):
        return None
    width = shapes.get("patch_embedding.weight", (0, 0))
    layers = {n.split(".")[1] for n in shapes if ".action_model." in n}
    if width[0] == 3072:
        raise CheckpointError(
            f"{index.path.name}: this is Matrix-Game 3.0, which makes whole clips and cannot be "
            f"played live; {ACCEPTED}"
        )
    if len(layers) == 30:
        raise CheckpointError(
            f"{index.path.name}: this is Matrix-Game 2.0's foundation model, too slow to play; "
            "the distilled file (base_distilled_model and its siblings) is needed"
        )
    choices = {name: matrix_game_shapes(v.config) for name, v in GAMES.items()}
    variant = _whole(index, shapes, choices, "Matrix-Game 2.0")
    return Found(index, NETWORK, "matrix-game-2", GAMES[variant].title, (variant,), 16, prefix)


WAN_WIDTH = 1536


def _wan(index: FileIndex, shapes: Shapes, prefix: str) -> Found | None:
    first = shapes.get("patch_embedding.weight")
    if first is None or "text_embedding.0.weight" not in shapes or len(first) != 5:
        return None
    name = index.path.name
    if any(".k_img." in n for n in shapes) or first[1] != 16 or first[0] != WAN_WIDTH:
        size = {WAN_WIDTH: "1.3B", 5120: "14B", 3072: "5B"}.get(first[0], f"of width {first[0]}")
        raise CheckpointError(
            f"{name}: this is a Wan model ({size}, {first[1]} input channels) that is not causal "
            "1.3B text-to-video; Self Forcing or Causal Forcing 1.3B is needed"
        )
    _whole(index, shapes, {"": causal_wan_shapes(WAN["self_forcing"].config)}, "causal Wan 1.3B")
    said = index.metadata.get(VARIANT_KEY, "")
    variants = (said,) if said in WAN else tuple(WAN)
    note = "" if said in WAN else (
        "Its shapes do not tell which causal Wan it is (Wan 2.1 itself has the same, and cannot "
        "be played): choose the variant that you downloaded"
    )
    title = WAN[said].title if said in WAN else "causal Wan 1.3B"
    return Found(index, NETWORK, "causal-wan", title, variants, 16, prefix, note)


def _waypoint(index: FileIndex, shapes: Shapes, prefix: str) -> Found | None:
    if not any(".ctrl_mlpfusion." in n for n in shapes):
        return None
    wanted = keys_waypoint.published_shapes(WaypointConfig())
    _whole(index, shapes, {"": wanted}, "Waypoint-1.5")
    said = index.metadata.get(VARIANT_KEY, "")
    variants = (said,) if said in WAYPOINTS else WAYPOINTS
    note = "" if said in WAYPOINTS else "Its shapes do not tell 720P from 360P: choose it"
    return Found(index, NETWORK, "waypoint", "Waypoint-1.5", variants, 32, prefix, note)


WAYPOINTS = tuple(SIZES)


def _taehv(index: FileIndex, shapes: Shapes, prefix: str) -> Found | None:
    firsts = {"decoder.0.weight", "decoder.1.weight"}
    if "decoder.22.bias" not in shapes or not firsts & set(shapes):
        return None
    kind = taehv.kind_of(shapes, index.path.name)
    name = next(n for n, k in taehv.KINDS.items() if k == kind)
    return Found(index, DECODER, "taehv", f"TAEHV ({name})", (name,), kind.channels, prefix)


def _wan_vae(index: FileIndex, shapes: Shapes, prefix: str) -> Found | None:
    last, first = shapes.get("conv2.weight"), shapes.get("decoder.conv1.weight")
    if last is None or first is None or len(last) != 5:
        return None
    if last[0] != 16 or first[0] != 384:
        raise CheckpointError(
            f"{index.path.name}: this is another Wan VAE ({last[0]} latent channels); that of "
            "Wan 2.1 (16 channels) is needed"
        )
    note = "" if "encoder.conv1.weight" in shapes else "It has a decoder alone"
    return Found(index, DECODER, "wan-vae", "Wan 2.1 VAE", ("wan2.1",), 16, prefix, note)


def _clip(index: FileIndex, shapes: Shapes, prefix: str) -> Found | None:
    size = shapes.get("vision_model.embeddings.class_embedding")
    if size is None:
        if any(n.startswith(("visual.transformer.", "textual.")) for n in shapes):
            raise CheckpointError(
                f"{index.path.name}: this is CLIP in its makers' own naming; the repackaged "
                "clip_vision_h.safetensors (models/clip_vision) is needed"
            )
        return None
    if size != (1280,):
        raise CheckpointError(
            f"{index.path.name}: this is CLIP Vision of width {size[0]}; ViT-H/14 (width 1280, "
            "clip_vision_h.safetensors) is needed"
        )
    return Found(index, VISION, "clip-h", "CLIP Vision ViT-H/14", prefix=prefix)


def _umt5(index: FileIndex, shapes: Shapes, prefix: str) -> Found | None:
    words = shapes.get("shared.weight") or shapes.get("token_embedding.weight")
    if words is None or len(words) != 2:
        return None
    if words[1] != 4096 or words[0] < 200_000:
        raise CheckpointError(
            f"{index.path.name}: this is another text encoder ({words[0]} tokens of width "
            f"{words[1]}); UMT5-XXL is needed"
        )
    return Found(index, TEXT, "umt5-xxl", "UMT5-XXL text encoder", prefix=prefix)


OTHERS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("this is a Stable Diffusion network", lambda n: ".input_blocks." in f".{n}"),
    ("this is a Flux network", lambda n: n.startswith("double_blocks.")),
    ("this is a network in the Diffusers naming", lambda n: ".transformer_blocks." in f".{n}"),
    ("this is an image VAE", lambda n: n.startswith(("decoder.up.", "first_stage_model."))),
    ("this is an upscaler or another small image model", lambda n: n.startswith("body.")),
)


def _other(shapes: Shapes) -> str:
    for told, is_it in OTHERS:
        if any(is_it(name) for name in shapes):
            return told
    return f"this is another model ({len(shapes)} tensors: {shorten(shapes, 3)})"
