"""What pip installs, what a host has to install, and who may import whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from setuptools import find_packages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

ROOT = Path(__file__).resolve().parents[2]
# What every ComfyUI has: it must never be pinned or pulled by the pack.
HOST_HAS = {
    "torch",
    "torchaudio",
    "comfyui-frontend-package",
    "numpy",
    "pillow",
    "safetensors",
    "scipy",
}
# ComfyUI's own modules, as a node would import them.
COMFY = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "folder_paths", "server", "nodes"}
MEASURING = {"simulators", "training", "evaluation", "cli"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def name_of(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9_.-]+", requirement)[0].lower()


def python_files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*.py")) if "__pycache__" not in file.parts]


def imports_of(file: Path) -> set[str]:
    """Absolute names that a file imports; relative ones as the path inside gwm_core."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                package = file.relative_to(ROOT).with_suffix("").parts[: -node.level]
                base = ".".join(package)
                names.add(f"{base}.{node.module}" if node.module else base)
                if not node.module:
                    names.update(f"{base}.{alias.name}" for alias in node.names)
            else:
                names.add(node.module)
    return names


def test_requirements_are_what_a_host_lacks():
    core = project()["project"]["dependencies"]
    lacks = sorted(need for need in core if name_of(need) not in HOST_HAS)
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert sorted(line for line in lines if line.strip()) == lacks


def test_torch_is_pinned_for_the_studio_only_and_as_a_matching_trio():
    data = project()["project"]
    assert [need for need in data["dependencies"] if name_of(need) == "torch"] == ["torch>=2.4"]
    trio = {name_of(n): n for n in data["optional-dependencies"]["studio"] if "torch" in n}
    assert trio["torch"] == "torch==2.11.*"
    assert trio["torchvision"] == "torchvision==0.26.*"
    assert trio["torchaudio"] == "torchaudio==2.11.*"


def test_studio_extra_covers_the_hosts_own_requirements(comfy_tree):
    studio = {name_of(need) for need in project()["project"]["optional-dependencies"]["studio"]}
    core = {name_of(need) for need in project()["project"]["dependencies"]}
    asked = [
        name_of(line)
        for line in (comfy_tree / "requirements.txt").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    assert set(asked) - studio - core == set()


def test_registry_fields():
    data = project()
    assert "comfyui" not in data["project"]["name"].lower()
    assert data["project"]["urls"]["Repository"]
    comfy = data["tool"]["comfy"]
    assert comfy["PublisherId"] and comfy["DisplayName"]
    assert comfy["requires-comfyui"] == ">=0.3.75"
    assert "web" not in comfy  # WEB_DIRECTORY names it; both would load every module twice


def test_pip_would_install_the_library_and_its_data_only():
    find = project()["tool"]["setuptools"]["packages"]["find"]
    found = set(find_packages(str(ROOT), include=find["include"]))
    folders = {
        ".".join(file.parent.relative_to(ROOT).parts) for file in python_files(ROOT / "gwm_core")
    }
    assert found == folders  # a folder without __init__.py would be left out
    data = project()["tool"]["setuptools"]["package-data"]["gwm_core"]
    assert "checkpoints/*" in data and "evaluation/judges/*" in data


def test_licences():
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE-GPL-3.0").read_text()[:200]


def test_library_imports_no_comfyui():
    for file in python_files(ROOT / "gwm_core"):
        tops = {name.split(".")[0] for name in imports_of(file) if not name.startswith("gwm_core.")}
        assert not tops & COMFY, file


def test_library_and_nodes_import_the_library_relatively():
    """Inside a host the pack has another name, and the library need not be installed."""
    for file in python_files(ROOT / "gwm_core") + python_files(ROOT / "nodes"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            assert not any(name.split(".")[0] == "gwm_core" for name in names), file


def test_library_does_not_use_what_measures_or_trains_it():
    wrong = []
    for file in python_files(ROOT / "gwm_core"):
        part = file.relative_to(ROOT / "gwm_core").parts[0]
        if part in MEASURING:
            continue
        for name in imports_of(file):
            if name.startswith("gwm_core.") and name.split(".")[1] in MEASURING:
                wrong.append(f"{file.relative_to(ROOT)}: {name}")
    assert wrong == []


def test_library_imports_without_the_simulator_and_the_host():
    """What robotics people and hosts have: the core dependencies and nothing else."""
    blocked = ["mujoco", "aiohttp", "av", "playwright", "torchaudio", "torchvision"]
    code = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Block())
import gwm_core
for name in gwm_core.__all__:
    getattr(gwm_core, name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
