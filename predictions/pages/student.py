"""One student: the score, its reasons, and the records behind them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from features.definitions import BY_NAME, LOG, SHARE
from predictions.models import Prediction, TrainingFeedback
from predictions.pages.charts import Point, Zone, bar_chart, day_strip, line_chart, push_bar, spark
from predictions.pages.facts import (
    Attendance,
    SchoolCalendar,
    courses_of,
    facts_since,
    incidents_of,
)
from predictions.reasons import ensure_factors
from students.models import District, Intervention, Student, Threshold

HISTORY = dt.timedelta(weeks=52)
STRIP_WEEKS = 32  # weeks of the day-by-day picture
AROUND = dt.timedelta(weeks=4)  # looked at before and after help was given
SEEN_BECAUSE = {
    "caseload": "your caseload: you answer for this student",
    "school": "your school scope: your role covers this school",
    "grade": "your grade scope: your role covers this grade",
    "district": "your district scope: your role covers every school",
}


@dataclass(frozen=True)
class Reason:
    """One reason as the page shows it."""

    text: str
    domain: str
    raises: bool
    bar: str
    meaning: str
    value: str
    typical: str
    contribution: float


@dataclass(frozen=True)
class Help:
    """One intervention with the days missed in the four weeks before and after it began."""

    intervention: Intervention
    number: int | None
    before: tuple[int, int]
    after: tuple[int, int]


def student_context(student: Student, on: dt.date) -> dict[str, Any]:
    """Return what the page shows of a student, as known on the day `on`."""
    district = District.current()
    enrollment = student.enrollment_on(on)
    history = score_history(student, on)
    current = next((p for p in reversed(history) if p.model.status == "live"), None)
    if current is not None:
        ensure_factors([current])
    since = on - HISTORY
    calendar = SchoolCalendar.of(enrollment.school.code if enrollment else "", since, on)
    year_start = calendar.year_start or since
    attendance = Attendance.of(student.pk, calendar, since, on, district)
    pass_mark = Threshold.objects.value("pass_mark", on)
    courses, missing = courses_of(
        student.pk, year_start, calendar.term_start or year_start, on, district.core_subjects
    )
    incidents = incidents_of(student.pk, since, on)
    helped = help_given(student, attendance, on)
    marks = [(h.intervention.started, str(h.intervention.get_kind_display())) for h in helped if h.number]
    missed, known = attendance.missed_since(year_start)
    return {
        "district": district,
        "enrollment": enrollment,
        "seen_because": SEEN_BECAUSE.get(getattr(student, "access_reason", ""), ""),
        "current": current,
        "stale": current is not None and current.window_end < district.last_closed_week(on),
        "band": band_of(current),
        "reasons": reasons_of(current),
        "change": change_of(history, current),
        "history": list(reversed(history)),
        "risk_chart": risk_chart(history, marks),
        "weeks": list(reversed(attendance.weeks)),
        "missed": missed,
        "known": known,
        "attendance_strip": strip(attendance),
        "attendance_chart": bar_chart(
            "School days missed in each week; the table below holds the same figures",
            [Point(week.monday, week.missed) for week in attendance.weeks],
            top=5,
            ticks=(0, 2, 4),
            marks=marks,
        ),
        "pass_mark": pass_mark,
        "courses": [
            (
                course,
                spark(f"{course.name}: mean of each week's work, of 100", course.weekly, limit=pass_mark),
                course.below(pass_mark),
            )
            for course in courses
        ],
        "incidents": incidents,
        "helped": helped,
        "attention_chart": attention_chart(current),
        "attention": list(reversed(current.weeks)) if current else [],
        "since_close": facts_since(current.window_end, attendance, missing, incidents) if current else [],
        "answers": TrainingFeedback.objects.filter(prediction__student=student).select_related(
            "user", "prediction"
        ),
    }


def score_history(student: Student, on: dt.date) -> list[Prediction]:
    """Return a year's scores, oldest first: one a week, the live model's before a retired one's."""
    rows = (
        Prediction.objects.filter(
            student=student,
            retrospective=False,
            superseded_at__isnull=True,
            window_end__lte=on,
            window_end__gt=on - HISTORY,
        )
        .select_related("model", "student")
        .order_by("window_end", "created_at")
    )
    by_week: dict[dt.date, Prediction] = {}
    for row in rows:
        held = by_week.get(row.window_end)
        if held is None or held.model.status != "live":
            by_week[row.window_end] = row
    return list(by_week.values())


def change_of(history: list[Prediction], current: Prediction | None) -> float | None:
    """Return by how much the current score moved since the one before."""
    if current is None or current.risk_score is None:
        return None
    before = [p.risk_score for p in history if p.window_end < current.window_end and p.risk_score is not None]
    return current.risk_score - before[-1] if before else None


def band_of(prediction: Prediction | None) -> dict[str, Any] | None:
    """Return the band of a prediction with what was observed in it the year before."""
    if prediction is None:
        return None
    bands = prediction.model.metrics.get("bands", [])
    return next((band for band in bands if band["level"] == prediction.risk_level), None)


def reasons_of(prediction: Prediction | None) -> list[Reason]:
    factors = (prediction.factors if prediction else None) or []
    largest = max((abs(factor["contribution"]) for factor in factors), default=1.0)
    made = []
    for factor in factors:
        known = BY_NAME.get(factor["feature"])
        unit = known.unit if known else ""
        made.append(
            Reason(
                text=factor["text"],
                domain=factor["domain"],
                raises=factor["direction"] == "raises",
                bar=push_bar(factor["contribution"], largest),
                meaning=known.meaning if known else factor["feature"].replace("_", " "),
                value=in_words(factor["value"], unit),
                typical=in_words(factor["typical"], unit),
                contribution=factor["contribution"],
            )
        )
    return made


def in_words(value: float | None, unit: str) -> str:
    """Return a feature's value as a person reads it; "" where there is none to show."""
    if value is None or unit == LOG:
        return ""
    if unit == SHARE:
        return f"{100 * value:.0f}%"
    if unit == "yes or no":
        return "yes" if value else "no"
    return f"{round(value, 1):g}"


def risk_chart(history: list[Prediction], marks: list[tuple[dt.date, str]]) -> str:
    scored = [p for p in history if p.risk_score is not None]
    bands = scored[-1].model.metrics.get("bands", []) if scored else []
    return line_chart(
        "Probability of ending the year off track, week by week, with its interval",
        [
            Point(
                p.window_end,
                100 * (p.risk_score or 0),
                None if p.confidence_low is None else 100 * p.confidence_low,
                None if p.confidence_high is None else 100 * p.confidence_high,
            )
            for p in scored
        ],
        zones=[Zone(100 * band["from"], 100 * band["to"], band["level"]) for band in bands],
        marks=marks,
    )


def attention_chart(current: Prediction | None) -> str:
    if current is None or not current.weeks:
        return ""
    points = [
        Point(dt.date.fromisoformat(week["week"]), round(100 * week["attention"], 1))
        for week in current.weeks
    ]
    highest = max(point.value for point in points)
    top = next((step for step in (5, 10, 20, 40, 60) if highest <= step), 100)
    return bar_chart("How much each week weighed in the score, in percent", points, top=top, unit="%")


def strip(attendance: Attendance) -> str:
    weeks = attendance.weeks[-STRIP_WEEKS:]
    missed = sum(week.missed for week in weeks)
    return day_strip(
        f"Day by day: {missed} of {sum(week.known for week in weeks)} school days missed",
        [(week.monday, week.squares) for week in weeks],
    )


def help_given(student: Student, attendance: Attendance, on: dt.date) -> list[Help]:
    """Return the interventions, oldest first; the numbers stand on the charts. One query."""
    rows = list(student.interventions.select_related("logged_by").order_by("started", "pk"))
    number = 0
    made = []
    for row in rows:
        inside = on - HISTORY <= row.started <= on
        number += inside
        after = min(row.started + AROUND, on + dt.timedelta(days=1))
        made.append(
            Help(
                intervention=row,
                number=number if inside else None,
                before=attendance.between(row.started - AROUND, row.started),
                after=attendance.between(row.started, after),
            )
        )
    return made
