"""The caseload page: whose students, in which order, with what beside them, at what cost."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from predictions.models import ModelVersion
from students.models import AuditEvent, District, Intervention
from tests.factories import (
    AttendanceFactory,
    CaseloadFactory,
    CourseGradeFactory,
    EnrollmentFactory,
    IncidentFactory,
    StudentFactory,
)
from tests.pages.conftest import logged_in
from tests.pages.made import CLOSE, TODAY, add_students, live_model, predict
from tests.people import People

# Session, user, district, roles, scopes, places, page, attendance, colleagues, unscored students, audit.
# Reading today's date off the district, which a fixed date replaces here, is the twelfth. PostgreSQL
# reads attendance by COPY, which the count of statements does not see.
QUERIES = 11 if connection.vendor == "sqlite" else 10
AFTER = CLOSE + dt.timedelta(days=1)


def set_capacity(count: int) -> None:
    district = District.current()
    district.flags_per_counselor = count
    district.save()


@pytest.mark.parametrize("size", [30, 300])
def test_a_counselors_caseload_costs_the_same_few_queries_at_any_size(
    people: People, model: ModelVersion, size: int
) -> None:
    add_students(people.ana, people.north, model, size)
    client = logged_in(people.ana)
    client.get("/")  # SQLite is asked once in a process whether it knows JSON
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/").context["page"]
    assert page.choices.total == size + 2
    assert len(queries) == QUERIES, "\n".join(q["sql"][:110] for q in queries)


@pytest.mark.parametrize("size", [30, 300])
def test_a_principals_list_costs_the_same_few_queries_at_any_size(
    people: People, model: ModelVersion, size: int
) -> None:
    add_students(None, people.north, model, size)
    client = logged_in(people.pia)
    client.get("/")
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/").context["page"]
    assert page.total == size + 2
    assert len(queries) == QUERIES, "\n".join(q["sql"][:110] for q in queries)


def test_students_stand_in_the_order_of_the_rank_score(people: People, model: ModelVersion) -> None:
    # What ranks need not be what is shown: where the rule won, it orders the list.
    lena = StudentFactory(last_name="Lena")
    CaseloadFactory(counselor=people.ana, student=lena)
    EnrollmentFactory(student=lena, school=people.north)
    predict(model, lena, 0.1, rank_score=0.99)
    page = logged_in(people.ana).get("/").context["page"]
    assert [line.prediction.student for line in page.lines] == [lena, people.nia, people.noah]
    assert [line.place for line in page.lines] == [1, 2, 3]


def test_the_cut_falls_at_the_counselors_capacity(people: People, model: ModelVersion) -> None:
    set_capacity(1)
    answer = logged_in(people.ana).get("/")
    assert [line.prediction.student for line in answer.context["page"].lines] == [people.nia]
    assert [line.prediction.student for line in answer.context["page"].below_cut] == [people.noah]
    assert "The students below the cut" in answer.content.decode()


def test_a_filter_moves_nobody_above_the_cut(people: People, model: ModelVersion) -> None:
    set_capacity(1)
    page = logged_in(people.ana).get("/", {"q": "noah"}).context["page"]
    assert page.lines == []
    assert [(line.place, line.prediction.student) for line in page.below_cut] == [(2, people.noah)]


def test_filters_by_grade_school_level_and_name(people: People, model: ModelVersion) -> None:
    add_students(people.ana, people.south, model, 8)
    client = logged_in(people.ana)

    def shown(**query: str) -> set[str]:
        page = client.get("/", query).context["page"]
        return {line.prediction.student.full_name for line in (*page.lines, *page.below_cut)}

    assert shown(school="NORTH") == {"Nia Example", "Noah Example"}
    assert shown(level="high", school="NORTH") == {"Nia Example"}
    assert shown(grade="10") == {"Many Pupil0001", "Many Pupil0005"}
    assert shown(q="pupil0003 many") == {"Many Pupil0003"}
    assert shown(q="s-9001") == {"Nia Example"}
    assert shown(q="nobody") == set()


@pytest.mark.parametrize("query", ["page=0", "page=99999999", "page=-1", "level=%00", "grade=zz", "q=%25%27"])
def test_nonsense_in_the_address_does_no_harm(people: People, model: ModelVersion, query: str) -> None:
    assert logged_in(people.ana).get(f"/?{query}").status_code == 200


def test_it_says_what_happened_since_the_close_as_facts(people: People, model: ModelVersion) -> None:
    AttendanceFactory(student=people.nia, date=AFTER, status="unexcused_absence")
    AttendanceFactory(student=people.nia, date=AFTER + dt.timedelta(days=1), status="present")
    AttendanceFactory(student=people.nia, date=CLOSE - dt.timedelta(days=2), status="unexcused_absence")
    IncidentFactory(student=people.nia, date=AFTER, recorded_at=AFTER)
    IncidentFactory(student=people.nia, date=AFTER, recorded_at=AFTER, role="victim")
    CourseGradeFactory(student=people.nia, date=AFTER, percent=None, assignment_id="A1", item_key="A1")
    page = logged_in(people.ana).get("/").context["page"]
    assert page.lines[0].facts == ["absent 1 of 2 days", "1 incident", "1 piece of work not in"]


def test_work_that_came_in_late_is_no_longer_missing(people: People, model: ModelVersion) -> None:
    for day, percent in ((AFTER, None), (AFTER + dt.timedelta(days=1), 80.0)):
        CourseGradeFactory(
            student=people.nia, date=day, percent=percent, assignment_id="A1", item_key="A1", recorded_at=day
        )
    assert logged_in(people.ana).get("/").context["page"].lines[0].facts == []


def test_a_day_with_periods_counts_as_one_day(people: People, model: ModelVersion) -> None:
    for period, status in (("1", "unexcused_absence"), ("2", "absent"), ("3", "present")):
        AttendanceFactory(student=people.nia, date=AFTER, period=period, status=status)
    assert logged_in(people.ana).get("/").context["page"].lines[0].facts == ["absent 1 of 1 day"]


def test_it_shows_the_change_since_the_score_before(people: People, model: ModelVersion) -> None:
    predict(model, people.nia, 0.5, window_end=CLOSE - dt.timedelta(days=7))
    predict(model, people.nia, 0.1, window_end=CLOSE - dt.timedelta(days=14))
    answer = logged_in(people.ana).get("/")
    line = answer.context["page"].lines[0]
    assert line.change == pytest.approx(0.23)
    assert "+23" in answer.content.decode()


def test_marking_done_keeps_the_place_and_goes_back_to_the_list(people: People, model: ModelVersion) -> None:
    client = logged_in(people.ana)
    prediction = client.get("/").context["page"].lines[0].prediction
    answer = client.post(
        reverse("feedback", args=[prediction.uuid]), {"verdict": "done", "next": "/?level=high"}
    )
    assert answer.url == "/?level=high"  # type: ignore[attr-defined]
    line = client.get("/").context["page"].lines[0]
    assert (line.done, line.place, line.prediction) == (True, 1, prediction)
    assert line.last_action.startswith("Done: I have acted")
    hidden = client.get("/", {"open": "1"}).context["page"]
    assert [line.prediction.student for line in hidden.lines] == [people.noah]


def test_done_holds_for_the_week_it_was_said_of(people: People, model: ModelVersion) -> None:
    old = predict(model, people.nia, 0.6, window_end=CLOSE - dt.timedelta(days=7))
    logged_in(people.ana).post(reverse("feedback", args=[old.uuid]), {"verdict": "done"})
    assert not logged_in(people.ana).get("/").context["page"].lines[0].done


def test_going_back_never_leads_to_another_site(people: People, model: ModelVersion) -> None:
    prediction = people.nia.predictions.get()
    for onward in ("https://example.org/", "//example.org/", "javascript:alert(1)"):
        answer = logged_in(people.ana).post(
            reverse("feedback", args=[prediction.uuid]), {"verdict": "done", "next": onward}
        )
        assert answer.url == reverse("student", args=[people.nia.uuid])  # type: ignore[attr-defined]


def test_the_last_help_given_stands_beside_the_student(people: People, model: ModelVersion) -> None:
    for days, kind in ((9, "tutoring"), (2, "family")):
        Intervention.objects.create(
            student=people.nia, kind=kind, started=TODAY - dt.timedelta(days=days), logged_by=people.ben
        )
    line = logged_in(people.ana).get("/").context["page"].lines[0]
    assert line.last_action == "Call or meeting with the family, Feb 9"


def test_colleagues_who_share_a_student_are_named(people: People, model: ModelVersion) -> None:
    by_student = {
        line.prediction.student: line.shared_with
        for line in logged_in(people.ana).get("/").context["page"].lines
    }
    assert by_student == {people.nia: ["Ben"], people.noah: []}


def test_students_without_enough_data_stand_apart_with_the_reason(
    people: People, model: ModelVersion
) -> None:
    new = StudentFactory(first_name="Newly", last_name="Come")
    EnrollmentFactory(student=new, school=people.south, start=AFTER)
    CaseloadFactory(counselor=people.cleo, student=new)
    answer = logged_in(people.cleo).get("/")
    page = answer.context["page"]
    assert [line.prediction.student for line in page.lines] == [people.sam]
    assert [(s, s.why_none) for s in page.without_data] == [
        (new, "not scored at the last close, for example newly enrolled"),
        (people.sol, "too few weeks of records"),
    ]
    assert "Not enough data for a score" in answer.content.decode()


@pytest.mark.parametrize(
    ("ranking", "label"),
    [
        ("network", "neural network"),
        ("logistic", "logistic regression"),
        ("rule", "attendance-behavior-course rule"),
    ],
)
def test_it_says_when_the_window_closed_and_what_ranks(people: People, ranking: str, label: str) -> None:
    predict(live_model(ranking=ranking), people.nia, 0.4)
    body = logged_in(people.ana).get("/").content.decode()
    assert "Window closed on February 8, 2026; model 2026-01-04-abc123" in body
    assert f"ranked by <strong>{label}</strong>" in body


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("ana", {"nia", "noah"}),
        ("ben", {"nia"}),
        ("cleo", {"sam"}),
        ("pia", {"nia", "noah"}),
        ("dora", {"nia", "noah", "sam"}),
        ("ula", set()),
    ],
)
def test_everybody_sees_their_own_reach_and_no_more(
    people: People, model: ModelVersion, name: str, seen: set[str]
) -> None:
    answer = logged_in(people.staff[name]).get("/")
    page = answer.context["page"]
    shown = {line.prediction.student.first_name.lower() for line in (*page.lines, *page.below_cut)}
    assert shown == seen
    body = answer.content.decode()
    for other in {"Nia", "Noah", "Sam"} - {each.title() for each in seen}:
        assert f"{other} Example" not in body


def test_a_superuser_who_counsels_nobody_sees_the_district(people: People, model: ModelVersion) -> None:
    root = User.objects.create_superuser("root", password="x" * 14)
    assert logged_in(root).get("/").context["page"].total == 3


def test_whom_the_page_named_is_written_down(people: People, model: ModelVersion) -> None:
    logged_in(people.ana).get("/")
    event = AuditEvent.objects.get(action="read", object_type="caseload")
    assert event.actor == people.ana
    assert set(event.detail["students"]) == {str(people.nia.uuid), str(people.noah.uuid)}


def test_long_lists_go_on_over_pages(people: People, model: ModelVersion) -> None:
    add_students(None, people.north, model, 60)
    client = logged_in(people.pia)
    first = client.get("/", {"q": "Pupil"})
    assert (first.context["page"].total, first.context["page"].pages) == (60, 2)
    assert 'href="?q=Pupil&amp;page=2"' in first.content.decode()
    second = client.get("/", {"q": "Pupil", "page": "2"}).context["page"]
    assert len(second.lines) == 10
    assert not second.below_cut
    beyond = client.get("/", {"q": "Pupil", "page": "9"}).content.decode()
    assert "The list ends before this page" in beyond


def test_without_a_model_it_says_so(people: People) -> None:
    assert "No model is in use yet" in logged_in(people.ana).get("/").content.decode()


def test_invented_students_are_called_invented(people: People, model: ModelVersion) -> None:
    client = logged_in(people.ana)
    banner = "Synthetic district: every student here is invented."
    addresses = ("/", reverse("student", args=[people.nia.uuid]), "/admin/", "/nowhere/")
    for address in addresses:
        assert banner not in client.get(address).content.decode()
    District.objects.update(synthetic=True)
    for address in addresses:
        assert banner in client.get(address).content.decode()
