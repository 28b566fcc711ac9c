"""One film in a process of its own, for its time and its memory.

    python -m gwm_core.evaluation.video.film_run SECONDS FOLDER SEED FACES

Prints one line of JSON: the film's length, seconds from the start of the process to the finished
file, seconds of its processor time, the most memory it held (MB) and its remarks.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

MODULE = "gwm_core.evaluation.video.film_run"
Say = Callable[[str], None]


def run(seconds: int, folder: Path, seed: int = 0, say: Say = lambda text: None,
        faces: str = "gwm-faces") -> dict:
    """A judged film of ``seconds`` made in another process; what it printed. RuntimeError where
    the process failed."""
    root = Path(__file__).resolve().parents[3]
    say(f"a film of {seconds} s")
    done = subprocess.run([sys.executable, "-m", MODULE, str(seconds), str(folder), str(seed),
                           faces],
                          capture_output=True, text=True, cwd=root)
    if done.returncode:
        raise RuntimeError(f"a film of {seconds} s failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main(seconds: int, folder: Path, seed: int, faces: str) -> dict:
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    from ...video.film import make_film
    from ...video.parts import load_parts
    from .board import board, long_board

    whole = {20: False, 60: True}.get(seconds)
    film = long_board(seconds, seed) if whole is None else board(seed, whole)
    report = make_film(film, folder / "film.mp4", parts=load_parts(faces=faces),
                       folder=folder / "shots")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"length": float(report.length), "seconds": time.monotonic() - began,
            "processor": time.process_time(),
            "memory_mb": most / (1e6 if sys.platform == "darwin" else 1e3),
            "remarks": list(report.remarks)}


if __name__ == "__main__":
    made = main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    print(json.dumps(made))  # noqa: T201
