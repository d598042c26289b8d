"""The invented students: who they are, where they go to school, and how that changes over the years."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from demo.school_year import SchoolYear

FIRST_NAMES = [
    "Ada",
    "Amir",
    "Ana",
    "Asha",
    "Ben",
    "Bao",
    "Carla",
    "Chidi",
    "Clara",
    "Dante",
    "Diego",
    "Elena",
    "Emeka",
    "Eva",
    "Farid",
    "Felix",
    "Grace",
    "Hana",
    "Hugo",
    "Ida",
    "Imani",
    "Ivan",
    "Jada",
    "Jonas",
    "Kai",
    "Kira",
    "Lamar",
    "Leila",
    "Liam",
    "Lucia",
    "Malik",
    "Mara",
    "Mateo",
    "Mei",
    "Milo",
    "Nadia",
    "Nico",
    "Noor",
    "Omar",
    "Paula",
    "Priya",
    "Quinn",
    "Rafael",
    "Rosa",
    "Sami",
    "Sara",
    "Theo",
    "Tomas",
    "Uma",
    "Vera",
    "Wei",
    "Yara",
    "Yusuf",
    "Zoe",
]
LAST_NAMES = [
    "Abbott",
    "Alvarado",
    "Baker",
    "Banerjee",
    "Bell",
    "Castillo",
    "Chen",
    "Cole",
    "Dale",
    "Diallo",
    "Eaton",
    "Espinoza",
    "Farah",
    "Fisher",
    "Garcia",
    "Gupta",
    "Hale",
    "Hassan",
    "Ibarra",
    "Ito",
    "Jensen",
    "Jones",
    "Kaya",
    "Kim",
    "Lang",
    "Lopez",
    "Mbeki",
    "Meyer",
    "Moreno",
    "Nasser",
    "Nguyen",
    "Okafor",
    "Olsen",
    "Park",
    "Patel",
    "Quist",
    "Reyes",
    "Rossi",
    "Sato",
    "Silva",
    "Tran",
    "Turner",
    "Ueda",
    "Vargas",
    "Vance",
    "Walsh",
    "Wong",
    "Young",
    "Zhang",
]
RACES = ("White", "Hispanic", "Black", "Asian", "Two or more")
RACE_SHARES = (0.44, 0.26, 0.16, 0.08, 0.06)
HIGH_SHARE, MIDDLE_SHARE = 0.45, 0.27
FAR = np.datetime64("2200-01-01")
PER_SCHOOL = 1_500


@dataclass
class Enrolled:
    """Everybody enrolled in the running year, as columns [N]."""

    ids: NDArray
    grade: NDArray[np.int64]
    school_codes: NDArray
    start: NDArray[np.datetime64]
    end: NDArray[np.datetime64]
    burden: NDArray[np.float64]
    support: NDArray[np.float64]
    ability: NDArray[np.float64]
    temper: NDArray[np.float64]
    school_effect: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, which: NDArray) -> Enrolled:
        return Enrolled(**{name: value[which] for name, value in vars(self).items()})


@dataclass
class Population:
    """now: the running year; rows: enrollments written so far; traits: who each student is."""

    now: Enrolled
    schools: int
    next_id: int
    rows: list[pl.DataFrame] = field(default_factory=list)
    traits: list[pl.DataFrame] = field(default_factory=list)


def school_code(grade: int, number: int) -> str:
    """Return the school of a grade in attendance zone `number`: schools feed each other by zone."""
    high = ("NORTH", "SOUTH")[number] if number < 2 else f"HIGH{number + 1}"
    if grade >= 9:
        return high
    return f"MIDDLE{number + 1}" if grade >= 6 else f"ELEM{number + 1}"


def newcomers(
    count: int, first_id: int, grade: NDArray, start: NDArray, schools: int, random: np.random.Generator
) -> tuple[Enrolled, pl.DataFrame]:
    """Draw new students of the given grades."""
    zone = random.integers(0, schools, size=count)
    race = random.choice(len(RACES), p=RACE_SHARES, size=count)
    poor = random.random(count) < np.array([0.28, 0.55, 0.52, 0.25, 0.4])[race]
    ids = np.array([f"S-{first_id + n}" for n in range(count)])
    support = random.normal(size=count) - 0.25 * poor
    ability = random.normal(size=count) * 0.8 + 0.25 * support
    burden = random.normal(size=count) - 0.30 * support
    enrolled = Enrolled(
        ids=ids,
        grade=grade,
        school_codes=np.array([school_code(int(g), int(z)) for g, z in zip(grade, zone, strict=True)]),
        start=start,
        end=np.full(count, FAR),
        burden=burden,
        support=support,
        ability=ability,
        temper=random.normal(size=count),
        school_effect=np.linspace(-1, 1, schools)[zone] if schools > 1 else np.zeros(count),
    )
    born = [
        f"{int(str(day)[:4]) - 6 - int(g)}-{1 + int(m):02d}-{1 + int(d):02d}"
        for day, g, m, d in zip(
            start, grade, random.integers(0, 12, count), random.integers(0, 28, count), strict=True
        )
    ]
    traits = pl.DataFrame(
        {
            "student_id": ids,
            "state_id": [f"ST{700_000 + first_id + n}" for n in range(count)],
            "first_name": np.array(FIRST_NAMES)[random.integers(0, len(FIRST_NAMES), count)],
            "last_name": np.array(LAST_NAMES)[random.integers(0, len(LAST_NAMES), count)],
            "birth_date": born,
            "gender": np.array(["F", "M", "X"])[random.choice(3, p=[0.49, 0.495, 0.015], size=count)],
            "race_ethnicity": np.array(RACES)[race],
            "english_learner": random.random(count) < np.where(race == 1, 0.25, 0.06),
            "special_education": random.random(count) < 0.14,
            "economically_disadvantaged": poor,
            "zone": zone,
            "shared": random.random(count),
        }
    )
    return enrolled, traits


def first_population(students: int, random: np.random.Generator, year: SchoolYear) -> Population:
    """Draw everybody enrolled in the first year; a few come late, a few leave."""
    schools = max(2, round(students / 3 / PER_SCHOOL))
    part = random.random(students)
    grade = np.where(
        part < HIGH_SHARE,
        random.integers(9, 13, students),
        np.where(
            part < HIGH_SHARE + MIDDLE_SHARE, random.integers(6, 9, students), random.integers(3, 6, students)
        ),
    )
    start = np.full(students, np.datetime64(year.days[0]))
    enrolled, traits = newcomers(students, 100_001, grade, start, schools, random)
    population = Population(enrolled, schools, 100_001 + students, [], [traits])
    _shuffle_during_year(population, year, random)
    return population


def _shuffle_during_year(population: Population, year: SchoolYear, random: np.random.Generator) -> None:
    """Let a few students leave the district in the middle of the year, more of them under strain."""
    now = population.now
    leaving = random.random(len(now)) < 0.012 + 0.012 * np.clip(now.burden, 0, 3)
    days = np.array(year.days, dtype="datetime64[D]")
    now.end[leaving] = days[random.integers(20, len(days) - 10, size=int(leaving.sum()))]


def advance_year(
    population: Population,
    outcome: NDArray,
    year: SchoolYear,
    following: SchoolYear | None,
    students: int,
    random: np.random.Generator,
) -> None:
    """Close the year's enrollments and open the next one's: grades move up, schools feed, new ones come."""
    now = population.now
    left = now.end != FAR
    gone = left | np.isin(outcome, ["graduated", "dropped_out"])
    exit_type = np.select(
        [left, outcome == "graduated", outcome == "dropped_out"],
        ["transferred", "graduated", "dropped_out"],
        "end_of_year",
    )
    last = np.datetime64(year.days[-1]) + 1
    population.rows.append(_rows(now, np.where(left, now.end, last), exit_type))
    if following is None:
        population.now = now.take(np.zeros(0, dtype=np.int64))
        return
    stay = now.take(np.flatnonzero(~gone))
    kept = outcome[~gone]
    stay.grade = np.where(kept == "retained", stay.grade, np.minimum(stay.grade + 1, 12))
    zone = pl.concat(population.traits).select("student_id", "zone")
    zone_of = dict(zip(zone["student_id"].to_list(), zone["zone"].to_list(), strict=True))
    zones = np.array([zone_of[name] for name in stay.ids.tolist()], dtype=np.int64)
    moving = random.random(len(stay)) < 0.03  # families move to another zone over the summer
    zones[moving] = random.integers(0, population.schools, size=int(moving.sum()))
    stay.school_codes = np.array(
        [school_code(int(g), int(z)) for g, z in zip(stay.grade, zones, strict=True)]
    )
    stay.start = np.full(len(stay), np.datetime64(following.days[0]))
    stay.end = np.full(len(stay), FAR)
    stay.burden = 0.85 * stay.burden + 0.5 * random.normal(size=len(stay)) + 0.15 * (kept == "retained")
    count = max(0, students - len(stay))
    lowest = random.random(count) < 0.8
    grade = np.where(lowest, 3, random.integers(4, 12, count))
    start = np.full(count, np.datetime64(following.days[0]))
    days = np.array(following.days, dtype="datetime64[D]")
    late = random.random(count) < 0.12
    start[late] = days[random.integers(10, 120, size=int(late.sum()))]
    new, traits = newcomers(count, population.next_id, grade, start, population.schools, random)
    population.next_id += count
    population.traits.append(traits)
    population.now = Enrolled(
        **{name: np.concatenate([getattr(stay, name), getattr(new, name)]) for name in vars(stay)}
    )
    _shuffle_during_year(population, following, random)
    population.now.end = np.where(population.now.end <= population.now.start, FAR, population.now.end)


def _rows(now: Enrolled, end: NDArray, exit_type: NDArray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "student_id": now.ids,
            "grade_level": now.grade.astype(str),
            "school_code": now.school_codes,
            "enrollment_date": now.start,
            "exit_date": end,
            "exit_type": exit_type,
        }
    )


def write_students(population: Population, path: Path, until: dt.date) -> int:
    """Write every enrollment of everybody; return how many students there are."""
    now, today = population.now, np.datetime64(until)
    if len(now):
        begun = now.take(np.flatnonzero(now.start <= today))
        gone = begun.end <= today
        rows = _rows(begun, begun.end, np.where(gone, "transferred", ""))
        open_end = pl.when(pl.col("exit_date") > until).then(None).otherwise(pl.col("exit_date"))
        population.rows.append(rows.with_columns(open_end.alias("exit_date")))
    traits = pl.concat(population.traits)
    rows = pl.concat(population.rows, how="vertical_relaxed").join(
        traits, on="student_id", maintain_order="left"
    )
    # Two counselors at North, some students in the care of both; one at South; others by school.
    zone_counselor = (
        pl.when(pl.col("school_code") == "NORTH")
        .then(
            pl.when(pl.col("shared") < 0.15)
            .then(pl.lit("ana;ben"))
            .when(pl.col("shared") < 0.6)
            .then(pl.lit("ana"))
            .otherwise(pl.lit("ben"))
        )
        .when(pl.col("school_code") == "SOUTH")
        .then(pl.lit("cleo"))
        .otherwise(pl.lit("counselor.") + pl.col("school_code").str.to_lowercase())
    )
    rows.with_columns(
        zone_counselor.alias("counselor"),
        pl.col("english_learner", "special_education", "economically_disadvantaged").cast(pl.String),
    ).drop("zone", "shared").sort("enrollment_date", "student_id").write_csv(path)
    return int(rows["student_id"].n_unique())
