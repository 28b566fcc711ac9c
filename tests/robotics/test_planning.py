"""Planning in a table model, goals, proposals, and goals reached in the true simulator.

What happens on the table is predicted by a few rules of touch instead of a trained network, and a
look tells the simulator's truth: the search, the motions and the loop are what is tested.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gwm_core.errors import Cancelled, RoboticsError
from gwm_core.evaluation.robotics.planning import (
    TASKS,
    Case,
    Drawn,
    cases,
    goal_look,
    planning_metrics,
    put_done,
    reaches,
)
from gwm_core.model.contacts import LEASH, LIMIT_HIGH, LIMIT_LOW, Robot, Things
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics.goals import CostGoal, PlaceGoal, goal_of
from gwm_core.robotics.planning import (
    Cem,
    Effort,
    Mppi,
    PlanningPolicy,
    imagine,
    look_again,
    plan,
)
from gwm_core.robotics.policy import LIMIT
from gwm_core.robotics.proposals import Legs, Noise, PickPlace, Push, follow, here
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.table_model import TableModel, TableState
from gwm_core.simulators.tabletop import OBJECTS, Tabletop
from gwm_core.simulators.tabletop.tasks import done

FEW = Effort(samples=24, rounds=2, polish=1)
UPRIGHT = torch.tensor([1.0, 0, 0, 0, 1, 0])


class Touch(nn.Module):
    """The gripper goes where it is told; closed fingers carry what is between them, and push aside
    what they meet; anything else lies on the table."""

    def forward(self, robot: Robot, things: Things, action: Tensor) -> tuple[Robot, Things]:
        low, high = torch.tensor(LIMIT_LOW), torch.tensor(LIMIT_HIGH)
        target = (robot.target + action[:, :6]).clamp(low, high)
        here = robot.pose[:, :3]
        target = torch.cat([target[:, :3].clamp(here - LEASH, here + LEASH), target[:, 3:]], 1)
        closing = (robot.closing + 0.5 * action[:, 6:]).clamp(0, 1)
        move, tip = target - robot.pose, target[:, None, :3]
        gap = things.place - robot.pose[:, None, :3]
        held = (gap[..., :2].norm(dim=-1) < 0.012) & (gap[..., 2].abs() < 0.03)
        held = (held & (closing > 0.4))[..., None]
        aside = things.place[..., :2] - tip[..., :2]
        far = aside.norm(dim=-1, keepdim=True)
        met = (far < 0.038) & (tip[..., 2:] < 0.05) & (closing > 0.3)[:, None] & ~held
        pushed = tip[..., :2] + aside / far.clamp(min=1e-6) * 0.038
        level = torch.where(met, pushed, things.place[..., :2])
        place = torch.where(held, things.place + move[:, None, :3],
                            torch.cat([level, self._floor(things)], -1))
        change = (place - things.place) * things.present
        opening = 1 - closing
        return (Robot(target, move, target, opening, closing, torch.zeros_like(closing), closing),
                replace(things, place=things.place + change, change=change))

    def _floor(self, things: Things) -> Tensor:
        """Heights [B, K, 1] at which things come to lie: on the table, or on another below."""
        place, half = things.place, things.half[..., 2]
        over = (place[:, :, None, :2] - place[:, None, :, :2]).norm(dim=-1) < 0.03
        over &= place[:, :, None, 2] > place[:, None, :, 2] + 0.02
        over &= things.present[:, None, :, 0] > 0
        top = (place[..., 2] + half)[:, None].expand(over.shape)
        return (torch.where(over, top, torch.zeros(())).amax(-1) + half)[..., None]


class Telling(TableModel):
    """A table model whose looks are read from a list of what was really there."""

    def __init__(self) -> None:
        super().__init__(SceneReader(width=8), Touch(), tabletop_rig())
        self.truths: dict[bytes, tuple] = {}

    def begin(self, observation) -> TableState:
        pixels, felt = self.checked(observation)
        place, axes, half, present = (
            torch.stack([torch.as_tensor(v[i]) for v in (self.truths[p.tobytes()] for p in pixels)])
            for i in range(4))
        pose, one = torch.from_numpy(felt[:, :6]), torch.from_numpy(felt[:, 6:7])
        zero = torch.zeros_like(one)
        robot = Robot(pose, torch.zeros_like(pose), pose, one, zero, zero, (1 - one).clamp(0, 1))
        rest = torch.zeros_like(place)
        return TableState(robot, Things(place, axes, rest, rest, half, present[..., None]),
                          (None,) * len(felt))

    def tell(self, place, present=(1, 1, 0, 0), tip=(0, 0, 0.15), opening=1.0) -> dict:
        """A look at things at places [4, 3]."""
        number = len(self.truths) + 1
        size = self.rig.size
        mark = np.frombuffer(number.to_bytes(2, "little"), np.uint8)
        pixels = {v: np.zeros((size, size, 3), np.uint8) for v in self.rig.views}
        pixels["front"][0, 0, :2] = mark
        felt = np.array([*tip, 0, 0, 0, opening, 0, 0], np.float32)
        look = {"pixels": pixels, "agent_pos": felt}
        key = self.checked(look)[0][0].tobytes()
        self.truths[key] = (torch.tensor(place, dtype=torch.float32), UPRIGHT.repeat(4, 1),
                            torch.full((4, 3), 0.0255), torch.tensor(present, dtype=torch.float32))
        return look


def places(red=(-0.1, 0.0), blue=(0.1, 0.1), tall=0.0255):
    return [[*red, tall], [*blue, 0.0255], [0, 0, 0.0255], [0, 0, 0.0255]]


@pytest.fixture
def model() -> Telling:
    return Telling()


def played(model: TableModel, state: TableState, actions) -> TableState:
    for a in actions:
        state, _ = model.step(state, a[None], draw=False)
    return state


# ------------------------------------------------------------------ proposals


@pytest.mark.parametrize("way", [Push(0, (0.1, -0.05)), Push(0), PickPlace(0, (0.1, -0.05, 0.0255)),
                                 PickPlace(0), Noise()])
def test_proposals_keep_the_limits_and_the_horizon(model, way):
    state = model.begin(model.tell(places()))
    mean, sd = way.start(state)
    drawn = mean + sd * np.random.default_rng(0).standard_normal((20, len(mean)))
    actions = way.actions(state, drawn, 60)
    assert actions.dtype == np.float32 and actions.shape[0] == 20 and actions.shape[1] <= 60
    assert (np.abs(actions) <= LIMIT + 1e-6).all() and np.isfinite(actions).all()
    assert way.actions(state, drawn, 7).shape[1] <= 7
    step = np.linalg.norm(actions[..., :3], axis=-1)
    assert isinstance(way, Noise) or step.max() < 0.045 * 0.9


@pytest.mark.parametrize("goal", [(0.1, -0.05), (-0.1, 0.15), (-0.22, 0.0)])
def test_a_push_moves_a_thing_along_its_line(model, goal):
    state = model.begin(model.tell(places(blue=(0.2, 0.2))))
    way = Push(0, goal)
    end = played(model, state, way.actions(state, way.start(state)[0][None], 60)[0])
    assert np.linalg.norm(end.things.place[0, 0, :2].numpy() - goal) < 0.02
    assert np.allclose(end.things.place[0, 1], state.things.place[0, 1])
    assert end.robot.pose[0, 2] > 0.1  # up again


def test_a_push_from_behind_goes_straight_on(model):
    behind = model.begin(model.tell(places(), tip=(-0.16, 0.0, 0.022), opening=0.3))
    above = model.begin(model.tell(places(), tip=(-0.16, 0.0, 0.15), opening=0.3))
    way = Push(0, (0.0, 0.0))
    low, high = (way.actions(s, way.start(s)[0][None], 60)[0] for s in (behind, above))
    heights = 0.022 + np.cumsum(low[:, 2])
    assert len(low) < len(high) and heights[: len(low) - 5].max() < 0.03


def test_what_is_held_is_carried_on(model):
    tip = (-0.1, 0.0, 0.09)
    held = model.begin(model.tell(places(tall=0.1), tip=tip, opening=0.0))
    way = PickPlace(0, (0.05, 0.05, 0.0255))
    actions = way.actions(held, way.start(held)[0][None], 60)[0]
    end = played(model, held, actions)
    assert (actions[:8, 6] >= 0).all()
    assert np.linalg.norm(end.things.place[0, 0].numpy() - [0.05, 0.05, 0.0255]) < 0.01


def test_legs_without_way_take_no_ticks(model):
    state = model.begin(model.tell(places()))
    now = here(state)
    place = np.tile(now.told[:3], (2, 3, 1))
    place[1, 2] += [0.05, 0, 0]
    legs = Legs(place, np.full((2, 3), now.told[5]), np.zeros((2, 3)), np.full(3, 0.02),
                np.zeros(3, int))
    actions = follow(now, legs, 30)
    assert actions.shape[1] == 3 and not actions[0].any()
    assert np.allclose(actions[1].sum(0)[:3], [0.05, 0, 0], atol=1e-6)
    with pytest.raises(RoboticsError, match="2 runs"):
        here(state.pick([0, 0]))


# ------------------------------------------------------------------ goals


def test_a_goal_image_says_where_things_belong(model):
    goal = goal_of(model, model.tell(places(red=(0.05, 0.0))))
    start = model.begin(model.tell(places()))
    assert goal.cost(start).item() == pytest.approx(0.15, abs=1e-5)
    assert not goal.reached(start).item()
    assert goal.reached(model.begin(model.tell(places(red=(0.055, 0.0))))).item()
    near = model.tell(places(red=(0.05, 0.0)), tip=(0.05, 0.0, 0.02), opening=0.6)
    assert not goal.reached(model.begin(near)).item()  # still between the fingers
    assert [w.name for w in goal.proposals(start)] == ["pick and place 0", "push 0"]
    stacked = goal_of(model, model.tell(places(red=(0.1, 0.1), tall=0.0765)))
    assert [w.name for w in stacked.proposals(start)] == ["pick and place 0"]
    blind = replace(goal, hints=False).proposals(start)
    assert [w.toward for w in blind] == [None, None]
    only = goal_of(model, model.tell(places(red=(0.05, 0.0), blue=(0, 0.2))), things=[1])
    assert only.cost(start).item() == pytest.approx(np.hypot(0.1, 0.1), abs=1e-5)


def test_bad_goals_are_refused(model):
    with pytest.raises(RoboticsError, match="thing 3 is not seen"):
        goal_of(model, model.tell(places()), things=[3])
    with pytest.raises(RoboticsError, match="nothing is seen"):
        goal_of(model, model.tell(places(), present=(0, 0, 0, 0)))
    with pytest.raises(RoboticsError, match="finite"):
        PlaceGoal(torch.full((4, 3), torch.nan), torch.ones(4))
    with pytest.raises(RoboticsError, match="matters"):
        PlaceGoal(torch.zeros(4, 3), torch.zeros(4))
    with pytest.raises(RoboticsError, match="proposals"):
        CostGoal(lambda s: s.things.place[:, 0, 0], [])


# ------------------------------------------------------------------ the search


@pytest.mark.parametrize("search", [Cem(), Mppi()])
def test_a_search_refines_what_was_drawn(model, search):
    start = model.begin(model.tell(places()))
    goal = PlaceGoal(torch.tensor([[0.02, 0.11, 0.0255]] * 4), torch.tensor([1.0, 0, 0, 0]))
    anywhere = [Push(0), PickPlace(0)]
    one = plan(model, start, goal, anywhere, search=search, effort=Effort(64, 1, 0), seed=1)
    more = plan(model, start, goal, anywhere, search=search, effort=Effort(64, 5, 1), seed=1)
    assert list(more.rounds) == sorted(more.rounds, reverse=True) and len(more.rounds) == 6
    assert more.cost < one.cost < more.still
    reached = played(model, start, more.actions).things.place[0, 0].numpy()
    assert np.linalg.norm(reached - [0.02, 0.11, 0.0255]) < 0.015
    cost = imagine(model, start, more.actions[None], goal)[0]
    assert cost == pytest.approx(more.cost, abs=1e-6)


def test_noise_alone_does_not_get_there(model):
    start = model.begin(model.tell(places()))
    goal = goal_of(model, model.tell(places(red=(0.05, 0.0))))
    noise = plan(model, start, goal, [Noise()], effort=FEW)
    planned = plan(model, start, goal, effort=FEW)
    alone = plan(model, start, replace(goal, hints=False), effort=Effort(48, 4, 1))
    assert alone.cost < 0.3 * alone.still
    assert noise.cost > 0.7 * noise.still
    assert planned.cost < 0.25 * planned.still and planned.proposal == "push 0"


def test_stacking_is_a_pick_and_place(model):
    start = model.begin(model.tell(places()))
    goal = goal_of(model, model.tell(places(red=(0.1, 0.1), tall=0.0765)))
    found = plan(model, start, goal, effort=FEW)
    assert found.proposal == "pick and place 0"
    assert goal.reached(played(model, start, found.actions)).item()


def test_a_plan_is_a_function_of_its_seed(model):
    start = model.begin(model.tell(places()))
    goal = goal_of(model, model.tell(places(red=(0.05, 0.0))))
    calls: list[tuple[int, int]] = []
    a = plan(model, start, goal, effort=FEW, seed=5, progress=lambda *c: calls.append(c))
    b = plan(model, start, goal, effort=FEW, seed=5)
    c = plan(model, start, goal, effort=FEW, seed=6)
    assert np.array_equal(a.actions, b.actions) and a.cost == b.cost
    assert not np.array_equal(a.actions, c.actions)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_plan_can_be_stopped(model):
    start = model.begin(model.tell(places()))
    goal = goal_of(model, model.tell(places(red=(0.05, 0.0))))
    asked = iter([False, True])
    with pytest.raises(Cancelled):
        plan(model, start, goal, effort=FEW, stop=lambda: next(asked))


def test_what_is_known_to_be_good_is_kept(model):
    start = model.begin(model.tell(places()))
    goal = goal_of(model, model.tell(places(red=(0.05, 0.0))))
    good = plan(model, start, goal, effort=FEW)
    again = plan(model, start, goal, [Noise()], effort=Effort(4, 1, 0), known=good.actions)
    assert again.cost == pytest.approx(good.cost) and again.proposal == "as planned before"
    assert np.array_equal(again.actions, good.actions)
    calls: list[tuple[int, int]] = []
    plan(model, start, goal, effort=FEW, known=good.actions, progress=lambda *c: calls.append(c))
    assert calls == [(1, 1)]  # good enough: polished only
    poor = good.actions[: len(good.actions) // 2]
    other = plan(model, start, goal, effort=FEW, known=poor)
    assert other.cost < 0.5 * imagine(model, start, poor[None], goal)[0]


def test_a_cost_is_a_goal_too(model):
    start = model.begin(model.tell(places()))
    goal = CostGoal(lambda s: (s.things.place[:, 0, 1] - 0.1).abs(), [Push(0)], enough=0.01)
    found = plan(model, start, goal, effort=Effort(40, 4, 1))
    assert goal.reached(played(model, start, found.actions)).item()
    with pytest.raises(RoboticsError, match="cost"):
        plan(model, start, CostGoal(lambda s: s.things.place, [Push(0)]), effort=FEW)


@pytest.mark.parametrize(("options", "said"), [
    ({"proposals": []}, "proposals"), ({"known": np.zeros((3, 6))}, "known"),
])
def test_bad_plans_are_refused(model, options, said):
    start = model.begin(model.tell(places()))
    goal = goal_of(model, model.tell(places(red=(0.05, 0.0))))
    with pytest.raises(RoboticsError, match=said):
        plan(model, start, goal, **options)
    with pytest.raises(RoboticsError, match="2 runs"):
        plan(model, start.pick([0, 0]), goal)
    with pytest.raises(RoboticsError, match="samples"):
        Effort(samples=1)
    with pytest.raises(RoboticsError, match="every"):
        PlanningPolicy(model, goal, every=0)


# ------------------------------------------------------------------ on the way


def test_another_look_keeps_what_was_told(model):
    state = model.begin(model.tell(places()))
    state, _ = model.step(state, np.array([[0.01, 0, 0, 0, 0, 0, 1.0]], np.float32), draw=False)
    there = places(red=(-0.096, 0.0), blue=(0.0, 0.2))
    seen = model.tell(there, present=(1, 1, 0, 0), tip=(0.004, 0, 0.15), opening=0.8)
    again = look_again(model, state, seen)
    assert again.robot.closing.item() == 0.5 and again.robot.target[0, 0] == pytest.approx(0.01)
    assert again.robot.pose[0, 0] == pytest.approx(0.004)
    assert again.robot.change[0, 0] == pytest.approx(0.004)
    assert again.things.place[0, 0, 0] == pytest.approx(-0.098)  # half way
    assert np.allclose(again.things.place[0, 1], [0, 0.2, 0.0255])  # as read
    hidden = model.tell(there, present=(0, 1, 0, 0))
    kept = look_again(model, state, hidden)
    assert torch.equal(kept.things.place[0, 0], state.things.place[0, 0])
    assert kept.things.present[0, 0].item() == 1
    grasped = model.begin(model.tell(places(tall=0.1), tip=(-0.1, 0, 0.1), opening=0.6))
    grasped = replace(grasped, robot=replace(grasped.robot, closing=torch.ones(1, 1)))
    for opening, height in ((0.6, 0.1), (0.0, 0.0255)):  # it is felt, or it is not
        look = model.tell(places(), tip=(-0.1, 0, 0.1), opening=opening)
        found = look_again(model, grasped, look).things.place[0, 0, 2].item()
        assert found == pytest.approx(height)
    with pytest.raises(RoboticsError, match="runs"):
        look_again(model, state.pick([0, 0]), seen)


def moved_away(model: Telling, policy: PlanningPolicy, ticks: int = 120) -> np.ndarray:
    """Where the red box ends when somebody moves it aside in the 15th tick."""
    world = Telling()
    state = world.begin(world.tell(places()))
    policy.reset(4)
    for t in range(ticks):
        felt = world.observe(state, draw=False)["agent_pos"][0]
        look = model.tell(state.things.place[0].tolist(), tip=felt[:3], opening=float(felt[6]))
        look["agent_pos"] = felt
        state, _ = world.step(state, policy.select_action(look)[None], draw=False)
        if t == 15:
            place = state.things.place.clone()
            place[0, 0, 1] += 0.05
            state = replace(state, things=replace(state.things, place=place))
    return state.things.place[0, 0].numpy()


def test_planning_again_makes_good_what_nobody_foresaw(model):
    goal = goal_of(model, model.tell(places(red=(0.05, 0.0))))
    closed = moved_away(model, PlanningPolicy(model, goal, every=8, effort=FEW))
    assert np.linalg.norm(closed[:2] - [0.05, 0.0]) < 0.015
    blind = moved_away(model, PlanningPolicy(model, goal, every=120, effort=FEW), ticks=30)
    assert np.linalg.norm(blind[:2] - [0.05, 0.0]) > 0.03


# ------------------------------------------------------------------ the true simulator


@pytest.mark.parametrize("task", TASKS)
def test_the_goal_picture_shows_the_task_done(task):
    case = cases(1, 3, [task])[0]
    assert case.scene % 2 == 1
    sim = Tabletop(task, case.scene)
    assert not done(task, sim.truth())
    first = sim.observe()
    put_done(sim)
    assert done(task, sim.truth())
    shown = goal_look(case)
    assert any((np.abs(shown["pixels"][v].astype(int) - first["pixels"][v]) > 30).any()
               for v in ("front", "side"))
    for _ in range(4):
        sim.advance(np.zeros(7))
    assert sim.success()
    sim.close()


@pytest.fixture
def seeing(model, monkeypatch) -> Telling:
    """A model that is told what every look of the simulator really shows."""
    from gwm_core.training.contacts_data import axes_of

    look = Tabletop.observe

    def observe(sim):
        seen, truth = look(sim), sim.truth()
        place, axes = torch.zeros(4, 3), UPRIGHT.repeat(4, 1)
        half, present = torch.full((4, 3), 0.02), torch.zeros(4)
        for k, name in enumerate(OBJECTS):
            if name in truth.objects:
                place[k] = torch.from_numpy(truth.objects[name][1])
                axes[k] = torch.from_numpy(axes_of(truth.quats[name]))
                half[k] = torch.from_numpy(truth.objects[name][3])
                present[k] = 1
        key = np.stack([seen["pixels"][v] for v in model.rig.views]).tobytes()
        model.truths[key] = (place, axes, half, present)
        return seen

    monkeypatch.setattr(Tabletop, "observe", observe)
    return model


@pytest.mark.parametrize(("task", "scene"), [("push", 7), ("pick_place", 5)])
def test_goals_are_reached_in_the_true_simulator(seeing, task, scene):
    case = Case(task, scene)
    goal = goal_of(seeing, goal_look(case))
    assert reaches(PlanningPolicy(seeing, goal, effort=FEW), case, 0)


def test_the_figures_compare_planning_with_chance_and_the_expert(seeing):
    calls: list[tuple[int, int]] = []
    tiny = Effort(8, 1, 0)
    found = planning_metrics(seeing, 1, 2, ["push"], tiny, lambda *c: calls.append(c))
    ratio, seconds = found
    assert (ratio.id, ratio.must, ratio.n) == ("robotics.plan_success_ratio", ">= 0.6", 1)
    assert {"random_shooting", "drawn", "expert_push", "planned_push"} == set(ratio.baselines)
    assert seconds.value > 0 and seconds.n > 0 and calls == [(1, 1)]


def test_drawn_motions_are_not_imagined(model, monkeypatch):
    goal = goal_of(model, model.tell(places(red=(0.05, 0.0))), hints=False)
    state, policy = model.begin(model.tell(places())), Drawn(model, goal)
    monkeypatch.setattr(model, "step", None)
    actions = policy.choose(state, np.zeros((0, 7)), 1)
    assert np.abs(actions[:, :3]).sum() > 0.1 and policy.last is None
    assert np.array_equal(policy.choose(state, actions[3:], 1), actions[3:])
    others = [policy.choose(state, np.zeros((0, 7)), seed) for seed in range(2, 8)]
    assert not any(o.shape == actions.shape and np.array_equal(o, actions) for o in others)
