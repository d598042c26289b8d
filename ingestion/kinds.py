"""The file contract: the columns of each kind, and the tables its rows end in."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.models import Kind


@dataclass(frozen=True)
class Column:
    name: str
    required: bool = False


@dataclass(frozen=True)
class Target:
    """A table that staged rows are merged into.

    key: columns that identify a record. payload: columns whose change makes an update. extra: columns
    written but not compared.
    """

    table: str
    key: tuple[str, ...]
    payload: tuple[str, ...]
    extra: tuple[str, ...] = ()


def _columns(required: str, optional: str) -> tuple[Column, ...]:
    return tuple(Column(name, True) for name in required.split()) + tuple(
        Column(name) for name in optional.split()
    )


COLUMNS: dict[str, tuple[Column, ...]] = {
    Kind.CALENDAR: _columns("school_code date in_session", "term school_year minutes recorded_at"),
    Kind.STUDENTS: _columns(
        "student_id grade_level school_code enrollment_date",
        "state_id first_name last_name birth_date exit_date exit_type counselor gender race_ethnicity "
        "english_learner special_education economically_disadvantaged recorded_at",
    ),
    Kind.ATTENDANCE: _columns(
        "student_id date status", "period minutes_absent minutes_present reason school_code recorded_at"
    ),
    Kind.GRADES: _columns(
        "student_id date course_code score",
        "max_score course_name subject term kind weight assignment_id due_date school_code recorded_at",
    ),
    Kind.DISCIPLINE: _columns(
        "student_id date incident_type",
        "incident_id action days_removed severity role school_code recorded_at",
    ),
    Kind.OUTCOMES: _columns("student_id date outcome", "school_year detail recorded_at"),
}

STUDENT = Target(
    "students_student",
    ("district_id",),
    (
        "state_id",
        "first_name",
        "last_name",
        "birth_date",
        "gender",
        "race_ethnicity",
        "english_learner",
        "special_education",
        "economically_disadvantaged",
    ),
    ("recorded_at",),
)
TARGETS: dict[str, Target] = {
    Kind.CALENDAR: Target(
        "students_schoolday",
        ("school_code", "date"),
        ("in_session", "school_year", "term", "minutes", "inferred"),
        ("recorded_at",),
    ),
    Kind.STUDENTS: Target(
        "students_enrollment",
        ("student_id", "school_id", "start"),
        ("grade_level", "end", "exit_type"),
        ("recorded_at",),
    ),
    Kind.ATTENDANCE: Target(
        "students_attendancerecord",
        ("student_id", "date", "period"),
        ("status", "minutes_absent", "minutes_present", "reason", "school_id"),
        ("recorded_at",),
    ),
    Kind.GRADES: Target(
        "students_coursegrade",
        ("student_id", "course_code", "date", "item_key"),
        (
            "course_name",
            "subject",
            "kind",
            "term",
            "assignment_id",
            "score_text",
            "percent",
            "weight",
            "due_date",
            "school_id",
        ),
        ("recorded_at",),
    ),
    Kind.DISCIPLINE: Target(
        "students_disciplineincident",
        ("student_id", "date", "incident_key"),
        (
            "incident_id",
            "incident_type",
            "action",
            "action_text",
            "days_removed",
            "severity",
            "role",
            "school_id",
        ),
        ("recorded_at",),
    ),
    Kind.OUTCOMES: Target(
        "students_outcome",
        ("student_id", "school_year"),
        ("date", "outcome", "detail", "date_known", "school_id"),
        ("recorded_at",),
    ),
}

# Columns of the staging table: name → (PostgreSQL type, SQLite type). Dates are ISO text on SQLite, as
# Django keeps them.
_TEXT, _INTEGER, _FLOAT = ("text", "text"), ("bigint", "integer"), ("double precision", "real")
_DATE, _BOOLEAN = ("date", "text"), ("boolean", "bool")
TYPES: dict[str, tuple[str, str]] = {
    "line": _INTEGER,
    "district_id": _TEXT,
    "student_id": _INTEGER,
    "school_id": _INTEGER,
    **dict.fromkeys(("birth_date", "start", "end", "date", "due_date", "recorded_at"), _DATE),
    **dict.fromkeys(
        (
            "english_learner",
            "special_education",
            "economically_disadvantaged",
            "in_session",
            "inferred",
            "date_known",
        ),
        _BOOLEAN,
    ),
    **dict.fromkeys(("minutes", "minutes_absent", "minutes_present", "severity"), _INTEGER),
    **dict.fromkeys(("percent", "weight", "days_removed"), _FLOAT),
}


def sql_type(column: str, *, postgresql: bool) -> str:
    """Return the staging type of a column; text where nothing else is said."""
    return TYPES.get(column, _TEXT)[0 if postgresql else 1]


def staged_columns(kind: str) -> list[str]:
    """Return the columns that parsing must deliver for a kind."""
    target = TARGETS[kind]
    names = ["line", *target.key, *target.payload, *target.extra]
    if kind == Kind.STUDENTS:
        names += [*STUDENT.key, *STUDENT.payload, "counselor"]
    elif kind != Kind.CALENDAR:
        names.append("district_id")
    if "school_id" in names:
        names.append("school_code")
    computed = {"student_id", "school_id", "item_key", "incident_key"}
    return [name for name in dict.fromkeys(names) if name not in computed]
