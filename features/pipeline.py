"""Records to weekly rows: find what is stale, compute it chunk by chunk, write it, note what is usual."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from django.db import connection, transaction
from django.utils import timezone

from features.calendar import Calendar, load_calendar
from features.definitions import NAMES
from features.enrolled import make_cohort
from features.extractors.attendance import AttendanceExtractor
from features.extractors.base import FeatureExtractor, Grid
from features.extractors.discipline import DisciplineExtractor
from features.extractors.grades import GradesExtractor
from features.models import CohortWeek, ExtractionState, StudentFeature
from students.frames import frame, id_list
from students.models import District, Student, Threshold

CHUNK = 2_000
MIN_COHORT = 5  # fewer students make no "usual"; the grade across the district stands in
EXTRACTORS: tuple[type[FeatureExtractor], ...] = (AttendanceExtractor, GradesExtractor, DisciplineExtractor)
KEYS = ["student_id", "week"]
FACTS = [
    "school_id",
    "grade_level",
    "week_end",
    "school_year",
    "week_number",
    "present_attendance",
    "present_grades",
    "present_discipline",
]
Progress = Callable[[float, str], None]


class NoCalendar(ValueError):
    """There is neither a calendar nor attendance to conclude one from."""


@dataclass(frozen=True)
class ExtractionSummary:
    """What an extraction did: rows written, students recomputed, the Sunday it reaches."""

    rows: int
    students: int
    through: dt.date


def extract(
    as_of: dt.date,
    *,
    student_ids: list[int] | None = None,
    full: bool = False,
    on_progress: Progress | None = None,
) -> ExtractionSummary:
    """Bring the weekly rows up to the last week closed by `as_of`.

    Computes the students whose records changed, from the week in which the earliest change became
    known, and for everybody the weeks that closed since last time. An interrupted run goes on where it
    stopped: a student stays stale until their rows are written.

    Args:
        as_of: the day that counts as today.
        student_ids: only these students, all their weeks.
        full: everybody, all weeks.

    Raises:
        NoCalendar: no calendar, and no attendance to conclude one from.
    """
    say = on_progress or (lambda share, stage: None)
    started = timezone.now()
    district = District.current()
    through = district.last_closed_week(as_of)
    calendar = load_calendar()
    if not len(calendar.week_end):
        raise NoCalendar(
            "There is no school calendar and no attendance to conclude one from; import either first."
        )
    state = ExtractionState.current()
    work = stale_students(state, through, student_ids, full)
    thresholds = Threshold.objects.values_on(as_of)
    written, since = 0, through
    for begin in range(0, work.height, CHUNK):
        part = work.slice(begin, CHUNK)
        say(0.9 * begin / work.height, f"{begin:,} of {work.height:,} students")
        rows = compute_chunk(part, through, district, thresholds, calendar)
        with transaction.atomic():
            write_rows(rows, part, started)
            Student.objects.filter(pk__in=part["student_id"].to_list(), stale_from__isnull=False).exclude(
                records_changed_at__gt=started
            ).update(stale_from=None)
        written += rows.height
        since = min([since, *part["since"].to_list()])
    if work.height:
        say(0.92, "what is usual by school, grade and week")
        write_cohorts(since, through)
    if student_ids is None:
        state.computed_through = max(through, state.computed_through or through)
        state.save()
    say(1.0, "done")
    return ExtractionSummary(written, work.height, through)


def stale_students(
    state: ExtractionState, through: dt.date, student_ids: list[int] | None, full: bool
) -> pl.DataFrame:
    """Return student_id and `since`, the first week end to write, for every student with work to do."""
    ever = dt.date(1900, 1, 1)
    schema: dict[str, type[pl.DataType] | pl.DataType] = {"student_id": pl.Int64, "stale_from": pl.Date}
    if student_ids is not None or full or state.computed_through is None:
        where = "" if student_ids is None else f" WHERE id IN ({id_list(student_ids)})"
        found = frame(f"SELECT id, stale_from FROM students_student{where} ORDER BY id", schema)
        return found.select("student_id", pl.lit(ever).alias("since"))
    done = state.computed_through
    where = f"stale_from IS NOT NULL AND stale_from <= '{through}'"
    if through > done:
        where += (
            " OR id IN (SELECT student_id FROM students_enrollment "
            f"WHERE start <= '{through}' AND (\"end\" IS NULL OR \"end\" > '{done}'))"
        )
    found = frame(f"SELECT id, stale_from FROM students_student WHERE {where} ORDER BY id", schema)
    new = done + dt.timedelta(days=1)
    return found.select(
        "student_id", pl.min_horizontal(pl.col("stale_from").fill_null(new), pl.lit(new)).alias("since")
    )


def compute_chunk(
    part: pl.DataFrame,
    through: dt.date,
    district: District,
    thresholds: dict[str, float],
    calendar: Calendar,
) -> pl.DataFrame:
    """Return the rows to write for these students: keys, facts and one column a feature."""
    students = part["student_id"].to_numpy()
    cohort, static = make_cohort(students, district, thresholds, calendar)
    ids = id_list(students.tolist())
    grids: dict[str, Grid] = dict(static)
    present = {}
    for make in EXTRACTORS:
        extractor = make()
        grids_of, present[extractor.modality] = extractor.compute(
            extractor.read(ids, through.isoformat()), cohort
        )
        grids |= grids_of
    since = part["since"].to_numpy().astype("datetime64[D]")
    ends = cohort.calendar.week_end
    keep = (
        (cohort.school >= 0) & (ends <= np.datetime64(through))[None, :] & (ends[None, :] >= since[:, None])
    )
    row, week = np.nonzero(keep)
    years = calendar.school_weeks.select("school_id", "week", "school_year")
    frame_ = pl.DataFrame(
        {
            "student_id": students[row],
            "week": ends[week] - np.timedelta64(6, "D"),
            "school_id": cohort.school[row, week],
            "grade_level": cohort.grade[row, week],
            "week_end": ends[week],
            "week_number": week,
            **{f"present_{name}": grid[row, week] for name, grid in present.items()},
            **{name: grids[name][row, week] for name in NAMES},
        }
    )
    return (
        frame_.join(
            years.rename({"week": "week_number"}),
            on=["school_id", "week_number"],
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col(name).fill_nan(None) for name in NAMES)
        .select([*KEYS, *FACTS, *NAMES])
    )


def write_rows(rows: pl.DataFrame, part: pl.DataFrame, now: dt.datetime) -> None:
    """Merge rows by student and week, and remove those that no longer belong (an enrollment changed)."""
    table = StudentFeature._meta.db_table
    columns = [*rows.columns, "computed_at"]
    names = ", ".join(f'"{name}"' for name in columns)
    sets = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in KEYS)
    merge = f"ON CONFLICT (student_id, week) DO UPDATE SET {sets}"
    if connection.vendor == "postgresql":
        text = rows.with_columns(pl.lit(now.isoformat()).alias("computed_at")).write_csv(
            include_header=False, null_value="\\N"
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE IF NOT EXISTS feature_stage AS SELECT {names} FROM {table} LIMIT 0"
            )
            cursor.execute("TRUNCATE feature_stage")
            with cursor.cursor.copy(
                f"COPY feature_stage ({names}) FROM STDIN (FORMAT csv, NULL '\\N')"
            ) as copy:
                copy.write(text)
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM feature_stage {merge}")
    else:
        stamp = now.replace(tzinfo=None).isoformat(" ")
        plain = rows.with_columns(pl.col(pl.Date).cast(pl.String), pl.lit(stamp).alias("computed_at"))
        places = ", ".join(["?"] * len(columns))
        connection.ensure_connection()
        for piece in plain.iter_slices(20_000):
            connection.connection.executemany(
                f"INSERT INTO {table} ({names}) VALUES ({places}) {merge}", piece.rows()
            )
    for since, group in part.group_by("since"):
        StudentFeature.objects.filter(
            student__in=group["student_id"].to_list(), week_end__gte=since[0], computed_at__lt=now
        ).delete()


def feature_frames(since: dt.date, through: dt.date, weeks: int = 8) -> Iterator[pl.DataFrame]:
    """Yield school, grade, week and features of all rows, a few weeks at a time."""
    columns = ", ".join(f'"{name}"' for name in NAMES)
    schema: dict[str, type[pl.DataType] | pl.DataType] = {
        "school_id": pl.Int64,
        "grade_level": pl.String,
        "week_end": pl.Date,
        **dict.fromkeys(NAMES, pl.Float64),
    }
    ends = list(
        StudentFeature.objects.filter(week_end__gte=since, week_end__lte=through)
        .order_by("week_end")
        .values_list("week_end", flat=True)
        .distinct()
    )
    for begin in range(0, len(ends), weeks):
        some = ends[begin : begin + weeks]
        yield frame(
            f"SELECT school_id, grade_level, week_end, {columns} FROM {StudentFeature._meta.db_table} "
            f"WHERE week_end >= '{some[0]}' AND week_end <= '{some[-1]}'",
            schema,
        )


def write_cohorts(since: dt.date, through: dt.date) -> None:
    """Compute median, mean and deviation of every feature by school, grade and week, from `since` on."""
    CohortWeek.objects.filter(week_end__gte=since, week_end__lte=through).delete()
    columns = [
        pl.col(NAMES).median().name.prefix("median "),
        pl.col(NAMES).mean().name.prefix("mean "),
        pl.col(NAMES).std(ddof=0).name.prefix("deviation "),
    ]
    for rows in feature_frames(since, through):
        by_school = rows.group_by("school_id", "grade_level", "week_end").agg(pl.len().alias("n"), *columns)
        by_grade = rows.group_by("grade_level", "week_end").agg(*columns)
        small = by_school.filter(pl.col("n") < MIN_COHORT).select("school_id", "grade_level", "week_end", "n")
        filled = small.join(by_grade, on=["grade_level", "week_end"]).select(by_school.columns)
        every = pl.concat([by_school.filter(pl.col("n") >= MIN_COHORT), filled])
        parts = {
            part: every.select(pl.col(f"{part} {name}").round(6).alias(name) for name in NAMES).to_dicts()
            for part in ("median", "mean", "deviation")
        }
        keys = every.select("school_id", "grade_level", "week_end", "n").to_dicts()
        CohortWeek.objects.bulk_create(
            (
                CohortWeek(
                    **key, median=parts["median"][i], mean=parts["mean"][i], deviation=parts["deviation"][i]
                )
                for i, key in enumerate(keys)
            ),
            batch_size=500,
        )
