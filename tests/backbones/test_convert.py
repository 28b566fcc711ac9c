"""Published pickles become safetensors files; nothing in them is ever run."""

import os
import pickle
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from gwm_core.backbones import causal_wan_variants, convert, recognise  # noqa: E402
from gwm_core.backbones.keys_wan import causal_wan_shapes  # noqa: E402
from gwm_core.backbones.taehv import load_taehv  # noqa: E402
from gwm_core.backbones.tiny import draw, tiny_taehv  # noqa: E402
from gwm_core.cli.main import main  # noqa: E402
from gwm_core.errors import CheckpointError  # noqa: E402


@pytest.fixture
def small(monkeypatch):
    """A causal Wan of a few numbers passes for the published one."""
    kind = causal_wan_variants.VARIANTS["self_forcing"]
    config = replace(kind.config, rows=2, columns=2, heads=2, layers=1, ffn_dim=8, freq_dim=4,
                     text_width=6)
    tensors = draw(causal_wan_shapes(replace(config, dim=12)), 1)
    shapes = {name: tuple(t.shape) for name, t in tensors.items()}
    monkeypatch.setattr(recognise, "causal_wan_shapes", lambda _: shapes)
    monkeypatch.setattr(recognise, "WAN_WIDTH", 12)
    return tensors


@pytest.mark.parametrize("wrap, prefix", [
    (lambda d: {"generator": {}, "generator_ema": d}, "model._fsdp_wrapped_module."),
    (lambda d: {"generator": d}, "model."), (lambda d: d, ""),
])
def test_self_forcing(tmp_path, small, wrap, prefix):
    named = {prefix + name: t.double() for name, t in small.items()}
    torch.save(wrap(named), tmp_path / "a.pt")
    found = convert.convert(tmp_path / "a.pt", variant="causal_forcing_1step", dtype="fp32")
    assert found.variants == ("causal_forcing_1step",) and found.name == "a.safetensors"
    from safetensors.torch import load_file

    kept = load_file(found.index.path)
    assert set(kept) == set(small)
    assert all(torch.equal(kept[n], small[n]) for n in small)
    assert sorted(os.listdir(tmp_path)) == ["a.pt", "a.safetensors"]
    with pytest.raises(CheckpointError, match="it is there already"):
        convert.convert(tmp_path / "a.pt")


def test_wrappers_within_names():
    names = {"model._fsdp_wrapped_module.blocks.0._fsdp_wrapped_module.q": torch.zeros(1)}
    assert list(convert.plain(names)) == ["blocks.0.q"]


class Evil:
    def __reduce__(self):
        return (os.system, ("touch evil",))


def test_files_that_are_refused(tmp_path, small, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.zeros(1)}, "more": Evil()}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="b.pt: not read, .* holds more than weights"):
        convert.convert(tmp_path / "b.pt")
    (tmp_path / "c.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match="c.pt: not read"):
        convert.convert(tmp_path / "c.pt")
    assert not (tmp_path / "evil").exists()
    torch.save({"epoch": 3}, tmp_path / "d.pt")
    with pytest.raises(CheckpointError, match="d.pt: no weights found"):
        convert.convert(tmp_path / "d.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "e.pt")
    with pytest.raises(CheckpointError, match="^e.pt: this is another model"):
        convert.convert(tmp_path / "e.pt")
    torch.save(small, tmp_path / "f.pt")
    with pytest.raises(CheckpointError, match="cannot be 'universal'"):
        convert.convert(tmp_path / "f.pt", variant="universal")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(CheckpointError, match="torch 2.6 or newer is needed"):
        convert.convert(tmp_path / "f.pt")
    assert [n for n in os.listdir(tmp_path) if "safetensors" in n] == []


def test_the_command(tmp_path, capsys):
    network = tiny_taehv(0, 16, 1, (256, 128, 64, 64))
    torch.save(network.state_dict(), tmp_path / "taew.pth")
    assert main(["convert", str(tmp_path / "taew.pth"), "--dtype", "keep"]) == 0
    assert "TAEHV (taew2_1)" in capsys.readouterr().out
    from safetensors.torch import load_file

    load_taehv(load_file(tmp_path / "taew.safetensors"))
    assert main(["convert", str(tmp_path / "none.pth")]) == 2
    assert "there is no such file" in capsys.readouterr().err
