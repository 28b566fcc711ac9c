"""Evaluate Policies and Find Violations."""

from __future__ import annotations

import os
from dataclasses import replace

import folder_paths
from comfy_api.v0_0_2 import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..gwm_core.errors import GWMError
from ..gwm_core.robotics.evaluation import in_model
from ..gwm_core.robotics.eyes import load_eyes
from ..gwm_core.robotics.plots import Point, scatter, timeline
from ..gwm_core.robotics.rollouts import MAX_TICKS, sentence
from ..gwm_core.robotics.scripted import POLICIES
from ..gwm_core.robotics.specs import DEFAULT_SPECS, parse
from ..gwm_core.robotics.trials import (
    agreement,
    compare,
    from_csv,
    read_rates,
    run_trials,
    summaries,
    table,
    to_csv,
    together,
)
from ..gwm_core.robotics.watching import report, watch
from .adapt import frames_to_image
from .host import TickProgress, plain_tensors, say
from .robotics_policy import built_in
from .robotics_shared import (
    VIEWS,
    TickedTable,
    check_task,
    model_input,
    named_policies,
    policy_inputs,
    seed_input,
    task_input,
    ticks_input,
    wired_policies,
)
from .tables import calm, table_on
from .types import GWMModel, GWMRollouts, RolloutsOnWire

#: Runs at a time. Part of what a shard is: another number would change the last bits.
BATCH = 8
#: How many of the built-in policies are a few: from the first, which is the best, to the last.
FEW = 6
SETS = ["wired only", f"{FEW} built-in", "all built-in"]
MOST_STARTS, MOST_SHARDS = 1000, 10000


class GWMEvaluatePolicies(io.ComfyNode):
    """A ranking of policies, imagined."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMEvaluatePolicies",
            display_name="Evaluate Policies",
            category="GWM/robots",
            description=(
                "Runs several policies from the same starts inside the world model and ranks "
                "them: success and broken rules, each with how sure it is."
            ),
            is_output_node=True,
            inputs=[
                model_input(),
                task_input(),
                io.Combo.Input(
                    "policies",
                    options=SETS,
                    default=SETS[1],
                    tooltip=f"Built-in policies beside the wired ones: none, {FEW} that are far "
                    "apart, or every one of them.",
                ),
                io.Int.Input(
                    "starts",
                    default=8,
                    min=1,
                    max=MOST_STARTS,
                    tooltip="Every policy begins at each of the first so many scenes that come "
                    "with the model (50 for push and pick_place). More make the intervals "
                    "narrower.",
                ),
                ticks_input(MAX_TICKS, "Most ticks of a run, ten a second."),
                seed_input(),
                io.Int.Input(
                    "shard",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Which part of the runs is done here, from 0 on; larger numbers begin "
                    "again at 0, so that a seed that a pack for several machines counts up can be "
                    "wired in.",
                ),
                io.Int.Input(
                    "shards",
                    default=1,
                    min=1,
                    max=MOST_SHARDS,
                    tooltip="Into how many parts the runs are cut. Together the parts are the "
                    "whole evaluation, bit for bit.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="robots/evaluation",
                    dynamic_prompts=False,
                    tooltip="Folder and beginning of the CSV file's name inside the output "
                    "folder; a number is added. Empty: no file.",
                ),
                io.String.Input(
                    "given_rates",
                    multiline=True,
                    default="",
                    optional=True,
                    dynamic_prompts=False,
                    tooltip="Success rates that you know, from real trials or a simulator, a line "
                    "a policy: expert, 17/20. Or the CSV of another evaluation. The plot then "
                    "holds the imagined rates against them.",
                ),
                io.String.Input(
                    "other_shards",
                    multiline=True,
                    default="",
                    optional=True,
                    dynamic_prompts=False,
                    tooltip="CSV of other shards, after each other: table and plot are then of "
                    "all of them together.",
                ),
                *policy_inputs(6, "A policy to evaluate, from Robot Policy."),
            ],
            outputs=[
                io.String.Output(
                    "table",
                    display_name="table",
                    tooltip="A line a policy: success and violations with 95 % intervals.",
                ),
                io.Image.Output(
                    "plot",
                    display_name="plot",
                    tooltip="Success against violations, or against the given rates, a point a "
                    "policy with its 95 % intervals.",
                ),
                io.String.Output(
                    "csv",
                    display_name="csv",
                    tooltip="A line a run of this shard: success, ticks, and when each rule was "
                    "first broken.",
                ),
                io.String.Output(
                    "file",
                    display_name="file",
                    tooltip="The CSV file in the output folder; empty when none was asked for.",
                ),
                GWMRollouts.Output(
                    "rollouts",
                    display_name="rollouts",
                    tooltip="The first run of every policy in this shard, to look at.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, given_rates=None, other_shards=None):
        try:
            read_rates(given_rates or "")
            from_csv(other_shards or "")
        except GWMError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, model, task, policies, starts, ticks, seed, shard, shards, filename_prefix,
                given_rates="", other_shards="", **wired) -> io.NodeOutput:
        host, task = table_on(model), check_task(task)
        rates, others = read_rates(given_rates), from_csv(other_shards)
        chosen = chosen_policies(policies, wired_policies(wired))
        scenes = host.starts(task, 0, starts)
        first: dict = {}
        # Before the work, not after it: a name that is refused must not cost an hour.
        target = csv_target(filename_prefix) if filename_prefix.strip() else None
        runs = _runs_of_shard(len(chosen), starts, shard % shards, shards)
        if not runs:
            raise GWMError(
                f"shards: part {shard % shards} of {shards} has no runs; {len(chosen)} policies "
                f"from {starts} starts make up to {len(chosen) * -(-starts // BATCH)} parts"
            )
        with host.table() as loaded:
            probe, ticked = host.probe(), TickedTable(loaded, runs * ticks)
            trials = run_trials(
                {name: lambda p=p: p.make(task, probe.eyes) for name, p in chosen.items()},
                scenes, in_model(ticked, ticks, probe), seed=seed, batch=BATCH,
                shard=(shard % shards, shards),
                progress=lambda done, total: ticked.advance(done * ticks),
                keep=lambda trial, episode: first.setdefault(trial.policy, (trial, episode)))
        text = to_csv(trials)
        everything = [t for t in together([others, trials]) if t.task == task]
        found = summaries(everything)
        shown = f"{loaded.name}: {sentence(task)} Imagined.\n\n{table(everything)}"
        ranking = compare(found, rates, task)
        if ranking is not None:
            shown += f"\n\n{agreement(ranking)}"
        file = "" if target is None else write_csv(target, text)
        say(f"{len(trials)} runs of {len(chosen)} policies")
        return io.NodeOutput(
            shown,
            frames_to_image(_plot(task, found, rates, ranking)[None]),
            text,
            file,
            RolloutsOnWire(tuple(
                replace(e, info=e.info | {"policy": t.policy, "start": t.start})
                for t, e in first.values())),
            ui={"text": [shown]},
        )


def chosen_policies(choice: str, wired: list) -> dict:
    """The policies of a set and the wired ones, by name."""
    if choice not in SETS:
        raise GWMError(f"policies: {choice!r}; one of {', '.join(SETS)} is accepted")
    everyone = list(POLICIES)
    few = [everyone[round(i * (len(everyone) - 1) / (FEW - 1))] for i in range(FEW)]
    names = ((), few, everyone)[SETS.index(choice)]
    found = named_policies([*wired, *(built_in(name) for name in names)])
    if not found:
        raise GWMError("policy_1: nothing to evaluate; wire in a Robot Policy, or choose built-in "
                       "policies in 'policies'")
    return found


def _runs_of_shard(policies: int, starts: int, part: int, parts: int) -> int:
    """Runs that a shard has, as ``run_trials`` cuts them."""
    sizes = [min(BATCH, starts - begin) for begin in range(0, starts, BATCH)] * policies
    return sum(sizes[part::parts])


def _plot(task: str, found: list, rates: dict, ranking) -> object:
    """Success against given rates, or against violations where none are given."""
    title = sentence(task)
    if ranking is not None:
        points = [Point(s.policy, rates[s.policy], s.rate, None, s.rate_within)
                  for s in found if s.policy in rates and s.rate is not None]
        return scatter(points, title, "given success", "imagined success",
                       agreement(ranking), diagonal=True)
    known = [s for s in found if s.rate is not None]
    points = [Point(s.policy, s.rate, s.broken or 0.0, s.rate_within,
                    None if s.broken is None else s.broken_within) for s in known]
    if not points:
        raise GWMError("plot: success of no run is known")
    runs = sorted({s.runs for s in known})
    span = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    notes = f"{len(points)} policies, {span} runs each\n95 % intervals (Wilson)\nimagined"
    return scatter(points, title, "success", "runs that break a rule", notes)


def csv_target(prefix: str) -> tuple[str, str]:
    """Where a CSV file goes, and the name under which it is listed; the host refuses a prefix
    that leaves the output folder."""
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory())
    file = f"{name}_{counter:05}_.csv"
    listed = os.path.join(subfolder, file).replace(os.sep, "/")
    return os.path.join(folder, file), f"{listed} [output]"


def write_csv(target: tuple[str, str], text: str) -> str:
    """Writes the file whole or not at all; the name under which it is listed."""
    path, listed = target
    part = f"{path}.part"
    with open(part, "w", encoding="utf-8", newline="") as out:
        out.write(text)
    os.replace(part, path)
    return listed


class GWMFindViolations(io.ComfyNode):
    """Rules, and where runs break them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GWMFindViolations",
            display_name="Find Violations",
            category="GWM/robots",
            description=(
                "Holds rollouts against rules that you write down, and marks on a timeline where "
                "they are broken. Things and zones are read from the pictures."
            ),
            inputs=[
                GWMRollouts.Input(
                    "rollouts",
                    tooltip="From Robot Rollout, Counterfactuals, Evaluate Policies or Load Robot "
                    "Dataset.",
                ),
                io.String.Input(
                    "rules",
                    multiline=True,
                    default=DEFAULT_SPECS,
                    dynamic_prompts=False,
                    tooltip="A rule a line, name: formula, such as never(force > 12) or "
                    "eventually[0,4s](red_z > 0.1). The help page lists signals and words.",
                ),
                io.Combo.Input(
                    "view",
                    options=VIEWS,
                    default=VIEWS[0],
                    tooltip="The camera whose pictures the timeline shows.",
                ),
                GWMModel.Input(
                    "model",
                    optional=True,
                    tooltip="Only for a model of your own that has its own eyes; else the eyes "
                    "that come with the pack look.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "timeline",
                    display_name="timeline",
                    tooltip="For every run (the first 12) a lane a rule: red where it is broken, "
                    "the line is the distance to the bound.",
                ),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="Of every rule: how many runs break it, when first, how long and by "
                    "how much.",
                ),
                io.Int.Output(
                    "broken", display_name="broken", tooltip="How many runs break a rule."
                ),
                GWMRollouts.Output(
                    "kept_rollouts",
                    display_name="clean rollouts",
                    tooltip="The runs that keep every rule. Stops what follows when there are "
                    "none.",
                ),
                GWMRollouts.Output(
                    "broken_rollouts",
                    display_name="broken rollouts",
                    tooltip="The runs that break one. Stops what follows when there are none.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, rules=None):
        try:
            return rules is None or bool(parse(rules))
        except GWMError as error:
            return str(error).replace("specification", "rules", 1)

    @classmethod
    def execute(cls, rollouts, rules, view, model=None) -> io.NodeOutput:
        specs = parse(rules)
        episodes = rollouts.episodes
        bar = TickProgress(len(episodes), preview=False)
        runs = []
        with plain_tensors(), calm():
            eyes = load_eyes() if model is None else table_on(model).eyes()
            for episode in episodes:
                runs.append(watch(episode, specs, eyes))
                bar(len(runs), len(episodes))
        bad = [w.episode for w in runs if w.first >= 0]
        good = [w.episode for w in runs if w.first < 0]
        said = report(runs)
        say(f"{len(bad)} of {len(runs)} runs break a rule")
        picture = timeline(runs, f"{len(bad)} of {len(runs)} runs break a rule", view)
        return io.NodeOutput(
            frames_to_image(picture[None]),
            said,
            len(bad),
            _wire(good),
            _wire(bad),
        )


def _wire(episodes: list):
    return RolloutsOnWire(tuple(episodes)) if episodes else ExecutionBlocker(None)
