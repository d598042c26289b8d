"""Doorbells of training and scoring: a key in, one call. Ringing twice is harmless: runs are claimed."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from predictions.models import EvaluationRun, ModelVersion, ScoringRun, TrainingRun
from students.access import district_today

log = logging.getLogger("edupulse.tasks")
RING_EXPIRES = 20 * 3600  # seconds; by then the night has done the work


@shared_task(name="predictions.tasks.train_model")
def train_model(pk: int) -> None:
    """Train as a waiting run says."""
    from predictions.training import train  # loads torch

    run = TrainingRun.objects.filter(pk=pk).free(timezone.now()).first()
    if run is not None:
        train(run)


@shared_task(name="predictions.tasks.evaluate_model")
def evaluate_model(pk: int) -> None:
    """Evaluate as a waiting run says."""
    from predictions.evaluation import evaluate

    run = EvaluationRun.objects.filter(pk=pk).free(timezone.now()).first()
    if run is not None:
        evaluate(run)


@shared_task(name="predictions.tasks.run_scoring")
def run_scoring(pk: int) -> None:
    """Score as a waiting run says."""
    from predictions.scoring import score

    run = ScoringRun.objects.filter(pk=pk).free(timezone.now()).first()
    if run is not None:
        score(run, today=district_today())


@shared_task(name="predictions.tasks.score_week")
def score_week(reason: str) -> None:
    """Score the last closed week for everybody."""
    from predictions.scoring import score

    if ModelVersion.objects.live() is not None:
        score(ScoringRun.objects.create(as_of=district_today(), reason=reason))


def ring_scoring(reason: str = "another model was put in use") -> None:
    """Ask for the week's scores once the running transaction has ended.

    A broker that does not answer takes nothing back: the night scores anyway.
    """

    def ring() -> None:
        try:
            score_week.apply_async((reason,), expires=RING_EXPIRES)
        except OperationalError as error:
            log.warning("the week will be scored by the night: the broker does not answer (%s)", error)

    transaction.on_commit(ring)


def ring_waiting() -> int:
    """Ring again for every run that waits, or whose process died; return how many."""
    now = timezone.now()
    bells: tuple[tuple[Any, Any], ...] = (
        (TrainingRun, train_model),
        (EvaluationRun, evaluate_model),
        (ScoringRun, run_scoring),
    )
    waiting = [
        (bell, pk)
        for model, bell in bells
        for pk in model.objects.free(now).order_by("pk").values_list("pk", flat=True)
    ]
    for bell, pk in waiting:
        bell.delay(pk)
    return len(waiting)
