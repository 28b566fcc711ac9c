"""`gwm train tabletop`: every stage of gwm-tabletop in order, each resumable, then its files.

Data first (motion without pictures, looks, pairs of looks), then the parts: how things move, what a
look shows, what happened between two looks. The eyes of the built-in policies and the judge of
`gwm eval robotics` are networks of their own, with other seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..checkpoint import EMBEDDED, EYES, companion_path
from ..model.action_reader import ActionReader
from ..model.contacts import ContactNet
from ..model.pair_reader import PairReader
from ..model.scene_reader import SceneReader
from ..robotics.rig import on_gripper, tabletop_rig
from .stages import chosen, no_minutes

NAME = "gwm-tabletop"
STAGES = ("motion", "looks", "pairs", "contacts", "reader", "eyes", "inverse", "judge", "pack",
          "starts")
MOTION, LOOKS, PAIRS = 5000, 30_000, 3440
"""Episodes, looks, and episodes of pairs."""
HELD = {"motion": 400, "looks": 1000, "pairs": 40}
STEPS = {"contacts": 5500, "reader": 4500, "eyes": 4500, "inverse": 16_000, "judge": 3000}
SEEDS = {"contacts": 0, "reader": 0, "inverse": 0, "eyes": 1, "judge": 2}


def train(work: Path, out: Path | None = None, stages: list[str] | None = None,
          minutes: float | None = None, seed: int = 0,
          progress: Callable[[str], None] = print) -> None:
    """Run the stages (all by default) in the folder `work`; finished ones are not done again.

    seed: of data and networks. ValueError for an unknown stage, or for ``minutes``: these stages
    take a number of steps.
    """
    no_minutes(minutes, "tabletop")
    work = Path(work)
    path = Path(out) if out else EMBEDDED / f"{NAME}.safetensors"
    torch.set_num_threads(1)  # small networks: more threads only wait for each other
    for stage in chosen(STAGES, stages):
        progress(f"{stage}: begins")
        if stage in HELD:
            _data(stage, work, seed, progress)
        elif stage == "pack":
            progress(f"checkpoint {path.name}: {pack(work, path)}")
        elif stage == "starts":
            from .tabletop_starts import write_starts

            write_starts(path.with_name(f"{NAME}.starts.npz"))
        else:
            _network(stage, work, seed, progress)


def files(work: Path, kind: str, held_out: bool = False) -> list[Path]:
    """Shards of a kind of data (motion, looks, pairs), in order."""
    held = "-held" if held_out else ""
    return sorted((work / "data").glob(f"{kind}{held}-[0-9]*-[0-9]*[0-9].npz"))


def _data(stage: str, work: Path, seed: int, progress: Callable[[str], None]) -> None:
    from . import contacts_data, pair_reader, scene_looks

    make = {"motion": contacts_data.record, "looks": scene_looks.record,
            "pairs": pair_reader.record}[stage]
    wanted = {"motion": MOTION, "looks": LOOKS, "pairs": PAIRS}[stage]

    def said(done: int, count: int) -> None:
        if done % 100 == 0:
            progress(f"{stage}: {done} of {count}")

    make(work / "data", wanted, seed, progress=said)
    make(work / "data", HELD[stage], seed, held_out=True, progress=said)


def _network(stage: str, work: Path, seed: int, progress: Callable[[str], None]) -> None:
    from . import action_reader, contacts, pair_reader, scene_reader

    def said(line: dict) -> None:
        if line["step"] % 500 == 0:
            progress(f"{stage}: " + ", ".join(f"{k} {v:.4g}" for k, v in line.items()))

    kind = {"contacts": "motion", "reader": "looks", "eyes": "looks"}.get(stage, "pairs")
    options = {"steps": STEPS[stage], "seed": 10 * seed + SEEDS[stage], "progress": said}
    train_files, held = files(work, kind), files(work, kind, held_out=True)
    if kind == "motion":
        net = contacts.train(train_files, work / stage, **options)
        figures = contacts.judge(net, contacts.Motion(held))
    elif kind == "looks":
        net = scene_reader.train(scene_reader.Looks(train_files), work / stage, **options)
        figures = scene_reader.judge(net, scene_reader.Looks(held))
    else:
        reader = action_reader if stage == "inverse" else pair_reader
        net = reader.train(pair_reader.Pairs(train_files), work / stage, **options)
        figures = reader.judge(net, pair_reader.Pairs(held))
    progress(f"{stage}: held out: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))


_FILES = {"contacts": "contacts", "reader": "reader", "eyes": "reader", "inverse": "actions",
          "judge": "pairs"}
_KINDS = {"contacts": ContactNet, "reader": SceneReader, "pairs": PairReader,
          "actions": partial(ActionReader, mounted=on_gripper(tabletop_rig()))}


def network(work: Path, stage: str):
    """The network of a stage as it is now: its running average."""
    runs = [work / stage / f"{_FILES[stage]}.run.safetensors"]
    if _FILES[stage] == "actions":
        # parts of it that were trained after the rest
        runs += [work / stage / name / f"{name}.run.safetensors" for name in ("registered", "film")]
    weights: dict[str, torch.Tensor] = {}
    for run in runs:
        weights |= {k[8:]: v for k, v in load_file(run).items() if k.startswith("average.")}
    net = _KINDS[_FILES[stage]]()
    net.load_state_dict(weights)
    return net.eval()


def pack(work: Path, path: Path) -> str:
    """Write the checkpoint, the policies' eyes beside it and the judges; the fingerprint."""
    from ..evaluation.judges import save_judge
    from ..robotics.eyes import save_eyes
    from ..robotics.loading import save_inverse, save_table
    from . import pair_reader

    made = save_table(path, network(work, "reader"), network(work, "contacts"),
                      {"name": path.stem})
    save_inverse(path, network(work, "inverse"))
    save_eyes(companion_path(path, EYES), network(work, "eyes"))
    judge = network(work, "judge")
    save_judge("tabletop", judge,
               pair_reader.judge(judge, pair_reader.Pairs(files(work, "pairs", True))))
    return made
