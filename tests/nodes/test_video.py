"""Films in the real server: storyboards, films with their stems, retakes, sound for a clip."""

from __future__ import annotations

import json

import av
import pytest

from gwm_core.cli.client import PromptFailed

from .faces import faces  # noqa: F401
from .films import SIZE, FilmGraph
from .graph import cancelled, progress, told
from .robots import digest, shape, tell_all

pytestmark = pytest.mark.usefixtures("faces")

TEXT = """title: Two rooms
size: 128x72   fps: 24
cast: Ada (voice: Ruby)

shot: hall, 12 frames
place: a stone hall at dusk   seed: 3
camera: stand still

shot: 12 frames, dissolve 4 frames
camera: walk forward
"""


def test_a_written_storyboard_is_shown_and_told(lab):
    graph = FilmGraph()
    board = graph.board(TEXT)
    sheet, text, report = tell_all(lab, graph, (board, 1), (board, 2), (board, 3))
    height, width, _ = shape(sheet)[1:]
    assert width == 1600 and height > 300
    assert "a stone hall at dusk" in text and "dissolve" in text
    assert "2 shots, 0.83 s, 128 x 72 at 24 frames a second" in report


@pytest.mark.parametrize("text, words", (
    ("shot: 1 s\nplace: a hall\nseen: Adda", "Adda"), ("shot: 0 s\nplace: a hall", "0 s"),
    ("shot: 1 s\nplase: a hall", "line 2"), ("", "write a storyboard")))
def test_what_is_no_storyboard_is_refused_before_any_work(lab, text, words):
    graph = FilmGraph()
    graph.board(text)
    with pytest.raises(PromptFailed, match=words):
        lab.queue(graph.prompt)


def test_names_of_a_cast_are_there_once(lab):
    graph = FilmGraph()
    graph.board("shot: 1 s\nplace: a hall", cast=graph.member("ada", graph.member("Ada")))
    with pytest.raises(PromptFailed, match="in the cast already"):
        lab.queue(graph.prompt)


def test_a_film_is_exact_and_only_changed_shots_are_made_again(lab):
    graph = FilmGraph()
    node = graph.film(graph.two_shots())
    graph.add("SaveVideo", video=[node, 0], filename_prefix="film", format="auto", codec="auto")
    tells = [graph.tell(node, slot) for slot in (1, 2, 3, 4, 5, 6, 8)]
    entry = lab.queue(graph.prompt, timeout=280)
    images, *sounds, srt, report = (told(entry, tell) for tell in tells)
    assert shape(images) == [24, SIZE[1], SIZE[0], 3]
    assert all("[1, 2, 48000]" in sound and "sample_rate: int 48000" in sound for sound in sounds)
    assert "Hello." in srt and "-->" in srt and "2 shots made" in report
    (path,) = (file for file in lab.outputs(entry) if file.suffix == ".mp4")
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert (stream.frames, stream.average_rate) == (24, 24)
        assert (stream.width, stream.height) == SIZE and video.streams.audio[0].rate == 48000

    again = FilmGraph()
    film = again.film(again.two_shots(camera="medium"))
    changed, report = tell_all(lab, again, (film, 1), (film, 8))
    assert digest(changed) != digest(images) and "1 shots made, 1 kept" in report

    retaken = FilmGraph()
    film = retaken.film(retaken.two_shots())
    take = retaken.add("GWMRetake", film=[film, 7], rooms=["1", 0], faces=["2", 0], start=0.6,
                       end=0.95, what="picture", seed=5, words="", max_frames=100)
    before, after, mix, new_mix, report, told_of_take = tell_all(
        lab, retaken, (film, 1), (take, 1), (film, 2), (take, 2), (film, 8), (take, 8))
    assert "0 shots made, 2 kept" in report and "1 shots made, 1 kept" in told_of_take
    assert digest(before) == digest(images), "the same storyboard is the same film"
    assert digest(after) != digest(before) and digest(mix) == digest(new_mix)


def test_cancel_ends_a_film_at_once_and_leaves_no_half_one(lab):
    graph = FilmGraph()
    long = graph.shot(place="a brick hall", seconds=60.0, camera="look around")
    node = graph.film(graph.board(shots=long))
    graph.tell(node, 8)
    folder = lab.base_dir / "temp" / "gwm"
    before = set(folder.glob("*film_*"))
    assert cancelled(lab, graph, lambda: progress(lab, node) > 0) < 10
    assert set(folder.glob("*film_*")) == before


def test_a_silent_clip_gets_a_sound_of_its_length(lab):
    graph = FilmGraph()
    clip = graph.add("LabTensor", shape="24,73,128,3", fill="0.4")
    node = graph.add("GWMAddSound", rooms=["1", 0], fps=24.0, prompt="a hall at night", steps=False,
                     threshold=0.5, effects_db=0.0, ambience_db=0.0, seed=1, images=[clip, 0])
    none = graph.add("GWMAddSound", rooms=["1", 0], fps=24.0, prompt="", steps=False,
                     threshold=0.5, effects_db=0.0, ambience_db=-60.0, seed=1, images=[clip, 0])
    sync = graph.add("GWMAVSyncReport", rooms=["1", 0], fps=24.0, video=[node, 0])
    whole, silent, report, figures, said = tell_all(
        lab, graph, (node, 1), (none, 3), (node, 4), (sync, 3), (sync, 4))
    assert "[1, 1, 24000]" in whole and "sample_rate: int 24000" in whole
    assert "0.0000..0.0000" in silent and "0.0000..0.0000" not in whole
    assert "the room's tone alone" in report
    assert json.loads(figures.removeprefix("str "))["seen"] == [] and "cannot be told" in said


def test_one_clip_is_needed(lab):
    graph = FilmGraph()
    graph.add("GWMAVSyncReport", rooms=["1", 0], fps=24.0)
    with pytest.raises(PromptFailed, match="wire in a video or images"):
        lab.queue(graph.prompt)
