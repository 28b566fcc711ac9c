"""Runs the model on the held-out cases: one method a protocol of `gwm eval worlds`."""

from __future__ import annotations

from collections.abc import Callable
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
from .breaks import count_breaks, found
from .cases import Case
from .sets import Cases
from .sizes import Size
from .wander import full_turn, hold, idle, out_and_back, wander

THEMES = 14
Say = Callable[[str], None]


class Suite:
    """All protocols over one model. seed picks other held-out data; given_depth: first pictures
    come with their true depth, and of the walks, bumps and balls only the first few are played."""

    def __init__(self, model, seed: int, size: Size, say: Say, cases: Cases,
                 given_depth: bool = False):
        self.model, self.seed, self.size, self.say = model, seed, size, say
        self.sets, self.given_depth = cases, given_depth
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

    def few(self, cases: list[Case], count: int) -> list[Case]:
        return cases[:count] if self.given_depth else cases

    # ------------------------------------------------------------------ the protocols
    def walks(self) -> list[Metric]:
        """Picture and sharpness on the explorer's walks."""
        cases = self.few(self.sets("walks"), self.size.few_walks)
        made = [self.play(self.begin(case), case.controls)[1] for case in cases]
        clips = [self.frames(clip) for clip in made]
        return (picture.gains(cases, clips)
                + picture.sharpness(cases, clips, [clip.info["unseen"] for clip in made]))

    def played(self) -> list[Metric]:
        """Control and sound on walks that press every key."""
        cases = self.few(self.sets("played"), self.size.few_played)
        made = [self.play(self.begin(case), case.controls)[1] for case in cases]
        out = control.control_metrics(self.inverse, cases, [self.frames(c) for c in made])
        rate, samples = self.model.embodiment.sample_rate, self.model.embodiment.samples_per_tick
        return [*out, sounds.sound_f1(cases, [c.audio[0] for c in made], rate, samples)]

    def memory(self) -> list[Metric]:
        """Full turns and walks off and back: revisits, breaks, and the imagined rooms."""
        cases = self.sets("turns")
        turned, pairs, still = [], [], []
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
        for i, case in enumerate(self.sets("returns")):
            self.say(f"walk off and back {i + 1} of {self.size.returns}")
            world = self.begin(case)
            _, clip = self.play(world, np.concatenate([out_and_back(), idle(1)]))
            path, frames = clip.info["poses"], self.frames(clip)
            if np.linalg.norm(path[-1, :3] - world.path[0][:3]) < 0.05:
                pairs.append((case.frames[0], frames[-1]))
        self.say("breaks and imagined rooms")
        return [picture.revisit(pairs, still), self.breaks(cases, turned),
                *self.rooms(cases, turned)]

    def breaks(self, cases: list[Case], turned: list) -> Metric:
        """worlds.breaks_per_turn; beside it true turns, and the share of artificial breaks in
        true turns that are found."""
        made, true, hits = [], [], []
        for case, clip in zip(cases, turned, strict=True):
            made.append(count_breaks(self.scene, self.frames(clip)[1::2],
                                     clip.depth[self.view.name][1::2],
                                     clip.info["poses"][1::2, 3], self.view.fov_deg))
            turn = self.sets.true_turn(case)
            depth = turn["depth"].astype(np.float32)
            true.append(count_breaks(self.scene, turn["frames"], depth, turn["yaw"]))
            hits += [found(self.scene, cut, depth, turn["yaw"], int(at))
                     for cut, at in zip(turn["cut"], turn["at"], strict=True)]
        return Metric("worlds.breaks_per_turn", float(np.mean(made)), "",
                      {"truth": float(np.mean(true)),
                       "artificial_found": float(np.mean(hits)) if hits else float("nan")},
                      len(made), "<= 1", "<= 0.3")

    def rooms(self, cases: list[Case], turned: list) -> list[Metric]:
        """Imagined views of the turns against true rooms and against smooth filling."""
        made, masks, filled, true = [], [], [], []
        camera = Camera(self.view.width, self.view.height, self.view.fov_deg)
        for case, clip in zip(cases, turned, strict=True):
            memory = Memory().add(Keyframe(rgb=case.frames[0], depth=case.depth[0],
                                           pose=clip.info["poses"][-1]))
            truth = self.sets.true_turn(case)["frames"]
            for k in range(7, len(self.frames(clip)) - 7, 8):
                unseen = clip.info["unseen"][k]
                if unseen.mean() < 0.1:
                    continue
                made.append(self.frames(clip)[k])
                masks.append(unseen)
                filled.append(push_pull(draw(memory, clip.info["poses"][k], camera)).rgb)
                true.append(truth[k // 2])
        views = np.concatenate([case.frames[1::3] for case in self.sets("other")])
        pick = rng(self.seed, "other").permutation(len(views))[:len(made)]
        made, masks, filled, true = (np.stack(v) for v in (made, masks, filled, true))
        whole = np.ones((len(pick), *masks.shape[1:]), bool)
        return [imagined.imagined_fd(self.scene, (made, masks), (filled, masks), (true, masks),
                                     (views[pick], whole)),
                imagined.patch_auc(self.patch, (made, masks), (true, masks), (filled, masks),
                                   self.seed)]

    def collisions(self) -> list[Metric]:
        """Walks into walls, heavy boxes and latched doors, and through open doors."""
        cases = self.few(self.sets("bumps"), self.size.few_bumps)
        paths = []
        for case in cases:
            world = self.begin(case)
            _, clip = self.play(world, case.controls)
            paths.append(np.concatenate([world.path[:1], clip.info["poses"]]))
        return [control.collision_accuracy(cases, paths, [c.info["met"] for c in cases],
                                           1 / self.model.embodiment.tick_rate)]

    def balls(self) -> list[Metric]:
        """Thrown and pushed balls."""
        rows, true_rows = [], []
        flying, rolling = self.sets("thrown"), self.sets("pushed")
        share = len(flying) / max(len(flying) + len(rolling), 1)
        few = round(self.size.few_balls * share)
        cases = self.few(flying, few) + self.few(rolling, self.size.few_balls - few)
        for case in cases:
            slot, still, start = case.info["ball"]
            _, clip = self.play(self.begin(case), case.controls)
            for out, frames in ((rows, self.frames(clip)), (true_rows, case.frames[1:])):
                out += physics.ball_errors(self.scene, case, frames, slot, np.array(still), start)
        return [physics.ball_metric(rows, true_rows)]

    def _ceiling(self) -> float:
        return float(np.mean([self.scene_scores[k] for k in ("theme", "time", "lamps", "fog",
                                                             "ball_in_view")]))

    def prompts(self) -> list[Metric]:
        """First pictures of held-out prompts."""
        generator = rng(self.seed, "prompts")
        wanted, shown = [], []
        for _ in range(self.size.prompts):
            prompt, attributes = sample_prompt(generator, split="heldout")
            world = self.model.new_world(prompt=prompt, seed=int(generator.integers(1 << 30)))
            wanted.append(_named(attributes))
            shown.append(world.observation.frames[self.view.name])
        return [words.prompt_accuracy(wanted, words.read_attributes(self.scene, np.stack(shown)),
                                      self._ceiling())]

    def events(self) -> list[Metric]:
        """Events of light and fog, four ticks later and after turning round."""
        generator = rng(self.seed, "events")
        changes, before, soon, turned = [], [], [], []
        for case in self.sets("events"):
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
        return [words.event_accuracy(changes, *seen, self._ceiling())]

    def diversity(self) -> list[Metric]:
        """worlds.seed_diversity: two first pictures of a prompt against two true rooms of it."""
        generator, made, true = rng(self.seed, "diversity"), [], []
        by_theme: dict[int, list[np.ndarray]] = {}
        rooms = self.sets.fitting()
        for theme, frame in zip(rooms["theme"], rooms["frames"], strict=True):
            by_theme.setdefault(int(theme), []).append(frame)
        themes = [t for t, frames in by_theme.items() if len(frames) > 1][:self.size.pairs]
        for theme in themes:
            prompt, _ = sample_prompt(generator, 0, "heldout", theme=theme, balls=0, boxes=0,
                                      say=0.0)
            pair = [self.model.new_world(prompt=prompt, seed=s).observation.frames[self.view.name]
                    for s in (1, 2)]
            made.append(self._feature_gap(*pair))
            true.append(self._feature_gap(*by_theme[theme][:2]))
        return [Metric("worlds.seed_diversity", float(np.mean(made) / max(np.mean(true), 1e-9)),
                       "", {"two_true_rooms": 1.0, "same_seed": 0.0}, len(made), ">= 0.5")]

    def _feature_gap(self, a: np.ndarray, b: np.ndarray) -> float:
        whole, _ = self.scene.features(np.stack([a, b]))
        return float(np.linalg.norm(whole[0] - whole[1]))

    def late(self) -> list[Metric]:
        """worlds.sharpness500 over a long wander, looking all round before and after it: one
        view may happen to be of a bare wall."""
        case = self.sets("late")[0]
        rows = wander(self.size.late - len(full_turn()), rng(self.seed, "late"), start=2)
        world, first = self.play(self.begin(case), full_turn())
        world, _ = self.play(world, rows)
        world, last = self.play(world, full_turn())
        views = [list(self.frames(clip)[3::4]) for clip in (first, last)]
        return [picture.long_sharpness(*views)]


def _named(attributes: dict) -> dict:
    """Attributes of a prompt as the judge reads them."""
    out = {k: attributes.get(k) for k in ("theme", "time", "lamps", "fog")}
    things = [{"kind": kind} for kind, key in (("ball", "balls"), ("box", "boxes"))
              if attributes.get(key)]
    return {**out, "objects": things}
