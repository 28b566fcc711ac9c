"""The shape of a Waypoint-1.5 network and of its history; the published sizes.

Facts from the published configuration of ``Overworld/Waypoint-1.5-1B`` (weights Apache-2.0) and
its Apache-2.0 implementation in NVIDIA FlashDreams.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class WaypointConfig:
    """All that the weights alone do not tell.

    channels, height, width
        a latent, one tick of the view: [channels, height, width]; patches are 2 x 2.
    kv_heads
        key and value heads; each serves ``heads / kv_heads`` query heads in a row.
    local_window, global_window, dilation
        ticks in sight of a local layer (its own included); of a global layer, which keeps only
        ticks that are multiples of ``dilation``.
    global_period
        every so many layers the last is global.
    control_period
        layers 0, n, 2n ... also take up the controls.
    buttons
        columns between the pointer's (dx, dy) and the wheel's sign.
    """

    channels: int = 32
    height: int = 32
    width: int = 64
    patch: int = 2
    layers: int = 24
    dim: int = 2048
    heads: int = 32
    kv_heads: int = 16
    mlp_ratio: int = 4
    buttons: int = 256
    noise_dim: int = 512
    local_window: int = 16
    global_window: int = 128
    dilation: int = 8
    global_period: int = 4
    control_period: int = 3
    rope_theta: float = 10_000.0
    nyquist: float = 0.8
    sigmas: tuple[float, ...] = (1.0, 0.9, 0.75, 0.3, 0.0)
    tick_rate: float = 15.0
    frames_per_tick: int = 4
    display: tuple[int, int] = field(default=(1280, 720))

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigmas", tuple(float(s) for s in self.sigmas))
        object.__setattr__(self, "display", tuple(int(n) for n in self.display))
        for what, ok in (
            ("height and width must be multiples of patch",
             self.height % self.patch == 0 and self.width % self.patch == 0),
            ("dim must be a multiple of heads", self.dim % self.heads == 0),
            ("heads must be a multiple of kv_heads", self.heads % self.kv_heads == 0),
            ("a head must have a multiple of 16 dimensions", self.dim // self.heads % 16 == 0),
            ("global_window must be a multiple of dilation",
             self.global_window % self.dilation == 0),
            ("noise_dim must be even", self.noise_dim % 2 == 0),
        ):
            if not ok:
                raise ValueError(f"Waypoint configuration: {what}")

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.height // self.patch, self.width // self.patch

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width

    @property
    def controls(self) -> int:
        """Numbers of one tick's controls: dx, dy, the buttons, the wheel's sign."""
        return self.buttons + 3

    def is_global(self, layer: int) -> bool:
        """Whether ``layer`` looks far back, at few ticks."""
        return layer % self.global_period == self.global_period - 1

    def takes_controls(self, layer: int) -> bool:
        return layer % self.control_period == 0

    def past(self, layer: int, tick: int) -> range:
        """Earlier ticks in sight of ``layer`` while ``tick`` is made, oldest first."""
        if not self.is_global(layer):
            return range(max(0, tick - self.local_window + 1), tick)
        first = max(0, tick - self.global_window + 1)
        return range(-(-first // self.dilation) * self.dilation, tick, self.dilation)

    def history_slots(self) -> int:
        """Most (layer, tick) pairs that a history ever keeps."""
        far = self.global_window // self.dilation
        return sum(
            far if self.is_global(i) else self.local_window - 1 for i in range(self.layers)
        )

    def slot_elements(self) -> int:
        """Numbers kept of one tick in one layer: keys and values."""
        return 2 * self.kv_heads * self.tokens * self.head_dim

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["sigmas"], data["display"] = list(self.sigmas), list(self.display)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> WaypointConfig:
        """Raises TypeError for an unknown entry, ValueError for values that do not fit."""
        return cls(**data)


WAYPOINT_720P = WaypointConfig()
WAYPOINT_360P = WaypointConfig(height=16, width=32, display=(640, 360))
SIZES = {"720P": WAYPOINT_720P, "360P": WAYPOINT_360P}
"""Published sizes. Their files have the same names and shapes: the latent's size is no weight."""

TINY_WAYPOINT = WaypointConfig(
    channels=4, height=4, width=8, layers=4, dim=64, heads=4, kv_heads=2, buttons=256,
    noise_dim=32, local_window=4, global_window=8, dilation=2, display=(128, 72),
)
"""A twin of a few thousand weights for tests; its global layer evicts at tick 8."""
