"""Weekly rows out of the database, as the arrays that the learning core reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from features.definitions import NAMES, schema
from features.models import CohortWeek, StudentFeature
from mlcore.data import WINDOW, StudentWeeks
from students.frames import frame, id_list

PRESENT = ("present_attendance", "present_grades", "present_discipline")


def student_weeks(
    as_of: dt.date, student_ids: Sequence[int] | None = None, *, whole_history: bool = False
) -> tuple[StudentWeeks, pl.DataFrame]:
    """Return the rows known at `as_of` of these students (all where not given), and their facts.

    The facts are one row each: student_id, school_id, grade_level, week_end, school_year, week_number,
    week_of_year. Without `whole_history` only the last 40 school weeks are read, enough for the windows
    that end at `as_of`.
    """
    where = f"week_end <= '{as_of}'"
    if student_ids is not None:
        where += f" AND student_id IN ({id_list(student_ids)})"
    if not whole_history:
        latest = StudentFeature.objects.filter(week_end__lte=as_of).order_by("-week_end").first()
        number = latest.week_number if latest else 0
        where += f" AND week_number > {number - WINDOW}"
    columns = ", ".join(f'"{name}"' for name in NAMES)
    rows = frame(
        "SELECT student_id, school_id, grade_level, week_end, school_year, week_number, "
        f"{', '.join(PRESENT)}, {columns} FROM {StudentFeature._meta.db_table} WHERE {where} "
        "ORDER BY student_id, week_number",
        {
            "student_id": pl.Int64,
            "school_id": pl.Int64,
            "grade_level": pl.String,
            "week_end": pl.Date,
            "school_year": pl.String,
            "week_number": pl.Int32,
            **dict.fromkeys(PRESENT, pl.Boolean),
            **dict.fromkeys(NAMES, pl.Float32),
        },
    )
    cohorts, tables = read_cohorts(rows)
    key = ["school_id", "grade_level", "week_end"]
    joined = rows.select(key).join(cohorts, on=key, how="left", maintain_order="left")
    weeks = StudentWeeks(
        schema=schema(),
        values=rows.select(NAMES).fill_null(float("nan")).to_numpy().astype(np.float32, copy=False),
        student=rows["student_id"].to_numpy(),
        week_number=rows["week_number"].to_numpy(),
        week_end=rows["week_end"].to_numpy().astype("datetime64[D]"),
        present=rows.select(PRESENT).to_numpy().astype(bool),
        cohort=joined["position"].fill_null(-1).to_numpy().astype(np.int32),
        cohort_median=tables["median"],
        cohort_mean=tables["mean"],
        cohort_sd=tables["deviation"],
    )
    facts = rows.select(
        "student_id", *key, "school_year", "week_number", pl.col("week_of_year").cast(pl.Int32)
    )
    return weeks, facts


def read_cohorts(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, np.ndarray]]:
    """Return the position of each school, grade and week that occurs in `rows`, and its tables [C, F]."""
    empty = {part: np.zeros((0, len(NAMES)), np.float32) for part in ("median", "mean", "deviation")}
    positions = pl.DataFrame(
        schema={"school_id": pl.Int64, "grade_level": pl.String, "week_end": pl.Date, "position": pl.Int64}
    )
    if rows.is_empty():
        return positions, empty
    found: list[Any] = list(
        CohortWeek.objects.filter(
            week_end__gte=rows["week_end"].min(),
            week_end__lte=rows["week_end"].max(),
            school__in=rows["school_id"].unique().to_list(),
            grade_level__in=rows["grade_level"].unique().to_list(),
        ).values_list("school_id", "grade_level", "week_end", "median", "mean", "deviation")
    )
    if not found:
        return positions, empty
    positions = pl.DataFrame(
        {
            "school_id": [row[0] for row in found],
            "grade_level": [row[1] for row in found],
            "week_end": [row[2] for row in found],
            "position": range(len(found)),
        },
        schema=positions.schema,
    )
    tables = {
        part: np.array(
            [[np.nan if row[at].get(name) is None else row[at][name] for name in NAMES] for row in found],
            dtype=np.float32,
        )
        for part, at in (("median", 3), ("mean", 4), ("deviation", 5))
    }
    return positions, tables
