"""The pack loads in a real ComfyUI, and a server ends when it is told to."""

import signal
import subprocess
import sys
import time

import pytest

from gwm_core.cli.server import STOPPED_WITHIN, Server


def test_pack_loads_without_errors(comfy):
    log = comfy.log_text()
    assert "IMPORT FAILED" not in log
    ours = [name for name in comfy.client.object_info() if name.startswith("GWM")]
    assert len(ours) >= 10, ours


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGINT to ignore")
def test_a_server_ends_at_once_where_interrupts_are_ignored(tmp_path):
    """As in the background of a script: children inherit that."""
    server = Server(tmp_path, None, tmp_path / "log")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < STOPPED_WITHIN
    finally:
        signal.signal(signal.SIGINT, before)
    assert not server.alive()
