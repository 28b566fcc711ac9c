"""What no warp can show: the inside of an opened mouth. Its own pixels where the portrait has them.

Teeth are fixed to the skull, so lips slide over them; tongue and lower teeth go with the jaw.
Colours are the portrait's own (``Palette``); a flat drawing gets flat areas, one in ink alone gets
ink (``InkMouth``).
"""

from __future__ import annotations

import numpy as np

from .curves import AT, look
from .face_frame import smooth
from .ink_mouth import InkMouth
from .lips import Lips, Pose
from .palette import Palette

INKED = 0.7
"""Of its teeth a drawing in one ink shows less: they are as blank as the paper around."""


class MouthLayer:
    def __init__(self, lips: Lips, palette: Palette) -> None:
        self.lips, self.palette = lips, palette
        self.own = lips.parted
        # Teeth stand in an even arch, whatever the bows of the lips.
        line = lips.inner_top if self.own else (lips.inner_top + lips.inner_bottom) / 2
        self.inked = InkMouth(lips, palette) if palette.ink is not None else None
        self._root = np.polyval(np.polyfit(AT, line, 2), AT).astype(np.float32)

    def kept(self, u, v, pose: Pose) -> np.ndarray:
        """0..1: how much of the portrait's own inside is taken (places of the frame: it does not
        move). At rest all of it is, up to its rim; lips that part uncover more on both sides."""
        if not self.own:
            return np.zeros_like(v)
        s = u / self.lips.half
        bottom, gap = look(self.lips.inner_bottom, s), look(self.lips.gap, s)
        low = look(pose.inner_bottom, s) - bottom
        fade = smooth((bottom - v) / np.maximum(0.3 * gap, 1.0)) * (np.abs(s) < 1)
        return 1 - smooth(low / np.maximum(0.4 * gap, 1.0)) * (1 - fade)

    def own_at(self, u, v, pose: Pose):
        """(u, v) of the portrait for places inside the mouth: above it, the roots of its teeth are
        stretched, which a raised lip uncovers."""
        s = u / self.lips.half
        top = look(self.lips.inner_top, s)
        raised = np.maximum(top - look(pose.inner_top, s), 0)
        return u, np.maximum(v, top - 0.5 + np.minimum(0.12 * look(self.lips.gap, s), raised))

    def paint(self, u, v, s, pose: Pose) -> np.ndarray:
        """float32 [n, 3]: the inside at places of the frame (u, v in the mouth's pixels, s 0 the
        middle, -1 and 1 the corners)."""
        lips, palette = self.lips, self.palette
        tall, flat = lips.tall, palette.flat
        top, bottom = look(pose.inner_top, s), look(pose.inner_bottom, s)
        gap = np.maximum(pose.gap, 1e-3)
        depth = np.clip((v - top) / np.maximum(bottom - top, 1e-3), 0, 1)
        soft = max(0.7, 0.006 * tall * (1 - flat))
        long = min(0.048 * tall, 0.42 * lips.half) * pose.teeth + 0.012 * tall * pose.tuck

        # The tongue lies on the floor of the jaw; in th and l it rises to the teeth.
        rise = np.clip(gap / (0.10 * tall), 0, 1)
        x = u / (0.78 * pose.half)
        height = (0.16 + 0.22 * rise) * gap + pose.tongue * 0.42 * gap
        crest = bottom - height * np.sqrt(np.maximum(1 - x * x, 0))
        inside = smooth((v - crest) / (2 * soft) + 0.5) * (np.abs(x) < 1)
        if self.inked is not None:
            row = self._teeth(u, v, INKED * long, soft)[0] if long > 0.2 else np.zeros_like(v)
            return self.inked.paint(u, v, s, pose, row, inside, crest)

        # Deep inside: darkest behind the upper lip and in the middle.
        glow = (1 - flat) * (0.15 + 0.85 * depth ** 2) * (0.6 + 0.4 * np.minimum(s * s, 1))
        colour = palette.cavity * (0.85 + 0.9 * glow)[:, None]

        lit = 0.62 + 0.30 * np.clip((v - crest) / (0.05 * tall), 0, 1) + 0.3 * pose.tongue
        lit = flat * 0.95 + (1 - flat) * lit * (1 - 0.14 * np.exp(-(x / 0.16) ** 2))
        colour = _over(colour, palette.tongue * lit[:, None], inside)

        if long > 0.2:
            row, shade = self._teeth(u, v, long, soft)
            colour = _over(colour, palette.tooth * shade[:, None], row)

        # The upper lip shades what is close behind it.
        near = np.exp(-np.maximum(v - top, 0) / (0.012 * tall))
        return colour * (1 - 0.45 * (1 - flat) * near)[:, None]

    def _teeth(self, u, v, long, soft):
        """(how much of the upper teeth is seen [n], their shade [n]), ``long`` pixels of them."""
        lips, flat = self.lips, self.palette.flat
        wide = 0.80 * lips.half
        x = u / wide
        within = np.abs(x) < 1
        root = look(self._root, u / lips.half)
        place = np.clip(np.abs(x), 0, 1)
        # Widths as the eye meets them around the arch: incisors, canine, premolars.
        bounds = np.array([0.0, 0.29, 0.52, 0.72, 0.88, 1.0], np.float32)
        which = np.clip(np.searchsorted(bounds, place, side="right") - 1, 0, 4)
        across = (place - bounds[which]) / (bounds[which + 1] - bounds[which])
        length = np.array([1.0, 0.9, 0.95, 0.78, 0.6], np.float32)[which]
        rounded = 1 - 0.13 * np.abs(2 * across - 1) ** 3
        even = 1 - 0.3 * x * x
        edge = root + long * (flat * even + (1 - flat) * length * rounded)
        ends = smooth((1 - place) / (0.12 + 0.2 * (1 - flat)))
        row = smooth((edge - v) / (2 * soft) + 0.5) * within * ends
        shade = 1 - (1 - flat) * (0.62 * place ** 3 + 0.12 * smooth((v - edge) / long + 0.4))
        seam = np.exp(-(np.minimum(across, 1 - across) / 0.10) ** 2)
        return row, shade * (1 - 0.13 * (1 - flat) * seam)


def _over(below: np.ndarray, above: np.ndarray, share: np.ndarray) -> np.ndarray:
    return below + (above - below) * share[:, None]
