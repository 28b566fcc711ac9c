"""Published causal Wan 1.3B files that differ in how they are sampled, not in their shapes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..embodiment import Embodiment, StreamSpec, ViewSpec
from .causal_wan import VIEW, CausalWanConfig

FPS = 16.0


@dataclass(frozen=True)
class Variant:
    """A published file: ``title`` for people, ``licence`` its entry in ``licences``."""

    name: str
    title: str
    config: CausalWanConfig
    licence: str

    def embodiment(self, config: CausalWanConfig | None = None) -> Embodiment:
        """The contract of the variant (of a network of other sizes): no controls, but words."""
        config = config or self.config
        wan = config.wan
        return Embodiment(
            f"causal-wan-{self.name.replace('_', '-')}", FPS / 4, 4, 0,
            (ViewSpec(VIEW, 16 * wan.columns, 16 * wan.rows, 60.0),), (),
            (StreamSpec(VIEW, wan.tokens, wan.dim),),
            {"block_ticks": config.block, "first_picture": False, "reads_text": True},
        )


_CHUNKS = CausalWanConfig()
_FRAMES = replace(_CHUNKS, block=1)
_FOUR = _CHUNKS.steps
VARIANTS = {
    v.name: v
    for v in (
        Variant("self_forcing", "Self Forcing 1.3B", _CHUNKS, "self-forcing"),
        Variant("causal_forcing", "Causal Forcing 1.3B", _CHUNKS, "causal-forcing"),
        Variant("causal_forcing_frames", "Causal Forcing 1.3B, frame by frame", _FRAMES,
                "causal-forcing"),
        Variant("causal_forcing_2step", "Causal Forcing++ 1.3B, two steps",
                replace(_FRAMES, steps=(1000, 500), first_steps=_FOUR), "causal-forcing"),
        Variant("causal_forcing_1step", "Causal Forcing++ 1.3B, one step",
                replace(_FRAMES, steps=(1000,), first_steps=_FOUR), "causal-forcing"),
    )
}
