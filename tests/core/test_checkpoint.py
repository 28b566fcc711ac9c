"""Checkpoints: round trip, fingerprint, registry, and every way in which a file can be wrong."""

import io
import json
import os
import pickle
import struct

import numpy as np
import pytest

from gwm_core import checkpoint as ck
from gwm_core import tensor_file
from gwm_core.embodiment import rooms_embodiment
from gwm_core.errors import CheckpointError

META = {
    "name": "tiny", "kind": "rooms", "embodiment": rooms_embodiment(), "config": {"width": 8},
    "licence": "Apache-2.0",
}


def tensors(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "net.weight": rng.normal(size=(4, 3)).astype(np.float32),
        "net.basis": rng.normal(size=(5,)).astype(np.float32),
        "net.scalar": np.float32(0.1), "steps": np.arange(3), "pixels": np.zeros((2, 0), np.uint8),
        "flag": np.array([True, False]),
    }


@pytest.fixture
def folder(tmp_path):
    ck.add_model_folder(tmp_path)
    yield tmp_path
    ck.remove_model_folder(tmp_path)


def test_round_trip(tmp_path):
    path, given = tmp_path / "sub" / "tiny.safetensors", tensors()
    mark = ck.save_checkpoint(path, given, {**META, "trained": "1 h"}, keep=["*.basis"])
    back, metadata = ck.read_checkpoint(path)
    assert metadata["fingerprint"] == mark and metadata["trained"] == "1 h"
    assert metadata["format"] == ck.FORMAT and metadata["config"] == {"width": 8}
    assert back["net.weight"].dtype == np.float32 and back["steps"].dtype == np.int64
    assert np.array_equal(back["net.weight"], given["net.weight"].astype(np.float16))
    assert np.array_equal(back["net.basis"], given["net.basis"])
    assert back["net.scalar"].shape == () and back["pixels"].shape == (2, 0)
    assert list(back["flag"]) == [True, False]
    back["net.weight"][0] = 1
    assert ck.read_checkpoint(path, widen=False)[0]["net.weight"].dtype == np.float16
    assert os.listdir(path.parent) == ["tiny.safetensors"]
    opened = ck.open_checkpoint(path)
    assert opened.embodiment == rooms_embodiment() and opened.name == "tiny" and not opened.bank
    assert set(opened.part("net")) == {"weight", "basis", "scalar"}
    assert opened.kind == "rooms" and opened.config["width"] == 8 and opened.fingerprint == mark


def test_other_readers_understand_the_file(tmp_path):
    from safetensors import safe_open

    path = tmp_path / "a.safetensors"
    ck.save_checkpoint(path, tensors(), META)
    with safe_open(path, "np") as file:
        assert set(file.keys()) == set(tensors()) and "gwm" in file.metadata()
        assert np.array_equal(file.get_tensor("steps"), np.arange(3))


def test_the_fingerprint_is_of_the_contents(tmp_path):
    path = tmp_path / "a.safetensors"
    mark = ck.save_checkpoint(path, tensors(), META)
    assert ck.save_checkpoint(path, dict(reversed(tensors().items())), META) == mark
    assert ck.save_checkpoint(path, tensors(), {**META, "licence": "MIT", "note": 1}) == mark
    changed = tensors()
    changed["steps"][0] = 9
    renamed = {("other" if k == "steps" else k): v for k, v in tensors().items()}
    for given, meta in (
        (changed, META), (renamed, META), (tensors(), {**META, "config": {"width": 9}}),
        (tensors(), {**META, "embodiment": rooms_embodiment(320, 200)}),
    ):
        assert ck.save_checkpoint(path, given, meta) != mark


def test_torch_tensors_and_loading_into_a_module(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.safetensors"
    net = torch.nn.Linear(3, 4)
    net.register_buffer("seen", torch.zeros((), dtype=torch.int64))
    state = {**net.state_dict(), "weight": net.weight.bfloat16(), "bias": net.bias.half()}
    ck.save_checkpoint(path, state, META)
    back, _ = ck.read_checkpoint(path)
    other = torch.nn.Linear(3, 4)
    other.register_buffer("seen", torch.ones((), dtype=torch.int64))
    ck.load_into(other, back)
    assert torch.equal(other.weight, net.weight.bfloat16().half().float()) and other.seen == 0
    before = other.weight.clone()
    wrong = {"weight": np.ones((3, 4), np.float32), "bias": back["bias"], "extra": back["bias"]}
    with pytest.raises(CheckpointError) as error:
        ck.load_into(other, wrong, "checkpoint x")
    for part in ("checkpoint x does not fit Linear", "missing: seen", "unexpected: extra",
                 "weight is [3, 4], the network has [4, 3]"):
        assert part in str(error.value)
    assert torch.equal(other.weight, before)


@pytest.mark.parametrize("given, meta, message", [
    ({}, {}, "no tensors"), ({"a": np.float32([np.nan])}, {}, "'a' holds NaN"),
    ({"a": np.float32([1e6])}, {}, "exceeds float16"), ({"a": np.array(["b"])}, {}, "dtype"),
    (None, {"config": None}, "config"), (None, {"embodiment": {}}, "embodiment"),
    (None, {"config": {"a": object()}}, "plain JSON"), (None, {"config": {"a": np.nan}}, "JSON"),
    (None, {"version": 2}, "version 2"),
])
def test_what_cannot_be_saved(tmp_path, given, meta, message):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"before")
    with pytest.raises(CheckpointError, match=message):
        ck.save_checkpoint(path, tensors() if given is None else given, {**META, **meta})
    with pytest.raises(CheckpointError, match="lacks licence"):
        ck.save_checkpoint(path, tensors(), {k: v for k, v in META.items() if k != "licence"})
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["a.safetensors"]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(CheckpointError, match="disk full"):
        ck.save_checkpoint(tmp_path / "a.safetensors", tensors(), META)
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        ck.save_checkpoint(tmp_path / "file" / "a.safetensors", tensors(), META)


def saved(tmp_path):
    path = tmp_path / "a.safetensors"
    ck.save_checkpoint(path, tensors(), META)
    return path, path.read_bytes()


def test_every_truncation_is_noticed(tmp_path):
    path, data = saved(tmp_path)
    for size in [*range(0, 200, 7), *range(200, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match="cut off|no safetensors"):
            ck.read_checkpoint(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CheckpointError, match="1 bytes too long"):
        ck.read_checkpoint(path)


def test_a_changed_byte_is_noticed(tmp_path):
    path, data = saved(tmp_path)
    for position in (len(data) - 1, len(data) - 40):
        changed = bytearray(data)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match="damaged"):
            ck.read_checkpoint(path)


def with_header(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(**changes):
    return {"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2], **changes}}


def our(**changes):
    meta = {**META, "embodiment": rooms_embodiment().to_json(), "format": ck.FORMAT, "version": 1}
    return {"__metadata__": {"gwm": json.dumps({**meta, **changes})}, **entry()}


def torch_file():
    buffer = io.BytesIO()
    pickle.dump({"weight": [1.0]}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("data, message", [
    (b"", "empty"), (b"PK\x03\x04" + b"0" * 99, "zip or pickled PyTorch"),
    (torch_file(), "a pickled file"), (b"\x80\x02" + b"0" * 50, "a pickled file"),
    (b"GGUF" + b"0" * 50, "GGUF"), (b"<!DOCTYPE html><html>", "web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
    (b"hello world, no tensors here", "no safetensors file"), (b"\xff" * 100, "no safetensors"),
    (with_header(b"{nonsense"), "not JSON"), (with_header(b"[" * 9), "no safetensors"),
    (with_header(b"{" + b'"a":{' * 30_000), "not JSON"), (with_header({"a": 3}), "entry 'a'"),
    (with_header(entry(), b"12"), "not one of GWM"), (with_header(entry(), b"1"), "cut off"),
    (with_header(entry(), b"123"), "too long"),
    (with_header(entry(dtype="F8_E4M3"), b"12"), "F8_E"),
    (with_header(entry(shape=[-2]), b"12"), "damaged header"),
    (with_header(entry(shape=[3]), b"12"), "damaged header"),
    (with_header(entry(shape=[2**40, 2**40]), b"12"), "damaged header"),
    (with_header(entry(data_offsets=[2, 0]), b"12"), "damaged header"),
    (with_header(entry(data_offsets=[0]), b"12"), "damaged header"),
    (with_header({"__metadata__": {"gwm": 3}, **entry()}, b"12"), "metadata"),
    (with_header({"__metadata__": {"gwm": "{"}, **entry()}, b"12"), "not JSON"),
    (with_header({"__metadata__": {"gwm": "[]"}, **entry()}, b"12"), "no JSON object"),
    (with_header(our(format="gwm-world"), b"12"), "format 'gwm-world'; 'gwm-checkpoint'"),
    (with_header(our(version=9), b"12"), "version 9; this GWM reads version 1"),
    (with_header(our(config=3), b"12"), "config"), (with_header(our(), b"12"), "fingerprint"),
    (with_header(our(embodiment={"version": 1}), b"12"), "embodiment"),
])
def test_foreign_and_damaged_files(tmp_path, data, message):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=message) as error:
        ck.read_checkpoint(path)
    assert str(path) in str(error.value)


def test_missing_files_and_folders(tmp_path):
    for path, message in ((tmp_path / "no", "no such file"), (tmp_path, "folder")):
        with pytest.raises(CheckpointError, match=message):
            ck.read_checkpoint(path)
    with pytest.raises(CheckpointError, match="no such file"):
        ck.open_checkpoint(tmp_path / "no.safetensors")


def test_bfloat16_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    values = torch.randn(3, 4).bfloat16()
    save_file({"a": values, "b": values[0, 0].clone()}, tmp_path / "b.safetensors")
    arrays, _ = tensor_file.read_tensors(tmp_path / "b.safetensors", "file", CheckpointError)
    assert np.array_equal(arrays["a"], values.float().numpy()) and arrays["b"].shape == ()


def test_banks(tmp_path):
    path = tmp_path / "a.safetensors"
    bank = ck.bank_path(path)
    assert bank.name == "a.bank.safetensors"
    mark = ck.save_bank(bank, {"rgb": np.zeros((2, 4, 4, 3), np.uint8)}, {"views": 2})
    alone = ck.save_checkpoint(path, tensors(), META)
    opened = ck.open_checkpoint(path)
    assert opened.bank["rgb"].dtype == np.uint8 and opened.bank_metadata["views"] == 2
    assert opened.fingerprint not in (mark, alone)
    ck.save_checkpoint(path, tensors(), {**META, "bank": mark})
    assert ck.open_checkpoint(path).bank_metadata["fingerprint"] == mark
    ck.save_bank(bank, {"rgb": np.ones((2, 4, 4, 3), np.uint8)}, {"views": 2})
    with pytest.raises(CheckpointError, match="another checkpoint"):
        ck.open_checkpoint(path)
    with pytest.raises(CheckpointError, match="'gwm-checkpoint'.*'gwm-bank' version 1"):
        ck.read_bank(path)
    with pytest.raises(CheckpointError, match="'gwm-bank'; 'gwm-checkpoint'"):
        ck.read_checkpoint(bank)
    bank.unlink()
    with pytest.raises(CheckpointError, match="a.bank.safetensors is missing"):
        ck.open_checkpoint(path)


def test_the_registry(folder):
    for name in ("mine", "deep/attic", ".hidden"):
        ck.save_checkpoint(folder / f"{name}.safetensors", tensors(), META)
    ck.save_bank(folder / "mine.bank.safetensors", {"rgb": np.zeros(3, np.uint8)}, {})
    ck.save_checkpoint(ck.companion_path(folder / "mine.safetensors", ck.INVERSE), tensors(), META)
    (folder / "notes.txt").write_text("")
    (folder / "loop").symlink_to(folder)
    models = ck.list_models()
    assert {"mine", "deep/attic"} <= set(models) and ".hidden" not in models
    assert not any("bank" in n or "loop" in n or "inverse" in n for n in models)
    assert ck.is_companion("a.inverse.safetensors") and not ck.is_companion("inverse.safetensors")
    assert ck.resolve("mine") == ck.resolve("mine.safetensors") == folder / "mine.safetensors"
    assert ck.resolve("deep/attic") == ck.resolve("deep\\attic") == models["deep/attic"]
    assert ck.open_checkpoint("mine").bank and ck.EMBEDDED in ck.model_folders()
    with pytest.raises(CheckpointError, match="'other' is not installed; there are: .*deep/attic"):
        ck.resolve("other")
    assert ck.resolve(str(folder / "mine.safetensors"), allow_path=True).is_file()


@pytest.mark.parametrize("name", [
    "/etc/passwd", "../secret", "a/../../secret", "a//b", "", ".", "..", "a/", "~/x", "C:\\x",
    "\\\\server\\x", "a\0b", "a\nb", ".hidden", "x" * 300, None, 3, b"mine", "a/.b", "a./b",
])
def test_names_cannot_leave_the_folders(folder, name):
    (folder.parent / "secret.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="plain name"):
        ck.resolve(name)


def test_reading_only_the_header(tmp_path):
    path, data = saved(tmp_path)
    header = tensor_file.read_header(path, "checkpoint", CheckpointError)
    assert json.loads(header["gwm"])["name"] == "tiny"
    for bad in (b"", data[:50], b"hello world", with_header(b"[]"), with_header({"a": 1})):
        path.write_bytes(bad)
        with pytest.raises(CheckpointError):
            tensor_file.read_header(path, "checkpoint", CheckpointError)
