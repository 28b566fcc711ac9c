"""Waypoint-1.5: the same numbers as the published network, published names, worlds as values."""

import math
import os

import numpy as np
import pytest
import torch

from gwm_core.backbones.keys_waypoint import adopt, own_name, published, published_shapes
from gwm_core.backbones.tiny import draw, tiny_waypoint
from gwm_core.backbones.waypoint import VIEW, WaypointDynamics, load_waypoint
from gwm_core.backbones.waypoint_cache import WaypointCache
from gwm_core.backbones.waypoint_config import SIZES, TINY_WAYPOINT, WaypointConfig
from gwm_core.backbones.waypoint_controls import KEYS, ControlLayout, waypoint_embodiment
from gwm_core.backbones.waypoint_net import WaypointNet
from gwm_core.controls import Controls
from gwm_core.errors import CheckpointError
from gwm_core.evaluation.open_weights import waypoint_case as case
from gwm_core.evaluation.open_weights.numbers import apart, committed, thin
from gwm_core.noise import noise
from gwm_core.rollout import begin, rollout, stack

CLOSE = 1e-4


def distance(dynamics=None):
    return apart(thin(case.run(dynamics), case.KEEP), committed("waypoint")["velocity"])


def test_the_published_networks_numbers():
    wanted = committed("waypoint")["velocity"]
    assert wanted.std() > 0.5 and wanted.size > 3000
    assert distance() <= CLOSE


@pytest.mark.parametrize("error", case.ERRORS)
def test_a_deliberate_error_shows(error):
    assert distance(case.wrong(error)) > 100 * CLOSE


@pytest.mark.slow
def test_the_reference_itself():
    """GWM_FLASHDREAMS: a checkout of NVIDIA/flashdreams with integrations_v2/waypoint."""
    if not os.environ.get("GWM_FLASHDREAMS"):
        pytest.skip("GWM_FLASHDREAMS names no checkout of NVIDIA/flashdreams")
    from .reference_waypoint import run

    assert apart(case.run(), run(os.environ["GWM_FLASHDREAMS"])) <= CLOSE


@pytest.mark.parametrize("size", SIZES)
def test_published_names_and_shapes(size):
    config = SIZES[size]
    shapes = published_shapes(config)
    assert len(shapes) == 393 and sum(map(math.prod, shapes.values())) == 1_860_823_096
    tensors = {n: torch.empty(s, device="meta", dtype=torch.bfloat16) for n, s in shapes.items()}
    network = WaypointNet(config, device="meta", dtype=torch.bfloat16)
    own = dict(adopt(tensors, config))
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    assert {name: tensor.shape for name, tensor in own.items()} == wanted
    assert network.denoise_step_emb.mlp.fc1.weight.dtype == torch.float32
    # 144 modulation matrices of which 6 differ, 48 input biases of which 24 do
    assert sum(t.numel() for t in own.values()) == 1_860_823_096 - 138 * 2048**2 - 24 * 2048
    assert set(published(own, config)) == set(shapes)


def ring(window, dilation, ticks):
    """Ticks in sight by the published runtime's own rule: a ring of slots, of which the one that
    this tick will take is hidden."""
    slots = [None] * (window // dilation)
    for tick in range(ticks):
        taken = -(-tick // dilation) % len(slots)
        writes = tick % dilation == 0
        yield sorted(t for i, t in enumerate(slots)
                     if t is not None and not (writes and i == taken))
        if writes:
            slots[taken] = tick


@pytest.mark.parametrize("config", [SIZES["720P"], TINY_WAYPOINT, case.CONFIG])
def test_what_is_in_sight_is_the_published_ring(config):
    near = list(ring(config.local_window, 1, 300))
    far = list(ring(config.global_window, config.dilation, 300))
    for layer in range(config.layers):
        wanted = far if config.is_global(layer) else near
        assert [list(config.past(layer, t)) for t in range(300)] == wanted


def test_what_does_not_fit_is_named():
    config = TINY_WAYPOINT
    good = draw(published_shapes(config), 1, own_name)
    missing = {n: t for n, t in good.items() if n != "out_norm.fc.weight"}
    with pytest.raises(CheckpointError, match="mine.safetensors .* missing: out_norm.fc.weight"):
        load_waypoint(missing, config, where="mine.safetensors")
    with pytest.raises(CheckpointError, match="unexpected: lora_up"):
        load_waypoint({**good, "lora_up": torch.zeros(1)}, config)
    with pytest.raises(CheckpointError, match=r"patchify.weight is \[1, 2\], Waypoint-1.5 has"):
        load_waypoint({**good, "patchify.weight": torch.zeros(1, 2)}, config)
    class Once(dict):
        """Counts how often each tensor is read: a real file has 3.7 GB."""

        reads = 0

        def __getitem__(self, name):
            self.reads += 1
            return super().__getitem__(name)

    file = Once(good)
    load_waypoint(file, config)
    assert file.reads <= len(good) + 1
    for name in ("transformer.blocks.2.attn_cond_head.cond_proj.1.weight",
                 "transformer.blocks.1.mlp_cond_head.bias_in"):
        with pytest.raises(CheckpointError, match=f"{name} differs from the copy"):
            load_waypoint({**good, name: good[name] + 1}, config)


def walk(ticks, seed=0, columns=259):
    rng = np.random.default_rng(seed)
    rows = (rng.random((1, ticks, columns)) > 0.9).astype(np.float32)
    return torch.from_numpy(rows)


def first(seed=0):
    latent = np.random.default_rng(seed).standard_normal((1, 1, *TINY_WAYPOINT.latent_shape))
    return {VIEW: torch.from_numpy(latent.astype(np.float32))}


def latents(ticks):
    return torch.cat([tick.latents[VIEW] for tick in ticks], 1)


def test_a_tick_is_four_euler_steps_along_the_velocity():
    model = tiny_waypoint(5)
    value = begin(model, None, first(), seeds=9)
    row = walk(1)
    (made,) = rollout(model, value, row)
    x = torch.from_numpy(noise(9, 1, 0, VIEW, TINY_WAYPOINT.latent_shape))[None, None]
    for level, following in ((1.0, 0.9), (0.9, 0.75), (0.75, 0.3), (0.3, 0.0)):
        x = x + (following - level) * model.step(value.cache, {VIEW: x}, level, row, 1)[VIEW]
    assert (made.latents[VIEW] - x).abs().max() < 1e-5
    wanted = model.commit(value.cache, made.latents, row, 1)
    assert all(map(torch.equal, wanted.buffers(), made.value.cache.buffers()))


def test_replay_branches_and_rewinds_are_bit_exact():
    model = tiny_waypoint(1)
    start = begin(model, None, first(), seeds=4)
    track = walk(24)
    whole = list(rollout(model, start, track))
    again = list(rollout(tiny_waypoint(1), begin(tiny_waypoint(1), None, first(), seeds=4), track))
    assert torch.equal(latents(whole), latents(again))
    assert latents(whole).std() > 0.3
    middle = whole[11].value
    before = [slot.clone() for slot in middle.cache.buffers()]
    other = list(rollout(model, middle, walk(12, seed=9)))
    rest = list(rollout(model, middle, track[:, 12:]))
    assert torch.equal(latents(rest), latents(whole[12:]))
    assert not torch.equal(latents(other), latents(rest))
    assert all(map(torch.equal, before, middle.cache.buffers()))
    # what a branch shares is the same memory
    after = rest[0].value.cache
    shared = {id(t) for t in middle.cache.buffers()} & {id(t) for t in after.buffers()}
    assert len(shared) >= len(after.buffers()) - model.config.layers


def test_a_file_goes_on_as_the_world_would(tmp_path):
    model = tiny_waypoint(1)
    made = list(rollout(model, begin(model, None, first(), seeds=4), walk(10)))[-1].value
    arrays, meta = made.cache.to_arrays()
    np.savez(tmp_path / "world.npz", **arrays)
    with np.load(tmp_path / "world.npz") as file:
        cache = WaypointCache.from_arrays({k: file[k] for k in file.files}, meta)
    wanted = list(rollout(model, made, walk(5, seed=2)))
    found = list(rollout(model, type(made)(cache, made.tick, made.seeds, made.block),
                         walk(5, seed=2)))
    assert torch.equal(latents(found), latents(wanted))
    half = cache.to(dtype=torch.bfloat16)
    back = WaypointCache.from_arrays(*half.to_arrays())
    assert all(map(torch.equal, half.buffers(), back.buffers()))
    assert back.buffers()[0].dtype == torch.bfloat16


def test_the_bytes_of_a_branch_are_as_told():
    model = tiny_waypoint(2)
    value = begin(model, None, first(), seeds=1)
    most = max(t.value.cache.nbytes for t in rollout(model, value, walk(30)))
    assert most == model.spec.state_bytes
    big = SIZES["720P"]
    assert 0.75e9 < big.history_slots() * big.slot_elements() * 2 < 0.87e9


def test_batched_branches_are_what_each_alone_is():
    model = tiny_waypoint(3)
    values = [begin(model, None, first(s), seeds=s) for s in (1, 2)]
    alone = [list(rollout(model, v, walk(6, s))) for s, v in enumerate(values)]
    both = list(rollout(model, stack(values), torch.cat([walk(6, 0), walk(6, 1)])))
    apart_by = (latents(both) - torch.cat([latents(a) for a in alone])).abs().max()
    assert apart_by < 1e-4
    parts = both[-1].value.cache.split()
    assert [p.nbytes for p in parts] == [a[-1].value.cache.nbytes for a in alone]


class CastingLinear(torch.nn.Linear):
    def forward(self, x):
        return torch.nn.functional.linear(x, self.weight.to(x.dtype))


class CastingConv(torch.nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, self.weight.to(x.dtype), None)


class CastingTransposed(torch.nn.ConvTranspose2d):
    def forward(self, x):
        return torch.nn.functional.conv_transpose2d(
            x, self.weight.to(x.dtype), self.bias.to(x.dtype), stride=self.stride)


class CastingOperations:
    """As a host's layers: weights in 8 bits, cast on use."""

    Linear, Conv2d, ConvTranspose2d = CastingLinear, CastingConv, CastingTransposed


@pytest.mark.parametrize("dtype, least", [(torch.bfloat16, 0.999), (torch.float8_e4m3fn, 0.99)])
def test_fewer_bits_look_much_the_same(dtype, least):
    tensors = draw(published_shapes(TINY_WAYPOINT), 1, own_name)
    operations = torch.nn if dtype == torch.bfloat16 else CastingOperations
    network = load_waypoint(tensors, TINY_WAYPOINT, operations, dtype=dtype)
    assert network.transformer.blocks[0].attn.q_proj.weight.dtype == dtype
    assert network.denoise_step_emb.mlp.fc1.weight.dtype == torch.float32
    exact, model = tiny_waypoint(1), WaypointDynamics(network)
    caches = [m.prefill(None, first()) for m in (exact, model)]
    assert caches[1].buffers()[0].dtype == torch.bfloat16
    assert model.spec.state_bytes == exact.spec.state_bytes // 2
    a, b = (m.step(c, first(1), 0.75, None, 1)[VIEW].flatten()
            for m, c in zip((exact, model), caches, strict=True))
    assert b.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(a, b, dim=0) > least


def test_the_official_rounding_is_an_option():
    network = load_waypoint(draw(published_shapes(TINY_WAYPOINT), 1, own_name), TINY_WAYPOINT)
    plain, compat = WaypointDynamics(network), WaypointDynamics(network, compat=True)
    # 0.9 is 0.8984375 in bf16
    made = [m.step(m.prefill(), first(), level, None, 0)[VIEW]
            for m, level in ((plain, 0.9), (compat, 0.9), (compat, 0.8984375))]
    assert torch.equal(made[1], made[2]) and not torch.equal(made[0], made[1])


def test_bad_calls_say_what_is_accepted():
    model = tiny_waypoint(1)
    cache = model.prefill(None, first())
    with pytest.raises(ValueError, match="tick 5 asked of a history that ends before tick 1"):
        model.step(cache, first(), 1.0, None, 5)
    with pytest.raises(ValueError, match=r"a latent \[1, 1, 4, 4, 9\]; accepted is"):
        model.step(cache, {VIEW: torch.zeros(1, 1, 4, 4, 9)}, 1.0, None, 1)
    with pytest.raises(ValueError, match="head must have a multiple of 16"):
        WaypointConfig(heads=512, kv_heads=512)


def test_controls_reach_the_published_columns():
    body = waypoint_embodiment(SIZES["720P"])
    assert WaypointConfig.from_json(SIZES["360P"].to_json()) == SIZES["360P"]
    layout = ControlLayout()
    assert body.control_dim == layout.columns and body.fps == 60
    track = Controls.parse("W+SHIFT look(1.5,-0.75)+attack wheel(-1)+key7", body)
    rows = layout(torch.from_numpy(track.values.copy()))
    assert rows.shape == (3, 259)
    assert set(rows[0].nonzero().flatten().tolist()) == {2 + ord("W"), 2 + 0x10}
    # pixels: right and down are positive
    assert rows[1, :2].tolist() == [12.5, 6.25] and rows[1, 2 + 1] == 1
    assert rows[2, -1] == -1 and rows[2, 2 + ord("7")] == 1
    assert len({code for _, code, _, _ in KEYS}) == len({key for _, _, key, _ in KEYS}) == len(KEYS)
    assert not {key for _, _, key, _ in KEYS} & {"", "Tab", "ControlLeft", "AltLeft", "Escape"}
    model = tiny_waypoint(1, layout=layout)
    cache = model.prefill(None, first())
    at = torch.from_numpy(track.values[:1].copy())[None]
    moved, still = (model.step(cache, first(1), 0.75, c, 1)[VIEW] for c in (at, None))
    assert (moved - still).abs().max() > 1e-3
