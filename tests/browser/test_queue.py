"""Pressing Run in the editor: the first example gives a video with sound."""

from __future__ import annotations

import json
import time
from pathlib import Path

import av

from gwm_core.cli.client import failure_of, outputs_of
from gwm_core.cli.studio import first_example

ROOT = Path(__file__).resolve().parents[2]


def finished(editor, known: set[str], timeout: float = 240) -> dict:
    """The history entry of the prompt that is not in `known`, once it is done."""
    limit = time.monotonic() + timeout
    while time.monotonic() < limit:
        history = editor.comfy.client.call("/history")
        new = [entry for prompt_id, entry in history.items() if prompt_id not in known]
        if new:
            failure = failure_of(new[0])
            assert failure is None, failure
            return new[0]
        editor.page.wait_for_timeout(100)  # lets the page draw what it is told meanwhile
    raise AssertionError("nothing was finished")


def test_run_gives_a_video_with_sound(editor):
    example = ROOT / "example_workflows" / f"{first_example(ROOT, None)}.json"
    editor.errors.clear()
    editor.load(json.loads(example.read_text(encoding="utf-8")))
    known = set(editor.comfy.client.call("/history"))
    editor.page.evaluate("async () => { await window.app.queuePrompt(0, 1) }")
    entry = finished(editor, known)
    videos = [file for file in outputs_of(entry) if file["filename"].endswith(".mp4")]
    assert len(videos) == 1
    folder = editor.comfy.base_dir / "output" / videos[0]["subfolder"]
    with av.open(str(folder / videos[0]["filename"])) as video:
        assert video.streams.video[0].average_rate == 24
        assert video.streams.video[0].frames >= 48
        assert len(video.streams.audio) == 1
        assert "workflow" in video.metadata  # dropping the file on the editor opens it again
    editor.page.wait_for_timeout(1500)
    editor.shot("run")
    assert editor.own_errors() == []
