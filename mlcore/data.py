"""Student-weeks as arrays, and the examples cut out of them.

The rows of one student lie together in the order of time, so a window is a slice: the rows of the last
40 school weeks up to and including the row at which it is cut. Nothing after that row is ever gathered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlcore.schema import FeatureSchema

WINDOW = 40  # school weeks
MIN_WEEKS = 2  # fewer rows in the window is too little to say anything

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass
class StudentWeeks:
    """One row for each student and each school week in which the student was enrolled.

    Attributes:
        schema: names the columns of `values` and of the cohort tables.
        values: [R, F] raw features; NaN where missing.
        student: [R] opaque key; the rows of one student lie together, `week_number` rising.
        week_number: [R] ordinal of the week among the district's school weeks.
        week_end: [R] the Sunday that closes the week, datetime64[D].
        present: [R, 3] whether the feed of each modality has data for the row.
        cohort: [R] row of the cohort tables (same school, grade and week), -1 for none.
        cohort_median, cohort_mean, cohort_sd: [C, F].
    """

    schema: FeatureSchema
    values: Floats
    student: Ints
    week_number: NDArray[np.int32]
    week_end: NDArray[np.datetime64]
    present: NDArray[np.bool_]
    cohort: NDArray[np.int32]
    cohort_median: Floats
    cohort_mean: Floats
    cohort_sd: Floats

    def __post_init__(self) -> None:
        rows, columns = self.values.shape
        if columns != len(self.schema.features):
            raise ValueError(
                f"values have {columns} columns, the schema {len(self.schema.features)} features"
            )
        for name in ("student", "week_number", "week_end", "present", "cohort"):
            if len(getattr(self, name)) != rows:
                raise ValueError(f"{name} has {len(getattr(self, name))} rows, values have {rows}")
        if rows > 1:
            same = self.student[1:] == self.student[:-1]
            if (np.diff(self.week_number)[same] <= 0).any():
                raise ValueError("the weeks of a student must rise from row to row")
            if len(np.unique(self.student)) != 1 + int((~same).sum()):
                raise ValueError("the rows of a student must lie together")

    def __len__(self) -> int:
        return len(self.student)

    @cached_property
    def window_start(self) -> Ints:
        """Return, for each row, the first row of the window that ends there. Shape [R]."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        block = np.concatenate([[0], np.cumsum(self.student[1:] != self.student[:-1])]).astype(np.int64)
        number = self.week_number.astype(np.int64) - int(self.week_number.min())
        stride = int(number.max()) + WINDOW + 2  # keeps the weeks of two students apart
        key = block * stride + number
        return np.searchsorted(key, key - WINDOW + 1).astype(np.int64)

    def window_length(self, rows: Ints) -> Ints:
        """Return how many rows the windows that end at `rows` have. Shape [N]."""
        return rows - self.window_start[rows] + 1

    def select(self, names: tuple[str, ...]) -> StudentWeeks:
        """Return the same weeks with these features alone, in this order."""
        if names == self.schema.names:
            return self
        schema = self.schema.select(names)
        columns = np.array([self.schema.names.index(name) for name in names])
        return StudentWeeks(
            schema=schema,
            values=self.values[:, columns],
            student=self.student,
            week_number=self.week_number,
            week_end=self.week_end,
            present=self.present,
            cohort=self.cohort,
            cohort_median=self.cohort_median[:, columns],
            cohort_mean=self.cohort_mean[:, columns],
            cohort_sd=self.cohort_sd[:, columns],
        )


@dataclass
class Examples:
    """Student-weeks cut at their `as_of`, with what came of them.

    Attributes:
        row: [N] last row of the window in StudentWeeks.
        labels: [N, 4] in the order of HEADS; NaN where masked.
        person: [N] the human being, who may sit in several years and be several students.
        year: [N] ordinal of the school year.
        school: [N].
        week_of_year: [N] school week of that year, from 1.
        horizon_end: [N] last day that any label looks at, datetime64[D].
        weight: [N].
    """

    row: Ints
    labels: Floats
    person: Ints
    year: NDArray[np.int32]
    school: Ints
    week_of_year: NDArray[np.int32]
    horizon_end: NDArray[np.datetime64]
    weight: Floats

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: NDArray[np.bool_] | Ints) -> Examples:
        return Examples(**{entry.name: getattr(self, entry.name)[which] for entry in fields(self)})


@dataclass
class Windows:
    """A batch of windows, as long as its longest; rows beyond a window's length are padding.

    values [B, L, F] raw with NaN, relative [B, L, Q] in cohort deviations with NaN, present [B, L, 3],
    gap [B, L] school weeks since the row before (1 where none is missing), length [B], rows [B, L].
    """

    values: Floats
    relative: Floats
    present: NDArray[np.bool_]
    gap: Floats
    length: Ints
    rows: Ints


def gather(weeks: StudentWeeks, rows: Ints, *, to_median: bool = False) -> Windows:
    """Return the windows that end at `rows`.

    Args:
        weeks: the student-weeks.
        rows: [B] last rows.
        to_median: give every week the median of its cohort instead of the student's own values (the
            baseline of explanations); where a value is missing, or no median is known, it stays.
    """
    start, length = weeks.window_start[rows], weeks.window_length(rows)
    steps = np.arange(int(length.max()) if len(rows) else 0)
    index = np.minimum(start[:, None] + steps, rows[:, None])
    inside = steps < length[:, None]
    values = weeks.values[index]
    cohort = weeks.cohort[index]
    if to_median:
        median = weeks.cohort_median[cohort] if len(weeks.cohort_median) else np.full_like(values, np.nan)
        known = (cohort >= 0)[..., None] & ~np.isnan(median) & ~np.isnan(values)
        values = np.where(known, median, values)
    columns = weeks.schema.relative
    if len(weeks.cohort_mean) and len(columns):
        spread = weeks.cohort_sd[cohort][..., columns]
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = (values[..., columns] - weeks.cohort_mean[cohort][..., columns]) / spread
        relative[~np.isfinite(relative) | (cohort < 0)[..., None]] = np.nan
    else:
        relative = np.full((*index.shape, len(columns)), np.nan, dtype=np.float32)
    number = weeks.week_number[index].astype(np.float32)
    gap = np.ones_like(number)
    gap[:, 1:] = np.maximum(number[:, 1:] - number[:, :-1], 1)
    return Windows(
        values=values.astype(np.float32, copy=False),
        relative=relative.astype(np.float32, copy=False),
        present=weeks.present[index] & inside[..., None],
        gap=gap,
        length=length,
        rows=np.where(inside, index, -1),
    )


def batches(weeks: StudentWeeks, rows: Ints, batch_size: int, *, seed: int | None = None) -> Iterator[Ints]:
    """Yield positions into `rows`, batch by batch, windows of similar length together.

    With a seed the order is shuffled, reproducibly, and lengths are only roughly sorted (buckets of 50
    batches); without, it is strictly by length, which wastes the least padding.
    """
    length = weeks.window_length(rows)
    if seed is None:
        order = np.argsort(length, kind="stable")
        for at in range(0, len(order), batch_size):
            yield order[at : at + batch_size]
        return
    random = np.random.default_rng(seed)
    order = random.permutation(len(rows))
    bucket = batch_size * 50
    cut: list[Ints] = []
    for at in range(0, len(order), bucket):
        part = order[at : at + bucket]
        part = part[np.argsort(length[part], kind="stable")]
        cut.extend(part[i : i + batch_size] for i in range(0, len(part), batch_size))
    for i in random.permutation(len(cut)):
        yield cut[i]
