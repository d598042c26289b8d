"""Long work as rows: taken once, taken up after a death, and honest about how it ended."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from edupulse_site.pipeline import run_nightly
from ingestion.models import HistoricalDataImport
from predictions.models import ModelVersion, Prediction, ScoringRun, TrainingRun
from predictions.models.runs import ABANDONED_AFTER
from predictions.scoring import CannotScore, score
from predictions.serving import check_model, forget_models, predict_many
from predictions.tasks import ring_waiting, run_scoring, score_week, train_model
from tests.people import People
from tests.predictions.made import MONDAY_AFTER


def test_a_run_at_work_is_refused_and_one_left_behind_is_taken_up(scored: People) -> None:
    run = ScoringRun.objects.create(as_of=MONDAY_AFTER)
    assert run.claim()
    with pytest.raises(CannotScore, match="already running"):
        score(ScoringRun.objects.get(pk=run.pk))
    long_ago = timezone.now() - ABANDONED_AFTER - dt.timedelta(minutes=1)
    ScoringRun.objects.filter(pk=run.pk).update(heartbeat_at=long_ago, scored=3)
    before = Prediction.objects.count()
    run_scoring(run.pk)
    run.refresh_from_db()
    assert (run.state, run.scored, Prediction.objects.count()) == ("done", 4, before)


def test_a_training_left_behind_does_not_keep_others_waiting(db: None) -> None:
    now = timezone.now()
    run = TrainingRun.objects.create(as_of=MONDAY_AFTER)
    assert TrainingRun.objects.unfinished(now).exists()
    run.claim()
    assert TrainingRun.objects.unfinished(now).exists()
    TrainingRun.objects.update(heartbeat_at=now - ABANDONED_AFTER)
    assert not TrainingRun.objects.unfinished(now + dt.timedelta(seconds=1)).exists()


def test_a_bell_rung_twice_trains_once(people: People) -> None:
    run = TrainingRun.objects.create(as_of=MONDAY_AFTER)
    train_model(run.pk)
    train_model(run.pk)
    assert ModelVersion.objects.count() == 1


def test_lost_bells_are_rung_again(scored: People, eager: None) -> None:
    lost = [
        TrainingRun.objects.create(as_of=MONDAY_AFTER),
        ScoringRun.objects.create(as_of=MONDAY_AFTER, student_ids=[scored.nia.pk]),
    ]
    assert ring_waiting() == 2
    for run in lost:
        run.refresh_from_db()
        assert run.state == "done"
    assert ring_waiting() == 0


def test_an_interrupted_run_is_cancelled_and_not_left_running(scored: People) -> None:
    def interrupt(share: float, stage: str) -> None:
        raise KeyboardInterrupt

    run = ScoringRun.objects.create(as_of=MONDAY_AFTER)
    with pytest.raises(KeyboardInterrupt):
        score(run, interrupt)
    assert ScoringRun.objects.get(pk=run.pk).state == "cancelled"


def test_a_damaged_checkpoint_is_told_in_one_line(people: People, rule_model: ModelVersion) -> None:
    assert check_model() == ""
    forget_models()
    with rule_model.artifact.storage.open(rule_model.artifact.name, "wb") as file:
        file.write(b"not a model")
    assert "is damaged or no EduPulse model" in check_model()
    with pytest.raises(CannotScore, match="train again or restore"):
        score(ScoringRun.objects.create(as_of=MONDAY_AFTER))
    assert "is damaged" in ScoringRun.objects.latest("pk").reason


def test_a_checkpoint_in_a_storage_without_paths_is_fetched(people: People, settings: Any) -> None:
    from predictions.training import train

    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.predictions.made.FarStorage"},
    }
    train(TrainingRun.objects.create(as_of=MONDAY_AFTER))
    forget_models()
    (made,) = predict_many([people.nia.pk], MONDAY_AFTER, today=MONDAY_AFTER)
    assert made.risk_level == "high"


def test_the_night_goes_on_past_an_import_that_breaks(people: People, rule_model: ModelVersion) -> None:
    broken = HistoricalDataImport.objects.create(
        kind="attendance", file="imports/lost.csv", filename="lost.csv"
    )
    done = run_nightly(MONDAY_AFTER)
    broken.refresh_from_db()
    assert (done.imports, done.imports_failed, broken.state) == (1, 1, "failed")
    assert done.scoring is not None
    assert done.scoring.scored == 4


def test_the_night_without_a_model_still_computes_features(people: People) -> None:
    assert run_nightly(MONDAY_AFTER).scoring is None


def test_scoring_the_week_without_a_model_leaves_no_failed_run(people: People) -> None:
    score_week("test")
    assert not ScoringRun.objects.exists()
