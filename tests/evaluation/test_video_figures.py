"""The figures of films: each is right on what is right, and fails on what is not."""

import math
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import wavfile
from scipy.ndimage import gaussian_filter

from gwm_core.errors import GWMError, VideoError
from gwm_core.evaluation.video import dialogue_figures, film_figures, retake_figures, suite
from gwm_core.evaluation.video.board import expected_cuts
from gwm_core.evaluation.video.edges import Heard
from gwm_core.evaluation.video.film_read import Film, loudness
from gwm_core.evaluation.video.voice_likeness import right_order, shuffled
from gwm_core.noise import rng
from gwm_core.video.storyboard import Shot, Storyboard
from gwm_core.video.timeline import Timeline

SECOND = Fraction(1)
BOARD = Storyboard((), (
    Shot(SECOND), Shot(SECOND), Shot(SECOND, cut="dissolve", cut_seconds=Fraction(1, 2)),
    Shot(SECOND, cut="j-cut", cut_seconds=Fraction(1, 4)),
    Shot(SECOND, cut="l-cut", cut_seconds=Fraction(1, 3))))


def drawn(board: Storyboard, late: int = 0, fade_late: int = 0) -> np.ndarray:
    """Pictures of a film whose shots are noise that drifts; cuts ``late`` pictures off."""
    timeline = Timeline(board)
    draw = rng(1, "test film")
    textures = [128 + 900 * gaussian_filter(draw.normal(0, 1, (54, 160, 3)), (6, 6, 0))
                for _ in board.shots]
    out = []
    for t in range(timeline.frames):
        pictures = []
        for shot in timeline.shots:
            picture = textures[shot.index][:, t // 8:t // 8 + 96]
            begin = shot.cut_frame + (late if shot.index and not shot.fade else 0)
            weight = 1.0 * (t >= begin)
            if shot.fade and shot.index:
                weight = np.clip((t + 0.5 - shot.cut_frame - fade_late) / shot.fade, 0, 1)
            pictures = [(p, w * (1 - weight)) for p, w in pictures] + [(picture, weight)]
        out.append(sum(p * w for p, w in pictures))
    return np.clip(out, 0, 255).astype(np.uint8)


def test_the_judges_arithmetic_is_the_timelines():
    timeline = Timeline(BOARD)
    cuts, dissolves, frames = expected_cuts(BOARD)
    assert frames == timeline.frames
    assert sorted([*cuts, *(first for first, _ in dissolves)]) == list(timeline.cuts)


def test_cuts_are_counted_at_their_frame_alone():
    assert film_figures.cuts_of(BOARD, drawn(BOARD)).accuracy == 1
    assert film_figures.cuts_of(BOARD, drawn(BOARD, late=1)).accuracy < 0.5
    assert film_figures.cuts_of(BOARD, drawn(BOARD, fade_late=4)).accuracy == 0.75
    extra = drawn(BOARD)
    extra[12:] = np.roll(extra[12:], 40, 2)
    found = film_figures.cuts_of(BOARD, extra)
    assert found.extra == 1 and found.accuracy < 1
    assert film_figures.random_cuts(BOARD, 0) < 0.2


def files(folder, samples: int, gain: float = 1.0) -> dict:
    t = np.arange(samples) / BOARD.sample_rate
    tone = (gain * 0.1 * np.sin(2 * np.pi * 997 * t)).astype(np.float32)
    out = {}
    for name in ("mix", "dialogue"):
        out[name] = folder / f"film.{name}.wav"
        wavfile.write(out[name], BOARD.sample_rate, np.stack([tone, tone], 1))
    return out


def test_lengths_are_exact_to_the_sample(tmp_path):
    frames = expected_cuts(BOARD)[2]
    film = Film(np.zeros((frames, 54, 96, 3), np.uint8), frames * 2000 + 100, 48000, (0.0, 0.0))
    right = film_figures.length_metric(BOARD, film, files(tmp_path, frames * 2000))
    assert right.value == 0 and right.ok
    one = film_figures.length_metric(BOARD, film, files(tmp_path, frames * 2000 - 1))
    assert one.value == 2 and not one.ok
    short = replace(film, small=film.small[:-1])
    assert film_figures.length_metric(BOARD, short, files(tmp_path, frames * 2000)).value == 2000


def test_loudness_is_read_by_the_meter(tmp_path):
    # 0.1 of full scale at 997 Hz in both channels is -20 LUFS
    board = replace(BOARD, loudness=-20.0)
    error, peak = film_figures.loudness_metrics(board, files(tmp_path, 48000 * 4))
    assert error.value < 0.1 and peak.ok and peak.value < -15
    louder, peak = film_figures.loudness_metrics(board, files(tmp_path, 48000 * 4, gain=10.2))
    assert 20 < louder.value < 20.4 and not louder.ok and not peak.ok
    assert loudness(np.zeros((2, 48000), np.float32), 48000)[0] <= -70


# ------------------------------------------------------------------ lines
def row(voice: str, who: np.ndarray, errors: int = 0, late: float = 0.0, closure=0.97) -> dict:
    lips = {"closure": closure, "offset": late, "right": 9, "asked": 10, "r": 0.9}
    said = {"errors": errors, "words": 10, "heard": "a b", "who": who.tolist()}
    floor = {"closure": 0.5, "offset": 5.0, "right": 5, "asked": 10, "r": 0.0}
    return {"voice": voice, "seconds": 2.0, "model": said,
            "tokens": {"errors": 0, "words": 10, "heard": "a b"},
            "synthesiser": {**said, "errors": 0},
            "lips": {"model": lips, "true renders": {**lips, "closure": 0.99, "offset": 0.0},
                     "loudness": floor, "shuffled audio": floor}}


def voices(mixed: bool = False) -> list[tuple[str, np.ndarray]]:
    draw, out = rng(2, "test voices"), []
    for k, name in enumerate(("Ann", "Ben", "Cy")):
        for _ in range(3):
            who = np.eye(8)[k] + draw.normal(0, 0.1, 8)
            if mixed:
                who = draw.normal(0, 1, 8)
            out.append((name, who / np.linalg.norm(who)))
    return out


def test_words_of_the_model_count_above_those_of_the_synthesiser(monkeypatch):
    monkeypatch.setattr(dialogue_figures, "wer", lambda want, heard: (9, 10))
    right = dialogue_figures.words_metric([row(n, w) for n, w in voices()])
    assert right.value == 0 and right.ok and right.baselines["other sentences"] == 90
    wrong = dialogue_figures.words_metric([row(n, w, errors=2) for n, w in voices()])
    assert wrong.value == pytest.approx(20) and not wrong.ok
    assert wrong.baselines["excess of Ann, the worst"] == pytest.approx(20)


def test_voices_must_be_told_apart():
    assert dialogue_figures.voice_metric([row(n, w) for n, w in voices()]).value == 1
    mixed = dialogue_figures.voice_metric([row(n, w) for n, w in voices(mixed=True)])
    assert mixed.value < 0.8 and not mixed.ok
    without = [row(n, w) for n, w in voices()]
    for one in without:
        del one["model"]["who"], one["synthesiser"]["who"]
    assert math.isnan(dialogue_figures.voice_metric(without).value)


def test_lips_must_shut_and_be_in_time():
    closure, offset, _ = dialogue_figures.lip_metrics([row(n, w) for n, w in voices()])
    assert closure.ok and offset.ok and closure.baselines["loudness"] == 0.5
    closure, offset, _ = dialogue_figures.lip_metrics(
        [row(n, w, late=-3.0, closure=0.6) for n, w in voices()])
    assert not closure.ok and offset.value == 3 and not offset.ok


def test_order_of_pairs_and_its_floor():
    groups = {"a": [np.array([1.0, 0]), np.array([0.9, 0.1])], "b": [np.array([0.0, 1])]}
    assert right_order(groups) == (1.0, 2)
    assert math.isnan(right_order({"a": groups["a"]})[0])
    assert sum(map(len, shuffled(groups).values())) == 3


def test_lips_are_held_against_the_planned_sounds():
    phones = [("pau", 0.0, 0.2), ("m", 0.2, 0.32), ("aa", 0.32, 0.6), ("pau", 0.6, 1.0)]
    spoken = SimpleNamespace(
        motion=np.zeros((25, 24), np.float32), rate=24000,
        sound=np.sin(np.arange(24000) / 9).astype(np.float32) * 0.1,
        timed=SimpleNamespace(phones=[SimpleNamespace(
            phone=SimpleNamespace(name=n), start=a, end=b) for n, a, b in phones]))
    from gwm_core.avatars.mouth import aperture
    from gwm_core.evaluation.video.utterances import performance_of

    true = performance_of(spoken)
    opened = aperture(true.motion)
    assert opened[6] < 0.02 < opened[11] and opened[20] < 0.02
    assert true.speaking[6] and not true.speaking[20] and len(true.audio_self) == 25 * 640


# ------------------------------------------------------------------ faces, retakes
def test_drawn_faces_are_told_apart():
    from gwm_core.evaluation.video.face_likeness import fit_encoder, lit
    from gwm_core.simulators.faces.faces import HELD_STYLES, Face
    from gwm_core.simulators.faces.poses import random_motion

    encoder = fit_encoder(faces=24, each=4)
    groups: dict = {}
    for k in range(5):
        face = Face(9_600_000 + k, HELD_STYLES[0], "held")
        for j in range(3):
            draw = rng(3, "test faces", k, j)
            picture, points = face.draw(random_motion(draw), size=96)
            groups.setdefault(k, []).append(encoder.embedding(lit(picture, draw), points))
    assert right_order(groups)[0] >= 0.95
    assert right_order(shuffled(groups))[0] < 0.8


def clip(seed: int = 0) -> Heard:
    draw = rng(seed, "test clip")
    return Heard(draw.integers(0, 99, (48, 4, 6, 3)).astype(np.uint8),
                 draw.normal(0, 0.1, (2, 96000)).astype(np.float32), Fraction(24), 48000)


def test_a_retake_changes_its_range_and_nothing_else():
    before, other = clip(), clip(1)
    span = (Fraction(1, 2), Fraction(3, 2))
    frames, sound = before.frames.copy(), before.sound.copy()
    frames[12:36], sound[:, 24000:72000] = other.frames[12:36], other.sound[:, 24000:72000]
    good = retake_figures.compared(before, Heard(frames, sound, Fraction(24), 48000), span)
    edge, outside, inside = retake_figures.retake_metrics([good])
    assert outside.value == 0 and inside.value > 0.9 and edge.ok
    frames, sound = frames.copy(), sound.copy()
    frames[40] += 1
    sound[:, 24000:72000] *= 30
    bad = retake_figures.compared(before, Heard(frames, sound, Fraction(24), 48000), span)
    edge, outside, _ = retake_figures.retake_metrics([bad])
    assert outside.value == 1 and not outside.ok and not edge.ok
    same = retake_figures.retake_metrics([retake_figures.compared(before, before, span)])[2]
    assert same.value == 0 and not same.ok


# ------------------------------------------------------------------ the report
def test_a_line_that_is_another_one_is_a_problem():
    rows = {"line-00": row("Ann", np.ones(3))}
    kept = suite.brief(rows)
    assert suite.differing(kept, kept) == []
    worse = {"line-00": {**kept["line-00"], "model": 5}}
    assert "5 words wrong" in suite.differing(worse, kept)[0]
    slower = {"line-00": {**kept["line-00"], "seconds": 3.0}}
    assert "3.00 s" in suite.differing(slower, kept)[0]


def test_a_wrong_protocol_lists_the_right_ones():
    with pytest.raises(GWMError, match="film, events, speech"):
        suite.evaluate(only=["sound"])


def test_growth_and_minutes_are_held_to_their_bars():
    from gwm_core.evaluation.video import speed

    small, large = ({"length": s, "memory_mb": m, "seconds": t, "processor": t}
                    for s, m, t in ((30.0, 1000.0, 100.0), (300.0, 1250.0, 1500.0)))
    assert speed.growth_metric("video.memory_growth_mb", small, large).ok
    assert not speed.growth_metric("video.memory_growth_mb", small,
                                   {**large, "memory_mb": 1400.0}).ok
    assert speed.minutes_metric("video.minutes_for_60s", small).value == pytest.approx(10 / 3)


def test_without_the_speaker_encoder_the_error_says_how_to_get_it(monkeypatch):
    from gwm_core.evaluation.video import voice_likeness

    monkeypatch.setattr(voice_likeness, "find_spec", lambda name: None)
    voice_likeness._network.cache_clear()
    with pytest.raises(VideoError, match="pip install --no-deps resemblyzer"):
        voice_likeness.embedding(np.ones(32000, np.float32), 16000)
