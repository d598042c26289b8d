"""Made student-weeks: absence that follows a hidden strain, and an end that follows both."""

from __future__ import annotations

import numpy as np

from mlcore.data import Examples, StudentWeeks
from mlcore.schema import FeatureSchema, FeatureSpec

SCHEMA = FeatureSchema(
    (
        FeatureSpec("absence_rate_year", "attendance", relative=True),
        FeatureSpec("absence_rate_4w", "attendance", relative=True),
        FeatureSpec("core_failing_now", "grades"),
        FeatureSpec("mean_mark", "grades", relative=True),
        FeatureSpec("suspension_days_year", "discipline"),
        FeatureSpec("week_of_year", "static"),
    )
)


def made_weeks(
    students: int = 300, years: int = 3, weeks: int = 12, seed: int = 0
) -> tuple[StudentWeeks, Examples]:
    """Return the weeks of `students` over `years` school years, and labelled examples of all of them."""
    random = np.random.default_rng(seed)
    strain = random.normal(size=students)
    rows = years * weeks
    week = np.arange(rows)
    level = 1 / (1 + np.exp(-(strain[:, None] - 2 + 0.3 * random.normal(size=(students, rows)))))
    values = np.stack(
        [
            level,
            np.clip(level + 0.05 * random.normal(size=level.shape), 0, 1),
            random.poisson(2 * level).astype(float),
            90 - 40 * level + 5 * random.normal(size=level.shape),
            random.poisson(0.3 * level).astype(float),
            np.broadcast_to(1 + week % weeks, level.shape),
        ],
        axis=-1,
    ).astype(np.float32)
    values[random.random(values.shape) < 0.02] = np.nan
    cohort = np.tile(week, students).astype(np.int32)
    flat = values.reshape(-1, len(SCHEMA.features))
    made = StudentWeeks(
        schema=SCHEMA,
        values=flat,
        student=np.repeat(np.arange(1, students + 1), rows),
        week_number=np.tile(week, students).astype(np.int32),
        week_end=np.tile(np.datetime64("2020-01-05") + 7 * week, students).astype("datetime64[D]"),
        present=np.ones((students * rows, 3), dtype=bool),
        cohort=cohort,
        cohort_median=np.nanmedian(values, axis=0),
        cohort_mean=np.nanmean(values, axis=0),
        cohort_sd=np.nanstd(values, axis=0),
    )
    chance = 1 / (1 + np.exp(-(1.5 * strain[:, None] - 1 + 0.5 * random.normal(size=(students, years)))))
    end = (random.random((students, years)) < chance).astype(np.float32)
    year = np.tile(week // weeks, students).astype(np.int32)
    risk = end[np.repeat(np.arange(students), rows), year]
    labels = np.stack([risk, np.full_like(risk, np.nan), risk, risk], axis=1)
    last_day = np.datetime64("2020-01-05") + 7 * ((year + 1) * weeks - 1)
    return made, Examples(
        row=np.arange(len(flat)),
        labels=labels,
        person=made.student.copy(),
        year=year,
        school=np.ones(len(flat), dtype=np.int64),
        week_of_year=(1 + np.tile(week % weeks, students)).astype(np.int32),
        horizon_end=last_day.astype("datetime64[D]"),
        weight=np.ones(len(flat), dtype=np.float32),
    )
