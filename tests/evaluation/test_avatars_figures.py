"""The avatars family's figures on faces whose motion is known: right ones score, others do not."""

from __future__ import annotations

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from gwm_core.avatars.character import Character
from gwm_core.avatars.landmarks import INDEX as POINT
from gwm_core.avatars.landmarks import face_height
from gwm_core.avatars.motion import INDEX, still
from gwm_core.avatars.mouth import aperture
from gwm_core.avatars.rig import Rig
from gwm_core.errors import GWMError
from gwm_core.evaluation.avatars import (
    alive,
    clips,
    curves,
    eye_sight,
    identity,
    lip_sight,
    lips,
    listening,
    parts,
    played,
    points,
    sound,
    speed,
    strangers,
    suite,
)
from gwm_core.evaluation.avatars.bars import TRUTH, eased
from gwm_core.evaluation.avatars.baselines import Ridge, loud_aperture
from gwm_core.evaluation.avatars.gauge import Gauge
from gwm_core.evaluation.judges import FOLDER, load_judge
from gwm_core.evaluation.judges.eyes import EyeJudge
from gwm_core.evaluation.judges.lips import LipJudge
from gwm_core.evaluation.judges.sync import SyncJudge, choices
from gwm_core.evaluation.report import Metric
from gwm_core.simulators.faces import espeak
from gwm_core.simulators.faces.faces import HELD_STYLES, Face
from gwm_core.simulators.faces.performance import perform

TICKS = 250


def performance(seed: int = 0, speaks: bool = True):
    """Ten seconds: speech from tick 30 to 210, as loud as the lips are open and now and then shut
    for a p; the other speaks at the end."""
    draw = np.random.default_rng(seed)
    motion = still(TICKS)
    jaw = np.convolve(draw.uniform(0, 1, TICKS), [0.25, 0.5, 0.25], "same")
    speaking = np.zeros(TICKS, bool)
    speaking[30:210] = speaks
    motion[speaking, INDEX["jaw"]] = 0.15 + 0.7 * jaw[speaking]
    phonemes = []
    for t in np.arange(40, 200, 16) + draw.integers(0, 16, 10) if speaks else ():
        motion[t, INDEX["close"]] = 1
        phonemes.append((t / 25, (t + 1) / 25, "p"))
    other = np.zeros(TICKS, bool)
    other[218:] = True
    level = np.repeat(np.where(speaking, 0.02 + aperture(motion), 1e-4), sound.TICK)
    wave = np.sin(2 * np.pi * 700 * np.arange(TICKS * sound.TICK) / sound.RATE)
    audio = level * (wave + 0.3 * draw.normal(size=len(wave)))
    return SimpleNamespace(motion=motion, speaking=speaking, other_speaking=other,
                           phonemes=phonemes, audio_self=audio.astype(np.float32),
                           nods=[], smiles=[])


def face() -> np.ndarray:
    return Character.default_points(192, 192).astype(float)


def spoken_points(motion: np.ndarray) -> np.ndarray:
    """A face that opens its lips as far as a motion says, and no more."""
    out = np.repeat(face()[None], len(motion), 0)
    gap = aperture(motion) * face_height(face())
    for name, share in (("inner_top", -0.2), ("inner_bottom", 0.8)):
        for side in ("", "_left", "_right"):
            out[:, POINT[name + side], 1] += gap * share * (1 if not side else 0.7)
    out[:, POINT["lip_bottom"], 1] += 0.8 * gap
    out[:, POINT["chin"], 1] += 0.8 * gap
    return out


def moved(shape: np.ndarray, turn: float, scale: float, by: tuple[float, float]) -> np.ndarray:
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return shape @ np.array([[c, s], [-s, c]]) + by


# ------------------------------------------------------------------ lips


def test_true_lips_score_and_wrong_ones_do_not():
    one = performance()
    true = aperture(one.motion)
    found = lips.lip_figures(one, true)
    assert found["r"] == pytest.approx(1) and found["closure"] == pytest.approx(1)
    assert abs(found["offset"]) < 0.05
    assert found["silence"] == 0 and found["listening"] == 0
    other = lips.lip_figures(one, aperture(performance(1).motion))
    assert abs(other["r"]) < 0.35 and abs(other["closure"] - 0.5) < 0.25
    never = np.where(lips.closures(one), 0.09, true)
    assert lips.lip_figures(one, never)["closure"] < 0.7
    half_open = lips.lip_figures(one, true + 0.03)
    assert half_open["r"] == pytest.approx(1) and half_open["silence"] > 0.2
    assert half_open["listening"] > 0.2
    for late in (-3, 1, 2):
        assert lips.lip_figures(one, np.roll(true, late))["offset"] == pytest.approx(late, abs=0.3)


def test_a_still_mouth_and_a_silent_clip_have_no_figures_of_speech():
    one = performance()
    assert lips.lip_figures(one, np.zeros(TICKS))["r"] == 0
    assert np.isnan(lips.lip_figures(one, np.zeros(TICKS))["silence"])
    quiet = lips.lip_figures(performance(speaks=False), np.zeros(TICKS))
    assert np.isnan([quiet[k] for k in ("r", "offset", "closure")]).all()


def test_lips_are_read_from_points_wherever_the_head_is():
    motion = performance().motion
    shape = spoken_points(motion)
    numbers = points.mouth_numbers(shape, face())
    assert np.allclose(numbers[:, points.MOUTH.index("open")], aperture(motion), atol=1e-6)
    turned = np.stack([moved(p, 0.1, 1.0, (9, -5)) for p in shape])
    assert np.allclose(points.mouth_numbers(turned, face()), numbers, atol=1e-5)
    assert numbers[:, points.MOUTH.index("chin")].max() > 0.05
    assert np.abs(points.mouth_numbers(face()[None], face())).max() < 1e-6


def test_a_cut_of_the_mouth_goes_where_the_head_goes():
    shape = np.stack([face(), moved(face(), 0.2, 1.5, (30, -8))])
    shape[:, POINT["inner_bottom"]] += 20  # what the mouth does is not what the head does
    still_, carried = lip_sight.follow(lip_sight.cut_of(face()), shape, face())
    own = lip_sight.cut_of(moved(face(), 0.2, 1.5, (30, -8)))
    for a, b in ((still_, lip_sight.cut_of(face())), (carried, own)):
        assert np.allclose([a.x, a.y, a.side, a.roll], [b.x, b.y, b.side, b.roll], atol=1e-6)


def test_lips_are_read_against_the_portrait_at_rest():
    """A judge that tells how much darker the cut is than at rest, in the first of its numbers."""

    class Dark(LipJudge):
        def forward(self, frame, rest):
            out = torch.zeros(len(frame), 8)
            out[:, 0] = (rest.float() - frame.float()).mean((1, 2, 3))
            return out

    portrait = np.full((192, 192, 3), 200, np.uint8)
    frames = np.repeat(portrait[None], 3, 0)
    x, y = face()[POINT["lip_top"]].astype(int)
    frames[1:, y: y + 12, x - 10: x + 10] = 20
    shape = np.repeat(face()[None], 3, 0)
    found = lip_sight.read_lips(Dark(), frames, shape, portrait, face())
    assert found.shape == (3, 8) and found[0, 0] == 0 and found[1, 0] > 0.1
    assert lip_sight.read_lips(Dark(), frames[:0], shape[:0], portrait, face()).shape == (0, 8)


def test_the_lip_judge_reads_moved_faces_with_beards_it_never_saw():
    assert (FOLDER / "lips.safetensors").stat().st_size < 4 << 20
    judge, scores = load_judge("lips", LipJudge())
    assert min(scores[f"within {k}"] for k in ("known", "held", "hairy", "bare")) > 0.94
    motion = np.repeat(still(1), 8, 0)
    motion[:, INDEX["jaw"]] = (0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)
    r = []
    for k, style in enumerate((*HELD_STYLES, "cartoon", "clay", "photo", "vector", "painted")):
        made = next(face for seed in range(100) if {"beard", "moustache"} & set(
            (face := Face(7_400_000 + 100 * k + seed, style=style, split="held")).identity.extras))
        portrait, shape = made.draw(still(1)[0], size=192)
        rig = Rig(Character(portrait, shape), size=192)
        told = lip_sight.read_lips(judge, np.stack([rig.draw(row, rest=0.0) for row in motion]),
                                   np.stack([rig.points(row, rest=0.0) for row in motion]),
                                   portrait, shape)
        r.append(curves.pearson(told[:, 0], aperture(motion)))
    assert min(r) > 0.9 and np.median(r) > 0.97


def test_eyes_are_read_on_both_sides_wherever_the_head_is():
    """A judge that tells how much darker the cut is than at rest, and on which side of it."""

    class Dark(EyeJudge):
        def forward(self, frame, rest):
            darker = (rest.float() - frame.float()).mean(1) / 100
            half = darker.shape[-1] // 2
            side = darker[..., half:].mean((1, 2)) - darker[..., :half].mean((1, 2))
            return torch.stack([darker.mean((1, 2)), side, torch.zeros(len(frame))], 1)

    portrait = np.full((192, 192, 3), 200, np.uint8)
    frames = np.repeat(portrait[None], 3, 0)
    shape = np.repeat(face()[None], 3, 0)
    shape[2] = moved(face(), 0.0, 1.0, (20, 10))
    for row, (dx, dy), sides in ((1, (0, 0), ("left",)), (2, (20, 10), ("left", "right"))):
        for side in sides:
            x, y = (face()[POINT[f"eye_{side}_outer"]] + face()[POINT[f"eye_{side}_inner"]]) / 2
            frames[row, int(y + dy) - 4: int(y + dy) + 4, int(x + dx): int(x + dx) + 8] = 20
    found = eye_sight.read_eyes(Dark(), frames, shape, portrait, face())
    assert found.shape == (3, 3) and not found[0].any() and found[1, 0] > 0.02
    assert found[2, 0] == pytest.approx(2 * found[1, 0], rel=0.3)
    assert found[1, 1] > 0 and found[2, 1] == pytest.approx(2 * found[1, 1], rel=0.3)
    assert eye_sight.read_eyes(Dark(), frames[:0], shape[:0], portrait, face()).shape == (0, 3)


def test_the_eye_judge_reads_faces_it_never_saw():
    assert (FOLDER / "eyes.safetensors").stat().st_size < 4 << 20
    judge, scores = load_judge("eyes", EyeJudge())
    assert min(scores["r known"], scores["r held"]) > 0.85
    motion = np.repeat(still(1), 4, 0)
    motion[1:3, INDEX["smile"]] = 0.6  # open, and otherwise than at rest
    motion[1:3, INDEX["gaze_x"]] = 0.6, -0.6
    motion[3, [INDEX["blink_left"], INDEX["blink_right"]]] = 1
    told = []
    for k, style in enumerate((*HELD_STYLES, "cartoon", "clay", "photo", "anime", "painted")):
        drawn = [Face(7_300_000 + k, style=style, split="held").draw(row, size=192)
                 for row in motion]
        told.append(eye_sight.read_eyes(judge, np.stack([d[0] for d in drawn]),
                                        np.stack([d[1] for d in drawn]), *drawn[0]))
    told = np.array(told)
    shut, gaze = told[..., 0], told[..., 1]
    assert np.median(shut[:, 3]) > 0.7 and shut[:, :3].max() < 0.5
    assert (shut[:, 3] > 0.5).sum() >= len(told) - 1
    assert np.median(gaze[:, 1]) > 0.25 and np.median(gaze[:, 2]) < -0.25


def test_metrics_of_clips_take_the_worst_voice_and_ease_bars_by_the_truth():
    def row(voice: str, r: float, true: float) -> dict:
        def one(value):
            return {"r": value, "offset": 0.4, "closure": value, "rounding": value,
                    "silence": 0.02, "listening": 0.03, "right": 45, "asked": 50}

        return {"voice": voice, "model": one(r), TRUTH: one(true), "ridge": one(0.6),
                "loudness": one(0.4), "shuffled audio": one(0.0)}

    rows = [row("a", 0.9, 0.99), row("a", 0.8, 0.99), row("b", 0.7, 0.72), row("b", 0.7, 0.72)]
    found = {m.id: m for m in [*lips.lip_metrics(rows), *lips.sync_metrics(rows),
                               *lips.silence_metrics(rows)]}
    worst = found["avatars.aperture_r_worst"]
    assert worst.value == pytest.approx(0.7) and worst.must == ">= 0.6840" and worst.ok
    assert worst.baselines["ridge"] == 0.6 and "true renders miss" in worst.note
    assert found["avatars.aperture_r"].value == pytest.approx(0.775)
    assert found["avatars.sync_2afc_40ms"].value == pytest.approx(0.9)
    assert found["avatars.silence_aperture"].value == pytest.approx(0.03)
    missed = eased(Metric("x", 0.06, baselines={TRUTH: 0.04}, must="<= 0.05"))
    assert missed.must == "<= 0.05" and missed.ok is False
    assert eased(Metric("x", 0.1, baselines={TRUTH: 0.1}, must="<= 0.05")).ok


def test_the_judge_is_asked_early_and_late_where_there_is_speech():
    one = performance()

    class Told(SyncJudge):
        def scores(self, mel, mouth, shifts):
            near = {k: -np.abs(mouth[0, 0] + k) for k in shifts}
            return np.array([[near[k]] * (TICKS - 24) for k in shifts])

    mel = np.zeros((4 * TICKS, 40), np.float32)
    in_time, asked = choices(Told(), mel, np.zeros((TICKS, 8)), one.speaking)
    assert in_time == asked > 20
    late, asked = choices(Told(), mel, np.full((TICKS, 8), -1.0), one.speaking)
    assert late == asked / 2  # one of both alternatives is the true moment
    assert choices(Told(), mel, np.zeros((TICKS, 8)), np.zeros(TICKS, bool)) == (0, 0)


def test_the_stored_judge_tells_40_ms_and_nothing_of_another_sound():
    judge, scores = load_judge("sync", SyncJudge())
    assert scores["40 ms"] > 0.9 and abs(scores["shuffled"] - 0.5) < 0.12
    assert (FOLDER / "sync.safetensors").stat().st_size < 4 << 20
    draw = np.random.default_rng(0)
    found = judge.scores(draw.normal(size=(400, 40)), draw.normal(0, 0.02, (100, 8)), [0, 1])
    assert found.shape == (2, 76) and np.isfinite(found).all()


# ------------------------------------------------------------------ baselines and curves


def test_ridge_learns_what_a_sound_says_and_loudness_follows_it():
    ridge = Ridge.fitted(performance(k) for k in range(1, 7))
    one = performance()
    true, where = aperture(one.motion), lips.spoken(one)
    r = curves.pearson(ridge.aperture(one.audio_self)[where], true[where])
    assert r > 0.6
    assert abs(curves.pearson(ridge.aperture(performance(9).audio_self)[where], true[where])) < 0.4
    assert curves.pearson(loud_aperture(one.audio_self)[where], true[where]) > 0.5
    with pytest.raises(ValueError, match="at least one"):
        Ridge.fitted([])


def test_curves():
    assert curves.auc(np.array([3.0, 2, 1, 0]), np.array([1, 1, 0, 0])) == 1
    assert curves.auc(np.zeros(4), np.array([1, 1, 0, 0])) == 0.5
    assert np.isnan(curves.auc(np.zeros(2), np.zeros(2)))
    where = np.array([0, 0, 1, 1, 1, 0, 0], bool)
    assert curves.widened(where, 1).tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert curves.narrowed(where, 1).tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert curves.onsets(where).tolist() == [2]
    assert curves.apart(np.array([1, 3, 9]), 4).tolist() == [1, 9]
    assert curves.drift(np.array([1.0, 3.0, 5.0]), np.arange(3)) == pytest.approx(2)


# ------------------------------------------------------------------ life and listening


def test_signs_of_life_are_counted():
    ticks = np.arange(500)
    blink = (ticks % 90 < 4).astype(float)
    assert len(alive.blinks(blink)) == 6
    gaze = np.zeros((500, 2))
    gaze[120:300, 0], gaze[300:, 1] = 0.3, -0.3
    assert alive.looks(gaze, np.zeros(500)).tolist() == [119, 299]
    assert len(alive.looks(gaze + 0.03 * np.sin(ticks / 9)[:, None], np.zeros(500))) == 2
    behind = np.zeros((500, 2))
    behind[100:104] = 0.5
    lids = np.zeros(500)
    lids[99:105] = 1
    assert len(alive.looks(behind, lids)) == 0

    def clip(scale: float, blinking: np.ndarray) -> dict:
        wave = np.sin(ticks / 20)
        return alive.alive_figures({"blink": blinking, "gaze_x": gaze[:, 0], "gaze_y": gaze[:, 1],
                                    "yaw": scale * wave, "pitch": 0.2 * wave})

    true = [clip(0.3, blink)]
    low, high = alive.alive_metrics([clip(0.3, blink)], true)
    assert low.value == high.value == 1 and low.ok and high.ok
    assert alive.alive_metrics([clip(0.1, blink)], true)[0].ok is False
    assert alive.alive_metrics([clip(0.3, (ticks % 45 < 4).astype(float))], true)[1].ok is False
    assert alive.alive_metrics([clip(0.3, np.zeros(500))], true)[0].value == 0


def reacting(nods=(), smiles=(), ticks: int = 400) -> dict[str, np.ndarray]:
    """A head that wanders, dips for half a second at nods and smiles for 1.5 s at smiles."""
    t = np.arange(ticks)
    pitch = 0.05 * np.sin(t / 40)
    smile = np.zeros(ticks)
    for at in nods:
        pitch[at: at + 12] -= 0.35 * np.sin(np.pi * np.arange(12) / 12)
    for at in smiles:
        smile[at:] += 0.5 * (1 - np.exp(-(t[at:] - at) / 4)) * np.exp(-(t[at:] - at) / 30)
    return {"pitch": pitch, "smile": smile}


def test_listening_is_found_in_its_places_only():
    true = SimpleNamespace(speaking=np.zeros(400, bool), nods=[60, 150, 300], smiles=[100, 260])

    def score(read: dict) -> Metric:
        row = [listening.listening_figures(read, true)]
        return listening.listening_metrics(row, row, row)[0]

    right = score(reacting(true.nods, true.smiles))
    assert right.value == 1 and right.n == 5
    assert score(reacting([90, 200, 350], [20, 180])).value == 0
    assert score(reacting()).value == 0
    assert score(reacting(true.nods)).value == pytest.approx(6 / 8)
    busy = SimpleNamespace(speaking=np.ones(400, bool), nods=[60], smiles=[])
    assert listening.listening_figures(reacting([60]), busy)["nods"] == [0, 0, 0]
    row = [listening.listening_figures(reacting(true.nods, true.smiles), true)]
    deaf = [listening.listening_figures(reacting(), true)]
    left = listening.listening_metrics(row, row, deaf)[1]
    assert left.value == 0 and left.ok
    assert listening.listening_metrics(row, row, row)[1].ok is False


# ------------------------------------------------------------------ likeness


def test_likeness_forgives_motion_and_no_change_of_the_face():
    draw = np.random.default_rng(0)
    small = draw.uniform(60, 200, (24, 24, 3)).astype(np.float32)
    portrait = cv2.resize(small, (192, 192), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    portrait = portrait.astype(np.uint8)
    rest = face().astype(np.float32)
    where = identity.lasting(rest, portrait.shape)
    assert 0.05 < where.mean() < 0.4
    assert not where[int(rest[POINT["lip_top"], 1]), int(rest[POINT["lip_top"], 0])]
    turn = cv2.getRotationMatrix2D((96, 96), -5, 1.02) + np.array([[0, 0, 4], [0, 0, -3]])
    frame = cv2.warpAffine(portrait, turn, (192, 192), flags=cv2.INTER_CUBIC,
                           borderMode=cv2.BORDER_REPLICATE)
    seen = (rest @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    faded = (frame * 0.85 + 45).astype(np.uint8)
    blurred = cv2.GaussianBlur(frame, (0, 0), 6)
    same, other, soft, still_ = identity.likeness(
        np.stack([frame, faded, blurred, portrait]), np.stack([seen, seen, seen, rest]), portrait,
        rest)
    assert same > 35 and still_ > 45
    assert other < 30 and soft < 30


# ------------------------------------------------------------------ a whole clip


@pytest.fixture(scope="module")
def clip() -> clips.Clip:
    """Four seconds of a held-out voice and a face of the held-out style."""
    if not espeak.available():
        pytest.skip("libespeak-ng is not installed")
    one = perform(clips.FIRST, split="held", voice=clips.VOICES[0], seconds=4.0,
                  layout="monologue")
    made = Face(clips.FIRST, style=HELD_STYLES[0], split="held")
    portrait, shape = made.draw(still(1)[0], size=128)
    return clips.Clip("en-us+klatt2/0", clips.VOICES[0], made.style, one, made, portrait, shape)


def take(clip: clips.Clip, motion: np.ndarray) -> played.Take:
    """The clip's portrait moved by the rig, with the points where the rig has them."""
    rig = Rig(Character(clip.portrait, clip.points), size=128)
    drawn = {t: rig.draw(row, rest=0.0) for t, row in enumerate(motion) if t % played.EVERY == 0}
    frames = np.stack([drawn[t - t % played.EVERY] for t in range(len(motion))])
    shape = np.stack([rig.points(row, rest=0.0) for row in motion])
    return played.Take(frames, shape, clip.points, points.mouth_numbers(shape, clip.points))


def test_the_true_motion_passes_and_a_mute_face_misses(clip):
    rows = parts.gauge_rows(20, 6)
    gauge = Gauge.fitted(rows["numbers"], rows["motion"])
    assert min(gauge.r[k] for k in ("yaw", "pitch", "roll", "blink")) > 0.8
    ridge = Ridge.fitted([perform(parts.FIT + k, seconds=4.0) for k in range(4)])
    tools = played.Parts(None, None, None, None, None, None, SyncJudge().eval(), gauge, ridge)
    motion = clip.performance.motion
    true = take(clip, motion)
    mute = take(clip, still(len(motion)))
    ids = {}
    for name, shown in (("right", true), ("mute", mute)):
        found = played.figures(clip, {"model": shown, TRUTH: true}, tools)
        found = suite.number_in(json.loads(json.dumps(suite.plain(found))))
        ids[name] = {m.id: m for m in suite.clip_metrics([found])}
        assert not suite.differing({"a": found}, {"a": suite.plain(found)})
        other = {**found, "model": {**found["model"], "r": found["model"]["r"] - 0.1}}
        assert suite.differing({"a": found}, {"a": other})
    right, wrong = ids["right"], ids["mute"]
    assert set(right) == {f"avatars.{name}" for name in (
        "aperture_r_worst", "aperture_r", "closure_auc", "rounding_auc", "sync_offset_frames",
        "sync_2afc_40ms", "silence_aperture", "listening_f1", "listening_left",
        "alive_ratio_min", "alive_ratio_max", "identity_psnr_db")}
    assert right["avatars.aperture_r_worst"].value > 0.97
    likeness = right["avatars.identity_psnr_db"]
    assert likeness.value > likeness.baselines["half a pixel"] - 3
    assert right["avatars.alive_ratio_min"].value == right["avatars.alive_ratio_max"].value == 1
    assert wrong["avatars.aperture_r_worst"].ok is False
    assert wrong["avatars.closure_auc"].ok is False
    assert wrong["avatars.alive_ratio_min"].value == 0
    assert wrong["avatars.identity_psnr_db"].value > 45  # still, but the portrait


def test_a_performance_with_much_to_measure_is_wanted():
    def one(speaks: float, listens: float, layout: str, nods: int = 2, head: float = 1.0):
        where = np.arange(100) / 100
        return SimpleNamespace(speaking=where < speaks, other_speaking=where >= 1 - listens,
                               nods=range(nods), smiles=(), layout=layout,
                               dials={"mouth": 0.4, "head": head})

    assert clips.worth(one(0.5, 0, "monologue")) == 1
    assert clips.worth(one(0.5, 0, "monologue", head=0)) == 0
    assert clips.worth(one(0.5, 0.1, "dialogue")) < 0.5
    assert clips.worth(one(0, 0.5, "other")) == 1
    best = one(0.3, 0.3, "dialogue")
    assert clips.wanted(iter([one(0.1, 0.3, "dialogue"), best, one(0.9, 0, "dialogue")])) is best
    assert len(set(clips.names(True))) == len(clips.names(True))
    assert set(clips.names(False)) < set(clips.names(True))


def test_what_another_finder_gave_is_not_kept(monkeypatch):
    keys = []

    class Stop(Exception):
        pass

    def kept(folder, seed, key):
        keys.append(key)
        raise Stop

    monkeypatch.setattr(suite, "Kept", kept)
    for finder in ("one", "other"):
        monkeypatch.setattr(suite, "load_finder", lambda f=finder: SimpleNamespace(fingerprint=f))
        with pytest.raises(Stop):
            suite.evaluate(only=["dials"])
    assert len(set(keys)) == 2


def test_wrong_protocol_names_are_told():
    with pytest.raises(GWMError, match="clips, portraits"):
        suite.evaluate(only=["lips"])


@pytest.mark.parametrize("height", [128, 192])
def test_speed_is_measured_on_faces_of_the_stated_height(height):
    picture, shape = speed.portrait(0, height)
    assert picture.shape == (512, 512, 3)
    assert face_height(shape) == pytest.approx(height, abs=2)
    assert (shape > 0).all() and (shape < 512).all()


def test_a_microphones_pieces_come_out_as_ticks():
    class Late:
        """A driver that gives each tick 80 ms after its end."""

        heard = given = 0

        def push(self, sound):
            self.heard += len(sound)

        def pull(self):
            ready = max(0, self.heard // 640 - 2) - self.given
            self.given += ready
            return np.zeros((ready, 24))

    came = [at for at, _ in speed.ticks(Late(), np.zeros(6400), 160)]
    assert came == [640 * (k + 3) for k in range(8)]


def test_mouths_taken_for_shut_are_counted(monkeypatch):
    """By a finder that sees everything, and by one that takes every mouth for open."""
    monkeypatch.setattr(strangers, "COUNT", {False: 6})
    drawn, true = [], Face.draw

    def draw(self, motion, size):
        picture, points = true(self, motion, size)
        drawn.append((self.identity.extras, points.astype(np.float32)))
        return picture, points

    monkeypatch.setattr(Face, "draw", draw)
    right = strangers.shut_metric(lambda picture: drawn[-1][1], 0, False)
    assert right.value == 1 and right.baselines["open ones, beard"] == 1 and right.n == 3
    assert all("beard" in extras for extras, _ in drawn[:6])
    assert all("moustache" in extras and "beard" not in extras for extras, _ in drawn[6:12])
    assert not any({"beard", "moustache"} & extras.keys() for extras, _ in drawn[12:])

    def gaping(picture):
        points = drawn[-1][1].copy()
        for side in ("", "_left", "_right"):
            points[POINT[f"inner_bottom{side}"]] += [0, 0.06 * face_height(points)]
            points[POINT[f"lip_bottom{side}"]] += [0, 0.06 * face_height(points)]
        return points

    assert strangers.shut_metric(gaping, 0, False).value < 0.5


def test_pictures_by_other_hands_are_read_with_their_points(tmp_path):
    from PIL import Image

    assert strangers.strangers(tmp_path) == {}
    Image.new("RGB", (800, 400), (9, 9, 9)).save(tmp_path / "a.png")
    (tmp_path / "points.json").write_text(json.dumps({"a.png": face().tolist(), "gone.png": []}))
    (picture, placed), = strangers.strangers(tmp_path).values()
    small, there = strangers.fitted(picture, placed)
    assert small.shape == (192, 384, 3) and np.allclose(there, placed * 0.48)
    assert strangers.errors(placed + [3, 4], placed) == pytest.approx(5 / face_height(placed))
