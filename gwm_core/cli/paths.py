"""Where things lie on a user's machine: the cache and the pack itself."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from .errors import CommandError

PACK_NAME = "gwm"


def cache_dir(chosen: str | None = None) -> Path:
    """The cache folder: `chosen`, else GWM_CACHE, else the platform's usual place. Made."""
    if chosen or os.environ.get("GWM_CACHE"):
        path = Path(chosen or os.environ["GWM_CACHE"]).expanduser()
    elif sys.platform == "win32":
        path = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "gwm" / "Cache"
    elif sys.platform == "darwin":
        path = Path.home() / "Library" / "Caches" / "gwm"
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gwm"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def is_pack(path: Path) -> bool:
    """Whether `path` is a folder that ComfyUI can load as this pack."""
    return (
        (path / "__init__.py").is_file()
        and (path / "nodes" / "__init__.py").is_file()
        and (path / "gwm_core" / "__init__.py").is_file()
    )


def _installed_from() -> Path | None:
    """The folder given to `pip install`, if the package was installed from one."""
    try:
        text = distribution(PACK_NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    url = urlparse(json.loads(text).get("url", "")) if text else None
    if url is None or url.scheme != "file":
        return None
    return Path(url2pathname(url.path))


def pack_dir(chosen: str | None = None) -> Path:
    """The pack's folder (the clone of the repository).

    pip installs the library and the command only; nodes, front end and examples stay in
    the clone. It is found as: `chosen`, else the folder of this very file, else the
    current folder or one above it, else the folder that was given to pip.

    Raises CommandError when none of them is the pack.
    """
    if chosen:
        path = Path(chosen).expanduser().resolve()
        if not is_pack(path):
            raise CommandError(
                f"--pack {chosen}: not the GWM repository (it needs __init__.py, nodes/ "
                "and gwm_core/)"
            )
        return path
    here = Path.cwd().resolve()
    candidates = [Path(__file__).resolve().parents[2], here, *here.parents]
    installed_from = _installed_from()
    if installed_from is not None:
        candidates.append(installed_from)
    for candidate in candidates:
        if is_pack(candidate):
            return candidate
    raise CommandError(
        "the GWM repository was not found: run this command inside a clone of it, "
        "or name the clone with --pack DIR"
    )
