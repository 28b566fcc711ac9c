"""The film's own code, with a stand-in for the shots of the models: small pictures and sounds that
can be told apart. A film with real shots is made in ``test_retake.py``."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from gwm_core.errors import Cancelled, VideoError
from gwm_core.video import film as film_module
from gwm_core.video.cutting import Fade, carried_on, cut_pictures, mixed
from gwm_core.video.film import make_film
from gwm_core.video.kept_shot import HEAD, PICTURES, read_shot
from gwm_core.video.shelf import PART, Shelf
from gwm_core.video.shot_key import shot_key
from gwm_core.video.sound_file import SoundFile, write_sound
from gwm_core.video.storyboard import CastMember, Happening, Line, Shot, Storyboard
from gwm_core.video.timeline import Timeline, frames_of, samples_of

av = pytest.importorskip("av")
TAIL = 2400
PARTS = SimpleNamespace(rooms=None, faces=None, talker=SimpleNamespace(fingerprint="t"))
SIZE = (64, 64)


class Take:
    """Frame n of a shot is one colour of its seed; one beep; a bed of noise that never stops."""

    made: list[int] = []

    def __init__(self, board, index, parts=None, stop=None):
        self.board, self.index, self.shot = board, index, board.shots[index]
        self.count = frames_of(self.shot.seconds, board.fps)
        self.samples = samples_of(self.count, board.fps, board.sample_rate)
        self.contacts = [Fraction(self.shot.seconds) / 2]
        self.spoken = [(line.who, line.text, Fraction(1, 4), Fraction(1, 2))
                       for line in self.shot.lines]
        fall = np.linspace(1, 0, TAIL, dtype=np.float32)
        self.after = {"effects": np.full((2, TAIL), 0.05, np.float32) * fall}
        Take.made.append(index)

    def frames(self):
        for n in range(self.count):
            frame = np.zeros((self.board.height, self.board.width, 3), np.uint8)
            frame[...] = ((40 + 50 * self.shot.seed) % 256, 8 * n % 256, 128)
            frame[:, : n % self.board.width, 2] = 200
            yield frame

    def sounds(self):
        rng = np.random.default_rng(self.shot.seed)
        effects = np.zeros((2, self.samples), np.float32)
        effects[:, self.samples // 2 : self.samples // 2 + 480] = 0.3
        effects[:, -240:] = 0.05
        bed = rng.normal(0, 0.01, (2, self.samples)).astype(np.float32)
        return {"effects": effects, "ambience": bed}

    def to_keep(self):
        return {"motion": np.arange(6, dtype=np.float32), "who": "nobody"}


@pytest.fixture
def takes(monkeypatch):
    """The film's shots are stand-ins; the list of those that were made."""
    monkeypatch.setattr(film_module, "open_shot", Take)
    monkeypatch.setattr(Take, "made", [])
    return Take.made


def board(*cuts, seconds=1, fps=24, rate=48000, size=SIZE):
    shots = [Shot(Fraction(seconds), place="a brick hall", seed=k, cut=cut,
                  cut_seconds=Fraction(1, 4)) for k, cut in enumerate(cuts)]
    return Storyboard((), tuple(shots), Fraction(fps), *size, rate, title="A film")


def decoded(path):
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def heard(path):
    with av.open(str(path)) as file:
        parts = [frame.to_ndarray() for frame in file.decode(audio=0)]
    return np.concatenate(parts, axis=1)


def seen_colours(frames):
    return np.array([frame[:, -8:, 0].mean() for frame in frames])


# ------------------------------------------------------------------ the whole

def test_a_film_has_exactly_its_frames_and_samples_and_its_cuts(takes, tmp_path):
    made = make_film(board("cut", "cut", "dissolve", "j-cut", "l-cut"), tmp_path / "film.mp4",
                     parts=PARTS, folder=tmp_path / "shelf", stems=True, srt=True)
    assert (made.frames, made.samples) == (5 * 24 - 3 * 6, (5 * 24 - 3 * 6) * 2000)
    frames = decoded(made.path)
    assert len(frames) == made.frames
    red = seen_colours(frames)
    assert abs(red[23] - 40) < 6 and abs(red[24] - 90) < 6          # a cut at its frame
    assert abs(red[41] - 90) < 6 and 90 < red[44] < 140             # a dissolve between
    assert abs(red[48] - 140) < 6
    # The j-cut's picture waits until the overlap is over; the l-cut's comes as it begins.
    assert abs(red[65] - 140) < 6 and abs(red[66] - 190) < 6
    assert abs(red[77] - 190) < 6 and abs(red[78] - 240) < 6
    for name, path in made.stems.items():
        with SoundFile(path) as sound:
            assert sound.shape == (2, made.samples), name
    assert abs(made.loudness + 23) < 0.5 and made.true_peak <= -1
    with av.open(str(made.path)) as file:
        assert "a brick hall" in file.metadata["comment"]
        assert file.streams.audio[0].start_time == file.streams.video[0].start_time == 0
    assert not list(tmp_path.glob(".*")) and not list((tmp_path / "shelf").glob(f"{PART}*"))
    assert "5 shots" in made.text()


def test_sound_in_the_file_stays_where_it_is_seen(takes, tmp_path):
    made = make_film(board("cut", "cut"), tmp_path / "film.mp4", parts=PARTS,
                     folder=tmp_path / "shelf", stems=True)
    with SoundFile(made.stems["mix"]) as sound:
        mix = sound[:, :]
    coded = heard(made.path)
    assert coded.shape[1] >= made.samples  # the codec's frames of 1024 are padded at the end
    coded = coded[:, : made.samples]
    best = max(range(-1200, 1201, 8),
               key=lambda k: float((mix[0, 2400:-2400] * np.roll(coded[0], k)[2400:-2400]).sum()))
    assert abs(best) <= 8


@pytest.mark.parametrize(("fps", "rate"), [("30000/1001", 44100), ("25", 48000), ("12", 22050)])
def test_odd_rates_are_exact_too(takes, tmp_path, fps, rate):
    film = board("cut", "dissolve", "cut", fps=Fraction(fps), rate=rate, seconds="1/2")
    made = make_film(film, tmp_path / "film.mp4", parts=PARTS, folder=tmp_path / "shelf",
                     stems=True)
    frames = [frames_of(shot.seconds, film.fps) for shot in film.shots]
    assert made.frames == sum(frames) - frames_of(Fraction(1, 4), film.fps) == len(
        decoded(made.path))
    assert made.samples == made.frames * rate // film.fps
    with SoundFile(made.stems["mix"]) as sound:
        assert (sound.shape[1], sound.rate) == (made.samples, rate)
    with av.open(str(made.path)) as file:
        assert file.streams.video[0].average_rate == film.fps
        assert file.streams.audio[0].rate == rate


def test_the_stems_add_up_to_the_mix(takes, tmp_path):
    quiet = replace(board("cut", "cut"), loudness=-33.0)
    made = make_film(quiet, tmp_path / "film.mp4", parts=PARTS, folder=tmp_path / "shelf",
                     stems=True)
    sounds = {}
    for name, path in made.stems.items():
        with SoundFile(path) as sound:
            sounds[name] = sound[:, :]
    total = sounds["dialogue"] + sounds["effects"] + sounds["ambience"]
    assert np.abs(total).max() < 0.5  # so the limiter has nothing to do
    assert np.abs(total - sounds["mix"]).max() < 1e-5


def test_room_tone_goes_on_over_a_cut_and_what_rings_is_heard_after_it(takes, tmp_path):
    made = make_film(board("cut", "cut"), tmp_path / "film.mp4", parts=PARTS,
                     folder=tmp_path / "shelf", stems=True)
    with SoundFile(made.stems["ambience"]) as sound:
        bed = sound[:, :]
    level = np.sqrt((bed[:, 2400:-2400].reshape(2, -1, 1200) ** 2).mean((0, 2)))
    around = level[(48000 - 2400) // 1200 - 8 : (48000 - 2400) // 1200 + 8]
    assert around.min() > 0.85 * np.median(level) and around.max() < 1.15 * np.median(level)
    with SoundFile(made.stems["effects"]) as sound:
        effects = sound[:, :]
    rings = np.abs(effects[0, 48000 : 48000 + TAIL])
    assert rings[10] > 0.8 * np.abs(effects[0, 47900]) > 0
    assert np.abs(np.diff(effects[0, 47990:48010])).max() < 0.1 * np.abs(effects[0, 47990])


# ------------------------------------------------------------------ kept shots

def test_only_a_changed_shot_is_made_again(takes, tmp_path):
    first = board("cut", "cut", "cut")
    one = make_film(first, tmp_path / "a.mp4", parts=PARTS, folder=tmp_path / "shelf")
    assert takes == [0, 1, 2] and not any(shot.kept for shot in one.shots)
    again = make_film(first, tmp_path / "b.mp4", parts=PARTS, folder=tmp_path / "shelf")
    assert takes == [0, 1, 2] and all(shot.kept for shot in again.shots)
    same = all(np.array_equal(a, b) for a, b in zip(decoded(one.path), decoded(again.path),
                                                    strict=True))
    assert same
    takes.clear()
    shots = list(first.shots)
    shots[1] = replace(shots[1], happens=(Happening(Fraction(1, 2), "Q"),))
    shots[2] = replace(shots[2], cut="dissolve")
    make_film(replace(first, shots=tuple(shots)), tmp_path / "c.mp4", parts=PARTS,
              folder=tmp_path / "shelf")
    assert takes == [1]


def test_the_digest_counts_what_a_shot_depends_on():
    ada = CastMember("Ada", voice="x")
    base = replace(board("cut", "cut"), cast=(ada, CastMember("Ben", voice="y")))
    spoken = replace(base, shots=(
        replace(base.shots[0], lines=(Line("ada", "Hello."),)), base.shots[1]))
    key = shot_key(spoken, 0, ["rooms"])
    assert key == shot_key(replace(spoken, loudness=-16.0, title="other"), 0, ["rooms"])
    others = [
        shot_key(base, 0, ["rooms"]), shot_key(spoken, 0, ["other"]), shot_key(spoken, 1),
        shot_key(replace(spoken, width=128), 0, ["rooms"]),
        shot_key(replace(spoken, cast=(replace(ada, voice="z"), base.cast[1])), 0, ["rooms"]),
    ]
    assert len({key, *others}) == 1 + len(others)
    ben = replace(spoken, cast=(ada, replace(base.cast[1], voice="z")))
    assert shot_key(ben, 0, ["rooms"]) == key  # he is not in it


def test_a_stopped_film_keeps_its_finished_shots_and_leaves_no_file(takes, tmp_path):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 36

    with pytest.raises(Cancelled):
        make_film(board("cut", "cut"), tmp_path / "film.mp4", parts=PARTS,
                  folder=tmp_path / "shelf", stop=stop)
    assert not list(tmp_path.glob("*.mp4")) and not list(tmp_path.glob(".*"))
    assert not list((tmp_path / "shelf").glob(f"{PART}*"))
    made = make_film(board("cut", "cut"), tmp_path / "film.mp4", parts=PARTS,
                     folder=tmp_path / "shelf")
    assert [shot.kept for shot in made.shots] == [True, False]


def test_a_damaged_shot_is_made_again(takes, tmp_path):
    film = board("cut")
    made = make_film(film, tmp_path / "film.mp4", parts=PARTS, folder=tmp_path / "shelf")
    place = tmp_path / "shelf" / made.shots[0].key
    whole = (place / PICTURES).read_bytes()
    (place / PICTURES).write_bytes(whole[: len(whole) // 2])
    assert read_shot(place, made.shots[0].key) is None
    takes.clear()
    make_film(film, tmp_path / "film.mp4", parts=PARTS, folder=tmp_path / "shelf")
    assert takes == [0]
    (place / HEAD).write_text(json.dumps({"format": 99}))
    make_film(film, tmp_path / "film.mp4", parts=PARTS, folder=tmp_path / "shelf")
    assert takes == [0, 0]


def test_the_shelf_drops_the_shots_used_longest_ago(takes, tmp_path):
    shelf = tmp_path / "shelf"
    one = make_film(board("cut", "cut"), tmp_path / "a.mp4", parts=PARTS, folder=shelf)
    room = Shelf(shelf).nbytes
    other = replace(board("cut"), fps=Fraction(25))
    two = make_film(other, tmp_path / "b.mp4", parts=PARTS, folder=shelf, max_bytes=room)
    keys = set(Shelf(shelf).keys())
    assert two.shots[0].key in keys and Shelf(shelf).nbytes <= room
    assert one.shots[0].key not in keys
    # A film's own shots stay, whatever the bound.
    three = make_film(board("cut", "cut"), tmp_path / "a.mp4", parts=PARTS, folder=shelf,
                      max_bytes=0)
    assert {shot.key for shot in three.shots} <= set(Shelf(shelf).keys())


def test_kept_pictures_and_sounds_are_bit_for_bit(takes, tmp_path):
    film = board("cut")
    made = make_film(film, tmp_path / "film.mp4", parts=PARTS, folder=tmp_path / "shelf")
    shot, take = Shelf(tmp_path / "shelf").get(made.shots[0].key), Take(film, 0)
    for kept, frame in zip(shot.pictures(), take.frames(), strict=True):
        assert np.array_equal(kept, frame)
    assert np.array_equal(next(shot.pictures(7)), list(take.frames())[7])
    with shot.sound("ambience") as sound:
        assert np.array_equal(sound[:, :], take.sounds()["ambience"])
    assert np.array_equal(shot.after("effects"), take.after["effects"])
    assert np.array_equal(shot.kept()["motion"], take.to_keep()["motion"])
    assert shot.about["who"] == "nobody" and shot.contacts == (0.5,)


# ------------------------------------------------------------------ what does not fit

def test_a_take_of_the_wrong_length_is_refused(takes, tmp_path, monkeypatch):
    monkeypatch.setattr(Take, "sounds", lambda self: {"effects": np.zeros((2, 100), np.float32)})
    with pytest.raises(VideoError, match="effects"):
        make_film(board("cut"), tmp_path / "film.mp4", parts=PARTS, folder=tmp_path / "shelf")
    monkeypatch.setattr(Take, "frames", lambda self: iter(()))
    with pytest.raises(VideoError, match="0 frames were made; 24"):
        make_film(board("cut"), tmp_path / "film.mp4", parts=PARTS, folder=tmp_path / "shelf")


@pytest.mark.parametrize("name", ["film.avi", "nowhere/film.mp4"])
def test_a_wrong_path_is_told_before_any_work(takes, tmp_path, name):
    with pytest.raises(VideoError, match="film"):
        make_film(board("cut"), tmp_path / name, parts=PARTS, folder=tmp_path / "shelf")
    assert not takes


def test_a_sound_file_says_when_it_is_cut_off(tmp_path):
    path = tmp_path / "a.wav"
    write_sound(path, np.ones((2, 1000), np.float32), 48000)
    from scipy.io import wavfile

    rate, data = wavfile.read(path)
    assert rate == 48000 and data.shape == (1000, 2) and (data == 1).all()
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(VideoError, match="cut off"):
        SoundFile(path)


# ------------------------------------------------------------------ cutting alone

def test_two_fades_of_unlike_sound_keep_the_level():
    out, into = Fade(0, 1000, 0, 400).gain(600, 1000), Fade(0, 1000, 400, 0).gain(0, 400)
    assert np.allclose(out**2 + into**2, 1, atol=1e-6)


def test_a_bed_is_carried_on_without_a_step():
    sound = np.sin(np.linspace(0, 20, 500))[None].astype(np.float32)
    more = carried_on(lambda a, b: sound[:, a:b], 500, -50, 550)
    assert more.shape == (1, 600) and np.array_equal(more[:, 50:550], sound)
    assert np.abs(np.diff(more)).max() <= np.abs(np.diff(sound)).max() + 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_cuts_shows_what_the_timeline_says(seed):
    generator = np.random.default_rng(seed)
    cuts = generator.choice(["cut", "dissolve", "j-cut", "l-cut"], 6)
    cuts[0] = generator.choice(["cut", "dissolve"])
    timeline = Timeline(board(*(str(cut) for cut in cuts)))

    def shot(number):
        return lambda a, b: (np.full((1, 1, 3), 100 * (number % 2) + k, np.uint8)
                             for k in range(a, b))

    frames = list(cut_pictures(timeline, [shot(k) for k in range(len(cuts))]))
    assert len(frames) == timeline.frames
    for n, frame in enumerate(frames):
        seen = timeline.at_frame(n)
        if len(seen) == 1 and n >= timeline.shots[0].fade:
            placed = seen[0]
            assert frame[0, 0, 0] == 100 * (placed.index % 2) + n - placed.first_frame


def test_a_dissolve_of_the_first_shot_comes_from_black():
    timeline = Timeline(board("dissolve", "cut"))
    white = np.full((2, 2, 3), 240, np.uint8)
    frames = list(cut_pictures(timeline, [lambda a, b: iter([white] * (b - a))] * 2))
    levels = [int(frame[0, 0, 0]) for frame in frames]
    assert len(levels) == 48 and levels[:6] == [34, 69, 103, 137, 171, 206] and levels[6] == 240
    assert mixed(white, white, 0, 3).tolist() == white.tolist()
