"""What the records say of a student as of a day: days missed, work and marks by course, incidents.

The same definitions as the weekly features: a day with periods is absent when at least half of it was
missed, and of an assignment's dated rows the latest one known counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
from django.db.models import Q

from features.extractors.attendance import day_facts
from predictions.pages.charts import Point
from students.frames import frame, id_list
from students.models import CourseGrade, DisciplineIncident, District, SchoolDay

MIN_ITEMS = 3  # fewer make no running mark
NO_SCHOOL, UNKNOWN, PRESENT, LATE = "", "unknown", "present", "late"
MISSED = ("absent", "excused", "unexcused")
SAID = {
    "unknown": "no record",
    "present": "present",
    "late": "late or left early",
    "absent": "absent",
    "excused": "excused absence",
    "unexcused": "unexcused absence",
}


def spoken(day: dt.date) -> str:
    return f"{day:%b} {day.day}"


def attendance_days(students: Sequence[int], after: dt.date, on: dt.date) -> pl.DataFrame:
    """Return student_id, date, absent, excused, unexcused, tardy of the days after `after` up to `on`.

    One query, whatever the number of students.
    """
    rows = frame(
        "SELECT student_id, date, period, status, minutes_absent, minutes_present, recorded_at "
        f"FROM students_attendancerecord WHERE student_id IN ({id_list(students)}) "
        f"AND date > '{after}' AND date <= '{on}' AND recorded_at <= '{on}'",
        {
            "student_id": pl.Int64,
            "date": pl.Date,
            "period": pl.String,
            "status": pl.String,
            "minutes_absent": pl.Int64,
            "minutes_present": pl.Int64,
            "recorded_at": pl.Date,
        },
    ).with_columns(pl.col("period").fill_null(""))
    return day_facts(rows).select("student_id", "date", "absent", "excused", "unexcused", "tardy")


@dataclass
class Week:
    """One school week: for Monday to Friday a state, "" where there was no school."""

    monday: dt.date
    states: list[str] = field(default_factory=lambda: [NO_SCHOOL] * 5)

    @property
    def missed(self) -> int:
        return sum(state in MISSED for state in self.states)

    @property
    def late(self) -> int:
        return self.states.count(LATE)

    @property
    def known(self) -> int:
        return sum(state not in (NO_SCHOOL, UNKNOWN) for state in self.states)

    @property
    def squares(self) -> list[tuple[str, str]]:
        return [
            (state, f"{self.monday + dt.timedelta(days=n):%a %b %d}: {SAID.get(state, '')}")
            for n, state in enumerate(self.states)
        ]


@dataclass
class SchoolCalendar:
    """The school days of one school up to a day, with the first days of the running year and term."""

    days: list[dt.date]
    year_start: dt.date | None
    term_start: dt.date | None

    @classmethod
    def of(cls, school_code: str, since: dt.date, on: dt.date) -> SchoolCalendar:
        """Read the school's own days, and for others those of all schools. One query."""
        rows = SchoolDay.objects.filter(
            Q(school_code="") | Q(school_code=school_code), date__gt=since, date__lte=on
        ).order_by("date", "school_code")
        by_day = {row.date: row for row in rows}  # the school's own row comes after the common one
        held = [row for row in by_day.values() if row.in_session]
        if not held:
            return cls([], None, None)
        last = held[-1]
        year = [row for row in held if row.school_year == last.school_year]
        term = [row for row in year if row.term == last.term]
        return cls([row.date for row in held], year[0].date, term[0].date)


@dataclass
class Attendance:
    """A student's school days, week by week."""

    weeks: list[Week]
    absent: dict[dt.date, bool]

    @classmethod
    def of(
        cls, student: int, calendar: SchoolCalendar, since: dt.date, on: dt.date, district: District
    ) -> Attendance:
        """Read the days after `since` up to `on`. One query."""
        states: dict[dt.date, str] = {}
        for row in attendance_days([student], since, on).to_dicts():
            kind = "excused" if row["excused"] else "unexcused" if row["unexcused"] else "absent"
            states[row["date"]] = kind if row["absent"] else LATE if row["tardy"] else PRESENT
        held = set(calendar.days) or set(states)
        silent = PRESENT if district.attendance_exceptions_only else UNKNOWN
        weeks: dict[dt.date, Week] = {}
        for day in sorted(held):
            if day.weekday() > 4 or day <= since:
                continue
            monday = day - dt.timedelta(days=day.weekday())
            weeks.setdefault(monday, Week(monday)).states[day.weekday()] = states.get(day, silent)
        absent = {
            day: states.get(day, silent) in MISSED
            for day in sorted(held)
            if states.get(day, silent) != UNKNOWN and day > since
        }
        return cls(list(weeks.values()), absent)

    def between(self, begin: dt.date, end: dt.date) -> tuple[int, int]:
        """Return days missed and days known with begin <= day < end."""
        inside = [missed for day, missed in self.absent.items() if begin <= day < end]
        return sum(inside), len(inside)

    def missed_since(self, first: dt.date | None) -> tuple[int, int]:
        """Return days missed and days known from a day on (all where None)."""
        return self.between(first or dt.date.min, dt.date.max)


@dataclass
class Course:
    """One course this year: its running mark counts work not in as 0, as the reasons do."""

    code: str
    name: str
    core: bool
    mark: float | None
    items: int
    not_in: int
    term_mark: float | None
    weekly: list[Point]

    def below(self, pass_mark: float) -> bool:
        return self.mark is not None and self.mark < pass_mark


def courses_of(
    student: int, year_start: dt.date, term_start: dt.date, on: dt.date, core: Sequence[str]
) -> tuple[list[Course], list[CourseGrade]]:
    """Return the courses of the year, the lowest mark first, and the work due this year and not in.

    One query. The mark is that of the running term.
    """
    rows = CourseGrade.objects.filter(
        student=student, date__gte=year_start, date__lte=on, recorded_at__lte=on
    ).order_by("date", "recorded_at", "pk")
    pieces: dict[str, dict[tuple[str, object], CourseGrade]] = {}
    terms: dict[str, CourseGrade] = {}
    for row in rows:
        of_course = pieces.setdefault(row.course_code, {})
        if row.kind == CourseGrade.Kind.TERM:
            terms[row.course_code] = row
        else:
            # The latest row of an assignment replaces the earlier ones.
            of_course[(row.item_key, "" if row.assignment_id else row.date)] = row
    courses, missing = [], []
    for code, of_course in pieces.items():
        held = list(of_course.values())
        term = [row for row in held if row.date >= term_start]
        named = held[-1] if held else terms[code]
        weekly: dict[dt.date, list[float]] = {}
        for row in held:
            monday = row.date - dt.timedelta(days=row.date.weekday())
            weekly.setdefault(monday, []).append(row.percent or 0.0)
        open_work = [row for row in held if row.percent is None]
        missing += open_work
        closed = terms.get(code)
        courses.append(
            Course(
                code=code,
                name=named.course_name or code,
                core=named.subject in core,
                mark=sum(row.percent or 0.0 for row in term) / len(term) if len(term) >= MIN_ITEMS else None,
                items=len(term),
                not_in=sum(row.percent is None for row in term),
                term_mark=closed.percent if closed else None,
                weekly=[Point(monday, sum(v) / len(v)) for monday, v in sorted(weekly.items())],
            )
        )
    courses.sort(key=lambda course: (course.mark is None, course.mark or 0.0, course.name))
    return courses, sorted(missing, key=lambda row: row.date)


def incidents_of(student: int, since: dt.date, on: dt.date) -> list[DisciplineIncident]:
    """Return the incidents in which the student took part, the latest first. One query."""
    return list(
        DisciplineIncident.objects.filter(
            student=student, date__gt=since, date__lte=on, role=DisciplineIncident.Role.PERPETRATOR
        ).order_by("-date", "-pk")
    )


def facts_since(
    close: dt.date,
    attendance: Attendance,
    missing: Sequence[CourseGrade],
    incidents: Sequence[DisciplineIncident],
) -> list[tuple[dt.date, str]]:
    """Return in words, oldest first, what was recorded of the days after the window's close."""
    found = [
        (day, SAID[state].capitalize())
        for week in attendance.weeks
        for day, state in ((week.monday + dt.timedelta(days=n), s) for n, s in enumerate(week.states))
        if day > close and state in (*MISSED, LATE)
    ]
    found += [
        (row.date, f"{row.course_name or row.course_code}: work due and not in")
        for row in missing
        if row.date > close
    ]
    found += [
        (row.date, f"{row.incident_type.replace('_', ' ').capitalize()}: {row.get_action_display().lower()}")
        for row in incidents
        if row.date > close
    ]
    return sorted(found)
