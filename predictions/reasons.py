"""Why a score is what it is, in words whose numbers can be counted again in the records.

The model says which features moved the score; the sentence is made from the records as they were known
when the week closed, never from the model.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from features.calendar import Calendar, load_calendar
from features.definitions import BY_NAME
from features.extractors.attendance import day_facts
from features.windows import student_weeks
from predictions.models import Prediction
from predictions.serving import predictor_for
from students.frames import frame, id_list
from students.models import District, Threshold

MOST_FACTORS = 5
LEAST_CONTRIBUTION = 0.03  # of a logit: less is not worth a counselor's minute
RULE_FEATURES = ("absence_rate_year", "suspension_days_year", "core_failing_now")


def ensure_factors(predictions: Sequence[Prediction]) -> None:
    """Make and store the reasons of predictions that have none yet, for many at once."""
    todo = [p for p in predictions if p.factors is None and p.enough_data]
    groups: dict[tuple[dt.date, int], list[Prediction]] = {}
    for prediction in todo:
        groups.setdefault((prediction.window_end, prediction.model_id), []).append(prediction)
    for (window_end, _), group in groups.items():
        for prediction, factors in zip(group, factors_for(group, window_end), strict=True):
            prediction.factors = factors
        Prediction.objects.bulk_update(group, ["factors"], batch_size=500)


def factors_for(predictions: Sequence[Prediction], window_end: dt.date) -> list[list[dict[str, Any]]]:
    """Return the reasons of each prediction of one week and model, the strongest first.

    Each: domain, feature, value, typical (median of the same school, grade and week), contribution (to
    the log odds), direction (raises or lowers) and text.
    """
    from mlcore.explain import integrated_gradients

    model = predictions[0].model
    predictor = predictor_for(model)
    students = [p.student_id for p in predictions]
    weeks, _ = student_weeks(window_end, students)
    last = np.flatnonzero(np.append(weeks.student[1:] != weeks.student[:-1], True))
    row_of = dict(zip(weeks.student[last].tolist(), last.tolist(), strict=True))
    known = [i for i, student in enumerate(students) if student in row_of]
    rows = np.array([row_of[students[i]] for i in known], dtype=np.int64)
    weeks = weeks.select(predictor.schema.names)
    if predictor.ranking == "rule" or not predictor.scorer:
        contribution = _rule_contributions(predictor, weeks, rows)
    else:
        contribution = integrated_gradients(predictor, weeks, rows).contribution
    records = RecordFacts.read(students, window_end)
    names = predictor.schema.names
    typical = np.full((len(rows), len(names)), np.nan)
    cohort = weeks.cohort[rows]
    if len(weeks.cohort_median):
        typical = np.where((cohort >= 0)[:, None], weeks.cohort_median[np.maximum(cohort, 0)], np.nan)
    out: list[list[dict[str, Any]]] = [[] for _ in predictions]
    for at, i in enumerate(known):
        values = weeks.values[rows[at]]
        out[i] = _factors(students[i], names, values, typical[at], contribution[at], records)
    return out


def _rule_contributions(predictor: Any, weeks: Any, rows: np.ndarray) -> np.ndarray:
    """Give each condition that the rule met the weight 1: its reasons are its conditions."""
    met = predictor.bundle.rule.flags(weeks, rows)[1]
    out = np.zeros((len(rows), len(predictor.schema.names)))
    for position, name in enumerate(RULE_FEATURES):
        out[:, predictor.schema.column(name)] = met[:, position]
    return out


def _factors(
    student: int,
    names: tuple[str, ...],
    values: np.ndarray,
    typical: np.ndarray,
    contribution: np.ndarray,
    records: RecordFacts,
) -> list[dict[str, Any]]:
    families: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        families.setdefault(BY_NAME[name].family, []).append(column)
    found: list[dict[str, Any]] = []
    for family, columns in families.items():
        total = float(contribution[columns].sum())
        if abs(total) < LEAST_CONTRIBUTION:
            continue
        # The feature that says most in the family's direction stands for it.
        lead = max(columns, key=lambda column: contribution[column] * np.sign(total))
        text = records.sentence(family, student)
        if not text:
            continue
        value, usual = float(values[lead]), float(typical[lead])
        found.append(
            {
                "domain": BY_NAME[names[lead]].modality,
                "feature": names[lead],
                "value": None if np.isnan(value) else round(value, 4),
                "typical": None if np.isnan(usual) else round(usual, 4),
                "contribution": round(total, 4),
                "direction": "raises" if total > 0 else "lowers",
                "text": text,
            }
        )
    found.sort(key=lambda factor: -abs(float(factor["contribution"])))
    return found[:MOST_FACTORS]


def plural(count: float, one: str, many: str) -> str:
    return f"{count:g} {one if count == 1 else many}"


@dataclass
class RecordFacts:
    """What the records of some students, known by a Sunday, say in numbers.

    Every number is a count or a mean over records dated and known by `window_end`, of the school year
    (first day `year_start` of the student's school) unless a sentence names another span.
    """

    window_end: dt.date
    pass_mark: float
    sentences: dict[str, dict[int, str]] = field(default_factory=dict)

    def sentence(self, family: str, student: int) -> str:
        return self.sentences.get(family, {}).get(student, "")

    @classmethod
    def read(cls, students: Sequence[int], window_end: dt.date) -> RecordFacts:
        calendar = load_calendar()
        made = cls(window_end, Threshold.objects.value("pass_mark", window_end))
        ids = id_list(students)
        spans = school_spans(ids, window_end, calendar)
        made.sentences["absence"], made.sentences["tardiness"], made.sentences["activity"] = made._attendance(
            ids, spans, calendar
        )
        made.sentences["absence_before"] = made._absence_before(ids, spans, calendar)
        made.sentences |= made._grades(ids, spans)
        made.sentences["incidents"] = made._incidents(ids, spans)
        made.sentences["situation"] = made._situation(ids, spans)
        return made

    def _known(self, table: str, columns: str, ids: str, schema: dict[str, Any]) -> pl.DataFrame:
        day = self.window_end
        return frame(
            f"SELECT {columns} FROM {table} WHERE student_id IN ({ids}) AND recorded_at <= '{day}' "
            f"AND date <= '{day}'",
            schema,
        )

    def _days(self, ids: str) -> pl.DataFrame:
        records = self._known(
            "students_attendancerecord",
            "student_id, date, period, status, minutes_absent, minutes_present, recorded_at",
            ids,
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
        return day_facts(records)

    def _attendance(
        self, ids: str, spans: pl.DataFrame, calendar: Calendar
    ) -> tuple[dict[int, str], dict[int, str], dict[int, str]]:
        facts = self._days(ids).join(spans, on="student_id")
        days = (
            facts.join(calendar.days.select("school_id", "date"), on=["school_id", "date"], how="semi")
            .filter(pl.col("date") >= pl.col("year_start"))
            .sort("student_id", "date")
            .with_columns(
                (pl.len().over("student_id") - 1 - pl.int_range(pl.len()).over("student_id")).alias("ago")
            )
        )
        summary = days.group_by("student_id").agg(
            pl.col("absent").filter(pl.col("ago") < 20).sum().alias("recent"),
            pl.col("absent").filter(pl.col("ago") < 20).len().alias("recent_of"),
            pl.col("absent").filter((pl.col("ago") >= 20) & (pl.col("ago") < 40)).sum().alias("before"),
            pl.col("absent").filter((pl.col("ago") >= 20) & (pl.col("ago") < 40)).len().alias("before_of"),
            pl.col("absent").sum().alias("year"),
            pl.len().alias("year_of"),
            pl.col("unexcused").sum().alias("unexcused"),
            pl.col("tardy").filter(pl.col("ago") < 20).sum().alias("tardy"),
            pl.col("tardy").sum().alias("tardy_year"),
        )
        absence, tardiness = {}, {}
        for row in summary.to_dicts():
            text = (
                f"Missed {row['recent']} of the last {plural(row['recent_of'], 'school day', 'school days')}"
            )
            if row["before_of"]:
                text += f"; missed {row['before']} of the {row['before_of']} before"
            text += f". This year: {row['year']} of {row['year_of']}"
            if row["unexcused"]:
                text += f", {row['unexcused']} of them unexcused"
            absence[row["student_id"]] = text + "."
            tardiness[row["student_id"]] = (
                f"Late or left early on {row['tardy']} of the last "
                f"{plural(row['recent_of'], 'school day', 'school days')}; {row['tardy_year']} this year."
            )
        # Calendar weeks: the last seven days up to the Sunday, and the 28.
        since = [self.window_end - dt.timedelta(days=n) for n in (7, 28)]
        activity = {
            row["student_id"]: (
                f"Active on {plural(row['week'], 'day', 'days')} of the last week and {row['month']} of the last "
                f"28 days, {row['minutes']:,} minutes or clicks in these."
            )
            for row in facts.filter(pl.col("minutes").is_not_null().any().over("student_id"))
            .group_by("student_id")
            .agg(
                ((pl.col("date") > since[0]) & (pl.col("minutes") > 0)).sum().alias("week"),
                ((pl.col("date") > since[1]) & (pl.col("minutes") > 0)).sum().alias("month"),
                pl.col("minutes").filter(pl.col("date") > since[1]).sum().fill_null(0).alias("minutes"),
            )
            .to_dicts()
        }
        return absence, tardiness, activity

    def _absence_before(self, ids: str, spans: pl.DataFrame, calendar: Calendar) -> dict[int, str]:
        days = self._days(ids).join(spans, on="student_id").filter(pl.col("date") < pl.col("year_start"))
        named = calendar.days.select("date", "school_year").unique("date", keep="first")
        per_year = (
            days.join(named, on="date")
            .group_by("student_id", "school_year")
            .agg(pl.col("absent").sum(), pl.len().alias("of"), pl.col("date").max().alias("last"))
            .sort("last")
            .group_by("student_id")
            .last()
        )
        return {
            row["student_id"]: f"Missed {row['absent']} of {row['of']} school days in {row['school_year']}."
            for row in per_year.to_dicts()
        }

    def _grades(self, ids: str, spans: pl.DataFrame) -> dict[str, dict[int, str]]:
        core = District.current().core_subjects
        rows = self._known(
            "students_coursegrade",
            "student_id, course_code, course_name, subject, kind, item_key, assignment_id, date, percent, recorded_at",
            ids,
            {
                "student_id": pl.Int64,
                "course": pl.String,
                "name": pl.String,
                "subject": pl.String,
                "kind": pl.String,
                "item": pl.String,
                "assignment": pl.String,
                "date": pl.Date,
                "percent": pl.Float64,
                "recorded_at": pl.Date,
            },
        ).with_columns(
            pl.when(pl.col("name").fill_null("") == "").then("course").otherwise("name").alias("name"),
            pl.col("item").fill_null("")
            + pl.when(pl.col("assignment").fill_null("") == "")
            .then(pl.col("date").cast(pl.String))
            .otherwise(pl.lit("")),
        )
        rows = rows.join(spans, on="student_id")
        year = rows.filter(pl.col("date") >= pl.col("year_start"))
        latest = (
            year.filter(pl.col("kind") != "term")
            .sort("date", "recorded_at")
            .group_by("student_id", "course", "item", maintain_order=True)
            .last()
        )
        missing = {
            row["student_id"]: (
                f"{plural(row['open'], 'piece', 'pieces')} of work due this year not in"
                f" ({row['recent']} due in the last 28 days), of {row['all']}."
            )
            for row in latest.group_by("student_id")
            .agg(
                pl.col("percent").is_null().sum().alias("open"),
                (pl.col("percent").is_null() & (pl.col("date") > self.window_end - dt.timedelta(days=28)))
                .sum()
                .alias("recent"),
                pl.len().alias("all"),
            )
            .to_dicts()
        }
        # The calendar term in which the window ends, where the calendar names terms.
        term = latest.filter(pl.col("date") >= pl.col("term_start"))
        marks = (
            term.group_by("student_id", "course")
            .agg(
                pl.col("name").first(),
                pl.col("subject").first(),
                pl.col("percent").fill_null(0).mean().alias("mark"),
                pl.len().alias("n"),
            )
            .filter(pl.col("n") >= 3)
            .sort("mark")
        )
        course = {}
        for (student,), group in marks.group_by("student_id", maintain_order=True):
            failing = group.filter(pl.col("subject").is_in(core) & (pl.col("mark") < self.pass_mark))
            lowest = group.row(0, named=True)
            text = (
                f"Lowest running mark: {lowest['mark']:.0f} of 100 in {lowest['name']} over {lowest['n']} pieces of work"
                f" (passing is {self.pass_mark:g}; work not in counts 0)."
            )
            if failing.height:
                text += f" {plural(failing.height, 'core course', 'core courses')} below passing."
            course[int(student)] = text
        terms = rows.filter(
            (pl.col("kind") == "term") & pl.col("subject").is_in(core) & pl.col("percent").is_not_null()
        )
        before = {
            row["student_id"]: (
                f"Core term marks below passing: {row['now']} this year, {row['earlier']} in the years before."
            )
            for row in terms.group_by("student_id")
            .agg(
                ((pl.col("percent") < self.pass_mark) & (pl.col("date") >= pl.col("year_start")))
                .sum()
                .alias("now"),
                ((pl.col("percent") < self.pass_mark) & (pl.col("date") < pl.col("year_start")))
                .sum()
                .alias("earlier"),
            )
            .to_dicts()
        }
        return {"missing_work": missing, "course": course, "course_before": before}

    def _incidents(self, ids: str, spans: pl.DataFrame) -> dict[int, str]:
        rows = self._known(
            "students_disciplineincident",
            "student_id, date, action, days_removed, role",
            ids,
            {
                "student_id": pl.Int64,
                "date": pl.Date,
                "action": pl.String,
                "days": pl.Float64,
                "role": pl.String,
            },
        ).filter(pl.col("role") == "perpetrator")
        rows = rows.join(spans, on="student_id").filter(pl.col("date") >= pl.col("year_start"))
        out = pl.col("action").is_in(["out_of_school_suspension", "expulsion"])
        counted = rows.group_by("student_id").agg(
            pl.len().alias("n"),
            (pl.col("date") > self.window_end - dt.timedelta(days=56)).sum().alias("recent"),
            out.sum().alias("suspensions"),
            pl.col("days").filter(out).sum().alias("suspended"),
        )
        told = {
            row["student_id"]: (
                f"{plural(row['n'], 'incident', 'incidents')} this year, {row['recent']} in the last 8 weeks; "
                f"{plural(row['suspensions'], 'suspension', 'suspensions')} out of school"
                # Some files name the suspension and not its length.
                + (f", {plural(row['suspended'], 'day', 'days')} in all." if row["suspended"] else ".")
            )
            for row in counted.to_dicts()
        }
        return {
            student: told.get(student, "No incident recorded this year.") for student in spans["student_id"]
        }

    def _situation(self, ids: str, spans: pl.DataFrame) -> dict[int, str]:
        return {
            row["student_id"]: (
                f"Grade {row['grade_level']}, at this school since {row['since']:%B} {row['since'].day}, {row['since'].year}."
            )
            for row in spans.to_dicts()
        }


def school_spans(ids: str, window_end: dt.date, calendar: Calendar) -> pl.DataFrame:
    """Return student_id, school_id, grade_level, since, year_start, term_start of the enrollment in force."""
    enrollments = frame(
        "SELECT student_id, school_id, grade_level, start FROM students_enrollment "
        f"WHERE student_id IN ({ids}) AND start <= '{window_end}' "
        f'AND ("end" IS NULL OR "end" > \'{window_end}\') ORDER BY start, id',
        {"student_id": pl.Int64, "school_id": pl.Int64, "grade_level": pl.String, "since": pl.Date},
    ).unique("student_id", keep="last", maintain_order=True)
    past = calendar.days.filter(pl.col("date") <= window_end).sort("date")
    current = past.group_by("school_id", maintain_order=True).agg(
        pl.col("year_start").last(), pl.col("school_year").last(), pl.col("term").last()
    )
    terms = past.group_by("school_id", "school_year", "term").agg(pl.col("date").min().alias("term_start"))
    current = current.join(terms, on=["school_id", "school_year", "term"], how="left")
    return enrollments.join(
        current.select("school_id", "year_start", "term_start"), on="school_id", how="left"
    )
