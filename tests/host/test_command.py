"""The command `gwm`, run as a person would: real processes, a real host, real Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gwm_core.cli import host, paths
from gwm_core.cli.errors import CommandError
from gwm_core.cli.main import COMMANDS
from gwm_core.cli.run import apply_inputs
from gwm_core.cli.server import answers
from gwm_core.cli.studio import example_url, first_example

ROOT = Path(__file__).resolve().parents[2]
GWM = [sys.executable, "-m", "gwm_core.cli"]
PICTURE = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 32, "batch_size": 1, "color": 255},
    },
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "blue"}},
}
# A node that takes long and can be cancelled, as the pack's own do between ticks.
SLOW_NODE = """
import time
import comfy.model_management
class Slow:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"seconds": ("FLOAT", {"default": 60.0})}}
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    CATEGORY = "test"
    FUNCTION = "wait"
    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(0.05)
        return ()
NODE_CLASS_MAPPINGS = {"TestSlow": Slow}
"""


def gwm(*words: str, timeout: float = 240, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*GWM, *words], capture_output=True, text=True, timeout=timeout, cwd=ROOT, **more
    )


def write(path: Path, data: object) -> str:
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return str(path)


@pytest.fixture(scope="module")
def cache(comfy_tree: Path, tmp_path_factory) -> Path:
    """A cache folder that already holds the host, with the slow node in its base directory."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / f"comfyui-{host.VERSION}").symlink_to(comfy_tree, target_is_directory=True)
    base = host.make_base(folder / "studio")
    (base / "custom_nodes" / "slow.py").write_text(SLOW_NODE)
    return folder


def hear_ctrl_c() -> None:
    """Tests that run in the background of a shell inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Studio:
    """`gwm studio` in a process of its own; `lines` are what it printed until it was open."""

    def __init__(self, cache: Path, *words: str):
        command = [*GWM, "studio", "--no-browser", "--cpu", "--cache", str(cache), *words]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
            preexec_fn=hear_ctrl_c,
        )
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if "Ctrl-C" in line:
                break
        opened = [line for line in self.lines if "open http" in line]
        assert opened, self.lines
        self.address = opened[0].split("open ")[1]
        self.url = self.address.split("/?")[0]


@pytest.fixture(scope="module")
def studio(cache: Path):
    studio = Studio(cache, "--", "--disable-api-nodes")
    yield studio
    if studio.process.poll() is None:
        studio.process.send_signal(signal.SIGINT)
        studio.process.wait(60)


def test_help_names_every_command():
    done = gwm("--help")
    assert done.returncode == 0
    assert all(f"  {name}" in done.stdout for name in COMMANDS)
    for name in COMMANDS:
        assert gwm(name, "--help").returncode == 0


def test_wrong_words_are_refused():
    assert gwm().returncode == 2
    done = gwm("fly")
    assert done.returncode == 2 and "unknown command 'fly'" in done.stderr
    done = gwm("eval", "moons")
    assert done.returncode == 2 and "worlds" in done.stderr


def test_missing_package_names_the_extra(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'aiohttp':\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    code = "import gwm_core.cli.main as m, gwm_core.cli.data as d, sys\n"
    code += "def run(args): import aiohttp\n"
    code += "d.run = run; sys.exit(m.main(['data', 'rooms', '--out', 'x']))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 2, done.stderr
    assert 'pip install ".[studio]"' in done.stderr


def test_bad_places_are_named(tmp_path):
    done = gwm("studio", "--comfyui", str(tmp_path))
    assert done.returncode == 2 and "no ComfyUI there" in done.stderr
    done = gwm("studio", "--pack", str(tmp_path))
    assert done.returncode == 2 and "not the GWM repository" in done.stderr
    done = gwm("run", str(tmp_path / "none.json"))
    assert done.returncode == 2 and "none.json" in done.stderr
    done = gwm("run", write(tmp_path / "p.json", PICTURE), "--server", "http://127.0.0.1:9")
    assert done.returncode == 3 and "127.0.0.1:9" in done.stderr


def test_data_and_train_take_their_words(tmp_path):
    done = gwm("data", "rooms", "--out", str(tmp_path / "d"), "--episodes", "1", "--ticks", "2")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "d").iterdir())) == 1
    done = gwm("data", "rooms", "--out", str(tmp_path / "d"), "--episodes", "0")
    assert done.returncode == 2 and "episodes" in done.stderr
    done = gwm("train", "rooms", "--work", str(tmp_path / "w"), "--stage", "dreams")
    assert done.returncode == 2 and "dreams" in done.stderr


def test_pack_is_linked_once_under_any_name(tmp_path):
    base = host.make_base(tmp_path)
    assert host.link_pack(ROOT, base) == paths.PACK_NAME
    (base / "custom_nodes" / paths.PACK_NAME).rename(base / "custom_nodes" / "my-worlds")
    assert host.link_pack(ROOT, base) == "my-worlds"
    (base / "custom_nodes" / "my-worlds").unlink()
    (base / "custom_nodes" / paths.PACK_NAME).mkdir()
    with pytest.raises(CommandError, match="another copy"):
        host.link_pack(ROOT, base)


def test_pack_is_copied_where_links_are_not_allowed(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    base = host.make_base(tmp_path)
    for _ in range(2):  # a copy is renewed
        name = host.link_pack(ROOT, base)
        assert paths.is_pack(base / "custom_nodes" / name)
        assert not (base / "custom_nodes" / name / "tests").exists()


def test_existing_installation_is_used(comfy_tree, cache, tmp_path):
    tree = tmp_path / "ComfyUI"
    tree.mkdir()
    for entry in comfy_tree.iterdir():  # a tree of links, so that the real one stays untouched
        if entry.name != "custom_nodes":
            (tree / entry.name).symlink_to(entry)
    words = ("studio", "--comfyui", str(tmp_path), "--cache", str(cache), "--prepare-only")
    done = gwm(*words)
    assert done.returncode == 0, done.stderr
    assert (tree / "custom_nodes" / paths.PACK_NAME).resolve() == ROOT


def test_studio_opens_the_first_example(studio):
    name = first_example(ROOT, None)
    assert studio.address == example_url(studio.url, paths.PACK_NAME, name)
    assert answers(studio.url)


def test_studio_refuses_an_unknown_example(cache):
    done = gwm("studio", "--cache", str(cache), "--example", "nowhere")
    assert done.returncode == 2 and first_example(ROOT, None) in done.stderr


def test_run_uses_the_open_studio_and_prints_outputs(studio, cache, tmp_path):
    words = ["run", write(tmp_path / "p.json", PICTURE), "--cache", str(cache)]
    done = gwm(*words, "--input", "width=128", "--input", "SaveImage.filename_prefix=red")
    assert done.returncode == 0, done.stderr
    file = Path(done.stdout.strip())
    assert file.is_file() and file.name.startswith("red")
    from PIL import Image

    assert Image.open(file).size == (128, 32)
    done = gwm(*words, "--server", studio.url, "--json")
    assert json.loads(done.stdout)["outputs"][0].startswith(studio.url)


def test_run_reports_what_the_server_refuses(studio, cache, tmp_path):
    wrong = json.loads(json.dumps(PICTURE))
    wrong["1"]["inputs"]["width"] = -5
    done = gwm("run", write(tmp_path / "w.json", wrong), "--cache", str(cache))
    assert done.returncode == 2 and "width" in done.stderr and "EmptyImage (1)" in done.stderr
    done = gwm("run", write(tmp_path / "n.json", "no json"), "--cache", str(cache))
    assert done.returncode == 2 and "not a JSON file" in done.stderr
    foreign = {"1": {"class_type": "NeverHeardOf", "inputs": {}}}
    done = gwm("run", write(tmp_path / "f.json", foreign), "--cache", str(cache))
    assert done.returncode == 2 and "NeverHeardOf" in done.stderr


def test_ctrl_c_cancels_a_run_and_leaves_the_studio(studio, cache, tmp_path):
    slow = {"1": {"class_type": "TestSlow", "inputs": {"seconds": 60.0}}}
    file = write(tmp_path / "slow.json", slow)
    process = subprocess.Popen(
        [*GWM, "run", file, "--cache", str(cache)], stderr=subprocess.PIPE, text=True, cwd=ROOT,
        preexec_fn=hear_ctrl_c,
    )
    from gwm_core.cli.client import Client

    client = Client(studio.url)
    limit = time.monotonic() + 60
    while not client.call("/queue")["queue_running"]:
        assert time.monotonic() < limit
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    limit = time.monotonic() + 30
    while client.call("/queue")["queue_running"]:
        assert time.monotonic() < limit, "the server still runs it"
        time.sleep(0.1)
    assert answers(studio.url)


def test_ctrl_c_stops_the_studio(studio, cache):
    studio.process.send_signal(signal.SIGINT)
    assert studio.process.wait(60) == 0
    assert not answers(studio.url)
    assert not (cache / "studio" / "running.json").exists()


def test_run_starts_and_stops_its_own_host(cache, tmp_path):
    done = gwm("run", write(tmp_path / "p.json", PICTURE), "--cache", str(cache), "--cpu", "--json")
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout)["outputs"]
    assert len(outputs) == 1 and Path(outputs[0]).is_file()


def test_inputs_are_typed_and_must_be_unambiguous():
    info = {
        "N": {"input": {"required": {"seed": ["INT", {}], "on": ["BOOLEAN", {}], "t": ["FLOAT"]}}}
    }

    def prompt():
        inputs = {"seed": 0, "on": False, "t": 0.0}
        return {
            "1": {"class_type": "N", "inputs": dict(inputs), "_meta": {"title": "A"}},
            "2": {"class_type": "N", "inputs": dict(inputs), "_meta": {"title": "B"}},
        }

    changed = prompt()
    apply_inputs(changed, ["A.seed=7", "2.on=true", "B.t=.5"], info)
    assert changed["1"]["inputs"]["seed"] == 7
    assert changed["2"]["inputs"] == {"seed": 0, "on": True, "t": 0.5}
    for setting, message in {
        "seed=1": "any of 1.seed, 2.seed",
        "A.speed=1": "no node has the widget",
        "A.seed=x": "not of type INT",
        "A.seed": "NAME=VALUE",
    }.items():
        with pytest.raises(CommandError, match=message):
            apply_inputs(prompt(), [setting], info)


def test_half_made_host_is_never_left(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "ARCHIVE", (tmp_path / "missing.zip").as_uri())
    monkeypatch.setattr(host, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(CommandError, match="expected 0000") as caught:
        host.prepared(tmp_path)
    assert caught.value.status == 3 and "--comfyui" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_archive_with_files_outside_its_folder_is_refused(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("top/../../evil.py", "")
    with pytest.raises(ValueError, match="outside"):
        host._unpack(tmp_path / "bad.zip", "top/", tmp_path / "tree")
