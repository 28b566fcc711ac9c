"""Where every part of a face is under a motion: the geometry that is drawn and measured alike.

A face is flat curves with a depth each (2.5-D): depths lie on an ellipsoid, and turning the head
is one affine map of (x, y, depth) to the picture.
"""

from __future__ import annotations

import numpy as np

from ...avatars.landmarks import NAMES
from ...avatars.motion import INDEX, PITCH_DEGREES, ROLL_DEGREES, YAW_DEGREES
from ...avatars.mouth import MouthShape, mouth_shape
from .canvas import curve
from .identity import Identity

PIVOT_Y = 0.12  # the head turns about its middle, and rolls about the neck
NECK_Y = 0.62
SWAY, BREATH = 0.1, 0.02
T = np.linspace(-1, 1, 17)
"""Where lids and lips are sampled, from corner to corner."""
HALF = (4, 8, 12)  # of T: the landmarks between the corners


def smooth(x, low: float, high: float):
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((np.asarray(x, np.float64) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class Pose:
    """One identity under one motion [24] in a picture of ``size`` pixels.

    ``unit`` is a face height in pixels. Curves are [N, 2] in pixels, made at first use.
    """

    def __init__(self, identity: Identity, motion: np.ndarray, size: int):
        self.identity, self.size = identity, size
        self.unit = identity.face_size * size
        self.motion = {name: float(motion[i]) for name, i in INDEX.items()}
        self.shape: MouthShape = mouth_shape(np.asarray(motion, np.float64))
        m = self.motion
        yaw = np.deg2rad(YAW_DEGREES) * m["yaw"] + identity.turn[0]
        pitch = np.deg2rad(PITCH_DEGREES) * m["pitch"] + identity.turn[1]
        self.roll = np.deg2rad(ROLL_DEGREES) * m["roll"] + identity.turn[2]
        self.yaw, self.pitch = yaw, pitch
        c, s, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
        turn = np.array([[c, 0, s], [s * sp, cp, -c * sp]])
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        roll = np.array([[cr, -sr], [sr, cr]])
        centre = np.array(identity.centre) * size
        moved = centre + self.unit * np.array([SWAY * m["sway"], -0.35 * BREATH * m["breath"]])
        neck = np.array([0, NECK_Y])
        self.affine = self.unit * (roll @ turn)
        self.shift = moved + self.unit * (roll @ (np.array([0, PIVOT_Y]) - neck) + neck)
        self._flat, self._deep = self.affine[:, :2].T.copy(), self.affine[:, 2].copy()
        self._start = self.shift - PIVOT_Y * self.affine[:, 1]
        self.rolled = self.unit * roll
        self._known: dict = {}
        self._body = centre + self.unit * np.array([SWAY * m["sway"], -BREATH * m["breath"]])

    # maps -----------------------------------------------------------------

    def depth(self, xy: np.ndarray) -> np.ndarray:
        """Of points of the face, in face heights towards the viewer."""
        x = xy[:, 0] * (1 / (1.12 * self.identity.width))
        y = (xy[:, 1] - 0.02) * 1.25
        return 0.37 * np.sqrt(np.maximum(1 - x * x - y * y, 0.02))

    def on_face(self, xy, out: float | np.ndarray = 0.0) -> np.ndarray:
        """Points on the face, ``out`` in front of it, in the picture."""
        xy = np.asarray(xy, np.float64)
        return self.at_depth(xy, self.depth(xy) + out)

    def at_depth(self, xy, z: float | np.ndarray) -> np.ndarray:
        """Points of the head at a depth of their own, in the picture."""
        out = np.asarray(xy, np.float64) @ self._flat
        out += self._start
        out += np.asarray(z, np.float64)[..., None] * self._deep
        return out

    def on_body(self, xy) -> np.ndarray:
        """Points of neck and shoulders, in the picture."""
        return self._body + self.unit * np.asarray(xy, np.float64)

    def dropped(self, xy: np.ndarray) -> np.ndarray:
        """Points of the skin, with what the jaw takes along."""
        xy = np.array(xy, np.float64).reshape(-1, 2)
        xy[:, 1] += float(self.shape.chin) * smooth(xy[:, 1], 0.04, 0.48)
        return xy

    # parts, in face coordinates ------------------------------------------

    def _once(self, key, make):
        """``make()``, the first time that ``key`` is asked for."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def outline(self) -> np.ndarray:
        """The control points of the face from the left temple around the chin to the right one
        [9, 2], jaw dropped: the landmarks."""
        i = self.identity
        w = i.width
        half = np.array([[i.temple * w, -0.27], [w, 0.0], [i.jaw * w, 0.26],
                         [i.chin * w, 0.44]])
        left = half * (-1, 1)
        xy = self.dropped(np.concatenate([left, [[0, 0.5]], half[::-1]]))
        narrow = 1 - 0.06 * self.motion["jaw"] * smooth(xy[:, 1], 0.1, 0.5)
        xy[:, 0] *= narrow
        return xy

    def skull(self) -> np.ndarray:
        """The whole head as a closed curve in face coordinates."""
        i = self.identity
        w = i.width
        top = -0.5 - i.cap
        f = i.forehead * w
        if i.kind == "robot" and i.hair_length > 0.35:  # a box
            over = np.array([[f, -0.46], [f * 0.94, -0.5 - 0.72 * i.cap], [f * 0.8, top],
                             [-f * 0.8, top], [-f * 0.94, -0.5 - 0.72 * i.cap], [-f, -0.46]])
        else:
            over = np.array([[f, -0.47], [f * 0.66, -0.5 - 0.68 * i.cap], [0, top],
                             [-f * 0.66, -0.5 - 0.68 * i.cap], [-f, -0.47]])
        return np.concatenate([self.outline(), over])

    def head(self) -> np.ndarray:
        """The contour of the head in the picture."""
        xy = self.skull()
        z = self.depth(xy) * 0.62
        z[9:] = self.depth(xy[9:]) * 0.25
        return curve(self.at_depth(xy, z), 6, True)

    def eye(self, side: int) -> dict:
        return self._once(("eye", side), lambda: self._eye(side))

    def brow(self, side: int) -> np.ndarray:
        return self._once(("brow", side), lambda: self._brow(side))

    def mouth(self) -> dict[str, np.ndarray]:
        return self._once("mouth", self._mouth)

    def _eye(self, side: int) -> dict:
        """The eye of the viewer's left (-1) or right (1), in face coordinates: upper and lower lid
        [17, 2] from left to right, the iris, and the spot of it that is seen."""
        i, m = self.identity, self.motion
        blink = m["blink_left" if side < 0 else "blink_right"]
        w = i.eye_w * (1 + side * i.uneven[3])
        x = side * i.eye_x * i.width
        y = i.eye_y + side * i.uneven[0]
        squint = min(m["squint"] + 0.3 * max(m["smile"], 0), 1)
        up = i.lid_up * w * (1 + 0.3 * m["wide"] - 0.22 * squint + 0.1 * m["gaze_y"])
        low = i.lid_low * w * (1 + 0.1 * m["wide"] - 0.75 * squint - 0.1 * m["gaze_y"])
        tilt = -side * i.eye_tilt * w * T
        # a lid is fuller towards the nose above and towards the temple below
        power = 1.7 if i.lid_up < 0.65 else 2.0
        lean = 0.12 * side
        top = 1 - np.abs(T) ** power
        if i.lid_up >= 0.65:
            top = np.sqrt(np.maximum(1 - T * T, 0))
            bottom = top
        else:
            bottom = 1 - np.abs(T) ** 2
        bulge = -lean * T * top * (i.lid_up < 0.65)
        lower = low * (bottom + bulge)
        upper = -up * (top - bulge)
        shut = lower * 0.8 + 0.01 * w * top
        upper = upper + (shut - upper) * blink
        lower = lower + (shut - lower) * blink
        dx, dy = 0.0, 0.0
        if i.eyes in ("dot",):
            dx, dy = 0.25 * w * m["gaze_x"], -0.22 * w * m["gaze_y"]
        xs = x + w * T + dx
        base = y + tilt + dy
        iris = np.array([x + dx + 0.42 * w * m["gaze_x"] * (i.eyes != "dot"),
                         y + dy + 0.5 * (low - up) - 0.36 * w * m["gaze_y"] * (i.eyes != "dot")])
        seen = np.array([upper[8], lower[8]]) + y + dy
        spot = np.array([iris[0], np.clip(iris[1], seen[0], seen[1])])
        return {"upper": np.stack([xs, base + upper], 1), "lower": np.stack([xs, base + lower], 1),
                "iris": iris, "spot": spot, "blink": blink, "w": w, "x": x + dx, "y": y + dy,
                "open": float(lower[8] - upper[8]), "up": up, "low": low}

    def _brow(self, side: int) -> np.ndarray:
        """Outer end, middle, inner end [3, 2] of a brow in face coordinates."""
        i, m = self.identity, self.motion
        lift = 0.045 * m["brow_left" if side < 0 else "brow_right"]
        inner = m["brow_inner"]
        w = i.eye_w * i.brow_w
        x = side * i.eye_x * i.width
        y = i.eye_y - i.brow_up - lift + side * i.uneven[1] - 0.012 * m["wide"]
        arch = i.brow_arch * 0.06
        tilt = i.brow_tilt * w
        outer_x = min(abs(x) + 1.02 * w, 0.99 * i.width)
        return np.array([
            [side * outer_x, y + 0.5 * arch + 0.6 * tilt + 0.012 * inner],
            [x + side * 0.1 * w, y - 0.5 * arch - 0.008 * inner],
            [x - side * (0.95 * w - 0.022 * max(-inner, 0)),
             y + 0.6 * arch - 0.5 * tilt - 0.032 * inner + 0.4 * lift * (inner < 0)],
        ])

    def _mouth(self) -> dict[str, np.ndarray]:
        """The lips' four curves [17, 2] in face coordinates, from the left corner to the right:
        outer_top, top, bottom, outer_bottom."""
        i, s = self.identity, self.shape
        w = i.mouth_w * float(s.width)
        opened, raise_ = float(s.open), float(s.raise_)
        corner = (i.mouth_y - float(s.corner) - i.lip_curve + 0.34 * (opened - 2 * raise_)
                  - i.uneven[2] * 0.1 * T)
        round_ = float(s.forward)
        ring = np.sqrt(np.maximum(1 - T * T, 0))
        bow = 1 - np.abs(T) ** 2.2
        shape = bow + (ring - bow) * (0.25 + 0.75 * round_)
        top_y = i.mouth_y - raise_
        low_y = top_y + opened
        top = corner + (top_y - corner) * shape
        bottom = corner + (low_y - corner) * shape
        inner = 0.93 - 0.1 * round_
        thick = float(s.thick)
        fall = np.maximum(1 - np.abs(T) ** 2.4, 0) ** 0.8
        dip = 1 - i.lip_bow * (1 - 0.7 * round_) * np.exp(-((T / 0.2) ** 2))
        dip /= dip[8]  # the middle keeps its thickness; the peaks rise beside it
        outer_top = top - i.lip_up * thick * fall * np.minimum(dip, 1.5)
        low = i.lip_low * thick * (1 - 0.6 * float(s.tuck))
        outer_bottom = bottom + low * fall
        x = w * T
        return {"outer_top": np.stack([x, outer_top], 1), "top": np.stack([inner * x, top], 1),
                "bottom": np.stack([inner * x, bottom], 1),
                "outer_bottom": np.stack([x, outer_bottom], 1)}

    def lip_depth(self, xy: np.ndarray) -> np.ndarray:
        """How far lips stand out; an animal's muzzle farther."""
        muzzle = 0.1 if self.identity.mouth == "muzzle" else 0.0
        return 0.02 + muzzle + 0.05 * float(self.shape.forward)

    def nose(self) -> np.ndarray:
        """Bridge, tip, left and right wing [4, 2] in face coordinates."""
        i = self.identity
        return np.array([[0, i.eye_y + 0.01], [0, i.nose_y], [-i.nose_w, i.nose_y + 0.012],
                         [i.nose_w, i.nose_y + 0.012]])

    def nose_depth(self) -> np.ndarray:
        """Of those four, in front of the face."""
        out = self.identity.nose_out
        return np.array([0.25 * out, out, 0.3 * out, 0.3 * out])

    def landmarks(self) -> np.ndarray:
        """float32 [44, 2] in picture pixels, by ``gwm_core.avatars.landmarks.NAMES``."""
        face = [np.concatenate([self.outline(), [[0, -0.5]]])]
        out = [self.depth(face[0]) * 0.62]
        out[0][9] = self.depth(face[0][9:])[0]
        left, right = self.brow(-1), self.brow(1)
        face.append(np.concatenate([left, right[::-1]]))
        eyes = [self.eye(-1), self.eye(1)]
        for eye, (first, last) in zip(eyes, ((0, 16), (0, 16)), strict=True):
            face.append(np.array([eye["upper"][first], eye["upper"][8], eye["upper"][last],
                                  eye["lower"][8], eye["spot"]]))
        nose = self.nose()
        lips = self.mouth()
        top, bottom = lips["outer_top"], lips["outer_bottom"]
        ring = np.array([top[0], *top[list(HALF)], top[16], *bottom[list(HALF)][::-1],
                         *lips["top"][list(HALF)], *lips["bottom"][list(HALF)]])
        face += [nose, ring]
        lifts = [None, 0.015, 0.0, 0.0, self.nose_depth(), self.lip_depth(ring)]
        depths = [out[0]] + [self.depth(part) + lift
                             for part, lift in zip(face[1:], lifts[1:], strict=True)]
        points = self.at_depth(np.concatenate(face), np.concatenate(depths))
        assert len(points) == len(NAMES)
        return points.astype(np.float32)
