"""Who was enrolled where, week by week, and the features that follow from it."""

from __future__ import annotations

import numpy as np
import polars as pl

from features.calendar import Calendar
from features.extractors.base import Cohort, Grid
from students.frames import frame
from students.models import District

GRADE_NUMBER = {"PK": -1, "K": 0, **{str(n): n for n in range(1, 14)}}
MOST_WEEKS = 60.0


def read_enrollments(ids: str) -> pl.DataFrame:
    return frame(
        'SELECT student_id, school_id, grade_level, start, "end" FROM students_enrollment '
        f"WHERE student_id IN ({ids}) ORDER BY student_id, start, id",
        {
            "student_id": pl.Int64,
            "school_id": pl.Int64,
            "grade": pl.String,
            "start": pl.Date,
            "end": pl.Date,
        },
    )


def make_cohort(
    students: np.ndarray, district: District, thresholds: dict[str, float], calendar: Calendar
) -> tuple[Cohort, dict[str, Grid]]:
    """Return the chunk's grid and its static features.

    A student has a row in a week when, on the Sunday that closes it, an enrollment holds at a school
    that had a day in that week. Of several the latest begun counts.
    """
    size, weeks = len(students), len(calendar.week_end)
    enrollments = read_enrollments(",".join(map(str, students.tolist())) or "NULL")
    row = np.searchsorted(students, enrollments["student_id"].to_numpy())
    far = np.datetime64("2262-01-01")
    start = enrollments["start"].to_numpy().astype("datetime64[D]")
    end = np.where(enrollments["end"].is_null().to_numpy(), far, enrollments["end"].to_numpy()).astype(
        "datetime64[D]"
    )
    first = np.searchsorted(calendar.week_end, start)
    past = np.searchsorted(calendar.week_end, end)  # the first week that ends on or after the exit
    length = np.maximum(past - first, 0)
    which = np.repeat(np.arange(len(row)), length)
    step = np.arange(len(which)) - np.repeat(np.cumsum(length) - length, length)
    held = np.full((size, weeks), -1, dtype=np.int64)
    # In order of their begin, so that of two the later one stays.
    held[row[which], first[which] + step] = which

    cells = pl.DataFrame(
        {
            "row": np.repeat(np.arange(size), weeks),
            "week": np.tile(np.arange(weeks), size),
            "which": held.ravel(),
        }
    ).filter(pl.col("which") >= 0)
    which = cells["which"].to_numpy()
    years = calendar.school_years
    order = years.group_by("school_year").agg(pl.col("first").min()).sort("first")["school_year"].to_list()
    table = calendar.school_weeks.join(
        years.select(
            "school_id",
            "school_year",
            "first_week",
            "last_week",
            pl.col("days").alias("year_days"),
        ),
        on=["school_id", "school_year"],
    ).with_columns(
        pl.col("school_year")
        .replace_strict({name: i for i, name in enumerate(order)}, return_dtype=pl.Int64)
        .alias("year")
    )
    cells = cells.with_columns(
        pl.Series("school_id", enrollments["school_id"].to_numpy()[which]),
        pl.Series("start", start[which]),
    ).join(table, on=["school_id", "week"], how="inner")
    at = (cells["row"].to_numpy(), cells["week"].to_numpy())

    def grid(name: str, empty: float, kind: type = float) -> np.ndarray:
        out: np.ndarray = np.full((size, weeks), empty, dtype=kind)
        out[at] = cells[name].to_numpy()
        return out

    school = grid("school_id", -1, np.int64)
    held[school < 0] = -1
    grades = enrollments["grade"].to_numpy().astype(str) if len(enrollments) else np.array(["?"])
    grade = np.where(held >= 0, grades[np.maximum(held, 0)], "")
    days = np.zeros((size, weeks))
    for school_id in np.unique(school[school >= 0]):
        dates = np.sort(
            calendar.days.filter(pl.col("school_id") == int(school_id))["date"]
            .to_numpy()
            .astype("datetime64[D]")
        )
        r, w = np.nonzero(school == school_id)
        ends = calendar.week_end[w]
        begins = np.maximum(start[held[r, w]], ends - np.timedelta64(6, "D"))
        days[r, w] = np.searchsorted(dates, ends, side="right") - np.searchsorted(dates, begins)

    cohort = Cohort(
        district=district,
        thresholds=thresholds,
        calendar=calendar,
        students=students,
        school=school,
        grade=grade,
        days=days,
        year=grid("year", -1, np.int64),
        year_first=grid("first_week", -1, np.int64),
        year_last=grid("last_week", -1, np.int64),
        year_days=grid("year_days", 0),
    )
    number = np.full((size, weeks), np.nan)
    inside = school >= 0
    number[inside] = [GRADE_NUMBER.get(name, np.nan) for name in grade[inside]]
    begun = np.where(inside, first[np.maximum(held, 0)] if len(first) else 0, 0)
    week = np.arange(weeks)[None, :]
    different = np.zeros(len(row), dtype=bool)
    if len(row) > 1:
        schools = enrollments["school_id"].to_numpy()
        different[1:] = (row[1:] == row[:-1]) & (schools[1:] != schools[:-1])
    year_later = np.searchsorted(calendar.week_end, start + np.timedelta64(364, "D"))
    static = {
        "grade_number": number,
        "week_of_year": np.where(inside, grid("week_of_year", np.nan), np.nan),
        "weeks_left": np.where(inside, grid("weeks_in_year", np.nan) - grid("week_of_year", np.nan), np.nan),
        "weeks_enrolled": np.where(inside, np.minimum(week - begun, MOST_WEEKS), np.nan),
        "moves_12m": cohort.interval_sum(row[different], first[different], year_later[different]),
        "mid_year_entry": np.where(inside, (begun > cohort.year_first + 3).astype(float), np.nan),
        "transition_grade": np.where(inside, np.isin(grade, ("6", "9")).astype(float), np.nan),
        "repeated_grade": _repeated(cohort, number),
    }
    return cohort, static


def _repeated(cohort: Cohort, number: Grid) -> Grid:
    """Tell whether the grade is that of the last enrolled week before this school year. [S, T]"""
    size, weeks = cohort.shape
    inside = cohort.school >= 0
    latest = np.maximum.accumulate(np.where(inside, np.arange(weeks), -1), axis=1)
    before = np.clip(cohort.year_first - 1, 0, None)
    rows = np.arange(size)[:, None]
    last_year = latest[rows, before]
    known = inside & (cohort.year_first > 0) & (last_year >= 0)
    same = number == number[rows, np.maximum(last_year, 0)]
    return np.where(inside, (known & same).astype(float), np.nan)
