"""Ugly files: each with what the report must say. The content stands here, named by its defect."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, field

import pytest

from ingestion.loading import run_import, start_import
from ingestion.models import CodeMap, ColumnMapping, HistoricalDataImport
from students.models import AttendanceRecord, CourseGrade
from tests.factories import EnrollmentFactory, SchoolFactory, StudentFactory, school_days

pytestmark = pytest.mark.django_db
HEAD = "student_id,date,status\n"
DAY = "2025-09-0"


@dataclass
class Case:
    """kind, content, the counts that differ from 0, and words of the message, notices or problems."""

    content: bytes
    counts: dict[str, int] = field(default_factory=dict)
    words: str = ""
    state: str = "applied"
    kind: str = "attendance"
    lines: list[int] = field(default_factory=list)
    name: str = "file.csv"


def rows(*lines: str) -> bytes:
    return (HEAD + "\n".join(lines) + "\n").encode()


GOOD = [f"S1,{DAY}{n},present" for n in range(1, 6)] + [f"S2,{DAY}{n},present" for n in range(1, 6)]
CASES = {
    "clean": Case(rows(*GOOD), {"inserted": 10}),
    "byte-order-mark": Case(b"\xef\xbb\xbf" + rows(*GOOD), {"inserted": 10}),
    "semicolons": Case(rows(*GOOD).replace(b",", b";"), {"inserted": 10}, "separated by ';'"),
    "tabs": Case(rows(*GOOD).replace(b",", b"\t"), {"inserted": 10}, "tabs"),
    "pipes": Case(rows(*GOOD).replace(b",", b"|"), {"inserted": 10}, "separated by '|'"),
    "carriage-returns": Case(rows(*GOOD).replace(b"\n", b"\r\n"), {"inserted": 10}),
    "no-last-newline": Case(rows(*GOOD).rstrip(b"\n"), {"inserted": 10}),
    "blank-lines": Case(rows(*GOOD[:5], "", "", *GOOD[5:]), {"inserted": 10}),
    "gzipped": Case(gzip.compress(rows(*GOOD)), {"inserted": 10}, name="file.csv.gz"),
    "gzip-cut-short": Case(
        gzip.compress(rows(*GOOD))[:-9], state="failed", words="damaged", name="file.csv.gz"
    ),
    "gzip-bomb-of-one-line": Case(
        gzip.compress(b"0" * 300_000_000, 9), state="failed", words="longer than 1024 kB", name="file.csv.gz"
    ),
    "windows-1252": Case(
        b"student_id,date,status,reason\n" + "\n".join(f"{r},café" for r in GOOD).encode("cp1252"),
        {"inserted": 10},
        "Windows-1252",
    ),
    "header-in-other-words": Case(
        rows(*GOOD).replace(b"student_id,date", b"Student ID,DATE"), {"inserted": 10}
    ),
    "columns-moved": Case(
        ("status,date,student_id\n" + "\n".join(",".join(r.split(",")[::-1]) for r in GOOD)).encode(),
        {"inserted": 10},
    ),
    "unknown-column": Case(
        rows(*GOOD).replace(b"status", b"status,weather").replace(b"present", b"present,rain"),
        {"inserted": 10},
        "weather",
    ),
    "duplicate-header": Case(rows(*GOOD).replace(b"status", b"date"), state="failed", words="twice"),
    "missing-column": Case(b"student_id,date\nS1,2025-09-01\n", state="failed", words="lacks status"),
    "file-of-another-kind": Case(
        b"student_id,date,course_code,score\nS1,2025-09-01,MATH,90\n",
        state="failed",
        words="looks like a file of grades",
    ),
    "empty": Case(b"", state="failed", words="empty"),
    "only-blank-lines": Case(b"\n\n\n", state="failed", words="no header"),
    "header-only": Case(HEAD.encode(), {}, "no rows"),
    "excel": Case(b"PK\x03\x04" + bytes(200), state="failed", words="Excel"),
    "old-excel": Case(b"\xd0\xcf\x11\xe0" + bytes(200), state="failed", words="old Excel"),
    "pdf": Case(b"%PDF-1.7 ...", state="failed", words="PDF"),
    "utf-16": Case("student_id,date\n".encode("utf-16"), state="failed", words="UTF-16"),
    "nul-bytes": Case(rows(*GOOD) + b"S1,\x00\x00,present\n", state="failed", words="line 12 holds a NUL"),
    "endless-line": Case(
        HEAD.encode() + b'"' + b"x" * 3_000_000, state="failed", words="longer than 1024 kB"
    ),
    "unclosed-quote": Case(
        rows(*GOOD) + b'"S1,2025-09-01,present\n' * 1, {"inserted": 10, "rejected": 1}, "fields"
    ),
    "quoted-newline": Case(
        b"student_id,date,status,reason\n"
        + b'S1,2025-09-01,present,"two\nlines"\nS1,2025-13-01,present,x\n'
        + "\n".join(f"{r}," for r in GOOD[1:]).encode(),
        {"inserted": 10, "rejected": 1},
        "no date",
        lines=[4],
    ),
    "impossible-date": Case(
        rows(*GOOD, "S1,2025-02-30,present"), {"inserted": 10, "rejected": 1}, "2025-02-30", lines=[12]
    ),
    "american-date": Case(
        rows(*GOOD, "S1,09/06/2025,present"), {"inserted": 10, "rejected": 1}, "YYYY-MM-DD"
    ),
    "future-date": Case(
        rows(*GOOD, "S1,2199-01-01,present"), {"inserted": 10, "rejected": 1}, "day of the import"
    ),
    "date-with-time": Case(rows(*GOOD[1:], "S1,2025-09-01 00:00:00,present"), {"inserted": 10}),
    "unknown-student": Case(
        rows(*GOOD, "S9,2025-09-01,present"), {"inserted": 10, "rejected": 1}, "No student 'S9'", lines=[12]
    ),
    "unmapped-code": Case(
        rows(*GOOD, "S1,2025-09-08,ZZ"), {"inserted": 10, "rejected": 1}, "code map 'attendance'"
    ),
    "mapped-code": Case(rows(*GOOD, "S1,2025-09-08,ux"), {"inserted": 11}),
    "ragged-row": Case(rows(*GOOD, "S1,2025-09-08"), {"inserted": 10, "rejected": 1}, "2 fields", lines=[12]),
    "long-row": Case(rows(*GOOD, "S1,2025-09-08,present,x,y"), {"inserted": 10, "rejected": 1}, "5 fields"),
    "same-row-twice": Case(rows(*GOOD, GOOD[0]), {"inserted": 10, "duplicate": 1}),
    "conflicting-rows": Case(
        rows(*GOOD, "S1,2025-09-01,absent"), {"inserted": 10, "duplicate": 1}, "later line counts"
    ),
    "too-many-bad-rows": Case(
        rows(*GOOD[:2], "S8,2025-09-01,present"), {"inserted": 2, "rejected": 1}, "more than 10%", "held"
    ),
    "negative-minutes": Case(
        b"student_id,date,status,minutes_absent\n"
        + "\n".join(f"{r},{-5 if i == 3 else 5}" for i, r in enumerate(GOOD)).encode(),
        {"inserted": 9, "rejected": 1},
        "outside 0 to 1440",
    ),
    "thousand-columns": Case(
        ",".join(f"c{n}" for n in range(1000)).encode() + b"\n", state="failed", words="1000 columns"
    ),
    "score-incomplete": Case(
        b"student_id,date,course_code,score\n"
        + b"".join(b"S1,2025-09-0%d,MATH%d,90\n" % (n % 9 + 1, n) for n in range(10))
        + b"S1,2025-09-01,ART,Inc\n",
        {"inserted": 10, "rejected": 1},
        "neither a number nor a letter",
        kind="grades",
    ),
}


@pytest.fixture(autouse=True)
def two_students() -> None:
    school = SchoolFactory(code="NORTH")
    for name in ("S1", "S2"):
        EnrollmentFactory(student=StudentFactory(district_id=name), school=school)
    school_days()
    CodeMap.objects.create(subject="attendance", code="UX", value="unexcused_absence")


def load(
    content: bytes, kind: str = "attendance", name: str = "file.csv", **options: object
) -> HistoricalDataImport:
    return run_import(start_import(kind, io.BytesIO(content), name, **options).pk)  # type: ignore[arg-type]


@pytest.mark.parametrize("defect", CASES)
def test_the_report_says_what_became_of_every_row(defect: str) -> None:
    case = CASES[defect]
    done = load(case.content, case.kind, case.name)
    told = " ".join([done.message, *done.notices, *(p.message for p in done.problems.all())])
    assert done.state == case.state, told
    assert case.words in told
    if case.state in ("applied", "held"):
        assert {name: n for name, n in done.counts.items() if n} == case.counts
        assert done.rows_read == sum(done.counts.values())
    if case.lines:
        assert [p.line for p in done.problems.all()] == case.lines
    if case.state != "applied":
        assert AttendanceRecord.objects.count() == 0


def test_a_dry_run_changes_nothing_and_tells_the_same() -> None:
    dry = load(rows(*GOOD), dry_run=True)
    assert (dry.state, dry.inserted, AttendanceRecord.objects.count()) == ("checked", 10, 0)
    assert load(rows(*GOOD)).inserted == 10


def test_the_same_file_again_changes_nothing() -> None:
    load(rows(*GOOD))
    before = list(AttendanceRecord.objects.values())
    assert load(rows(*GOOD)).unchanged == 10
    assert list(AttendanceRecord.objects.values()) == before


def test_all_or_nothing_loads_nothing_beside_one_bad_row() -> None:
    done = load(rows(*GOOD, "S9,2025-09-01,present"), on_bad_rows="all_or_nothing")
    assert (done.state, AttendanceRecord.objects.count()) == ("failed", 0)


def test_a_mapping_turns_another_systems_names_and_dates_into_ours() -> None:
    mapping = ColumnMapping.objects.create(
        name="SIS",
        kind="attendance",
        columns={"student_id": "Student_Number", "date": "Att Date", "status": "Att_Code"},
        date_format="%m/%d/%Y",
    )
    content = b"Student_Number,Att Date,Att_Code\nS1,09/02/2025,UX\n"
    assert load(content, mapping=mapping).inserted == 1
    assert AttendanceRecord.objects.get().status == "unexcused_absence"


def test_scores_become_percents() -> None:
    texts = {"85": 85.0, "17": 85.0, "B+": 88.0, "85.12 B+": 85.12, "90 %": 90.0, "": None}
    lines = [f"S1,2025-09-01,C{n},{text},{20 if text == '17' else ''}" for n, text in enumerate(texts)]
    done = load(("student_id,date,course_code,score,max_score\n" + "\n".join(lines)).encode(), "grades")
    assert done.inserted == len(texts)
    found = list(CourseGrade.objects.order_by("course_code").values_list("percent", flat=True))
    assert found == [None if value is None else pytest.approx(value) for value in texts.values()]


def test_big_and_small_blocks_give_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion import readers

    lines = [f'S1,2025-{m:02d}-{d:02d},present,"a ""b"", c"' for m in range(1, 9) for d in range(1, 29)]
    content = ("student_id,date,status,reason\n" + "\n".join(lines)).encode()
    monkeypatch.setattr(readers, "BLOCK_BYTES", 777)
    done = load(content)
    assert (done.inserted, done.rejected) == (len(lines), 0)
    assert set(AttendanceRecord.objects.values_list("reason", flat=True)) == {'a "b", c'}


def test_a_file_that_unpacks_out_of_all_proportion_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion import readers

    monkeypatch.setattr(readers, "MAX_EXPANSION", 2)
    done = load(gzip.compress(HEAD.encode() + b"S1,2025-09-01,present\n" * 150_000), name="file.csv.gz")
    assert (done.state, AttendanceRecord.objects.count()) == ("failed", 0)
    assert "2 times its size" in done.message
