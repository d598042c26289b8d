"""Discipline: incidents and the days of school they cost."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.extractors.base import Cohort, FeatureExtractor, Grid
from students.frames import frame
from students.models import DisciplineIncident

MOST_SINCE = 60.0


class DisciplineExtractor(FeatureExtractor):
    modality = "discipline"

    def read(self, ids: str, known_by: str) -> pl.DataFrame:
        return frame(
            "SELECT student_id, date, action, days_removed, recorded_at FROM students_disciplineincident "
            f"WHERE student_id IN ({ids}) AND recorded_at <= '{known_by}' AND date <= '{known_by}' "
            "AND role = 'perpetrator'",
            {
                "student_id": pl.Int64,
                "date": pl.Date,
                "action": pl.String,
                "days_removed": pl.Float64,
                "recorded_at": pl.Date,
            },
        )

    def compute(self, records: pl.DataFrame, cohort: Cohort) -> tuple[dict[str, Grid], NDArray[np.bool_]]:
        row = cohort.position(records["student_id"])
        event = cohort.calendar.week_of(records["date"])
        inside = event < cohort.shape[1]
        records, row, event = records.filter(pl.Series(inside)), row[inside], event[inside]
        known = np.maximum(cohort.calendar.week_of(records["recorded_at"]), event)
        first, past = cohort.known_year(row, event)
        next_first, next_past = cohort.next_year(row, event)
        out_of_school = records["action"].is_in(["out_of_school_suspension", "expulsion"]).to_numpy()
        in_school = (records["action"] == "in_school_suspension").to_numpy()
        # A suspension without its length took a day at least.
        days = np.maximum(records["days_removed"].to_numpy(), (out_of_school | in_school).astype(float))
        everything = np.ones(len(row), dtype=bool)

        def last(mask: NDArray[np.bool_], n: int, value: NDArray | None = None) -> Grid:
            return cohort.interval_sum(
                row[mask], known[mask], event[mask] + n, 1.0 if value is None else value[mask]
            )

        def this_year(mask: NDArray[np.bool_], value: NDArray | None = None) -> Grid:
            begin = np.maximum(known, first)[mask]
            return cohort.interval_sum(row[mask], begin, past[mask], 1.0 if value is None else value[mask])

        latest = cohort.running_max(row, known, event.astype(np.float64))
        since = np.arange(cohort.shape[1])[None, :] - latest
        out = {
            "referrals_4w": last(everything, 4),
            "referrals_8w": last(everything, 8),
            "referrals_year": this_year(everything),
            "in_school_days_year": this_year(in_school, days),
            "suspension_days_8w": last(out_of_school, 8, days),
            "suspension_days_year": this_year(out_of_school, days),
            "suspension_days_last_year": cohort.interval_sum(
                row[out_of_school],
                np.maximum(known, next_first)[out_of_school],
                np.maximum(next_past, next_first)[out_of_school],
                days[out_of_school],
            ),
            "weeks_since_incident": np.where(np.isfinite(since), np.minimum(since, MOST_SINCE), MOST_SINCE),
        }
        feed = DisciplineIncident.objects.exists()
        return out, np.full(cohort.shape, feed)
