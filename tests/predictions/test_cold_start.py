"""A district in its first year: nothing to learn from, so the plain rule ranks, says so, and gives reasons."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from features.pipeline import extract
from predictions.gates import hold_reason
from predictions.models import ModelVersion, Prediction, ScoringRun, TrainingRun
from predictions.scoring import score
from predictions.serving import predict_many
from predictions.training import CannotTrain, train
from students.models import AttendanceRecord, CourseGrade, DisciplineIncident
from tests.factories import YEAR_START
from tests.people import People
from tests.predictions.made import LAST_SUNDAY, MONDAY_AFTER, add_weeks


def test_it_runs_on_the_rule_at_once_and_says_why(rule_model: ModelVersion) -> None:
    assert (rule_model.status, rule_model.ranking, rule_model.trained_years) == ("live", "rule", [])
    assert "no school year with a known end" in rule_model.metrics["why"]


def test_it_orders_by_conditions_met_and_shows_no_probability(scored: People) -> None:
    current = list(Prediction.objects.current().select_related("student"))
    assert [p.student.first_name for p in current] == ["Nia", "Sol", "Sam", "Noah"]
    levels = {p.student.first_name: p.risk_level for p in current}
    # Nia: absence and a failing course. Sol: absence. Sam: a suspension. Noah: nothing.
    assert levels == {"Nia": "high", "Sol": "moderate", "Sam": "moderate", "Noah": "low"}
    assert {(p.risk_score, p.attendance_score, p.confidence_low) for p in current} == {(None, None, None)}


def test_the_conditions_that_are_met_are_the_reasons(scored: People) -> None:
    nia = Prediction.objects.current().get(student=scored.nia)
    assert [(f["feature"], f["direction"]) for f in nia.factors or []] == [
        ("absence_rate_year", "raises"),
        ("core_failing_now", "raises"),
    ]
    absence, course = (factor["text"] for factor in nia.factors or [])
    year = AttendanceRecord.objects.filter(student=scored.nia, date__lte=LAST_SUNDAY).order_by("-date")
    absent = [record.status == "unexcused_absence" for record in year]
    assert absence == (
        f"Missed {sum(absent[:20])} of the last 20 school days; missed {sum(absent[20:40])} of the 20 before. "
        f"This year: {sum(absent)} of {len(absent)}, {sum(absent)} of them unexcused."
    )
    assert (nia.factors or [])[0]["value"] == pytest.approx(sum(absent) / len(absent), abs=1e-4)
    items = CourseGrade.objects.filter(student=scored.nia, date__lte=LAST_SUNDAY).count()
    assert course.startswith(f"Lowest running mark: 0 of 100 in Mathematics 9 over {items} pieces of work")


def test_a_suspension_without_its_length_is_not_told_as_zero_days(scored: People) -> None:
    from predictions.reasons import ensure_factors

    sam = Prediction.objects.current().get(student=scored.sam)
    ensure_factors([sam])
    (only,) = sam.factors or []
    assert only["feature"] == "suspension_days_year"
    assert only["text"] == "1 incident this year, 1 in the last 8 weeks; 1 suspension out of school."
    DisciplineIncident.objects.filter(student=scored.sam).update(days_removed=3)
    sam.factors = None
    ensure_factors([sam])
    assert (sam.factors or [])[0]["text"].endswith("; 1 suspension out of school, 3 days in all.")


def test_reasons_know_nothing_that_was_recorded_after_the_week_closed(scored: People) -> None:
    nia = Prediction.objects.current().get(student=scored.nia)
    before = nia.factors
    AttendanceRecord.objects.filter(student=scored.nia, date=YEAR_START).update(recorded_at=MONDAY_AFTER)
    nia.factors = None
    from predictions.reasons import ensure_factors

    ensure_factors([nia])
    told = re.search(r"This year: (\d+) of (\d+)", (nia.factors or [])[0]["text"])
    first = re.search(r"This year: (\d+) of (\d+)", (before or [])[0]["text"])
    assert told
    assert first
    assert (int(told[1]), int(told[2])) == (int(first[1]) - 1, int(first[2]) - 1)


def test_only_the_flagged_get_reasons_by_night(people: People, rule_model: ModelVersion) -> None:
    from students.models import District

    District.objects.update_or_create(pk=1, defaults={"flags_per_counselor": 1})
    score(ScoringRun.objects.create(as_of=MONDAY_AFTER))
    told = Prediction.objects.current().exclude(factors=None)
    # The first of Ana's list and of Ben's (both Nia), and the first of Cleo's.
    assert {p.student for p in told} == {people.nia, people.sol}


def test_one_week_of_history_is_an_answer_without_a_score(scored: People) -> None:
    from tests.factories import EnrollmentFactory

    new = EnrollmentFactory(school=scored.north, start=LAST_SUNDAY - dt.timedelta(days=6)).student
    add_weeks(new, 7, 8, absent_on=(0, 1, 2, 3, 4))
    extract(MONDAY_AFTER, student_ids=[new.pk])
    (made,) = predict_many([new.pk], MONDAY_AFTER, today=MONDAY_AFTER)
    assert (made.enough_data, made.risk_level, made.rank_score, made.factors) == (False, "", None, [])


def test_a_second_rule_waits_for_a_person(rule_model: ModelVersion) -> None:
    again = train(TrainingRun.objects.create(as_of=LAST_SUNDAY))
    assert again.status == "candidate"
    assert rule_model.version in again.hold_reason
    assert again.version != rule_model.version


def test_the_first_that_learned_replaces_the_rule_and_the_next_one_waits(rule_model: ModelVersion) -> None:
    from mlcore.baselines import RuleBaseline
    from mlcore.config import TrainConfig
    from mlcore.protocol import Bundle

    headline = {"headline": {"models": {"network": {"auroc": {"value": 0.81}}}}}
    bundle = Bundle("network", "", [0, 1], TrainConfig(), RuleBaseline())
    bundle.report = {"ranking": "network", "heads": {"risk": headline}}
    bundle.network = object()  # type: ignore[assignment]  # any network: the gate asks only whether there is one
    assert hold_reason(bundle, None) == ""
    assert hold_reason(bundle, rule_model) == ""
    rule_model.metrics = {"ranking": "network", "heads": {"risk": headline}}
    rule_model.ranking = "network"
    assert "AUROC 0.810" in hold_reason(bundle, rule_model)


def test_training_without_features_says_what_to_do(db: None) -> None:
    run = TrainingRun.objects.create(as_of=LAST_SUNDAY)
    with pytest.raises(CannotTrain, match="run extract_features first"):
        train(run)
    run.refresh_from_db()
    assert (run.state, "extract_features" in run.reason) == ("failed", True)
