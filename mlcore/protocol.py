"""How a model comes to be and is judged: split by time, fit, calibrate, compare, refit on everything.

With closed years 1..Y: train on those up to Y-2, calibrate on Y-1, test on Y. With two, calibrate by
models that had not seen the student. With one there is nothing to judge a model by, and the plain rule runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlcore.baselines import LogisticBaseline, RuleBaseline
from mlcore.calibrate import Calibrator, Neighbours, too_few_to_calibrate
from mlcore.config import TrainConfig
from mlcore.data import MIN_WEEKS, Examples, Floats, StudentWeeks
from mlcore.peers import cross_fitted, fit_peers, thin
from mlcore.report import CHECKPOINTS, Tested, bands, calibration_bins, winner
from mlcore.schema import HEADS, RISK
from mlcore.train import NothingToLearn, Progress, TrainedNetwork, train

ENOUGH_TO_CALIBRATE = 30_000  # student-weeks; a slope and an intercept need no more

Report = Callable[[str, float], None]  # stage in words, share done from 0 to 1


@dataclass
class Bundle:
    """Everything that scoring needs, and what is known of how good it is.

    Where nothing could be learned `network` and `logistic` are None and `ranking` is "rule".
    """

    ranking: str
    why: str
    years: list[int]
    config: TrainConfig
    rule: RuleBaseline
    network: TrainedNetwork | None = None
    logistic: LogisticBaseline | None = None
    calibrators: dict[str, Calibrator] = field(default_factory=dict)
    neighbours: Neighbours | None = None
    report: dict[str, Any] = field(default_factory=dict)
    label_definition: str = ""


def enough_weeks(weeks: StudentWeeks, examples: Examples) -> Examples:
    """Keep the examples whose window is long enough to be scored."""
    return examples.take(weeks.window_length(examples.row) >= MIN_WEEKS)


def closed_years(examples: Examples) -> list[int]:
    """Return the school years in which how the year ended is known for somebody, in order."""
    known = ~np.isnan(examples.labels[:, RISK])
    return sorted({int(year) for year in np.unique(examples.year[known])})


def before(examples: Examples, weeks: StudentWeeks, years: list[int], cut: list[int]) -> Examples:
    """Keep the examples of `years` whose horizon ends before the first week of the `cut` years."""
    kept = examples.take(np.isin(examples.year, years))
    later = examples.row[np.isin(examples.year, cut)]
    if not len(later):
        return kept
    return kept.take(kept.horizon_end < weeks.week_end[later].min())


def fit_and_evaluate(
    weeks: StudentWeeks,
    examples: Examples,
    config: TrainConfig,
    *,
    rule: RuleBaseline | None = None,
    checkpoints: tuple[int, ...] = CHECKPOINTS,
    device: str = "cpu",
    on_progress: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Bundle:
    """Judge network, logistic regression and rule on later time, then refit on all closed years.

    Where too little is known to judge anything the answer is a bundle that ranks by the rule and says why.
    """
    say = on_progress or (lambda stage, share: None)
    rule = rule or RuleBaseline()
    examples = enough_weeks(weeks, examples)
    years = closed_years(examples)
    if len(years) < 2:
        why = (
            "no school year with a known end" if not years else "only one school year with a known end"
        ) + "; a model must be judged on a later year than it learned from"
        return Bundle("rule", why, [], config, rule, report=rule_alone(why))
    closed = examples.take(np.isin(examples.year, years))
    try:
        with threadpool_limits(config.threads):
            judged = _judge(weeks, closed, years, config, rule, checkpoints, device, say, should_stop)
            return _refit(weeks, closed, years, config, rule, judged, device, say, should_stop)
    except NothingToLearn as reason:
        return Bundle("rule", str(reason), [], config, rule, report=rule_alone(str(reason)))


@dataclass
class _Judged:
    """What the evaluation found. held, test: rows that the fit had not seen; logits: model → [N, 4]."""

    ranking: str
    why: str
    report: dict[str, Any]
    unfitted: dict[str, str]
    held: Examples
    held_logits: dict[str, Floats]
    test: Examples
    test_logits: dict[str, Floats]


def _judge(
    weeks: StudentWeeks,
    closed: Examples,
    years: list[int],
    config: TrainConfig,
    rule: RuleBaseline,
    checkpoints: tuple[int, ...],
    device: str,
    say: Report,
    should_stop: Callable[[], bool] | None,
) -> _Judged:
    """Fit on the early years, calibrate, and compare all peers on the last year."""
    fit_years = years[:-2] or years[:1]
    fit = before(closed, weeks, fit_years, [year for year in years if year not in fit_years])
    test = closed.take(closed.year == years[-1])
    test = thin(test, ENOUGH_TO_CALIBRATE, config.seed, always=np.isin(test.week_of_year, checkpoints))
    peers = fit_peers(
        weeks,
        fit,
        config,
        device=device,
        on_epoch=_epochs(say, "network", 0.02, 0.3),
        should_stop=should_stop,
    )
    if len(years) >= 3:
        say("calibration", 0.35)
        held = before(closed, weeks, [years[-2]], years[-1:])
        held = thin(held, ENOUGH_TO_CALIBRATE, config.seed)
        held_logits = peers.logits(weeks, held.row)
        split = f"trained on {len(fit_years)} years, calibrated on the next, tested on the last"
    else:
        held = fit
        held_logits = cross_fitted(
            weeks,
            held,
            config,
            device=device,
            on_fold=lambda fold: say(f"calibration, part {fold}", 0.3 + 0.05 * fold),
            should_stop=should_stop,
        )
        split = (
            "trained on the first year, calibrated on its students by models that had not seen them, "
            "tested on the last year"
        )
    say("evaluation", 0.45)
    calibrators = {name: Calibrator.fit(logits, held.labels) for name, logits in held_logits.items()}
    test_logits = peers.logits(weeks, test.row)
    probability = {name: calibrators[name].probability(logits) for name, logits in test_logits.items()}
    tested = Tested(weeks, test, probability, rule, checkpoints, config.seed)
    by_head: dict[str, Any] = {}
    for head, name in enumerate(HEADS):
        if name in peers.network.unfitted:
            by_head[name] = {"unfitted": peers.network.unfitted[name]}
        else:
            by_head[name] = tested.compare(head, tested.labelled(head))
    ranking, why = winner(by_head["risk"]["headline"])
    ranker = "network" if ranking == "rule" else ranking
    ended = test.labels[tested.risk_rows, RISK].astype(np.float64)
    shown = probability[ranker][tested.risk_rows, RISK].astype(np.float64)
    report = {
        "split": split,
        "figures_describe": "the model fitted without the last year, tested on the last year; "
        "the model in use was then fitted on all closed years",
        "ranking": ranking,
        "why": why,
        "checkpoints": list(checkpoints),
        "heads": by_head,
        "subsets": {
            "not_yet_flagged": tested.subset(tested.flags == 0, ranker),
            "never_seen_in_training": tested.subset(~np.isin(test.person, fit.person), ranker),
        },
        "bands": bands(ended, shown),
        "calibration": calibration_bins(ended, shown),
        "students": {
            "trained": len(np.unique(fit.person)),
            "calibrated": len(np.unique(held.person)),
            "tested": len(np.unique(test.person)),
        },
        "epochs": peers.network.history,
    }
    return _Judged(ranking, why, report, peers.network.unfitted, held, held_logits, test, test_logits)


def _refit(
    weeks: StudentWeeks,
    closed: Examples,
    years: list[int],
    config: TrainConfig,
    rule: RuleBaseline,
    judged: _Judged,
    device: str,
    say: Report,
    should_stop: Callable[[], bool] | None,
) -> Bundle:
    """Fit on all closed years; calibrate by what the earlier fit said of years it had not seen."""
    say("fitting on all closed years", 0.5)
    logistic = LogisticBaseline.fit(weeks, closed, config.seed)
    network = train(
        weeks,
        closed,
        config,
        device=device,
        on_progress=_epochs(say, "final network", 0.55, 0.98),
        should_stop=should_stop,
    )
    labels = np.concatenate([judged.held.labels, judged.test.labels])
    later = {
        name: np.concatenate([judged.held_logits[name], judged.test_logits[name]])
        for name in ("network", "logistic")
    }
    # A head that nobody judged, or that cannot be calibrated, stays silent however well it fits now.
    silent = {
        name: f"not fitted without the last year, so never judged: {reason}"
        for name, reason in judged.unfitted.items()
    }
    silent = too_few_to_calibrate(later["network"], labels) | silent
    network = replace(network, unfitted=silent | network.unfitted)
    logistic = replace(logistic, unfitted=silent | logistic.unfitted)
    if "risk" in network.unfitted:
        why = f"how the year ends cannot be told: {network.unfitted['risk']}"
        report = {**judged.report, "ranking": "rule", "why": why}
        return Bundle("rule", why, [], config, rule, report=report)
    calibrators = {name: Calibrator.fit(logits, labels) for name, logits in later.items()}
    ranker = "network" if judged.ranking == "rule" else judged.ranking
    neighbours = Neighbours.fit(
        calibrators[ranker].probability(judged.test_logits[ranker])[:, RISK],
        judged.test.labels[:, RISK],
        judged.test.person,
        config.seed,
    )
    say("done", 1.0)
    return Bundle(
        judged.ranking,
        judged.why,
        years,
        config,
        rule,
        network=network,
        logistic=logistic,
        calibrators=calibrators,
        neighbours=neighbours,
        report=judged.report,
    )


def _epochs(say: Report, name: str, begin: float, end: float) -> Callable[[Progress], None]:
    return lambda at: say(f"{name}, epoch {at.epoch}", begin + (end - begin) * at.epoch / at.epochs)


def rule_alone(why: str) -> dict[str, Any]:
    """Return the report of a district in which nothing could be learned or judged yet."""
    return {"ranking": "rule", "why": why, "heads": {}, "bands": [], "checkpoints": []}
