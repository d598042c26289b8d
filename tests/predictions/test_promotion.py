"""Putting versions in use and going back."""

from __future__ import annotations

from typing import Any

import pytest

from predictions.models import ModelVersion, Prediction, TrainingRun
from predictions.promotion import CannotPromote, promote, rollback
from predictions.serving import predict_many
from predictions.training import train
from students.models import AuditEvent
from tests.people import People
from tests.predictions.made import LAST_SUNDAY, MONDAY_AFTER


@pytest.fixture
def three(rule_model: ModelVersion) -> list[ModelVersion]:
    """Three versions, the last one in use."""
    others = [train(TrainingRun.objects.create(as_of=LAST_SUNDAY, seed=seed)) for seed in (1, 2)]
    for model in others:
        promote(model.version)
    return [rule_model, *others]


def states(models: list[ModelVersion]) -> list[str]:
    return [ModelVersion.objects.get(pk=model.pk).status for model in models]


def test_one_version_is_live_and_the_one_before_is_retired(three: list[ModelVersion]) -> None:
    assert states(three) == ["retired", "retired", "live"]


def test_going_back_twice_goes_two_versions_back(three: list[ModelVersion]) -> None:
    assert rollback().version == three[1].version
    assert states(three) == ["retired", "live", "rejected"]
    assert rollback().version == three[0].version
    assert states(three) == ["live", "rejected", "rejected"]
    with pytest.raises(CannotPromote, match="no earlier version"):
        rollback()
    assert promote(three[2].version).status == "live"


def test_who_promoted_and_who_went_back_is_kept(people: People, three: list[ModelVersion]) -> None:
    promote(three[0].version, people.alan)
    rollback(people.dora)
    events = AuditEvent.objects.filter(object_type="model").order_by("-pk")[:2]
    assert [(e.action, e.actor, e.object_id) for e in events] == [
        ("rollback", people.dora, three[2].version),
        ("promote", people.alan, three[0].version),
    ]
    assert events[0].detail == {"withdrawn": three[0].version}


def test_the_database_lets_no_second_version_be_live(three: list[ModelVersion]) -> None:
    from predictions.promotion import at_once

    with pytest.raises(CannotPromote, match="at the same moment"), at_once():
        ModelVersion.objects.filter(pk=three[0].pk).update(status="live")
    assert states(three) == ["retired", "retired", "live"]


def test_a_running_process_scores_by_the_new_version_from_the_next_question_on(
    people: People, three: list[ModelVersion]
) -> None:
    before = predict_many([people.nia.pk], MONDAY_AFTER, today=MONDAY_AFTER)[0]
    promote(three[0].version)
    after = predict_many([people.nia.pk], MONDAY_AFTER, today=MONDAY_AFTER)[0]
    assert (before.model.version, after.model.version) == (three[2].version, three[0].version)


def test_a_promoted_version_scores_the_week_without_waiting_for_the_night(
    scored: People, eager: None, django_capture_on_commit_callbacks: Any
) -> None:
    second = train(TrainingRun.objects.create(as_of=LAST_SUNDAY, seed=1))
    with django_capture_on_commit_callbacks(execute=True):
        promote(second.version)
    current = Prediction.objects.current()
    assert {p.model.version for p in current} == {second.version}
    assert current.count() == 4


def test_a_broker_that_is_down_takes_no_promotion_back(
    scored: People, silent_broker: None, django_capture_on_commit_callbacks: Any
) -> None:
    second = train(TrainingRun.objects.create(as_of=LAST_SUNDAY, seed=1))
    with django_capture_on_commit_callbacks(execute=True):
        promote(second.version)
    live = ModelVersion.objects.live()
    assert live is not None
    assert live.version == second.version
