"""`gwm eval open-weights`: what it prints, and that it would tell of a broken promise."""

import json
from dataclasses import replace

import pytest
import torch

from gwm_core.backbones.compile_files import Folder
from gwm_core.backbones.compiled_step import CompiledStep
from gwm_core.backbones.tiny import tiny_taehv
from gwm_core.backbones.waypoint_cache import WaypointCache
from gwm_core.backbones.waypoint_config import TINY_WAYPOINT
from gwm_core.cli.main import main
from gwm_core.errors import GWMError
from gwm_core.evaluation.open_weights import evaluate, matrix_game_case, speed, suite, worlds
from gwm_core.evaluation.report import Metric


def test_the_command_prints_json_and_nothing_else(capsys):
    assert main(["eval", "open-weights", "--json", "--only", "keys", "--strict"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["family"] == "open-weights"
    (metric,) = report["metrics"]
    assert metric["id"] == "open.keys_ok" and metric["ok"] is True and metric["n"] >= 12


def test_worlds_of_each_backbone_are_values():
    for twin in worlds.twins(3):
        assert worlds.broken(twin, 3) == []
        assert worlds.bytes_off(twin, 3) <= 0.05


def test_a_broken_promise_is_told(monkeypatch):
    twin = worlds.twins(0)[0]
    twin = replace(twin, blocks=6)
    whole = WaypointCache.from_arrays.__func__

    def rounded(cls, arrays, meta, device=None):
        cache = whole(cls, arrays, meta, device)
        return cache.map(lambda kv: kv.to(torch.bfloat16).float())

    monkeypatch.setattr(WaypointCache, "from_arrays", classmethod(rounded))
    assert worlds.broken(twin) == ["save and load"]
    monkeypatch.undo()

    def careless(self, config, tick, slots):
        for layer in self.layers:
            for _, kv in layer:
                kv.mul_(0.99)
        return kept(self, config, tick, slots)

    kept = WaypointCache.committed
    monkeypatch.setattr(WaypointCache, "committed", careless)
    assert "a branch changed the value that it began from" in worlds.broken(twin)


def test_the_weakest_backbone_counts(monkeypatch):
    class Told:
        def __init__(self, *metrics):
            self.metrics = lambda: list(metrics)

    monkeypatch.setattr(suite, "BACKBONES", {
        "a": Told(Metric("open.a_errors_caught", 3.0, n=3), Metric("open.a_parity", 0.0)),
        "b": Told(Metric("open.b_errors_caught", 2.0, n=3)),
    })
    parity, caught = suite.parity_metrics()
    assert parity.id == "open.a_parity"
    assert caught.value == 2 and caught.baselines == {"a": 3.0, "b": 2.0} and caught.ok is False
    with pytest.raises(GWMError, match="protocol 'speed': accepted are keys, parity"):
        evaluate(only=["speed"])


def test_speed_is_of_a_full_history():
    codec = tiny_taehv(1, TINY_WAYPOINT.channels)
    parts = speed.waypoint_parts(TINY_WAYPOINT, "cpu", torch.float32, codec)
    dynamics, _, value = parts
    assert value.cache.nbytes >= 0.9 * dynamics.spec.state_bytes
    found = speed.measured(*parts, timed=3, warm=1)
    assert found.frames == 4 and len(found.seconds) == 3 and found.fps > 0
    # five passes over all weights of the blocks for every token, and the decoder
    blocks = sum(p.numel() for p in dynamics.network.transformer.blocks.parameters())
    assert found.flops > 4.5 * 2 * blocks * TINY_WAYPOINT.tokens


def test_speed_of_blocks():
    config = replace(matrix_game_case.UNIVERSAL, rows=4, columns=6)
    parts = speed.matrix_game_parts(config, "cpu", torch.bfloat16, tiny_taehv(1, 16, 1))
    found = speed.measured(*parts, timed=2, warm=1)
    assert found.frames == 12 and len(found.seconds) == 2 and found.flops > 0


def test_speed_of_compiled_layers(tmp_path):
    parts = speed.waypoint_parts(TINY_WAYPOINT, "cpu", torch.float32,
                                 tiny_taehv(1, TINY_WAYPOINT.channels))
    step = CompiledStep(Folder(tmp_path, "trace"))
    found = speed.measured(*parts, timed=4, warm=4, step=step)
    assert len(found.seconds) == 4 and found.flops > 0 and not step.failed
    assert len(list(tmp_path.glob("*.pt"))) >= 3
    step.fail("a broken compiler")
    with pytest.raises(GWMError, match=r"the compiler failed \(a broken compiler\)"):
        speed.measured(*parts, timed=1, warm=0, step=step)


def test_flops_of_grouped_attention():
    q, kv = (1, 4, 8, 16), (1, 2, 24, 16)
    assert speed.attention_flops(q, kv, kv) == 2 * 2 * 4 * 8 * 24 * 16
    x = torch.zeros(1, 4, 8, 16)
    with speed.FlopCounterMode(display=False, custom_mapping=speed.ATTENTION) as counter:
        torch.nn.functional.scaled_dot_product_attention(x, x, x)
    assert counter.get_total_flops() == speed.attention_flops(q, q, q)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a card is at hand")
def test_without_a_card_the_bench_says_so(capsys):
    assert main(["bench", "open-weights"]) != 0
    assert "needs a CUDA card" in capsys.readouterr().err
