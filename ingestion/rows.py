"""From columns of text to typed columns, and a list of what is wrong, by line and column.

Everything works on whole columns. A row with any problem is rejected whole: nothing of it is loaded.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from ingestion.kinds import COLUMNS, staged_columns
from ingestion.models import Kind
from ingestion.readers import LINE, Block, Layout, UnreadableFile, normalized

TRUE, FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
GRADES = ["PK", "K", *map(str, range(1, 14))]
GRADE_ALIASES = {
    "kf": "K", "kg": "K", "0": "K", "00": "K", "pre-k": "PK", "prek": "PK", "p3": "PK", "p4": "PK",
    **{f"0{n}": str(n) for n in range(1, 10)},
}  # fmt: skip
LETTERS = {
    "a+": 98.0, "a": 95.0, "a-": 91.0, "b+": 88.0, "b": 85.0, "b-": 81.0, "c+": 78.0, "c": 75.0,
    "c-": 71.0, "d+": 68.0, "d": 65.0, "d-": 61.0, "f": 50.0, "e": 50.0,
}  # fmt: skip
STATUSES = {
    "present": "present", "inattendance": "present", "excusedabsence": "excused_absence",
    "unexcusedabsence": "unexcused_absence", "absent": "absent", "tardy": "tardy",
    "earlydeparture": "early_departure",
}  # fmt: skip
ACTIONS = {
    "": "none", "none": "none", "noaction": "none", "noactionforincident": "none", "warning": "none",
    "conference": "conference", "detention": "conference", "iss": "in_school_suspension",
    "inschoolsuspension": "in_school_suspension", "oss": "out_of_school_suspension",
    "outofschoolsuspension": "out_of_school_suspension", "expulsion": "expulsion",
    "expulsionwithservices": "expulsion",
}  # fmt: skip
SEVERITY = {
    "none": 1, "conference": 2, "other": 2, "in_school_suspension": 3, "out_of_school_suspension": 4,
    "expulsion": 5,
}  # fmt: skip
EXITS = (
    "graduated", "completed", "dropped_out", "transferred", "withdrawn", "moved", "expelled", "no_show",
    "end_of_year", "other",
)  # fmt: skip
OUTCOMES = (
    "graduated", "promoted", "retained", "dropped_out", "withdrawn", "failed", "passed", "transferred", "other",
)  # fmt: skip
SUBJECTS = ("math", "ela", "science", "social_studies", "other")


@dataclass(frozen=True)
class Rules:
    """What reading the rows depends on besides the file."""

    as_of: dt.date  # the day of the import; facts dated later are impossible
    lag_days: int = 0
    date_format: str = ""
    columns: dict[str, str] = field(default_factory=dict)  # a mapping: our name → theirs
    codes: dict[str, dict[str, str]] = field(default_factory=dict)  # CodeMap subject → code → value


@dataclass
class Problem:
    line: int
    column: str
    value: str
    code: str
    message: str


class Parser:
    """Turns the blocks of one file into staged columns. Raises UnreadableFile for the header's faults."""

    def __init__(self, kind: str, layout: Layout, rules: Rules) -> None:
        self.kind, self.layout, self.rules = kind, layout, rules
        theirs = {normalized(name): name for name in layout.header}
        ours = [column.name for column in COLUMNS[kind]]
        self.source: dict[str, str] = {}
        for name in ours:
            wanted = rules.columns.get(name, name)
            if normalized(wanted) in theirs:
                self.source[name] = theirs[normalized(wanted)]
        missing = [c.name for c in COLUMNS[kind] if c.required and c.name not in self.source]
        if missing:
            raise UnreadableFile(self._missing(missing, theirs))
        self.unknown = [name for name in layout.header if name not in self.source.values() and name]
        self.problems: list[Problem] = []
        self.bad: set[int] = set()

    def _missing(self, missing: list[str], theirs: dict[str, str]) -> str:
        fits = [
            kind.value
            for kind in Kind
            if kind != self.kind and all(normalized(c.name) in theirs for c in COLUMNS[kind] if c.required)
        ]
        looks = f" It looks like a file of {' or '.join(fits)}." if fits else ""
        return (
            f"the header lacks {', '.join(missing)}, which a file of {self.kind} needs.{looks} "
            f"It names: {', '.join(self.layout.header)[:300]}. A saved column mapping can rename columns."
        )

    def parse(self, block: Block) -> tuple[pl.DataFrame, list[Problem], int]:
        """Return the good rows as staged columns, the problems, and how many rows were read."""
        self.problems, self.bad = [], set()
        width = len(self.layout.header)
        for line, count in block.ragged:
            self.problems.append(
                Problem(line, "", "", "ragged", f"The row has {count} fields, the header {width}.")
            )
        frame = block.frame
        self.frame = pl.DataFrame({"line": frame[LINE]}).with_columns(
            frame[self.source[name]].alias(name) if name in self.source else pl.lit("").alias(name)
            for name in (column.name for column in COLUMNS[self.kind])
        )
        parsers: dict[str, Callable[[], dict[str, pl.Series]]] = {
            Kind.CALENDAR: self._calendar,
            Kind.STUDENTS: self._students,
            Kind.ATTENDANCE: self._attendance,
            Kind.GRADES: self._grades,
            Kind.DISCIPLINE: self._discipline,
            Kind.OUTCOMES: self._outcomes,
        }
        typed = parsers[self.kind]()
        out = pl.DataFrame({"line": self.frame["line"], **typed}).select(staged_columns(self.kind))
        if self.bad:
            out = out.filter(~pl.col("line").is_in(pl.Series(sorted(self.bad), dtype=pl.Int64).implode()))
        return out, self.problems, frame.height + len(block.ragged)

    # ── columns ───────────────────────────────────────────────────────────────────────────────────────
    def _reject(self, mask: pl.Series, column: str, code: str, message: str) -> None:
        """Reject the rows of the mask; `message` may hold {value}."""
        if not mask.any():
            return
        found = self.frame.filter(mask).select("line", column)
        for line, value in found.iter_rows():
            self.bad.add(line)
            shown = value if len(value) <= 60 else value[:57] + "…"
            self.problems.append(Problem(line, column, value[:200], code, message.replace("{value}", shown)))

    def _text(self, name: str, limit: int, *, required: bool = False) -> pl.Series:
        values = self.frame[name]
        if required:
            self._reject(values == "", name, "missing", f"{name} is empty.")
        self._reject(
            values.str.len_chars() > limit, name, "too_long", f"{name} is longer than {limit} characters."
        )
        return values

    def _date(self, name: str, *, required: bool = False, latest: dt.date | None = None) -> pl.Series:
        values = self.frame[name]
        shown = self.rules.date_format or "YYYY-MM-DD"
        if self.rules.date_format:
            parsed = values.str.to_date(self.rules.date_format, strict=False)
        else:
            # A time behind an ISO date is dropped: "2026-02-28 00:00:00" is how databases export days.
            plain = values.str.extract(r"^(\d{4}-\d{2}-\d{2})(?:[T ].*)?$", 1)
            parsed = plain.str.to_date("%Y-%m-%d", strict=False)
        if required:
            self._reject(values == "", name, "missing", f"{name} is empty.")
        self._reject(
            (values != "") & parsed.is_null(),
            name,
            "bad_date",
            f"'{{value}}' is no date of the form {shown}.",
        )
        plausible = (parsed >= dt.date(1900, 1, 1)).fill_null(True) & (
            parsed < dt.date(2200, 1, 1)
        ).fill_null(True)
        self._reject(~plausible, name, "impossible_date", "'{value}' is not a plausible date.")
        if latest is not None:
            self._reject(
                (parsed > latest).fill_null(False) & plausible,
                name,
                "future_date",
                f"'{{value}}' lies after {latest}, the day of the import.",
            )
        return parsed

    def _number(
        self, name: str, low: float, high: float, *, whole: bool = False, default: float | None = None
    ) -> pl.Series:
        values = self.frame[name]
        parsed = values.cast(pl.Float64, strict=False)
        parsed = parsed.set(parsed.is_nan() | parsed.is_infinite(), None)
        self._reject((values != "") & parsed.is_null(), name, "not_a_number", "'{value}' is not a number.")
        self._reject(
            ((parsed < low) | (parsed > high)).fill_null(False),
            name,
            "out_of_range",
            f"'{{value}}' is outside {low:g} to {high:g}.",
        )
        if default is not None:
            parsed = parsed.fill_null(default)
        return parsed.round(0).cast(pl.Int64, strict=False) if whole else parsed

    def _boolean(self, name: str, *, required: bool = False) -> pl.Series:
        values = self.frame[name].str.to_lowercase()
        yes, no = values.is_in(TRUE), values.is_in(FALSE)
        bad = ~yes & ~no & (values != "") if not required else ~yes & ~no
        self._reject(
            bad, name, "not_yes_no", "'{value}' is neither true nor false (true/false, yes/no, 1/0)."
        )
        return pl.select(pl.when(yes).then(True).when(no).then(False).otherwise(None)).to_series()

    def _choice(
        self, name: str, allowed: dict[str, str], subject: str, *, default: str | None = None
    ) -> pl.Series:
        """Map values through the district's codes, then the contract's own names."""
        codes = {normalized(code): value for code, value in self.rules.codes.get(subject, {}).items()}
        values = self.frame[name]
        distinct = values.unique().to_list()
        table = {value: codes.get(normalized(value), allowed.get(normalized(value))) for value in distinct}
        if default is not None:
            table[""] = table.get("") or default
        mapped = values.replace_strict(table, default=None, return_dtype=pl.String)
        names = ", ".join(dict.fromkeys(allowed.values()))
        self._reject(
            mapped.is_null() & (values != ""),
            name,
            "unmapped_code",
            f"'{{value}}' is not known; use {names}, or map the code in the code map '{subject}'.",
        )
        self._reject(mapped.is_null() & (values == ""), name, "missing", f"{name} is empty.")
        return mapped

    def _recorded(self, date: pl.Series) -> pl.Series:
        """Return the day each fact became known: as filed, else its date plus the district's lag."""
        filed = self._date("recorded_at", latest=self.rules.as_of)
        known = pl.DataFrame({"filed": filed, "date": date}).select(
            pl.max_horizontal(
                pl.col("date"),
                pl.col("filed").fill_null(pl.col("date") + pl.duration(days=self.rules.lag_days)),
            )
        )
        return known.to_series()

    # ── kinds ─────────────────────────────────────────────────────────────────────────────────────────
    def _calendar(self) -> dict[str, pl.Series]:
        date = self._date("date", required=True)
        year = self._text("school_year", 12)
        # A year not named is told by its July: 2025-08-18 lies in 2025-26.
        first = date.dt.year() - (date.dt.month() < 7).cast(pl.Int32)
        told = pl.select(
            pl.when(year == "")
            .then(first.cast(pl.String) + "-" + ((first + 1) % 100).cast(pl.String).str.zfill(2))
            .otherwise(year)
        ).to_series()
        filed = self._date("recorded_at")
        return {
            "school_code": self._text("school_code", 40),
            "date": date,
            "in_session": self._boolean("in_session", required=True),
            "school_year": told,
            "term": self._text("term", 40),
            "minutes": self._number("minutes", 0, 1440, whole=True),
            "inferred": pl.Series([False] * len(date), dtype=pl.Boolean),
            "recorded_at": pl.select(
                pl.when(filed.is_null()).then(pl.min_horizontal(date, self.rules.as_of)).otherwise(filed)
            ).to_series(),
        }

    def _students(self) -> dict[str, pl.Series]:
        start = self._date("enrollment_date", required=True)
        end = self._date("exit_date")
        self._reject(
            (end < start).fill_null(False), "exit_date", "order", "'{value}' lies before the enrollment date."
        )
        grade = self.frame["grade_level"].str.to_lowercase()
        table = {g.lower(): g for g in GRADES} | GRADE_ALIASES
        level = grade.replace_strict(table, default=None, return_dtype=pl.String)
        self._reject(
            level.is_null(), "grade_level", "unknown_grade", "'{value}' is no grade (PK, K, 1 to 13)."
        )
        filed = self._date("recorded_at", latest=self.rules.as_of)
        exits = {normalized(name): name for name in EXITS} | {
            "dropout": "dropped_out",
            "transfer": "transferred",
            "endofschoolyear": "end_of_year",
        }
        return {
            "district_id": self._text("student_id", 64, required=True),
            "school_code": self._text("school_code", 40, required=True),
            "start": start,
            "end": end,
            "grade_level": level,
            "exit_type": self._choice("exit_type", exits | {"": ""}, "exit", default=""),
            "state_id": self._text("state_id", 64),
            "first_name": self._text("first_name", 80),
            "last_name": self._text("last_name", 80),
            "birth_date": self._date("birth_date", latest=self.rules.as_of),
            "gender": self._text("gender", 40),
            "race_ethnicity": self._text("race_ethnicity", 80),
            "english_learner": self._boolean("english_learner"),
            "special_education": self._boolean("special_education"),
            "economically_disadvantaged": self._boolean("economically_disadvantaged"),
            "counselor": self._text("counselor", 400),
            "recorded_at": pl.select(
                pl.when(filed.is_null()).then(pl.min_horizontal(start, self.rules.as_of)).otherwise(filed)
            ).to_series(),
        }

    def _attendance(self) -> dict[str, pl.Series]:
        date = self._date("date", required=True, latest=self.rules.as_of)
        return {
            "district_id": self._text("student_id", 64, required=True),
            "date": date,
            "period": self._text("period", 20),
            "status": self._choice("status", STATUSES, "attendance"),
            "minutes_absent": self._number("minutes_absent", 0, 1440, whole=True),
            # Activity systems count clicks here, so a day may hold more than its minutes.
            "minutes_present": self._number("minutes_present", 0, 1_000_000, whole=True),
            "reason": self._text("reason", 120),
            "school_code": self._text("school_code", 40),
            "recorded_at": self._recorded(date),
        }

    def _grades(self) -> dict[str, pl.Series]:
        date = self._date("date", required=True, latest=self.rules.as_of)
        kinds = {"": "assignment", "assignment": "assignment", "exam": "exam", "term": "term"}
        codes = {normalized(code): value for code, value in self.rules.codes.get("subject", {}).items()}
        course = self._text("course_code", 40, required=True)
        named = self.frame["subject"].str.to_lowercase().str.replace_all(r"[ \-]", "_")
        by_course = course.replace_strict(
            {code: codes.get(normalized(code), "other") for code in course.unique().to_list()},
            default="other",
            return_dtype=pl.String,
        )
        self._reject(
            (named != "") & ~named.is_in(SUBJECTS),
            "subject",
            "unknown_subject",
            f"'{{value}}' is no subject ({', '.join(SUBJECTS)}).",
        )
        return {
            "district_id": self._text("student_id", 64, required=True),
            "date": date,
            "course_code": course,
            "course_name": self._text("course_name", 120),
            "subject": pl.select(pl.when(named == "").then(by_course).otherwise(named)).to_series(),
            "kind": self._choice("kind", kinds, "none", default="assignment"),
            "term": self._text("term", 40),
            "assignment_id": self._text("assignment_id", 80),
            "score_text": self._text("score", 24),
            "percent": self._percent(),
            "weight": self._number("weight", 0, 10_000, default=1.0),
            "due_date": self._date("due_date"),
            "school_code": self._text("school_code", 40),
            "recorded_at": self._recorded(date),
        }

    def _percent(self) -> pl.Series:
        """Return scores as percent of the maximum; empty where the work is due and not in."""
        scale = LETTERS | {
            normalized(code) if code.strip()[-1:] not in "+-" else code.lower().strip(): float(value)
            for code, value in self.rules.codes.get("grade", {}).items()
        }
        text = self.frame["score"].str.to_lowercase()
        maximum = self._number("max_score", 0.0001, 1_000_000, default=100.0)
        # "85.12 B+" and "85 %" lead with the number that counts.
        number = text.str.extract(r"^([+-]?\d+(?:\.\d+)?)\s*(?:%|[a-f][+-]?)?$", 1).cast(
            pl.Float64, strict=False
        )
        lettered = text.replace_strict(scale, default=None, return_dtype=pl.Float64)
        out = pl.select(
            pl.when(number.is_null()).then(lettered).otherwise(number / maximum * 100)
        ).to_series()
        self._reject(
            out.is_null() & (text != ""),
            "score",
            "bad_score",
            "'{value}' is neither a number nor a letter of the scale; map it in the code map 'grade', "
            "or leave it empty for work that is due and not in.",
        )
        self._reject(
            ((out < 0) | (out > 1000)).fill_null(False),
            "score",
            "out_of_range",
            "'{value}' is below 0 or more than ten times the maximum.",
        )
        return out

    def _discipline(self) -> dict[str, pl.Series]:
        date = self._date("date", required=True, latest=self.rules.as_of)
        codes = {normalized(code): value for code, value in self.rules.codes.get("action", {}).items()}
        action = self.frame["action"].replace_strict(
            {
                value: codes.get(normalized(value), ACTIONS.get(normalized(value), "other"))
                for value in self.frame["action"].unique().to_list()
            },
            default="other",
            return_dtype=pl.String,
        )
        told = action.replace_strict(SEVERITY, default=2, return_dtype=pl.Int64)
        severity = self._number("severity", 1, 5, whole=True)
        roles = {"": "perpetrator"} | {r: r for r in ("perpetrator", "victim", "witness", "reporter")}
        return {
            "district_id": self._text("student_id", 64, required=True),
            "date": date,
            "incident_id": self._text("incident_id", 80),
            "incident_type": self._text("incident_type", 80, required=True),
            "action": action,
            "action_text": self._text("action", 80),
            "days_removed": self._number("days_removed", 0, 400, default=0.0),
            "severity": pl.select(pl.when(severity.is_null()).then(told).otherwise(severity)).to_series(),
            "role": self._choice("role", roles, "none", default="perpetrator"),
            "school_code": self._text("school_code", 40),
            "recorded_at": self._recorded(date),
        }

    def _outcomes(self) -> dict[str, pl.Series]:
        date = self._date("date", required=True, latest=self.rules.as_of)
        allowed = {normalized(name): name for name in OUTCOMES} | {"dropout": "dropped_out"}
        return {
            "district_id": self._text("student_id", 64, required=True),
            "date": date,
            "outcome": self._choice("outcome", allowed, "outcome"),
            "school_year": self._text("school_year", 12),
            "detail": self._text("detail", 200),
            "date_known": ~self.frame["detail"].str.to_lowercase().str.contains("date unknown", literal=True),
            "school_code": pl.Series([""] * len(date), dtype=pl.String),
            "recorded_at": self._recorded(date),
        }
