"""Work in this process, in a pool and on Ray: equal results, killed workers, runs that resume.

The functions that are worked are in this file, which workers load by its path.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gwm_core.errors import Cancelled, RoboticsError
from gwm_core.robotics.executor import run, stream
from gwm_core.robotics.work import decode, encode, resolve

ROOT = Path(__file__).resolve().parents[2]


def name_of(function) -> str:
    return f"{Path(__file__).resolve()}:{function.__name__}"


# Work


def noisy(item: dict) -> dict:
    """Numbers of the item's seed, and everything that could disturb the pool's messages."""
    print("printed", "x" * 100_000)
    os.write(1, b"\0\0\0\0\0\0\0\5hello")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    rng = np.random.default_rng(item["seed"])
    matrix = torch.from_numpy(rng.normal(size=(64, 300))).float()
    return {
        "item": item, "threads": torch.get_num_threads(), "mean": np.float32(matrix.mean()),
        "pair": (1, None), "views": {"front": rng.integers(0, 255, (3, 4), np.uint8)},
        "product": [(matrix @ matrix.T).numpy()], "empty": np.zeros((0, 2)),
        "nan": float("nan"), "input": sys.stdin.read() if item.get("read") else "",
    }


def logged(item: dict) -> dict:
    """Notes that it was called; may then sleep, fail, or kill its own process."""
    with open(item["log"], "a") as log:
        log.write(json.dumps({"n": item["n"], "pid": os.getpid()}) + "\n")
    time.sleep(item.get("sleep", 0))
    tried = sum(call["n"] == item["n"] for call in calls(item["log"]))
    if tried <= item.get("deaths", 0):
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if item.get("bad"):
        raise ValueError("the number is bad")
    return {"n": item["n"], "values": np.arange(item["n"])}


def child(item: dict) -> dict:
    """Starts a process of its own and waits for it."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(item["log"]).write_text(json.dumps({"n": 0, "pid": process.pid}) + "\n")
    process.wait()
    return {}


def odd(item: dict) -> dict:
    return {"list": [1], "object": {"set": {1}}, "array": np.array([{}]), "key": {1: 2},
            "none": None}[item["what"]]


def calls(log: str | Path) -> list[dict]:
    path = Path(log)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition, seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "nothing happened"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs (one that only waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def equal(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and (
            a.tobytes() == b.tobytes()
        )
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and (a == b or a != a)


# The same results everywhere


def test_inline_and_pool_agree():
    items = [{"seed": seed} for seed in (5, 1, 4, 1, 3)]  # one of them twice
    seen: list[tuple[int, int]] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inline = run(items, name_of(noisy))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    pool = run([*items[:-1], {"seed": 3, "read": True}], name_of(noisy), "pool", 2,
               progress=lambda *now: seen.append(now))
    pool[-1]["item"].pop("read")
    assert equal(inline, pool)
    assert [result["item"] for result in pool] == items
    assert [result["threads"] for result in inline + pool] == [1] * 10
    assert pool[0]["pair"] == [1, None] and pool[0]["views"]["front"].dtype == np.uint8
    assert pool[-1]["input"] == ""  # stdin is not the pool's messages
    assert seen[0] == (0, 5) and seen[-1] == (5, 5) and len(seen) == 5
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.slow  # needs `pip install ray`, some 80 MB
def test_ray_agrees(tmp_path):
    pytest.importorskip("ray")
    items = [{"seed": seed} for seed in (5, 1, 4)]
    got = run(items, name_of(noisy), "ray", 2, folder=tmp_path / "kept")
    assert equal(got, run(items, name_of(noisy)))
    assert equal(got, run(items, name_of(noisy), folder=tmp_path / "kept"))
    log = tmp_path / "log"
    assert run([{"n": 3, "log": str(log), "deaths": 1}], name_of(logged), "ray")[0]["n"] == 3
    assert len(calls(log)) == 2
    with pytest.raises(RoboticsError, match='"n": 4.*ValueError: the number is bad'):
        run([{"n": 4, "log": str(log), "bad": True}], name_of(logged), "ray")
    with pytest.raises(RoboticsError, match='"n": 5.*its worker died 3 times'):
        run([{"n": 5, "log": str(log), "deaths": 9}], name_of(logged), "ray")
    with pytest.raises(Cancelled):
        run([{"n": 6, "log": str(log), "sleep": 600}], name_of(logged), "ray",
            stop=lambda: any(call["n"] == 6 for call in calls(log)))
    wait_for(lambda: not any(alive(call["pid"]) for call in calls(log)))


@pytest.mark.parametrize("how", ["inline", "pool"])
def test_results_come_one_by_one_in_order(how, tmp_path):
    log = tmp_path / "log"
    # The first one takes longest, and is asked for again at the end.
    items = [{"n": n, "log": str(log), "sleep": 0.5 * (n == 0)} for n in (0, 1, 2, 0)]
    results = stream(items, name_of(logged), how, 2, folder=tmp_path / "kept")
    assert not calls(log)  # nothing is done before it is read
    assert next(results)["n"] == 0
    assert [result["n"] for result in results] == [1, 2, 0]
    assert sorted(call["n"] for call in calls(log)) == [0, 1, 2]
    results = stream([{"n": 9, "log": str(log)}, *items], name_of(logged), how, 2)
    next(results)
    results.close()
    assert not any(alive(call["pid"]) for call in calls(log) if call["pid"] != os.getpid())


def test_shards_make_the_whole():
    items = [{"n": n} for n in range(7)]
    whole = run(items, "copy:deepcopy")
    assert whole == items
    shards = [run(items, "copy:deepcopy", shard=(i, 3)) for i in range(3)]
    assert [shards[n % 3][n // 3] for n in range(7)] == whole
    assert run([], "copy:deepcopy", "pool") == []
    assert run(items[:1], "copy:deepcopy", shard=(1, 2)) == []


def test_work_of_this_library_and_of_a_file(tmp_path):
    # A host may have this library under another name; its work is named the same.
    assert resolve("gwm_core.robotics.work:encode") is encode
    file = tmp_path / "mine.py"
    for times in (2, 3):  # a file that was changed is read again
        file.write_text(f"def work(item):\n    return {{'n': {times} * item['n']}}\n")
        assert run([{"n": 4}], f"{file}:work") == [{"n": 4 * times}]
        assert run([{"n": 4}], f"{file}:work", "pool") == [{"n": 4 * times}]
    assert resolve(f"{file}:work") is resolve(f"{file}:work")


# Bytes


def test_results_as_bytes():
    result = {
        "a": np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::-1], "b": [True, {"c": np.float64(2)}],
        "d": {"e": [np.zeros((), np.complex64), "ü"]}, "json": np.array(["x", "yz"]),
    }
    data = encode(result)
    assert data == encode(result)
    got = decode(data)
    assert np.array_equal(got["a"], result["a"]) and got["b"] == [True, {"c": 2.0}]
    assert got["d"]["e"][0].dtype == np.complex64 and got["d"]["e"][1] == "ü"
    assert got["json"].tolist() == ["x", "yz"]


def test_damage_is_noticed():
    data = encode({"n": 3, "text": "a text", "values": np.arange(40.0)})
    draw = random.Random(1)
    for _ in range(300):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        with pytest.raises(RoboticsError, match="damaged"):
            decode(bytes(changed))
    for size in range(0, len(data), 37):
        with pytest.raises(RoboticsError, match=f"its {size} bytes are damaged"):
            decode(data[:size])


@pytest.mark.parametrize(("what", "message"), [
    ("list", "it returned list; a dict"), ("object", r"result\['set'\] is set; JSON values"),
    ("array", "it returned ndarray; a dict"), ("key", "keys must be text"),
    ("none", "it returned NoneType"),
])
def test_results_that_cannot_be_kept(what, message):
    with pytest.raises(RoboticsError, match=message) as caught:
        run([{"what": what}], name_of(odd))
    assert f'item {{"what": "{what}"}}' in str(caught.value)


def test_arrays_of_objects_are_refused():
    with pytest.raises(RoboticsError, match=r"result\['a'\]\[0\] is an array of objects"):
        encode({"a": [np.array([{}], object)]})


# Failures


@pytest.mark.parametrize("how", ["inline", "pool"])
def test_failed_work_names_its_item(how, tmp_path):
    log = tmp_path / "log"
    items = [{"n": n, "log": str(log), "bad": n == 2} for n in range(4)]
    with pytest.raises(RoboticsError, match=r'item \{"n": 2, .*ValueError: the number is bad'):
        run(items, name_of(logged), how, 1, folder=tmp_path / "kept")
    assert [call["n"] for call in calls(log)].count(2) == 1  # what fails by itself fails again
    assert len(list((tmp_path / "kept").glob("*.npz"))) == 2
    assert not any(alive(call["pid"]) for call in calls(log) if call["pid"] != os.getpid())


def test_a_killed_worker_is_replaced(tmp_path):
    log = tmp_path / "log"
    items = [{"n": n, "log": str(log), "deaths": 2 * (n == 1)} for n in range(4)]
    got = run(items, name_of(logged), "pool", 2)
    assert [result["n"] for result in got] == [0, 1, 2, 3]
    assert sorted(call["n"] for call in calls(log)) == [0, 1, 1, 1, 2, 3]
    assert len({call["pid"] for call in calls(log) if call["n"] == 1}) == 3


def test_an_item_that_kills_every_worker(tmp_path):
    log = tmp_path / "log"
    items = [{"n": n, "log": str(log), "deaths": 9 * (n == 1)} for n in range(3)]
    with pytest.raises(RoboticsError) as caught:
        run(items, name_of(logged), "pool", 1)
    assert 'item {"n": 1' in str(caught.value) and "3 times" in str(caught.value)
    assert "ended with status -9" in str(caught.value) and "about to die" in str(caught.value)
    assert [call["n"] for call in calls(log)] == [0, 1, 1, 1]
    assert not any(alive(call["pid"]) for call in calls(log))


@pytest.mark.parametrize(("options", "message"), [
    ({"executor": "dask"}, "executor: 'dask'; inline, pool, ray are accepted"),
    ({"workers": 0}, "workers: 0; 1 to"), ({"workers": 2.0}, "workers: 2.0; 1 to"),
    ({"shard": (2, 2)}, r"shard: \(2, 2\)"), ({"shard": 1}, "shard: 1; "),
    ({"items": [3]}, "item 0: int; a dict"), ({"items": [{}, {"a": {1}}]}, "item 1: .*set"),
    ({"items": [{"a": float("nan")}]}, "item 0: .*JSON values"),
    ({"work": "nothing"}, "work: 'nothing'; \"package"),
    ({"work": "no.such.module:f"}, "cannot be imported"), ({"work": "copy:no"}, "cannot be imp"),
    ({"work": "no/such.py:f"}, "cannot be imported"),
])
def test_refusals(options, message):
    options = {"items": [{}], "work": "copy:deepcopy", **options}
    with pytest.raises(RoboticsError, match=message):
        run(**options)


def test_work_that_a_pool_cannot_import():
    with pytest.raises(RoboticsError, match="'no.such:f' cannot be imported: No module named"):
        run([{}], "no.such:f", "pool", 1)


# Stopping and going on


def test_kept_items_are_not_made_again(tmp_path):
    log, kept = tmp_path / "log", tmp_path / "kept"
    items = [{"n": n, "log": str(log)} for n in range(5)]
    first = run(items[:3], name_of(logged), folder=kept)
    assert len(calls(log)) == 3
    files = sorted(kept.iterdir())
    assert [file.suffix for file in files] == [".npz"] * 3
    files[0].write_bytes(files[0].read_bytes()[:-20])
    changed = bytearray(files[1].read_bytes())
    changed[len(changed) // 2] ^= 4
    files[1].write_bytes(changed)
    old = kept / f"{files[2].stem}.1.part"
    old.write_bytes(b"half")
    os.utime(old, (1, 1))
    seen: list[tuple[int, int]] = []
    got = run(items, name_of(logged), "inline", folder=kept, progress=lambda *n: seen.append(n))
    assert equal(got[:3], first) and len(calls(log)) == 3 + 4
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert sorted(file.suffix for file in kept.iterdir()) == [".npz"] * 5
    run(items, name_of(logged), "pool", folder=kept)
    assert len(calls(log)) == 7
    # Other work has other files.
    assert run(items[:1], "copy:deepcopy", folder=kept) == items[:1]


def test_stop_ends_all_at_once(tmp_path):
    log, kept = tmp_path / "log", tmp_path / "kept"
    items = [{"n": n, "log": str(log), "sleep": 600 * (n > 0)} for n in range(4)]
    asked: list[float] = []

    def stop() -> bool:
        asked.append(time.monotonic())
        return {0, 1, 2} <= {call["n"] for call in calls(log)} and any(kept.glob("*.npz"))

    with pytest.raises(Cancelled):
        run(items, name_of(logged), "pool", 2, folder=kept, stop=stop)
    assert time.monotonic() - asked[-1] < 20
    assert np.median(np.diff(asked)) < 1
    assert not any(alive(call["pid"]) for call in calls(log))
    assert len(list(kept.iterdir())) == 1
    with pytest.raises(Cancelled):
        run(items, name_of(logged), stop=lambda: True)
    assert len(calls(log)) == 3


def test_what_the_work_started_ends_too(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(Cancelled):
        run([{"log": str(log)}], name_of(child), "pool", 1, stop=log.exists)
    wait_for(lambda: not alive(calls(log)[0]["pid"]), 5)


def test_an_error_of_the_caller_leaves_no_process(tmp_path):
    log = tmp_path / "log"
    items = [{"n": n, "log": str(log), "sleep": 600 * (n > 0)} for n in range(3)]

    def progress(done: int, total: int) -> None:
        if done:
            wait_for(lambda: len(calls(log)) == 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(items, name_of(logged), "pool", 2, progress=progress)
    assert not any(alive(call["pid"]) for call in calls(log))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on(how, tmp_path):
    log, kept = tmp_path / "log", tmp_path / "kept"
    items = [{"n": n, "log": str(log), "sleep": 600 * (n == 3)} for n in range(6)]
    code = (
        "import json, signal, sys\nfrom gwm_core.robotics.executor import run\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whoever started us
        "run(json.loads(sys.argv[1]), sys.argv[2], 'pool', 1, folder=sys.argv[3])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(items), name_of(logged), str(kept)], cwd=ROOT,
        stderr=subprocess.PIPE, text=True,
    )
    # The worker runs ahead of whoever keeps its results: wait for both.
    wait_for(lambda: any(call["n"] == 3 for call in calls(log)), 60)
    wait_for(lambda: len(list(kept.glob("*.npz"))) == 3)
    process.send_signal(how)
    _, said = process.communicate(timeout=20)
    assert process.returncode == -how
    assert ("KeyboardInterrupt" in said) == (how == signal.SIGINT)
    # The worker sleeps in its work, and ends all the same.
    wait_for(lambda: not any(alive(call["pid"]) for call in calls(log)), 5)
    assert [call["n"] for call in calls(log)] == [0, 1, 2, 3]
    assert len(list(kept.glob("*.npz"))) == 3
    got = run([*items[:3], *items[4:]], name_of(logged), "pool", 2, folder=kept)
    assert [result["n"] for result in got] == [0, 1, 2, 4, 5]
    assert sorted(call["n"] for call in calls(log)) == [0, 1, 2, 3, 4, 5]


def test_files_are_named_by_work_and_item(tmp_path):
    item = {"b": 1, "a": [2, 3]}
    run([item], "copy:deepcopy", folder=tmp_path)
    text = json.dumps(["copy:deepcopy", item], sort_keys=True)
    assert [file.stem for file in tmp_path.iterdir()] == [
        hashlib.sha256(text.encode()).hexdigest()[:40]
    ]
    run([{"a": [2, 3], "b": 1}], "copy:deepcopy", folder=tmp_path)  # the order says nothing
    assert len(list(tmp_path.iterdir())) == 1


def test_the_command_is_not_listed():
    def gwm(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "gwm_core.cli", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    assert "worker" not in gwm("--help").stdout
    assert "worker" not in gwm("nothing").stderr
    assert gwm("worker").returncode != 0  # without a pool it ends at once
