"""A few weeks of records for the cast: enough for features, too little to learn from."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage

from students.models import AttendanceRecord, CourseGrade, Student
from tests.factories import YEAR_START, IncidentFactory, school_days
from tests.people import People, make_people

WEEKS = 8
LAST_SUNDAY = YEAR_START + dt.timedelta(days=7 * WEEKS - 1)
MONDAY_AFTER = LAST_SUNDAY + dt.timedelta(days=1)
# Who misses which weekdays (0 is Monday), every week; who hands nothing in.
ABSENT_ON = {"nia": (0, 4), "noah": (), "sam": (), "sol": (2,)}
HANDS_NOTHING_IN = ("nia",)


class FarStorage(Storage):
    """Files that can be read and have no path, as in an object storage."""

    held: ClassVar[dict[str, bytes]] = {}

    def exists(self, name: str) -> bool:
        return name in self.held

    def _save(self, name: str, content: File[bytes]) -> str:
        self.held[name] = content.read()
        return name

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        return ContentFile(self.held[name], name)


def small_district() -> People:
    """Save the cast, a calendar and eight weeks of records; Sam is suspended once, for no stated length."""
    people = make_people()
    school_days()
    for name in ("nia", "noah", "sam", "sol"):
        add_weeks(getattr(people, name), 0, WEEKS, ABSENT_ON[name], name not in HANDS_NOTHING_IN)
    IncidentFactory(
        student=people.sam, date=YEAR_START + dt.timedelta(days=14), action="out_of_school_suspension"
    )
    return people


def add_weeks(
    student: Student, first: int, past: int, absent_on: tuple[int, ...] = (), hands_in: bool = True
) -> None:
    """Save attendance of every weekday and one piece of work a week, for weeks first..past - 1 of the year."""
    mondays = [YEAR_START + dt.timedelta(weeks=week) for week in range(first, past)]
    AttendanceRecord.objects.bulk_create(
        AttendanceRecord(
            student=student,
            date=monday + dt.timedelta(days=day),
            status="unexcused_absence" if day in absent_on else "present",
            recorded_at=monday + dt.timedelta(days=day),
        )
        for monday in mondays
        for day in range(5)
    )
    CourseGrade.objects.bulk_create(
        CourseGrade(
            student=student,
            date=monday + dt.timedelta(days=3),
            course_code="MATH9",
            course_name="Mathematics 9",
            subject="math",
            item_key=f"week {monday}",
            assignment_id=f"week {monday}",
            percent=85.0 if hands_in else None,
            score_text="85" if hands_in else "",
            recorded_at=monday + dt.timedelta(days=3),
        )
        for monday in mondays
    )
