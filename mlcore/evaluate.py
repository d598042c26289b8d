"""How good a score is: discrimination, calibration beside its floor, equal flags, intervals by person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Array = NDArray[np.floating]
BINS = 10
DRAWS = 1000
ECE_PASS = 0.04


def auroc(label: Array, score: Array, weight: Array | None = None) -> float:
    """Return the probability that a random positive outranks a random negative, ties counting half.

    NaN where one class is absent. Hanley and McNeil 1982.
    """
    weight = np.ones(len(label)) if weight is None else weight
    return float(_auroc_draws(label, score, weight[None, :])[0])


def _auroc_draws(label: Array, score: Array, weights: Array) -> Array:
    """Return the AUROC under each row of `weights` [D, N]. Shape [D]."""
    order = np.argsort(score, kind="stable")
    ranked, positive = score[order], label[order] == 1
    new = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if len(ranked) else np.zeros(0, dtype=bool)
    starts = np.flatnonzero(new)
    weights = weights[:, order]
    good = (
        np.add.reduceat(weights * ~positive, starts, axis=1) if len(starts) else np.zeros((len(weights), 0))
    )
    bad = np.add.reduceat(weights * positive, starts, axis=1) if len(starts) else good
    below = np.cumsum(good, axis=1) - good
    total = good.sum(axis=1) * bad.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = (bad * (below + good / 2)).sum(axis=1) / np.where(total > 0, total, np.nan)
    return found


def average_precision(label: Array, score: Array, weight: Array | None = None) -> float:
    """Return the precision averaged over the recall gained at each distinct score; NaN without positives."""
    weight = np.ones(len(label)) if weight is None else weight
    return float(_average_precision_draws(label, score, weight[None, :])[0])


def _average_precision_draws(label: Array, score: Array, weights: Array) -> Array:
    order = np.argsort(-score, kind="stable")
    ranked, positive = score[order], label[order] == 1
    last = np.concatenate([ranked[1:] != ranked[:-1], [True]]) if len(ranked) else np.zeros(0, dtype=bool)
    weights = weights[:, order]
    hits = np.cumsum(weights * positive, axis=1)[:, last]
    flagged = np.cumsum(weights, axis=1)[:, last]
    gained = np.diff(hits, axis=1, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(flagged > 0, hits / flagged, 0)
        total = hits[:, -1] if hits.shape[1] else np.zeros(len(weights))
        found: Array = (precision * gained).sum(axis=1) / np.where(total > 0, total, np.nan)
    return found


def brier(label: Array, probability: Array) -> float:
    """Return the mean squared distance of the probability from what happened. Brier 1950."""
    return float(np.mean((probability - label) ** 2)) if len(label) else float("nan")


def calibration_error(label: Array, probability: Array, bins: int = BINS) -> float:
    """Return the mean distance between predicted and observed share over bins of equal mass."""
    if not len(label):
        return float("nan")
    order = np.argsort(probability, kind="stable")
    return float(_calibration_error_draws(label[order][None, :], probability[order], bins)[0])


def _calibration_error_draws(labels: Array, ranked: Array, bins: int) -> Array:
    """Return the calibration error of each row of `labels` [D, N] against sorted probabilities [N]."""
    edges = np.linspace(0, len(ranked), min(bins, len(ranked)) + 1).astype(int)
    size = np.diff(edges)
    observed = np.add.reduceat(labels, edges[:-1], axis=1) / size
    expected = np.add.reduceat(ranked, edges[:-1]) / size
    found: Array = (np.abs(observed - expected) * size).sum(axis=1) / len(ranked)
    return found


def calibration_floor(probability: Array, seed: int = 0, draws: int = DRAWS) -> tuple[float, float]:
    """Return mean and 95th percentile of the error that a perfectly calibrated model of this n shows."""
    if not len(probability):
        return float("nan"), float("nan")
    ranked = np.sort(probability)
    random = np.random.default_rng(seed)
    errors = np.concatenate(
        [
            _calibration_error_draws((random.random((100, len(ranked))) < ranked).astype(float), ranked, BINS)
            for _ in range(max(1, draws // 100))
        ]
    )
    return float(errors.mean()), float(np.percentile(errors, 95))


def calibration_line(label: Array, probability: Array) -> tuple[float, float]:
    """Return slope and intercept of the outcome's log odds on the predicted ones (1 and 0 are perfect)."""
    if len(np.unique(label)) < 2:
        return float("nan"), float("nan")
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    odds = np.log(clipped / (1 - clipped))[:, None]
    if np.ptp(odds) < 1e-9:
        return float("nan"), float("nan")
    fit = LogisticRegression(C=1e6).fit(odds, label)
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


@dataclass(frozen=True)
class PersonDraws:
    """Bootstrap draws of whole persons (cluster bootstrap), the same for every model they are used on.

    Weekly rows of one person depend on each other; drawing rows would make intervals far too narrow.
    count [draws, P]: how often each person is drawn; position [N]: the person of each row.
    """

    count: NDArray[np.uint8]
    position: NDArray[np.int64]

    @classmethod
    def make(cls, person: NDArray[np.int64], draws: int, seed: int) -> PersonDraws:
        persons, position = np.unique(person, return_inverse=True)
        random = np.random.default_rng(seed)
        count = np.zeros((draws, len(persons)), dtype=np.uint8)
        for draw in range(draws if len(persons) else 0):
            drawn = np.bincount(random.integers(0, len(persons), len(persons)), minlength=len(persons))
            count[draw] = np.minimum(drawn, 255)
        return cls(count, position.astype(np.int64))

    def weights(self, rows: NDArray[np.int64]) -> Array:
        """Return how often each of these rows counts in each draw. Shape [draws, len(rows)]."""
        found: Array = self.count[:, self.position[rows]].astype(np.float32)
        return found


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % percentile interval over bootstrap draws of persons."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        return {
            name: None if np.isnan(value) else round(float(value), 4)
            for name, value in (("value", self.value), ("low", self.low), ("high", self.high))
        }


def interval(value: float, draws: Array) -> Interval:
    known = draws[~np.isnan(draws)]
    if not len(known):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def top_k(score: Array, k: int) -> Array:
    """Return the share in which each row is flagged when k may be: ties at the cut share what is left.

    Shape [N], summing to min(k, N).
    """
    if k <= 0 or not len(score):
        return np.zeros(len(score))
    if k >= len(score):
        return np.ones(len(score))
    cut = np.sort(score)[::-1][k - 1]
    above, at = score > cut, score == cut
    return above + at * ((k - above.sum()) / at.sum())


def at_equal_flags(label: Array, score: Array, group: NDArray[np.int64], k: dict[int, int]) -> Array:
    """Return how far each row is flagged when each group flags its own k. Shape [N]."""
    flagged = np.zeros(len(label))
    for key, count in k.items():
        inside = group == key
        flagged[inside] = top_k(score[inside], count)
    return flagged


def wilson(successes: float, trials: int, z: float = 1.6448536269514722) -> tuple[float, float]:
    """Return the Wilson score interval of a share; z is that of 90 %. Wilson 1927."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
