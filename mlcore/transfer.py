"""Does a model carry over to a school that it has not seen?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlcore.baselines import RuleBaseline
from mlcore.calibrate import Calibrator
from mlcore.config import TrainConfig
from mlcore.data import Examples, Ints, StudentWeeks
from mlcore.peers import fit_peers
from mlcore.protocol import Report, enough_weeks
from mlcore.report import CHECKPOINTS, Tested, winner
from mlcore.schema import RISK
from mlcore.train import NothingToLearn, split_persons

CALIBRATION_SHARE = 0.2  # of persons


def evaluate_holdout_school(
    weeks: StudentWeeks,
    examples: Examples,
    config: TrainConfig,
    schools: Ints,
    *,
    rule: RuleBaseline | None = None,
    checkpoints: tuple[int, ...] = CHECKPOINTS,
    device: str = "cpu",
    on_progress: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Train on every other school and test on these. Never promotable.

    Persons who sit in both parts are dropped from training. A fifth of the remaining persons teach
    nothing; they stop the network early and calibrate every model. School years play no part, so that
    schools with a single year can be tested.

    Raises:
        NothingToLearn: the other schools, or the held-out ones, cannot teach or test risk.
    """
    say = on_progress or (lambda stage, share: None)
    examples = enough_weeks(weeks, examples)
    out = np.isin(examples.school, schools)
    known = ~np.isnan(examples.labels[:, RISK])
    both = np.intersect1d(examples.person[out], examples.person[~out])
    test = examples.take(out & known)
    rest = examples.take(~out & known & ~np.isin(examples.person, both))
    if not len(test):
        raise NothingToLearn("the held-out schools have no student-week whose year's end is known")
    if len(np.unique(test.labels[:, RISK])) < 2:
        raise NothingToLearn("all students of the held-out schools ended the same way; nothing to tell apart")
    if not len(rest):
        raise NothingToLearn("no other school has a student-week whose year's end is known")
    fit, held = split_persons(rest, CALIBRATION_SHARE, config.seed)
    with threadpool_limits(config.threads):
        peers = fit_peers(
            weeks,
            fit,
            config,
            validation=held,
            device=device,
            on_epoch=lambda at: say(f"network, epoch {at.epoch}", 0.02 + 0.75 * at.epoch / at.epochs),
            should_stop=should_stop,
        )
        say("evaluation", 0.85)
        test_logits = peers.logits(weeks, test.row)
        probability = {
            name: Calibrator.fit(logits, held.labels).probability(test_logits[name])
            for name, logits in peers.logits(weeks, held.row).items()
        }
        tested = Tested(weeks, test, probability, rule or RuleBaseline(), checkpoints, config.seed)
        report = tested.compare(RISK, tested.labelled(RISK))
    ranking, why = winner(report["headline"])
    say("done", 1.0)
    return {
        "kind": "transfer",
        "promotable": False,
        "ranking": ranking,
        "why": why,
        "students": {
            "trained": len(np.unique(fit.person)),
            "calibrated": len(np.unique(held.person)),
            "tested": len(np.unique(test.person)),
            "dropped_in_both": len(both),
        },
        "risk": report,
    }
