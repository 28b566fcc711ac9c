"""Runs the model on the held-out cases and gathers all figures of `gwm eval worlds`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...controls import Controls
from ...guide import draw, push_pull
from ...memory import Camera, Keyframe, Memory
from ...noise import rng
from ...simulators.rooms.prompts import sample_event, sample_prompt
from ..judges import load_judge
from ..judges.inverse import InverseJudge
from ..judges.patch import PatchJudge
from ..judges.scene import SceneJudge
from ..report import Metric
from . import control, imagined, physics, picture, sounds, words
from .cases import Case, layouts
from .walks import bumps, explored, pushed, starts, thrown
from .wander import full_turn, hold, idle, out_and_back, wander

THEMES = 14
Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How many cases of each kind a run takes."""

    walks: int = 14
    long_ticks: int = 32
    played: int = 16
    turns: int = 5
    returns: int = 3
    bumps: int = 24
    throws: int = 8
    pushes: int = 4
    prompts: int = 24
    events: int = 12
    pairs: int = 8
    late: int = 500


SHORT = Size()
FEW = Size(walks=8, played=8, bumps=16, throws=5, pushes=2)
FULL = Size(walks=40, played=48, turns=20, returns=12, bumps=200, throws=24, pushes=16,
            prompts=112, events=48, pairs=24)


class Suite:
    """All protocols over one model. seed picks other held-out data."""

    def __init__(self, model, seed: int, size: Size, say: Say, given_depth: bool = False):
        self.model, self.seed, self.size, self.say = model, seed, size, say
        self.given_depth = given_depth
        model.trace = True
        self.view = model.embodiment.views[0]

    @cached_property
    def _scene(self):
        return load_judge("scene", SceneJudge(THEMES))

    @property
    def scene(self) -> SceneJudge:
        return self._scene[0]

    @property
    def scene_scores(self) -> dict:
        return self._scene[1]

    @cached_property
    def inverse(self) -> InverseJudge:
        return load_judge("inverse", InverseJudge())[0]

    @cached_property
    def patch(self) -> PatchJudge:
        return load_judge("patch", PatchJudge())[0]

    # ------------------------------------------------------------------ playing
    def begin(self, case: Case):
        """A world from a case's first picture and what its prompt says of the light."""
        depth = case.depth[0] if self.given_depth else None
        return self.model.new_world(prompt=case.info.get("prompt", ""), image=case.frames[0],
                                    depth=depth, seed=self.seed, depth_kind="metres")

    def play(self, world, rows: np.ndarray):
        controls = Controls(np.asarray(rows, np.float32), (), self.model.embodiment)
        return self.model.step(world, controls)

    def frames(self, clip) -> np.ndarray:
        return clip.frames[self.view.name]

    # ------------------------------------------------------------------ the protocols
    def walks(self) -> list[Metric]:
        """Picture, sharpness, control and sound on the explorer's walks."""
        size = self.size
        self.say("walks: simulating")
        long = explored(size.walks, size.long_ticks, self.seed, "walk")
        short = explored(size.played, 24, self.seed, "play", light=False)
        self.say("walks: imagining")
        made = [self.play(self.begin(case), case.controls)[1] for case in long]
        clips = [self.frames(clip) for clip in made]
        out = picture.gains(long, clips)
        out += picture.sharpness(long, clips, [clip.info["unseen"] for clip in made])
        made = [self.play(self.begin(case), case.controls)[1] for case in short]
        out += control.control_metrics(self.inverse, short, [self.frames(c) for c in made])
        rate, samples = self.model.embodiment.sample_rate, self.model.embodiment.samples_per_tick
        out.append(sounds.sound_f1(short, [c.audio[0] for c in made], rate, samples))
        return out

    def memory(self) -> list[Metric]:
        """Full turns and walks off and back: revisits, breaks, and the imagined rooms."""
        size = self.size
        cases = starts(size.turns, self.seed, "turn")
        turned, pairs, still, breaks, true_breaks = [], [], [], [], []
        for i, case in enumerate(cases):
            self.say(f"turn {i + 1} of {len(cases)}")
            world = self.begin(case)
            world, first = self.play(world, full_turn())
            _, second = self.play(world, full_turn())
            a, b = self.frames(first), self.frames(second)
            pairs += [(a[k], b[k]) for k in range(11, len(a), 12)]
            pairs.append((case.frames[0], a[-1]))
            still += [picture.psnr(a[k], a[k - 6]) for k in range(11, len(a), 12)]
            turned.append(first)
            breaks.append(imagined.wall_breaks(self.scene, a, first.depth[self.view.name],
                                               first.info["poses"][:, 3], self.view.fov_deg))
            true = self._true_turn(case, first.info["poses"])
            true_breaks.append(imagined.wall_breaks(self.scene, true[0], true[1],
                                                    first.info["poses"][:, 3],
                                                    self.view.fov_deg))
        for i, case in enumerate(starts(size.returns, self.seed, "return")):
            self.say(f"walk off and back {i + 1} of {size.returns}")
            world = self.begin(case)
            _, clip = self.play(world, np.concatenate([out_and_back(), idle(1)]))
            path, frames = clip.info["poses"], self.frames(clip)
            there = world.path[0]
            gap = np.linalg.norm(path[-1, :3] - there[:3])
            if gap < 0.05:
                pairs.append((case.frames[0], frames[-1]))
        out = [picture.revisit(pairs, still),
               Metric("worlds.breaks_per_turn", float(np.mean(breaks)), "",
                      {"truth": float(np.mean(true_breaks))}, len(breaks), "<= 1", "<= 0.3")]
        return out + self._rooms(cases, turned)

    def _true_turn(self, case: Case, poses: np.ndarray):
        from ...simulators.rooms.sim import Rooms

        sim = Rooms(case.seed)
        sim.reset(case.condition)
        base = case.poses[0]
        views = [sim.render(np.array([*base[:3], base[3] + p - poses[-1, 3], base[4]]))
                 for p in poses[:, 3]]
        sim.close()
        return (np.stack([v["rgb"] for v in views]),
                np.stack([v["depth"] for v in views]).astype(np.float32))

    def _rooms(self, cases: list[Case], turned: list) -> list[Metric]:
        """Imagined views of the turns against true rooms and against smooth filling."""
        made, masks, filled, true = [], [], [], []
        camera = Camera(self.view.width, self.view.height, self.view.fov_deg)
        for case, clip in zip(cases, turned, strict=True):
            memory = Memory().add(Keyframe(rgb=case.frames[0], depth=case.depth[0],
                                           pose=clip.info["poses"][-1]))
            truth = self._true_turn(case, clip.info["poses"])[0]
            for k in range(7, len(truth) - 7, 8):
                unseen = clip.info["unseen"][k]
                if unseen.mean() < 0.1:
                    continue
                made.append(self.frames(clip)[k])
                masks.append(unseen)
                filled.append(push_pull(draw(memory, clip.info["poses"][k], camera)).rgb)
                true.append(truth[k])
        other = explored(max(4, len(cases) // 2), 24, self.seed + 1, "other", light=False)
        views = np.concatenate([case.frames[1::3] for case in other])
        pick = rng(self.seed, "other").permutation(len(views))[:len(made)]
        made, masks, filled, true = (np.stack(v) for v in (made, masks, filled, true))
        whole = np.ones((len(pick), *masks.shape[1:]), bool)
        return [imagined.imagined_fd(self.scene, (made, masks), (filled, masks), (true, masks),
                                     (views[pick], whole)),
                imagined.patch_auc(self.patch, (made, masks), (true, masks), (filled, masks),
                                   self.seed)]

    def motion(self) -> list[Metric]:
        """Collisions and balls."""
        self.say("collisions")
        cases, kinds = bumps(self.size.bumps, self.seed)
        paths = []
        for case in cases:
            world = self.begin(case)
            _, clip = self.play(world, case.controls)
            paths.append(np.concatenate([world.path[:1], clip.info["poses"]]))
        span = 1 / self.model.embodiment.tick_rate
        out = [control.collision_accuracy(cases, paths, kinds, span)]
        self.say("balls")
        rows, true_rows = [], []
        for case, slot, still, start in (thrown(self.size.throws, self.seed)
                                         + pushed(self.size.pushes, self.seed)):
            _, clip = self.play(self.begin(case), case.controls)
            frames = np.concatenate([case.frames[:1], self.frames(clip)])
            rows += physics.ball_errors(self.scene, case, frames[1:], slot, still, start)
            true_rows += physics.ball_errors(self.scene, case, case.frames[1:], slot, still, start)
        out.append(physics.ball_metric(rows, true_rows))
        return out

    def text(self) -> list[Metric]:
        """Prompts and events."""
        self.say("prompts")
        generator = rng(self.seed, "prompts")
        wanted, shown = [], []
        for _ in range(self.size.prompts):
            prompt, attributes = sample_prompt(generator, split="heldout")
            world = self.model.new_world(prompt=prompt, seed=int(generator.integers(1 << 30)))
            wanted.append(_named(attributes))
            shown.append(world.observation.frames[self.view.name])
        ceiling = float(np.mean([self.scene_scores[k] for k in ("theme", "time", "lamps", "fog",
                                                                "ball_in_view")]))
        out = [words.prompt_accuracy(wanted, words.read_attributes(self.scene, np.stack(shown)),
                                     ceiling)]
        self.say("events")
        changes, before, soon, turned = [], [], [], []
        for case in starts(self.size.events, self.seed, "event", light=True):
            text, change = sample_event(generator, "heldout", case.condition)
            if not set(change) & {"time", "lamps", "fog"}:
                continue
            world = self.begin(case)
            world, clip = self.play(world.with_event(text), idle(4))
            _, later = self.play(world, hold(24, look_x=7.5))
            changes.append(change)
            before.append(case.frames[0])
            soon.append(self.frames(clip)[-1])
            turned.append(self.frames(later)[-1])
        seen = [words.read_attributes(self.scene, np.stack(v)) for v in (soon, turned, before)]
        out.append(words.event_accuracy(changes, *seen, ceiling))
        return out + [self._diversity(generator)]

    def _diversity(self, generator) -> Metric:
        """worlds.seed_diversity: two first pictures of a prompt against two true rooms of it."""
        from ...simulators.rooms.layout import make_layout
        from ...simulators.rooms.sim import Rooms
        from .walks import free_place

        made, true = [], []
        by_theme: dict[int, list[np.ndarray]] = {}
        for i, layout in enumerate(layouts(30, self.seed, "fit")):
            plan = make_layout(layout)
            sim = Rooms(layout)
            sim.reset(0, free_place(sim, rng(self.seed, "fit", i)))
            room = plan.rooms[sim.layout.room_at(*sim.foot[:2])]
            by_theme.setdefault(room.theme, []).append(sim.render()["rgb"])
            sim.close()
        themes = [t for t, frames in by_theme.items() if len(frames) > 1][:self.size.pairs]
        for theme in themes:
            prompt, _ = sample_prompt(generator, 0, "heldout", theme=theme, balls=0, boxes=0,
                                      say=0.0)
            pair = [self.model.new_world(prompt=prompt, seed=s).observation.frames[self.view.name]
                    for s in (1, 2)]
            made.append(self._feature_gap(*pair))
            true.append(self._feature_gap(*by_theme[theme][:2]))
        return Metric("worlds.seed_diversity", float(np.mean(made) / max(np.mean(true), 1e-9)), "",
                      {"two_true_rooms": 1.0, "same_seed": 0.0}, len(made), ">= 0.5")

    def _feature_gap(self, a: np.ndarray, b: np.ndarray) -> float:
        whole, _ = self.scene.features(np.stack([a, b]))
        return float(np.linalg.norm(whole[0] - whole[1]))

    def late(self) -> Metric:
        """worlds.sharpness500 over a long wander."""
        self.say("a long walk")
        case = starts(1, self.seed, "late")[0]
        rows = wander(self.size.late, rng(self.seed, "late"), start=2)
        world = self.begin(case)
        world, clip = self.play(world, rows[:40])
        first = list(self.frames(clip)[::4])
        world, _ = self.play(world, rows[40:-20])
        _, clip = self.play(world, rows[-20:])
        return picture.long_sharpness(first, list(self.frames(clip)[::2]))


def _named(attributes: dict) -> dict:
    """Attributes of a prompt as the judge reads them."""
    out = {k: attributes.get(k) for k in ("theme", "time", "lamps", "fog")}
    things = [{"kind": kind} for kind, key in (("ball", "balls"), ("box", "boxes"))
              if attributes.get(key)]
    return {**out, "objects": things}


__all__ = ["FEW", "FULL", "SHORT", "Size", "Suite"]
