"""The Open University Learning Analytics Dataset as a district's files.

Kuzilek, Hlosta and Zdrahal, Scientific Data 4:170171 (2017), doi 10.1038/sdata.2017.171, CC BY 4.0.
A presentation of a module becomes a school, its registered students the students, clicks attendance.
Nothing here depends on which presentations are there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

TABLES = ("assessments", "courses", "studentAssessment", "studentInfo", "studentRegistration", "studentVle")
START_MONTH = {"B": 2, "J": 10}
SOCIAL = ("AAA", "BBB", "GGG")
KEY = ["code_module", "code_presentation"]
DISTRICT_TOML = """\
[district]
name = "Open University (OULAD)"
timezone = "Europe/London"

[thresholds]
pass_mark = 40

[labels]
basis = "outcome"
off_track_outcomes = ["failed", "withdrawn"]

[lags]
attendance = 0
grades = 0
discipline = 0
outcomes = 0

[core]
subjects = ["math", "ela", "science", "social_studies", "other"]

[attendance]
exceptions_only = false
"""


class NotOulad(ValueError):
    """The folder does not hold the data set's tables; the message names what is missing."""


@dataclass
class Reconciliation:
    """Where every click went, and how many rows each file has."""

    clicks: int
    clicks_on_school_days: int
    clicks_on_other_days: int
    clicks_before_day_0: int
    clicks_after_exit: int
    presentations: int
    rows: dict[str, int]

    @property
    def clicks_written(self) -> int:
        return self.clicks - self.clicks_after_exit

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "clicks_written": self.clicks_written}


def table(folder: Path, name: str, columns: list[str]) -> pl.LazyFrame:
    """Return one table, plain or gzipped, its missing values ("?" or empty) as null."""
    path = next((p for p in (folder / f"{name}.csv", folder / f"{name}.csv.gz") if p.exists()), None)
    if path is None:
        raise NotOulad(f"{folder} lacks {name}.csv (or .csv.gz); OULAD has {', '.join(TABLES)}")
    lazy = pl.scan_csv(path, null_values=["?", ""], infer_schema=False)
    missing = [column for column in columns if column not in lazy.collect_schema().names()]
    if missing:
        raise NotOulad(f"{path.name} lacks the columns {', '.join(missing)}")
    return lazy.select(columns)


def convert(source: Path, target: Path, say: Callable[[str], None] = lambda line: None) -> Reconciliation:
    """Write calendar, students, attendance, grades, outcomes and district.toml of a folder of OULAD.

    Raises:
        NotOulad: a table or column is missing, or a presentation's code cannot be dated.
    """
    target.mkdir(parents=True, exist_ok=True)
    courses = presentations(source)
    say(f"{courses.height} presentations")
    students = registrations(source, courses)
    rows = {
        "calendar": _write(calendar(courses), target / "calendar.csv"),
        "students": _write(student_rows(students), target / "students.csv"),
    }
    say(f"{students.height:,} enrolments")
    attendance, late, clicks = attendance_rows(source, students)
    rows["attendance"] = _write(attendance, target / "attendance.csv")
    _write(late, target / "clicks-after-exit.tsv", separator="\t")
    say(f"{rows['attendance']:,} attendance rows")
    rows["grades"] = _write(grade_rows(source, students), target / "grades.csv")
    rows["outcomes"] = _write(outcome_rows(students), target / "outcomes.csv")
    (target / "district.toml").write_text(DISTRICT_TOML, encoding="utf-8")
    return Reconciliation(presentations=courses.height, rows=rows, **clicks)


def _write(frame: pl.DataFrame, path: Path, separator: str = ",") -> int:
    frame.write_csv(path, separator=separator)
    return frame.height


def presentations(source: Path) -> pl.DataFrame:
    """Return module, presentation, school, day_0, length and last day of each presentation."""
    courses = table(source, "courses", [*KEY, "module_presentation_length"]).collect()
    starts = []
    for code in courses["code_presentation"]:
        if len(code) != 5 or not code[:4].isdigit() or code[4] not in START_MONTH:
            raise NotOulad(f"presentation '{code}' is not of the form 2013J or 2014B")
        starts.append(dt.date(int(code[:4]), START_MONTH[code[4]], 1))
    return courses.with_columns(
        (pl.col("code_module") + "-" + pl.col("code_presentation")).alias("school"),
        pl.Series("day_0", starts, dtype=pl.Date),
        pl.col("module_presentation_length").cast(pl.Int64).alias("length"),
    ).with_columns((pl.col("day_0") + pl.duration(days=pl.col("length"))).alias("last"))


def calendar(courses: pl.DataFrame) -> pl.DataFrame:
    """Return Monday to Friday from day 0 to the presentation's last day."""
    return (
        courses.with_columns(pl.date_ranges("day_0", "last").alias("date"))
        .explode("date")
        .filter(pl.col("date").dt.weekday() <= 5)
        .select(
            pl.col("school").alias("school_code"),
            "date",
            pl.lit("true").alias("in_session"),
            pl.col("code_presentation").alias("school_year"),
        )
    )


def registrations(source: Path, courses: pl.DataFrame) -> pl.DataFrame:
    """Return one row an enrolment, with its first and (exclusive) last day as day numbers and dates."""
    info = table(source, "studentInfo", [*KEY, "id_student", "gender", "disability", "final_result"])
    dates = table(
        source, "studentRegistration", [*KEY, "id_student", "date_registration", "date_unregistration"]
    )
    students = (
        info.join(dates, on=[*KEY, "id_student"], how="left")
        .collect()
        .join(courses, on=KEY)
        .with_columns(pl.col("date_registration", "date_unregistration").cast(pl.Int64))
    )
    left = pl.when(pl.col("date_unregistration") <= pl.col("length")).then(pl.col("date_unregistration"))
    return (
        students.with_columns(left.alias("exit"))
        .with_columns(
            # Nobody can leave before coming; registration without a day counts from day 0.
            pl.min_horizontal(pl.col("date_registration").fill_null(0), "exit").alias("enrolled"),
            (pl.col("school") + "-" + pl.col("id_student")).alias("student_id"),
        )
        .with_columns(
            (pl.col("day_0") + pl.duration(days=pl.col("enrolled"))).alias("enrollment_date"),
            (pl.col("day_0") + pl.duration(days=pl.col("exit"))).alias("exit_date"),
            pl.col("exit").fill_null(100_000).alias("gone"),
        )
    )


def student_rows(students: pl.DataFrame) -> pl.DataFrame:
    return students.select(
        "student_id",
        pl.lit("13").alias("grade_level"),
        pl.col("school").alias("school_code"),
        "enrollment_date",
        "exit_date",
        pl.when(pl.col("exit").is_not_null())
        .then(pl.lit("withdrawn"))
        .otherwise(pl.lit(""))
        .alias("exit_type"),
        pl.col("id_student").alias("state_id"),
        "gender",
        pl.col("disability").replace({"Y": "true", "N": "false"}).alias("special_education"),
    )


def attendance_rows(
    source: Path, students: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Return attendance rows, the clicks on or after the exit, and the count of clicks by kind of day."""
    clicks = (
        table(source, "studentVle", [*KEY, "id_student", "date", "sum_click"])
        .with_columns(pl.col("date", "sum_click").cast(pl.Int64))
        .group_by([*KEY, "id_student", "date"])
        .agg(pl.col("sum_click").sum().alias("clicks"))
        .collect(engine="streaming")
        .join(
            students.select([*KEY, "id_student", "student_id", "day_0", "length", "gone"]),
            on=[*KEY, "id_student"],
        )
        .with_columns((pl.col("day_0") + pl.duration(days=pl.col("date"))).alias("day"))
    )
    late = pl.col("date") >= pl.col("gone")
    school_day = (
        (pl.col("date") >= 0) & (pl.col("date") <= pl.col("length")) & (pl.col("day").dt.weekday() <= 5)
    )
    kinds = clicks.select(
        pl.col("clicks").sum().alias("clicks"),
        pl.col("clicks").filter(~late & school_day).sum().alias("clicks_on_school_days"),
        pl.col("clicks")
        .filter(~late & ~school_day & (pl.col("date") >= 0))
        .sum()
        .alias("clicks_on_other_days"),
        pl.col("clicks").filter(~late & (pl.col("date") < 0)).sum().alias("clicks_before_day_0"),
        pl.col("clicks").filter(late).sum().alias("clicks_after_exit"),
    ).to_dicts()[0]
    present = clicks.filter(~late).select(
        "student_id",
        pl.col("day").alias("date"),
        pl.lit("present").alias("status"),
        pl.col("clicks").alias("minutes_present"),
    )
    enrolled = (
        students.select(
            "student_id",
            pl.max_horizontal("day_0", "enrollment_date").alias("from"),
            pl.min_horizontal(pl.col("exit_date") - pl.duration(days=1), "last").alias("upto"),
        )
        .filter(pl.col("from") <= pl.col("upto"))
        .with_columns(pl.date_ranges("from", "upto").alias("date"))
        .explode("date")
        .filter(pl.col("date").dt.weekday() <= 5)
        .select("student_id", "date")
    )
    absent = enrolled.join(present, on=["student_id", "date"], how="anti").with_columns(
        pl.lit("absent").alias("status"), pl.lit(None, dtype=pl.Int64).alias("minutes_present")
    )
    rows = pl.concat([present, absent.select(present.columns)]).sort("date", "student_id")
    listed = (
        clicks.filter(late)
        .select("student_id", pl.col("day").alias("date"), "clicks")
        .sort("student_id", "date")
    )
    return rows, listed, kinds


def grade_rows(source: Path, students: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each score on its day, and an empty one where work was not in when due."""
    work = (
        table(source, "assessments", [*KEY, "id_assessment", "assessment_type", "date", "weight"])
        .collect()
        .with_columns(pl.col("date").cast(pl.Float64).cast(pl.Int64).alias("due"))
        .drop("date")
    )
    handed_in = (
        table(
            source,
            "studentAssessment",
            ["id_assessment", "id_student", "date_submitted", "is_banked", "score"],
        )
        .collect()
        .with_columns(pl.col("date_submitted").cast(pl.Int64).alias("day"))
        .join(work, on="id_assessment")
        .join(
            students.select([*KEY, "id_student", "student_id", "day_0", "length", "gone", "enrolled"]),
            on=[*KEY, "id_student"],
        )
    )
    scored = handed_in.filter(
        (pl.col("is_banked") != "1")
        & pl.col("score").is_not_null()
        & (pl.col("day") < pl.col("gone"))
        & (pl.col("day") <= pl.col("length"))
    )
    given = work.filter(
        (pl.col("assessment_type") != "Exam")
        & pl.col("due").is_not_null()
        & pl.col("id_assessment").is_in(handed_in["id_assessment"].unique().implode())
    )
    owed = (
        given.join(
            students.select([*KEY, "id_student", "student_id", "day_0", "length", "gone", "enrolled"]), on=KEY
        )
        .filter(
            (pl.col("enrolled") <= pl.col("due"))
            & (pl.col("due") < pl.col("gone"))
            & (pl.col("due") <= pl.col("length"))
        )
        .join(
            handed_in.filter(pl.col("day") <= pl.col("due")).select("id_assessment", "id_student"),
            on=["id_assessment", "id_student"],
            how="anti",
        )
        .with_columns(pl.col("due").alias("day"), pl.lit("").alias("score"))
    )
    columns = [
        "student_id",
        "day_0",
        "day",
        "due",
        "code_module",
        "id_assessment",
        "assessment_type",
        "weight",
        "score",
    ]
    rows = pl.concat([scored.select(columns), owed.select(columns)])
    return rows.select(
        "student_id",
        (pl.col("day_0") + pl.duration(days=pl.col("day"))).alias("date"),
        pl.col("code_module").alias("course_code"),
        "score",
        pl.when(pl.col("code_module").is_in(SOCIAL))
        .then(pl.lit("social_studies"))
        .otherwise(pl.lit("science"))
        .alias("subject"),
        pl.when(pl.col("assessment_type") == "Exam")
        .then(pl.lit("exam"))
        .otherwise(pl.lit("assignment"))
        .alias("kind"),
        pl.col("id_assessment").alias("assignment_id"),
        "weight",
        (pl.col("day_0") + pl.duration(days=pl.col("due"))).alias("due_date"),
    ).sort("date", "student_id", "assignment_id")


def outcome_rows(students: pl.DataFrame) -> pl.DataFrame:
    withdrawn = pl.col("final_result") == "Withdrawn"
    undated = withdrawn & pl.col("exit_date").is_null()
    return students.select(
        "student_id",
        pl.when(withdrawn)
        .then(pl.col("exit_date").fill_null(pl.col("last")))
        .otherwise(pl.col("last"))
        .alias("date"),
        pl.col("final_result")
        .replace_strict(
            {"Pass": "passed", "Distinction": "passed", "Fail": "failed", "Withdrawn": "withdrawn"}
        )
        .alias("outcome"),
        pl.col("code_presentation").alias("school_year"),
        pl.when(undated)
        .then(pl.lit("withdrawn, date unknown"))
        .otherwise(pl.col("final_result").str.to_lowercase())
        .alias("detail"),
    )
