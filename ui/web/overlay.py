"""The photo with what is found painted on it: colours, numbered faces, what a click means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ui.web.views import Window, reduced
from vision.vocabulary import SKIN_KINDS, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent import Session
    from vision.spots import Spot

# Told apart from each other and from skin, also by people who see few colours: they differ in
# lightness where they are alike in hue.
COLOURS: dict[Kind, str] = {
    "acne": "#ff2e88", "freckles": "#ff9a1f", "moles": "#7a3cff", "dark_spots": "#8a1c7c",
    "wrinkles": "#00b8f0", "dark_circles": "#2347d9", "redness": "#e3161b", "shine": "#fff04a",
    "eye_bags": "#00c9a7", "stubble": "#1f7a3f", "yellow_teeth": "#a4e400", "scars": "#c8a2ff",
    "pores": "#8fb8c8", "uneven_tone": "#5cff8f",
}  # fmt: skip
FOCUS, OTHER = (255, 255, 255), (170, 170, 170)
_CHOSEN = (255, 255, 255)
LEAST_SIDE = 1000  # what is smaller is enlarged before it is painted
AROUND = 0.5  # of a face's size: how much of its surroundings is shown
FILL = 0.5  # how much of a mark's inside is painted


class Overlay:
    """The faces of a photo, numbered, with kinds painted over them, made for one screen.

    Masks are computed once a kind and face in focus; they do not change between turns.

    Attributes:
        window: the part of the photo that is shown.
        hidden: the kinds that are not painted, though they are found; at first those that would
            cover the whole face.
        spot: the mark that was clicked on.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.window = window(session)
        self._photo = _enlarged(reduced(session.photo, self.window))
        self._masks: dict[tuple[tuple[int, ...], Kind], NDArray[np.bool_]] = {}
        self._last: tuple[Any, ...] | None = None  # what was painted last
        self._step = -1
        self.hidden: set[Kind] = set(SKIN_KINDS)
        self.spot: Spot | None = None

    @property
    def scale(self) -> float:
        """Pixels of the photo per pixel of the overlay."""
        left, _, right, _ = self.window
        return (right - left) / self._photo.shape[1]

    def on_photo(self, x: float, y: float) -> tuple[float, float]:
        """A point of the overlay as one of the photo, both in pixels from the top left."""
        left, top, _, _ = self.window
        return left + (x + 0.5) * self.scale - 0.5, top + (y + 0.5) * self.scale - 0.5

    def point(self, x: float, y: float) -> int | None:
        """Take what a click at a point of the overlay means: the mark there becomes `spot`, or,
        elsewhere, the face there (from 0) is given if it is not in focus."""
        at = self.on_photo(x, y)
        face = face_at(self._session, *at)
        if face is not None and face not in self._session.focus:
            self.spot = None
            return face
        self.spot = self._session.spot_at(*at)
        return None

    def step(self) -> None:
        """Choose the next of the marks that are painted, for whoever does not point."""
        kinds = [kind for kind in self._shown() if kind not in SKIN_KINDS]
        marks = [at for kind in kinds for at in _tops(self._mask(kind))]
        if marks:
            self._step = (self._step + 1) % len(marks)
            self.spot = self._session.spot_at(*self.on_photo(*marks[self._step]))

    def show(self, kind: Kind, on: bool) -> None:
        """Paint a kind from now on, or no longer."""
        (self.hidden.discard if on else self.hidden.add)(kind)

    def repainted(self) -> NDArray[np.uint8] | None:
        """The overlay, (h, w, 3) sRGB, or None where it is what it was the last time."""
        state = (self._session.focus, frozenset(self.hidden), self.spot)
        if state == self._last:
            return None
        self._last = state
        return self.painted()

    def painted(self) -> NDArray[np.uint8]:
        """The overlay, (h, w, 3) sRGB."""
        masks = [(self._mask(kind), rgb(COLOURS[kind])) for kind in self._shown()]
        picture = paint(self._photo, masks)
        for number, face in enumerate(self._session.analysis.faces):
            x, y, *size = face.face.box
            seen = (x - self.window[0], y - self.window[1], *size)
            box = [value / self.scale for value in seen]
            outline(picture, box, number + 1, number in self._session.focus)
        if self.spot is not None:
            _ring(picture, self._small(self.spot.mask))
        return picture

    def _shown(self) -> list[Kind]:
        found = [one.kind for one in self._session.findings() if one.found]
        return [kind for kind in found if kind not in self.hidden]

    def _mask(self, kind: Kind) -> NDArray[np.bool_]:
        key = (self._session.focus, kind)
        if key not in self._masks:
            self._masks[key] = self._small(self._session.spread(kind))
        return self._masks[key]

    def _small(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(h, w); a mark that is smaller than a pixel of the overlay still shows."""
        (left, top, right, bottom), (height, width) = self.window, self._photo.shape[:2]
        part = mask[top:bottom, left:right] * np.uint8(255)
        way = cv2.INTER_AREA if self.scale > 1 else cv2.INTER_LINEAR
        return cv2.resize(part, (width, height), interpolation=way) > (
            50 if self.scale > 1 else 127
        )


def window(session: Session) -> Window:
    """All faces with what is around them; the whole photo where there is none."""
    width, height = session.photo.width, session.photo.height
    boxes = [face.face.box for face in session.analysis.faces]
    if not boxes:
        return 0, 0, width, height
    room = [AROUND * max(w, h) for _, _, w, h in boxes]
    edges = [
        (x - r, y - r, x + w + r, y + h + r) for (x, y, w, h), r in zip(boxes, room, strict=True)
    ]
    left, top, right, bottom = zip(*edges, strict=True)
    return (
        max(int(min(left)), 0),
        max(int(min(top)), 0),
        min(round(max(right)), width),
        min(round(max(bottom)), height),
    )


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Large enough for fine lines."""
    scale = LEAST_SIDE / max(picture.shape[:2])
    if scale <= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#ff9a1f" as numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def paint(
    photo: NDArray[np.uint8],
    masks: Iterable[tuple[NDArray[np.bool_], tuple[int, int, int]]],
) -> NDArray[np.uint8]:
    """A copy of (h, w, 3) in which each mask (h, w) is tinted and has a border of its colour."""
    picture = photo.copy()
    for mask, colour in masks:
        tint = (1 - FILL) * picture[mask] + FILL * np.array(colour)
        picture[mask] = np.rint(tint)
        borders, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, borders, -1, colour, 1)
    return picture


def outline(picture: NDArray[np.uint8], box: Iterable[float], number: int, focus: bool) -> None:
    """Draw a face's box (x, y, width, height) and number; the one in focus stands out."""
    x, y, width, height = (round(value) for value in box)
    unit = max(max(picture.shape[:2]) // 800, 1)
    colour, thick = (FOCUS, 2 * unit) if focus else (OTHER, unit)
    cv2.rectangle(picture, (x, y), (x + width, y + height), (40, 40, 40), thick + 2, cv2.LINE_AA)
    cv2.rectangle(picture, (x, y), (x + width, y + height), colour, thick, cv2.LINE_AA)
    radius, text, font = 11 * unit, str(number), cv2.FONT_HERSHEY_SIMPLEX
    cv2.circle(picture, (x, y), radius, colour, -1, cv2.LINE_AA)
    (wide, high), _ = cv2.getTextSize(text, font, 0.5 * unit, 2 * unit)
    at = (x - wide // 2, y + high // 2)
    cv2.putText(picture, text, at, font, 0.5 * unit, (20, 20, 20), 2 * unit, cv2.LINE_AA)


def _ring(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
    borders, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, borders, -1, (20, 20, 20), 4, cv2.LINE_AA)
    cv2.drawContours(picture, borders, -1, _CHOSEN, 2, cv2.LINE_AA)


def _tops(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(x, y) of the uppermost pixel of each connected mark of (h, w)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    tops = stats[1:count, cv2.CC_STAT_TOP]
    return [(int((labels[y] == mark).argmax()), int(y)) for mark, y in enumerate(tops, start=1)]


def face_at(session: Session, x: float, y: float) -> int | None:
    """The face, from 0, whose box holds a point of the photo."""
    for number, face in enumerate(session.analysis.faces):
        left, top, width, height = face.face.box
        if left <= x <= left + width and top <= y <= top + height:
            return number
    return None
