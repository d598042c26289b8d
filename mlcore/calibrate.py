"""From logits to probabilities that can be taken at their word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from mlcore.data import Floats, Ints
from mlcore.evaluate import wilson
from mlcore.schema import HEADS

MIN_EVENTS = 20
NEIGHBOURS = 200
FEWEST_NEIGHBOURS = 30


@dataclass(frozen=True)
class Calibrator:
    """A slope and an intercept for each head, on the logit. Platt 1999. slope, intercept: [4]."""

    slope: Floats
    intercept: Floats

    @classmethod
    def identity(cls) -> Calibrator:
        return cls(np.ones(len(HEADS), dtype=np.float32), np.zeros(len(HEADS), dtype=np.float32))

    @classmethod
    def fit(cls, logits: Floats, labels: Floats) -> Calibrator:
        """Learn from held-out rows: logits, labels [N, 4], NaN where absent.

        A head with fewer than 20 events or non-events keeps its logits as they are; a slope is never
        negative, for that would turn the ranking around.
        """
        slope, intercept = np.ones(len(HEADS), np.float32), np.zeros(len(HEADS), np.float32)
        lacking = too_few_to_calibrate(logits, labels)
        for head, name in enumerate(HEADS):
            if name in lacking:
                continue
            known = ~np.isnan(labels[:, head]) & ~np.isnan(logits[:, head])
            fit = LogisticRegression(C=1e4).fit(logits[known, head][:, None], labels[known, head])
            slope[head] = max(float(fit.coef_[0, 0]), 0.05)
            intercept[head] = float(fit.intercept_[0])
        return cls(slope, intercept)

    def logit(self, logits: Floats) -> Floats:
        return (logits * self.slope + self.intercept).astype(np.float32)

    def probability(self, logits: Floats) -> Floats:
        return sigmoid(self.logit(logits))

    def to_dict(self) -> dict[str, Any]:
        return {"slope": self.slope.tolist(), "intercept": self.intercept.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Calibrator:
        return cls(np.array(data["slope"], np.float32), np.array(data["intercept"], np.float32))


def too_few_to_calibrate(logits: Floats, labels: Floats) -> dict[str, str]:
    """Return, for each head that held-out rows [N, 4] cannot calibrate, the reason in words."""
    reasons = {}
    for head, name in enumerate(HEADS):
        label = labels[~np.isnan(labels[:, head]) & ~np.isnan(logits[:, head]), head]
        events = int(label.sum())
        if min(events, len(label) - events) < MIN_EVENTS:
            reasons[name] = (
                f"{events} held-out weeks with the event and {len(label) - events} without; "
                f"{MIN_EVENTS} of each are needed to calibrate"
            )
    return reasons


@dataclass(frozen=True)
class Neighbours:
    """Held-out students by their score: what happened to those whom the model saw alike.

    score [M] ascending, outcome [M]; one row a student.
    """

    score: Floats
    outcome: Floats

    @classmethod
    def fit(cls, probability: Floats, label: Floats, person: Ints, seed: int) -> Neighbours:
        """Keep one row, drawn by seed, for each person with a known outcome."""
        known = np.flatnonzero(~np.isnan(label) & ~np.isnan(probability))
        shuffled = np.random.default_rng(seed).permutation(known)
        _, first = np.unique(person[shuffled], return_index=True)
        chosen = shuffled[first]
        order = chosen[np.argsort(probability[chosen], kind="stable")]
        return cls(probability[order].astype(np.float32), label[order].astype(np.float32))

    def interval(self, probability: Floats) -> tuple[Floats, Floats]:
        """Return the 90 % Wilson interval of the outcome's share among the nearest. Shapes [N]."""
        # In a small district 200 would reach far beyond the like-scored: a tenth, but no fewer than 30.
        size = min(NEIGHBOURS, max(FEWEST_NEIGHBOURS, len(self.score) // 10), len(self.score))
        if not size:
            return np.full(len(probability), np.nan, np.float32), np.full(
                len(probability), np.nan, np.float32
            )
        middle = np.searchsorted(self.score, probability)
        start = np.clip(middle - size // 2, 0, len(self.score) - size)
        total = np.concatenate([[0.0], np.cumsum(self.outcome, dtype=np.float64)])
        hits = total[start + size] - total[start]
        table = np.array([wilson(k, size) for k in range(size + 1)], dtype=np.float32)
        found = table[np.rint(hits).astype(int)]
        return found[:, 0], found[:, 1]


def sigmoid(logits: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return (1.0 / (1.0 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
