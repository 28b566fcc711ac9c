"""Downloaded open-weights files in the host's folders: which of them play, and under what names."""

from __future__ import annotations

import os
from dataclasses import dataclass

import folder_paths
import torch

from ..gwm_core.backbones.loading import Plan, plan
from ..gwm_core.backbones.recognise import DECODER, NETWORK, TEXT, VISION, Found, recognise
from ..gwm_core.errors import CheckpointError

#: Where files of each role lie in the host, in the order in which they are looked through.
#: ("diffusion_models" is also what older hosts called "unet".)
FOLDERS = {
    NETWORK: ("gwm", "diffusion_models"),
    DECODER: ("vae_approx", "vae", "gwm"),
    VISION: ("clip_vision",),
    TEXT: ("text_encoders",),
}
ENDINGS = (".safetensors", ".sft")

_seen: dict[str, tuple[tuple[int, int], Found | str]] = {}


@dataclass(frozen=True)
class Listed:
    """A network as Load GWM Model lists it. variant: "" where the first one is meant."""

    found: Found
    variant: str = ""

    @property
    def path(self) -> str:
        return str(self.found.index.path)


def look(path: str) -> Found | str:
    """What a file is, or the sentence that says why it cannot be used; read once, again only when
    the file has changed. Never fails."""
    try:
        stat = os.stat(path)
        mark = (stat.st_size, stat.st_mtime_ns)
        seen = _seen.get(path)
        if seen is None or seen[0] != mark:
            seen = _seen[path] = (mark, recognise(path))
    except CheckpointError as problem:
        seen = _seen[path] = (mark, str(problem))
    except Exception as problem:  # a stranger's file must not take the whole list away
        return f"{os.path.basename(path)}: cannot be read ({type(problem).__name__}: {problem})"
    return seen[1]


def _path(folder: str, name: str) -> str | None:
    """Where a file of a folder lies. The host's own look-up logs a line for every broken link
    each time, and lists are made often."""
    places = (os.path.join(root, name) for root in folder_paths.get_folder_paths(folder))
    return next((place for place in places if os.path.isfile(place)), None)


def _files(folder: str) -> list[tuple[str, str]]:
    """(name, path) of the safetensors files in a folder of the host."""
    names = (n for n in folder_paths.get_filename_list(folder) if n.lower().endswith(ENDINGS))
    paths = ((name, _path(folder, name)) for name in names)
    return [(name, path) for name, path in paths if path is not None]


def found(role: str) -> list[Found]:
    """Usable files of a role in the host's folders."""
    told = (look(path) for folder in FOLDERS[role] for _, path in _files(folder))
    return [f for f in told if isinstance(f, Found) and f.role == role]


def networks() -> dict[str, Listed]:
    """Networks that play, by the name that the node lists.

    A file stands there under its own name, which means the first variant that it can be; where
    shapes do not tell, the others stand after it, in brackets. Of two files with one name the
    second has its folder before it.
    """
    listed: dict[str, Listed] = {}
    for folder in FOLDERS[NETWORK]:
        for name, path in _files(folder):
            told = look(path)
            if not isinstance(told, Found) or told.role != NETWORK:
                continue
            shown = f"{folder}/{name}" if name in listed else name
            listed[shown] = Listed(told)
            for variant in told.variants[1:]:
                listed[f"{shown} ({variant})"] = Listed(told, variant)
    return listed


def refusal(path: str) -> str:
    """Why a file that is no network does not play."""
    told = look(path)
    return told if isinstance(told, str) else (
        f"{told.name}: this is {told.title}, a {told.role}; a network that plays is needed"
    )


def why_not(name: str) -> str:
    """Why a file of the network folders does not play; "" where there is none of that name."""
    paths = (folder_paths.get_full_path(folder, name) for folder in FOLDERS[NETWORK])
    return next((refusal(path) for path in paths if path is not None), "")


def planned(listed: Listed, dtype: torch.dtype) -> Plan:
    """A network with the decoder that fits it; CheckpointError for half a pair."""
    return plan(listed.found, None, found(DECODER), listed.variant, dtype=dtype)


def pair_marks(listed: Listed) -> tuple:
    """Changes when the network does, or anything that it could be played with."""
    beside = [f for role in (DECODER, VISION, TEXT) for f in found(role)]
    return listed.variant, *(_mark(f) for f in (listed.found, *beside))


def _mark(file: Found) -> tuple:
    path = str(file.index.path)
    return path, *_seen[path][0]
