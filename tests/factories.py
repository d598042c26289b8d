"""Builders of single rows. Dates are fixed, so that no test depends on the day it runs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import factory
from django.contrib.auth.models import Group, User

from students.models import (
    AttendanceRecord,
    Caseload,
    CourseGrade,
    DisciplineIncident,
    Enrollment,
    Outcome,
    School,
    SchoolDay,
    StaffScope,
    Student,
)

YEAR_START = dt.date(2025, 8, 18)  # a Monday
SCHOOL_YEAR = "2025-26"
PASSWORD = "correct horse battery staple"


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    is_staff = True

    @factory.post_generation
    def password(self: User, create: bool, extracted: str | None, **kwargs: Any) -> None:
        self.set_password(extracted or PASSWORD)
        if create:
            self.save(update_fields=["password"])

    @factory.post_generation
    def role(self: User, create: bool, extracted: str | None, **kwargs: Any) -> None:
        if extracted:
            self.groups.add(Group.objects.get(name=extracted))


class SchoolFactory(factory.django.DjangoModelFactory[School]):
    class Meta:
        model = School
        django_get_or_create = ("code",)

    code = factory.Sequence(lambda n: f"SCHOOL{n}")
    name = factory.LazyAttribute(lambda school: school.code.title() + " High")


class StudentFactory(factory.django.DjangoModelFactory[Student]):
    class Meta:
        model = Student

    district_id = factory.Sequence(lambda n: f"S-{1001 + n}")
    first_name = "Test"
    last_name = factory.Sequence(lambda n: f"Student{n}")
    recorded_at = YEAR_START


class EnrollmentFactory(factory.django.DjangoModelFactory[Enrollment]):
    class Meta:
        model = Enrollment

    student = factory.SubFactory(StudentFactory)
    school = factory.SubFactory(SchoolFactory)
    grade_level = "9"
    start = YEAR_START
    recorded_at = factory.SelfAttribute("start")


class StaffScopeFactory(factory.django.DjangoModelFactory[StaffScope]):
    class Meta:
        model = StaffScope

    valid_from = YEAR_START


class CaseloadFactory(factory.django.DjangoModelFactory[Caseload]):
    class Meta:
        model = Caseload

    valid_from = YEAR_START


class AttendanceFactory(factory.django.DjangoModelFactory[AttendanceRecord]):
    class Meta:
        model = AttendanceRecord

    date = YEAR_START
    status = "present"
    recorded_at = factory.LazyAttribute(lambda record: record.date + dt.timedelta(days=1))


class CourseGradeFactory(factory.django.DjangoModelFactory[CourseGrade]):
    class Meta:
        model = CourseGrade

    date = YEAR_START
    course_code = "MATH9"
    course_name = "Mathematics 9"
    subject = "math"
    item_key = factory.Sequence(lambda n: f"item{n}")
    percent = 80.0
    score_text = factory.LazyAttribute(lambda grade: "" if grade.percent is None else f"{grade.percent:g}")
    recorded_at = factory.LazyAttribute(lambda record: record.date + dt.timedelta(days=1))


class IncidentFactory(factory.django.DjangoModelFactory[DisciplineIncident]):
    class Meta:
        model = DisciplineIncident

    date = YEAR_START
    incident_type = "fighting"
    incident_key = factory.Sequence(lambda n: f"incident{n}")
    severity = 3
    recorded_at = factory.LazyAttribute(lambda record: record.date + dt.timedelta(days=3))


class OutcomeFactory(factory.django.DjangoModelFactory[Outcome]):
    class Meta:
        model = Outcome

    date = dt.date(2026, 6, 5)
    outcome = "promoted"
    school_year = SCHOOL_YEAR
    recorded_at = factory.SelfAttribute("date")


def school_days(
    start: dt.date = YEAR_START,
    end: dt.date = dt.date(2026, 6, 5),
    *,
    school_code: str = "",
    school_year: str = SCHOOL_YEAR,
) -> list[SchoolDay]:
    """Save a calendar of every weekday from `start` to `end` and return its days."""
    days = [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]
    return SchoolDay.objects.bulk_create(
        SchoolDay(
            school_code=school_code,
            date=day,
            in_session=True,
            school_year=school_year,
            recorded_at=start,
            updated_at=dt.datetime(2025, 8, 1, tzinfo=dt.UTC),
        )
        for day in days
        if day.weekday() < 5
    )
