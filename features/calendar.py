"""The school calendar as arrays: school weeks, their days, and the weeks of each school's year."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from students.frames import frame
from students.models import AttendanceRecord, SchoolDay

Days = np.ndarray  # datetime64[D]


@dataclass
class Calendar:
    """Every school week of the district up to `as_of`'s year, and each school's days.

    week_end [T]: Sundays of the weeks in which any school had a day, ascending; its position is the
    week's number. days: school_id, date, week (position), school_year, year_start, day_of_year (ordinal
    of the school day in that school's year), term.
    """

    week_end: Days
    days: pl.DataFrame

    def week_of(self, dates: pl.Series | Days) -> np.ndarray:
        """Return the first school week that ends on or after each date; T where there is none. [N]"""
        values = dates.to_numpy() if isinstance(dates, pl.Series) else dates
        return np.searchsorted(self.week_end, values.astype("datetime64[D]"))

    @cached_property
    def school_years(self) -> pl.DataFrame:
        """Return one row a school and year: school_id, school_year, first, last (dates and weeks), days."""
        return (
            self.days.group_by("school_id", "school_year")
            .agg(
                pl.col("date").min().alias("first"),
                pl.col("date").max().alias("last"),
                pl.col("week").min().alias("first_week"),
                pl.col("week").max().alias("last_week"),
                pl.len().alias("days"),
            )
            .sort("school_id", "first")
        )

    @cached_property
    def school_weeks(self) -> pl.DataFrame:
        """Return one row a school and school week: school_id, week, school_year, days, week_of_year, term."""
        return (
            self.days.group_by("school_id", "week")
            .agg(
                pl.col("school_year").last(),
                pl.col("term").last(),
                pl.len().alias("days"),
                pl.col("date").min().alias("first_day"),
            )
            .sort("school_id", "week")
            .with_columns(
                pl.col("week")
                .rank("ordinal")
                .over("school_id", "school_year")
                .cast(pl.Int32)
                .alias("week_of_year"),
                (pl.len().over("school_id", "school_year")).alias("weeks_in_year"),
            )
        )


def load_calendar() -> Calendar:
    """Read the calendar: a school's own days, else those for all schools, else inferred ones."""
    infer_missing_days()
    schools = frame(
        "SELECT id, code FROM students_school ORDER BY id", {"school_id": pl.Int64, "code": pl.String}
    )
    listed = frame(
        "SELECT school_code, date, in_session, school_year, term FROM students_schoolday",
        {
            "code": pl.String,
            "date": pl.Date,
            "in_session": pl.Boolean,
            "school_year": pl.String,
            "term": pl.String,
        },
    ).with_columns(pl.col("code", "school_year", "term").fill_null(""))
    own = schools.join(listed.filter(pl.col("code") != ""), on="code")
    common = schools.join(listed.filter(pl.col("code") == "").drop("code"), how="cross").join(
        own, on=["school_id", "date"], how="anti"
    )
    days = (
        pl.concat([own, common.select(own.columns)])
        .filter("in_session")
        .select("school_id", "date", "school_year", "term")
        .sort("school_id", "date")
    )
    days = days.with_columns(
        (pl.col("date").dt.truncate("1w") + pl.duration(days=6)).alias("week_end"),
        pl.col("date").rank("ordinal").over("school_id", "school_year").cast(pl.Int32).alias("day_of_year"),
        pl.col("date").min().over("school_id", "school_year").alias("year_start"),
    )
    week_end = np.sort(days["week_end"].unique().to_numpy().astype("datetime64[D]"))
    week = np.searchsorted(week_end, days["week_end"].to_numpy().astype("datetime64[D]"))
    return Calendar(week_end, days.with_columns(pl.Series("week", week, dtype=pl.Int64)).drop("week_end"))


def infer_missing_days(share: float = 0.2) -> int:
    """Conclude school days from attendance where a school has records and no calendar; return how many.

    A day counts as in session when at least a fifth of the school's usual number of students have a
    record on it. The days are saved, marked inferred.
    """
    covered = SchoolDay.objects.filter(school_code="").exists()
    if covered or not AttendanceRecord.objects.exists():
        return 0
    if not _some_school_lacks_a_calendar():
        return 0
    known = frame(
        "SELECT s.code, a.date, count(DISTINCT a.student_id) FROM students_attendancerecord a "
        "JOIN students_enrollment e ON e.student_id = a.student_id AND e.start <= a.date "
        'AND (e."end" IS NULL OR e."end" > a.date) JOIN students_school s ON s.id = e.school_id '
        "WHERE s.code NOT IN (SELECT DISTINCT school_code FROM students_schoolday WHERE NOT inferred) "
        "GROUP BY s.code, a.date",
        {"code": pl.String, "date": pl.Date, "n": pl.Int64},
    )
    usual = known.group_by("code").agg(pl.col("n").quantile(0.75).alias("usual"))
    enough = known.join(usual, on="code").filter(pl.col("n") >= share * pl.col("usual"))
    days = [
        SchoolDay(
            school_code=code,
            date=date,
            in_session=True,
            school_year=year_of(date),
            inferred=True,
            recorded_at=date,
        )
        for code, date in enough.select("code", "date").iter_rows()
    ]
    SchoolDay.objects.bulk_create(days, ignore_conflicts=True, batch_size=5_000)
    return len(days)


def _some_school_lacks_a_calendar() -> bool:
    listed = set(SchoolDay.objects.filter(inferred=False).values_list("school_code", flat=True).distinct())
    enrolled = frame(
        "SELECT DISTINCT s.code FROM students_school s JOIN students_enrollment e ON e.school_id = s.id",
        {"code": pl.String},
    )
    return any(code not in listed for code in enrolled["code"].to_list())


def year_of(date: dt.date) -> str:
    """Return the school year of a date where no calendar names it: July to June, as in 2025-26."""
    first = date.year if date.month >= 7 else date.year - 1
    return f"{first}-{(first + 1) % 100:02d}"
