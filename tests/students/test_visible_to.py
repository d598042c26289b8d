"""The one door to students: who comes through it, when, and why."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import AnonymousUser

from students.models import Caseload, Enrollment, StaffScope, Student
from tests.factories import EnrollmentFactory, StaffScopeFactory, UserFactory
from tests.people import People, make_people

pytestmark = pytest.mark.django_db
DAY = dt.date(2025, 10, 1)


@pytest.fixture
def people() -> People:
    return make_people()


def seen_by(user: object, on: dt.date = DAY) -> dict[str, str]:
    rows = Student.objects.visible_to(user, on)  # type: ignore[arg-type]
    return {student.first_name: student.access_reason for student in rows}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ana", {"Nia": "caseload", "Noah": "caseload"}),
        ("ben", {"Nia": "caseload"}),
        ("cleo", {"Sam": "caseload", "Sol": "caseload"}),
        ("pia", {"Nia": "school", "Noah": "school"}),
        ("dora", dict.fromkeys(("Nia", "Noah", "Sam", "Sol"), "district")),
        ("ula", {}),
    ],
)
def test_it_shows_each_person_their_students_and_says_why(
    people: People, name: str, expected: dict[str, str]
) -> None:
    assert seen_by(people.staff[name]) == expected


def test_it_shows_nothing_to_the_anonymous_and_the_departed(people: People) -> None:
    people.dora.is_active = False
    people.dora.save()
    assert seen_by(AnonymousUser()) == {}
    assert seen_by(people.dora) == {}


def test_it_shows_everything_to_a_superuser(people: People) -> None:
    assert len(seen_by(UserFactory(is_superuser=True))) == 4


def test_it_ends_with_the_caseload(people: People) -> None:
    Caseload.objects.filter(counselor=people.ben).update(valid_to=DAY)
    assert seen_by(people.ben) == {}
    assert seen_by(people.ben, DAY - dt.timedelta(days=1)) == {"Nia": "caseload"}


def test_it_ends_with_the_scope(people: People) -> None:
    StaffScope.objects.filter(user=people.pia).update(valid_to=DAY)
    assert seen_by(people.pia) == {}


def test_it_limits_a_grade_scope_to_that_grade_and_school(people: People) -> None:
    Enrollment.objects.filter(student=people.noah).update(grade_level="10")
    Enrollment.objects.filter(student=people.sam).update(grade_level="10")
    ula = people.ula
    StaffScopeFactory(user=ula, school=people.north, grade_level="10")
    assert seen_by(ula) == {"Noah": "grade"}


def test_a_transfer_hands_the_student_to_the_new_school(people: People) -> None:
    Enrollment.objects.filter(student=people.nia).update(end=dt.date(2025, 9, 20))
    EnrollmentFactory(student=people.nia, school=people.south, start=dt.date(2025, 9, 20))
    assert "Nia" not in seen_by(people.pia)
    StaffScopeFactory(user=people.ula, school=people.south)
    assert seen_by(people.ula)["Nia"] == "school"


def test_it_costs_no_more_queries_for_more_students(
    people: People, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(2):  # type: ignore[operator]
        seen_by(people.ana)
