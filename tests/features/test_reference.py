"""Features against a slow, independent reference, and against time.

The reference is plain Python written from the definitions: it walks a student's records day by day.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from dataclasses import dataclass, field

import pytest

from features.models import StudentFeature
from features.pipeline import extract
from students.models import (
    AttendanceRecord,
    CourseGrade,
    DisciplineIncident,
    District,
    Enrollment,
    School,
    SchoolDay,
    Student,
)
from tests.factories import SchoolFactory, StudentFactory

pytestmark = pytest.mark.django_db
YEARS = {
    "2023-24": (dt.date(2023, 8, 21), dt.date(2024, 6, 7)),
    "2024-25": (dt.date(2024, 8, 19), dt.date(2025, 6, 6)),
}
AS_OF = dt.date(2025, 4, 20)


@dataclass
class History:
    """One student's made-up records."""

    student: Student
    spans: list[tuple[School, dt.date, dt.date | None]]
    attendance: list[tuple[dt.date, str, dt.date]] = field(default_factory=list)
    work: list[tuple[str, str, dt.date, float | None, dt.date]] = field(default_factory=list)
    incidents: list[tuple[dt.date, str, float, dt.date]] = field(default_factory=list)


def holidays(school: School) -> set[dt.date]:
    winter = {dt.date(2023, 12, 22) + dt.timedelta(days=n) for n in range(12)}
    winter |= {dt.date(2024, 12, 21) + dt.timedelta(days=n) for n in range(14)}
    return winter if school.code == "A" else winter | {dt.date(2024, 2, 29), dt.date(2024, 10, 14)}


def make_calendar(schools: list[School]) -> dict[int, list[dt.date]]:
    days: dict[int, list[dt.date]] = {}
    made = []
    for school in schools:
        for year, (first, last) in YEARS.items():
            day = first
            while day <= last:
                if day.weekday() < 5 and day not in holidays(school):
                    days.setdefault(school.pk, []).append(day)
                    made.append(
                        SchoolDay(
                            school_code=school.code,
                            date=day,
                            in_session=True,
                            school_year=year,
                            recorded_at=first,
                        )
                    )
                day += dt.timedelta(days=1)
    SchoolDay.objects.bulk_create(made)
    return days


def make_history(
    number: int, schools: list[School], days: dict[int, list[dt.date]], draw: random.Random
) -> History:
    student = StudentFactory(district_id=f"R{number}")
    first = draw.choice([dt.date(2023, 8, 21), dt.date(2023, 11, 6), dt.date(2024, 8, 19)])
    home = draw.choice(schools)
    if draw.random() < 0.4:
        moved = first + dt.timedelta(days=draw.randint(30, 200))
        gap = draw.choice([0, 0, 21])
        other = schools[1] if home is schools[0] else schools[0]
        spans = [(home, first, moved), (other, moved + dt.timedelta(days=gap), None)]
    else:
        spans = [(home, first, None)]
    made = History(student, spans)
    for school, start, end in spans:
        Enrollment.objects.create(
            student=student, school=school, grade_level="7", start=start, end=end, recorded_at=start
        )
        for day in days[school.pk]:
            if start <= day < (end or dt.date.max) and day <= AS_OF and draw.random() < 0.95:
                status = draw.choices(
                    ["present", "unexcused_absence", "excused_absence", "tardy"], [85, 6, 6, 3]
                )[0]
                late = draw.choice([0, 1, 1, 1, 1, 40])
                made.attendance.append((day, status, day + dt.timedelta(days=late)))
                if draw.random() < 0.05:
                    lag = dt.timedelta(days=draw.randint(0, 20))
                    item = f"W{draw.randint(1, 400)}-{day}"
                    known = day + dt.timedelta(days=draw.choice([1, 7]))
                    made.work.append(("MATH", item, day, draw.choice([None, 45.0, 80.0, 95.0]), known))
                    if made.work[-1][3] is None and day + lag <= AS_OF:
                        made.work.append(
                            (
                                "MATH",
                                item,
                                day + lag + dt.timedelta(days=1),
                                70.0,
                                day + lag + dt.timedelta(days=3),
                            )
                        )
                if draw.random() < 0.01:
                    action = draw.choice(["none", "out_of_school_suspension"])
                    made.incidents.append(
                        (
                            day,
                            action,
                            float(draw.randint(1, 4)) if action != "none" else 0.0,
                            day + dt.timedelta(days=3),
                        )
                    )
    AttendanceRecord.objects.bulk_create(
        AttendanceRecord(student=student, date=d, status=s, recorded_at=k) for d, s, k in made.attendance
    )
    CourseGrade.objects.bulk_create(
        CourseGrade(
            student=student,
            course_code=c,
            subject="math",
            item_key=i,
            assignment_id=i,
            date=d,
            percent=p,
            recorded_at=k,
        )
        for c, i, d, p, k in made.work
    )
    DisciplineIncident.objects.bulk_create(
        DisciplineIncident(
            student=student,
            date=d,
            incident_type="fighting",
            incident_key=f"{d}{n}",
            action=a,
            days_removed=x,
            severity=3,
            recorded_at=k,
        )
        for n, (d, a, x, k) in enumerate(made.incidents)
    )
    return made


def reference(
    history: History, end: dt.date, weeks: list[dt.date], days: dict[int, list[dt.date]]
) -> dict[str, float]:
    """Compute a week's features by walking the records. `weeks`: all Sundays of school weeks, ascending."""
    school = next(
        s for s, start, stop in reversed(history.spans) if start <= end and (stop is None or stop > end)
    )
    year_first, year_last = next((a, b) for a, b in YEARS.values() if a <= end <= b + dt.timedelta(days=6))

    def since(n: int) -> dt.date:
        """The Monday of the school week n - 1 school weeks before."""
        at = weeks.index(end)
        return weeks[max(0, at - n + 1)] - dt.timedelta(days=6)

    def at_school(day: dt.date) -> bool:
        place = [
            s
            for s, start, stop in history.spans
            if start <= sunday(day) and (stop is None or stop > sunday(day))
        ]
        return bool(place) and day in days[place[-1].pk]

    def sunday(day: dt.date) -> dt.date:
        return day + dt.timedelta(days=6 - day.weekday())

    def enrolled_then(day: dt.date) -> bool:
        return any(
            start <= sunday(day) and (stop is None or stop > sunday(day)) for _, start, stop in history.spans
        )

    held = [
        (d, s)
        for d, s, k in history.attendance
        if d <= end and k <= end and enrolled_then(d) and at_school(d)
    ]
    absent = [d for d, s in held if s in ("unexcused_absence", "excused_absence")]
    out: dict[str, float] = {}
    for n in (1, 4, 8, 20):
        of = [d for d, _ in held if d >= since(n)]
        out[f"absence_rate_{n}w"] = len([d for d in absent if d >= since(n)]) / len(of) if of else math.nan
    this_year = [d for d, _ in held if d >= year_first]
    out["absence_rate_year"] = (
        len([d for d in absent if d >= year_first]) / len(this_year) if this_year else math.nan
    )
    out["tardies_4w"] = float(len([d for d, s in held if s == "tardy" and d >= since(4)]))
    first_days = set(days[school.pk]) and [d for d in days[school.pk] if year_first <= d <= year_last][:20]
    if len(history.spans) == 1:
        out["absences_first_20"] = float(len([d for d in absent if d in first_days]))
    known = [(d, a, x) for d, a, x, k in history.incidents if d <= end and k <= end]
    out["referrals_8w"] = float(len([1 for d, _, _ in known if d >= since(8)]))
    if all(enrolled_then(d) for d, _, _ in known):
        out["suspension_days_year"] = sum(
            x for d, a, x in known if d >= year_first and a == "out_of_school_suspension"
        )
    # the latest known row of each piece of work
    latest: dict[str, tuple[dt.date, float | None]] = {}
    for _, item, d, p, k in sorted(history.work, key=lambda row: row[2]):
        if d <= end and k <= end and d >= year_first:
            latest[item] = (d, p)
    if all(enrolled_then(d) for _, _, d, _, _ in history.work):
        out["items_year"] = float(len(latest))
        out["missing_open"] = float(len([1 for _, p in latest.values() if p is None]))
        out["missing_4w"] = float(len([1 for d, p in latest.values() if p is None and d >= since(4)]))
        marks = [0.0 if p is None else p for _, p in latest.values()]
        out["mean_mark"] = sum(marks) / len(marks) if marks else math.nan
        out["core_failing_now"] = float(len(marks) >= 3 and sum(marks) / len(marks) < 60)
    return out


@pytest.fixture
def histories() -> tuple[list[History], dict[int, list[dt.date]]]:
    draw = random.Random(11)
    schools = [SchoolFactory(code="A"), SchoolFactory(code="B")]
    days = make_calendar(schools)
    return [make_history(n, schools, days, draw) for n in range(60)], days


def table() -> dict[tuple[int, dt.date], dict[str, object]]:
    return {
        (row["student_id"], row["week_end"]): {k: v for k, v in row.items() if k not in ("id", "computed_at")}
        for row in StudentFeature.objects.values()
    }


def test_features_equal_the_reference_on_random_histories(
    histories: tuple[list[History], dict[int, list[dt.date]]],
) -> None:
    made, days = histories
    extract(AS_OF)
    sundays = {d + dt.timedelta(days=6 - d.weekday()) for each in days.values() for d in each}
    weeks = sorted(sundays)
    rows = table()
    compared = 0
    for history in made:
        for (student, end), row in rows.items():
            if student != history.student.pk:
                continue
            for name, expected in reference(history, end, weeks, days).items():
                found = row[name]
                assert (found is None) == math.isnan(expected), (history.student, end, name, found, expected)
                if found is not None:
                    assert found == pytest.approx(expected, abs=1e-9), (history.student, end, name)
                compared += 1
    assert compared > 40_000


def test_what_comes_or_is_known_later_moves_no_earlier_row(
    histories: tuple[list[History], dict[int, list[dt.date]]],
) -> None:
    extract(AS_OF)
    before = table()
    cut = dt.date(2025, 2, 16)
    for student in Student.objects.all():
        late = {"recorded_at": cut + dt.timedelta(days=1)}
        day = dt.date(2024, 9, 7)  # long past, known only now
        AttendanceRecord.objects.update_or_create(
            student=student, date=day - dt.timedelta(days=1), period="", defaults={"status": "absent", **late}
        )
        CourseGrade.objects.create(
            student=student, course_code="ELA", subject="ela", item_key="late", date=day, percent=1, **late
        )
        DisciplineIncident.objects.create(
            student=student,
            date=day,
            incident_type="x",
            incident_key="late",
            action="expulsion",
            severity=5,
            **late,
        )
    kept = {
        key: row
        for key, row in before.items()
        # a record already known on that day was replaced: that is a correction, not a late record
        if key[1] <= cut
        and not AttendanceRecord.objects.filter(
            student=key[0], date=dt.date(2024, 9, 6), recorded_at__lte=cut
        ).exists()
    }
    replaced = set(
        AttendanceRecord.objects.filter(date=dt.date(2024, 9, 6), recorded_at__gt=cut).values_list(
            "student", flat=True
        )
    )
    never_there = {
        h.student.pk for h in histories[0] if all(d != dt.date(2024, 9, 6) for d, _, _ in h.attendance)
    }
    extract(AS_OF, full=True)
    after = table()
    checked = 0
    for key, row in kept.items():
        if key[0] in replaced & never_there:
            assert after[key] == row
            checked += 1
    assert checked > 20
    assert any(after[key] != before[key] for key in before if key[1] > cut)


def test_recomputing_what_is_stale_equals_computing_everything(
    histories: tuple[list[History], dict[int, list[dt.date]]],
) -> None:
    early = AS_OF - dt.timedelta(weeks=6)
    extract(early)
    changed = histories[0][3].student
    AttendanceRecord.objects.create(
        student=changed,
        date=dt.date(2025, 3, 1),
        status="absent",
        recorded_at=dt.date(2025, 3, 3),
        period="x",
    )
    Student.objects.filter(pk=changed.pk).update(stale_from=dt.date(2025, 3, 3))
    extract(AS_OF)
    step_by_step = table()
    extract(AS_OF, full=True)
    assert table() == step_by_step
    assert not Student.objects.filter(stale_from__isnull=False).exists()


def test_a_second_run_has_nothing_to_do(histories: tuple[list[History], dict[int, list[dt.date]]]) -> None:
    assert extract(AS_OF).students == 60
    assert extract(AS_OF).students == 0


def test_a_calendar_is_concluded_from_attendance_and_marked(
    histories: tuple[list[History], dict[int, list[dt.date]]],
) -> None:
    SchoolDay.objects.all().delete()
    extract(AS_OF)
    inferred = SchoolDay.objects.filter(inferred=True)
    assert inferred.count() > 300
    assert not inferred.filter(date__week_day__in=[1, 7]).exists()
    assert StudentFeature.objects.exists()


def test_district_settings_are_used(histories: tuple[list[History], dict[int, list[dt.date]]]) -> None:
    district = District.current()
    district.attendance_exceptions_only = True
    district.save()
    student = histories[0][0].student
    AttendanceRecord.objects.filter(student=student).delete()
    extract(AS_OF)
    rates = StudentFeature.objects.filter(student=student).values_list("absence_rate_4w", flat=True)
    assert set(rates) == {0.0}
