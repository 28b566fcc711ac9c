"""Several clips in one labelled picture, and the text form of several branches."""

from __future__ import annotations

import math
import re

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .controls import Controls
from .errors import GWMError

MOST_BRANCHES = 9
_BAR = 20
_GAP = 4
_INK = (236, 236, 236)
_PAPER = (24, 24, 26)
_LABEL = re.compile(r'^\s*([^:"()#*]{1,40}?)\s*:\s*(.*)$')


def parse_branches(text: str, embodiment) -> list[tuple[str, Controls]]:
    """Control texts, one branch a line, as ``label: controls`` or just ``controls``.

    Empty lines and lines that begin with ``#`` are skipped.

    Returns:
        ``[(label, controls), ...]``; without a label the control text itself is the label.

    Raises:
        ControlError: with line and column in the whole text.
    """
    branches = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LABEL.match(line)
        label, start = (match.group(1), match.start(2)) if match else (line.strip(), 0)
        # What stands before is blanked, not cut: errors then name the place in the whole text.
        body = "\n" * (number - 1) + " " * start + line[start:]
        branches.append((label, Controls.parse(body, embodiment)))
    return branches


def grid_shape(count: int) -> tuple[int, int]:
    """Columns and rows for ``count`` pictures: three side by side, then two rows, then three."""
    columns = count if count <= 3 else math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


def side_by_side(frames: list[np.ndarray], labels: list[str]) -> np.ndarray:
    """Clips beside each other with their labels above.

    Args:
        frames: uint8 ``[T_i, H, W, 3]`` each, all of one size; a shorter one holds its last frame.
        labels: as many; too long ones are cut with an ellipsis.

    Returns:
        uint8 ``[max T, H', W', 3]`` with even H' and W', as video codecs need.

    Raises:
        GWMError: no clips, or clips of different sizes.
    """
    sizes = {f.shape[1:] for f in frames}
    if len(sizes) != 1:
        raise GWMError(f"branches: all clips need one frame size, these have {sorted(sizes)}")
    height, width, _ = sizes.pop()
    length = max(len(f) for f in frames)
    columns, rows = grid_shape(len(frames))
    out_width = columns * width + (columns - 1) * _GAP
    out_height = rows * (height + _BAR) + (rows - 1) * _GAP
    sheet = Image.new("RGB", (out_width + out_width % 2, out_height + out_height % 2), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    corners = []
    for i, label in enumerate(labels):
        left = (i % columns) * (width + _GAP)
        top = (i // columns) * (height + _BAR + _GAP)
        draw.text((left + 6, top + 2), _shorten(label, width - 12, font), _INK, font)
        corners.append((top + _BAR, left))
    out = np.repeat(np.asarray(sheet)[None], length, axis=0)
    for clip, (top, left) in zip(frames, corners, strict=True):
        window = out[:, top : top + height, left : left + width]
        window[: len(clip)] = clip
        window[len(clip) :] = clip[-1]
    return out


def _shorten(label: str, width: int, font) -> str:
    label = " ".join(label.split())
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(label + "...") > width:
        label = label[:-1]
    return label + "..."
