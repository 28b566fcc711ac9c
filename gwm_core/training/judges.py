"""Training of the evaluation's judges, on layouts that no model is trained or measured on.

    python -m gwm_core.training.judges DIR record       true walks and views (resumable)
    python -m gwm_core.training.judges DIR inverse      the inverse-dynamics judge
    python -m gwm_core.training.judges DIR scene        the scene judge

Training goes on where it was stopped; --minutes of processor time end it. The patch judge is
trained against a model: see patch_judge.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=["record", "inverse", "scene", "patch"])
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--layouts", type=int, default=200)
    parser.add_argument("--go-on", action="store_true", help="begin with the stored judge")
    args = parser.parse_args(words)

    def report(text: str) -> None:
        print(text, flush=True)

    if args.what == "record":
        from .judge_data import record

        record(args.folder, args.layouts, report)
        return
    if args.what == "patch":  # draws its own views, beside those of the embedded model
        from ..worlds import load
        from .patch_judge import train_patch

        report(json.dumps(train_patch(load("gwm-rooms"), log=report)))
        return
    if args.what == "inverse":
        from .inverse_judge import train_inverse as train
    else:
        from .scene_judge import train_scene as train
    report(json.dumps(train(args.folder, args.minutes, go_on=args.go_on, report=report)))


if __name__ == "__main__":
    main()
