"""Avatars in the real server: characters, films, conversations, reports."""

from __future__ import annotations

import json
import re

import av
import numpy as np
import pytest

from gwm_core.avatars.motion import from_json, still, to_json
from gwm_core.cli.client import PromptFailed

from .faces import SIZE, FacesGraph, faces  # noqa: F401
from .graph import cancelled, progress, told
from .robots import digest, shape, tell_all

pytestmark = pytest.mark.usefixtures("faces")
TICKS = 20


def test_the_model_says_what_it_is(lab):
    (about,) = tell_all(lab, FacesGraph(), ("1", 1))
    assert "gwm-faces (faces)" in about and "25 frames a second" in about
    assert "80 ms ahead" in about and "moves 24 channels: jaw" in about


def test_a_model_of_faces_is_no_world_and_a_world_no_face(lab):
    graph = FacesGraph()
    world = graph.add("GWMNewWorld", model=["1", 0], prompt="", seed=0, depth_is="near is white")
    graph.tell(world, 0)
    with pytest.raises(PromptFailed, match="is a model of faces, for Drive Avatar"):
        lab.queue(graph.prompt)
    graph = FacesGraph("gwm-rooms")
    graph.tell(graph.drive(audio=graph.voice()), 0)
    with pytest.raises(PromptFailed, match="gwm-rooms is no model of faces; choose gwm-faces"):
        lab.queue(graph.prompt)


def test_a_portrait_is_shown_with_its_points(lab):
    graph = FacesGraph()
    node, _ = graph.character(name="Ada", anchors='{"chin": [0.5, 0.9]}')
    tells = [graph.tell(node, slot) for slot in (0, 1, 2)]
    entry = lab.queue(graph.prompt)
    assert shape(told(entry, tells[1])) == [1, 384, 307, 3]
    assert "no face found" in told(entry, tells[2]) and "anchors" in told(entry, tells[2])
    shown, file = (entry["outputs"][node][k][0] for k in ("gwm_character", "gwm_portrait"))
    assert (shown["width"], shown["height"], shown["found"]) == (96, 120, False)
    assert shown["anchors"]["chin"] == [0.5, 0.9] and set(shown["anchors"]) > {"eye_left"}
    assert (lab.base_dir / file["type"] / file["subfolder"] / file["filename"]).is_file()


@pytest.mark.parametrize("size, fill, mask", (
    ("1,16,16,3", "picture", None), ("2,80,90,4", "0.5", None), ("1,60,400,1", "0.5", None),
    ("1,90,90,3", "half", "1,30,30")))
def test_odd_portraits_are_characters(lab, size, fill, mask):
    graph = FacesGraph()
    more = {} if mask is None else {"mask": [graph.add("LabTensor", shape=mask, fill="1"), 1]}
    node, _ = graph.character(graph.picture(size, fill), **more)
    drive = graph.drive([node, 0], audio=graph.voice(seconds=0.1))
    message, images = tell_all(lab, graph, (node, 2), (drive, 0))
    assert "no face found" in message and ("mask" in message) == (mask is not None)
    frames, height, width, _ = shape(images)
    assert frames == 3 and max(height, width) == SIZE


@pytest.mark.parametrize("size, anchors, word", (
    ("1,12,100,3", "", "100 x 12 pixels; 16 to 8192"), ("1,64,64,2", "", "not 2"),
    ("1,64,64,3", '{"nose": [0, 0]}', "anchors: 'nose'")))
def test_what_is_no_portrait_is_refused(lab, size, anchors, word):
    graph = FacesGraph()
    graph.character(graph.picture(size, "0.5"), anchors=anchors)
    with pytest.raises(PromptFailed, match=word):
        lab.queue(graph.prompt)


def test_a_film_keeps_the_voice_and_its_length(lab):
    graph = FacesGraph()
    voice = graph.voice(rate=44100, channels=2, seconds=0.79)
    node = graph.drive(audio=voice, max_frames=5)
    graph.add("SaveVideo", video=[node, 2], filename_prefix="face", format="auto", codec="auto")
    tells = [graph.tell(node, slot) for slot in (0, 1, 3, 4)] + [graph.tell(*voice)]
    entry = lab.queue(graph.prompt)
    images, sound, motion, report, given = (told(entry, tell) for tell in tells)
    assert shape(images) == [5, SIZE, 77, 3] and sound == given and "[1, 2, 34839]" in sound
    curves = from_json(motion.removeprefix("str "))
    assert curves.shape == (TICKS, 24) and np.ptp(curves, axis=0).max() > 0.02
    assert f"{TICKS} frames, 0.80 s" in report and "first 5 of them (max_frames)" in report
    assert "voice: 0.79 s, 44100 Hz, stereo" in report
    (path,) = (file for file in lab.outputs(entry) if file.suffix == ".mp4")
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert stream.average_rate == 25 and stream.frames == TICKS
        assert (stream.width, stream.height) == (78, SIZE)
        assert video.streams.audio[0].rate == 44100 and "prompt" in video.metadata


def test_the_same_inputs_are_the_same_film_and_a_seed_counts(lab):
    digests = []
    for seed in (1, 1, 2):
        graph = FacesGraph()
        # A name makes the host do it anew.
        node = graph.drive(graph.character(name=f"run {len(digests)}"), audio=graph.voice(),
                           seed=seed)
        digests.append(digest(tell_all(lab, graph, (node, 0))[0]))
    assert digests[0] == digests[1] != digests[2]


def test_odd_sound(lab):
    graph = FacesGraph()
    character = graph.character()
    films = [graph.drive(character, audio=graph.voice(*voice)) for voice in (
        ("speech", 8000, 0.2), ("silent", 96000, 0.2), ("loud", 16000, 0.2, 2),
        ("speech", 48000, 1 / 48000))]
    *images, report = tell_all(lab, graph, *((film, 0) for film in films), (films[1], 4))
    assert [shape(text)[0] for text in images] == [5, 5, 5, 1] and "silent" in report


@pytest.mark.parametrize("voice, word", (
    (("speech", 16000, 0.0), "audio: it is empty"), (("broken", 16000, 0.2), "NaN or infinite")))
def test_broken_sound_is_refused(lab, voice, word):
    graph = FacesGraph()
    graph.tell(graph.drive(audio=graph.voice(*voice)), 0)
    with pytest.raises(PromptFailed, match=word):
        lab.queue(graph.prompt)


def test_nothing_to_do_is_refused_before_a_run(lab):
    graph = FacesGraph()
    graph.tell(graph.drive(), 0)
    with pytest.raises(PromptFailed, match="wire in the character's voice"):
        lab.queue(graph.prompt)


def test_curves_of_one_performance_on_another_character(lab):
    graph = FacesGraph()
    first = graph.drive(audio=graph.voice())
    other = graph.character(graph.picture("1,100,100,3"))
    again = graph.drive(other, curves=[first, 3])
    half = graph.drive(other, curves=[first, 3], head=0.0)
    motion, same, images, less = tell_all(
        lab, graph, (first, 3), (again, 3), (again, 0), (half, 3))
    assert same == motion and shape(images) == [TICKS, SIZE, SIZE, 3]
    assert not from_json(less.removeprefix("str "))[:, 19:].any()
    assert from_json(motion.removeprefix("str "))[:, 19:].any()


def test_written_curves_move_a_face_without_a_voice(lab):
    curves = still(4)
    curves[2:, 0] = 1
    graph = FacesGraph()
    text = graph.add("PrimitiveStringMultiline", value=to_json(curves))
    node = graph.drive(graph.character(graph.picture("1,96,96,3")), curves=[text, 0])
    nothing = graph.tell(node, 1)
    for frame in (0, 1, 2):
        graph.tell(graph.add("ImageFromBatch", image=[node, 0], batch_index=frame, length=1), 0)
    entry = lab.queue(graph.prompt)
    assert nothing not in entry["outputs"], "there is no sound to go on with"
    texts = [out["text"][0] for out in entry["outputs"].values() if "text" in out]
    found = [digest(text) for text in texts if "torch" in text]
    assert len(set(found)) == 2, "the first two frames are one picture, the third another"


def test_progress_moves_and_shows_pictures(lab):
    graph = FacesGraph()
    node = graph.drive(audio=graph.voice(seconds=0.6))
    graph.tell(node, 4)
    lab.queue(graph.prompt)
    values = {d["value"] for kind, d in lab.events if kind == "progress" and d["node"] == node}
    assert set(range(1, 16)) <= values
    assert any(kind == "binary" and d[:4] in (b"\0\0\0\x04", b"\0\0\0\x01")
               for kind, d in lab.events)


def test_cancel_ends_a_film_at_once_and_leaves_no_file(lab):
    graph = FacesGraph()
    node = graph.drive(audio=graph.voice(seconds=900.0, rate=8000), max_frames=1)
    graph.tell(node, 4)
    folder = lab.base_dir / "temp" / "gwm"
    before = set(folder.glob("face_*"))
    assert cancelled(lab, graph, lambda: progress(lab, node) > 0) < 10
    assert set(folder.glob("face_*")) == before


# Conversations


def test_two_characters_talk(lab):
    graph = FacesGraph()
    left, right = graph.voice(), graph.voice("speech", 44100, 0.5)
    node = graph.talk(left, right)
    graph.add("SaveVideo", video=[node, 2], filename_prefix="talk", format="auto", codec="auto")
    tells = [graph.tell(node, slot) for slot in (0, 1, 3, 4, 5, 6, 7)]
    entry = lab.queue(graph.prompt)
    images, sound, *masks, one, two, report = (told(entry, tell) for tell in tells)
    assert shape(images) == [TICKS, SIZE, 77 + SIZE, 3] and "[1, 1, 35280]" in sound
    assert [shape(mask) for mask in masks] == [[1, SIZE, 77 + SIZE]] * 2
    assert one != two and len(from_json(one.removeprefix("str "))) == TICKS
    assert "right: 0.50 s, 44100 Hz, mono" in report
    (path,) = (file for file in lab.outputs(entry) if file.suffix == ".mp4")
    with av.open(str(path)) as video:
        assert video.streams.video[0].frames == TICKS and video.streams.audio


def test_a_single_shows_one_who_hears_the_other(lab):
    graph = FacesGraph()
    quiet, voice = graph.voice("silent"), graph.voice()
    both = graph.talk(quiet, voice)
    single = graph.talk(quiet, voice, layout="left only")
    deaf = graph.talk(quiet, quiet, layout="left only")
    cut = graph.talk(quiet, voice, layout="cut to the speaker", max_frames=7)
    images, listens, same, alone, cuts, mask = tell_all(
        lab, graph, (single, 0), (both, 5), (single, 5), (deaf, 5), (cut, 0), (cut, 4))
    assert shape(images) == [TICKS, SIZE, 77, 3]
    assert shape(cuts) == [7, SIZE, SIZE, 3] and shape(mask) == [7, SIZE, SIZE]
    assert listens == same != alone


# Reports


def test_a_report_of_curves_finds_their_delay(lab):
    """The loudness of a voice as a mouth, three ticks late."""
    ticks = 100
    at = (np.arange(ticks) + 0.5) / 25 - 3 / 25
    curves = still(ticks)
    curves[:, 0] = np.abs(np.sin(2 * np.pi * (1.3 * at + 0.3 * at**2))) * (
        np.sin(3.1 * at + 0.3) > -0.5)  # as the laboratory's voice
    graph = FacesGraph()
    text = graph.add("PrimitiveStringMultiline", value=to_json(np.maximum(curves, 0)))
    node = graph.report(curves=[text, 0], audio=graph.voice(seconds=4.0))
    with_model = graph.report(curves=[text, 0], audio=graph.voice(seconds=4.0), model=["1", 0])
    plot, offset, score, report, other = tell_all(
        lab, graph, (node, 0), (node, 1), (node, 2), (node, 3), (with_model, 3))
    assert shape(plot) == [1, 620, 1120, 3] and offset == "int 3"
    assert float(score.split()[1]) > 0.6 and "ms late" in report
    assert "expected  by the model" in other


def test_a_report_needs_one_mouth_and_a_voice(lab):
    graph = FacesGraph()
    graph.report(audio=graph.voice())
    with pytest.raises(PromptFailed, match="the mouth to look at"):
        lab.queue(graph.prompt)
    graph = FacesGraph()
    graph.report(images=graph.picture("30,64,64,3", "0.5"), curves=[graph.add(
        "PrimitiveStringMultiline", value=to_json(still(30))), 0])
    with pytest.raises(PromptFailed, match="wire in one of them"):
        lab.queue(graph.prompt)
    graph = FacesGraph()
    graph.report(curves=[graph.add("PrimitiveStringMultiline", value=to_json(still(30))), 0])
    with pytest.raises(PromptFailed, match="no sound of its own"):
        lab.queue(graph.prompt)


def test_a_clip_without_a_face_says_so(lab):
    graph = FacesGraph()
    graph.report(images=graph.picture("30,64,64,3", "0.5"), audio=graph.voice(seconds=1.2))
    with pytest.raises(PromptFailed, match="no face is found in any of them"):
        lab.queue(graph.prompt)


def test_a_report_of_a_film_reads_its_pictures_and_its_sound(lab):
    graph = FacesGraph()
    example = graph.add("GWMExampleAvatar", portrait="rabbit", voice="monologue")
    short = graph.add("TrimAudioDuration", audio=[example, 1], start_index=0.0, duration=2.0)
    film = graph.drive(graph.character([example, 0]), audio=[short, 0], size=192)
    node = graph.report(video=[film, 2])
    frames = graph.report(images=[film, 0], audio=[short, 0])
    found, told_frames, exact = tell_all(
        lab, graph, (node, 3), (frames, 3), (graph.report(curves=[film, 3], audio=[short, 0]), 3))
    for text in (found, told_frames):
        assert "read from the picture" in text
        opened = [float(re.search(r"mean opening ([\d.]+)", t)[1]) for t in (text, exact)]
        assert abs(opened[0] - opened[1]) < 3


def test_examples_of_portraits_and_voices(lab):
    graph = FacesGraph()
    node = graph.add("GWMExampleAvatar", portrait="rabbit", voice="song")
    image, sound = tell_all(lab, graph, (node, 0), (node, 1))
    assert shape(image)[-1] == 3 and "sample_rate: int 16000" in sound
    graph.prompt[node]["inputs"]["voice"] = "../../x"
    with pytest.raises(PromptFailed, match=re.escape("voice")):
        lab.queue(graph.prompt)
    assert json.dumps(graph.prompt)
