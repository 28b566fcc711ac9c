"""`gwm train faces`: performances, then the networks of gwm-faces, then its checkpoint.

The stem of the voice is trained first, with a reading of its own that guides the motion; then the
whole dynamics from there.

Everything is made on this machine from the simulator `faces` (its speech from espeak-ng, Festival
and RHVoice, needed for the data alone). Resumable: what is there is not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..avatars.faces_model import NAME, STEM, Reading, new_dynamics, save_faces
from ..checkpoint import EMBEDDED
from ..model.dynamics import Dynamics
from .faces_data import Performances, record
from .faces_eval import judge
from .faces_hearing import fit_hearing
from .faces_loss import faces_losses, imagine
from .fit import Plan, fit
from .scene_reader import has_bfloat16
from .stages import chosen, no_minutes

STAGES = ("performances", "hearing", "motion", "pack")
COUNT, NATURAL_COUNT, WHISPERED_COUNT, ENGLISH_COUNT, HELD_COUNT = 3000, 2400, 600, 960, 44
"""Performances of 10 s: 8.3 hours of espeak-ng's voices, 6.7 of voices built from people
(``voices.NATURAL``), 1.7 of both whispering, 2.7 of people who speak English
(``voices.ENGLISH``); and held-out ones, to see how far the training is."""
HEARING_STEPS, STEPS, BATCH, TICKS = 7750, 1600, 8, 60
RATE = 1e-3


def train(work: Path, out: Path | None = None, stages: list[str] | None = None,
          minutes: float | None = None, seed: int = 0,
          progress: Callable[[str], None] = print) -> None:
    """Run the stages (all by default) in the folder `work`.

    seed: of data and network. ValueError for an unknown stage, or for ``minutes``: the training
    takes a number of steps.
    """
    no_minutes(minutes, "faces")
    work = Path(work)
    path = Path(out) if out else EMBEDDED / f"{NAME}.safetensors"
    torch.set_num_threads(1)
    for stage in chosen(STAGES, stages):
        progress(f"{stage}: begins")
        if stage == "performances":
            def said(done: int, count: int) -> None:
                progress(f"performances: {done} of {count}")

            from ..simulators.faces.voices import ENGLISH, NATURAL, WHISPERED

            first = COUNT  # these first: they want packages that are often missing, and say so
            for voices, count in ((NATURAL, NATURAL_COUNT), (WHISPERED, WHISPERED_COUNT),
                                  (ENGLISH, ENGLISH_COUNT)):
                record(work / "data", count, seed, voices=voices, progress=said, first=first)
                first += count
            record(work / "data", COUNT, seed, progress=said)
            record(work / "data", HELD_COUNT, seed, "held", _held_voices(), progress=said)
        elif stage == "pack":
            progress(f"checkpoint {path.name}: {save_faces(path, *network(work))}")
        else:
            _network(stage, work, seed, progress)


def _network(stage: str, work: Path, seed: int, progress: Callable[[str], None]) -> None:
    def told(line: dict) -> None:
        progress(f"{stage}: " + ", ".join(f"{k} {v:.4g}" for k, v in line.items()))

    data = Performances.load(work / "data")
    if stage == "hearing":
        fit_hearing(data, work / "hearing", HEARING_STEPS, seed, progress=told)
        return
    net = fit_faces(data, work / "motion", seed=seed, hearing=hearing(work), progress=told)
    held = Performances.load(work / "data", "held")
    figures = judge(net.dynamics, net.reading, held, _held_voices())
    told({f"held out {k}": v for k, v in figures.items()})


def _held_voices() -> tuple[str, ...]:
    """Those of the system's synthesisers."""
    from ..simulators.faces.voices import HELD, is_piper

    return tuple(voice for voice in HELD if not is_piper(voice))


class Faces(torch.nn.Module):
    """The parts of gwm-faces that are trained together."""

    def __init__(self, **sizes: int) -> None:
        super().__init__()
        self.dynamics = new_dynamics(**sizes)
        self.reading = Reading(self.dynamics.width)
        self.config = self.dynamics.config


def fit_faces(data: Performances, folder: Path, steps: int = STEPS, seed: int = 0,
              batch: int = BATCH, ticks: int = TICKS,
              hearing: dict[str, torch.Tensor] | None = None,
              start: dict[str, torch.Tensor] | None = None, rate: float = RATE,
              progress: Callable[[dict], None] | None = None, **sizes: int) -> Faces:
    """Train the networks on performances; the run's state is in ``folder``.

    hearing: ``Hearing``'s weights, a stem and a reading that hear; of the stem only what it hands
    to the trunk is then trained further. start: a ``Faces``' weights to begin with; rate: of
    learning, at most.

    Known streams are given at noise level 0, the motion is unknown in every tick (zeros at level
    1), as when it is driven: one pass imagines a whole window.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Faces(**sizes).train()
    if start is not None:
        net.load_state_dict(start)
    if hearing is not None:
        stem = net.dynamics.stems[STEM]
        stem.load_state_dict(_part(hearing, "stem"))
        net.reading.load_state_dict(_part(hearing, "read"))
        # hundreds of voices a step taught it; a few windows a step would unteach it
        stem.hears.requires_grad_(False).eval()
    fast = has_bfloat16()  # 1.4 times as fast

    def parts(step: int) -> dict[str, torch.Tensor]:
        rows = data.batch(seed, step, batch, ticks)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            token = imagine(net.dynamics, net.reading, rows)
        return faces_losses(token, rows)

    plan = Plan(steps, rate, weight_decay=0.02, warm=max(1, min(150, steps // 4)), fall=0.6,
                decay=0.997, every=min(50, steps))
    return fit(net, plan, folder / "faces.run.safetensors",
               {"seed": seed, "batch": batch, "ticks": ticks}, parts, progress)


def network(work: Path) -> tuple[Dynamics, Reading]:
    """The networks of a run as they are now: their running average."""
    net = Faces()
    net.load_state_dict(_average(work / "motion" / "faces.run.safetensors"))
    return net.dynamics.eval(), net.reading.eval()


def hearing(work: Path) -> dict[str, torch.Tensor]:
    """The weights of the stage before."""
    return _average(work / "hearing" / "hearing.run.safetensors")


def _part(weights: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {k[len(name) + 1:]: v for k, v in weights.items() if k.startswith(name + ".")}


def _average(path: Path) -> dict[str, torch.Tensor]:
    return {k[8:]: v for k, v in load_file(path).items() if k.startswith("average.")}
