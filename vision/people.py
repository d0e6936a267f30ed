"""Who stands in front: the people of a photo, their hair and the background, softly outlined.

No network: on a small copy, what the geometry and skin of the faces say is a person is corrected by
clusters of colour and texture and by the edges that lie between; then a guided filter with colour
(He et al. 2013) is fitted, whose coefficients, enlarged (He and Sun 2015), follow the edges of the
photo at its full size. It is as good as colours tell: where clothes or hair look like what is
behind them, the border is a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from skimage.graph import MCP_Geometric

from vision.faces import CROP_SIZE

if TYPE_CHECKING:
    from vision.faces import Alignment
    from vision.regions import Regions

Map = np.ndarray
Block = tuple[int, int, int, int]
SIDE = 448  # longer side of the copy
CLUSTERS, PLACE, ROUNDS = 48, 20.0, 4
SEED = 7  # clusters start from random ones: the same ones each time
RADIUS, EPSILON = 6, 2e-4  # of the guided filter: pixels of the copy, squared sRGB values


@dataclass(frozen=True, eq=False)
class Person:
    """One face: its regions, and where they lie in the photo."""

    regions: Regions
    alignment: Alignment

    @property
    def middle(self) -> Map:
        """(2,) of the face's outline, pixels of the photo."""
        return self.alignment.points_to_photo(self.regions.outline.mean(0)[None])[0]

    def away(self, points: Map) -> Map:
        """(n,) distances of points (n, 2) of the photo from the middle, in crop pixels."""
        middle = self.regions.outline.mean(0)
        return np.linalg.norm(self.alignment.points_to_crop(points) - middle, axis=1)


def beside(person: Person, others: Sequence[Person]) -> Map:
    """What of a person's crop shows the faces of others: (512, 512) float32 0..1, softly outlined.

    Where two outlines overlap, the lower of two faces is taken to be in front, as it mostly is in
    groups; of two side by side a pixel is of the one whose middle is nearer, in pixels of its own
    crop.
    """
    y, x = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    at = person.alignment.points_to_photo(np.stack([x.ravel(), y.ravel()], axis=1))
    own, taken = _drawn(person.regions.outline), np.zeros((CROP_SIZE, CROP_SIZE), bool)
    for other in others:
        outline = other.alignment.points_to_photo(other.regions.outline)
        theirs = _drawn(person.alignment.points_to_crop(outline))
        if theirs.any():
            right, down = outline.mean(0) - person.middle
            in_front = np.full(own.shape, down > 0)
            if abs(right) >= abs(down):
                in_front = (other.away(at) < person.away(at)).reshape(own.shape)
            taken |= theirs & (~own | in_front)
    grown = cv2.dilate(taken.astype(np.float32), np.ones((5, 5), np.uint8))
    return cv2.GaussianBlur(grown, (0, 0), 1.5)


def _drawn(points: Map) -> Map:
    """(512, 512) bool, the inside of a polygon in crop pixels."""
    canvas = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    cv2.fillPoly(canvas, [points.round().astype(np.int32)], 1)
    return canvas > 0


@dataclass(frozen=True, eq=False)
class Matte:
    """A soft mask of the photo as an affine map of its colours, made on the small copy.

    coefficients: (h, w, 4) float32: the mask is red, green, blue (sRGB, 0..1) and 1 times these.
    """

    coefficients: Map

    def at(self, values: Map, block: Block, shape: tuple[int, int]) -> Map:
        """The mask (h, w) 0..1 of a block x0, y0, x1, y1 of the photo of `shape` (H, W).

        `values` (h, w, 3) are the block's own, sRGB-encoded 0..1.
        """
        enlarged = enlarge(self.coefficients, block, shape)
        mask = (enlarged[..., :3] * values).sum(axis=2) + enlarged[..., 3]
        # A matte is never quite 0 or 1 away from its border: what is nearly so, is.
        return np.clip((mask - 0.06) / 0.88, 0, 1)


@dataclass(frozen=True, eq=False)
class People:
    """Mattes of everybody, and of the hair of each face."""

    everybody: Matte
    hair: tuple[Matte, ...]


def enlarge(small: Map, block: Block, shape: tuple[int, int]) -> Map:
    """A block of the photo of `shape` (H, W) from a map (h, w, C) of its small copy, bilinear."""
    x0, y0, x1, y1 = block
    scale = np.array((small.shape[1] / shape[1], small.shape[0] / shape[0]))
    shift = scale * (np.array((x0, y0)) + 0.5) - 0.5
    matrix = np.array([(scale[0], 0, shift[0]), (0, scale[1], shift[1])])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (x1 - x0, y1 - y0)
    return cv2.warpAffine(small, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def reduced(rgb8: Map) -> Map:
    """The small copy of (H, W, 3) or (H, W) uint8."""
    height, width = rgb8.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(rgb8, size, interpolation=cv2.INTER_AREA)


def find(rgb8: Map, persons: Sequence[Person]) -> People:
    """Tell people, hair and background of a photo (H, W, 3) uint8 sRGB apart."""
    small = reduced(rgb8)
    scale = small.shape[1] / rgb8.shape[1]
    frames = [_Frame(person, scale, small.shape[:2]) for person in persons]
    clusters = _clusters(small)
    body = _everybody(small, frames, clusters)
    hair = tuple(matte(small, _hair(small, frame, body, clusters)) for frame in frames)
    return People(matte(small, body), hair)


class _Frame:
    """The geometry of one face, drawn on the small copy."""

    def __init__(self, person: Person, scale: float, shape: tuple[int, int]) -> None:
        self.regions, self.alignment = person.regions, person.alignment
        self.scale, self.shape = scale, shape
        self.outline = person.regions.outline
        self.centre = self.outline.mean(0)
        self.chin = person.regions.chin
        self.down, self.length = person.regions.down, person.regions.length
        self.across = np.array((self.down[1], -self.down[0]))

    def drawn(self, points: Map) -> Map:
        """(h, w) bool, the inside of a polygon given in crop pixels."""
        placed = (self.alignment.points_to_photo(points) + 0.5) * self.scale - 0.5
        canvas = np.zeros(self.shape, np.uint8)
        cv2.fillPoly(canvas, [placed.round().astype(np.int32)], 1)
        return canvas > 0

    def head(self, size: float) -> Map:
        """The face's outline, grown about its middle."""
        return self.drawn(self.centre + (self.outline - self.centre) * size)

    def below(self, *corners: tuple[float, float]) -> Map:
        """A symmetric shape by its right corners (across, down), in face lengths from the chin."""
        right = [self.chin + self.length * (x * self.across + y * self.down) for x, y in corners]
        left = [self.chin + self.length * (-x * self.across + y * self.down) for x, y in corners]
        return self.drawn(np.array([*right, *reversed(left)]))

    def away(self, area: Map) -> Map:
        """(h, w) float32, the distance to an area (h, w) bool in face lengths, 0 inside."""
        if not area.any():
            return np.full(self.shape, 9.0, np.float32)
        size = self.length / self.alignment.scale * self.scale
        return cv2.distanceTransform((~area).astype(np.uint8), cv2.DIST_L2, 5) / size

    def seen(self, crop_map: Map) -> Map:
        """A map of the crop (512, 512), seen from the small copy."""
        to_small = self.alignment.inverse * self.scale
        to_small[:, 2] += 0.5 * self.scale - 0.5
        size = self.shape[::-1]
        shrink = max(1.0, 1 / (self.alignment.scale**-1 * self.scale))
        smooth = cv2.GaussianBlur(crop_map, (0, 0), 0.5 * shrink)
        return cv2.warpAffine(smooth, to_small, size, flags=cv2.INTER_LINEAR)


def _everybody(small: Map, frames: Sequence[_Frame], clusters: Map) -> Map:
    """(h, w) float32 0..1, everybody whose face was found."""
    guess = np.full(small.shape[:2], -4.0, np.float32)
    rim = _rim(guess)
    sure = np.zeros(small.shape[:2], bool)
    for frame in frames:
        lower = frame.below((9, 0.2), (9, 9))
        shoulders = frame.below((0.3, -0.1), (0.35, 0.2), (1.0, 0.55), (1.2, 9))
        away, aside = frame.away(frame.head(1.0) | shoulders), frame.away(shoulders)
        slope = np.where(lower, np.minimum(11 * away, 6 * aside), 11 * away)
        guess = np.maximum(guess, np.clip(3 - slope, -4, 3))
        sure |= (frame.seen(frame.regions.skin) > 0.9) | frame.head(0.85)
        sure |= frame.below((0.2, -0.1), (0.2, 0.3))
        rim &= ~lower  # shoulders reach it
    return _joined(
        _settled(small, guess, sure, (guess <= -4) | rim & (guess <= -1.5), clusters), sure
    )


def _hair(small: Map, frame: _Frame, body: Map, clusters: Map) -> Map:
    """(h, w) float32, one head's hair: what looks like the hair above the forehead."""
    seed = (frame.seen(frame.regions.mask("hair")) > 0.6) & (body > 0.5)
    if seed.sum() < 20:
        return np.zeros(body.shape, np.float32)
    lower = frame.below((0.42, -0.72), (0.4, -0.2), (0.2, 0.0))
    bare = (frame.seen(np.maximum(frame.regions.skin, frame.regions.features)) > 0.3) | lower
    away = frame.away(seed)
    guess = np.clip(2.5 - 12.0 * away, -4, 3)
    guess[bare | (body < 0.1)] = -4
    clothes = frame.below((0.3, -0.05), (0.35, 0.25), (1.2, 0.6), (3, 0.8), (3, 9))
    guess[clothes] = np.minimum(guess[clothes], -2.5)
    return _joined(_settled(small, guess, seed & ~bare, guess <= -4, clusters) * body * ~bare, seed)


def _settled(small: Map, guess: Map, sure: Map, not_it: Map, clusters: Map) -> Map:
    """(h, w) float32 0..1: a guess from geometry alone (log-odds) that colours have corrected.

    What most of a cluster is by the guess, all of it becomes, more so each round; and a pixel goes
    to the side, `sure` or `not_it`, from which it is reached with fewer edges to cross.
    """
    cost = _edges(small)
    near, far = _way(cost, sure), _way(cost, not_it)
    joined = (far - near) / (far + near + 1e-3)
    odds = np.where(sure, 6.0, guess + 1.5 * joined)
    sizes = np.bincount(clusters.ravel()).clip(1)
    for _ in range(ROUNDS):
        share = 1 / (1 + np.exp(-odds))
        mean = (np.bincount(clusters.ravel(), share.ravel()) / sizes).clip(0.05, 0.95)
        alike = np.log(mean / (1 - mean))[clusters]
        odds = np.where(sure, 6.0, 0.7 * guess + 1.0 * alike + 3.0 * joined)
    return cv2.GaussianBlur((1 / (1 + np.exp(-odds))).astype(np.float32), (0, 0), 1)


def _rim(guess: Map) -> Map:
    """(h, w) bool, along the border of the copy: nobody's middle is there."""
    rim = np.ones(guess.shape, bool)
    rim[3:-3, 3:-3] = False
    return rim


def _edges(small: Map) -> Map:
    """(h, w), what a step over each pixel costs: little on even ground, much at an edge."""
    lab = cv2.cvtColor(cv2.bilateralFilter(small, 7, 30, 5), cv2.COLOR_RGB2LAB).astype(np.float32)
    across, down = (cv2.Sobel(lab, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1)))
    return 0.3 + np.sqrt((across**2 + down**2).sum(axis=2))


def _way(cost: Map, start: Map) -> Map:
    """(h, w), the cost of the cheapest way to each pixel from any of `start` (h, w) bool."""
    if not start.any():
        return np.full(cost.shape, float(cost.sum()))
    small = cv2.resize(cost, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    seeds = cv2.resize(start.astype(np.uint8), small.shape[::-1], interpolation=cv2.INTER_NEAREST)
    if not seeds.any():
        return np.full(cost.shape, float(cost.sum()))
    ways, _ = MCP_Geometric(small).find_costs(np.argwhere(seeds))
    return cv2.resize(ways.astype(np.float32), cost.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _clusters(small: Map) -> Map:
    """(h, w) int, which of `CLUSTERS` clusters each pixel of the copy is of."""
    smooth = cv2.bilateralFilter(small, 7, 30, 5).astype(np.float32) / 255
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    light = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = np.abs(light - cv2.GaussianBlur(light, (0, 0), 2))
    texture = np.log1p(cv2.GaussianBlur(fine, (0, 0), 4))
    rows, columns = np.indices(light.shape, dtype=np.float32) / max(light.shape)
    features = np.dstack([0.7 * lab[..., 0], *np.moveaxis(1.5 * lab[..., 1:], 2, 0),
                          8 * texture, PLACE * columns, PLACE * rows])  # fmt: skip
    flat = features.reshape(-1, features.shape[2])
    cv2.setRNGSeed(SEED)
    sample = flat[:: max(1, len(flat) // 12000)]
    stop = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 12, 0.5)
    _, _, centres = cv2.kmeans(sample, CLUSTERS, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    squared = (centres**2).sum(axis=1) - 2 * flat @ centres.T
    return squared.argmin(axis=1).reshape(light.shape)


def _joined(area: Map, seed: Map) -> Map:
    """An area (h, w) 0..1 without its parts that hold none of the seed."""
    parts = cv2.morphologyEx((area > 0.5).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    _, labels = cv2.connectedComponents(parts, connectivity=4)
    mine = np.isin(labels, np.unique(labels[seed & (parts > 0)])) & (parts > 0)
    return area * cv2.dilate(mine.astype(np.float32), np.ones((5, 5)))


def matte(small: Map, mask: Map, radius: int = RADIUS, epsilon: float = EPSILON) -> Matte:
    """Fit a mask (h, w) 0..1 to the colours of the copy (h, w, 3) uint8 around each pixel."""
    guide = small.astype(np.float32) / 255
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: Map) -> Map:
        return cv2.blur(values, size, borderType=cv2.BORDER_REFLECT)

    centre, share = mean(guide), mean(mask.astype(np.float32))
    covariance = np.empty((*mask.shape, 3, 3), np.float32)
    for i in range(3):
        for j in range(3):
            covariance[..., i, j] = mean(guide[..., i] * guide[..., j])
    covariance -= centre[..., :, None] * centre[..., None, :]
    covariance += epsilon * np.eye(3, dtype=np.float32)
    common = mean(guide * mask[..., None]) - centre * share[..., None]
    slope = np.linalg.solve(covariance, common[..., None])[..., 0]
    offset = share - (slope * centre).sum(axis=2)
    return Matte(mean(np.dstack([slope, offset]).astype(np.float32)))
