"""What a rollout has to know about a dynamics network, and nothing more.

``DynamicsSpec`` covers the embedded transformer as well as large block-wise backbones, so that
``gwm_core.rollout`` never asks which network it drives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch

Tokens = dict[str, torch.Tensor]


@dataclass(frozen=True)
class StreamConfig:
    """One token stream of a dynamics network.

    ``tokens`` x ``width`` floats a tick (about unit variance). ``grid`` = (rows, columns) of a
    view stream, row-major, or None. ``guide`` says that a best guess of the same shape may enter
    at the stream's token positions. ``stem_depth`` residual blocks of ``stem_width`` make the
    input stem a small network of its own whose hidden values also feed the output head
    (``tokens`` are then told apart by the stem too); with ``stem_bands`` the token is a sound,
    frames of so many bands, and the stem hears it by convolutions (``sound_stem``). ``weight``
    scales the stream's loss.
    """

    name: str
    tokens: int
    width: int
    grid: tuple[int, int] | None = None
    guide: bool = False
    stem_depth: int = 0
    stem_width: int = 0
    weight: float = 1.0
    stem_bands: int = 0

    def __post_init__(self) -> None:
        if self.tokens < 1 or self.width < 1:
            raise ValueError(
                f"stream {self.name!r}: tokens and width must be at least 1, "
                f"got {self.tokens} x {self.width}"
            )
        if self.grid is not None and self.grid[0] * self.grid[1] != self.tokens:
            raise ValueError(
                f"stream {self.name!r}: grid {self.grid} does not have {self.tokens} cells"
            )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> StreamConfig:
        data = dict(data)
        if data.get("grid") is not None:
            data["grid"] = tuple(data["grid"])
        return cls(**data)


@dataclass(frozen=True)
class Ring:
    """History kept by a dynamics: ``local`` ticks in sight, the running block included."""

    local: int
    dilated: int = 0
    sink: int = 0


@dataclass(frozen=True)
class DynamicsSpec:
    """The contract between a dynamics and the sampling loop.

    latent_shape
        shape of one tick of each stream, e.g. ``{"view.eye": (40, 176)}`` or ``(16, 44, 80)``
        for latents behind a decoder.
    frames_per_tick, first_tick_frames
        frames that a tick, and the very first tick, decode to.
    block_ticks
        ticks denoised together; controls are taken up in whole blocks.
    schedule
        noise levels from 1 down to 0, or a function from the block index to them.
    between_steps
        ``"euler"`` follows the velocity, ``"renoise"`` draws fresh noise at the next level.
    prediction
        what ``step`` returns: the clean tokens (``"x"``) or the velocity (``"v"``).
    controls, control_rate, control_history
        number of control columns, ``"tick"`` or ``"frame"``, and how many control rows before the
        block ``step`` wants in front of the block's own.
    passes
        streams in the order in which they are denoised within a block; a later pass is given the
        clean tokens of the earlier ones.
    fused
        the dynamics has ``commit_step`` (commit of the last block in the pass of the next step).
    guided
        streams that take a guide.
    """

    latent_shape: dict[str, tuple[int, ...]]
    frames_per_tick: int = 1
    first_tick_frames: int = 1
    block_ticks: int = 1
    schedule: Sequence[float] | Callable[[int], Sequence[float]] = (1.0, 0.0)
    between_steps: str = "euler"
    prediction: str = "x"
    controls: int = 0
    control_rate: str = "tick"
    control_history: int = 0
    passes: tuple[tuple[str, ...], ...] = ()
    guided: tuple[str, ...] = ()
    history: Ring = field(default_factory=lambda: Ring(16))
    fused: bool = False
    prompt_kinds: tuple[str, ...] = ()
    state_bytes: int = 0
    max_ticks: int | None = None

    def sigmas(self, block: int) -> tuple[float, ...]:
        """Noise levels of block ``block``, from the first input level to the final 0."""
        values = self.schedule(block) if callable(self.schedule) else self.schedule
        return tuple(float(v) for v in values)

    def frames(self, tick: int) -> int:
        """Number of frames that ``tick`` decodes to."""
        return self.first_tick_frames if tick == 0 else self.frames_per_tick


@dataclass(frozen=True)
class Guide:
    """A best guess of one stream: ``tokens`` [B, T, n, w], ``coverage`` [B, T, n, 1] in 0..1
    (share of the token that is known), ``sigma`` the noise level that was mixed into it."""

    tokens: torch.Tensor
    coverage: torch.Tensor
    sigma: float | torch.Tensor = 0.0


class DynamicsLike(Protocol):
    """What ``gwm_core.rollout`` drives. All calls are pure: caches are values."""

    spec: DynamicsSpec

    def prefill(self, prompt: Any, observation: Tokens | None) -> Any: ...

    def step(
        self,
        cache: Any,
        noisy: Tokens,
        sigma: float | dict[str, float],
        controls: torch.Tensor | None,
        t0: int,
        guides: dict[str, Guide] | None = None,
    ) -> Tokens: ...

    def commit(
        self,
        cache: Any,
        clean: Tokens,
        controls: torch.Tensor | None,
        t0: int,
        guides: dict[str, Guide] | None = None,
    ) -> Any: ...


class DecoderLike(Protocol):
    """Latents to frames, with its running state as a value (None before the first tick)."""

    def decode(self, state: Any, latents: Tokens) -> tuple[dict[str, Any], Any]: ...
