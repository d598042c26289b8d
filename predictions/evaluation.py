"""How good would a model be? On schools held out, or on the last year; never promotable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from features.labels import examples
from features.windows import student_weeks
from mlcore.config import TrainConfig
from mlcore.protocol import fit_and_evaluate
from mlcore.transfer import evaluate_holdout_school
from predictions.models import EvaluationRun
from predictions.training import district_rule, training_device
from students.models import School

Progress = Callable[[float, str], None]


class CannotEvaluate(ValueError):
    """There is nothing to train or to test on; the message says what is missing."""


def evaluate(run: EvaluationRun, on_progress: Progress | None = None) -> dict[str, Any]:
    """Judge on the schools of the run, trained on all others, and keep the report on the run.

    Where the run names no school the last closed year is the test, as in training; nothing is stored
    as a model either way.

    Returns:
        {"kind": "transfer" or "time", "ranking", "why", "students", "risk": {"weeks", "headline"}}

    Raises:
        CannotEvaluate: a school that nobody knows, no features, or the run was taken by another process.
        NothingToLearn: too little to learn from or to test on.
        CannotTrain: the device that the settings name is not there.
    """
    if not run.claim():
        raise CannotEvaluate(f"this evaluation is already {run.get_state_display().lower()}")

    def say(stage: str, share: float) -> None:
        run.advance(share, stage)
        if on_progress is not None:
            on_progress(share, stage)

    with run.kept():
        codes = list(run.holdout_schools)
        schools = dict(School.objects.filter(code__in=codes).values_list("code", "pk"))
        unknown = sorted(set(codes) - set(schools))
        if unknown:
            raise CannotEvaluate(f"no school has the code {', '.join(unknown)}")
        say("reading weekly features", 0.01)
        weeks, facts = student_weeks(run.as_of, whole_history=True)
        if not len(weeks):
            raise CannotEvaluate(
                "there are no weekly features yet; import records and run extract_features first"
            )
        labelled = examples(weeks, facts, run.as_of)
        rule, device = district_rule(run.as_of), training_device()
        if codes:
            report = evaluate_holdout_school(
                weeks,
                labelled,
                TrainConfig(),
                np.array(list(schools.values())),
                rule=rule,
                checkpoints=tuple(run.weeks),
                device=device,
                on_progress=say,
            )
        else:
            judged = fit_and_evaluate(
                weeks,
                labelled,
                TrainConfig(),
                rule=rule,
                checkpoints=tuple(run.weeks),
                device=device,
                on_progress=say,
            ).report
            if "risk" not in judged["heads"]:
                raise CannotEvaluate(f"nothing can be judged: {judged['why']}")
            report = {"kind": "time", **judged, "risk": judged["heads"]["risk"]}
        run.report = report
        run.save(update_fields=["report"])
    return report
