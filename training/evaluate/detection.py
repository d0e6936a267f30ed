"""`freckle evaluate detection`: on real photos, and on people's own words.

- Boxes: how much more of a kind's map lies inside boxes that others drew than on the rest of the
  face. They are loose and leave many lines unmarked, so the ratio is a lower bound.
- Grades: whether acne severity ranks photos as dermatologists do (ACNE04, Wu et al. 2019), and how
  much of what is found as small marks on these photos is called acne.
- Words: whether phrases no training saw (`words.json`) are taken for the right kind, from which
  likeness on that can be trusted, and how precise the maps are that they ask for.

`tone_angle` puts faces in order of skin tone, for tables by tone.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import spearmanr

from training.evaluate.removal import Numbers, Truth, area_of, average_precision, held_out
from training.faces import FaceRow, aligned, rows
from training.imperfections.base import SIZE, Base
from training.imperfections.render import base_of
from vision.engine import FOUND, Found, RetouchEngine
from vision.faces import Alignment
from vision.prompts import PHRASES, OwnWords, TextTower, text_tower, understood
from vision.regions import Surfaces
from vision.vocabulary import NETWORK_KINDS
from vision.weights_file import RETOUCH_FOLDER

Box = tuple[float, float, float, float]  # x, y, width, height in pixels of the stored image
Reading = tuple[str, OwnWords]  # the kind a phrase means, and what it is taken for

# Labels of boxes.csv that show a kind (gummy_smile: in truth the nasolabial folds), that say
# nothing about it (muscle and shape, but on old faces lines as well), and that deny it.
SHOWN = {
    "wrinkles": ("wrinkle_forehead", "wrinkle_crows_feet", "wrinkle_frown_line",
                 "wrinkle_gummy_smile", "wrinkle_sad_smile", "wrinkle_smoker_lines",
                 "wrinkle_bunny_line"),
    "dark_circles": ("dark_circle_low", "dark_circle_moderate", "dark_circle_high"),
}  # fmt: skip
UNSURE = {"wrinkles": ("wrinkle_masseter", "wrinkle_chin"), "dark_circles": ()}
DENIED = {"wrinkles": (), "dark_circles": ("no_dark_circle",)}
SPOTS = ("acne", "freckles", "moles", "dark_spots")  # small marks, easily taken for one another
FEW = 20  # pixels: a mean over fewer says nothing
CLEAR = 3.0  # a face is clear if its map holds so many times more inside the boxes than outside
WORDS = Path(__file__).with_name("words.json")
LEVELS = np.arange(0.3, 0.71, 0.05)  # least likenesses to choose from
NONE_SHARES = (0.05, 0.1, 0.25)  # of all that is said; nobody knows
SURE = 0.8  # how probably the nearest kind must be right for words to be acted upon


def read_boxes(data: Path) -> dict[str, dict[str, list[Box]]]:
    """Boxes of boxes.csv by file and label."""
    boxes: dict[str, dict[str, list[Box]]] = defaultdict(lambda: defaultdict(list))
    with (data / "boxes.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            x, y, w, h = (float(row[column]) for column in "xywh")
            boxes[row["file"]][row["label"]].append((x, y, w, h))
    return boxes


def covered(alignment: Alignment, boxes: list[Box]) -> np.ndarray:
    """(512, 512) bool: pixels of the crop whose centre is in one of the photo's boxes."""
    y, x = np.mgrid[:SIZE, :SIZE]
    at = alignment.points_to_photo(np.stack([x.ravel(), y.ravel()], axis=1))
    at = at.reshape(SIZE, SIZE, 2) + 0.5  # boxes count from a pixel's corner, points its centre
    inside = np.zeros((SIZE, SIZE), bool)
    for left, top, *size in boxes:
        beyond = at - (left, top)
        inside |= ((beyond >= 0) & (beyond < size)).all(axis=2)
    return inside


def look(row: FaceRow, network: RetouchEngine) -> tuple[Base, Alignment, Surfaces, Found]:
    """A photo's aligned face, its surfaces up to the photo's border, and what is found on them."""
    base, alignment = base_of(row), aligned(row)[2]
    height, width = row.read().shape[:2]
    photo = covered(alignment, [(0, 0, width, height)])
    on = Surfaces(base.skin * photo, base.surfaces.teeth * photo)
    return base, alignment, on, network.detect(base.crop, on)


def summary(inside: Sequence[float], outside: Sequence[float]) -> dict[str, float]:
    """Means over faces, their ratio (a mean of ratios would be ruled by faces with next to nothing
    outside), and the share of clear faces; faces that lack either number are left out."""
    pairs = np.array([inside, outside], float)
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    within, beyond = (_mean(side) for side in pairs)
    return {
        "faces": pairs.shape[1],
        "inside": within,
        "outside": beyond,
        "ratio": within / max(beyond, 1e-9),
        "clear": _mean(pairs[0] > CLEAR * pairs[1]),
    }


def boxed(data: Path, network: RetouchEngine) -> Numbers:
    """A kind's ownership of the skin inside its boxes and on the rest of the face.

    `denied` is the mean inside boxes that are said to be free of the kind, `skipped` the number of
    photos without landmarks.
    """
    boxes, numbers = read_boxes(data), {}
    photos = rows(data, use="evaluate", split=None)
    known = {row.path.relative_to(data).as_posix(): row for row in photos}
    for kind, shown in SHOWN.items():
        files = [file for file, drawn in boxes.items() if {*shown, *DENIED[kind]} & set(drawn)]
        means = defaultdict(list)
        for file in (file for file in files if file in known):
            base, alignment, on, found = look(known[file], network)
            marked, unsure, denied = (
                covered(alignment, [box for label in labels for box in boxes[file].get(label, ())])
                for labels in (shown, UNSURE[kind], DENIED[kind])
            )
            owner = found.owners[network.kinds.index(kind)]
            skin = on.skin > 0.5
            face = skin & (base.regions.mask("face") > 0.5)
            means["inside"].append(_mean(owner[skin & marked], FEW))
            means["outside"].append(_mean(owner[face & ~marked & ~unsure], FEW))
            means["denied"].append(_mean(owner[skin & denied], FEW))
        numbers[kind] = summary(means["inside"], means["outside"])
        numbers[kind]["denied"] = _mean(means["denied"])
        numbers[kind]["skipped"] = sum(file not in known for file in files)
    return numbers


def graded(data: Path, network: RetouchEngine) -> dict[str, float]:
    """Whether acne (ownership times amplitude, summed over skin, per face area) follows grades, and
    `called`, the share that acne has of all small marks that count as found."""
    grades, severities, marks = [], [], []
    spots = [network.kinds.index(kind) for kind in SPOTS]
    for row in rows(data, use="evaluate", split=None):
        if grade := re.fullmatch(r"acne severity (\d) \(ACNE04\)", row.label):
            base, _, _, found = look(row, network)
            total = (found.owners[network.kinds.index("acne")] * found.amplitude).sum()
            grades.append(int(grade[1]))
            severities.append(float(total / max(base.regions.mask("face").sum(), 1.0)))
            marks.append((found.owners[spots] > FOUND).sum(axis=(1, 2)))
    shares = np.sum(marks, axis=0) / max(np.sum(marks), 1)
    return {**rank_agreement(grades, severities), "called": float(shares[SPOTS.index("acne")])}


def rank_agreement(grades: Sequence[float], severities: Sequence[float]) -> dict[str, float]:
    """Spearman's rank correlation, its two-sided p-value, and the number of photos."""
    result = spearmanr(grades, severities)
    return {"photos": len(grades), "correlation": float(result[0]), "p": float(result[1])}


def bare(phrase: str) -> str:
    """What makes two phrases the same: their words without case and plural s."""
    return " ".join(word.removesuffix("s") for word in phrase.casefold().split())


def own_phrases() -> dict[str, list[str]]:
    """Phrases no training saw, per kind; and of no imperfection, to judge and to calibrate with."""
    return json.loads(WORDS.read_text(encoding="utf-8"))


def tower_of(network: RetouchEngine) -> TextTower:
    """The text tower that a network was trained with."""
    return text_tower(network.network.config.tower)


def read(phrases: Mapping[str, Sequence[str]], tower: TextTower) -> list[Reading]:
    """Phrases by what they mean, each taken as `engine.own_words` takes it, but all at once.

    A phrase does not answer for itself: known ones are each judged by all others.
    """
    said = [(meant, phrase) for meant, some in phrases.items() for phrase in some]
    known = [(kind, text) for kind, texts in PHRASES.items() for text in texts]
    embedded = tower([phrase for _, phrase in said + known])
    own, others = np.split(embedded, [len(said)])
    likeness = own @ others.T
    names, answers = (np.array([bare(phrase) for _, phrase in some]) for some in (said, known))
    likeness[names[:, None] == answers] = -2
    taken = (understood(one, others, row) for row, one in zip(likeness, own, strict=True))
    return [(meant, words) for (meant, _), words in zip(said, taken, strict=True)]


def accuracy(readings: list[Reading]) -> Numbers:
    """Share of phrases whose nearest kind is right, per kind and (last) over all phrases."""
    right = {kind: [w.kind == m for m, w in readings if m == kind] for kind in NETWORK_KINDS}
    right["all"] = [one for some in right.values() for one in some]
    return {kind: {"phrases": len(some), "right": _mean(some)} for kind, some in right.items()}


def thresholds(readings: list[Reading], levels: Sequence[float]) -> Numbers:
    """What accepting words from each likeness on does: shares of kinds' phrases accepted right and
    accepted wrong, and of "none" phrases rejected."""
    likeness, right, is_kind = _arrays(readings)
    return {
        f"{level:.2f}": {
            "right": _mean((right & (likeness >= level))[is_kind]),
            "wrong": _mean((~right & (likeness >= level))[is_kind]),
            "rejected": _mean((likeness < level)[~is_kind]),
        }
        for level in levels
    }


def fit_platt(likeness: np.ndarray, right: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Slope (not negative) and offset of logit P(nearest kind is right | likeness), all (n,).

    Targets are drawn in as in Platt 1999 ("Probabilistic Outputs for Support Vector Machines"), so
    that the slope stays finite where the two sides are apart.
    """
    yes, no = weight[right].sum(), weight[~right].sum()
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(line: np.ndarray) -> float:
        odds = line[0] * likeness + line[1]
        return float(np.average(np.logaddexp(0, odds) - target * odds, weights=weight))

    fitted = minimize(loss, (1.0, 0.0), method="L-BFGS-B", bounds=((0, None), (None, None)))
    return float(fitted.x[0]), float(fitted.x[1])


def calibrate(known: list[Reading], unseen: list[Reading], none_share: float) -> dict[str, float]:
    """The likeness from which `known` readings are `SURE` to be right, and what it does to others.

    `none_share` is the share of all that is said that names no imperfection: nobody knows it, so
    "none" phrases are weighted to make it up. `believed` and `correct` are the mean confidence and
    the share right on held-out phrases weighted likewise: equal where the confidence is honest.
    """
    line = fit(known, none_share)
    likeness, right, _ = _arrays(unseen)
    weight = _weights(unseen, none_share)
    believed = expit(line["slope"] * likeness + line["offset"])
    return {
        **line,
        "believed": float(np.average(believed, weights=weight)),
        "correct": float(np.average(right, weights=weight)),
        **next(iter(thresholds(unseen, [line["least"]]).values())),
    }


def fit(known: list[Reading], none_share: float) -> dict[str, float]:
    """Slope and offset of the confidence in readings, and the `least` likeness that is `SURE`."""
    slope, offset = fit_platt(*_arrays(known)[:2], _weights(known, none_share))
    least = float(logit(SURE) - offset) / max(slope, 1e-9)
    return {"slope": slope, "offset": offset, "least": least}


def _arrays(readings: list[Reading]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) each: likeness, whether the nearest kind is right, whether any kind is meant."""
    likeness = np.array([words.likeness for _, words in readings])
    return likeness, *np.array([(m == w.kind, m in NETWORK_KINDS) for m, w in readings]).T


def _weights(readings: list[Reading], none_share: float) -> np.ndarray:
    """(n,), summing to n: "none" phrases make up `none_share` of it."""
    is_kind = _arrays(readings)[2]
    return np.where(is_kind, (1 - none_share) / is_kind.mean(), none_share / (~is_kind).mean())


def reworded(
    faces: Iterable[tuple[Base, Truth]], network: RetouchEngine, words: int = 3, seed: int = 7
) -> Numbers:
    """Average precision of kinds' maps, asked by the pre-defined prompt and by held-out words.

    Words answer through the channel of the kind they are taken for (`right`: how often it is the
    one meant). `loss` is the share of precision lost; for "mean", of the means over kinds.
    """
    rng, phrases = np.random.default_rng(seed), own_phrases()
    chosen = {k: rng.choice(phrases[k], words, replace=False).tolist() for k in NETWORK_KINDS}
    taken = defaultdict(list)
    for meant, own in read(chosen, tower_of(network)):
        taken[meant].append(own)
    scores = defaultdict(list)
    for base, truth in faces:
        for kind, *pair in precisions(base, truth, network, taken):
            scores[kind].append(pair)
    numbers = {}
    for kind in sorted(scores, key=NETWORK_KINDS.index):
        prompt, own = np.mean(scores[kind], axis=0).tolist()
        right = _mean([one.kind == kind for one in taken[kind]])
        numbers[kind] = {"faces": len(scores[kind]), "prompt": prompt, "words": own, "right": right}
    columns = ("faces", "prompt", "words", "right")
    numbers["mean"] = {c: _mean([one[c] for one in numbers.values()]) for c in columns}
    return {k: {**n, "loss": 1 - n["words"] / max(n["prompt"], 1e-9)} for k, n in numbers.items()}


def precisions(
    base: Base, truth: Truth, network: RetouchEngine, taken: Mapping[str, Sequence[OwnWords]]
) -> Iterator[tuple[str, float, float]]:
    """Every painted kind of a face with its precision by prompt, and the mean of that by words."""
    for kind, without in truth.without.items():
        on = base.surfaces.of(kind) > 0.5
        inside = area_of(kind, np.abs(without - truth.painted).mean(axis=2))[on]
        if inside.sum() < FEW:
            continue
        plain = network.of(kind).detect(truth.crop, base.surfaces)
        answers = (
            (network.of(one.kind).detect(truth.crop, base.surfaces, one), one.kind)
            for one in taken[kind]
        )
        prompt, *own = (
            average_precision(found.owners[network.kinds.index(name)][on], inside)
            for found, name in ((plain, kind), *answers)
        )
        yield kind, prompt, _mean(own)


def tone_angle(base: Base) -> float:
    """Individual typology angle in degrees, higher for paler skin: above 41 light, below 10 brown.

    Of the median L* and b* of the skin (Chardon et al. 1991; Del Bino and Bernerd 2013). A photo's
    light moves it: it puts faces in order and says little about one of them.
    """
    lab = cv2.cvtColor(base.crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light, _, yellow = np.median(lab[base.skin > 0.5], axis=0)
    return float(np.degrees(np.arctan2(light - 50, yellow)))


def _mean(values: Sequence[float] | np.ndarray, least: int = 1) -> float:
    """Mean of the values (n,) that are numbers; not a number of fewer than `least`."""
    known = np.array(values, float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size >= least else np.nan


def evaluate(data: Path, network: RetouchEngine, faces: int = 56) -> dict[str, Numbers]:
    """All numbers, by table; `faces` are painted for the last of them."""
    phrases, tower = own_phrases(), tower_of(network)
    known = read({**PHRASES, "none": phrases.pop("calibration_none")}, tower)
    unseen = read(phrases, tower)
    return {
        "boxes": boxed(data, network),
        "grades": {"acne (ACNE04)": graded(data, network)},
        "words": {**accuracy(unseen), "known, leave one out": accuracy(known)["all"]},
        "thresholds": thresholds(unseen, LEVELS),
        "calibration": {f"{share:.0%}": calibrate(known, unseen, share) for share in NONE_SHARES},
        "precision": reworded(held_out(data, faces), network),
    }


# Header and format of each column.
_ACCEPTED = {"accepted, right": "{right:.0%}", "accepted, wrong": "{wrong:.0%}",
             "no imperfection, rejected": "{rejected:.0%}"}  # fmt: skip
COLUMNS: dict[str, dict[str, str]] = {
    "boxes": {"boxes": "{name}", "faces": "{faces}", "without landmarks": "{skipped}",
              "map inside": "{inside:.3f}", "outside": "{outside:.3f}", "ratio": "{ratio:.2f}",
              f"faces above {CLEAR:.0f}": "{clear:.0%}", "inside denials": "{denied:.3f}"},
    "grades": {"grades": "{name}", "photos": "{photos}", "Spearman": "{correlation:.2f}",
               "p": "{p:.1g}", "of small marks called so": "{called:.0%}"},
    "words": {"words for": "{name}", "phrases": "{phrases}", "nearest kind right": "{right:.0%}"},
    "thresholds": {"least likeness": "{name}", **_ACCEPTED},
    "calibration": {"no imperfection": "{name}", "slope": "{slope:.1f}", "offset": "{offset:.1f}",
                    f"likeness for {SURE:.0%}": "{least:.2f}", "believed right": "{believed:.0%}",
                    "right": "{correct:.0%}", **_ACCEPTED},
    "precision": {"kind": "{name}", "faces": "{faces:.0f}", "pre-defined prompt": "{prompt:.2f}",
                  "held-out words": "{words:.2f}", "lost": "{loss:.0%}",
                  "nearest kind right": "{right:.0%}"},
}  # fmt: skip


def table(columns: dict[str, str], numbers: Numbers) -> str:
    """Numbers as a Markdown table with a row each; a dash for what has none."""
    lines = [list(columns), ["---"] * len(columns)]
    for name, row in numbers.items():
        cells = (cell.format(name=name, **row) for cell in columns.values())
        lines.append(["–" if cell.startswith("nan") else cell for cell in cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(data: Path, network: RetouchEngine, faces: int = 56) -> str:
    """All numbers as Markdown tables."""
    numbers = evaluate(data, network, faces)
    return "\n\n".join(table(COLUMNS[name], some) for name, some in numbers.items())


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and boxes.csv")],
    folder: Annotated[Path, typer.Option(help="weights to judge")] = RETOUCH_FOLDER,
    faces: Annotated[int, typer.Option(help="held-out faces to paint")] = 56,
) -> None:
    """Print how detection fares on real photos and with words it was not taught."""
    print(report(data, RetouchEngine(folder), faces))


if __name__ == "__main__":
    typer.run(main)
