"""School years with their holidays."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SchoolYear:
    """first: the calendar year in which it begins; days: school days, ascending."""

    first: int
    days: list[dt.date]

    @property
    def name(self) -> str:
        return f"{self.first}-{(self.first + 1) % 100:02d}"

    @cached_property
    def week_of_day(self) -> NDArray[np.int64]:
        """Return the school week of each day, from 0. [D]"""
        mondays = [day - dt.timedelta(days=day.weekday()) for day in self.days]
        return np.unique(np.array(mondays, dtype="datetime64[D]"), return_inverse=True)[1].astype(np.int64)

    @property
    def weeks(self) -> int:
        return int(self.week_of_day[-1]) + 1

    @cached_property
    def term_of_day(self) -> NDArray[np.int64]:
        return np.minimum(self.week_of_day // 12, 2)

    @cached_property
    def week_ends(self) -> NDArray[np.datetime64]:
        """Return the last school day of each week. [W]"""
        days = np.array(self.days, dtype="datetime64[D]")
        return np.array([days[self.week_of_day == week][-1] for week in range(self.weeks)])


def nth_weekday(year: int, month: int, weekday: int, n: int) -> dt.date:
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def school_year(first: int) -> SchoolYear:
    """Return the school year that begins in August of `first`: about 178 days, holidays off."""
    start = nth_weekday(first, 8, 0, 3)
    end = nth_weekday(first + 1, 6, 4, 1)
    off: set[dt.date] = {nth_weekday(first, 9, 0, 1), nth_weekday(first, 10, 0, 2)}
    thanks = nth_weekday(first, 11, 3, 4)
    spans = [
        (thanks - dt.timedelta(days=1), thanks + dt.timedelta(days=1)),
        (dt.date(first, 12, 22), dt.date(first + 1, 1, 3)),
        (nth_weekday(first + 1, 3, 0, 4), nth_weekday(first + 1, 3, 0, 4) + dt.timedelta(days=4)),
    ]
    off |= {nth_weekday(first + 1, 1, 0, 3), nth_weekday(first + 1, 2, 0, 3), nth_weekday(first + 1, 5, 0, 4)}
    for begin, until in spans:
        off |= {begin + dt.timedelta(days=n) for n in range((until - begin).days + 1)}
    every = (start + dt.timedelta(days=n) for n in range((end - start).days + 1))
    return SchoolYear(first, [day for day in every if day.weekday() < 5 and day not in off])


def demo_day(today: dt.date) -> dt.date:
    """Return the day the demo stands at: today in term, else the 1st of May before."""
    if today.month in (6, 7, 8) or (today.month == 9 and today.day < 25):
        return dt.date(today.year, 5, 1)
    return today
