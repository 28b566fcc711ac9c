"""A shot of characters: cut out, framed, in the light of a room, moving with what they say."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gwm_core.avatars.character import Character
from gwm_core.avatars.landmarks import INDEX as POINT
from gwm_core.avatars.motion import INDEX, MOTION
from gwm_core.avatars.sound import Recording
from gwm_core.errors import VideoError
from gwm_core.video.figure import MatteRig, cutout, framed
from gwm_core.video.framing import FRAMING, placed
from gwm_core.video.lines import Lines, panned
from gwm_core.video.matte import matte_of
from gwm_core.video.parts import Parts
from gwm_core.video.performance import at_frames, at_place, lay_mouth
from gwm_core.video.shots import open_shot
from gwm_core.video.storyboard import CastMember, Line, Shot, Storyboard

PORTRAITS = Path(__file__).resolve().parents[1] / "avatars" / "portraits"


def portrait(name):
    image = np.asarray(Image.open(PORTRAITS / name).convert("RGB"))
    points = json.loads((PORTRAITS / "points.json").read_text())[name]
    return Character(image, np.array(points, np.float32), name=name)


@pytest.fixture(scope="module")
def voice():
    time = np.arange(16000) / 16000
    loud = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1)
    buzz = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 12))
    return Recording((0.2 * loud * buzz)[None].astype(np.float32), 16000)


CAST = (CastMember("Ada", portrait("cartoon.png")), CastMember("Bo", portrait("mascot.png")),
        CastMember("Radio"))


def film(**more):
    shot = Shot(Fraction(5, 4), "a brick hall", 3, **more)
    return Storyboard(CAST, (shot,), width=192, height=108)


# ---------------------------------------------------------------------- with the models


def test_a_voice_is_heard_at_its_sample_and_moves_its_face_only(parts, voice):
    lines = (Line("ada", "Hello.", Fraction(1, 8), voice),)
    takes = [open_shot(film(seen=("Ada", "Bo"), lines=lines), 0, parts) for _ in range(2)]
    frames = [list(take.frames()) for take in takes]
    assert len(frames[0]) == 30 and frames[0][0].shape == (108, 192, 3)
    assert all(np.array_equal(a, b) for a, b in zip(*frames, strict=True))
    sounds = takes[0].sounds()
    heard = sounds["dialogue"]
    assert heard.shape == (2, 60000) and not heard[:, : 6000 - 200].any()
    # On the left of the picture, so on the left.
    left, right = np.square(heard).sum(1)
    assert left > 1.5 * right > 0
    assert takes[0].spoken == (("Ada", "Hello.", Fraction(1, 8), Fraction(9, 8)),)
    assert np.abs(sounds["ambience"]).max() > 1e-4 and not sounds["effects"].any()
    ada, bo = (takes[0].to_keep()[f"motion{k}"] for k in range(2))
    jaw = INDEX["jaw"]
    assert ada[:, jaw].max() > 0.15 > bo[:, jaw].max()
    # The listener lives, too, and both turn to one another.
    assert np.ptp(bo[:, INDEX["pitch"]]) > 0.005
    assert ada[:, INDEX["yaw"]].mean() > 0.05 and bo[:, INDEX["yaw"]].mean() < -0.05


def test_who_is_not_seen_is_heard(parts, voice):
    lines = (Line("Radio", "News.", Fraction(0), voice),)
    take = open_shot(film(seen=("Ada",), lines=lines), 0, parts)
    next(iter(take.frames()))
    heard = take.sounds()["dialogue"]
    assert np.array_equal(heard[0], heard[1]) and heard.any()
    for wrong in (film(seen=("Radio",)), film(seen=("Nobody",)),
                  film(seen=("Ada",), camera="from above")):
        with pytest.raises(VideoError, match="Radio|Nobody|from above"):
            open_shot(wrong, 0, parts)


# ---------------------------------------------------------------------- without them


def test_a_spoken_line_moves_the_mouth_as_the_model_says():
    asked = {}

    class Talker:
        def plan(self, script, voice, pace=1.0, seconds=None):
            asked.update(voice=voice.name, seconds=seconds, phones=len(script.phones))
            return "plan"

        def say(self, timed, voice, seed=0, stop=None, progress=None):
            assert timed == "plan" and not stop.is_set()
            motion = np.zeros((20, len(MOTION)), np.float32)
            motion[:, INDEX["jaw"]] = np.sin(np.linspace(0, np.pi, 20))
            return SimpleNamespace(sound=np.full(19200, 0.1, np.float32), rate=24000,
                                   motion=motion)

    at = Fraction(1, 2) + Fraction(1, 100)  # on no tick of the motion
    board = Storyboard((CastMember("Ada", CAST[0].character, "Nora"),), (
        Shot(Fraction(2), seed=5, seen=("Ada",),
             lines=(Line("Ada", "We sail at noon.", at, seconds=Fraction(4, 5)),)),))
    lines = Lines(board, 0, Parts(None, None, Talker()), lambda: False)
    (said,) = lines.said
    assert asked["voice"] == "Nora" and asked["seconds"] == Fraction(4, 5) and asked["phones"] > 5
    assert said.first == 24480 and len(said.sound) == 38400
    assert lines.spoken[0][2:] == (at, at + Fraction(4, 5))
    rows = np.full((50, len(MOTION)), 0.3, np.float32)
    lay_mouth(rows, said)
    jaw = rows[:, INDEX["jaw"]]
    assert np.allclose(jaw[:11], 0.3) and np.allclose(jaw[34:], 0.3)
    want = np.sin((np.arange(15, 30) - 12.75) / 19 * np.pi)
    assert np.abs(jaw[15:30] - want).max() < 0.02
    assert (rows[:, INDEX["yaw"]] == np.float32(0.3)).all()


@pytest.mark.parametrize("name", ["cartoon.png", "mascot.png", "pixels.png", "astronaut.jpg"])
def test_figures_are_found(name):
    who = portrait(name)
    found = matte_of(who)
    assert found.doubts == ""
    face = np.round(who.points[POINT["nose_tip"]]).astype(int)
    height, width = found.alpha.shape
    assert found.alpha[face[1], face[0]] == 255
    assert found.alpha[: height // 20, : width // 20].max() < 60
    assert found.alpha[: height // 20, -width // 20 :].max() < 60
    assert found.alpha[-3, face[0]] > 200
    assert np.array_equal(found.alpha, matte_of(who).alpha)


def test_a_portrait_without_an_outline_is_shown_as_it_is():
    noise = np.random.default_rng(1).integers(90, 160, (96, 96, 3)).astype(np.uint8)
    who = Character(noise, Character.default_points(96, 96))
    assert matte_of(who).doubts


def test_nobody_floats_and_eyes_are_in_the_upper_part():
    for name in ("cartoon.png", "mascot.png", "astronaut.jpg"):
        who = portrait(name)
        cut = cutout(who, matte_of(who).alpha)
        for framing in FRAMING.values():
            at = placed(cut, framing, framing.places[0], (512, 288))
            assert 0.25 * 288 < at.at[1] < 0.55 * 288, name
            bottom = (288 - at.at[1]) / at.scale + cut.eyes[1]
            assert bottom < cut.alpha.shape[0], name
            row = cut.alpha[int(bottom) - 1]
            assert row[int(cut.eyes[0])] > 200, name
            assert bottom - cut.bottom < 0.2 * 288 / at.scale, name
    close, wide = (placed(cut, FRAMING[n], 0.5, (512, 288)).tall for n in ("close-up", "wide"))
    assert close > 1.5 * wide


def test_a_matte_moves_with_its_figure_and_shows_nothing_of_the_old_ground():
    who = portrait("mascot.png")
    cut = cutout(who, matte_of(who).alpha)
    rig = MatteRig(cut, 300)
    still = np.zeros(len(MOTION), np.float32)
    turned = still.copy()
    turned[INDEX["sway"]] = 1
    one, other = rig.draw_matted(still), rig.draw_matted(turned)
    middle = [float((f[:150, :, 3] * np.arange(f.shape[1])).sum() / f[:150, :, 3].sum())
              for f in (one, other)]
    assert middle[1] > middle[0] + 2
    # Dark blue was behind an orange animal; under its edge is orange now.
    edge = (other[..., 3] > 20) & (other[..., 3] < 235)
    red, blue = (other[..., k][edge].astype(float).mean() for k in (0, 2))
    assert red > 2 * blue
    whole = framed(who)
    assert whole.whole and whole.alpha[10, 0] < 20 < whole.alpha[200, 240]


def test_curves_at_the_films_moments():
    rows = np.zeros((50, len(MOTION)), np.float32)
    rows[:, INDEX["jaw"]] = np.linspace(0, 1, 50)
    rows[20:22, INDEX["close"]] = 1
    same = list(at_frames(rows, 50, Fraction(25)))
    assert np.array_equal(np.stack(same), rows)
    for fps in (Fraction(24), Fraction(30), Fraction(60), Fraction(24000, 1001)):
        count = int(2 * fps)
        curves = np.stack(list(at_frames(rows, count, fps)))
        moments = (np.arange(count) + 0.5) / float(fps) * 25 - 0.5
        inside = (moments > 1) & (moments < 48)
        assert np.abs(curves[inside, INDEX["jaw"]] - moments[inside] / 49).max() < 1e-4
        assert curves[:, INDEX["close"]].max() == 1  # lips that meet are seen to meet
    assert at_place(rows, 49.0)[INDEX["jaw"]] == 1


def test_panning_keeps_the_power():
    for place in (-1, -0.35, 0, 0.7, 1):
        left, right = panned(place)
        assert left ** 2 + right ** 2 == pytest.approx(1)
    assert panned(-1)[1] == pytest.approx(0, abs=1e-6) and panned(0)[0] == pytest.approx(0.5 ** 0.5)
