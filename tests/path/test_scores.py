"""From files to scores and reasons, on the whole path."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from features.models import StudentFeature
from features.pipeline import extract
from ingestion.models import HistoricalDataImport
from predictions.models import ModelVersion, Prediction, ScoringRun, TrainingRun
from predictions.promotion import CannotPromote, promote, rollback
from predictions.reasons import ensure_factors
from predictions.scoring import CannotScore, score
from predictions.serving import predict_many, predict_one
from predictions.training import train
from students.models import AttendanceRecord, CourseGrade, DisciplineIncident, Outcome, Student
from tests.path.conftest import CONFIG, UNTIL

pytestmark = pytest.mark.django_db
SUNDAY = dt.date(2026, 11, 22)


def test_every_row_of_every_file_is_accounted_for(district: Path) -> None:
    for made in HistoricalDataImport.objects.all():
        with (district / made.filename).open() as file:
            assert made.rows_read == sum(1 for _ in file) - 1
        assert made.rows_read == sum(made.counts.values()) == made.inserted


def test_the_first_model_is_judged_and_in_use(district: Path) -> None:
    live = ModelVersion.objects.live()
    assert live is not None
    headline = live.metrics["heads"]["risk"]["headline"]["models"]
    assert headline["network"]["auroc"]["value"] > 0.7
    assert headline["logistic"]["auroc"]["value"] > 0.7
    assert live.trained_years == ["2024-25", "2025-26"]


def test_everybody_enrolled_has_one_current_prediction(district: Path) -> None:
    current = Prediction.objects.current()
    reached = StudentFeature.objects.order_by("-week_end").values_list("week_end", flat=True).first()
    assert current.count() == StudentFeature.objects.filter(week_end=reached).count()
    assert set(current.values_list("window_end", flat=True)) == {SUNDAY}
    assert all(0 <= p.risk_score <= 1 for p in current.filter(enough_data=True))


def test_scoring_again_makes_no_other_row(district: Path) -> None:
    before = Prediction.objects.count()
    run = score(ScoringRun.objects.create(as_of=UNTIL))
    assert (run.state, Prediction.objects.count()) == ("done", before)


def test_a_late_record_supersedes_the_score_of_a_closed_week(district: Path) -> None:
    old = Prediction.objects.current().filter(enough_data=True).order_by("rank_score").first()
    assert old is not None
    days = AttendanceRecord.objects.filter(student=old.student, date__lte=dt.date(2026, 11, 20))
    days.update(status="unexcused_absence")
    Student.objects.filter(pk=old.student_id).update(stale_from=dt.date(2026, 8, 17))
    extract(UNTIL)
    score(ScoringRun.objects.create(as_of=UNTIL, student_ids=[old.student_id]))
    old.refresh_from_db()
    new = Prediction.objects.current().get(student=old.student)
    assert old.superseded_at is not None
    assert new.pk != old.pk
    assert (new.risk_score or 0) > (old.risk_score or 0)


def test_a_past_week_is_answered_in_retrospect_and_never_served(district: Path) -> None:
    student = Prediction.objects.current().filter(enough_data=True)[0].student
    made = predict_one(student, dt.date(2026, 3, 4), today=UNTIL)
    if made is None:  # not enrolled then: take somebody who was
        student = StudentFeature.objects.filter(week_end="2026-03-01")[0].student
        made = predict_one(student, dt.date(2026, 3, 4), today=UNTIL)
    assert made is not None
    assert (made.retrospective, made.in_sample, str(made.window_end)) == (True, True, "2026-03-01")
    assert made not in Prediction.objects.current()


def test_a_future_day_is_refused(district: Path) -> None:
    with pytest.raises(ValueError, match="future"):
        predict_many([1], UNTIL + dt.timedelta(days=1), today=UNTIL)


def test_two_weeks_of_history_give_an_answer_and_one_gives_none(district: Path) -> None:
    first = StudentFeature.objects.order_by("week_end").values_list("week_end", flat=True).distinct()
    weeks = list(first[:2])
    student = StudentFeature.objects.filter(week_end=weeks[0])[0].student_id
    short = predict_many([student], weeks[0], today=UNTIL)[0]
    assert (short.enough_data, short.risk_score, short.risk_level, short.factors) == (False, None, "", [])
    assert predict_many([student], weeks[1], today=UNTIL)[0].enough_data


def test_numbers_in_reasons_can_be_counted_again(district: Path) -> None:
    predictions = list(
        Prediction.objects.current()
        .filter(enough_data=True)
        .select_related("student", "model")
        .order_by("-rank_score")[:60]
    )
    ensure_factors(predictions)
    seen = 0
    for prediction in predictions:
        for factor in prediction.factors or []:
            text, student = factor["text"], prediction.student
            year = {
                "student": student,
                "date__gte": dt.date(2026, 8, 1),
                "date__lte": SUNDAY,
                "recorded_at__lte": SUNDAY,
            }
            if found := re.match(
                r"Missed (\d+) of the last (\d+) school days?(?:; missed (\d+) of the (\d+) before)?"
                r"\. This year: (\d+) of (\d+)",
                text,
            ):
                days = list(AttendanceRecord.objects.filter(**year).order_by("-date"))
                absent = [d.status in ("excused_absence", "unexcused_absence", "absent") for d in days]
                assert [int(found[1]), int(found[2])] == [sum(absent[:20]), len(absent[:20])]
                assert [int(found[5]), int(found[6])] == [sum(absent), len(absent)]
                if found[3]:
                    assert [int(found[3]), int(found[4])] == [sum(absent[20:40]), len(absent[20:40])]
                seen += 1
            elif found := re.match(
                r"(\d+) pieces? of work due this year not in \((\d+) due .*\), of (\d+)",
                text,
            ):
                latest = {}
                for grade in (
                    CourseGrade.objects.filter(**year).exclude(kind="term").order_by("date", "recorded_at")
                ):
                    latest[grade.course_code, grade.item_key] = grade
                out = [g for g in latest.values() if g.percent is None]
                recent = [g for g in out if g.date > SUNDAY - dt.timedelta(days=28)]
                assert [int(found[n]) for n in (1, 2, 3)] == [len(out), len(recent), len(latest)]
                seen += 1
            elif found := re.match(r"(\d+) incidents? this year, (\d+) in the last 8 weeks", text):
                assert int(found[1]) == DisciplineIncident.objects.filter(**year).count()
                seen += 1
    assert seen > 60


def test_raising_reasons_come_with_the_sign_they_name(district: Path) -> None:
    for prediction in Prediction.objects.current().exclude(factors=None)[:50]:
        for factor in prediction.factors or []:
            assert (factor["contribution"] > 0) == (factor["direction"] == "raises")


def test_a_second_model_waits_and_can_be_promoted_and_rolled_back(district: Path) -> None:
    first = ModelVersion.objects.live()
    assert first is not None
    second = train(TrainingRun.objects.create(as_of=SUNDAY, seed=5, config=CONFIG))
    assert (second.status, bool(second.hold_reason)) == ("candidate", True)
    promote(second.version)
    # Hot swap: the next score comes from the other version, in the same process.
    student = Prediction.objects.current().first() or Prediction.objects.first()
    assert student is not None
    made = predict_many([student.student_id], UNTIL, today=UNTIL)[0]
    assert made.model.version == second.version
    assert rollback().version == first.version
    with pytest.raises(CannotPromote, match="no model version 'x'"):
        promote("x")


def test_without_outcomes_of_a_second_year_the_rule_ranks_and_says_so(district: Path) -> None:
    Outcome.objects.all().delete()
    CourseGrade.objects.filter(kind="term").delete()
    from students.models import District

    place = District.current()
    place.label_basis = "outcome"
    place.save()
    model = train(TrainingRun.objects.create(as_of=SUNDAY, config=CONFIG))
    assert model.ranking == "rule"
    assert "no school year with a known end" in model.metrics["why"]
    promote(model.version)
    run = score(ScoringRun.objects.create(as_of=UNTIL))
    made = Prediction.objects.current()
    assert run.scored == made.filter(enough_data=True).count() > 0
    assert not made.filter(risk_score__isnull=False).exists()
    assert made.filter(risk_level="high").exists()


def test_scoring_without_a_model_says_what_to_do(district: Path) -> None:
    ModelVersion.objects.update(status="retired")
    with pytest.raises(CannotScore, match="run train"):
        score(ScoringRun.objects.create(as_of=UNTIL))
    with pytest.raises(CommandError, match="no model is in use"):
        call_command("score", as_of=UNTIL)


def test_a_run_is_claimed_once(district: Path) -> None:
    run = ScoringRun.objects.create(as_of=UNTIL)
    assert run.claim()
    assert not ScoringRun.objects.get(pk=run.pk).claim()


def test_the_demo_refuses_a_database_that_holds_anything_else(district: Path) -> None:
    from demo.path import refuse_real_data
    from students.models import District

    refuse_real_data()
    District.objects.update(synthetic=False)
    with pytest.raises(CommandError, match="already holds students"):
        refuse_real_data()
