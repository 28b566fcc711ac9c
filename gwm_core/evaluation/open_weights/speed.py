"""`gwm bench open-weights`: full-size networks of random weights, played on this machine's card."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ...backbones.compile_files import Folder
from ...backbones.compiled_step import CompiledStep
from ...backbones.latent_decoder import LatentDecoder
from ...backbones.matrix_game import (
    VIEW,
    ImagePrompt,
    MatrixGameConfig,
    MatrixGameDynamics,
    MatrixGameNet,
)
from ...backbones.matrix_game_variants import VARIANTS
from ...backbones.taehv import KINDS, Taehv, TaehvDecoder
from ...backbones.waypoint import WaypointDynamics
from ...backbones.waypoint_cache import WaypointCache
from ...backbones.waypoint_config import SIZES, WaypointConfig
from ...backbones.waypoint_net import WaypointNet
from ...cli.paths import cache_dir
from ...errors import GWMError
from ...rollout import RolloutValue, Tick, begin, rollout
from ..report import Metric, Report

WARM, TIMED = 4, 30
"""Blocks before the clock runs, and under it."""
COMPILED_WARM = 16
"""Enough for all shapes that a full history takes on in turn."""
SIDE = 8192
"""Of the matrices whose product tells what the card can do."""
GB = 1e9


@dataclass(frozen=True)
class Speed:
    """seconds: of every timed block; flops: of one; frames: of one; peak: bytes, 0 on a CPU."""

    seconds: list[float]
    flops: int
    frames: int
    peak: int = 0

    @property
    def fps(self) -> float:
        return self.frames / float(np.median(self.seconds))


def attention_flops(query, key, value, *rest, out_shape=None, **options) -> int:
    """Of scaled dot-product attention; torch's own count refuses grouped heads."""
    batch, heads, rows, wide = query
    return 2 * batch * heads * rows * key[2] * (wide + value[3])


ATTENTION = {
    getattr(torch.ops.aten, name): attention_flops
    for name in ("_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention",
                 "_scaled_dot_product_cudnn_attention",
                 "_scaled_dot_product_flash_attention_for_cpu")
    if hasattr(torch.ops.aten, name)
}
"""The fused kernels that a network may end up in."""


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.no_grad()
def measured(dynamics: Any, decoder: LatentDecoder, value: RolloutValue, timed: int = TIMED,
             warm: int = WARM, step: CompiledStep | None = None) -> Speed:
    """Plays on from ``value``, a block at a time, frames on the CPU included. step: takes over the
    layers, which it compiles while the clock does not run; GWMError where it fails."""
    spec, device = dynamics.spec, dynamics.network.device
    rows = torch.zeros(1, spec.block_ticks, spec.controls, device=device)
    if step is not None:
        step.attach(dynamics.network)

    def block(value: RolloutValue) -> list[Tick]:
        def work() -> list[Tick]:
            return list(rollout(dynamics, value, rows, decoder=decoder))

        if step is None:
            return work()
        key = (value.cache.shape(), len(spec.sigmas(value.block)))
        if not step.ready(key) and not step.prepare(key, work):
            raise GWMError(f"bench open-weights: the compiler failed ({step.failed})")
        return step.run(key, work, compiled=True)

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    counter = FlopCounterMode(display=False, custom_mapping=ATTENTION)
    seconds = []
    for index in range(warm + timed + 1):
        synchronise(device)
        began = time.perf_counter()
        if index < warm + timed:
            ticks = block(value)
        else:  # layers as they are: what is compiled cannot be counted
            with counter:
                ticks = list(rollout(dynamics, value, rows, decoder=decoder))
        synchronise(device)
        if warm <= index < warm + timed:
            seconds.append(time.perf_counter() - began)
        value = ticks[-1].value
    frames = sum(tick.frames[VIEW].shape[1] for tick in ticks)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Speed(seconds, counter.get_total_flops(), frames, peak)


@torch.no_grad()
def waypoint_parts(config: WaypointConfig, device: Any, dtype: torch.dtype, codec: Taehv
                   ) -> tuple[WaypointDynamics, LatentDecoder, RolloutValue]:
    """A Waypoint of random weights whose history is full."""
    network = WaypointNet(config, device=device, dtype=dtype)
    dynamics = WaypointDynamics(network.eval().requires_grad_(False))
    tick = 2 * config.global_window
    shape = (2, 1, config.kv_heads, config.tokens, config.head_dim)
    layers = tuple(
        tuple((t, torch.randn(shape, device=device, dtype=dtype)) for t in config.past(i, tick))
        for i in range(config.layers)
    )
    decoder = TaehvDecoder(codec, size=config.display)
    latent = torch.zeros(1, 1, *config.latent_shape, device=device)
    value = RolloutValue(WaypointCache(layers, tick), tick, (0,), decoder=decoder.prime(latent))
    return dynamics, decoder, value


def waypoint_720p(device: torch.device) -> tuple[WaypointDynamics, LatentDecoder, RolloutValue]:
    codec = Taehv(KINDS["taehv1_5"], device=device, dtype=torch.float16).eval()
    return waypoint_parts(SIZES["720P"], device, torch.bfloat16, codec)


@torch.no_grad()
def matrix_game_parts(config: MatrixGameConfig, device: Any, dtype: torch.dtype, codec: Taehv
                      ) -> tuple[MatrixGameDynamics, LatentDecoder, RolloutValue]:
    """A Matrix-Game 2.0 of random weights before its first block; its history is full after one."""
    with torch.device(device):
        network = MatrixGameNet(config, dtype=dtype).to(dtype)
        prompt = ImagePrompt(
            torch.randn(1, config.image_latents, *config.wan.latent),
            torch.randn(1, config.clip_tokens, config.clip_width),
        )
    dynamics = MatrixGameDynamics(network.eval().requires_grad_(False))
    return dynamics, TaehvDecoder(codec), begin(dynamics, prompt)


def matrix_game_universal(device: torch.device
                          ) -> tuple[MatrixGameDynamics, LatentDecoder, RolloutValue]:
    codec = Taehv(KINDS["taew2_1"], device=device, dtype=torch.float16).eval()
    return matrix_game_parts(VARIANTS["universal"].config, device, torch.bfloat16, codec)


def matmul_rate(device: torch.device) -> float:
    """bf16 operations a second of large matrix products, a multiplication and a sum each one."""
    a = torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16)
    for _ in range(5):
        a @ a
    synchronise(device)
    began = time.perf_counter()
    for _ in range(20):
        a @ a
    synchronise(device)
    return 20 * 2 * SIDE**3 / (time.perf_counter() - began)


MODELS: dict[str, tuple[Callable[[torch.device], tuple], float, float]] = {
    "waypoint": (waypoint_720p, 60.0, 4.3),
    "mg2": (matrix_game_universal, 25.0, 5.2),
}
"""Name -> its parts, frames a second that must be reached, GB that it should need."""


@torch.no_grad()
def bench(seed: int = 0, full: bool = False, progress: Callable[[str], None] = print,
          model: str = "") -> Report:
    """Speed and memory of steady play, with compiled layers and with layers as they are. seed,
    full: change nothing. GWMError without a card."""
    if model:
        raise GWMError(f"--model {model}: full-size networks of random weights are measured, "
                       "no file is accepted")
    if not torch.cuda.is_available():
        raise GWMError("bench open-weights: networks of 1 to 2 billion weights are played, which "
                       "needs a CUDA card; this machine shows none")
    device = torch.device("cuda", torch.cuda.current_device())
    report = Report("open-weights", [], seed)
    progress("what the card can do")
    rate = matmul_rate(device)
    folder = Folder(cache_dir() / "compiled")
    for name, (made, fps, table) in MODELS.items():
        progress(name)
        torch.cuda.empty_cache()
        parts = made(device)
        plain = measured(*parts)
        progress(f"{name}, compiled (the first time takes minutes)")
        speed, note = plain, ""
        try:
            speed = measured(*parts, warm=COMPILED_WARM, step=CompiledStep(folder, progress))
        except (GWMError, RuntimeError) as problem:
            note = str(problem)
        busy = speed.flops / float(np.median(speed.seconds)) / rate
        slowest = 1000 * max(speed.seconds)
        report.metrics += [
            Metric(f"open.{name}_fps", speed.fps, "1/s",
                   {"slowest block, ms": slowest, "not compiled": plain.fps},
                   len(speed.seconds), f">= {fps}", note=note),
            Metric(f"open.{name}_mfu", busy, "", n=len(speed.seconds),
                   note=f"of {rate / 1e12:.0f} TFLOP/s measured in bf16"),
            Metric(f"open.{name}_peak_gb", max(plain.peak, speed.peak) / GB, "GB",
                   {"table": table}, 1, f"<= {1.1 * table:.2f}"),
        ]
    shares = {m.id: m.value for m in report.metrics if m.id.endswith("_mfu")}
    report.metrics.append(Metric("open.mfu", min(shares.values()), "", shares, len(shares)))
    return report
