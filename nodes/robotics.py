"""Robot Rollout and Counterfactuals: what a robot's table looks like after these actions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.v0_0_2 import io

from ..gwm_core.errors import ControlError, GWMError
from ..gwm_core.robotics.counterfactual import Branch, branch_out, describe_branches, past_of
from ..gwm_core.robotics.episode import Episode
from ..gwm_core.robotics.loading import tabletop_embodiment
from ..gwm_core.robotics.plots import moments
from ..gwm_core.robotics.policy import Recorded
from ..gwm_core.robotics.rollouts import rollouts, sentence
from ..gwm_core.robotics.trials import describe_run, start_seed
from ..gwm_core.side_by_side import parse_branches
from .adapt import frames_to_image
from .host import say
from .robotics_policy import ACTIONS_HELP, track_actions
from .robotics_shared import (
    MOST_TICKS,
    VIEWS,
    TickedTable,
    check_task,
    model_input,
    named_policies,
    policy_inputs,
    runs_video,
    seed_input,
    start_input,
    starts_of,
    task_input,
    ticks_input,
    view_image,
    views_video,
    wired_policies,
)
from .tables import table_on
from .types import GWMPolicy, GWMRollouts, RolloutsOnWire

#: Runs of one Robot Rollout, all in memory with their frames, and branches of one start.
MOST_RUNS, MOST_BRANCHES = 64, 16
_BRANCHES = (
    "towards the left: move(-0.03,0,0)*8 move(0,0,-0.03)*4\n"
    "towards the right: move(0.03,0,0)*8 move(0,0,-0.03)*4\n"
    "wait: idle*12"
)
PICTURE_TIP = (
    "Your own first picture of the {} camera, to begin at instead of a scene that comes with the "
    "model; all three cameras are needed. The middle square is taken."
)


def picture_inputs() -> list:
    """The artist's own first look."""
    return [
        *(io.Image.Input(view, optional=True, tooltip=PICTURE_TIP.format(view)) for view in VIEWS),
        io.String.Input(
            "gripper",
            default="",
            optional=True,
            dynamic_prompts=False,
            tooltip="Where the gripper is in your own pictures: x y z (metres), roll pitch yaw "
            "(radians), opening 0 to 1. Empty: above the middle of the table, open.",
        ),
    ]


class GWMRobotRollout(io.ComfyNode):
    """A policy's runs, imagined."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMRobotRollout",
            display_name="Robot Rollout",
            category="GWM/robots",
            description=(
                "Lets a policy work at a robot's table inside the world model: every camera's "
                "pictures, whether the task got done, and which rules were broken on the way."
            ),
            inputs=[
                model_input(),
                GWMPolicy.Input("policy", tooltip="From Robot Policy: what decides the actions."),
                task_input(),
                start_input(),
                io.Int.Input(
                    "runs",
                    default=1,
                    min=1,
                    max=MOST_RUNS,
                    tooltip="So many runs, each from the next start (your own pictures: each with "
                    "another seed). Pictures and video show the first; 'rollouts' holds all.",
                ),
                ticks_input(80, "Most ticks of a run, ten a second. It ends when the task is "
                            "done."),
                seed_input(),
                *picture_inputs(),
            ],
            outputs=[
                *(
                    io.Image.Output(
                        f"{view}_images",
                        display_name=view,
                        tooltip=f"Every frame of the {view} camera, 10 a second, as small as the "
                        "model makes them.",
                    )
                    for view in VIEWS
                ),
                io.Video.Output(
                    "video", display_name="video", tooltip="All cameras side by side, larger."
                ),
                GWMRollouts.Output(
                    "rollouts",
                    display_name="rollouts",
                    tooltip="All runs, for Find Violations, Counterfactuals and Save Robot "
                    "Dataset.",
                ),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="Of every run: its start and seed, whether the task got done and "
                    "when, and which rules were broken at which ticks.",
                ),
            ],
        )

    @classmethod
    def execute(cls, model, policy, task, start, runs, ticks, seed, front=None, side=None,
                wrist=None, gripper="") -> io.NodeOutput:
        table, task = table_on(model), check_task(task)
        pictures = {"front": front, "side": side, "wrist": wrist}
        starts, first = starts_of(table, task, start, runs, pictures, gripper)
        seeds = [start_seed(seed, first + j) for j in range(runs)]
        with table.table() as loaded:
            ticked, probe = TickedTable(loaded, ticks * runs), table.probe()
            made = [policy.make(task, probe.eyes) for _ in starts]
            episodes = rollouts(ticked, made, [s.observation for s in starts], ticks, task=task,
                                seeds=seeds, probe=probe)
            ticked.advance(ticks * runs)
        own = any(picture is not None for picture in pictures.values())
        episodes = [replace(e, info=e.info | {"policy": policy.name} | (
            {} if own else {"start": first + j})) for j, e in enumerate(episodes)]
        report = run_report(loaded.name, task, episodes)
        say(describe_run(episodes[0]))
        shown = episodes[0]
        return io.NodeOutput(
            *(view_image(shown, view) for view in VIEWS),
            views_video(shown),
            RolloutsOnWire(tuple(episodes)),
            report,
        )


def run_report(name: str, task: str, episodes: list[Episode]) -> str:
    """Text for people: what was tried, then a line a run."""
    done = sum(bool(e.success) for e in episodes)
    head = f"{name}: {sentence(task)}\n{done} of {len(episodes)} runs got it done"
    lines = [f"run {i}: {describe_run(e)}" for i, e in enumerate(episodes, start=1)]
    return "\n".join([head, "", *lines])


class GWMCounterfactuals(io.ComfyNode):
    """One moment, several futures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMCounterfactuals",
            display_name="Counterfactuals",
            category="GWM/robots",
            description=(
                "What would have happened? Plays several actions or policies from the same moment "
                "at a robot's table and shows them as a grid."
            ),
            inputs=[
                model_input(),
                task_input(),
                io.String.Input(
                    "branches",
                    multiline=True,
                    default=_BRANCHES,
                    dynamic_prompts=False,
                    tooltip="One branch a line: name: actions. May be empty when policies are "
                    f"wired in. {ACTIONS_HELP}",
                ),
                start_input(),
                ticks_input(24, "Ticks of every branch, ten a second. When its actions are over "
                            "the robot stands still."),
                seed_input(),
                io.Int.Input(
                    "seeds",
                    default=1,
                    min=1,
                    max=MOST_BRANCHES,
                    tooltip="Every wired policy is a branch so many times, each with another seed.",
                ),
                io.Combo.Input(
                    "view",
                    options=[*VIEWS, "all"],
                    default="front",
                    tooltip="The camera that grid and video show; all: the grid shows each, the "
                    "video the front.",
                ),
                GWMRollouts.Input(
                    "past",
                    optional=True,
                    tooltip="Branch inside a run instead of at a start: the first of these "
                    "rollouts is imagined again up to 'at_tick'.",
                ),
                io.Int.Input(
                    "at_tick",
                    default=0,
                    min=0,
                    max=MOST_TICKS,
                    optional=True,
                    tooltip="At which tick of 'past' the branches part.",
                ),
                *policy_inputs(3, "A branch that this policy plays, after those of the text."),
                *picture_inputs(),
            ],
            outputs=[
                io.Image.Output(
                    "grid",
                    display_name="grid",
                    tooltip="One picture: a row for every branch, from left to right its moments.",
                ),
                io.Video.Output(
                    "video", display_name="video", tooltip="All branches side by side."
                ),
                GWMRollouts.Output(
                    "rollouts", display_name="rollouts", tooltip="Every branch as a run."
                ),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="Of every branch: how far things and the gripper moved, as the "
                    "imagined pictures show it, whether the task got done, what was broken.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, branches=None):
        try:
            if branches is not None:
                text_branches(branches)
        except ControlError as error:
            return str(error).replace("controls", "branches", 1)
        except GWMError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, model, task, branches, start, ticks, seed, seeds, view, past=None, at_tick=0,
                front=None, side=None, wrist=None, gripper="", **wired) -> io.NodeOutput:
        table, task = table_on(model), check_task(task)
        if view not in (*VIEWS, "all"):
            raise GWMError(f"view: {view!r}; {', '.join(VIEWS)} or all is accepted")
        pictures = {"front": front, "side": side, "wrist": wrist}
        with table.table() as loaded:
            probe = table.probe()
            found = text_branches(branches)
            found += policy_branches(wired_policies(wired), task, probe.eyes, seed, seeds)
            if not 2 <= len(found) <= MOST_BRANCHES:
                raise GWMError(f"branches: {len(found)} in all, lines and policies; 2 to "
                               f"{MOST_BRANCHES} are needed")
            if past is None:
                (begin,), _ = starts_of(table, task, start, 1, pictures, gripper)
                look, actions = begin.observation, None
            else:
                look, actions = past_of(past.episodes[0], at_tick)
            before = 0 if actions is None else len(actions)
            ticked = TickedTable(loaded, before + ticks * len(found))
            episodes = branch_out(ticked, look, found, ticks, task=task, probe=probe,
                                  before=actions)
            report = describe_branches(episodes, probe.eyes)
        labels = [b.name for b in found]
        shown = VIEWS if view == "all" else [view]
        grid = moments([e.views for e in episodes], labels, episodes[0].fps, shown,
                       side=96 if view == "all" else 128)
        return io.NodeOutput(
            frames_to_image(grid[None]),
            runs_video(episodes, labels, shown[0]),
            RolloutsOnWire(tuple(episodes)),
            report,
        )


def text_branches(text: str) -> list[Branch]:
    """Branches of action texts, one a line; ControlError and GWMError say what is wrong."""
    found = parse_branches(text, tabletop_embodiment())
    return [Branch(label, Recorded(track_actions(track)), 0) for label, track in found]


def policy_branches(policies: list, task: str, eyes: Any, seed: int, seeds: int) -> list[Branch]:
    """A branch for every policy and seed."""
    out = []
    for name, policy in named_policies(policies).items():
        for k in range(seeds):
            label = name if seeds == 1 else f"{name}, seed {k + 1}"
            out.append(Branch(label, policy.make(task, eyes), start_seed(seed, k)))
    return out
