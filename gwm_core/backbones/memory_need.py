"""How much memory a model needs, told before it is loaded, from its spec and its file's header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import CheckpointError
from ..model.spec import DynamicsSpec

GB = 1e9
RESERVE = 0.5 * GB
"""For the driver, the allocator's gaps and whatever else the host keeps on the card."""
FRAME_CHANNELS = {"taehv": 64 * 3, "wan-vae": 96 * 4}
"""Channels at the full size of a picture that live at once while a decoder works."""


@dataclass(frozen=True)
class Need:
    """Bytes of one world that is played.

    weights  of network and decoder together
    history  of one world
    fresh    of it, what is new after a block: it is made while the last history is still valid
    decoder  what the decoder remembers
    work     what a pass needs for a moment, with the reserve
    """

    weights: int
    history: int
    fresh: int
    decoder: int
    work: int

    @property
    def total(self) -> int:
        return self.weights + self.history + self.fresh + self.decoder + self.work

    @property
    def branch(self) -> int:
        """What one more world on the card costs."""
        return self.history + self.decoder

    def line(self) -> str:
        """One line for a person."""
        return (
            f"{self.total / GB:.1f} GB (weights {self.weights / GB:.1f}, history "
            f"{self.history / GB:.2f} + {self.fresh / GB:.2f}, decoder {self.decoder / GB:.2f}, "
            f"work {self.work / GB:.1f}); each further world {self.branch / GB:.2f} GB"
        )


def need_of(
    spec: DynamicsSpec, weights: int, decoder_weights: int, decoder_state: int, decoder_kind: str,
    layers: int, ffn_dim: int, tokens: int, size: int = 2,
) -> Need:
    """The need of a network with its decoder.

    weights, decoder_weights: bytes as they will lie in memory; decoder_state: of one world.
    layers, ffn_dim, tokens: of the network; its widest layer, and tokens of a tick. size: bytes
    of a number that is computed with.
    """
    past = max(1, spec.history.local - spec.block_ticks)
    fresh = int(spec.state_bytes * min(1.0, spec.block_ticks / past))
    block = 4 * spec.block_ticks * tokens * ffn_dim * size + spec.state_bytes // layers
    _, height, width = next(iter(spec.latent_shape.values()))
    pixels = 64 * height * width * spec.frames_per_tick
    frames = FRAME_CHANNELS[decoder_kind] * pixels * size
    work = int(RESERVE + max(block, frames))
    return Need(weights + decoder_weights, spec.state_bytes, fresh, decoder_state, work)


def check_memory(
    title: str, need: Need, free: int, total: int, alternatives: Sequence[tuple[str, Need]] = (),
) -> None:
    """CheckpointError with the numbers, and with what would fit, where it is too little.

    free, total: bytes of the device; free counts what the host can move away.
    """
    if need.total <= free:
        return
    fits = [f"{what}: {other.total / GB:.1f} GB" for what, other in alternatives
            if other.total <= free]
    told = "; ".join(fits) or "none of its smaller settings; run on the CPU or a larger card"
    raise CheckpointError(
        f"{title}: it needs {need.line()}. {free / GB:.1f} GB of {total / GB:.1f} GB are free. "
        f"What would fit: {told}"
    )
