"""Several models on the same rows, week by week: the table that every run prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.baselines import RuleBaseline
from mlcore.data import Examples, Floats, StudentWeeks
from mlcore.evaluate import (
    BINS,
    DRAWS,
    ECE_PASS,
    Array,
    PersonDraws,
    _auroc_draws,
    _average_precision_draws,
    at_equal_flags,
    auroc,
    average_precision,
    brier,
    calibration_error,
    calibration_floor,
    calibration_line,
    interval,
    rounded,
)
from mlcore.schema import RISK

BANDS = (("low", 0.0, 0.2), ("moderate", 0.2, 0.5), ("high", 0.5, 1.0))
CHECKPOINTS = (4, 8, 12, 18, 24, 30)
AT_LEAST_AS_GOOD = -0.02  # the 95 % lower bound of a paired difference must lie above
PAIRED = ("auroc", "average_precision", "recall_at_k")

# measure → (estimate, its bootstrap draws)
Measured = dict[str, tuple[float, Array]]


def compare(
    label: Array,
    scores: Mapping[str, Array],
    *,
    person: NDArray[np.int64],
    school: NDArray[np.int64],
    week: NDArray[np.int32],
    weeks: tuple[int, ...] = CHECKPOINTS,
    probabilities: tuple[str, ...] = ("network", "logistic"),
    rule_flags: Array | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Any]:
    """Compare models on one head, with the same bootstrap draws of persons for all.

    Args:
        label: [N] 0 or 1.
        scores: model → [N]; higher means more at risk.
        person, school, week: [N]; one row a person and week of the year.
        weeks: the school weeks at which to look.
        probabilities: the models whose scores are probabilities, so that calibration means something.
        rule_flags: [N] whether the plain rule flags; sets how many each school may flag at each week.
        seed, draws: of the bootstrap.

    Returns:
        {"weeks": [...one entry a week...], "headline": {...means over the weeks...}}, ready for JSON.
        `headline["differences"]` are network minus peer, `headline["logistic_minus"]` logistic minus peer.
    """
    drawn = PersonDraws.make(person, draws, seed)
    entries: list[dict[str, Any]] = []
    collected: dict[str, list[Measured]] = {name: [] for name in scores}
    for number in weeks:
        at = np.flatnonzero(week == number)
        entry: dict[str, Any] = {"week": number, "n": len(at), "events": int(label[at].sum()), "models": {}}
        entries.append(entry)
        if not len(at) or len(np.unique(label[at])) < 2:
            continue
        weights = drawn.weights(at)
        k: dict[int, int] | None = None
        if rule_flags is not None:
            k = {int(key): int(rule_flags[at][school[at] == key].sum()) for key in np.unique(school[at])}
            entry["rule_flags"] = sum(k.values())
        for name, score in scores.items():
            measured, model = _ranking(label[at], score[at], weights, school[at], k)
            if name in probabilities:
                model |= _calibration(label[at], score[at], seed)
            collected[name].append(measured)
            entry["models"][name] = model
    return {"weeks": entries, "headline": _headline(entries, collected)}


def _ranking(
    label: Array, score: Array, weights: Array, school: NDArray[np.int64], k: dict[int, int] | None
) -> tuple[Measured, dict[str, Any]]:
    """Measure how well scores [n] rank, under draws weights [D, n]; return it with its draws, and for JSON."""
    measured: Measured = {
        "auroc": (auroc(label, score), _auroc_draws(label, score, weights)),
        "average_precision": (
            average_precision(label, score),
            _average_precision_draws(label, score, weights),
        ),
    }
    model: dict[str, Any] = {name: interval(*found).to_dict() for name, found in measured.items()}
    if k is not None:
        flagged = at_equal_flags(label, score, school, k)
        hit = flagged * label
        events = weights @ label
        with np.errstate(invalid="ignore", divide="ignore"):
            recalls = np.where(events > 0, (weights @ hit) / events, np.nan)
        measured["recall_at_k"] = (float(hit.sum() / label.sum()), recalls)
        model["recall_at_k"] = rounded(measured["recall_at_k"][0])
        model["precision_at_k"] = rounded(float(hit.sum() / flagged.sum())) if flagged.sum() else None
    return measured, model


def _calibration(label: Array, score: Array, seed: int) -> dict[str, Any]:
    """Return Brier score and calibration of probabilities [n], beside what a perfect model of n shows."""
    floor, bound = calibration_floor(score, seed)
    error = calibration_error(label, score)
    slope, intercept = calibration_line(label, score)
    return {
        "brier": rounded(brier(label, score)),
        "calibration_error": rounded(error),
        "calibration_floor": rounded(floor),
        "calibration_bound": rounded(max(bound, ECE_PASS)),
        "calibrated": bool(error <= max(bound, ECE_PASS)),
        "slope": rounded(slope),
        "intercept": rounded(intercept),
        "expected": rounded(float(score.mean())),
        "observed": rounded(float(label.mean())),
    }


def _headline(entries: list[dict[str, Any]], collected: dict[str, list[Measured]]) -> dict[str, Any]:
    """Return the means over the weeks, and the paired differences under the same draws."""
    means: dict[str, Measured] = {}
    models: dict[str, Any] = {}
    for name, parts in collected.items():
        if not parts:
            continue
        means[name] = {
            measure: (
                float(np.mean([part[measure][0] for part in parts])),
                np.mean([part[measure][1] for part in parts], axis=0),
            )
            for measure in parts[0]
        }
        models[name] = {measure: interval(*found).to_dict() for measure, found in means[name].items()}
        for measure in ("brier", "calibration_error", "calibration_floor"):
            values = [e["models"][name].get(measure) for e in entries if name in e["models"]]
            if values and None not in values:
                models[name][measure] = rounded(float(np.mean(values)))
    return {
        "models": models,
        "differences": {n: _gap(means, "network", n) for n in means if n != "network" and "network" in means},
        "logistic_minus": {
            n: _gap(means, "logistic", n) for n in means if n == "rule" and "logistic" in means
        },
    }


def _gap(means: dict[str, Measured], ours: str, theirs: str) -> dict[str, Any]:
    return {
        measure: interval(
            means[ours][measure][0] - means[theirs][measure][0],
            means[ours][measure][1] - means[theirs][measure][1],
        ).to_dict()
        for measure in PAIRED
        if measure in means[ours] and measure in means[theirs]
    }


def winner(headline: dict[str, Any]) -> tuple[str, str]:
    """Return who ranks the caseload ("network", "logistic" or "rule"), and why in words.

    The network keeps its place unless logistic regression is better beyond doubt (the whole 95 % interval
    of the paired difference on its side), or the network is not shown to be at least as good (lower bound
    above -.02). Whichever of the two remains gives way to the plain rule where the rule is better beyond
    doubt, at the same number of flags or in ranking. Where nothing could be compared, the rule ranks.
    """
    gaps = headline["differences"]
    if "network" not in headline["models"]:
        return "rule", "no week of the tested year had students of both ends, so that nothing could be judged"
    ranking, why = "network", "no simpler model is better beyond the noise"
    logistic = gaps.get("logistic", {}).get("auroc", {})
    if logistic.get("high") is not None and logistic["high"] < 0:
        ranking, why = "logistic", "logistic regression ranks better, beyond the noise"
    elif logistic.get("low") is not None and logistic["low"] <= AT_LEAST_AS_GOOD:
        ranking, why = "logistic", "the network is not shown to be at least as good as logistic regression"
    against = gaps if ranking == "network" else headline.get("logistic_minus", {})
    rule = against.get("rule", {})
    if (rule.get("recall_at_k", {}).get("high") or 0) < 0:
        return "rule", "the plain rule finds more of the students at the same number of flags"
    if (rule.get("auroc", {}).get("high") or 0) < 0:
        return "rule", "the plain rule ranks better, beyond the noise"
    return ranking, why


def calibration_bins(label: Array, probability: Array, bins: int = BINS) -> list[dict[str, Any]]:
    """Return expected and observed share in bins of equal mass, the lowest first."""
    order = np.argsort(probability, kind="stable")
    return [
        {
            "n": len(part),
            "expected": rounded(float(probability[part].mean())),
            "observed": rounded(float(label[part].mean())),
        }
        for part in np.array_split(order, bins)
        if len(part)
    ]


def bands(label: Array, probability: Array) -> list[dict[str, Any]]:
    """Return for each band of probability how many student-weeks fell in it and what happened to them."""
    found = []
    for name, low, high in BANDS:
        inside = (probability >= low) & ((probability < high) | (high == 1.0))
        found.append(
            {
                "level": name,
                "from": low,
                "to": high,
                "n": int(inside.sum()),
                "observed": rounded(float(label[inside].mean())) if inside.any() else None,
                "expected": rounded(float(probability[inside].mean())) if inside.any() else None,
            }
        )
    return found


@dataclass(frozen=True)
class Tested:
    """Rows that no fit has seen, with what each model says of them.

    examples [N]; probability: model → [N, 4], NaN for heads that it does not answer; checkpoints: the
    school weeks at which models are compared; seed: of the bootstrap.
    """

    weeks: StudentWeeks
    examples: Examples
    probability: Mapping[str, Floats]
    rule: RuleBaseline
    checkpoints: tuple[int, ...]
    seed: int

    @cached_property
    def flags(self) -> Array:
        """Return how many conditions of the plain rule each row meets. Shape [N]."""
        return self.rule.flags(self.weeks, self.examples.row)[0]

    def labelled(self, head: int) -> NDArray[np.bool_]:
        """Return which rows have a label of the head. Shape [N]."""
        return ~np.isnan(self.examples.labels[:, head])

    @cached_property
    def risk_rows(self) -> NDArray[np.bool_]:
        """Return which rows lie at a checkpoint and have a known end of the year. Shape [N]."""
        return self.labelled(RISK) & np.isin(self.examples.week_of_year, self.checkpoints)

    def compare(self, head: int, chosen: NDArray[np.bool_]) -> dict[str, Any]:
        """Compare the models that answer a head, and the rule, on the chosen rows [N]."""
        at = self.examples.take(chosen)
        scores = {
            name: found[chosen, head].astype(np.float64)
            for name, found in self.probability.items()
            if not np.isnan(found[chosen, head]).any()
        }
        return compare(
            at.labels[:, head].astype(np.float64),
            {**scores, "rule": self.rule.score(self.weeks, at.row)},
            person=at.person,
            school=at.school,
            week=at.week_of_year,
            weeks=self.checkpoints,
            probabilities=tuple(scores),
            rule_flags=(self.flags[chosen] > 0).astype(np.float64),
            seed=self.seed,
        )

    def subset(self, mask: NDArray[np.bool_], ranker: str) -> dict[str, Any]:
        """Return the risk figures among the rows of `mask` [N] that lie at a checkpoint."""
        chosen = self.risk_rows & mask
        label = self.examples.labels[chosen, RISK]
        return {
            "n": int(chosen.sum()),
            "events": int(label.sum()),
            "auroc": rounded(auroc(label, self.probability[ranker][chosen, RISK])),
            "headline": self.compare(RISK, chosen)["headline"],
        }
