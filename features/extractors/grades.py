"""Grades: running marks by course and term, failing core courses, and work that is due and not in.

An assignment may have several dated rows; the latest one known counts. So each row holds from the week
it became known until the week the next row of the same assignment did.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.extractors.base import Cohort, FeatureExtractor, Grid, ratio
from students.frames import frame

MIN_ITEMS = 3  # fewer make no running mark that may be called failing


class GradesExtractor(FeatureExtractor):
    modality = "grades"

    def read(self, ids: str, known_by: str) -> pl.DataFrame:
        return frame(
            "SELECT student_id, course_code, subject, kind, term, item_key, assignment_id, date, percent, weight, "
            f"recorded_at FROM students_coursegrade WHERE student_id IN ({ids}) "
            f"AND recorded_at <= '{known_by}' AND date <= '{known_by}'",
            {
                "student_id": pl.Int64,
                "course": pl.String,
                "subject": pl.String,
                "kind": pl.String,
                "term": pl.String,
                "item": pl.String,
                "assignment": pl.String,
                "date": pl.Date,
                "percent": pl.Float64,
                "weight": pl.Float64,
                "recorded_at": pl.Date,
            },
        ).with_columns(pl.col("term", "assignment", "item").fill_null(""))

    def compute(self, records: pl.DataFrame, cohort: Cohort) -> tuple[dict[str, Grid], NDArray[np.bool_]]:
        size, weeks = cohort.shape
        core = cohort.district.core_subjects
        pass_mark = cohort.thresholds["pass_mark"]
        records = held_rows(records, cohort)
        row = cohort.position(records["student_id"])
        event, known, until = (records[name].to_numpy() for name in ("event", "known", "until"))
        first, past = cohort.known_year(row, event)
        is_core = records["subject"].is_in(core).to_numpy()
        is_term = (records["kind"] == "term").to_numpy()
        percent = records["percent"].to_numpy()
        missing = np.isnan(percent)
        score = np.where(missing, 0.0, percent)
        item = ~is_term
        begin = np.maximum(known, first)

        def hold(mask: NDArray[np.bool_], end: NDArray, value: NDArray | float = 1.0) -> Grid:
            amount = value[mask] if isinstance(value, np.ndarray) else value
            return cohort.interval_sum(row[mask], begin[mask], np.minimum(end, until)[mask], amount)

        out: dict[str, Grid] = {}
        items = hold(item, past)
        out["items_year"] = items
        out["missing_2w"] = hold(item & missing, np.minimum(event + 2, past))
        out["missing_4w"] = hold(item & missing, np.minimum(event + 4, past))
        out["missing_open"] = hold(item & missing, past)
        first_row = records["first_of_item"].to_numpy() & item
        ever_missing = cohort.interval_sum(
            row[first_row & missing], begin[first_row & missing], past[first_row & missing]
        )
        pieces = cohort.interval_sum(row[first_row], begin[first_row], past[first_row])
        out["missed_due_share"] = ratio(ever_missing, pieces)
        done = item & ~missing
        out["recent_score_4w"] = ratio(
            hold(done, np.minimum(event + 4, past), score), hold(done, np.minimum(event + 4, past))
        )
        count = hold(done, past)
        mean = ratio(hold(done, past, score), count)
        square = ratio(hold(done, past, score**2), count)
        out["score_spread_year"] = np.where(
            count >= MIN_ITEMS, np.sqrt(np.maximum(square - mean**2, 0)), np.nan
        )

        marks = running_marks(records, cohort, row, begin, past, score, item)
        out |= summaries_of_marks(marks, (size, weeks), pass_mark)
        out["core_failing_now"] = np.where(out.pop("_marked") > 0, out["core_failing_now"], 0.0)

        term = is_term & is_core & ~missing
        failed = term & (percent < pass_mark)
        # Failed in the latest term that closed: term marks hold until the next one of the same course.
        latest = cohort.interval_sum(
            row[failed], begin[failed], np.minimum(records["next_term"].to_numpy(), past)[failed]
        )
        out["core_failing_last_term"] = latest
        next_first, next_past = cohort.next_year(row, event)
        before = cohort.interval_sum(
            row[failed], np.maximum(known, next_first)[failed], np.maximum(next_past, next_first)[failed]
        )
        out["core_failing_last_year"] = np.where(_had_year_before(cohort), before, np.nan)
        return out, items + hold(is_term, past) > 0


def held_rows(records: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """Give every row its event week, known week, the week until which it holds, and its term on the calendar.

    Rows of one assignment are ordered by date; a row that became known after a later-dated one never holds.
    """
    weeks = cohort.shape[1]
    event = cohort.calendar.week_of(records["date"])
    known = np.maximum(cohort.calendar.week_of(records["recorded_at"]), event)
    row = cohort.position(records["student_id"])
    inside = event < weeks
    year = np.full(len(event), -1)
    year[inside] = cohort.year[row[inside], event[inside]]
    # Work dated in the summer falls to the next school week but not into the next school year.
    first = np.where(inside, cohort.year_first[row, np.minimum(event, weeks - 1)], 0)
    monday = cohort.calendar.week_end[np.maximum(first, 0)] - np.timedelta64(6, "D")
    year[records["date"].to_numpy().astype("datetime64[D]") < monday] = -1
    records = records.with_columns(
        pl.Series("event", event, dtype=pl.Int64),
        pl.Series("known", known, dtype=pl.Int64),
        pl.Series("year", year, dtype=pl.Int64),
    ).filter(pl.col("year") >= 0)
    item = ["student_id", "course", "year", "item", "kind"]
    # Items without an identifier of their own are one row each: their date is part of what they are.
    records = records.with_columns(
        pl.when(pl.col("assignment") == "")
        .then(pl.col("item") + "|" + pl.col("date").cast(pl.String))
        .otherwise(pl.col("item"))
        .alias("item")
    ).sort([*item, "date", "recorded_at"])
    records = records.with_columns(
        # the earliest moment at which any later-dated row of the item is known
        pl.col("known").reverse().cum_min().reverse().shift(-1).over(item).fill_null(weeks).alias("until"),
        (pl.int_range(pl.len()).over(item) == 0).alias("first_of_item"),
    )
    course = ["student_id", "course", "year", "kind"]
    return records.sort([*course, "date"]).with_columns(
        pl.when(pl.col("kind") == "term")
        .then(pl.col("known").shift(-1).over(course).fill_null(weeks))
        .otherwise(weeks)
        .alias("next_term")
    )


def running_marks(
    records: pl.DataFrame,
    cohort: Cohort,
    row: NDArray,
    begin: NDArray,
    past: NDArray,
    score: NDArray,
    item: NDArray[np.bool_],
) -> pl.DataFrame:
    """Return student row, week, core, mark and items of every course with work in the running term.

    The mark is the weighted mean of what counts at that week, work that is due and not in as 0; all
    weights 0 means equal weights. The term is the calendar's at the date of the work.
    """
    weeks = cohort.shape[1]
    event = records["event"].to_numpy()
    school = cohort.school[row, np.minimum(event, weeks - 1)]
    term_weeks = (
        cohort.calendar.school_weeks.group_by("school_id", "school_year", "term")
        .agg(pl.col("week").min().alias("term_first"), pl.col("week").max().alias("term_last"))
        .join(
            cohort.calendar.school_weeks.select("school_id", "school_year", "term", "week"),
            on=["school_id", "school_year", "term"],
        )
        .select("school_id", "week", "term_first", "term_last")
    )
    rows = pl.DataFrame(
        {
            "row": row,
            "course": records["course"],
            "core": records["subject"].is_in(cohort.district.core_subjects),
            "begin": begin,
            "until": np.minimum(records["until"].to_numpy(), past),
            "score": score,
            "weight": records["weight"],
            "school_id": school,
            "week": event,
        }
    ).filter(pl.Series(item))
    rows = rows.join(term_weeks, on=["school_id", "week"], how="left").with_columns(
        pl.min_horizontal("until", pl.col("term_last").fill_null(weeks) + 1).alias("end"),
        pl.when((pl.col("weight") > 0).any().over("row", "course", "term_first"))
        .then(pl.col("weight"))
        .otherwise(1.0)
        .alias("weight"),
    )
    rows = rows.filter(pl.col("begin") < pl.col("end"))
    if rows.is_empty():
        return pl.DataFrame(
            schema={
                "row": pl.Int64,
                "week": pl.Int64,
                "core": pl.Boolean,
                "mark": pl.Float64,
                "items": pl.Int64,
            }
        )
    # Steps: what each course's sums change by, week for week; then run along the weeks.
    up = rows.select(
        "row",
        "course",
        "core",
        "term_first",
        pl.col("begin").alias("week"),
        pl.col("end").alias("stop"),
        (pl.col("score") * pl.col("weight")).alias("points"),
        "weight",
        pl.lit(1).alias("items"),
    )
    down = up.with_columns(
        pl.col("stop").alias("week"), -pl.col("points"), -pl.col("weight"), -pl.col("items")
    )
    key = ["row", "course", "term_first"]
    steps = (
        pl.concat([up, down])
        .group_by([*key, "week"])
        .agg(pl.col("core").first(), pl.col("points", "weight", "items").sum())
        .sort([*key, "week"])
        .with_columns(
            pl.col("points", "weight", "items").cum_sum().over(key),
            pl.col("week").shift(-1).over(key).fill_null(0).alias("next"),
        )
        .filter((pl.col("items") > 0) & (pl.col("next") > pl.col("week")))
        .with_columns(pl.int_ranges("week", "next").alias("week"))
        .explode("week")
        .filter(pl.col("week") < weeks)
    )
    return steps.select("row", "week", "core", (pl.col("points") / pl.col("weight")).alias("mark"), "items")


def summaries_of_marks(marks: pl.DataFrame, shape: tuple[int, int], pass_mark: float) -> dict[str, Grid]:
    """Return the features of the running marks as grids."""
    core = marks.filter("core")
    grouped = marks.group_by("row", "week").agg(
        pl.col("mark").mean().alias("mean_mark"), pl.len().alias("_marked")
    )
    failing = (pl.col("mark") < pass_mark) & (pl.col("items") >= MIN_ITEMS)
    core_grouped = core.group_by("row", "week").agg(
        pl.col("mark").mean().alias("mean_mark_core"),
        (pl.col("mark").min() - pass_mark).alias("lowest_core_margin"),
        failing.sum().alias("core_failing_now"),
    )

    def grid(frame_: pl.DataFrame, name: str, empty: float) -> Grid:
        out = np.full(shape, empty)
        out[frame_["row"].to_numpy(), frame_["week"].to_numpy()] = frame_[name].to_numpy()
        return out

    out = {
        "mean_mark": grid(grouped, "mean_mark", np.nan),
        "mean_mark_core": grid(core_grouped, "mean_mark_core", np.nan),
        "lowest_core_margin": grid(core_grouped, "lowest_core_margin", np.nan),
        "core_failing_now": grid(core_grouped, "core_failing_now", 0.0),
        "_marked": grid(grouped, "_marked", 0.0),
    }
    change = np.full(shape, np.nan)
    change[:, 4:] = out["mean_mark"][:, 4:] - out["mean_mark"][:, :-4]
    out["mark_change_4w"] = change
    return out


def _had_year_before(cohort: Cohort) -> NDArray[np.bool_]:
    """Tell where the student was enrolled in an earlier school year. [S, T]"""
    year = cohort.year.astype(np.float64)
    year[cohort.year < 0] = np.inf
    earliest = np.minimum.accumulate(year, axis=1)
    return earliest < cohort.year
