"""Evaluations over an executor: what ``evaluate`` gives, in pieces, shards and several processes.

The table model has untrained weights: a real model, of which no picture is judged here.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gwm_core.errors import Cancelled, GWMError, RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics.evaluation import Results, evaluate, in_model, paired
from gwm_core.robotics.evaluation_job import (
    Job,
    Part,
    evaluate_jobs,
    evaluate_shard,
    merge,
    model_world,
    simulator_starts,
    simulator_world,
    stored_starts,
    work,
)
from gwm_core.robotics.loading import load_table, save_table
from gwm_core.robotics.recipe import file, made, recipe, shared
from gwm_core.robotics.starts import load_starts, save_starts
from gwm_core.simulators.tabletop.truth import in_simulator, simulated_starts

from .job_parts import Low, aim, dying, short

TICKS, COUNT, BATCH, SEED = 4, 3, 2, 3


def here(function) -> str:
    return f"{Path(__file__).resolve().parent / 'job_parts.py'}:{function.__name__}"


POLICIES = {"aims": {"gain": 0.05}, "noisy": {"gain": 0.5, "noise": 1.0, "bias": 0.02}}
RECIPES = {name: recipe(here(aim), **arguments) for name, arguments in POLICIES.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    """A checkpoint and starts of two tasks."""
    folder = tmp_path_factory.mktemp("world")
    torch.manual_seed(0)
    save_table(folder / "table.safetensors", SceneReader(width=8), ContactNet(width=16))
    starts = [s for task in ("push", "stack") for s in simulated_starts(task, range(1, 9, 2))]
    save_starts(folder / "starts.npz", starts)
    return folder / "table.safetensors", folder / "starts.npz"


@pytest.fixture(scope="module")
def jobs(files) -> dict[str, Job]:
    model, starts = files
    world = model_world(model, TICKS, probe=recipe(here(Low), height=0.16), known_zones=True)
    return {task: Job(RECIPES, stored_starts(task, path=starts), COUNT, world, SEED, BATCH)
            for task in ("push", "stack")}


@pytest.fixture(scope="module")
def plain(files) -> dict[str, Results]:
    """What ``evaluate`` gives by itself, here and with one thread."""
    model, starts = files
    policies = {name: lambda a=arguments: aim(**a) for name, arguments in POLICIES.items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {task: evaluate(policies, load_starts(task, COUNT, starts),
                               in_model(load_table(model), TICKS, Low(0.16), known_zones=True),
                               seed=SEED, batch=BATCH)
                for task in ("push", "stack")}
    finally:
        torch.set_num_threads(threads)


def same(a: dict[str, Results], b: dict[str, Results]) -> bool:
    """Bit for bit, types and order too."""
    def bits(results: Results) -> list:
        out = [results.policies, results.tasks, results.scenes, results.seeds]
        tables = [("success", results.success), ("ticks", results.ticks),
                  *results.first.items(), *results.exposure.items()]
        return out + [(name, v.dtype.str, v.shape, v.tobytes()) for name, v in tables]

    return [(n, bits(r)) for n, r in a.items()] == [(n, bits(r)) for n, r in b.items()]


# ------------------------------------------------------------------ the same figures


def test_inline_and_pool_give_what_evaluate_gives(jobs, plain, tmp_path):
    figures = [results for results in plain.values()]
    assert any(0 < results.success.mean() < 1 for results in figures)
    assert any(0 < results.exposure["dark"].mean() < 1 for results in figures)
    seen = []
    inline = evaluate_jobs(jobs, folder=tmp_path, progress=lambda *n: seen.append(n))
    assert same(inline, plain)
    assert seen == [(n, 8) for n in range(9)]  # 2 tasks, 2 policies, 2 batches
    assert same(evaluate_jobs(jobs, "pool", 2), plain)
    # All is in the folder: nothing is worked any more.
    assert same(evaluate_jobs(jobs, "pool", folder=tmp_path, progress=lambda *n: seen.append(n)),
                plain)
    assert seen[9:] == [(8, 8)]


def test_other_batches_and_seeds_are_other_items(jobs, tmp_path):
    job = jobs["push"]
    kept = {json.dumps(item) for item in job.items()}
    assert len(kept) == 4 and [i["rows"] for i in job.items()] == [[0, 1], [2]] * 2
    other = replace(job, seed=SEED + 1)
    assert not kept & {json.dumps(item) for item in other.items()}
    # One start more: the full batches are the same items.
    more = replace(job, count=COUNT + 1)
    assert len(kept & {json.dumps(item) for item in more.items()}) == 2


def test_the_true_world(tmp_path):
    job = Job(RECIPES, simulator_starts("push", (1, 3)), 2, simulator_world(TICKS), batch=1)
    policies = {name: lambda a=arguments: aim(**a) for name, arguments in POLICIES.items()}
    true = evaluate(policies, simulated_starts("push", (1, 3)), in_simulator(TICKS), batch=1)
    assert same(evaluate_jobs({"true": job}, "pool"), {"true": true})
    assert true.scenes == (1, 3) and true.tasks == ("push", "push")


def test_true_and_predicted_make_pairs(jobs, tmp_path):
    true = replace(jobs["push"], world=simulator_world(TICKS))
    got = evaluate_jobs({"true": true, "predicted": jobs["push"]}, folder=tmp_path)
    pair = paired(got["true"], got["predicted"])
    assert pair[0].shape == pair[1].shape == (2, COUNT)


@pytest.mark.slow  # needs `pip install ray`, some 70 MB
def test_ray_gives_the_same(jobs, plain, tmp_path):
    pytest.importorskip("ray")
    assert same(evaluate_jobs(jobs, "ray", 2, folder=tmp_path), plain)


def test_episodes_come_back_with_their_frames(jobs, files, tmp_path):
    job = jobs["push"]
    kept: dict[tuple, list] = {"evaluate": [], "jobs": [], "without": []}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    evaluate({"noisy": lambda: aim(**POLICIES["noisy"])}, load_starts("push", 3, files[1]),
             in_model(load_table(files[0]), TICKS, Low(0.16), known_zones=True), seed=SEED,
             batch=BATCH, keep=lambda *run: kept["evaluate"].append(("data", *run)))
    torch.set_num_threads(threads)
    for name, views, how in (("jobs", True, "pool"), ("without", False, "inline")):
        some = replace(job, policies={"noisy": RECIPES["noisy"]}, count=3, views=views)
        evaluate_jobs({"data": some}, how, keep=lambda *run, to=name: kept[to].append(run))
    assert [run[:3] for run in kept["jobs"]] == [("data", "noisy", j) for j in range(3)]
    for expected, got, without in zip(*kept.values(), strict=True):
        assert expected[:3] == got[:3] == without[:3]
        a, b = expected[3], got[3].check()
        assert list(a.views) == list(b.views) and not without[3].views
        assert all(a.views[v].tobytes() == b.views[v].tobytes() for v in a.views)
        for episode in (b, without[3]):
            assert a.actions.tobytes() == episode.actions.tobytes()
            assert a.state.tobytes() == episode.state.tobytes()
            assert (a.fps, a.task, a.success, a.violations, a.info) == (
                episode.fps, episode.task, episode.success, episode.violations, episode.info)


# ------------------------------------------------------------------ shards


def test_shards_are_merged(jobs, plain, tmp_path):
    parts = []
    for i in (2, 0, 1):
        part = evaluate_shard(jobs, (i, 3))
        part.save(tmp_path / f"{i}.npz")
        parts.append(Part.load(tmp_path / f"{i}.npz"))
    assert [len(part.answers) for part in parts] == [2, 3, 3]
    assert same(merge(jobs, parts), plain)
    with pytest.raises(RoboticsError, match=r"3 of 8 items are missing \(1, 4, 7\).*\(0, 3"):
        merge(jobs, parts[:2])
    with pytest.raises(RoboticsError, match="8 of 8 items are missing .* none"):
        merge(jobs, [])
    with pytest.raises(RoboticsError, match="of other jobs"):
        merge({"push": jobs["push"]}, parts)
    renamed = replace(jobs["push"], policies={n.upper(): r for n, r in RECIPES.items()})
    with pytest.raises(RoboticsError, match="of other jobs"):
        merge({**jobs, "push": renamed}, parts)


def test_shards_of_another_machine_have_other_paths(jobs, files, tmp_path):
    def job(files: list[Path]) -> Job:
        world = model_world(files[0], TICKS, probe=recipe(here(Low), height=0.16))
        return Job(RECIPES, stored_starts("push", path=files[1]), 1, world)

    part = evaluate_shard({"a": job(files)}, (0, 1))
    moved = [Path(shutil.copy(path, tmp_path)) for path in files]
    assert job(moved).world != job(files).world
    assert merge({"a": job(moved)}, [part])["a"].scenes == (1,)
    torch.manual_seed(1)
    save_table(moved[0], SceneReader(width=8), ContactNet(width=16))  # another checkpoint
    with pytest.raises(RoboticsError, match="of other jobs"):
        merge({"a": job(moved)}, [part])


def test_shards_fill_one_folder(jobs, plain, tmp_path):
    seen, some = [], {"push": jobs["push"]}
    for i in range(2):
        evaluate_shard(some, (i, 2), folder=tmp_path)
    got = evaluate_jobs(some, folder=tmp_path, progress=lambda *n: seen.append(n))
    assert same(got, {"push": plain["push"]}) and seen == [(4, 4)]


def test_a_damaged_part(jobs, tmp_path):
    part = evaluate_shard(jobs, (0, 8))
    part.save(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[: len(data) // 2])
    for name, message in (("a", "are damaged"), ("b", "No such file")):
        with pytest.raises(RoboticsError, match=f"part .*{name}: .*{message}.*Part.save wrote"):
            Part.load(tmp_path / name)


# ------------------------------------------------------------------ faults


def test_a_stopped_evaluation_goes_on(jobs, plain, tmp_path):
    done = []
    with pytest.raises(Cancelled):
        evaluate_jobs(jobs, "pool", folder=tmp_path, progress=lambda *n: done.append(n[0]),
                      stop=lambda: bool(done) and done[-1] >= 3)
    assert 3 <= len(list(tmp_path.glob("*.npz"))) < 8
    damaged = next(iter(sorted(tmp_path.glob("*.npz"))))
    damaged.write_bytes(damaged.read_bytes()[:-100])
    kept = len(list(tmp_path.glob("*.npz"))) - 1
    seen = []
    assert same(evaluate_jobs(jobs, folder=tmp_path, progress=lambda *n: seen.append(n)), plain)
    assert seen[0] == (kept, 8) and seen[-1] == (8, 8)


def test_a_killed_worker_changes_nothing(jobs, plain, tmp_path):
    world = recipe(here(dying), world=jobs["push"].world, log=str(tmp_path / "log"), deaths=2)
    job = replace(jobs["push"], world=world)
    assert same(evaluate_jobs({"push": job}, "pool", 2), {"push": plain["push"]})
    assert len((tmp_path / "log").read_text().splitlines()) == 4 + 2


@pytest.mark.parametrize(("change", "message"), [
    ({"count": 0}, "count: 0 starts"), ({"count": 5}, "there are 4, start 4 is wanted"),
    ({"policies": {"a": here(aim)}}, "policy 'a': .*make"), ({"policies": {}}, "0 policies"),
    ({"policies": {"a": recipe("collections:OrderedDict")}},
     r'item \{"policy": .*"rows": \[0, 1, 2\], .*OrderedDict has no method reset'),
    ({"world": {"model": "gwm-tabletop"}}, "world: .*model"), ({"starts": [1]}, "starts: "),
    ({"world": recipe("no.such:world")}, "'no.such:world' cannot be imported"),
    ({"batch": 0}, "batch: 0"), ({"seed": -1}, "seed: got -1"),
])
def test_refusals(change, message, jobs):
    with pytest.raises(GWMError, match=message):
        evaluate_jobs({"a": replace(jobs["push"], **{"batch": 8, **change})})


def test_a_world_that_forgets_a_run(jobs):
    job = replace(jobs["push"], world=recipe(here(short), world=jobs["push"].world))
    with pytest.raises(RoboticsError, match="gave 1 episodes for 2 runs"):
        evaluate_jobs({"a": job})


# ------------------------------------------------------------------ recipes


def test_recipes_share_what_is_inside(tmp_path):
    inside = recipe("types:SimpleNamespace", n=[1, {"a": 2}])
    outside = recipe("types:SimpleNamespace", first=inside, rest=[inside, {"deep": inside}])
    a, b = made(outside), made(outside)
    assert a is not b and a.first is b.first is a.rest[0] is b.rest[1]["deep"] is shared(inside)
    assert a.first.n == [1, {"a": 2}]


def test_files_are_named_by_their_contents(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text("1")
    named = recipe("types:SimpleNamespace", path=file(path))
    assert made(named).path == str(path)
    path.write_text("2")
    other = recipe("types:SimpleNamespace", path=file(path), again=1)
    assert other["arguments"]["path"] != named["arguments"]["path"]
    path.write_text("3")
    with pytest.raises(RoboticsError, match="numbers.txt has other contents"):
        made(other)
    with pytest.raises(RoboticsError, match="none.txt cannot be read: No such file"):
        file(tmp_path / "none.txt")
    with pytest.raises(RoboticsError, match="recipe: a:b: .*not JSON serializable; JSON values"):
        recipe("a:b", value={1})


def test_work_of_a_changed_checkpoint_is_refused(jobs, files, tmp_path):
    moved = Path(shutil.copy(files[0], tmp_path))
    job = Job(RECIPES, jobs["push"].starts, 1, model_world(moved, TICKS))
    torch.manual_seed(2)
    save_table(moved, SceneReader(width=8), ContactNet(width=16))
    with pytest.raises(RoboticsError, match="table.safetensors has other contents"):
        work(job.items()[0])
