"""Attendance: absence over several windows, its kind, tardiness, and activity."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.extractors.base import Cohort, FeatureExtractor, Grid, ratio
from students.frames import frame

MOST_SINCE = 60.0


def day_facts(records: pl.DataFrame) -> pl.DataFrame:
    """Return one row a student and day: absent, excused, unexcused, tardy, minutes, known (a date).

    A whole-day row wins. A day with periods is absent when at least half of its scheduled minutes were
    missed, or half of its periods where minutes are not given; it is known when its last row is.
    """
    absent = pl.col("status").is_in(["absent", "excused_absence", "unexcused_absence"])
    marked = records.with_columns(
        absent.alias("absent"),
        pl.col("status").is_in(["tardy", "early_departure"]).alias("tardy"),
        (pl.col("status") == "excused_absence").alias("excused"),
        (pl.col("status") == "unexcused_absence").alias("unexcused"),
        (pl.col("period") == "").alias("whole"),
    )
    whole = marked.filter("whole").select(
        "student_id",
        "date",
        "absent",
        "excused",
        "unexcused",
        "tardy",
        pl.col("minutes_present").alias("minutes"),
        pl.col("recorded_at").alias("known"),
    )
    parts = marked.filter(~pl.col("whole"))
    if parts.is_empty():
        return whole
    missed, held = (
        pl.col("minutes_absent").sum(),
        (pl.col("minutes_absent") + pl.col("minutes_present")).sum(),
    )
    timed = (
        pl.col("minutes_absent").is_not_null().all()
        & pl.col("minutes_present").is_not_null().all()
        & (held > 0)
    )
    share = pl.when(timed).then(missed / held).otherwise(pl.col("absent").mean())
    days = (
        parts.group_by("student_id", "date")
        .agg(
            share.alias("share"),
            pl.col("excused").mean().alias("excused_share"),
            pl.col("unexcused").mean().alias("unexcused_share"),
            pl.col("tardy").any(),
            pl.col("minutes_present").sum().alias("minutes"),
            pl.col("recorded_at").max().alias("known"),
        )
        .with_columns((pl.col("share") >= 0.5).alias("absent"))
        .with_columns(
            (
                pl.col("absent")
                & (pl.col("excused_share") >= pl.col("unexcused_share"))
                & (pl.col("excused_share") > 0)
            ).alias("excused"),
            (pl.col("absent") & (pl.col("unexcused_share") > pl.col("excused_share"))).alias("unexcused"),
        )
        .join(whole, on=["student_id", "date"], how="anti")
        .select(whole.columns)
    )
    return pl.concat([whole, days], how="vertical_relaxed")


class AttendanceExtractor(FeatureExtractor):
    modality = "attendance"

    def read(self, ids: str, known_by: str) -> pl.DataFrame:
        return frame(
            "SELECT student_id, date, period, status, minutes_absent, minutes_present, recorded_at "
            f"FROM students_attendancerecord WHERE student_id IN ({ids}) AND recorded_at <= '{known_by}' "
            f"AND date <= '{known_by}'",
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

    def compute(self, records: pl.DataFrame, cohort: Cohort) -> tuple[dict[str, Grid], NDArray[np.bool_]]:
        days = day_facts(records)
        row = cohort.position(days["student_id"])
        dated = cohort.calendar.week_of(days["date"])
        event = cohort.own_week(row, dated)
        moved = event != dated
        weeks = cohort.shape[1]
        inside = event < weeks
        days, row, event, moved = days.filter(pl.Series(inside)), row[inside], event[inside], moved[inside]
        known = np.maximum(cohort.calendar.week_of(days["known"]), event)
        school = cohort.school[row, event]
        table = cohort.calendar.days.select("school_id", "date", "day_of_year")
        joined = days.with_columns(pl.Series("school_id", school)).join(
            table, on=["school_id", "date"], how="left", maintain_order="left"
        )
        # A day of a week without a row (before the first, between two schools) is activity, never a rate.
        on_school_day = joined["day_of_year"].is_not_null().to_numpy() & ~moved
        ordinal = joined["day_of_year"].fill_null(10_000).to_numpy()
        absent = days["absent"].to_numpy() & on_school_day
        excused = days["excused"].to_numpy() & on_school_day
        unexcused = days["unexcused"].to_numpy() & on_school_day
        tardy = days["tardy"].to_numpy()
        minutes = days["minutes"].fill_null(0).to_numpy().astype(np.float64)
        timed = days["minutes"].is_not_null().to_numpy()
        weekday = days["date"].dt.weekday().to_numpy()
        edge = (weekday == 1) | (weekday == 5)
        first, past = cohort.known_year(row, event)

        def last(mask: NDArray[np.bool_], n: int, value: NDArray | float = 1.0) -> Grid:
            amount = value[mask] if isinstance(value, np.ndarray) else value
            return cohort.interval_sum(row[mask], known[mask], event[mask] + n, amount)

        def this_year(mask: NDArray[np.bool_], value: NDArray | float = 1.0) -> Grid:
            amount = value[mask] if isinstance(value, np.ndarray) else value
            return cohort.interval_sum(row[mask], np.maximum(known, first)[mask], past[mask], amount)

        exceptions_only = cohort.district.attendance_exceptions_only
        enrolled_days = np.cumsum(cohort.days, axis=1)

        def held_last(n: int) -> Grid:
            """Days that count in the denominator: enrolled ones if only exceptions are listed, else known ones."""
            if not exceptions_only:
                return last(on_school_day, n)
            shifted = np.zeros_like(enrolled_days)
            shifted[:, n:] = enrolled_days[:, :-n]
            return enrolled_days - shifted

        year_start = np.clip(cohort.year_first, 0, None)
        before_year = np.where(
            year_start > 0, np.take_along_axis(enrolled_days, np.clip(year_start - 1, 0, None), axis=1), 0
        )
        enrolled_year = enrolled_days - before_year
        held_year = enrolled_year if exceptions_only else this_year(on_school_day)
        absent_year = this_year(absent)
        next_first, next_past = cohort.next_year(row, event)

        def last_year(mask: NDArray[np.bool_]) -> Grid:
            return cohort.interval_sum(
                row[mask], np.maximum(known, next_first)[mask], np.maximum(next_past, next_first)[mask]
            )

        threshold = cohort.thresholds["absence_rate"]
        out: dict[str, Grid] = {}
        for n in (1, 4, 8, 20):
            out[f"absence_rate_{n}w"] = ratio(last(absent, n), held_last(n))
        out["absence_rate_year"] = ratio(absent_year, held_year)
        out["unexcused_rate_4w"] = ratio(last(unexcused, 4), held_last(4))
        out["unexcused_rate_year"] = ratio(this_year(unexcused), held_year)
        out["excused_rate_year"] = ratio(this_year(excused), held_year)
        out["absence_rate_last_year"] = ratio(last_year(absent), last_year(on_school_day))
        out["absences_first_20"] = this_year(absent & (ordinal <= 20))
        out["absences_left"] = threshold * cohort.year_days - absent_year
        # Attended days move the mark forward; what is left is the school days since.
        attended = on_school_day & ~days["absent"].to_numpy()
        moment = cohort.running_max(row[attended], known[attended], _day_number(days["date"])[attended])
        out["days_since_present"] = _days_since(cohort, moment)
        rate_edge = ratio(this_year(absent & edge), this_year(on_school_day & edge))
        rate_rest = ratio(this_year(absent & ~edge), this_year(on_school_day & ~edge))
        out["monday_friday_excess"] = rate_edge - rate_rest
        out["tardies_4w"], out["tardies_year"] = (
            last(tardy & on_school_day, 4),
            this_year(tardy & on_school_day),
        )
        out["known_share_4w"] = np.minimum(ratio(last(on_school_day, 4), _last_days(enrolled_days, 4)), 1.0)

        any_minutes = this_year(timed) > 0
        active = timed & (minutes > 0)
        activity = {
            "activity_1w": np.log1p(last(timed, 1, minutes)),
            "activity_4w": np.log1p(last(timed, 4, minutes) / 4),
            "activity_year": np.log1p(this_year(timed, minutes)),
            "active_days_1w": last(active, 1),
            "active_days_4w": last(active, 4),
            "off_day_activity_4w": last(active & ~on_school_day, 4),
        }
        out |= {name: np.where(any_minutes, grid, np.nan) for name, grid in activity.items()}
        present = last(on_school_day, 1) > 0
        if exceptions_only:
            present |= cohort.days > 0
        return out, present


def _day_number(dates: pl.Series) -> NDArray[np.float64]:
    return dates.to_numpy().astype("datetime64[D]").astype(np.int64).astype(np.float64)


def _last_days(cumulative: Grid, n: int) -> Grid:
    shifted = np.zeros_like(cumulative)
    shifted[:, n:] = cumulative[:, :-n]
    return cumulative - shifted


def _days_since(cohort: Cohort, moment: Grid) -> Grid:
    """Return the enrolled school's days after `moment` (day numbers) up to each week's end, at most 60."""
    out = np.full(cohort.shape, np.nan)
    ends = cohort.calendar.week_end.astype(np.int64)
    for school in np.unique(cohort.school[cohort.school >= 0]):
        dates = cohort.calendar.days.filter(pl.col("school_id") == int(school))["date"]
        days = np.sort(_day_number(dates))
        at, week = np.nonzero(cohort.school == school)
        since = moment[at, week]
        upto = np.searchsorted(days, ends[week], side="right")
        done = np.searchsorted(days, since, side="right")
        out[at, week] = np.where(np.isfinite(since), np.minimum(upto - done, MOST_SINCE), np.nan)
    return out
