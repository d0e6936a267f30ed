"""What somebody's choices in past photos foretell for one more: pure numbers, no observations.

People think of photos in categories: close-ups, groups, black and white. A model of a user is none,
one or two *divisions* of photos, each by a threshold of one feature of the scene, which all places
share. At a place p, a photo i on the sides c = +1 or -1 of the divisions d of a model gets

    y[p, i] = m[p] + sum over d of e[p, d] c[d, i] + noise of variance NOISE^2 / weight

with m flat over 0..1 and e normal with standard deviation EFFECT. Mean and effects are integrated
out in closed form (Bayesian linear regression: Bishop 2006, 3.5), and all models speak in
proportion to how probable the choices make them (Bayesian model averaging: Hoeting et al. 1999).
That somebody wants something else every time is one of the models, and so it is at each place:
tastes that nothing foretells are not learnt. At each place a habit may also be loose, one mean with
much noise (`LOOSE`): an exception or two is no end of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Standard deviation of choices around what a user wants, and of half a division's difference.
NOISE, EFFECT = 0.08, 0.25
# The same for a loose habit, and how likely one is.
LOOSE, LOOSELY = 0.25, 0.1
# How likely somebody without habits is, before anything is known; where there is a habit, how
# likely it hangs on no, one or two divisions, and is absent from any one place.
HABITLESS = 0.75
NUMBER = (0.3, 0.35, 0.35)
ABSENT = 0.05
# Photos whose features differ by this on average are hardly alike.
NEAR = 0.1
# A feature is divided at so many thresholds; so many of the best divisions meet all others.
CUTS, PAIRED = 12, 6
# Models that much less likely than the best are left out.
NEGLIGIBLE = 1e-4
# A proposal that misses by this is called right about as often as not.
RIGHT = 0.14
_TINY = 1e-300
# Foretellings are binned for speed: means to percent, standard deviations to these.
_PERCENT = np.linspace(0, 1, 101)
_SPREADS = np.array([0.04, 0.08, 0.15, 0.3])
_WIDE = (RIGHT**2 + _SPREADS**2)[:, None, None]
# (spreads, means, proposals) how likely a proposal is called right: a normal integral.
_CALLED_RIGHT = (RIGHT / np.sqrt(_WIDE)) * np.exp(
    -((_PERCENT[:, None] - _PERCENT) ** 2) / (2 * _WIDE)
)


class Choices(NamedTuple):
    """What was chosen, (n,) each: at which place and in which photo (numbers from 0), the value
    in 0..1, and its weight (1: a full observation)."""

    place: NDArray[np.intp]
    photo: NDArray[np.intp]
    value: Floats
    weight: Floats


class Divisions(NamedTuple):
    """Sides (d, photos) of past photos, +1 or -1, 0 where unknown; side (d,) of the photo at hand;
    how likely each is (d,) before anything is known, adding up to 1."""

    sides: Floats
    here: Floats
    prior: Floats


@dataclass(frozen=True)
class Habits:
    """What the models that matter foretell for the photo at hand.

    none: (places,) probability that there is no habit there
    means, spreads: (models, places) of the foretelling; trust: (models, places), its weights
    same: (photos,) probability that a photo is of the same kind as the one at hand
    """

    none: Floats
    means: Floats
    spreads: Floats
    trust: Floats
    same: Floats

    def likeliest(self, place: int) -> tuple[float, float]:
        """The value that is most probably called right, and how probably, if there is a habit."""
        means = np.rint(100 * np.clip(self.means[:, place], 0, 1)).astype(int)
        spreads = np.searchsorted((_SPREADS[1:] + _SPREADS[:-1]) / 2, self.spreads[:, place])
        size = _CALLED_RIGHT.shape[1]
        bins = np.bincount(spreads * size + means, self.trust[:, place], len(_SPREADS) * size)
        right = bins @ _CALLED_RIGHT.reshape(-1, size) / max(bins.sum(), _TINY)
        best = int(right.argmax())
        return float(_PERCENT[best]), float(right[best])


def divide(vectors: Floats, settings: NDArray, here: Floats, setting: str | None) -> Divisions:
    """Divisions of photos (n, features), NaN where unknown, at thresholds between their values.

    A threshold may be anywhere in the range of a feature, one in a wide gap is likelier. Where the
    photo at hand was taken is another division: there or elsewhere.
    """
    known = np.concatenate([vectors[~np.isnan(vectors).any(1)], here[None]])
    edges = np.quantile(known, np.linspace(0, 1, CUTS + 1), axis=0)
    gaps = np.diff(edges, axis=0) / np.maximum(edges[-1] - edges[0], 1e-9)
    cut, feature = np.nonzero(gaps > 1e-6)
    threshold = (edges[cut, feature] + edges[cut + 1, feature]) / 2
    sides = np.nan_to_num(np.sign(vectors.T[feature] - threshold[:, None]))
    prior = gaps[cut, feature]
    side = np.where(here[feature] > threshold, 1.0, -1.0)
    if setting is not None and (settings != "").any():
        there = np.where(settings == setting, 1.0, -1.0) * (settings != "")
        sides, side, prior = np.vstack([sides, there]), np.append(side, 1.0), np.append(prior, 1.0)
    return Divisions(sides, side, prior / max(prior.sum(), 1e-9))


def undivided(photos: int) -> Divisions:
    """No division: every photo counts alike."""
    return Divisions(np.zeros((0, photos)), np.zeros(0), np.zeros(0))


def likeness(vectors: Floats, here: Floats) -> Floats:
    """(n,) how alike photos (n, features) are to the one at hand, 0..1; 0 where unknown."""
    return np.nan_to_num(np.exp(-((vectors - here) ** 2).mean(1) / NEAR**2))


def habits(chosen: Choices, places: int, split: Divisions, stranger: float) -> Habits:
    """What choices foretell; `stranger` 0..1: how unlike all past photos the one at hand is.

    The more alike two photos, the less of a habit it takes to want the same in both.
    """
    table = _tabulate(chosen, places, split.sides.shape[1], ABSENT * stranger)
    split, models = _models(split, table)
    none = max(HABITLESS * stranger, _TINY)
    likely = table.likely(models.moves.gain)
    scores = np.log((1 - none) * models.chance) + likely.sum(1)
    kept = np.flatnonzero(scores > scores.max() + np.log(NEGLIGIBLE))
    likely, trust = likely[kept], np.exp(scores[kept] - scores.max())
    whole = scores.max() + np.log(trust.sum())
    habit = np.exp(whole - np.logaddexp(whole, np.log(none)))
    trust /= trust.sum()
    share = trust[:, None] * np.exp(-likely)
    loosely = LOOSELY * np.exp(table.loose) * share.sum(0)
    closely = trust[:, None] - (table.absent + LOOSELY * np.exp(table.loose)) * share
    present = habit * np.vstack([closely, loosely])
    # Of a division that a model lacks (-1) every photo is on the same side.
    alike = np.vstack(
        [split.sides * split.here[:, None] >= 0, np.ones(table.weight.shape[1], bool)]
    )
    alike = alike[models.first[kept]] & alike[models.second[kept]]
    spread = models.moves.variance[kept] + NOISE**2 / table.total
    unmoved = np.zeros((1, places))
    return Habits(
        none=1 - present.sum(0),
        means=table.mean + np.vstack([models.moves.moved[kept], unmoved]),
        spreads=np.sqrt(np.vstack([spread, unmoved + LOOSE**2 * (1 + 1 / table.total)])),
        trust=present,
        same=trust @ alike,
    )


class _Table(NamedTuple):
    """Weights and weighted differences from the mean (places, photos); (places,) each: the whole
    weight, the mean, the log evidence for one mean, little noise or much, over unrelated values.

    `absent`: how likely a habit is absent from a place, before anything is known.
    """

    weight: Floats
    differences: Floats
    total: Floats
    mean: Floats
    steady: Floats
    loose: Floats
    absent: float

    def likely(self, gain: Floats) -> Floats:
        """(models, places) log evidence of models so much likelier than one mean, at each place
        with a habit or without."""
        closely = np.log(1 - self.absent - LOOSELY) + self.steady + gain
        otherwise = np.log(self.absent + LOOSELY * np.exp(self.loose))
        return np.logaddexp(otherwise, closely)


def _tabulate(chosen: Choices, places: int, photos: int, absent: float) -> _Table:
    cell = chosen.place * photos + chosen.photo
    weight, value = (
        np.bincount(cell, of, places * photos).astype(float).reshape(places, photos)
        for of in (chosen.weight, chosen.weight * chosen.value)
    )
    total = np.maximum(weight.sum(1), 1e-9)
    mean = value.sum(1) / total
    squares = chosen.weight * (chosen.value - mean[chosen.place]) ** 2

    def evidence(noise: float) -> Floats:
        each = np.log(chosen.weight / (2 * np.pi * noise**2)) - squares / noise**2
        whole = np.log(total / (2 * np.pi * noise**2))
        fit = np.bincount(chosen.place, each, places).astype(float)
        return np.where(weight.sum(1) > 0, fit - whole, 0.0) / 2

    differences = value - weight * mean[:, None]
    steady, loose = evidence(NOISE), evidence(LOOSE)
    return _Table(weight, differences, total, mean, steady, loose, max(absent, _TINY))


class _Moves(NamedTuple):
    """What models make of one mean, (models, places) each: how much likelier they are than it
    (log), how far they move it for the photo at hand, and how surely (a variance)."""

    gain: Floats
    moved: Floats
    variance: Floats


class _Models(NamedTuple):
    """Moves; how likely each model is before anything is known; its divisions, -1 for none."""

    moves: _Moves
    chance: Floats
    first: NDArray[np.intp]
    second: NDArray[np.intp]


def _models(split: Divisions, table: _Table) -> tuple[Divisions, _Models]:
    """All models of no and one division, and the best divisions paired with all; the divisions in
    the order that the models name them in, the best first."""
    gain = _one(split, table).gain
    rank = np.argsort(-table.likely(gain).sum(1) - np.log(split.prior), kind="stable")
    split = Divisions(split.sides[rank], split.here[rank], split.prior[rank])
    count = len(rank)
    a, b = np.triu_indices(min(PAIRED, count), 1, count)
    unmoved = _Moves(*np.zeros((3, 1, len(table.total))))
    parts = unmoved, _one(split, table), _two(split, table, a, b)
    chances = np.ones(1), split.prior, 2 * split.prior[a] * split.prior[b]
    return split, _Models(
        _Moves(*(np.concatenate(part) for part in zip(*parts, strict=True))),
        np.concatenate([share * each for share, each in zip(NUMBER, chances, strict=True)]),
        np.concatenate([[-1], np.arange(count), a]),
        np.concatenate([[-1], np.full(count, -1), b]),
    )


def _sums(split: Divisions, table: _Table) -> tuple[Floats, Floats, Floats, Floats]:
    """(d, places) each: sums over photos of sides, of their squares about the mean (with what the
    prior of an effect adds) and of their products with the values; how far the photo at hand is
    from the mean side."""
    side = split.sides @ table.weight.T
    square = split.sides**2 @ table.weight.T - side**2 / table.total + (NOISE / EFFECT) ** 2
    return side, square, split.sides @ table.differences.T, split.here[:, None] - side / table.total


def _one(split: Divisions, table: _Table) -> _Moves:
    """The models of one division each."""
    _, square, product, apart = _sums(split, table)
    gain = (product**2 / square / NOISE**2 - np.log(square * (EFFECT / NOISE) ** 2)) / 2
    return _Moves(gain, product / square * apart, NOISE**2 * apart**2 / square)


def _two(split: Divisions, table: _Table, a: NDArray[np.intp], b: NDArray[np.intp]) -> _Moves:
    """The models of the divisions a and b."""
    side, square, product, apart = _sums(split, table)
    places, photos = table.weight.shape
    most = min(PAIRED, len(side))
    weighted = (split.sides[:most, None] * table.weight).reshape(most * places, photos)
    crossed = (weighted @ split.sides.T).reshape(most, places, len(side))
    c = crossed[a, :, b] - side[a] * side[b] / table.total
    aa, bb, pa, pb, xa, xb = square[a], square[b], product[a], product[b], apart[a], apart[b]
    determinant = aa * bb - c**2
    ea, eb = (pa * bb - pb * c) / determinant, (pb * aa - pa * c) / determinant
    gain = (pa * ea + pb * eb) / NOISE**2 - np.log(determinant * (EFFECT / NOISE) ** 4)
    variance = (xa**2 * bb - 2 * xa * xb * c + xb**2 * aa) / determinant
    return _Moves(gain / 2, ea * xa + eb * xb, NOISE**2 * variance)
