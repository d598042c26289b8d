"""The student page: who may open it, what it says, and what can be said back."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from predictions.models import ModelVersion, TrainingFeedback
from students.models import AuditEvent, Intervention, Student
from tests.factories import (
    AttendanceFactory,
    CourseGradeFactory,
    IncidentFactory,
    StaffScopeFactory,
)
from tests.pages.conftest import logged_in
from tests.pages.made import CLOSE, TODAY, live_model, predict
from tests.people import People

AFTER = CLOSE + dt.timedelta(days=1)


def page_of(student: Student) -> str:
    return reverse("student", args=[student.uuid])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("ana", "your caseload"), ("pia", "your school scope"), ("dora", "your district scope")],
)
def test_it_says_why_you_may_see_the_student(
    people: People, model: ModelVersion, name: str, reason: str
) -> None:
    body = logged_in(people.staff[name]).get(page_of(people.noah)).content.decode()
    assert f"You see this student because of {reason}" in body


def test_a_grade_scope_is_named_too(people: People, model: ModelVersion) -> None:
    StaffScopeFactory(user=people.ula, school=people.north, grade_level="9")
    body = logged_in(people.ula).get(page_of(people.noah)).content.decode()
    assert "because of your grade scope" in body


@pytest.mark.parametrize("name", ["ben", "cleo", "ula"])
def test_a_student_out_of_reach_is_as_if_absent(people: People, model: ModelVersion, name: str) -> None:
    client = logged_in(people.staff[name])
    prediction = people.noah.predictions.get()
    answers = [
        client.get(page_of(people.noah)),
        client.post(reverse("intervention", args=[people.noah.uuid]), {"kind": "other", "started": TODAY}),
        client.post(reverse("feedback", args=[prediction.uuid]), {"verdict": "useful"}),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert all("Noah" not in answer.content.decode() for answer in answers)
    assert not TrainingFeedback.objects.exists()
    assert not Intervention.objects.exists()
    assert not AuditEvent.objects.filter(object_id=str(people.noah.uuid)).exists()


def test_nobody_gets_in_without_a_log_in(people: People, model: ModelVersion, client: Client) -> None:
    for address in ("/", page_of(people.nia), "/model/"):
        assert client.get(address).url == f"/login/?next={address}"
    prediction = people.nia.predictions.get()
    client.post(reverse("feedback", args=[prediction.uuid]), {"verdict": "useful"})
    client.post("/model/promote/", {})
    assert not TrainingFeedback.objects.exists()


def test_every_read_is_written_down(people: People, model: ModelVersion) -> None:
    client = logged_in(people.ben)
    for _ in range(2):
        client.get(page_of(people.nia))
    events = AuditEvent.objects.filter(action="read", object_type="student", object_id=str(people.nia.uuid))
    assert [event.actor for event in events] == [people.ben, people.ben]
    assert all(event.request_id for event in events)


def test_the_score_stands_with_its_interval_and_what_became_of_its_band(
    people: People, model: ModelVersion
) -> None:
    predict(model, people.nia, 0.6, window_end=CLOSE - dt.timedelta(days=7))
    body = logged_in(people.ana).get(page_of(people.nia)).content.decode()
    assert "<strong>73%</strong>" in body
    assert "+13 points since the score before" in body
    assert "between 63% and 83% ended off track" in body
    assert "Of the 100 student-weeks scored high in that year, 64% ended off track." in body


def test_reasons_are_sentences_with_value_and_what_is_typical(people: People, model: ModelVersion) -> None:
    body = logged_in(people.ana).get(page_of(people.nia)).content.decode()
    assert "Missed 6 of the last 20 school days; missed 1 of the 20 before." in body
    assert "last 4 school weeks: <b>30%</b>; typical in this school, grade and week: <b>5%</b>" in body
    assert body.index("▲ raises") < body.index("▼ lowers")


def test_a_student_without_enough_data_is_not_called_at_risk(people: People, model: ModelVersion) -> None:
    body = logged_in(people.cleo).get(page_of(people.sol)).content.decode()
    assert "Too few weeks of records for a score" in body
    assert 'class="level high"' not in body


def test_a_retired_models_score_is_history_and_not_the_current_one(
    people: People, model: ModelVersion
) -> None:
    ModelVersion.objects.update(status="retired")
    newer = live_model(version="2026-02-09-ffffff")
    body = logged_in(people.ana).get(page_of(people.nia)).content.decode()
    assert "There is no score for this student by the model in use" in body
    assert model.version in body
    predict(newer, people.nia, 0.11)
    answer = logged_in(people.ana).get(page_of(people.nia))
    assert answer.context["current"].model == newer
    assert len(answer.context["history"]) == 1


def test_retrospective_scores_are_never_shown(people: People, model: ModelVersion) -> None:
    past = CLOSE - dt.timedelta(days=28)
    predict(model, people.nia, 0.99, window_end=past, retrospective=True)
    answer = logged_in(people.ana).get(page_of(people.nia))
    assert [p.window_end for p in answer.context["history"]] == [CLOSE]


def test_days_missed_are_counted_on_school_days_of_this_year(people: People, model: ModelVersion) -> None:
    monday = dt.date(2026, 1, 12)
    for n, status in enumerate(("unexcused_absence", "excused_absence", "tardy", "present", "present")):
        AttendanceFactory(student=people.nia, date=monday + dt.timedelta(days=n), status=status)
    # A Saturday is no school day, whatever its row says.
    AttendanceFactory(student=people.nia, date=monday + dt.timedelta(days=5), status="unexcused_absence")
    answer = logged_in(people.ana).get(page_of(people.nia))
    assert (answer.context["missed"], answer.context["known"]) == (2, 5)
    week = next(week for week in answer.context["weeks"] if week.monday == monday)
    assert week.states == ["unexcused", "excused", "late", "present", "present"]
    assert "Missed 2 of 5 school days this year." in answer.content.decode()


def test_a_running_mark_counts_work_not_in_as_nothing(people: People, model: ModelVersion) -> None:
    day = dt.date(2026, 1, 12)
    for n, percent in enumerate((90.0, 80.0, None, None)):
        CourseGradeFactory(
            student=people.nia, date=day, percent=percent, assignment_id=f"A{n}", item_key=f"A{n}"
        )
    # A1 came in again with a better mark: only the later one counts.
    CourseGradeFactory(
        student=people.nia,
        date=day + dt.timedelta(days=3),
        percent=100.0,
        assignment_id="A1",
        item_key="A1",
    )
    answer = logged_in(people.ana).get(page_of(people.nia))
    (course, _, below) = answer.context["courses"][0]
    assert (course.mark, course.items, course.not_in, below) == (47.5, 4, 2, True)
    assert "below passing" in answer.content.decode()


def test_facts_since_the_close_stand_by_their_day(people: People, model: ModelVersion) -> None:
    AttendanceFactory(student=people.nia, date=AFTER, status="unexcused_absence")
    IncidentFactory(
        student=people.nia,
        date=AFTER,
        incident_type="class_disruption",
        action="conference",
        recorded_at=AFTER,
    )
    IncidentFactory(student=people.nia, date=AFTER, role="witness", recorded_at=AFTER)
    CourseGradeFactory(student=people.nia, date=TODAY, percent=None, recorded_at=TODAY)
    facts = logged_in(people.ana).get(page_of(people.nia)).context["since_close"]
    assert facts == [
        (AFTER, "Class disruption: conference or detention"),
        (AFTER, "Unexcused absence"),
        (TODAY, "Mathematics 9: work due and not in"),
    ]


def test_help_is_logged_and_shown_with_the_days_missed_around_it(people: People, model: ModelVersion) -> None:
    began = dt.date(2026, 1, 26)
    for offset, status in ((-3, "absent"), (-4, "present"), (1, "present"), (2, "present")):
        AttendanceFactory(student=people.nia, date=began + dt.timedelta(days=offset), status=status)
    client = logged_in(people.ana)
    answer = client.post(
        reverse("intervention", args=[people.nia.uuid]),
        {"kind": "attendance_plan", "started": began.isoformat(), "note": "Bus <pass>"},
        follow=True,
    )
    body = answer.content.decode()
    assert "Logged: attendance plan." in body
    assert "Bus &lt;pass&gt;" in body
    (shown,) = answer.context["helped"]
    assert (shown.before, shown.after) == ((1, 2), (0, 2))
    assert shown.intervention.logged_by == people.ana
    assert AuditEvent.objects.get(action="intervene").object_id == str(people.nia.uuid)


def test_help_cannot_be_logged_for_a_day_to_come(people: People, model: ModelVersion) -> None:
    day = TODAY + dt.timedelta(days=1)
    answer = logged_in(people.ana).post(
        reverse("intervention", args=[people.nia.uuid]),
        {"kind": "family", "started": day.isoformat(), "note": "Call at nine"},
    )
    assert answer.status_code == 400
    body = answer.content.decode()
    assert "That day is still to come" in body
    assert "Call at nine" in body
    assert not Intervention.objects.exists()


@pytest.mark.parametrize("verdict", TrainingFeedback.Verdict.values)
def test_each_answer_is_kept_with_its_giver(people: People, model: ModelVersion, verdict: str) -> None:
    prediction = people.nia.predictions.get()
    answer = logged_in(people.ben).post(
        reverse("feedback", args=[prediction.uuid]), {"verdict": verdict, "note": "Moved house."}, follow=True
    )
    kept = TrainingFeedback.objects.get()
    assert (kept.user, kept.verdict, kept.prediction) == (people.ben, verdict, prediction)
    assert "Moved house." in answer.content.decode()
    assert AuditEvent.objects.get(action="feedback").actor == people.ben


@pytest.mark.parametrize("data", [{}, {"verdict": "nonsense"}, {"verdict": "useful", "note": "x" * 2001}])
def test_an_answer_that_is_none_is_refused_in_words(
    people: People, model: ModelVersion, data: dict[str, str]
) -> None:
    prediction = people.nia.predictions.get()
    answer = logged_in(people.ana).post(reverse("feedback", args=[prediction.uuid]), data)
    assert answer.status_code == 400
    assert "Not saved: choose one of the answers" in answer.content.decode()
    assert not TrainingFeedback.objects.exists()


def test_the_page_costs_the_same_queries_however_long_the_history(
    people: People, model: ModelVersion
) -> None:
    client = logged_in(people.ana)
    with CaptureQueriesContext(connection) as short:
        client.get(page_of(people.nia))
    for n in range(20):
        predict(model, people.nia, 0.4, window_end=CLOSE - dt.timedelta(days=7 * (n + 1)))
        AttendanceFactory(student=people.nia, date=CLOSE - dt.timedelta(days=2 + 7 * n))
        CourseGradeFactory(student=people.nia, date=CLOSE - dt.timedelta(days=2 + 7 * n))
        IncidentFactory(student=people.nia, date=CLOSE - dt.timedelta(days=2 + 7 * n))
        Intervention.objects.create(student=people.nia, kind="tutoring", started=CLOSE, logged_by=people.ana)
        TrainingFeedback.objects.create(
            prediction=people.nia.predictions.first(), user=people.ana, verdict="useful"
        )
    with CaptureQueriesContext(connection) as long:
        client.get(page_of(people.nia))
    assert len(long) == len(short)


def test_a_page_of_a_student_without_a_single_record_opens(people: People) -> None:
    body = logged_in(people.ana).get(page_of(people.nia)).content.decode()
    assert "There is no score for this student" in body
    assert "No attendance in the last year" in body


def test_sensitive_columns_are_never_on_the_page(people: People, model: ModelVersion) -> None:
    Student.objects.filter(pk=people.nia.pk).update(
        gender="gender-secret", race_ethnicity="race-secret", birth_date=dt.date(2010, 3, 14)
    )
    body = logged_in(people.ana).get(page_of(people.nia)).content.decode()
    for word in ("gender-secret", "race-secret", "2010", "March 14"):
        assert word not in body
