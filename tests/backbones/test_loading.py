"""Files of tiny networks in their published naming become models that play."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from gwm_core.backbones import tiny_models  # noqa: E402
from gwm_core.backbones.causal_wan_variants import VARIANTS as WAN  # noqa: E402
from gwm_core.backbones.families import placed  # noqa: E402
from gwm_core.backbones.file_index import read_index  # noqa: E402
from gwm_core.backbones.loading import load_backbone, open_backbone, plan  # noqa: E402
from gwm_core.backbones.matrix_game_variants import VARIANTS as GAMES  # noqa: E402
from gwm_core.backbones.pairing import recognised  # noqa: E402
from gwm_core.backbones.recognise import NETWORK, Found, recognise  # noqa: E402
from gwm_core.backbones.tiny import tiny_taehv  # noqa: E402
from gwm_core.backbones.tiny_encoders import stand_ins  # noqa: E402
from gwm_core.backbones.waypoint_config import TINY_WAYPOINT  # noqa: E402
from gwm_core.errors import CheckpointError  # noqa: E402

PICTURE = (np.indices((90, 160)).sum(0)[..., None] * (1, 2, 3) % 256).astype(np.uint8)
SIZES = {
    "matrix-game-2": replace(tiny_models.game_sizes(GAMES["universal"]), rows=2, columns=3),
    "causal-wan": replace(tiny_models.wan_sizes(WAN["causal_forcing_frames"]), rows=2, columns=3),
    "waypoint": replace(TINY_WAYPOINT, channels=32, height=2, width=4),
}
VARIANTS = {"matrix-game-2": "universal", "causal-wan": "causal_forcing_frames",
            "waypoint": "360P"}
PREFIX = {"matrix-game-2": "model.", "causal-wan": "", "waypoint": ""}


def weights(kind, dtype):
    made = tiny_models.weights_of(kind, SIZES[kind], 3)
    return {PREFIX[kind] + name: t.to(dtype) for name, t in made.items()}


def pair(folder, kind, dtype=torch.float32, **other):
    """(network, decoder) as they would be found."""
    save_file(weights(kind, dtype) | other, folder / "network.safetensors")
    channels, patch = (32, 2) if kind == "waypoint" else (16, 1)
    vae = tiny_taehv(3, channels, patch, (256, 128, 64, 64))
    save_file(vae.state_dict(), folder / "decoder.safetensors")
    network = Found(read_index(folder / "network.safetensors"), NETWORK, kind, kind,
                    (VARIANTS[kind],), channels, PREFIX[kind])
    return network, recognise(folder / "decoder.safetensors")


def encoders(kind):
    return stand_ins(kind, SIZES[kind], None)


@pytest.mark.parametrize("kind", list(SIZES))
def test_twins_are_found_and_loaded_like_the_large_ones(tmp_path, kind):
    files = tiny_models.write_twin(tmp_path, kind, VARIANTS[kind], 5)
    found, refused = recognised(files)
    assert not refused and found[0].variants == (VARIANTS[kind],)
    model = load_backbone(plan(found[0], None, found, dtype=torch.float32), dtype=torch.float32)
    world = model.new_world("a street", image=PICTURE, seed=1)
    twin = tiny_models.twin(kind, VARIANTS[kind], 5)
    track = f"idle*{model.embodiment.block_ticks}"
    clip = world.step(track)[1]
    assert clip.hash() == twin.new_world("a street", image=PICTURE, seed=1).step(track)[1].hash()
    assert open_backbone(files[0]).fingerprint == model.fingerprint
    with pytest.raises(CheckpointError, match="half a pair"):
        plan(found[0], None, found[:1])


@pytest.mark.parametrize("kind", list(SIZES))
def test_files_play(tmp_path, kind):
    network, decoder = pair(tmp_path, kind)
    made = plan(network, decoder, dtype=torch.float32, config=SIZES[kind])
    model = load_backbone(made, encoders(kind), dtype=torch.float32)
    world = model.new_world("a street", image=PICTURE, seed=1)
    block = model.embodiment.block_ticks
    end, clip = world.step(f"idle*{2 * block}")
    view = model.embodiment.views[0]
    assert clip.frames["view"].shape[1:3] == (view.height, view.width)
    assert made.licence.name == world.observation.info["licence"]
    again = load_backbone(made, encoders(kind), dtype=torch.float32)
    assert again.fingerprint == model.fingerprint and "note" not in model.metadata
    assert again.new_world("a street", image=PICTURE, seed=1).step(clip.controls)[0] == end
    state = end.state()
    told = made.family.spec(4).state_bytes
    if kind != "waypoint":  # whose history fills only later
        assert state.value.cache.nbytes <= told
    numbers = sum(p.numel() * 4 for p in model.dynamics.network.parameters())
    other = sum(p.numel() * 2 for p in model.decoder.network.parameters())
    assert made.need.weights == pytest.approx(numbers + other, rel=0.01)


def test_a_file_of_half_precision_is_computed_as_asked(tmp_path):
    network, decoder = pair(tmp_path, "waypoint", torch.bfloat16)
    made = plan(network, decoder, dtype=torch.float32, config=SIZES["waypoint"])
    model = load_backbone(made, encoders("waypoint"), dtype=torch.float32)
    assert model.variant == "cpu-float32"
    assert model.new_world(image=PICTURE).step("idle*2")[1].frame_count == 8


def test_half_precision(tmp_path):
    network, decoder = pair(tmp_path, "matrix-game-2", torch.bfloat16)
    made = plan(network, decoder, config=SIZES["matrix-game-2"])
    model = load_backbone(made, encoders("matrix-game-2"))
    assert model.variant == "cpu-bfloat16"
    world = model.new_world(image=PICTURE)
    end, clip = world.step("W*6")
    assert clip.frames["view"].std() > 1
    end.save(tmp_path / "w.gwm")
    from gwm_core import load_world

    again = load_world(tmp_path / "w.gwm", load_backbone(made, encoders("matrix-game-2")))
    wanted = end.step("W*3")[1].hash()
    assert again.step("W*3")[1].hash() == wanted
    assert end.state().value.cache.nbytes == made.family.spec(2).state_bytes


def test_other_files(tmp_path):
    kind = "matrix-game-2"
    norm = "model.blocks.0.action_model.key_attn_q_norm.weight"
    network, decoder = pair(tmp_path, kind, **{norm: torch.full((16,), 1.25)})
    made = plan(network, decoder, dtype=torch.float32, config=SIZES[kind])
    model = load_backbone(made, encoders(kind), dtype=torch.float32)
    assert "0.25 away from 1; it is not applied" in model.metadata["note"]
    other, _ = pair(tmp_path, kind, **{"model.more": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="does not fit Matrix-Game 2.0 universal: .*more"):
        load_backbone(replace(made, network=other), encoders(kind), dtype=torch.float32)
    eight, _ = pair(tmp_path, kind, torch.float8_e4m3fn)
    small = plan(eight, decoder, config=SIZES[kind])
    assert small.need.weights < made.need.weights
    with pytest.raises(CheckpointError, match="weights are fp8, which only a host's casting"):
        load_backbone(small, encoders(kind))


def test_eight_bits():
    q, small = torch.randn(4, 4), torch.randn(4)
    matrix, norm = "blocks.0.self_attn.q.weight", "blocks.0.self_attn.norm_q.weight"
    eight, half = torch.float8_e4m3fn, torch.bfloat16
    assert placed(matrix, q, None, eight, half).dtype == eight
    assert placed(norm, small, None, eight, half).dtype == half
    assert placed("head.head.weight", q, None, eight, half).dtype == half
    assert placed(matrix, q.to(eight), None, None, half).dtype == eight
    assert placed(norm, small, None, None, half).dtype == half
