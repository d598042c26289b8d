"""The peers on every run: logistic regression, gradient boosting, persistence, and the plain rule."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from mlcore.data import Examples, Floats, Ints, StudentWeeks
from mlcore.encode import Encoder
from mlcore.evaluate import Array, auroc
from mlcore.schema import HEADS, RISK
from mlcore.train import split_persons, unfit_heads

STRENGTHS = (0.003, 0.03, 0.3)  # inverse of the L2 penalty
MOST_ROWS = 15_000  # weeks of one student say much the same


@dataclass(frozen=True)
class LogisticBaseline:
    """One logistic regression a head over the window's summary. weight [4, Q], bias [4]."""

    encoder: Encoder
    weight: Floats
    bias: Floats
    unfitted: dict[str, str]
    strength: dict[str, float]

    @classmethod
    def fit(cls, weeks: StudentWeeks, examples: Examples, seed: int = 0) -> LogisticBaseline:
        """Fit each head, its penalty chosen on held-out persons."""
        encoder = Encoder.fit(weeks, examples.row)
        unfitted = unfit_heads(examples)
        if len(examples) > MOST_ROWS:
            drawn = np.random.default_rng(seed).choice(len(examples), MOST_ROWS, replace=False)
            examples = examples.take(np.sort(drawn))
        width = encoder.widths()[2]
        weight, bias = np.zeros((len(HEADS), width), np.float32), np.zeros(len(HEADS), np.float32)
        strength: dict[str, float] = {}
        inner, held = split_persons(examples, 0.25, seed)
        inner_x, held_x = encoder.summaries(weeks, inner.row), encoder.summaries(weeks, held.row)
        for head, name in enumerate(HEADS):
            if name in unfitted:
                continue
            a, b = ~np.isnan(inner.labels[:, head]), ~np.isnan(held.labels[:, head])
            best = (-1.0, STRENGTHS[1])
            for candidate in STRENGTHS:
                model = _fit(inner_x[a], inner.labels[a, head], candidate)
                score = model.decision_function(held_x[b])
                area = (
                    auroc(held.labels[b, head], score) if len(np.unique(held.labels[b, head])) == 2 else 0.5
                )
                best = max(best, (area, candidate))
            strength[name] = best[1]
            both = np.concatenate([inner_x[a], held_x[b]])
            labels = np.concatenate([inner.labels[a, head], held.labels[b, head]])
            model = _fit(both, labels, best[1])
            weight[head], bias[head] = model.coef_[0], model.intercept_[0]
        return cls(encoder, weight, bias, unfitted, strength)

    def logits(self, weeks: StudentWeeks, rows: Ints) -> Floats:
        """Return [N, 4]; NaN for heads not fitted."""
        out = self.encoder.summaries(weeks, rows) @ self.weight.T + self.bias
        for head, name in enumerate(HEADS):
            if name in self.unfitted:
                out[:, head] = np.nan
        return out.astype(np.float32)


def _fit(x: Floats, y: Floats, strength: float) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 100 steps rank as well as 2,000
        return LogisticRegression(C=strength, max_iter=100).fit(x, y)


@dataclass(frozen=True)
class RuleBaseline:
    """The attendance-behavior-course rule: a flag each for a tenth of the year absent, a suspension, and
    a failing core course. Ranked by flags, then absence rate, then failing courses; equals stay equal.
    """

    absence_rate: float = 0.10
    suspension_days: float = 1.0
    core_failing: float = 1.0

    COLUMNS = ("absence_rate_year", "suspension_days_year", "core_failing_now")

    def flags(self, weeks: StudentWeeks, rows: Ints) -> tuple[Array, Array]:
        """Return how many conditions each row meets [N], and which [N, 3] (attendance, behavior, course)."""
        values = self._values(weeks, rows)
        limits = np.array([self.absence_rate, self.suspension_days, self.core_failing])
        met = values >= limits - 1e-9
        return met.sum(axis=1).astype(np.float64), met.astype(np.float64)

    def score(self, weeks: StudentWeeks, rows: Ints) -> Array:
        """Return a score in [0, 4) that orders as the rule does. Shape [N]."""
        values = self._values(weeks, rows)
        count, _ = self.flags(weeks, rows)
        # A millionth is finer than two rates of one year can differ; courses come after it.
        rate = np.rint(np.clip(values[:, 0], 0, 1) * 1e6)
        failing = np.floor(np.clip(values[:, 2], 0, 99))
        return count + (100 * rate + failing) / (1e8 + 100)

    def _values(self, weeks: StudentWeeks, rows: Ints) -> Array:
        columns = [weeks.schema.column(name) for name in self.COLUMNS]
        return np.nan_to_num(weeks.values[np.asarray(rows)][:, columns].astype(np.float64))


def persistence_columns(schema_names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of the persistence peer that the schema holds: what is so now, stays so."""
    return tuple(name for name in RuleBaseline.COLUMNS if name in schema_names)


@dataclass(frozen=True)
class PersistenceBaseline:
    """Logistic regression on current absence, days suspended and failing core courses, for risk alone."""

    mean: Floats
    deviation: Floats
    weight: Floats
    bias: float

    @classmethod
    def fit(cls, weeks: StudentWeeks, examples: Examples) -> PersistenceBaseline:
        known = ~np.isnan(examples.labels[:, RISK])
        x = cls._raw(weeks, examples.row[known])
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        deviation[deviation < 1e-6] = 1
        model = _fit((x - mean) / deviation, examples.labels[known, RISK], 1.0)
        return cls(mean, deviation, model.coef_[0].astype(np.float32), float(model.intercept_[0]))

    def logits(self, weeks: StudentWeeks, rows: Ints) -> Floats:
        """Return the risk logit [N]."""
        x = (self._raw(weeks, rows) - self.mean) / self.deviation
        return (x @ self.weight + self.bias).astype(np.float32)

    @staticmethod
    def _raw(weeks: StudentWeeks, rows: Ints) -> Floats:
        columns = [weeks.schema.column(name) for name in persistence_columns(weeks.schema.names)]
        return np.nan_to_num(weeks.values[rows][:, columns])


LEAVES = (7, 15)
TREES = 100
MOST_TREE_ROWS = 8_000


@dataclass(frozen=True)
class BoostedTrees:
    """Gradient boosting over the window's summary, for risk alone. Friedman 2001.

    It is measured on every run and never ranks: trees would have to be saved as a pickle.
    """

    encoder: Encoder
    model: HistGradientBoostingClassifier
    leaves: int
    trees: int

    @classmethod
    def fit(cls, weeks: StudentWeeks, examples: Examples, seed: int = 0) -> BoostedTrees:
        """Fit with the size and number of trees that rank held-out persons best.

        `examples` must hold both ends of the year; see unfit_heads.
        """
        examples = examples.take(~np.isnan(examples.labels[:, RISK]))
        encoder = Encoder.fit(weeks, examples.row)
        if len(examples) > MOST_TREE_ROWS:
            drawn = np.random.default_rng(seed).choice(len(examples), MOST_TREE_ROWS, replace=False)
            examples = examples.take(np.sort(drawn))
        inner, held = split_persons(examples, 0.25, seed)
        inner_x, held_x = encoder.summaries(weeks, inner.row), encoder.summaries(weeks, held.row)
        inner_y, held_y = inner.labels[:, RISK], held.labels[:, RISK]
        best = (-1.0, LEAVES[0], TREES // 2)
        for leaves in LEAVES:
            trial = cls._model(leaves, TREES, seed).fit(inner_x, inner_y)
            for count, score in enumerate(trial.staged_decision_function(held_x), start=1):
                area = auroc(held_y, score.ravel()) if count % 10 == 0 else np.nan
                if area > best[0]:
                    best = (area, leaves, count)
        _, leaves, trees = best
        model = cls._model(leaves, trees, seed)
        model.fit(np.concatenate([inner_x, held_x]), np.concatenate([inner_y, held_y]))
        return cls(encoder, model, leaves, trees)

    def logits(self, weeks: StudentWeeks, rows: Ints) -> Floats:
        """Return the risk logit [N]."""
        if not len(rows):
            return np.zeros(0, dtype=np.float32)
        found = self.model.decision_function(self.encoder.summaries(weeks, rows))
        return np.asarray(found, dtype=np.float32)

    @staticmethod
    def _model(leaves: int, trees: int, seed: int) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(
            max_iter=trees,
            learning_rate=0.08,
            max_leaf_nodes=leaves,
            min_samples_leaf=40,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=seed,
        )
