"""What came of each student-week: three near-term events, and whether the year ended off track.

Definitions and masks are explained in docs/model-card.md. A label is masked (NaN) wherever the records
known at `as_of` do not settle it; a missing record is never taken as good news.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.calendar import Calendar, load_calendar
from features.extractors.attendance import day_facts
from mlcore.data import Examples, StudentWeeks
from students.frames import frame, id_list
from students.models import District, Threshold

HORIZON_DAYS = 56
MIN_SCHOOL_DAYS_LEFT = 20
MIN_OBSERVED_DAYS = 15
RESOLVED_SHARE = 0.95
SUBJECTIVE = ("defiance", "disrespect", "disruption", "insubordination")
CHUNK = 5_000
REVISION = 1

Numbers = NDArray[np.float64]


def label_definition_id(district: District, thresholds: dict[str, float]) -> str:
    """Return 12 hex digits that stand for this district's definition of off track."""
    told = {
        "revision": REVISION,
        "basis": district.label_basis,
        "outcomes": sorted(district.off_track_outcomes),
        "core": sorted(district.core_subjects),
        "in_school": district.behavior_includes_in_school,
        "thresholds": {name: thresholds[name] for name in sorted(thresholds)},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


@dataclass
class Timeline:
    """Dated amounts by student, so that a sum over any span of days is two look-ups."""

    key: NDArray[np.int64]
    total: Numbers

    @classmethod
    def of(cls, position: NDArray[np.int64], date: pl.Series, amount: NDArray) -> Timeline:
        key = position * 100_000 + date.to_numpy().astype("datetime64[D]").astype(np.int64)
        order = np.argsort(key, kind="stable")
        return cls(key[order], np.concatenate([[0.0], np.cumsum(amount[order].astype(np.float64))]))

    def between(
        self, position: NDArray[np.int64], after: NDArray[np.int64], upto: NDArray[np.int64]
    ) -> Numbers:
        """Return the sum over days in (after, upto] (day numbers) for each student position. [N]"""
        low = np.searchsorted(self.key, position * 100_000 + after, side="right")
        high = np.searchsorted(self.key, position * 100_000 + np.maximum(upto, after), side="right")
        return self.total[high] - self.total[low]


def examples(weeks: StudentWeeks, facts: pl.DataFrame, as_of: dt.date) -> Examples:
    """Label every student-week with what is known at `as_of`.

    Args:
        weeks, facts: as `features.windows.student_weeks` returns them, whole history.
        as_of: the day whose knowledge counts.
    """
    district = District.current()
    thresholds = Threshold.objects.values_on(as_of)
    calendar = load_calendar()
    names = calendar.school_years.group_by("school_year").agg(pl.col("first").min()).sort("first")
    ordinal = {name: i for i, name in enumerate(names["school_year"].to_list())}
    students = np.unique(weeks.student)
    labels = np.full((len(weeks), 4), np.nan, dtype=np.float32)
    horizon = np.full(len(weeks), np.datetime64("NaT"), dtype="datetime64[D]")
    year_end = _year_ends(facts, calendar)
    covered = _coverage(as_of)
    risk = YearLabels(district, thresholds, as_of, calendar, facts)
    for begin in range(0, len(students), CHUNK):
        part = students[begin : begin + CHUNK]
        low, high = np.searchsorted(weeks.student, [part[0], part[-1] + 1])
        rows = np.arange(low, high)
        near, ends = _near_term(
            weeks, facts, rows, part, year_end, calendar, covered, as_of, district, thresholds
        )
        labels[rows, :3] = near
        labels[rows, 3] = risk.of(weeks, facts, rows, part, year_end)
        horizon[rows] = np.where(np.isnan(labels[rows, 3]), ends, year_end[rows])
    people = frame(
        "SELECT id, state_id, district_id FROM students_student",
        {"student_id": pl.Int64, "state_id": pl.String, "district_id": pl.String},
    ).with_columns(
        pl.when(pl.col("state_id").fill_null("") == "")
        .then(pl.lit("d ") + pl.col("district_id"))
        .otherwise(pl.lit("s ") + pl.col("state_id"))
        .rank("dense")
        .cast(pl.Int64)
        .alias("person")
    )
    person = facts.join(people, on="student_id", how="left", maintain_order="left")["person"].to_numpy()
    some = np.flatnonzero(~np.isnan(labels).all(axis=1))
    return Examples(
        row=some.astype(np.int64),
        labels=labels[some],
        person=person[some],
        year=facts["school_year"].replace_strict(ordinal, return_dtype=pl.Int32).to_numpy()[some],
        school=facts["school_id"].to_numpy()[some],
        week_of_year=facts["week_of_year"].to_numpy()[some],
        horizon_end=horizon[some],
        weight=np.ones(len(some), dtype=np.float32),
    )


def _days(values: NDArray) -> NDArray[np.int64]:
    return values.astype("datetime64[D]").astype(np.int64)


def _year_ends(facts: pl.DataFrame, calendar: Calendar) -> NDArray:
    """Return the last school day of each row's school and year. [R]"""
    joined = facts.select("school_id", "school_year").join(
        calendar.school_years.select("school_id", "school_year", "last"),
        on=["school_id", "school_year"],
        how="left",
        maintain_order="left",
    )
    return joined["last"].to_numpy().astype("datetime64[D]")


def _coverage(as_of: dt.date) -> dict[str, dict[int, np.datetime64]]:
    """Return, for each feed, the last day on which each school sent something."""
    found: dict[str, dict[int, np.datetime64]] = {}
    for name, table in (("attendance", "students_attendancerecord"), ("grades", "students_coursegrade")):
        rows = frame(
            f"SELECT e.school_id, max(r.date) FROM {table} r JOIN students_enrollment e ON "
            'e.student_id = r.student_id AND e.start <= r.date AND (e."end" IS NULL OR e."end" >= r.date) '
            f"WHERE r.recorded_at <= '{as_of}' GROUP BY e.school_id",
            {"school_id": pl.Int64, "last": pl.Date},
        )
        found[name] = {school: np.datetime64(last) for school, last in rows.iter_rows()}
    incidents = frame(
        "SELECT min(date), max(date) FROM students_disciplineincident", {"first": pl.Date, "last": pl.Date}
    )
    found["discipline"] = (
        {0: np.datetime64(incidents["first"][0])} if incidents["first"][0] is not None else {}
    )
    return found


def _near_term(
    weeks: StudentWeeks,
    facts: pl.DataFrame,
    rows: NDArray[np.int64],
    students: NDArray[np.int64],
    year_end: NDArray,
    calendar: Calendar,
    covered: dict[str, dict[int, np.datetime64]],
    as_of: dt.date,
    district: District,
    thresholds: dict[str, float],
) -> tuple[NDArray, NDArray]:
    """Return the three near-term labels [n, 3] of some rows, and the day on which their horizon ends."""
    ids = id_list(students.tolist())
    known_by = as_of.isoformat()
    close = _days(weeks.week_end[rows])
    end = np.minimum(close + HORIZON_DAYS, _days(year_end[rows]))
    position = np.searchsorted(students, weeks.student[rows])
    school = facts["school_id"].to_numpy()[rows]
    out = np.full((len(rows), 3), np.nan)

    # school days of the horizon at the school of that week
    held = np.zeros(len(rows))
    for each in np.unique(school):
        dates = np.sort(_days(calendar.days.filter(pl.col("school_id") == int(each))["date"].to_numpy()))
        at = school == each
        held[at] = np.searchsorted(dates, end[at], side="right") - np.searchsorted(
            dates, close[at], side="right"
        )
    possible = held >= MIN_SCHOOL_DAYS_LEFT

    def complete(feed: str, lag: int) -> NDArray[np.bool_]:
        last = np.array(
            [
                _days(np.array(covered[feed].get(int(s), np.datetime64("1900-01-01"))))
                for s in np.unique(school)
            ]
        )
        by_school = dict(zip(np.unique(school).tolist(), last.tolist(), strict=True))
        reach = np.array([by_school[s] for s in school.tolist()])
        return (reach >= end - 6) & (end + lag <= np.datetime64(as_of).astype(np.int64))

    enrollments = frame(
        f'SELECT student_id, start, "end", exit_type FROM students_enrollment WHERE student_id IN ({ids}) '
        'AND "end" IS NOT NULL',
        {"student_id": pl.Int64, "start": pl.Date, "end": pl.Date, "exit_type": pl.String},
    )
    # An exit counts where no other enrollment follows within the horizon: the student is gone.
    later = frame(
        f"SELECT student_id, start FROM students_enrollment WHERE student_id IN ({ids})",
        {"student_id": pl.Int64, "start": pl.Date},
    )
    starts = Timeline.of(
        np.searchsorted(students, later["student_id"].to_numpy()), later["start"], np.ones(later.height)
    )
    exit_position = np.searchsorted(students, enrollments["student_id"].to_numpy())
    exit_day = _days(enrollments["end"].to_numpy())
    final = starts.between(exit_position, exit_day - 1, exit_day + 30) == 0
    gone = Timeline.of(
        exit_position[final], enrollments["end"].filter(pl.Series(final)), np.ones(int(final.sum()))
    )
    dropped = final & (enrollments["exit_type"].fill_null("") == "dropped_out").to_numpy()
    dropouts = Timeline.of(
        exit_position[dropped], enrollments["end"].filter(pl.Series(dropped)), np.ones(int(dropped.sum()))
    )
    exits = gone.between(position, close, end) > 0
    drops = dropouts.between(position, close, end) > 0

    records = frame(
        "SELECT student_id, date, period, status, minutes_absent, minutes_present, recorded_at "
        f"FROM students_attendancerecord WHERE student_id IN ({ids}) AND recorded_at <= '{known_by}'",
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
    days = day_facts(records).join(calendar.days.select("date").unique(), on="date", how="semi")
    at = np.searchsorted(students, days["student_id"].to_numpy())
    absent = Timeline.of(at, days["date"], days["absent"].to_numpy()).between(position, close, end)
    seen = Timeline.of(at, days["date"], np.ones(days.height)).between(position, close, end)
    observed = held if district.attendance_exceptions_only else seen
    enough = ~exits | (observed >= MIN_OBSERVED_DAYS)
    usable = (
        possible
        & enough
        & (observed >= MIN_OBSERVED_DAYS)
        & complete("attendance", district.attendance_lag_days)
    )
    rate = absent / np.maximum(observed, 1)
    positive = (rate >= thresholds["absence_rate"] - 1e-9) & (absent >= thresholds["absence_min_days"])
    out[usable, 0] = positive[usable]
    settled = possible & drops & (end + district.attendance_lag_days <= np.datetime64(as_of).astype(np.int64))
    out[settled, 0] = 1.0
    staying = possible & enough & ~drops

    if covered["discipline"]:
        actions = ["out_of_school_suspension", "expulsion"]
        if district.behavior_includes_in_school:
            actions.append("in_school_suspension")
        incidents = frame(
            "SELECT student_id, date, incident_type, action FROM students_disciplineincident "
            f"WHERE student_id IN ({ids}) AND recorded_at <= '{known_by}' AND role = 'perpetrator'",
            {"student_id": pl.Int64, "date": pl.Date, "type": pl.String, "action": pl.String},
        ).filter(
            pl.col("action").is_in(actions)
            & ~pl.col("type").str.to_lowercase().str.contains_any(list(SUBJECTIVE))
        )
        events = Timeline.of(
            np.searchsorted(students, incidents["student_id"].to_numpy()),
            incidents["date"],
            np.ones(incidents.height),
        ).between(position, close, end)
        # Few incidents make no daily feed; its reach is that of the attendance feed from the same system.
        fed = staying & complete("attendance", district.discipline_lag_days)
        fed &= close >= _days(np.array(covered["discipline"][0])) - 366
        out[fed, 1] = events[fed] > 0

    failing, known_mark = _marks_at(weeks, rows, end)
    marks = frame(
        "SELECT student_id, date, subject, percent FROM students_coursegrade WHERE kind = 'term' AND "
        f"student_id IN ({ids}) AND recorded_at <= '{known_by}' AND percent IS NOT NULL",
        {"student_id": pl.Int64, "date": pl.Date, "subject": pl.String, "percent": pl.Float64},
    ).filter(pl.col("subject").is_in(district.core_subjects))
    at = np.searchsorted(students, marks["student_id"].to_numpy())
    posted = Timeline.of(at, marks["date"], np.ones(marks.height)).between(position, close, end) > 0
    below = (marks["percent"] < thresholds["pass_mark"]).to_numpy()
    failed = Timeline.of(at, marks["date"], below).between(position, close, end) > 0
    graded = staying & (posted | known_mark) & complete("grades", district.grades_lag_days)
    out[graded, 2] = (failed | failing)[graded]
    return out, np.array(end, dtype="datetime64[D]")


def _marks_at(weeks: StudentWeeks, rows: NDArray, end: NDArray) -> tuple[NDArray, NDArray]:
    """Return whether a core course was failing, and whether any mark was known, at the horizon's end."""
    close = _days(weeks.week_end)
    block = np.concatenate([[0], np.cumsum(weeks.student[1:] != weeks.student[:-1])])
    key = block * 100_000 + close
    at = np.searchsorted(key, block[rows] * 100_000 + end + 6, side="right") - 1
    later = at > rows
    known = ~np.isnan(weeks.values[at, weeks.schema.column("lowest_core_margin")])
    failing = weeks.values[at, weeks.schema.column("core_failing_now")] > 0
    return later & failing, later & known


class YearLabels:
    """Off track by the year's end, one definition for the whole district-year."""

    def __init__(
        self,
        district: District,
        thresholds: dict[str, float],
        as_of: dt.date,
        calendar: Calendar,
        facts: pl.DataFrame,
    ) -> None:
        self.district, self.thresholds, self.as_of, self.calendar = district, thresholds, as_of, calendar
        self.outcomes = frame(
            "SELECT student_id, school_year, outcome, date_known FROM students_outcome "
            f"WHERE recorded_at <= '{as_of}'",
            {
                "student_id": pl.Int64,
                "school_year": pl.String,
                "outcome": pl.String,
                "date_known": pl.Boolean,
            },
        )
        self.closed = self._closed_years(facts)

    def _closed_years(self, facts: pl.DataFrame) -> dict[str, bool]:
        """Return the years that are over and whose end is known, and whether outcomes settle it."""
        ended = self.calendar.school_years.group_by("school_year").agg(pl.col("last").max())
        # The cohort of a year: whoever was enrolled in its school's last week.
        cohort = (
            facts.select("student_id", "school_id", "school_year", "week_number")
            .filter(pl.col("week_number") == pl.col("week_number").max().over("school_id", "school_year"))
            .group_by("school_year")
            .agg(pl.col("student_id").n_unique().alias("n"))
        )
        resolved = self.outcomes.group_by("school_year").agg(
            pl.col("student_id").n_unique().alias("resolved")
        )
        found = {}
        joined = ended.join(cohort, on="school_year", how="left").join(resolved, on="school_year", how="left")
        lag = max(
            self.district.attendance_lag_days, self.district.grades_lag_days, self.district.outcomes_lag_days
        )
        for name, last, n, count in joined.select(
            "school_year", "last", pl.col("n").fill_null(0), pl.col("resolved").fill_null(0)
        ).iter_rows():
            if last + dt.timedelta(days=lag) > self.as_of or not n:
                continue
            if count:
                if count >= RESOLVED_SHARE * n:
                    found[name] = True
            elif self.district.label_basis == District.LabelBasis.ANY:
                found[name] = False
        return found

    def of(
        self,
        weeks: StudentWeeks,
        facts: pl.DataFrame,
        rows: NDArray[np.int64],
        students: NDArray[np.int64],
        year_end: NDArray,
    ) -> NDArray:
        """Return the label of each row [n]; the same for all of a student's weeks of a year."""
        table = (
            facts[rows]
            .select("student_id", "school_id", "school_year")
            .with_columns(pl.Series("end", year_end[rows]))
        )
        years = table.unique(["student_id", "school_year"], keep="last").filter(
            pl.col("school_year").is_in(list(self.closed))
        )
        if years.is_empty():
            return np.full(len(rows), np.nan)
        years = years.join(self.outcomes, on=["student_id", "school_year"], how="left")
        off = self.district.off_track_outcomes
        by_outcome = pl.col("outcome").is_in(off).fill_null(False)
        years = years.join(self._left(students), on="student_id", how="left").with_columns(
            by_outcome.alias("off_outcome"),
            (
                (pl.col("outcome").is_in(["transferred", "withdrawn", "other"]) & ~by_outcome)
                | (pl.col("date_known") == False)  # noqa: E712  # null is not false
            )
            .fill_null(False)
            .alias("masked"),
        )
        if self.district.label_basis == District.LabelBasis.OUTCOME:
            years = years.with_columns(
                pl.when(pl.col("masked") | pl.col("outcome").is_null())
                .then(None)
                .otherwise(pl.col("off_outcome").cast(pl.Float64))
                .alias("label")
            )
        else:
            years = self._by_any(years, weeks, rows, students)
        joined = table.join(
            years.select("student_id", "school_year", "label"),
            on=["student_id", "school_year"],
            how="left",
            maintain_order="left",
        )
        return joined["label"].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    def _left(self, students: NDArray[np.int64]) -> pl.DataFrame:
        """Return each student's last exit and its type, where no enrollment is open."""
        found = frame(
            'SELECT student_id, max("end"), count(*) - count("end") FROM students_enrollment '
            f"WHERE student_id IN ({id_list(students.tolist())}) GROUP BY student_id",
            {"student_id": pl.Int64, "left": pl.Date, "open": pl.Int64},
        )
        return found.filter(pl.col("open") == 0).select("student_id", "left")

    def _by_any(
        self, years: pl.DataFrame, weeks: StudentWeeks, rows: NDArray[np.int64], students: NDArray[np.int64]
    ) -> pl.DataFrame:
        """Add the label where an outcome, a tenth of the year absent or a failed core course makes it."""
        # The year's last row of the student holds its rates and running marks.
        schema = weeks.schema
        last = pl.DataFrame(
            {
                "student_id": weeks.student[rows],
                "week_end": weeks.week_end[rows],
                "absence": weeks.values[rows, schema.column("absence_rate_year")].astype(np.float64),
                "failing": weeks.values[rows, schema.column("core_failing_now")].astype(np.float64),
            }
        ).with_columns(pl.col("absence").fill_nan(None))
        spans = self.calendar.school_years.select("school_id", "school_year", "first", "last")
        years = years.join(spans, on=["school_id", "school_year"], how="left")
        at_end = (
            years.select("student_id", "school_year", "first", "last")
            .join(last, on="student_id")
            .filter(
                (pl.col("week_end") >= pl.col("first"))
                & (pl.col("week_end") <= pl.col("last") + pl.duration(days=6))
            )
            .sort("week_end")
            .group_by("student_id", "school_year")
            .agg(pl.col("absence", "failing", "week_end").last(), pl.len().alias("weeks_enrolled"))
        )
        marks = frame(
            "SELECT student_id, course_code, date, subject, percent FROM students_coursegrade "
            f"WHERE kind = 'term' AND percent IS NOT NULL AND recorded_at <= '{self.as_of}' "
            f"AND student_id IN ({id_list(students.tolist())})",
            {
                "student_id": pl.Int64,
                "course": pl.String,
                "date": pl.Date,
                "subject": pl.String,
                "percent": pl.Float64,
            },
        ).filter(pl.col("subject").is_in(self.district.core_subjects))
        failed = (
            years.select("student_id", "school_year", "first", "last")
            .join(marks, on="student_id")
            .filter(
                (pl.col("date") >= pl.col("first"))
                & (pl.col("date") <= pl.col("last") + pl.duration(days=14))
            )
            .group_by("student_id", "school_year", "course")
            .agg(pl.col("percent").mean())
            .group_by("student_id", "school_year")
            .agg((pl.col("percent") < self.thresholds["pass_mark"]).any().alias("failed"))
        )
        years = years.join(at_end, on=["student_id", "school_year"], how="left").join(
            failed, on=["student_id", "school_year"], how="left"
        )
        enough = pl.col("weeks_enrolled") * 5 >= self.thresholds["min_days_enrolled"]
        absent = (enough & (pl.col("absence") >= self.thresholds["absence_rate"] - 1e-9)).fill_null(False)
        course = pl.coalesce(pl.col("failed"), pl.col("failing") > 0).fill_null(False)
        settled = pl.col("school_year").replace_strict(self.closed, default=False, return_dtype=pl.Boolean)
        left_early = (pl.col("left") < pl.col("last")).fill_null(False) & ~pl.col("off_outcome")
        unknown = settled & pl.col("outcome").is_null()
        return years.with_columns(
            pl.when(pl.col("masked") | left_early | unknown)
            .then(None)
            .otherwise((pl.col("off_outcome") | absent | course).cast(pl.Float64))
            .alias("label")
        )
