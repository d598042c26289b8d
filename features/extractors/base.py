"""Sums over weeks that respect when each fact became known.

A fact of week e that became known in week k may count in the rows of weeks >= k only. A sum over the
last n weeks at row w takes facts with w - n < e <= w that were known by w: each fact counts in the rows
[k, e + n). So every windowed sum is a sum of values over intervals of rows, done by adding at the
interval's begin, taking away at its end, and summing along the weeks once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.calendar import Calendar
from students.models import District

Grid = NDArray[np.float64]  # [S, T]: students by school weeks
Index = NDArray[np.int64]


@dataclass
class Cohort:
    """The students of one chunk on the grid of school weeks.

    thresholds: cut scores in force; students [S] ids, ascending; school [S, T] id of the school of the enrollment in force at
    the week's end (-1: none); grade [S, T] its grade; days [S, T] enrolled school days in the week; year [S, T] ordinal of the
    school year of that school and week (-1: none); year_first, year_last [S, T] first and last week of
    that school year; year_days [S, T] school days of that year.
    """

    district: District
    thresholds: dict[str, float]
    calendar: Calendar
    students: Index
    school: Index
    grade: NDArray[np.str_]
    days: Grid
    year: Index
    year_first: Index
    year_last: Index
    year_days: Grid

    @property
    def shape(self) -> tuple[int, int]:
        return self.school.shape[0], self.school.shape[1]

    def position(self, ids: pl.Series) -> Index:
        """Return the grid row of each student id (all must be of this chunk). [N]"""
        return np.searchsorted(self.students, ids.to_numpy())

    def own_week(self, row: Index, event: Index) -> Index:
        """Move events of weeks in which the student has no row to the next one that has. [N]

        Activity before the first day of school counts in the first week.
        """
        weeks = self.shape[1]
        inside = event < weeks
        moved = event.copy()
        moved[inside] = self._next_enrolled[row[inside], event[inside]]
        return moved

    def interval_sum(self, row: Index, begin: Index, end: Index, value: NDArray | float = 1.0) -> Grid:
        """Return, at every row and week, the sum of the values whose [begin, end) holds the week. [S, T]"""
        size, weeks = self.shape
        begin, end = np.minimum(begin, weeks), np.minimum(end, weeks)
        some = begin < end
        amount = np.broadcast_to(np.asarray(value, dtype=np.float64), row.shape)[some]
        flat = np.bincount(row[some] * (weeks + 1) + begin[some], amount, minlength=size * (weeks + 1))
        flat = flat - np.bincount(row[some] * (weeks + 1) + end[some], amount, minlength=size * (weeks + 1))
        found: Grid = np.cumsum(flat.reshape(size, weeks + 1)[:, :weeks], axis=1)
        return found

    def running_max(self, row: Index, begin: Index, value: NDArray) -> Grid:
        """Return the largest value begun by each week; -inf where none. [S, T]"""
        size, weeks = self.shape
        out = np.full((size, weeks + 1), -np.inf)
        np.maximum.at(out, (row, np.minimum(begin, weeks)), value.astype(np.float64))
        found: Grid = np.maximum.accumulate(out[:, :weeks], axis=1)
        return found

    def known_year(self, row: Index, event: Index) -> tuple[Index, Index]:
        """Return first and one past the last week of the school year in which each event lies. [N]"""
        weeks = self.shape[1]
        inside = np.minimum(event, weeks - 1)
        first, last = self.year_first[row, inside], self.year_last[row, inside]
        return first, np.where(first < 0, -1, last + 1)

    def next_year(self, row: Index, event: Index) -> tuple[Index, Index]:
        """Return first and one past the last week of the student's following school year; empty if none."""
        weeks = self.shape[1]
        _, past = self.known_year(row, event)
        at = np.clip(past, 0, weeks - 1)
        begin = np.full(len(row), weeks, dtype=np.int64)
        end = begin.copy()
        # The first enrolled week from there on; the grid of the next such week is made once.
        following = self._next_enrolled[row, at]
        some = (past >= 0) & (past < weeks) & (following < weeks)
        begin[some] = self.year_first[row[some], following[some]]
        end[some] = self.year_last[row[some], following[some]] + 1
        return begin, end

    def __post_init__(self) -> None:
        weeks = self.shape[1]
        enrolled = np.where(self.year >= 0, np.arange(weeks), weeks)
        self._next_enrolled = np.minimum.accumulate(enrolled[:, ::-1], axis=1)[:, ::-1]


def ratio(part: Grid, whole: Grid) -> Grid:
    """Return part / whole; NaN where whole is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


class FeatureExtractor(ABC):
    """Reads one modality's records of a chunk of students and computes its features."""

    modality: str

    @abstractmethod
    def read(self, ids: str, known_by: str) -> pl.DataFrame:
        """Return the records of the students (a list for SQL) known by a day ('YYYY-MM-DD')."""

    @abstractmethod
    def compute(self, records: pl.DataFrame, cohort: Cohort) -> tuple[dict[str, Grid], NDArray[np.bool_]]:
        """Return each feature as a grid [S, T], and where the feed has data [S, T]."""
