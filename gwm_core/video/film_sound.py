"""The sound of a whole film: every shot's stems laid one after another into files, then mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Cancelled
from .cutting import EDGE, carried_on, edge_gain, fade_of
from .kept_shot import STEMS, KeptShot
from .mix import Mixer, MixReport
from .sound_file import PIECE, SoundFile
from .timeline import Timeline

LOUD_ENOUGH = 0.5
"""LU: a film this near to its target is not spoken of."""


def lay_stems(
    timeline: Timeline,
    shots: Sequence[KeptShot],
    folder: Path,
    stop: Callable[[], bool] | None = None,
) -> dict[str, SoundFile]:
    """Stems of the film by name, each a new file in ``folder`` of exactly the film's samples.

    The caller closes them. Memory does not grow with the film.
    """
    stems: dict[str, SoundFile] = {}
    try:
        for name in STEMS:
            stems[name] = SoundFile.create(folder / f"{name}.wav", timeline.rate, timeline.samples)
            for index, shot in enumerate(shots):
                if stop is not None and stop():
                    raise Cancelled("the film was stopped")
                _lay(timeline, index, shot, name, stems[name])
            _edges(stems[name])
    except BaseException:
        for file in stems.values():
            file.close()
        raise
    return stems


class LevelledMixer(Mixer):
    """A mix with a gain that is given, in dB (None: the gain that meets the target): of a film of
    which a second was retaken all other samples stay what they are."""

    def __init__(self, *args: Any, gain: float | None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._given = gain

    def report(self) -> MixReport:
        """How the mix will be."""
        if self._found is None and self._given is not None:
            found, remark = self._measured(self._given), ""
            if isfinite(found.loudness) and abs(found.loudness - self.loudness) > LOUD_ENOUGH:
                remark = (f"loudness {found.loudness:.1f} LUFS instead of {self.loudness:g}: what "
                          "was not retaken keeps its level")
            self._found = replace(found, remark=remark)
        return super().report()


def heard(timeline: Timeline, index: int, shot: KeptShot, stem: str
          ) -> Iterator[tuple[int, np.ndarray]]:
    """One stem of a shot as it is heard in the film: (first sample in the film, float32 [2, n])."""
    placed = timeline.shots[index]
    tail = shot.after(stem)
    fade = fade_of(timeline, index, stem, bool(tail.shape[1]))
    with shot.sound(stem) as sound:
        for start in range(fade.begin, fade.end, PIECE):
            stop = min(start + PIECE, fade.end)
            part = carried_on(sound.read, shot.samples, start, stop) * fade.gain(start, stop)
            yield placed.first_sample + start, part
    if fade.rings:
        yield placed.first_sample + shot.samples, tail


def _lay(timeline: Timeline, index: int, shot: KeptShot, stem: str, into: SoundFile) -> None:
    for start, part in heard(timeline, index, shot, stem):
        into.add(start, part)


def _edges(file: SoundFile) -> None:
    """The film begins and ends without a click."""
    count, near = file.shape[1], int(EDGE * file.rate)
    for start in range(0, count, PIECE):
        stop = min(start + PIECE, count)
        if start < near or stop > count - near:
            file.write(start, file.read(start, stop) * edge_gain(count, file.rate, start, stop))
