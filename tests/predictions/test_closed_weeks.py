"""Which week a score speaks of, and for whom, when calendars differ and features come late."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User

from features.models import StudentFeature
from features.pipeline import extract
from predictions.models import Prediction, ScoringRun
from predictions.scoring import score
from predictions.serving import predict_many, predict_one
from predictions.tasks import run_scoring
from students.models import AttendanceRecord, Enrollment, SchoolDay, Student
from tests.people import People
from tests.predictions.made import ABSENT_ON, LAST_SUNDAY, MONDAY_AFTER, add_weeks

NEXT_SUNDAY = LAST_SUNDAY + dt.timedelta(days=7)
NEXT_MONDAY = LAST_SUNDAY + dt.timedelta(days=8)


def give_north_a_break(people: People) -> None:
    """Let North be closed in the ninth week, while South goes on."""
    SchoolDay.objects.bulk_create(
        SchoolDay(
            school_code="NORTH",
            date=MONDAY_AFTER + dt.timedelta(days=day),
            in_session=False,
            school_year="2025-26",
            recorded_at=dt.date(2025, 8, 1),
        )
        for day in range(5)
    )
    for name in ("sam", "sol"):
        add_weeks(getattr(people, name), 8, 9, ABSENT_ON[name])
    extract(NEXT_MONDAY)


def test_a_school_on_break_stays_on_the_caseload(scored: People) -> None:
    give_north_a_break(scored)
    score(ScoringRun.objects.create(as_of=NEXT_MONDAY))
    current = Prediction.objects.current().select_related("student")
    assert {p.window_end for p in current} == {NEXT_SUNDAY}
    assert {p.student.first_name for p in current} == {"Nia", "Noah", "Sam", "Sol"}


def test_who_left_during_the_break_is_not_scored(scored: People) -> None:
    Enrollment.objects.filter(student=scored.noah).update(end=MONDAY_AFTER + dt.timedelta(days=2))
    give_north_a_break(scored)
    score(ScoringRun.objects.create(as_of=NEXT_MONDAY))
    names = {p.student.first_name for p in Prediction.objects.current().select_related("student")}
    assert names == {"Nia", "Sam", "Sol"}
    assert predict_many([scored.noah.pk], NEXT_MONDAY, today=NEXT_MONDAY) == []


def test_who_comes_back_after_an_absence_is_not_scored_by_old_weeks(scored: People) -> None:
    add_weeks(scored.noah, 8, 9)
    held = Enrollment.objects.get(student=scored.nia)
    held.end = MONDAY_AFTER
    held.save()
    for name in ("sam", "sol"):
        add_weeks(getattr(scored, name), 8, 9)
    extract(NEXT_MONDAY)
    # Back on the Saturday: enrolled when the week closes, with no week at school since.
    Enrollment.objects.create(
        student=scored.nia,
        school=scored.north,
        grade_level="9",
        start=NEXT_SUNDAY - dt.timedelta(days=1),
        recorded_at=NEXT_SUNDAY,
    )
    assert predict_many([scored.nia.pk], NEXT_MONDAY, today=NEXT_MONDAY) == []


def test_until_features_are_there_the_week_before_is_the_last_closed_one(scored: People) -> None:
    before = Prediction.objects.current().get(student=scored.nia)
    made = predict_one(scored.nia, NEXT_MONDAY, today=NEXT_MONDAY)
    assert made == before
    assert (made.window_end, made.retrospective) == (LAST_SUNDAY, False)


def test_one_early_question_does_not_take_the_place_of_the_caseload(scored: People) -> None:
    for name, days in ABSENT_ON.items():
        add_weeks(getattr(scored, name), 8, 9, days)
    extract(NEXT_MONDAY)
    early = predict_one(scored.nia, NEXT_MONDAY, today=NEXT_MONDAY)
    assert early is not None
    assert early.window_end == NEXT_SUNDAY
    batch = score(ScoringRun.objects.create(as_of=NEXT_MONDAY, student_ids=[scored.nia.pk]))
    assert batch.scored == 1
    assert Prediction.objects.current().count() == 4
    assert {p.window_end for p in Prediction.objects.current()} == {LAST_SUNDAY}
    score(ScoringRun.objects.create(as_of=NEXT_MONDAY))
    assert early in Prediction.objects.current()


def test_in_a_summer_without_enrollments_the_last_list_stays(scored: People) -> None:
    Enrollment.objects.update(end=MONDAY_AFTER)
    extract(NEXT_MONDAY)
    run = score(ScoringRun.objects.create(as_of=NEXT_MONDAY))
    assert (run.state, run.scored, run.without_enough_data) == ("done", 0, 0)
    assert Prediction.objects.current().count() == 4


def test_a_late_record_supersedes_and_its_return_brings_the_old_score_back(scored: People) -> None:
    old = Prediction.objects.current().get(student=scored.sol)
    day = AttendanceRecord.objects.filter(student=scored.sol, status="present").latest("date")

    def change(status: str) -> Prediction:
        AttendanceRecord.objects.filter(pk=day.pk).update(status=status)
        Student.objects.filter(pk=scored.sol.pk).update(stale_from=day.date)
        extract(MONDAY_AFTER)
        score(ScoringRun.objects.create(as_of=MONDAY_AFTER))
        return Prediction.objects.current().get(student=scored.sol)

    new = change("unexcused_absence")
    old.refresh_from_db()
    assert new != old
    assert old.superseded_at is not None
    assert (new.rank_score or 0) > (old.rank_score or 0)
    assert change("present") == old
    new.refresh_from_db()
    assert new.superseded_at is not None
    assert Prediction.objects.filter(student=scored.sol).count() == 2


def test_a_large_batch_for_a_past_day_is_answered_in_retrospect(scored: People) -> None:
    past = LAST_SUNDAY - dt.timedelta(days=10)
    run = ScoringRun.objects.create(as_of=past, student_ids=[scored.nia.pk, scored.noah.pk])
    run_scoring(run.pk)
    run.refresh_from_db()
    made = Prediction.objects.filter(scoring_run=run)
    assert (run.state, made.count()) == ("done", 2)
    assert {(p.retrospective, p.window_end) for p in made} == {(True, LAST_SUNDAY - dt.timedelta(days=14))}
    assert not (Prediction.objects.served() & made).exists()
    assert Prediction.objects.current().count() == 4


def test_counselors_reach_only_the_predictions_of_their_students(scored: People) -> None:
    def seen(user: User) -> set[str]:
        visible = Prediction.objects.current().visible_to(user, MONDAY_AFTER)
        return {p.student.first_name for p in visible.select_related("student")}

    assert seen(scored.ana) == {"Nia", "Noah"}
    assert seen(scored.ben) == {"Nia"}
    assert seen(scored.cleo) == {"Sam", "Sol"}
    assert seen(scored.pia) == {"Nia", "Noah"}
    assert seen(scored.dora) == {"Nia", "Noah", "Sam", "Sol"}
    assert seen(scored.ula) == set()


def test_scoring_reads_a_chunk_in_a_fixed_number_of_queries(
    scored: People, django_assert_max_num_queries: object
) -> None:
    assert StudentFeature.objects.filter(student=scored.nia).count() == 8
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        predict_many([scored.nia.pk], MONDAY_AFTER, today=MONDAY_AFTER)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        predict_many(
            [p.pk for p in (scored.nia, scored.noah, scored.sam, scored.sol)],
            MONDAY_AFTER,
            today=MONDAY_AFTER,
        )
