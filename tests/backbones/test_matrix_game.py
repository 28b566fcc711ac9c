"""Matrix-Game 2.0: keys, parity with the published code, and histories as values."""

import os
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core.backbones.keys_wan import matrix_game_shapes  # noqa: E402
from gwm_core.backbones.matrix_game import VIEW, MatrixGameDynamics  # noqa: E402
from gwm_core.backbones.matrix_game_actions import control_windows, dead_norms  # noqa: E402
from gwm_core.backbones.matrix_game_variants import VARIANTS  # noqa: E402
from gwm_core.backbones.wan_cache import WanCache  # noqa: E402
from gwm_core.evaluation.open_weights import matrix_game_case as cases  # noqa: E402
from gwm_core.evaluation.open_weights import mg2  # noqa: E402
from gwm_core.evaluation.open_weights.keys import same_keys  # noqa: E402

CHECKOUT = os.environ.get("GWM_MATRIX_GAME")


def test_published_keys():
    assert all(mg2.keys_ok().values()) and len(mg2.keys_ok()) == 3
    shapes = matrix_game_shapes(VARIANTS["universal"].config)
    assert len(shapes) == 1114 and sum(np.prod(s) for s in shapes.values()) == 1_619_242_304
    assert not same_keys(VARIANTS["gta_drive"].config, shapes)
    del shapes["head.modulation"]
    assert not same_keys(VARIANTS["universal"].config, shapes)


def test_parity_with_the_published_code():
    found = mg2.parity()
    assert set(found) == set(VARIANTS) and max(found.values()) <= 1e-4, found


def test_deliberate_errors_are_caught():
    seen = mg2.errors_seen()
    assert len(seen) == 3 and min(seen.values()) > 0.05, seen


def test_which_controls_a_frame_takes_up():
    frames = torch.arange(-12, 9.0)[None, :, None]
    first = control_windows(frames, 3, 0)[0, :, :, 0]
    wanted = [[max(f, 0) for f in range(4 * k - 12, 4 * k)] for k in range(3)]
    assert first.tolist() == wanted
    later = control_windows(torch.arange(-3, 21.0)[None, :, None], 3, 3)[0, :, :, 0]
    assert later.tolist() == [[*range(4 * k - 12, 4 * k)] for k in range(3, 6)]


def test_what_is_held_becomes_what_the_network_reads():
    walk, drive, run = (VARIANTS[n].layout for n in ("universal", "gta_drive", "templerun"))
    held = torch.zeros(1, 1, walk.columns)
    held[..., [0, 6]] = 1
    held[..., 9] = -99
    assert walk(held)[0, 0].tolist() == pytest.approx([1, 0, 0, 0, -0.1, -0.1])
    assert drive(torch.tensor([[[1.0, 0, 0, 1]]]))[0, 0].tolist() == pytest.approx([1, 0, 0, 0.1])
    assert run(torch.zeros(1, 1, 6))[0, 0].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert run(torch.tensor([[[0.0, 1, 0, 0, 1, 0]]]))[0, 0].tolist() == [0, 0, 1, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="6 columns; 10 are accepted"):
        walk(torch.zeros(1, 6))
    for name, variant in VARIANTS.items():
        body = variant.embodiment()
        assert (body.fps, body.views[0].width, body.views[0].height) == (25, 640, 352), name
        assert body.control_dim == variant.layout.columns and body.block_ticks == 3


@torch.no_grad()
@pytest.mark.parametrize("name", ["universal", "gta_drive"])
def test_histories_are_values(name):
    config = replace(cases.CASES[name][0], rows=3, columns=4)
    case = cases.inputs(config, 2)
    dynamics = MatrixGameDynamics(cases.network(config))
    columns = config.actions.columns
    start = dynamics.prefill(case.prompt)
    clean = {VIEW: case.blocks[0][1]}
    rows = torch.zeros(1, 12 + 9, columns)
    before = [t.clone() for t in start.buffers()]
    one = dynamics.commit(start, clean, rows, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, start.buffers(), strict=True))
    assert [f for f, _ in one.slots] == ([0, 1, 2] if name == "universal" else [2])
    assert one.nbytes == dynamics.spec.state_bytes
    assert all(one.prompt[n] is start.prompt[n] for n in start.prompt)
    more = torch.rand(1, 24, columns)
    noisy = {VIEW: case.blocks[1][0]}
    kept = [t.clone() for t in one.buffers()]
    wanted = dynamics.step(one, noisy, 0.9, more, 3)[VIEW]
    assert all(torch.equal(a, b) for a, b in zip(kept, one.buffers(), strict=True))
    back = WanCache.from_arrays(*one.to_arrays())
    assert torch.equal(dynamics.step(back, noisy, 0.9, more, 3)[VIEW], wanted)
    two = WanCache.stack([one, back])
    both = dynamics.step(two, {VIEW: noisy[VIEW].repeat(2, 1, 1, 1, 1)}, 0.9, more, 3)[VIEW]
    assert torch.allclose(both, wanted.repeat(2, 1, 1, 1, 1), atol=1e-5)
    assert dynamics.commit(one, noisy, more, 3).nbytes == one.nbytes
    with pytest.raises(ValueError, match=r"\[batch, 3, 16, 6, 8\] is accepted"):
        dynamics.step(one, {VIEW: noisy[VIEW][:, :1]}, 0.9, more, 3)


def test_norm_weights_that_are_never_applied_are_looked_at():
    state = cases.weights(cases.UNIVERSAL)
    far = dead_norms(state)
    assert len(far) == 8 and max(far.values()) > 0.1
    assert max(dead_norms({n: torch.ones(3) for n in far}).values()) == 0


@pytest.mark.slow
def test_the_published_code_itself():
    if not CHECKOUT:
        pytest.skip("GWM_MATRIX_GAME names no checkout of Matrix-Game-2")
    from . import wan_published

    rows = {}
    for name, (config, blocks) in cases.CASES.items():
        case = cases.inputs(config, blocks)
        rows[name] = wan_published.matrix_game(CHECKOUT, config, cases.weights(config), case)
        made = cases.run(MatrixGameDynamics(cases.network(config)), case)
        assert min(float(block.std()) for block in rows[name]) > 0.3
        apart = [float(np.abs(a - b).max()) for a, b in zip(rows[name], made, strict=True)]
        print(name, apart)
        assert max(apart) <= 1e-4, (name, apart)
    apart = wan_published.compared(mg2.NAME, rows, cases.KEEP)
    assert max(apart.values()) <= 1e-5, apart
