"""`gwm bench play`: live play measured with a real host and a real Chromium on this machine.

figures     arithmetic on what was noted; nothing is run
server      a ComfyUI process with this pack, and probe.py beside it
visitor     a client of the live socket without a page
browser     Chromium with the editor and its player
live, replays, seek, leak, track    one family of figures each
suite       all of them, as one report
"""

from .suite import bench

__all__ = ["bench"]
