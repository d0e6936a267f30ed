"""Painted faces on disk: one file a sample, painted once, cropped many times.

A file holds the base crop, its skin mask, the places where the base has marks of its own (their
labels are unknown) or a beard, and one int8 density map a kind, in steps of 1/100.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np

from training.faces import FaceRow, aligned, rows
from training.imperfections import lifted, mixture
from training.imperfections.base import STEP, Base, Layer
from training.imperfections.enamel import stain
from training.imperfections.flush import flush
from training.imperfections.own import texture, unevenness
from vision.engine import RetouchEngine
from vision.errors import FreckleError
from vision.regions import segment
from vision.vocabulary import NETWORK_KINDS, SKIN_KINDS

_FLUSHED = " flushed"  # after the name of a face that lends its redness alone
LIFTED = "lifted.npz"  # what was lifted off faces, beside the samples
PAINTERS = 11  # raised when what they paint, or how it is stored, changes
# A base's pixel is left out of the loss where an earlier network gives this much of it to a kind.
_FOUND = 0.35
# Of skin and teeth a face is parted from its own, which is no mark.
_MARKS = [
    NETWORK_KINDS.index(kind) for kind in NETWORK_KINDS if kind not in (*SKIN_KINDS, "yellow_teeth")
]
_VALLEY = 2.0  # curvature of a line across it, in levels of CIE L (0..255) a squared width
# Where lines are of age or mimic; beside the nose and along the jaw they are the face's own shape.
_LINED = ("forehead", "between_brows", "crows_feet", "under_eyes", "smile_lines", "mouth")
_STRETCH = 26  # pixels
_SHADE = 20  # levels of CIE L (0..255) below the face's median
_RED = 0.03  # mean density of a flush over the skin, from which on it is worth laying on others
# How many samples of a face show it with what it has of its own, and how strong that is then.
_SHOWN = {"redness": 0.5, "yellow_teeth": 0.6, "pores": 0.5, "uneven_tone": 0.4}
_SEEN, _FEW = 0.02, 500  # density, and how many pixels have it, of what is worth showing
_AMPLIFIED = {
    "redness": (1.0, 1.0), "yellow_teeth": (0.8, 1.6),
    "pores": (0.8, 4.0), "uneven_tone": (0.7, 2.2),
}  # fmt: skip
# What a face has of its own and can be parted from, in this order.
OWN = ("redness", "yellow_teeth", *SKIN_KINDS)
_OF_FACE = {"redness": flush, "yellow_teeth": stain}
_OF_SKIN = {"pores": texture, "uneven_tone": unevenness}


def base_of(row: FaceRow) -> Base:
    """The aligned face of a manifest row, with regions from its dense landmarks."""
    crop, points, alignment = aligned(row)
    # A crop enlarged from a smaller photo is soft; paint must be as soft.
    return Base(crop, segment(crop, points), blur=0.55 * max(1.0, float(alignment.scale)))


def parted(base: Base, own: Sequence[str] = OWN) -> tuple[Base, list[Layer]]:
    """The face without its own redness, stain of teeth, pores and unevenness (or those of them in
    `own`), as faces are painted, and these."""
    layers, marks = [], None
    for kind in (kind for kind in OWN if kind in own):
        if kind in _OF_SKIN:
            marks = own_marks(base) | beard(base) if marks is None else marks
            density = _OF_SKIN[kind](base, marks)
        else:
            density = _OF_FACE[kind](base)
        layers.append(Layer(kind, density))
        base = lifted.without(base, density)
    return base, layers


def amplified(layer: Layer, rng: np.random.Generator) -> Layer:
    """What a face has of its own as others may have it (`_AMPLIFIED`)."""
    return Layer(layer.kind, layer.density * np.float32(rng.uniform(*_AMPLIFIED[layer.kind])))


def shown(own: list[Layer], rng: np.random.Generator) -> list[Layer]:
    """Some of what a face has of its own, more or less of it."""
    some = [layer for layer in own if rng.random() < _SHOWN[layer.kind]]
    return [amplified(layer, rng) for layer in some if shows(layer)]


def shows(layer: Layer) -> bool:
    """Whether a layer is more than next to nothing."""
    return bool((np.abs(layer.density).max(axis=2) > _SEEN).sum() > _FEW)


def own_marks(base: Base) -> np.ndarray:
    """(512, 512) bool: marks, flushes and highlights the base brings along.

    Nobody labelled them, so they must not be taught as "nothing is here". Beards are apart: see
    `beard`.
    """
    lab = cv2.cvtColor(base.crop, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = base.skin > 0.5
    if not skin.any():
        return skin
    near_red = cv2.medianBlur(lab[..., 1].astype(np.uint8), 21)
    dark = _dark(base)
    marks = (dark & ~_dense(dark)) | ((lab[..., 1] - near_red > 6) & skin)
    broad = cv2.GaussianBlur(lab, (0, 0), 9) - np.median(lab[skin], axis=0)
    marks = cv2.dilate((marks | _lines(base)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return (marks | (broad[..., 1] > 7) | (broad[..., 0] > 30) | _dark_lids(base, broad)) & skin


def _lines(base: Base) -> np.ndarray:
    """(512, 512) bool: valleys that run on, sharp as a forehead line or soft as a smile's fold.

    Hardly a photo is without them. Taught as "nothing is here", they make a network that removes
    painted lines and leaves every real one.
    """
    light = cv2.cvtColor(base.crop, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32)
    zone = (base.skin > 0.5) & (sum(base.regions.mask(region) for region in _LINED) > 0.3)
    found = np.zeros(light.shape, bool)
    for sigma in (1.5, 3.0, 5.0):
        valley = lifted.valleys(light, (sigma,), roundest=0.5) > _VALLEY
        found |= lifted.long_parts(valley & zone & ~_dense(_dark(base)), _STRETCH)
    return found


def _dark_lids(base: Base, broad: np.ndarray) -> np.ndarray:
    """(512, 512) bool: where the skin below the eyes is clearly darker than the rest of it."""
    return (base.regions.mask("under_eyes") > 0.3) & (broad[..., 0] < -_SHADE)


def beard(base: Base) -> np.ndarray:
    """(512, 512) bool: dense dark texture on the skin, which is hair: stubble or nothing, but no
    other kind."""
    return _dense(_dark(base)) & (base.skin > 0.5)


def _dark(base: Base) -> np.ndarray:
    """(512, 512) bool: darker than the skin around it."""
    light = cv2.cvtColor(base.crop, cv2.COLOR_RGB2LAB)[..., 0]
    return (cv2.medianBlur(light, 21).astype(int) - light > 12) & (base.skin > 0.5)


def _dense(dark: np.ndarray) -> np.ndarray:
    """(512, 512) bool: where dark specks are so close that they are hair."""
    return cv2.blur(dark.astype(np.float32), (31, 31)) > 0.3


def found_file(folder: Path, sample: Path) -> Path:
    """Where `look` wrote what is on the base of a painted sample."""
    return folder / f"{sample.stem.rpartition('-')[2]}.npy"


def look(
    data: Path, folder: Path, teacher: Path, *, split: str = "train", own: Sequence[str] = OWN
) -> None:
    """Note where a network of an earlier round sees marks on the unpainted bases.

    Second of two rounds: what life has put there must not be taught as "nothing is here", or the
    network learns to tell paint from life. Writes one (512, 512) bool array a face into `folder`;
    finished files are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    engine = RetouchEngine(teacher)
    for index, row in enumerate(_bases(data, split)):
        file = folder / f"{index:05d}.npy"
        if file.exists():
            continue
        marks = seen(engine, _bare(row, own))
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            np.save(out, marks)
        part.rename(file)


def _bare(row: FaceRow, own: Sequence[str]) -> Base:
    """A face as it is painted on: without what is lifted off it, and parted from its `own`."""
    base = base_of(row)
    for density in lifted.lift(base, lifted.FACES.get(_name(row), [])).values():
        base = lifted.without(base, density)
    return parted(base, own)[0]


def seen(engine: RetouchEngine, base: Base) -> np.ndarray:
    """(512, 512) bool: where a network sees marks of any kind on an unpainted base, and around.

    Beards are left out: they are no marks, whatever it says. So are pores, unevenness and stained
    teeth, of which bases are parted.
    """
    owners = engine.detect(base.crop, base.surfaces).detection.owners[0]  # as trained, no gate
    marks = (owners[_MARKS].amax(dim=0) > _FOUND).cpu().numpy() & (base.surfaces.both > 0.5)
    halo = cv2.dilate(marks.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return halo & ~beard(base)


def _bases(data: Path, split: str) -> list[FaceRow]:
    # Photos filed under an imperfection show it all over: no base to paint on.
    return [row for row in rows(data, split=split) if row.path.parent.name == "faces"]


def sample(
    base: Base,
    rng: np.random.Generator,
    bank: lifted.Bank | None = None,
    taken: lifted.Lifted | None = None,
    own: Sequence[str] = OWN,
) -> dict[str, np.ndarray]:
    """One painted face as it is stored (see the module); what was `taken` off it by hand, and often
    what of its `own` it is parted from, count as painted, on the face without them."""
    densities = {} if taken is None else taken.densities
    layers = [Layer(kind, STEP * density.astype(np.float32)) for kind, density in densities.items()]
    for layer in layers:
        base = lifted.without(base, layer.density)
    base, own_layers = parted(base, own)
    layers += shown(own_layers, rng)
    present = {layer.kind for layer in layers}
    layers += mixture(base, rng, tuple(kind for kind in NETWORK_KINDS if kind not in present), bank)
    layers = [layer for layer in layers if layer.density.any()]
    return {
        "crop": base.crop,
        "skin": np.round(base.skin * 255).astype(np.uint8),
        "own": own_marks(base),
        "beard": beard(base),
        "kinds": np.array([NETWORK_KINDS.index(layer.kind) for layer in layers], np.int64),
        "density": np.array([stored(layer.density) for layer in layers], np.int8).reshape(
            -1, *base.crop.shape
        ),
    }


def stored(density: np.ndarray) -> np.ndarray:
    """A density in int8 steps of 1/100."""
    return np.clip(np.round(density / STEP), -127, 127).astype(np.int8)


def write_sample(
    file: Path,
    base: Base,
    seed: int,
    bank: lifted.Bank | None = None,
    taken: lifted.Lifted | None = None,
    own: Sequence[str] = OWN,
) -> None:
    """Paint one face and store it, as `sample` does."""
    _write(file, **sample(base, np.random.default_rng(seed), bank, taken, own))


def _write(file: Path, **arrays: np.ndarray) -> None:
    """Written under another name first, so a kill leaves no half."""
    part = file.with_suffix(".part")
    with part.open("wb") as out:
        np.savez(out, **arrays)
    part.rename(file)


def lift_all(data: Path, file: Path, split: str = "train") -> None:
    """Store what is lifted off every face of `lifted.FACES` in a split, and off all that are red;
    a finished file is kept."""
    if file.exists():
        return
    arrays = {}
    for row in rows(data, split=split):
        name, base = _name(row), base_of(row)
        off = lifted.lift(base, lifted.FACES.get(name, []))
        if off:
            arrays[f"{name}:points"] = base.points
            arrays |= {f"{name}:{kind}": stored(density) for kind, density in off.items()}
        red = flush(base)
        if red[base.skin > 0.5, 1].mean() > _RED:
            arrays[f"{name}{_FLUSHED}:points"] = base.points
            arrays[f"{name}{_FLUSHED}:redness"] = stored(red)
    _write(file, **arrays)


@lru_cache(maxsize=1)
def lifted_from(file: Path) -> dict[str, lifted.Lifted]:
    """What `lift_all` stored, by the name of the photo (and `_FLUSHED`)."""
    found: dict[str, dict] = {}
    with np.load(file) as arrays:
        for key in arrays.files:
            name, _, what = key.partition(":")
            found.setdefault(name, {})[what] = arrays[key]
    return {
        name: lifted.Lifted(parts, parts.pop("points"), lifted.FACES.get(name, ["flush"]))
        for name, parts in found.items()
    }


def _name(row: FaceRow) -> str:
    return f"{row.path.parent.name}/{row.path.name}"


def _same_paint(file: Path, made: dict) -> None:
    """Note what a folder is painted with.

    Raises:
        FreckleError: it was painted otherwise.
    """
    if file.exists() and json.loads(file.read_text()) != made:
        raise FreckleError(f"{file.parent} was painted with other painters or seed; remove it")
    file.write_text(json.dumps(made))


def _write_rows(own: Sequence[str], job: tuple[list[FaceRow], list[Path], list[int]]) -> int:
    cv2.setNumThreads(1)
    for row, file, seed in zip(*job, strict=True):
        found = lifted_from(file.parent / LIFTED)
        bank, taken = lifted.Bank(tuple(found.values())), found.get(_name(row))
        write_sample(file, base_of(row), seed, bank, taken, own)
    return len(job[0])


def render(
    data: Path, folder: Path, *, split: str = "train", variants: int = 3, seed: int = 0,
    workers: int = 2, own: Sequence[str] = OWN,
) -> int:  # fmt: skip
    """Paint `variants` samples of every face of a split, parted from its `own`, into `folder`;
    finished files are kept.

    Returns:
        The number of samples in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paint = {"painters": PAINTERS, "seed": seed, "split": split, "own": list(own)}
    _same_paint(folder / "paint.json", paint)
    chosen = _bases(data, split)
    todo = []
    for variant in range(variants):
        for index, row in enumerate(chosen):
            file = folder / f"{variant:02d}-{index:05d}.npz"
            if not file.exists():
                todo.append((row, file, seed + variant * 1_000_003 + index))
    jobs = [tuple(map(list, zip(*todo[i : i + 8], strict=True))) for i in range(0, len(todo), 8)]
    with ProcessPoolExecutor(workers) as pool:
        # Not in this process: OpenCV's threads would not survive the fork.
        pool.submit(lift_all, data, folder / LIFTED, split).result()
        for _ in pool.map(partial(_write_rows, own), jobs):
            pass
    return len(samples(folder))


def samples(folder: Path) -> list[Path]:
    """The painted samples in a folder, in order."""
    return sorted(folder.glob("??-*.npz"))
