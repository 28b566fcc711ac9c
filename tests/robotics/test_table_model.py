"""The table model: rig, drawing, states as values, batches, refusals. Weights are untrained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.errors import CheckpointError, RoboticsError
from gwm_core.model.contacts import LEASH, LIMIT_HIGH, LIMIT_LOW, ContactNet, rotate
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics import table_model
from gwm_core.robotics.drawing import look_at
from gwm_core.robotics.loading import load_table, save_table
from gwm_core.robotics.rig import Rig, tabletop_rig
from gwm_core.robotics.table_model import TableModel, colour_of, yaw_of
from gwm_core.simulators.tabletop import OBJECTS, Tabletop, build
from gwm_core.simulators.tabletop.randomise import BASE_CAMERAS

RIG = tabletop_rig()


@pytest.fixture(scope="module")
def model() -> TableModel:
    torch.manual_seed(0)
    return TableModel(SceneReader(width=8), ContactNet(width=16), RIG)


@pytest.fixture(scope="module")
def looks() -> list[dict]:
    found = []
    for task, seed in (("push", 1), ("stack", 3)):
        sim = Tabletop(task, seed)
        found.append(sim.observe())
        sim.close()
    return found


def both(looks: list[dict]) -> dict:
    return {"pixels": {v: np.stack([o["pixels"][v] for o in looks]) for v in RIG.views},
            "agent_pos": np.stack([o["agent_pos"] for o in looks])}


ACTIONS = np.array([[0.03, 0.01, -0.02, 0, 0, 0.1, 1.0], [-0.02, 0.02, 0.01, 0, 0.1, 0, -1.0]],
                   np.float32)


def test_the_rig_is_the_simulators():
    assert RIG.fov == build.FOVY and RIG.fixed == BASE_CAMERAS
    assert np.allclose(RIG.mounted["wrist"], build.WRIST)
    assert (RIG.opening, RIG.table, RIG.floor) == (build.OPENING, build.TABLE_HALF, build.FLOOR)
    assert (LIMIT_LOW, LIMIT_HIGH, LEASH) == (build.REACH_LOW, build.REACH_HIGH, build.LEASH)
    for part, (name, centre, half, rgb) in zip(RIG.parts, build.PARTS, strict=True):
        assert part.name == name
        assert np.allclose([*part.centre, *part.half, *part.rgb], [*centre, *half, *rgb])
    assert Rig.from_json(RIG.to_json()) == RIG


def test_mounted_cameras_follow_the_gripper():
    sim = Tabletop("push", 5)
    for _ in range(4):
        sim.advance([0.03, -0.02, 0.01, 0, 0, 0.25, 0])
    truth = sim.truth()
    pose = RIG.pose("wrist", [*truth.tip, *truth.rpy])
    assert np.allclose(pose, truth.cameras["wrist"], atol=1e-6)


@pytest.mark.parametrize(("task", "seed"), [("pick_place", 11), ("push", 4)])
def test_the_guide_of_the_true_state_is_close_to_the_true_picture(task, seed):
    sim = Tabletop(task, seed)
    first, truth = sim.observe(), sim.truth()
    offsets = np.zeros((3, 5))
    for k, view in enumerate(("front", "side")):
        offsets[k] = truth.cameras[view] - np.array(RIG.fixed[view])
    there = [n in truth.objects for n in OBJECTS]
    half = np.array([truth.objects[n][3] if n in truth.objects else [0.02] * 3 for n in OBJECTS])
    masks = {v: sim.masks(v) for v in RIG.views}
    rgb = np.array([colour_of(first["pixels"], masks, 2 + k, (1, 1, 1)) for k in range(4)])
    table = look_at(RIG, first["pixels"], masks,
                    [*truth.tip, *truth.rpy], offsets, ("box", "box", "ball", "box"), half, rgb)
    for _ in range(12):
        seen = sim.step([0.02, 0.012, -0.004, 0, 0, 0.02, 0.1])
    truth = sim.truth()
    place = np.array([truth.objects[n][1] if n in truth.objects else [0] * 3 for n in OBJECTS])
    yaw = [truth.objects[n][2] if n in truth.objects else 0.0 for n in OBJECTS]
    drawn = table.draw([*truth.tip, *truth.rpy], truth.opening, place, yaw, there)
    for view, least in (("front", 26.0), ("side", 26.0), ("wrist", 15.0)):
        true = seen["pixels"][view].astype(float)
        error = (drawn[view].rgb - true) ** 2
        copied = (first["pixels"][view] - true) ** 2
        assert 10 * np.log10(255**2 / error.mean()) > least, view
        if view == "wrist":
            assert error.mean() < 0.7 * copied.mean()
    sim.close()


def test_a_batch_is_its_single_runs(model, looks):
    state = model.begin(both(looks))
    together, seen = model.step(state, ACTIONS)
    assert together.tick == 1 and len(together) == 2
    for k, look in enumerate(looks):
        alone, own = model.step(model.begin(look), ACTIONS[k])
        assert np.allclose(own["agent_pos"][0], seen["agent_pos"][k], atol=1e-5)
        for view in RIG.views:
            differ = np.abs(own["pixels"][view][0].astype(int) - seen["pixels"][view][k]) > 2
            assert differ.mean() < 0.01
        assert torch.allclose(alone.things.place[0], together.things.place[k], atol=1e-5)


def test_states_are_values_and_branches_are_equal(model, looks):
    state = model.begin(looks[0])
    place = state.robot.pose.clone()
    first = model.step(state, ACTIONS[0])[1]
    again = model.step(state, ACTIONS[0])[1]
    assert torch.equal(state.robot.pose, place)
    assert all(np.array_equal(first["pixels"][v], again["pixels"][v]) for v in RIG.views)
    branches, seen = model.step(state.pick([0, 0, 0]), np.stack([ACTIONS[0]] * 2 + [ACTIONS[1]]))
    assert np.array_equal(seen["agent_pos"][0], seen["agent_pos"][1])
    assert not np.array_equal(seen["agent_pos"][0], seen["agent_pos"][2])
    assert len(branches) == 3


def test_the_gripper_goes_where_it_is_told(model, looks):
    """Also an untrained network corrects the guide by little."""
    state = model.begin(looks[0])
    start = state.robot.pose[0, 0].item()
    for _ in range(5):
        state, _ = model.step(state, [0.03, 0, 0, 0, 0, 0, 0], draw=False)
    assert state.robot.pose[0, 0].item() - start == pytest.approx(0.15, abs=0.03)


def test_turned_axes_stay_orthonormal():
    axes = torch.tensor([[1.0, 0, 0, 0, 1, 0]])
    for _ in range(50):
        axes = rotate(axes, torch.tensor([[0.02, -0.05, 0.1]]))
    assert axes[0, :3].norm().item() == pytest.approx(1, abs=1e-5)
    assert (axes[0, :3] * axes[0, 3:]).sum().abs().item() < 1e-5
    quarter = rotate(torch.tensor([[1.0, 0, 0, 0, 1, 0]]), torch.tensor([[0, 0, 0.5]]))
    assert yaw_of(quarter).item() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("change", "said"), [
    ({"pixels": {}}, "front, side, wrist"),
    ({"agent_pos": np.zeros(7, np.float32)}, "9"),
    ({"agent_pos": np.full(9, np.nan, np.float32)}, "finite"),
])
def test_a_bad_look_is_refused(model, looks, change, said):
    with pytest.raises(RoboticsError, match=said):
        model.begin({**looks[0], **change})


@pytest.mark.parametrize("actions", [np.zeros(6), np.zeros((3, 7)), [np.nan] * 7])
def test_bad_actions_are_refused(model, looks, actions):
    with pytest.raises(RoboticsError, match="actions"):
        model.step(model.begin(looks[0]), actions)


def test_a_checkpoint_gives_the_same_model(model, looks, tmp_path):
    path = tmp_path / "table.safetensors"
    with pytest.raises(CheckpointError):
        load_table(path)
    save_table(path, model.reader, model.contacts)
    loaded = load_table(path)
    a, b = (m.step(m.begin(looks[0]), ACTIONS[0])[1]["agent_pos"] for m in (model, loaded))
    assert np.allclose(a, b, atol=1e-2)  # stored in half precision
    assert loaded.embodiment.control_dim == 7


def test_kept_looks_change_nothing(looks, monkeypatch):
    """A look that was read before begins the same run; another feeling is another look; what is
    kept is bounded."""
    monkeypatch.setattr(table_model, "LOOKS_KEPT", 2)
    torch.manual_seed(0)
    fresh = TableModel(SceneReader(width=8), ContactNet(width=16), RIG)
    with torch.no_grad():
        fresh.reader.join[0].weight[:, -9:] *= 100  # what is felt matters to untrained weights
    felt = looks[0] | {"agent_pos": looks[0]["agent_pos"] + np.float32(0.05)}
    first = [fresh.begin(o).things.place.clone() for o in (looks[0], felt)]
    assert not torch.equal(*first)
    calls = []
    fresh.reader.register_forward_pre_hook(lambda *_: calls.append(1))
    again = [fresh.begin(o).things.place for o in (looks[0], felt)]
    assert not calls and all(map(torch.equal, first, again))
    fresh.begin(looks[1])
    assert len(calls) == 1 and len(fresh._looks) == 2
