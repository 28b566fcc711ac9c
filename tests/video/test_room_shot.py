"""A shot of a room: exact counts, the model's own sound by stems, the same room every time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from gwm_core.embodiment import rooms_embodiment
from gwm_core.errors import Cancelled, VideoError
from gwm_core.model.audio_tokenizer import AudioTokenizer
from gwm_core.model.audio_tokens import encode_events
from gwm_core.video import room_pace
from gwm_core.video.enlarge import Enlarger
from gwm_core.video.retime import needed, retimed
from gwm_core.video.room_moves import moves_of
from gwm_core.video.room_sound import RoomSound
from gwm_core.video.shots import open_shot
from gwm_core.video.storyboard import Happening, Shot, Storyboard
from gwm_core.video.timeline import samples_of

BED = np.full(9, 1.0, np.float32)
BED[8] = 0
PLACE = "a brick hall"


def board(*shots, **more):
    return Storyboard((), shots, **{"width": 128, "height": 72, **more})


def room(seconds, **more):
    return Shot(Fraction(seconds), PLACE, 3, **more)


# ---------------------------------------------------------------------- with the model


def test_frames_and_samples_are_exactly_the_shots(parts):
    film = board(room(Fraction(17, 25), camera="stand still"), fps=Fraction(25), sample_rate=44100)
    take = open_shot(film, 0, parts)
    frames, sounds = list(take.frames()), take.sounds()
    assert len(frames) == 17 and frames[0].shape == (72, 128, 3)
    want = (2, samples_of(17, Fraction(25), 44100))
    assert {name: part.shape for name, part in sounds.items()} == dict.fromkeys(
        ("dialogue", "effects", "ambience"), want)
    assert not sounds["dialogue"].any()
    # A room has been there before: its tone neither fades in nor is it silent.
    level = np.sqrt(np.square(sounds["ambience"][0]).reshape(-1, 1764).mean(1))
    assert level[0] > 0.4 * np.median(level) > 0
    with pytest.raises(RuntimeError):
        next(take.frames())


def test_a_throw_is_seen_and_heard_at_its_time_and_the_same_again(parts):
    film = board(room(2, camera="stand still", happens=(Happening(Fraction(1, 2), "Q"),)),
                 room(Fraction(1, 4), camera="stand still"))
    takes = [open_shot(film, 0, parts) for _ in range(2)]
    pictures = [list(take.frames()) for take in takes]
    sounds = [take.sounds() for take in takes]
    for one, other in zip(*pictures, strict=True):
        assert np.array_equal(one, other)
    for name in sounds[0]:
        assert np.array_equal(sounds[0][name], sounds[1][name]), name
    heard = np.abs(sounds[0]["effects"]).mean(0)
    assert heard[: 23000].max() < 1e-4 < heard[24000:].max()
    assert takes[0].contacts
    for contact in takes[0].contacts:
        at = int(contact * 48000)
        before, after = heard[at - 4000 : at - 1000].max(), heard[at - 1000 : at + 3000].max()
        assert after > before or after > 0.01, float(contact)
    # Another shot of the place: the same room, seen from the same spot.
    again = next(iter(open_shot(film, 1, parts).frames()))
    assert np.abs(again.astype(int) - pictures[0][0]).mean() < 1.5


def test_a_shot_that_is_stopped(parts):
    with pytest.raises(Cancelled):
        next(iter(open_shot(board(room(1)), 0, parts, stop=lambda: True).frames()))


# ---------------------------------------------------------------------- without it


def test_stems_add_up_to_the_models_sound():
    decoder = AudioTokenizer().eval()
    rows = [(1, 0, 0, 0, 0.8, 1.0, 0.16), (1, 1, 1, 2, 0.6, 1.5, 0.16),
            (3, 0, 0, 4, 0.7, 2.0, 0.16)]
    tokens = encode_events(rows, 4, BED)
    sound = RoomSound(decoder, 11, BED, steps=1.0)
    for row, side in zip(tokens, (0.9, None, -0.9, None), strict=True):
        sound.tick(row[None], (side, None))
    stems = sound.stems()
    before = np.zeros((1, 3, 16), np.float32)
    before[0, 2, :9] = BED
    with torch.no_grad():
        _, ringing = decoder.decode(torch.from_numpy(before), None, 11, 0)
        whole, _ = decoder.decode(torch.from_numpy(tokens), ringing, 11, 1)
    mid = (stems["effects"] + stems["ambience"]).mean(0)
    assert np.abs(mid - whole.numpy()).max() < 1e-6
    # The tone alone would be no split: the impacts have to be in the effects, on their sides.
    left, right = np.square(stems["effects"]).reshape(2, 4, -1).sum(2)
    assert right[0] > 4 * left[0] and left[2] > 2 * right[2]
    assert np.abs(stems["ambience"]).max() < 0.1 * np.abs(stems["effects"]).max()


def test_quieter_steps_leave_impacts_as_they_are():
    decoder = AudioTokenizer().eval()
    loud, soft = (RoomSound(decoder, 5, BED, steps=s) for s in (1.0, 0.5))
    tokens = encode_events([(1, 0, 1, 0, 0.7, 1.5, 0.16), (6, 0, 0, 0, 0.7, 1.5, 0.16)], 6, BED)
    for row in tokens:
        for sound in (loud, soft):
            sound.tick(row[None], (None, None))
    a, b = (s.stems()["effects"][0].reshape(6, -1) for s in (loud, soft))
    assert 0.45 < np.abs(b[0]).max() / np.abs(a[0]).max() < 0.56
    assert np.abs(a[5] - b[5]).max() < 0.1 * np.abs(a[5]).max()


def test_sentences_are_played_or_said():
    body = rooms_embodiment()
    shot = Shot(Fraction(3), happens=(
        Happening(Fraction(1), "a ball is thrown"), Happening(Fraction(3, 2), "SPACE"),
        Happening(Fraction(2), "the lights go out"), Happening(Fraction(9), "Q")))
    moves = moves_of(shot, 0, body, 36)
    names = body.control_names
    for name, tick in (("throw", 12), ("jump", 18)):
        assert np.flatnonzero(moves.values[:, names.index(name)]).tolist() == [tick], name
    assert moves.events == ((24, "the lights go out"),)
    # Without a camera it pans, gently and without a jerk.
    pan = moves.values[:, names.index("look_x")]
    assert pan.any() and np.abs(pan).max() < 1.5 and np.abs(np.diff(pan)).max() < 0.2
    with pytest.raises(VideoError, match="camera"):
        moves_of(Shot(Fraction(1), camera="fly away"), 0, body, 12)


def test_a_walk_by_name_ends_before_a_wall_and_then_looks_about(parts):
    shot = Shot(Fraction(6), "a brick hall by day", 5, camera="walk forward")
    world = parts.place(shot.place, shot.seed)
    body, names = world.embodiment, world.embodiment.control_names
    asked = moves_of(shot, 0, body, 72)
    moves = room_pace.paced(asked, shot, world)
    walks = moves.values[:, names.index("W")] > 0
    stop = int(walks.sum())
    assert 2 < stop < 60 and walks[:stop].all() and asked.values[:, names.index("W")].all()
    far, near = (np.linalg.norm(np.diff(room_pace.tried(m, world), axis=0), axis=1).sum()
                 for m in (asked, moves))
    assert near < far - 0.8
    look = moves.values[:, names.index("look_x")]
    assert not look[:stop].any() and 12 < np.abs(np.cumsum(look)).max() <= room_pace.LOOK
    assert np.abs(look).max() < 2
    # Control text is played as it is written, and who is not stopped walks on.
    told = Shot(Fraction(6), camera="W*72")
    assert room_pace.paced(asked, told, world) is asked
    short = moves_of(Shot(Fraction(1, 2), camera="walk forward"), 0, body, 6)
    assert room_pace.paced(short, replace(shot, seconds=Fraction(1, 2)), world) is short


def test_a_walk_is_stopped_where_its_pace_falls_for_good():
    pace, walks = np.full(20, 0.14), np.ones(20, bool)
    assert room_pace.end_of(pace, walks) is None
    pace[9] = 0.01  # a stumble
    assert room_pace.end_of(pace, walks) is None
    pace[14:] = 0.01
    assert room_pace.end_of(pace, walks) == 14
    walks[16:] = False  # it was asked to stand
    assert room_pace.end_of(pace, walks) is None


def test_other_rates_move_evenly():
    def picture(x):
        at = np.arange(96, dtype=np.float32)
        bump = 200 * np.exp(-0.5 * ((at - x) / 6) ** 2)
        return np.repeat(np.repeat(bump[None, :, None], 48, 0), 3, 2).astype(np.uint8)

    source = [picture(30 + 3 * k) for k in range(9)]
    same = list(retimed(iter(source), Fraction(24), Fraction(24), 9))
    assert all(a is b for a, b in zip(same, source, strict=True))
    double = list(retimed(iter(source), Fraction(24), Fraction(48), 16))
    middle = [float((f[24, :, 0] * np.arange(96.0)).sum() / f[24, :, 0].sum()) for f in double]
    assert np.abs(np.diff(middle) - 1.5).max() < 0.6
    # A blend of two would be flatter than either.
    assert min(int(f.max()) for f in double) > 185
    assert needed(16, Fraction(24), Fraction(48)) == 9
    assert len(list(retimed(iter(source), Fraction(24), Fraction(12), 4))) == 4


def test_enlarging_turns_steps_into_lines():
    small = np.full((40, 64, 3), 40, np.uint8)
    for y in range(40):
        small[y, 10 + y // 3 :] = 200
    enlarge = Enlarger((64, 40), (256, 144))
    ours = enlarge(small)
    plain = cv2.resize(small[2:38], (256, 144), interpolation=cv2.INTER_LANCZOS4)

    def roughness(picture):
        """How far the edge strays from a straight line, in pixels."""
        rows = np.arange(20, 120)
        place = np.array([np.argmax(picture[row, :, 0] > 120) for row in rows], float)
        return float(np.abs(place - np.polyval(np.polyfit(rows, place, 1), rows)).mean())

    assert roughness(ours) < 0.75 * roughness(plain)
    # As crisp as the kernel alone, and no more of a halo than that.
    assert ours.min() >= int(plain.min()) - 12 and ours.max() <= int(plain.max()) + 12
    assert np.abs(np.diff(ours[70, :, 0].astype(int))).max() > 40
    flat = np.full((40, 64, 3), 77, np.uint8)
    assert (enlarge(flat) == 77).all()
    assert Enlarger((64, 40), (32, 20))(small).shape == (20, 32, 3)
