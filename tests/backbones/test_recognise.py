"""What a file is, told by names and shapes; whole files of huge models stand as sparse files."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core.backbones import keys_waypoint, memory_need, recognise  # noqa: E402
from gwm_core.backbones.causal_wan_variants import VARIANTS as WAN  # noqa: E402
from gwm_core.backbones.keys_wan import causal_wan_shapes, matrix_game_shapes  # noqa: E402
from gwm_core.backbones.licences import LICENCES  # noqa: E402
from gwm_core.backbones.loading import plan  # noqa: E402
from gwm_core.backbones.matrix_game_variants import VARIANTS as GAMES  # noqa: E402
from gwm_core.backbones.pairing import decoder_for, recognised  # noqa: E402
from gwm_core.backbones.taehv import KINDS, Taehv  # noqa: E402
from gwm_core.backbones.wan_vae import WanVae  # noqa: E402
from gwm_core.backbones.waypoint_config import WAYPOINT_720P  # noqa: E402
from gwm_core.errors import CheckpointError  # noqa: E402

SIZES = {"BF16": 2, "F8_E4M3": 1, "F32": 4}


def write(path, shapes, dtype="BF16", metadata=None, cut=0):
    """A safetensors file of these shapes whose body is a hole."""
    header, end = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end - cut)
    return path


def shapes_of(build):
    with torch.device("meta"):
        return {n: tuple(t.shape) for n, t in build().state_dict().items()}


def game(name="universal"):
    return matrix_game_shapes(GAMES[name].config)


def wan():
    return causal_wan_shapes(WAN["self_forcing"].config)


def prefixed(shapes, prefix):
    return {prefix + name: shape for name, shape in shapes.items()}


@pytest.mark.parametrize("name", list(GAMES))
def test_matrix_game(tmp_path, name):
    found = recognise.recognise(write(tmp_path / "whatever.safetensors",
                                      prefixed(game(name), "model.")))
    assert (found.kind, found.variants, found.prefix) == ("matrix-game-2", (name,), "model.")
    assert found.role == "network" and GAMES[name].title in found.line()


def test_others_that_can_be_used(tmp_path):
    path = tmp_path / "a.safetensors"
    found = recognise.recognise(write(path, keys_waypoint.published_shapes(WAYPOINT_720P)))
    assert found.kind == "waypoint" and found.variants == ("720P", "360P")
    assert found.variant() == "720P" and found.variant("360P") == "360P"
    with pytest.raises(CheckpointError, match="cannot be 'universal'; 720P, 360P is accepted"):
        found.variant("universal")
    found = recognise.recognise(write(path, wan()))
    assert found.kind == "causal-wan" and "choose the variant" in found.note
    told = {recognise.VARIANT_KEY: "causal_forcing_2step"}
    found = recognise.recognise(write(path, wan(), metadata=told))
    assert found.variants == ("causal_forcing_2step",) and not found.note
    for name, kind in KINDS.items():
        with torch.device("meta"):
            shapes = shapes_of(lambda kind=kind: Taehv(kind))
        found = recognise.recognise(write(path, shapes))
        assert (found.role, found.variants, found.channels) == ("decoder", (name,), kind.channels)
    found = recognise.recognise(write(path, shapes_of(WanVae)))
    assert found.kind == "wan-vae" and found.channels == 16 and not found.note
    clip = {"vision_model.embeddings.class_embedding": (1280,)}
    assert recognise.recognise(write(path, clip)).kind == "clip-h"
    assert recognise.recognise(write(path, {"shared.weight": (256384, 4096)})).role == "text"


def changed(shapes, **more):
    return {**shapes, **more}


def without(shapes, *names):
    return {n: s for n, s in shapes.items() if n not in names}


OTHERS = {
    "LoRA": ({"diffusion_model.blocks.0.self_attn.q.lora_A.weight": (8, 1536)},
             "this is a LoRA, .* the whole model is needed"),
    "shard": (without(game(), "head.head.weight", "head.head.bias"),
              "looks like Matrix-Game 2.0, but 2 tensors are missing .head.head.bias, "
              "head.head.weight.*one part of several"),
    "shape": (changed(game(), **{"head.modulation": (1, 2, 9)}), "1 have other shapes"),
    "scaled fp8": (changed(wan(), **{"blocks.0.ffn.0.scale_weight": (1,)}), "scaled fp8; bf16"),
    "foundation": (prefixed({f"blocks.{i}.action_model.t_qkv.weight": (3072, 1024)
                             for i in range(30)}, "model."), "foundation model, .* distilled"),
    "Wan 14B": ({"patch_embedding.weight": (5120, 16, 1, 2, 2),
                 "text_embedding.0.weight": (5120, 4096)}, "Wan model .14B.*Self Forcing"),
    "Wan i2v": ({"patch_embedding.weight": (1536, 36, 1, 2, 2), "text_embedding.0.weight": (1, 1)},
                "1.3B, 36 input channels. that is not causal"),
    "Flux": ({"double_blocks.0.img_attn.qkv.weight": (9, 9)}, "this is a Flux network; accepted"),
    "diffusion": ({"model.diffusion_model.input_blocks.0.0.weight": (9, 9)}, "Stable Diffusion"),
    "CLIP-L": ({"vision_model.embeddings.class_embedding": (1024,)}, "width 1024; ViT-H/14"),
    "CLIP in its own naming": ({"visual.transformer.0.attn.proj.bias": (9,)}, "repackaged"),
    "T5": ({"shared.weight": (32128, 4096)}, "32128 tokens of width 4096.; UMT5-XXL is needed"),
    "VAE 2.2": ({"conv2.weight": (48, 48, 1, 1, 1), "decoder.conv1.weight": (1024, 48, 3, 3, 3)},
                "another Wan VAE .48 latent channels"),
    "something": ({"a": (1,), "b": (2,)}, r"this is another model \(2 tensors: a, b\); accepted"),
    "nothing": ({}, "it holds no tensors"),
}


@pytest.mark.parametrize("what", list(OTHERS))
def test_files_that_cannot_be_used(tmp_path, what):
    shapes, told = OTHERS[what]
    with pytest.raises(CheckpointError, match=f"^b.safetensors: .*{told}"):
        recognise.recognise(write(tmp_path / "b.safetensors", shapes))


BROKEN = {
    "GGUF": (b"GGUF" + bytes(99), "this is a GGUF file"),
    "pickle": (b"PK\x03\x04" + bytes(99), "could run code; .*gwm convert c.safetensors"),
    "old pickle": (b"\x80\x02}q" + bytes(99), "gwm convert"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n" + bytes(99), "not downloaded"),
    "page": (b"<!DOCTYPE html>" + bytes(99), "this is a web page"),
    "empty": (b"", "0 bytes, cut off or empty"),
    "noise": (bytes(range(200)), "this is no safetensors file"),
    "header": ((999).to_bytes(8, "little") + b"{" + bytes(20), "cut off within its header"),
    "json": ((9).to_bytes(8, "little") + b"{not json", "its header cannot be read"),
}


@pytest.mark.parametrize("what", list(BROKEN))
def test_broken_files(tmp_path, what):
    data, told = BROKEN[what]
    path = tmp_path / "c.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"^c.safetensors: .*{told}"):
        recognise.recognise(path)


def test_truncated_missing_and_our_own(tmp_path):
    path = write(tmp_path / "d.safetensors", game(), cut=5_000_000)
    with pytest.raises(CheckpointError, match=r"cut off, 5.0 MB of 32\d\d.\d MB are missing"):
        recognise.recognise(path)
    with pytest.raises(CheckpointError, match="there is no such file"):
        recognise.recognise(tmp_path / "e.safetensors")
    with pytest.raises(CheckpointError, match="this is a folder"):
        recognise.recognise(tmp_path)
    write(path, {"a": (1,)}, metadata={"gwm": "{}"})
    with pytest.raises(CheckpointError, match="a file of GWM itself"):
        recognise.recognise(path)


@pytest.fixture
def files(tmp_path):
    with torch.device("meta"):
        parts = {
            "mg2": game(), "wan": wan(), "vae": shapes_of(WanVae),
            "waypoint": keys_waypoint.published_shapes(WAYPOINT_720P),
            "taew2_1": shapes_of(lambda: Taehv(KINDS["taew2_1"])),
            "taehv1_5": shapes_of(lambda: Taehv(KINDS["taehv1_5"])),
        }
    return {n: write(tmp_path / f"{n}.safetensors", s) for n, s in parts.items()}


def test_half_a_pair(files):
    found, refused = recognised([files["vae"], files["taew2_1"], files["taehv1_5"]])
    assert not refused
    network = recognise.recognise(files["mg2"])
    assert decoder_for(network, found).kind == "taehv"
    assert decoder_for(network, found[:1]).kind == "wan-vae"
    with pytest.raises(CheckpointError, match="half a pair: .* 16 channels and need a decoder, "
                       r"taew2_1.safetensors .*models/vae.*found: none"):
        decoder_for(network, [])
    with pytest.raises(CheckpointError, match="found: taehv1_5.safetensors is TAEHV .*32"):
        plan(files["mg2"], files["taehv1_5"])
    with pytest.raises(CheckpointError, match="this is TAEHV .taew2_1., a decoder; a network"):
        plan(files["taew2_1"], files["vae"])


#: Totals in GB as worked out by hand for the documentation, in bf16.
TOTALS = {
    ("mg2", "taew2_1"): 5.2, ("mg2", "vae"): 6.8, ("waypoint", "taehv1_5"): 4.3,
    ("wan", "taew2_1"): 9.6,
}


@pytest.mark.parametrize("pair", list(TOTALS))
def test_memory_is_told_before_loading(files, pair):
    made = plan(*(files[name] for name in pair))
    assert made.need.total / 1e9 == pytest.approx(TOTALS[pair], rel=0.1), made.need.line()
    assert made.need.line() in made.lines() and "licence" in made.lines()


def test_too_little_memory(files):
    candidates, _ = recognised([files["taew2_1"]])
    made = plan(files["mg2"], files["vae"], candidates)
    made.check(int(9e9), int(10e9))
    with pytest.raises(CheckpointError, match=r"Matrix-Game 2.0 universal: it needs \d.\d GB .*"
                       r"5.8 GB of 8.0 GB are free. What would fit: with TAEHV .taew2_1. as"):
        made.check(int(5.8e9), int(8e9))
    with pytest.raises(CheckpointError, match="none of its smaller settings"):
        made.check(int(1e9), int(2e9))
    street = plan(files["wan"], files["taew2_1"])
    with pytest.raises(CheckpointError, match=r"with 12 latent frames in sight: 7.\d GB"):
        street.check(int(8e9), int(8e9))
    need = memory_need.Need(1, 2, 3, 4, 5)
    assert need.total == 15 and need.branch == 6


def test_licences(files):
    assert {n: LICENCES[n].name for n in ("waypoint-1.5", "matrix-game-2", "taehv")} == {
        "waypoint-1.5": "Apache-2.0", "matrix-game-2": "MIT", "taehv": "MIT"}
    unknown = plan(files["wan"], files["taew2_1"])
    assert "could not be confirmed" in unknown.lines() and not unknown.licence.sure
    chosen = plan(files["wan"], files["taew2_1"], variant="causal_forcing_1step")
    assert chosen.licence is LICENCES["causal-forcing"] and "academic" in chosen.lines()


def test_marks_tell_weights_apart(tmp_path):
    path = write(tmp_path / "f.safetensors", {"a.lora_x": (4, 4)}, "F32")
    index = recognise.read_index(path)
    before = index.mark()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert index.mark() != before
    assert np.isfinite(index.nbytes) and replace(index).nbytes == 64
