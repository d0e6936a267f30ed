"""What goes and what stays: measures of removal on painted faces, for any means of removal.

Every kind is painted, in its natural mixture with others, on held-out identities, so the clean
skin under each mark is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from training.evaluate.filters import FILTERS, inpaint
from training.faces import rows, spread
from training.imperfections import mixture, painters
from training.imperfections.base import Base, Layer, to_srgb
from training.imperfections.render import amplified, base_of, own_marks, parted, shown, shows
from training.painted import AREA, SALIENCE, TEXTURES
from vision.changes import DOTS
from vision.compose import CLOSED, soften
from vision.engine import FOUND, Found, RetouchEngine
from vision.vocabulary import NETWORK_KINDS, SKIN_KINDS, TEETH_KINDS

Numbers = dict[str, dict[str, float]]
MASK = 4 / 255  # paint that changes a pixel by this much (mean of channels) is inside its mask
_FEW = 20  # pixels; a smaller mask is not measured


@dataclass(frozen=True)
class Truth:
    """One painted face; images are (512, 512, 3) float32 sRGB 0..1, as 8 bit stores them.

    Attributes:
        painted: the photo.
        without: the photo without each kind that is on it.
        untouched: (512, 512) bool, clean skin where nothing was painted.
        clean: the face before any paint.
    """

    painted: np.ndarray
    without: dict[str, np.ndarray]
    untouched: np.ndarray
    clean: np.ndarray

    @property
    def crop(self) -> np.ndarray:
        """The photo as (512, 512, 3) uint8."""
        return np.round(self.painted * 255).astype(np.uint8)

    @property
    def marks(self) -> np.ndarray:
        """(512, 512) bool, inside any mask."""
        return np.abs(self.clean - self.painted).mean(axis=2) > MASK


# Takes the named kinds off a painted face -> (512, 512, 3) float32 sRGB 0..1.
Remover = Callable[[Truth, Base, tuple[str, ...]], np.ndarray]


def paint(base: Base, layers: list[Layer]) -> Truth:
    """Render layers on a base."""
    total = np.sum([np.zeros_like(base.linear), *(x.density for x in layers)], axis=0)

    def render(density: np.ndarray) -> np.ndarray:
        return stored(to_srgb(base.linear * np.exp(-density)))

    painted = render(total)
    without = {layer.kind: render(total - layer.density) for layer in layers}
    clean = render(np.zeros_like(total))
    same = (clean == painted).all(axis=2)
    return Truth(painted, without, same & (base.skin > 0.9) & ~own_marks(base), clean)


def mixed_face(face: Base, index: int, rng: np.random.Generator) -> tuple[Base, Truth]:
    """The face without what it has of its own, and with that and other kinds in a random mixture,
    of which the one whose turn it is (by `index`) is there for sure if the face has room for it
    (teeth may not show)."""
    base, own = parted(face)
    layers = shown(own, rng)
    present = {layer.kind for layer in layers}
    layers += mixture(base, rng, tuple(kind for kind in NETWORK_KINDS if kind not in present))
    lead = NETWORK_KINDS[index % len(NETWORK_KINDS)]
    if lead not in {layer.kind for layer in layers}:
        theirs = [amplified(layer, rng) for layer in own if layer.kind == lead and shows(layer)]
        layers += theirs or [painters[lead](base, rng, float(rng.uniform(0.2, 1.0)))]
    return base, paint(base, [layer for layer in layers if layer.density.any()])


def held_out(data: Path, faces: int, seed: int = 7) -> Iterator[tuple[Base, Truth]]:
    """Painted faces of the test split (use=train rows: studio and stock portraits)."""
    chosen = [row for row in rows(data, split="test") if row.path.parent.name == "faces"]
    rng = np.random.default_rng(seed)
    for index, row in enumerate(spread(chosen, faces)):
        base, truth = mixed_face(base_of(row), index, rng)
        if truth.without:
            yield base, truth


def stored(image: np.ndarray) -> np.ndarray:
    """An image as 8 bit would hold it, float32 0..1."""
    return (np.round(np.clip(image, 0, 1) * 255) / 255).astype(np.float32)


def psnr(error: np.ndarray) -> float:
    """Decibels of an error (n, 3) of values in 0..1."""
    return float(-10 * np.log10(max(float((error**2).mean()), 1e-10)))


def area_of(kind: str, effect: np.ndarray) -> np.ndarray:
    """(512, 512) bool, where a kind is, by what it changes there; texture is where its area is."""
    if kind in TEXTURES:
        effect = SALIENCE.get(kind, 1.0) * np.sqrt(cv2.blur(effect**2, (AREA, AREA)))
    return effect > MASK


def average_precision(score: np.ndarray, truth: np.ndarray) -> float:
    """Area under precision over recall of scores (n,) against booleans (n,)."""
    order = np.argsort(-score, kind="stable")
    hits = truth[order].cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    return float(precision[truth[order]].mean())


def freckle(engine: RetouchEngine, kept: str | None = None) -> Remover:
    """Our network, told the kinds and not the places; what it finds of a kind that is `kept` stays
    untouched, as by a plan's keep (`vision.keeping`), and where skin is evened freckles and moles
    do that nobody named (`vision.changes`)."""

    last: Truth | None = None
    seen: dict[int, Found] = {}  # asked again of the same face

    def found_by(one: RetouchEngine, truth: Truth, base: Base) -> Found:
        nonlocal last
        if last is not truth:
            last = truth
            seen.clear()
        if id(one) not in seen:
            seen[id(one)] = one.detect(truth.crop, base.surfaces)
        return seen[id(one)]

    def remove(truth: Truth, base: Base, asked: tuple[str, ...]) -> np.ndarray:
        gate, change = np.zeros_like(base.skin), np.zeros_like(truth.painted)
        for skin in (False, True):  # in this order, as in `vision.changes`
            kinds = [kind for kind in asked if (kind in SKIN_KINDS) == skin]
            if not kinds:
                continue
            one = engine.of(kinds[0])
            channels = tuple(one.kinds.index(kind) for kind in kinds)
            healing = one.heal(truth.crop, base.surfaces, found_by(one, truth, base), channels)
            room = 1 - gate if one is not engine else 1.0
            if one is not engine:
                unnamed = [one.kinds.index(dot) for dot in DOTS if dot not in asked]
                dots = found_by(engine, truth, base).owners[unnamed].max(axis=0, initial=0)
                room = room * (1 - np.clip(dots / FOUND, 0, 1))
            gate = gate + room * healing.gates.sum(axis=0)
            change = change + np.expand_dims(room, -1) * healing.changes.sum(axis=0)
        if kept:
            one = engine.of(kept)
            marks = found_by(one, truth, base).owners[one.kinds.index(kept)] > FOUND
            left = 1 - soften(marks.astype(np.float32))
            gate, change = left * gate, left[..., None] * change
        return stored(truth.painted + (gate[..., None] > CLOSED) * change)

    return remove


def _blind(apply: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Remover:
    return lambda truth, base, asked: stored(apply(truth.painted, base.skin))


def _oracle(truth: Truth, base: Base, asked: tuple[str, ...]) -> np.ndarray:
    marks = [np.abs(truth.without[kind] - truth.painted).mean(axis=2) > MASK for kind in asked]
    return stored(inpaint(truth.painted, np.any(marks, axis=0)))


# What anyone can run, in the order of the tables.
OTHERS: dict[str, Remover] = {
    "nothing": lambda truth, base, asked: truth.painted,
    **{name: _blind(apply) for name, apply in FILTERS.items()},
    "filling the true mask": _oracle,
}


def measure_kinds(truth: Truth, base: Base, remove: Remover) -> Numbers:
    """Each painted kind asked away alone, at full strength.

    Per kind: `before` and `after`, PSNR inside its mask against the face without it; `removed`,
    share of the painted change made good there; `spill` and `effect`, mean change where only
    other kinds are, and inside; `clean`, mean change of untouched skin, of 255; `off` before and
    after, CIE76 distance of the mean colour inside the mask to that of the skin around it.
    """
    effects = {
        kind: np.abs(image - truth.painted).mean(axis=2) for kind, image in truth.without.items()
    }
    numbers = {}
    for kind, target in truth.without.items():
        inside = effects[kind] > MASK
        if inside.sum() < _FEW:
            continue
        result = remove(truth, base, (kind,))
        change = result - truth.painted
        others = np.max([e for k, e in effects.items() if k != kind] or [inside * 0], axis=0)
        others = (others > MASK) & (effects[kind] < 0.5 / 255)
        size = np.abs(change).mean(axis=2)
        wanted = (target - truth.painted)[inside]
        left = wanted - change[inside]
        mixed = others.sum() > _FEW
        alike = truth.untouched & (kind not in TEETH_KINDS)  # teeth need not look like skin
        numbers[kind] = {
            "before": psnr(wanted),
            "after": psnr(left),
            "removed": 1 - float(np.abs(left).sum() / np.abs(wanted).sum()),
            "spill": float(size[others].mean()) if mixed else np.nan,
            "effect": float(size[inside].mean()) if mixed else np.nan,
            "clean": float(size[truth.untouched].mean() * 255) if truth.untouched.any() else np.nan,
            "off_before": _off(truth.painted, inside, alike),
            "off_after": _off(result, inside, alike),
        }
    return numbers


def both_face(base: Base, kinds: tuple[str, str], seed: int) -> Truth:
    """A face with two kinds on it, much of both."""
    rng = np.random.default_rng(seed)
    layers = [painters[kind](base, rng, 0.7) for kind in kinds]
    return paint(base, [layer for layer in layers if layer.density.any()])


def measure_kept(truth: Truth, base: Base, remove: Remover, asked: str, kept: str) -> dict:
    """One painted kind asked away where another one shall stay; empty where either is hardly there.

    `removed` is the share of the painted change made good where `asked` alone is; `changed` the
    change where `kept` alone is, as a share of what paint changed there.
    """
    wanted = {
        kind: truth.without.get(kind, truth.painted) - truth.painted for kind in (asked, kept)
    }
    sizes = {kind: np.abs(change).mean(axis=2) for kind, change in wanted.items()}
    alone = {
        one: (sizes[one] > MASK) & (sizes[other] < 0.5 / 255)
        for one, other in ((asked, kept), (kept, asked))
    }
    if min(mask.sum() for mask in alone.values()) < _FEW:
        return {}
    change = remove(truth, base, (asked,)) - truth.painted
    left = np.abs(wanted[asked] - change).mean(axis=2)[alone[asked]].sum()
    touched = np.abs(change).mean(axis=2)[alone[kept]].sum()
    return {
        "removed": 1 - float(left / sizes[asked][alone[asked]].sum()),
        "changed": float(touched / sizes[kept][alone[kept]].sum()),
    }


def _off(image: np.ndarray, inside: np.ndarray, skin: np.ndarray) -> float:
    """CIE76 distance between mean colours inside a mask and on the clean skin near it."""
    near = cv2.dilate(inside.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    around = near & ~inside & skin
    if around.sum() < _FEW:
        return np.nan
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    return float(np.linalg.norm(lab[inside].mean(axis=0) - lab[around].mean(axis=0)))


def measure_all(
    truth: Truth,
    base: Base,
    remove: Remover,
    distance: Callable[[np.ndarray, np.ndarray], float] | None,
) -> dict[str, float]:
    """Everything painted asked away: PSNR in the masks and of the crop, SSIM, and a perceptual
    `distance` of two images if there is one."""
    result = remove(truth, base, tuple(truth.without))
    error = result - truth.clean
    ssim = structural_similarity(truth.clean, result, channel_axis=2, data_range=1.0)
    numbers = {"inside": psnr(error[truth.marks]), "all": psnr(error), "ssim": float(ssim)}
    return numbers | ({"distance": distance(result, truth.clean)} if distance else {})
