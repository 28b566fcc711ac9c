"""Figures of the finder on held-out layouts: recall, precision, places, sizes, masks, materials."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from ..bodies import BALL, BOX, DOOR, middle
from ..finding import Finder
from .finder import frame_targets, load

NAMES = {BALL: "ball", BOX: "box", DOOR: "door"}
NEAR = {BALL: 0.3, BOX: 0.4, DOOR: 0.5}


def frames_of(folder):
    """(rgb, depth, pose, bodies, body_map, material) of every frame of the shards."""
    for path in sorted(Path(folder).glob("[0-9]*.npz")):
        with np.load(path) as data:
            d = {k: data[k] for k in data.files}
        for j in range(len(d["rgb"])):
            bodies = {k: d[f"body_{k}"][j] for k in ("kind", "pos", "yaw", "size")}
            yield (d["rgb"][j], d["depth"][j].astype(np.float32), d["pose"][j], bodies,
                   d["body_map"][j], d["material"][j])


def evaluate(weights, folder, threshold: float | None = None) -> dict:
    """A flat dict of figures; a body counts where the training would have marked it."""
    finder = Finder(load(weights))
    if threshold is not None:
        finder.threshold = threshold
    hits, wanted, found = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
    place, size = {k: [] for k in NAMES}, {k: [] for k in NAMES}
    turn = {BOX: [], DOOR: []}
    hinge = []
    both = either = wrong = fixed = right = cells = 0
    for rgb, depth, pose, bodies, body_map, material in frames_of(folder):
        out = finder.find(rgb, depth, pose)
        target = frame_targets(depth, pose, bodies, body_map, material)
        visible = [i for i in np.nonzero(bodies["kind"])[0]
                   if (body_map == i + 1).sum() >= 14]
        left = set(out.bodies.active)
        for kind in NAMES:
            found[kind] += len(out.bodies.of(kind))
        for i in visible:
            kind = int(bodies["kind"][i])
            at = middle(kind, bodies["pos"][i], float(bodies["yaw"][i]), bodies["size"][i])
            wanted[kind] += 1
            best, gap = None, NEAR[kind]
            for k in left:
                if out.bodies.kind[k] != kind:
                    continue
                here = middle(kind, out.bodies.pos[k], out.bodies.yaw[k], out.bodies.size[k])
                if np.linalg.norm(here - at) < gap:
                    best, gap = k, float(np.linalg.norm(here - at))
            if best is None:
                continue
            left.discard(best)
            hits[kind] += 1
            place[kind].append(gap)
            size[kind].append(abs(float(out.bodies.size[best, 0] / bodies["size"][i, 0]) - 1))
            away = float(out.bodies.yaw[best] - bodies["yaw"][i])
            if kind == BOX:
                turn[BOX].append(abs(np.arctan2(np.sin(4 * away), np.cos(4 * away)) / 4))
            if kind == DOOR:
                turn[DOOR].append(abs(np.arctan2(np.sin(2 * away), np.cos(2 * away)) / 2))
                hinge.append(np.cos(away) > 0)
        true = body_map > 0
        both += (true & out.moves).sum()
        either += (true | out.moves).sum()
        wrong += (~true & out.moves).sum()
        fixed += (~true).sum()
        known = target["material"] != 255
        cell = out.material[::16, ::16]
        right += (cell == target["material"])[known].sum()
        cells += known.sum()
    result = {}
    for kind, name in NAMES.items():
        result |= {f"{name}_recall": hits[kind] / max(wanted[kind], 1),
                   f"{name}_precision": hits[kind] / max(found[kind], 1),
                   f"{name}_n": wanted[kind],
                   f"{name}_place_m": float(np.median(place[kind])) if place[kind] else None,
                   f"{name}_size": float(np.median(size[kind])) if size[kind] else None}
    result |= {"box_turn": float(np.median(turn[BOX])) if turn[BOX] else None,
               "door_turn": float(np.median(turn[DOOR])) if turn[DOOR] else None,
               "door_hinge": float(np.mean(hinge)) if hinge else None,
               "mask_iou": both / max(either, 1), "mask_wrong": wrong / max(fixed, 1),
               "material": right / max(cells, 1)}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("data")
    parser.add_argument("--threshold", type=float)
    args = parser.parse_args()
    out = evaluate(args.weights, args.data, args.threshold)
    print(json.dumps({k: v if v is None else round(float(v), 4) for k, v in out.items()},
                     indent=1))


if __name__ == "__main__":
    main()
