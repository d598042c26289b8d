"""An invented school district, written as the files that a real one would export.

Each student has a latent course through every year: steady, slowly drifting away, hit by a crisis and
recovering or not. It drives absence, work handed in, scores and incidents, each with noise of its own, so
that no model can know the end for certain. Failing follows absence with a lag, mostly for students with
little support: an interaction over time that a weekly snapshot does not show. Groups that are kept for
the audit have no effect of their own; they differ a little in support.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from demo.people import Enrolled, advance_year, first_population, write_students
from demo.school_year import SchoolYear, school_year

PERIOD_WEEKS = 12  # weeks of a trimester
COURSES = (
    ("ELA", "English", "ela"),
    ("MATH", "Mathematics", "math"),
    ("SCI", "Science", "science"),
    ("SOC", "Social studies", "social_studies"),
    ("ART", "Art", "other"),
)
INCIDENTS = ("fighting", "disruption", "defiance", "bullying", "theft", "vandalism", "drugs")
LATE_SHARE = 0.02  # records that reach the office weeks after the fact
UNRECORDED = 0.003  # days for which a school sends no record

DISTRICT_TOML = """\
[district]
name = "Meadowbrook School District (synthetic)"
timezone = "America/Chicago"

[thresholds]
pass_mark = 60

[labels]
basis = "any"
off_track_outcomes = ["retained", "dropped_out", "failed"]

[lags]
attendance = 1
grades = 7
discipline = 3
outcomes = 0
"""


@dataclass(frozen=True)
class DistrictFacts:
    """How large the district came out."""

    students: int
    attendance_rows: int
    grade_rows: int
    incidents: int
    years: int


@dataclass
class Year:
    """The weekly course of one year. distress [N, W]: about 0 for a good week, 1 and more for a bad one."""

    distress: NDArray[np.float64]
    support: NDArray[np.float64]


def write_district(
    folder: Path,
    *,
    students: int,
    years: int,
    seed: int,
    until: dt.date,
    progress: Callable[[str], None] = lambda line: None,
) -> DistrictFacts:
    """Write calendar, students, attendance, grades, discipline, outcomes and district.toml.

    Args:
        folder: where to; made if it is not there.
        students: enrolled at a time, about.
        years: closed school years before the running one.
        seed: the same seed and arguments write the same files.
        until: last day of the records.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    first = until.year - years if until.month >= 8 else until.year - years - 1
    calendars = [school_year(first + n) for n in range(years + 1)]
    population = first_population(students, random, calendars[0])
    totals = {"attendance": 0, "grades": 0, "discipline": 0}
    _write_calendar(folder / "calendar.csv", calendars)
    outcomes = []
    for number, year in enumerate(calendars):
        progress(f"{year.name}: {len(population.now):,} students")
        last = min(until, year.days[-1])
        if last < year.days[0]:
            break
        course = yearly_course(population.now, year, random)
        enrolled = population.now
        days, absent_by_week = attendance(enrolled, year, course, random, last)
        totals["attendance"] += _append(folder / "attendance.csv", days, number == 0)
        marks, failed = grades(enrolled, year, course, absent_by_week, random, last)
        totals["grades"] += _append(folder / "grades.csv", marks, number == 0)
        events = discipline(enrolled, year, course, random, last)
        totals["discipline"] += _append(folder / "discipline.csv", events, number == 0)
        if last == year.days[-1]:
            ends = year_end(enrolled, year, course, absent_by_week, failed, random)
            outcomes.append(ends)
            following = calendars[number + 1] if number + 1 < len(calendars) else None
            advance_year(population, ends["outcome"].to_numpy(), year, following, students, random)
    pl.concat(outcomes).write_csv(folder / "outcomes.csv")
    count = write_students(population, folder / "students.csv", until)
    (folder / "district.toml").write_text(DISTRICT_TOML, encoding="utf-8")
    return DistrictFacts(count, totals["attendance"], totals["grades"], totals["discipline"], years)


def _append(path: Path, rows: pl.DataFrame, new: bool) -> int:
    with path.open("wb" if new else "ab") as file:
        rows.write_csv(file, include_header=new)
    return rows.height


def _write_calendar(path: Path, calendars: list[SchoolYear]) -> None:
    pl.concat(
        [
            pl.DataFrame(
                {
                    "school_code": [""] * len(year.days),
                    "date": year.days,
                    "in_session": ["true"] * len(year.days),
                    "term": [f"T{1 + min(2, week // PERIOD_WEEKS)}" for week in year.week_of_day.tolist()],
                    "school_year": [year.name] * len(year.days),
                }
            )
            for year in calendars
        ]
    ).write_csv(path)


def yearly_course(now: Enrolled, year: SchoolYear, random: np.random.Generator) -> Year:
    """Draw each student's distress week by week."""
    size, weeks = len(now), year.weeks
    week = np.arange(weeks)
    # What a student carries over from year to year, and what is new.
    base = 0.55 * now.burden + 0.25 * random.normal(size=size)
    kind = random.random(size)
    lean = np.clip(0.12 + 0.10 * now.burden, 0.02, 0.5)
    drifting = kind < lean
    crisis = (kind >= lean) & (kind < lean + 0.10)
    recovering = (kind >= lean + 0.10) & (kind < lean + 0.16)
    start = random.integers(2, max(3, weeks - 8), size=size)
    since = np.maximum(week[None, :] - start[:, None], 0)
    steep = random.gamma(2.0, 0.5, size=size)
    course = np.zeros((size, weeks))
    course[drifting] += (0.09 * steep[drifting])[:, None] * since[drifting]
    # A crisis is felt at once and fades, sooner where there is support.
    fade = np.exp(-since / (3 + 9 * np.clip(-now.support, 0, 2))[:, None])
    course[crisis] += ((1.6 * steep)[:, None] * (since > 0) * fade)[crisis]
    course[recovering] += np.maximum(1.6 - 0.12 * week, 0)[None, :]
    noise = random.normal(scale=0.30, size=(size, weeks))
    for at in range(1, weeks):  # weeks resemble the week before
        noise[:, at] = 0.6 * noise[:, at - 1] + 0.8 * noise[:, at]
    season = 0.18 * np.sin((week - 6) / weeks * np.pi)
    grade = np.array([0.0, 0.05, 0.10, 0.30, 0.15])[np.clip((now.grade - 1) // 3, 0, 4)]
    course += base[:, None] + noise + season[None, :] + grade[:, None] + 0.12 * now.school_effect[:, None]
    return Year(course, now.support)


def attendance(
    now: Enrolled, year: SchoolYear, course: Year, random: np.random.Generator, last: dt.date
) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Return a row for each enrolled school day, and the share of each week that was missed [N, W]."""
    held = [day for day in year.days if day <= last]
    day_week = year.week_of_day[: len(held)]
    weekday = np.array([day.weekday() for day in held])
    edge = np.where((weekday == 0) | (weekday == 4), 0.30, 0.0)
    day_noise = random.normal(scale=0.12, size=len(held))  # snow and flu take whole days
    lean = -3.75 + 0.95 * course.distress[:, day_week] + edge[None, :] + day_noise[None, :]
    absent = random.random(lean.shape) < 1 / (1 + np.exp(-lean))
    # One day off tends to be followed by another.
    absent[:, 1:] |= absent[:, :-1] & (random.random(absent[:, 1:].shape) < 0.22)
    inside = (now.start[:, None] <= np.array(held, dtype="datetime64[D]")[None, :]) & (
        np.array(held, dtype="datetime64[D]")[None, :] < now.end[:, None]
    )
    excused = random.random(lean.shape) < np.clip(0.62 - 0.22 * course.distress[:, day_week], 0.08, 0.9)
    tardy = random.random(lean.shape) < 0.02 + 0.02 * np.clip(course.distress[:, day_week], 0, 3)
    status = np.where(
        absent,
        np.where(excused, 1, 2),
        np.where(tardy, 3, 0),
    )
    missed = np.zeros((len(now), year.weeks))
    days = np.zeros(year.weeks)
    np.add.at(missed.T, day_week, (absent & inside).T.astype(float))
    np.add.at(days, day_week, 1.0)
    missed /= np.maximum(days, 1)
    known = inside & (random.random(lean.shape) >= UNRECORDED)
    row, day = np.nonzero(known)
    order = np.lexsort((row, day))
    row, day = row[order], day[order]
    dates = np.array(held, dtype="datetime64[D]")[day]
    late = (random.random(len(row)) < LATE_SHARE) * random.integers(3, 25, size=len(row))
    recorded = np.minimum(dates + 1 + late.astype("timedelta64[D]"), np.datetime64(last))
    names = np.array(["present", "excused_absence", "unexcused_absence", "tardy"])
    return (
        pl.DataFrame(
            {
                "student_id": now.ids[row],
                "date": dates,
                "status": names[status[row, day]],
                "school_code": now.school_codes[row],
                "recorded_at": np.maximum(recorded, dates),
            }
        ),
        missed,
    )


def grades(
    now: Enrolled,
    year: SchoolYear,
    course: Year,
    missed: NDArray[np.float64],
    random: np.random.Generator,
    last: dt.date,
) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    """Return a piece of work a week and course, term marks, and who failed a core course [N]."""
    size, weeks = missed.shape
    fridays = year.week_ends
    term = np.minimum(np.arange(weeks) // PERIOD_WEEKS, 2)
    # Absence tells two to five weeks later, and mostly where nobody helps to catch up.
    lagged = np.zeros_like(missed)
    for lag, share in ((2, 0.35), (3, 0.35), (4, 0.2), (5, 0.1)):
        lagged[:, lag:] += share * missed[:, :-lag]
    exposed = 1 / (1 + np.exp(2.2 * course.support))
    frames, failing = [], np.zeros(size, dtype=bool)
    for number, (code, name, subject) in enumerate(COURSES):
        talent = now.ability + random.normal(scale=0.5, size=size)
        level = 86 + 6 * talent - (0 if subject == "other" else 2)
        expected = (
            level[:, None]
            - 55 * lagged * (0.25 + 1.5 * exposed[:, None])
            - 3.0 * np.clip(course.distress, -1, 3)
        )
        score = np.clip(expected + random.normal(scale=9, size=(size, weeks)), 5, 100)
        not_in = random.random((size, weeks)) < np.clip(
            0.025 + 0.035 * course.distress + 0.45 * missed * (0.4 + exposed[:, None]), 0.005, 0.9
        )
        later = not_in & (random.random((size, weeks)) < 0.45)
        counts = np.where(not_in & ~later, 0.0, np.where(later, 0.8 * score, score))
        given = (np.arange(weeks) + number) % 2 == 0  # each course sets work every other week
        inside = (
            (now.start[:, None] <= fridays[None, :]) & (fridays[None, :] < now.end[:, None]) & given[None, :]
        )
        inside &= fridays[None, :] <= np.datetime64(last)
        row, at = np.nonzero(inside)
        base = {
            "student_id": now.ids[row],
            "course_code": (np.char.add(f"{code}", now.grade.astype(str)))[row],
            "course_name": [f"{name}"] * len(row),
            "subject": [subject] * len(row),
            "kind": ["assignment"] * len(row),
            "term": np.array(["T1", "T2", "T3"])[term[at]],
            "assignment_id": np.char.add(f"{year.first}-{code}-", at.astype(str)),
            "due_date": fridays[at],
            "school_code": now.school_codes[row],
        }
        due = pl.DataFrame(
            {
                **base,
                "date": fridays[at],
                "score": np.where(not_in[row, at], "", np.char.mod("%.0f", score[row, at])),
                "recorded_at": np.minimum(fridays[at] + 2, np.datetime64(last)),
            }
        )
        delay = random.integers(4, 16, size=len(row)).astype("timedelta64[D]")
        came = (
            later[row, at]
            & (fridays[at] + delay + 2 <= np.datetime64(last))
            & (fridays[at] + delay < now.end[row])
            & (fridays[at] + delay <= np.datetime64(year.days[-1]))
        )
        second = pl.DataFrame(
            {
                **base,
                "date": fridays[at] + delay,
                "score": np.char.mod("%.0f", 0.8 * score[row, at]),
                "recorded_at": fridays[at] + delay + 2,
            }
        ).filter(pl.Series(came))
        frames += [due, second]
        marks = np.zeros((3, size))
        for part in range(3):
            weeks_of = np.flatnonzero((term == part) & given)
            marks[part] = counts[:, weeks_of].mean(axis=1)
            day = np.datetime64(year.days[int(np.flatnonzero(year.term_of_day == part)[-1])])
            if day > np.datetime64(last):
                continue
            there = (now.start <= day) & (day < now.end)
            frames.append(
                pl.DataFrame(
                    {
                        "student_id": now.ids[there],
                        "course_code": np.char.add(f"{code}", now.grade.astype(str))[there],
                        "course_name": [name] * int(there.sum()),
                        "subject": [subject] * int(there.sum()),
                        "kind": ["term"] * int(there.sum()),
                        "term": [f"T{part + 1}"] * int(there.sum()),
                        "assignment_id": [f"{year.first}-{code}-T{part + 1}"] * int(there.sum()),
                        "due_date": np.full(int(there.sum()), day),
                        "school_code": now.school_codes[there],
                        "date": np.full(int(there.sum()), day),
                        "score": np.char.mod("%.0f", marks[part][there]),
                        "recorded_at": np.full(int(there.sum()), day),
                    }
                )
            )
        if subject != "other":
            failing |= marks.mean(axis=0) < 60
    return pl.concat(frames), failing


def discipline(
    now: Enrolled, year: SchoolYear, course: Year, random: np.random.Generator, last: dt.date
) -> pl.DataFrame:
    """Return incidents: who lashes out in a bad week, and what followed."""
    weeks = course.distress.shape[1]
    age = np.interp(now.grade, [0, 5, 8, 12], [0.35, 0.7, 1.4, 1.0])
    rate = 0.011 * age[:, None] * np.exp(0.75 * course.distress + 0.55 * now.temper[:, None])
    count = random.poisson(np.clip(rate, 0, 0.8))
    row, at = np.nonzero(count)
    days = np.array(year.days, dtype="datetime64[D]")
    in_week = [np.flatnonzero(year.week_of_day == week) for week in range(weeks)]
    day = np.array([random.choice(in_week[week]) for week in at], dtype=np.int64)
    date = days[day] if len(day) else np.zeros(0, dtype="datetime64[D]")
    keep = (date <= np.datetime64(last)) & (now.start[row] <= date) & (date < now.end[row])
    row, date = row[keep], date[keep]
    weight = random.random(len(row)) + 0.12 * now.temper[row]
    action = np.select(
        [weight > 0.90, weight > 0.66, weight > 0.5],
        ["out_of_school_suspension", "in_school_suspension", "detention"],
        "none",
    )
    removed = np.where(action == "out_of_school_suspension", random.integers(1, 6, size=len(row)), 0)
    removed = np.where(action == "in_school_suspension", 1, removed)
    return pl.DataFrame(
        {
            "student_id": now.ids[row],
            "date": date,
            "incident_type": np.array(INCIDENTS)[random.integers(0, len(INCIDENTS), size=len(row))],
            "incident_id": np.char.add(f"I{year.first}-", np.arange(len(row)).astype(str)),
            "action": action,
            "days_removed": removed,
            "role": ["perpetrator"] * len(row),
            "school_code": now.school_codes[row],
            "recorded_at": np.minimum(date + 3, np.datetime64(last)),
        }
    )


def year_end(
    now: Enrolled,
    year: SchoolYear,
    course: Year,
    missed: NDArray[np.float64],
    failed: NDArray[np.bool_],
    random: np.random.Generator,
) -> pl.DataFrame:
    """Return how the year ended for everybody enrolled in it."""
    absent = missed.mean(axis=1)
    lean = -4.2 + 9 * absent + 1.6 * failed
    chance = 1 / (1 + np.exp(-lean))
    bad = random.random(len(now)) < chance
    final = np.datetime64(year.days[-1])
    left = now.end <= final
    outcome = np.where(
        bad & (now.grade >= 9) & (absent > 0.12), "dropped_out", np.where(bad, "retained", "promoted")
    )
    outcome = np.where((outcome == "promoted") & (now.grade == 12), "graduated", outcome)
    outcome = np.where(left, "transferred", outcome)
    return pl.DataFrame(
        {
            "student_id": now.ids,
            "date": np.where(left, now.end, final),
            "outcome": outcome,
            "school_year": [year.name] * len(now),
        }
    )
