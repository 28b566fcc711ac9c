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


def _named(role: str) -> dict[str, Found]:
    """Usable files of a role by the names that nodes list: of two files with one name the second
    has its folder before it."""
    named: dict[str, Found] = {}
    for folder in FOLDERS[role]:
        for name, path in _files(folder):
            told = look(path)
            if isinstance(told, Found) and told.role == role:
                named[f"{folder}/{name}" if name in named else name] = told
    return named


def found(role: str) -> list[Found]:
    """Usable files of a role in the host's folders."""
    return list(_named(role).values())


def networks() -> dict[str, Listed]:
    """Networks that play, by the name that the node lists.

    A file stands there under its own name, which means the first variant that it can be; where
    shapes do not tell, the others stand after it, in brackets.
    """
    listed: dict[str, Listed] = {}
    for name, told in _named(NETWORK).items():
        listed[name] = Listed(told)
        for variant in told.variants[1:]:
            listed[f"{name} ({variant})"] = Listed(told, variant)
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


#: The choice of a decoder that takes the fitting one.
AUTOMATIC = "automatic"


def decoder_names() -> list[str]:
    """What the choice of a decoder offers: the fitting one, or a file."""
    return [AUTOMATIC, *_named(DECODER)]


def decoder_named(name: str) -> Found | None:
    """The decoder of a choice, None for the fitting one; CheckpointError where it is not there."""
    if name == AUTOMATIC:
        return None
    there = _named(DECODER)
    if name in there:
        return there[name]
    paths = (_path(folder, name) for folder in FOLDERS[DECODER])
    told = next((look(path) for path in paths if path is not None), None)
    if isinstance(told, str):
        raise CheckpointError(f"decoder: {told}")
    if told is not None:
        raise CheckpointError(f"decoder: {told.name}: this is {told.title}; a decoder is needed")
    raise CheckpointError(
        f"decoder: {name!r} is not there; put it into models/vae_approx or models/vae and press R, "
        f"or choose one of: {', '.join((AUTOMATIC, *there))}"
    )


def planned(listed: Listed, dtype: torch.dtype, decoder: str = AUTOMATIC) -> Plan:
    """A network with a decoder, by default the fitting one; CheckpointError for half a pair."""
    chosen = decoder_named(decoder)
    return plan(listed.found, chosen, found(DECODER), listed.variant, dtype=dtype)


def pair_marks(listed: Listed, decoder: str = AUTOMATIC) -> tuple:
    """Changes when the network does, or anything that it could be played with."""
    beside = [f for role in (DECODER, VISION, TEXT) for f in found(role)]
    return listed.variant, decoder, *(_mark(f) for f in (listed.found, *beside))


def _mark(file: Found) -> tuple:
    path = str(file.index.path)
    return path, *_seen[path][0]
