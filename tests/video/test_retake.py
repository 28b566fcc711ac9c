"""Retakes: what is outside of the range stays bit for bit, what is inside changes and joins."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from gwm_core.avatars.motion import INDEX
from gwm_core.avatars.sound import Recording
from gwm_core.bodies import BALL, Bodies, Player
from gwm_core.errors import VideoError
from gwm_core.evaluation.video.edges import Heard, edge_ratio, mean_ratio
from gwm_core.noise import rng
from gwm_core.state_step import StateResult
from gwm_core.video.kept_shot import STEMS, Wanted, read_shot, write_shot
from gwm_core.video.parts import load_parts
from gwm_core.video.performance import MOUTH
from gwm_core.video.retake import Retake, checked, line_retake, retake
from gwm_core.video.room_moves import Moves
from gwm_core.video.sound_file import SoundFile
from gwm_core.video.splice import BLEND, SEAM, Range, Splice
from gwm_core.video.storyboard import CastMember, Happening, Line, Shot, Storyboard
from gwm_core.video.talk_variation import Variation, VariedLines, blended
from gwm_core.video.varied_state import Variation as RoomVariation
from gwm_core.video.varied_state import VariedState, eased, ticks_of

pytest.importorskip("av")
FPS, RATE, COUNT = Fraction(24), 48000, 48
SAMPLES = COUNT * RATE // 24


class Take:
    """48 frames of noise on one grey level; stems of noise."""

    def __init__(self, seed, level):
        self.seed, self.level = seed, level
        self.contacts = [0.25 + 0.1 * seed, 1.0 + 0.1 * seed]
        self.spoken = [("Ada", f"text {seed}", Fraction(1), Fraction(3, 2))]
        self.after = {"effects": np.full((2, 100), 0.1 * seed, np.float32)}

    def frames(self):
        for n in range(COUNT):
            noise = rng(self.seed, "frame", n).integers(0, 9, (32, 48, 3))
            yield (self.level + noise).astype(np.uint8)

    def sounds(self):
        return {name: rng(self.seed, name).normal(0, 0.1, (2, SAMPLES)).astype(np.float32)
                for name in STEMS}

    def to_keep(self):
        return {}


@pytest.fixture
def known(tmp_path):
    folder = tmp_path / "shot"
    folder.mkdir()
    write_shot(folder, "shot", Take(1, 60),
               Wanted(COUNT, SAMPLES, (48, 32), FPS, RATE))
    return read_shot(folder, "shot")


# ------------------------------------------------------------------ splicing

@pytest.mark.parametrize("what", ["picture", "sound", "both"])
def test_outside_of_the_range_nothing_changes(known, what):
    part, old, new = Range(12, 36, what), Take(1, 60), Take(2, 90)
    made = Splice(known, Take(2, 90), part)
    frames, before, fresh = list(made.frames()), list(old.frames()), list(new.frames())
    assert len(frames) == COUNT
    same = [np.array_equal(a, b) for a, b in zip(frames, before, strict=True)]
    changed = part.picture
    assert same == [not changed or not 12 <= n < 36 for n in range(COUNT)]
    if changed:
        assert np.array_equal(frames[12], fresh[12])
        assert np.array_equal(frames[35 - BLEND], fresh[35 - BLEND])
        levels = [int(np.median(frame)) for frame in frames[35 - BLEND : 37]]
        assert levels == sorted(levels, reverse=True)  # back to the known ones, step by step
    sounds, seam = made.sounds(), int(SEAM * RATE)
    first, last = 12 * 2000, 36 * 2000
    for name in STEMS:
        was, want = old.sounds()[name], new.sounds()[name]
        assert np.array_equal(sounds[name][:, :first], was[:, :first])
        assert np.array_equal(sounds[name][:, last:], was[:, last:])
        inside = slice(first + seam, last - seam)
        assert np.array_equal(sounds[name][:, inside], (want if part.sound else was)[:, inside])
    assert made.contacts == sorted(
        [c for c in old.contacts if not (part.picture and 0.5 <= c < 1.5)]
        + [c for c in new.contacts if part.picture and 0.5 <= c < 1.5])
    assert made.spoken[0][1] == ("text 2" if part.sound else "text 1")
    assert np.array_equal(made.after["effects"], old.after["effects"])


def test_sound_that_stays_what_it_is_has_no_seam(known):
    part = Range(12, 36, "both")
    assert all(np.array_equal(sound, Take(1, 60).sounds()[name])
               for name, sound in Splice(known, Take(1, 90), part).sounds().items())


def test_a_range_to_the_end_takes_the_new_tail(known):
    made = Splice(known, Take(2, 90), Range(24, COUNT, "both"))
    frames = list(made.frames())
    assert np.array_equal(frames[-1], list(Take(2, 90).frames())[-1])
    made.sounds()
    assert float(made.after["effects"][0, 0]) == pytest.approx(0.2)


def test_room_tone_keeps_its_level_over_the_seams(known):
    made = Splice(known, Take(2, 60), Range(12, 36, "sound")).sounds()["ambience"]
    at = 12 * 2000
    power = [(made[:, at + k : at + k + 480] ** 2).mean() for k in range(-2400, 2400, 480)]
    assert 0.8 < min(power) / 0.01 and max(power) / 0.01 < 1.25


# ------------------------------------------------------------------ rooms

class Free:
    """A state model in which nothing stands in the way."""

    def step(self, player, bodies, row, around, tick=0):
        players, moments = [], []
        for _ in range(2):
            player = replace(player, pos=player.pos + player.vel / 24,
                             yaw=player.yaw - np.radians(row[-2]) / 2,
                             pitch=player.pitch + np.radians(row[-1]) / 2)
            bodies = bodies.with_(pos=bodies.pos + bodies.vel / 24)
            players.append(player)
            moments.append(bodies)
        return StateResult(tuple(players), tuple(moments), ())


def walked(variation, ticks=30):
    """Camera and ball after every frame of a walk, with and without a variation."""
    values = np.zeros((ticks, 9))
    values[:, -2] = 0.5
    sway = variation.sway(ticks)
    swayed = values + sway @ np.eye(9)[-2:]
    varied = VariedState(Free(), variation, Moves(swayed, ()), sway)
    out = []
    for model, rows in ((Free(), values), (varied, swayed)):
        player = Player((0, 0, 0), (0.5, 0, 0))
        bodies = Bodies.empty().add(BALL, (1, 0, 0.2), vel=(1.5, 0.3, 0))
        track = []
        for tick, row in enumerate(rows, 1):
            found = model.step(player, bodies, row, None, tick=tick)
            player, bodies = found.players[-1], found.bodies[-1]
            track += [[p.yaw, p.pitch, *b.pos[0]] for p, b in zip(found.players, found.bodies,
                                                                  strict=True)]
        out.append(np.array(track))
    return out


def test_a_varied_walk_leaves_and_comes_back():
    known, varied = walked(RoomVariation(6, 24, Range(12, 48, "both"), 5))
    apart = np.abs(known - varied)
    assert apart[:12].max() == 0 and apart[47:].max() < 1e-12
    assert apart[:, :2].max() > np.radians(0.3) and apart[:, 2:].max() > 0.03
    steps = np.abs(np.diff(varied, axis=0)), np.abs(np.diff(known, axis=0))
    assert steps[0].max() < 3 * max(steps[1].max(), 0.01)  # no jerk
    other = walked(RoomVariation(6, 24, Range(12, 48, "both"), 6))[1]
    assert np.abs(other - varied).max() > 1e-3


def test_a_retaken_picture_alone_leaves_things_as_they_are_heard():
    known, varied = walked(RoomVariation(6, 24, Range(12, 48, "picture"), 5))
    assert np.abs(known - varied)[:, 2:].max() == 0 < np.abs(known - varied)[:, :2].max()


def test_easing_ends_in_the_known_state():
    made = StateResult((Player((0, 0, 0), (0, 0, 0)),) * 2, (Bodies.empty(),) * 2, ())
    goal = StateResult((Player((1, 0, 0), (0, 0, 0), yaw=0.2),) * 2, (Bodies.empty(),) * 2, ())
    found = eased(made, goal, (0.5, 1.0))
    assert found.players[0].pos[0] == 0.5 and found.players[1] is goal.players[1]
    assert ticks_of(Range(13, 47, "both"), FPS, 12) == (7, 23)


# ------------------------------------------------------------------ faces

def test_curves_leave_the_known_ones_and_come_back():
    known, new = np.zeros((50, 24), np.float32), np.full((50, 24), 0.5, np.float32)
    part = Variation(Fraction(1, 2), Fraction(3, 2), Range(12, 36, "both"), 1)
    out = blended(known, new, part)
    yaw, jaw = out[:, INDEX["yaw"]], out[:, MOUTH[0]]
    assert (out[:13] == 0).all() and (out[37:] == 0).all() and yaw[25] == jaw[20] == 0.5
    assert np.abs(np.diff(yaw)).max() < 0.15 and (jaw >= yaw - 1e-6).all()
    ending = blended(known, new, Variation(Fraction(1), Fraction(2), Range(24, 48, "both"), 1))
    assert (ending[-1] == 0.5).all() and (ending[:25] == 0).all()


# ------------------------------------------------------------------ what does not fit

REPORT = SimpleNamespace(fps=FPS, frames=48, length=Fraction(2), gain=1.5)


@pytest.mark.parametrize(("new", "said"), [
    (Retake(Fraction(1), Fraction(3)), "within 0 to 2"),
    (Retake(Fraction(1), Fraction(1, 2)), "within 0"),
    (Retake(Fraction(1), Fraction(25, 24)), "too short"),
    (Retake(Fraction(0), Fraction(1), "smell"), "picture, sound, both"),
])
def test_a_range_that_does_not_fit_is_told(new, said):
    with pytest.raises(VideoError, match=said):
        checked(new, REPORT)


def test_a_retake_begins_and_ends_at_whole_frames():
    new = checked(Retake(Fraction(51, 100), Fraction(149, 100)), REPORT)
    assert (new.start, new.end, new.gain) == (Fraction(12, 24), Fraction(36, 24), 1.5)


def spoken_report():
    lines = (Line("Ada", "one two", Fraction(1, 2)), Line("Ben", "one two", Fraction(5, 2)))
    board = Storyboard((CastMember("Ada", voice="Grace"), CastMember("Ben", voice="Leo")),
                       (Shot(Fraction(4), "a brick hall", lines=lines),))
    told = (("Ada", "one two", Fraction(1, 2), Fraction(3, 2)),
            ("Ben", "one two", Fraction(5, 2), Fraction(7, 2)))
    return SimpleNamespace(fps=FPS, frames=96, length=Fraction(4), gain=0.0, board=board,
                           spoken=(told,),
                           shots=(SimpleNamespace(first=0, frames=96, called="shot 1"),))


@pytest.mark.parametrize(("text", "until"), [("", 39), ("one", 39), ("one two three", 51),
                                             ("one two three four five", 63)])
def test_the_range_of_a_line_is_as_long_as_it_needs(text, until):
    parts = SimpleNamespace(talker=Talker())
    new = line_retake(spoken_report(), 0, 0, text, 2, parts=parts)
    assert new.start == Fraction(9, 24) and new.end == Fraction(until, 24)
    assert (new.shot, new.line, new.text, new.what) == (0, 0, text, "both")
    assert line_retake(spoken_report(), 0, 0, text).end <= Fraction(63, 24)


def test_a_line_that_is_not_there_is_told():
    with pytest.raises(VideoError, match="line 3"):
        line_retake(spoken_report(), 0, 2)
    with pytest.raises(VideoError, match="shot 2"):
        line_retake(spoken_report(), 1, 0)


# ------------------------------------------------------------------ the measure

def test_a_hard_splice_is_seen_and_heard_by_the_measure():
    frames, sound = list(Take(1, 60).frames()), 0.3 * Take(1, 60).sounds()["effects"]
    clip = Heard(frames, sound, FPS, RATE)
    hard = [*frames[:12], *list(Take(1, 100).frames())[12:36], *frames[36:]]
    loud = sound.copy()
    loud[:, 24000:72000] *= 2
    span = (Fraction(1, 2), Fraction(3, 2))
    same = edge_ratio(clip, clip, span)
    assert same.ratio <= 1 and same.ratio_before < 2
    cut = edge_ratio(clip, Heard(hard, loud, FPS, RATE), span)
    assert min(cut.picture) > 5 and min(cut.level) > 5 and cut.ratio_before < 2
    assert mean_ratio([same, cut])[0] == pytest.approx((same.ratio + cut.ratio) / 2)
    assert edge_ratio(clip, clip, (Fraction(0), Fraction(2))).picture == ()


# ------------------------------------------------------------------ one for real

def test_a_retake_of_a_real_room(tmp_path):
    from gwm_core.video.film import make_film
    from gwm_core.video.shelf import Shelf

    parts = load_parts()
    board = Storyboard((), (Shot(Fraction(1), "a brick hall, a red ball", 7, "stand still",
                                 happens=(Happening(Fraction(1, 12), "Q"),)),),
                       width=128, height=80)
    first = make_film(board, tmp_path / "a.mp4", parts=parts, folder=tmp_path / "shelf",
                      stems=True)
    again = retake(first, None, Fraction(1, 3), Fraction(5, 6), "both", 3, parts=parts,
                   folder=tmp_path / "shelf", path=tmp_path / "b.mp4", stems=True)
    assert (again.frames, again.samples) == (first.frames, first.samples) == (24, 48000)
    shelf = Shelf(tmp_path / "shelf")
    one, two = (shelf.get(film.shots[0].key) for film in (first, again))
    apart = [float(np.abs(a.astype(int) - b).mean())
             for a, b in zip(one.pictures(), two.pictures(), strict=True)]
    assert max(apart[:8]) == max(apart[20:]) == 0 < min(apart[9:17])
    with one.sound("effects") as a, two.sound("effects") as b:
        differ = np.flatnonzero(np.abs(a[:, :] - b[:, :]).max(axis=0))
    assert 16000 <= differ.min() and differ.max() < 40000
    with SoundFile(first.stems["mix"]) as a, SoundFile(again.stems["mix"]) as b:
        differ = np.flatnonzero(np.abs(a[:, :] - b[:, :]).max(axis=0))
    assert differ.min() > 16000 - 480 and differ.max() < 40000 + 9600  # and the limiter's reach
    # What was retaken is part of the film: it is kept, and made again from the values alone.
    third = make_film(first.board, tmp_path / "c.mp4", parts=parts, folder=tmp_path / "shelf",
                      retakes=again.retakes)
    assert third.shots[0].key == again.shots[0].key and third.shots[0].kept


# ------------------------------------------------------------------ lines

class Talker:
    """Says a tone of the seed; half a second for every word."""

    fingerprint = "talker"

    def plan(self, script, voice, pace=1.0, seconds=None):
        natural = Fraction(len(script.words), 2)
        if seconds is not None and natural > Fraction(5, 4) * seconds:
            raise VideoError(f"{float(natural)} s of text in {float(seconds)} s")
        return SimpleNamespace(seconds=natural if seconds is None else Fraction(seconds))

    def say(self, timed, voice, seed=0, stop=None, progress=None):
        count = int(timed.seconds * 24000)
        tone = 0.2 * np.sin(np.arange(count) * (seed % 97 + 30) / 700)
        return SimpleNamespace(sound=tone.astype(np.float32), rate=24000,
                               motion=np.zeros((int(timed.seconds * 25), 24), np.float32),
                               timed=timed)

    def retake(self, spoken, start, end, what="both", seed=1, stop=None):
        self.asked = (round(start, 3), round(end, 3), what)
        sound = spoken.sound.copy()
        if what != "motion":
            sound[int(start * 24000) : int(end * 24000)] = -0.5
        return SimpleNamespace(**{**vars(spoken), "sound": sound})


def said_with(*variations, lines=None):
    board = Storyboard(
        (CastMember("Ada", voice="Grace"), CastMember("Ben", voice="Leo")),
        (Shot(Fraction(4), "a brick hall", lines=lines or (
            Line("Ada", "one two", Fraction(1, 2)), Line("Ben", "one two", Fraction(2)))),))
    talker = Talker()
    lines = VariedLines(board, 0, SimpleNamespace(talker=talker), variations)
    return lines, talker


def test_a_range_of_a_line_is_said_again_and_no_other_line():
    before = said_with()[0].sound(4 * RATE)
    part = Variation(Fraction(1), Fraction(3, 2), Range(24, 36, "both"), 4)
    lines, talker = said_with(part)
    after = lines.sound(4 * RATE)
    assert talker.asked == (0.5, 1.0, "both")
    differ = np.flatnonzero(np.abs(after - before).max(axis=0) > 1e-3)
    # Resampling reaches a little way to either side; the splice takes the range alone.
    assert abs(differ.min() - RATE) < 60 and abs(differ.max() - 1.5 * RATE) < 60
    assert np.abs(after[:, RATE + 60 : RATE + 2000] + 0.5 * np.sqrt(0.5)).max() < 1e-3
    silent = said_with(replace(part, part=Range(24, 36, "picture")))
    assert np.array_equal(silent[0].sound(4 * RATE), before) and silent[1].asked[2] == "motion"


def test_a_line_is_reworded_in_the_time_that_is_there():
    new = Variation(Fraction(3, 8), Fraction(2), Range(9, 48, "both"), 4, 0, "one two three")
    lines, _ = said_with(new)
    assert [line[1] for line in lines.spoken] == ["one two three", "one two"]
    assert lines.spoken[0][2:] == (Fraction(1, 2), Fraction(2))
    with pytest.raises(VideoError, match="1.50 s for the new text"):
        _ = said_with(replace(new, text="one two three four five six"))[0].said


def test_a_line_is_said_again_in_the_same_time():
    lines, talker = said_with(
        Variation(Fraction(3, 8), Fraction(2), Range(9, 48, "both"), 4, 0, "", "Ada"))
    first = said_with()[0]
    assert lines.spoken == first.spoken and not hasattr(talker, "asked")
    apart = np.abs(lines.sound(4 * RATE) - first.sound(4 * RATE)).max(axis=0)
    assert apart[RATE] > 1e-3 and apart[2 * RATE :].max() == 0


def test_a_recording_stays_what_it_is():
    take = Recording(np.full((1, RATE), 0.25, np.float32), RATE)
    lines = (Line("Ada", "one", Fraction(1, 2), take),)
    part = Variation(Fraction(1), Fraction(3, 2), Range(24, 36, "both"), 4)
    varied, talker = said_with(part, lines=lines)
    assert np.array_equal(varied.sound(4 * RATE), said_with(lines=lines)[0].sound(4 * RATE))
    assert not hasattr(talker, "asked")
