"""Undo, hand edits, and what dies in between."""

from __future__ import annotations

import io

import pytest
from django.utils import timezone

from ingestion.loading import approve, run_import, start_import
from ingestion.models import HistoricalDataImport
from ingestion.staging import Stage
from ingestion.undo import CannotUndo, undo_import
from students.models import AttendanceRecord, Caseload, Enrollment, SchoolDay, Student
from tests.factories import EnrollmentFactory, StudentFactory, UserFactory, school_days

pytestmark = pytest.mark.django_db
FIRST = b"student_id,date,status\n" + b"".join(b"S1,2025-09-0%d,present\n" % n for n in range(1, 6))
SECOND = b"student_id,date,status\nS1,2025-09-01,absent\nS1,2025-09-02,absent\nS1,2025-09-08,absent\n"


@pytest.fixture(autouse=True)
def student() -> Student:
    made: Student = StudentFactory(district_id="S1")
    EnrollmentFactory(student=made)
    school_days()
    return made


def load(content: bytes, kind: str = "attendance") -> HistoricalDataImport:
    return run_import(start_import(kind, io.BytesIO(content), "file.csv").pk)


def table() -> list[tuple[object, ...]]:
    return list(
        AttendanceRecord.objects.order_by("date").values_list("date", "status", "last_import", "recorded_at")
    )


def test_it_puts_everything_back() -> None:
    load(FIRST)
    before = table()
    second = load(SECOND)
    assert (second.inserted, second.updated) == (1, 2)
    report = undo_import(second.pk)
    assert (report.restored, report.removed, report.left) == (2, 1, 0)
    assert table() == before


def test_it_leaves_what_was_changed_since_and_counts_it() -> None:
    load(FIRST)
    second = load(SECOND)
    AttendanceRecord.objects.filter(date="2025-09-01").update(status="tardy", edited_at=timezone.now())
    third = load(b"student_id,date,status\nS1,2025-09-02,excused_absence\n")
    report = undo_import(second.pk)
    assert (report.restored, report.removed, report.left) == (0, 1, 2)
    found = dict(AttendanceRecord.objects.values_list("date__day", "status"))
    assert found[1] == "tardy"
    assert found[2] == "excused_absence"
    assert undo_import(third.pk).restored == 1


def test_it_is_refused_for_what_was_not_applied() -> None:
    first = load(FIRST)
    undo_import(first.pk)
    with pytest.raises(CannotUndo, match="undone"):
        undo_import(first.pk)


def test_it_removes_students_that_came_with_the_import_and_have_nothing_else() -> None:
    UserFactory(username="ana")
    made = load(
        b"student_id,grade_level,school_code,enrollment_date,counselor\n"
        b"N1,9,NEW,2025-08-18,ana\nN2,9,NEW,2025-08-18,ana;nobody\n",
        "students",
    )
    assert Caseload.objects.count() == 2
    assert "nobody" in made.notices[-1]
    undo_import(made.pk)
    assert not Student.objects.filter(district_id__startswith="N").exists()
    assert Caseload.objects.count() == 0


def test_it_takes_a_calendar_back() -> None:
    before = SchoolDay.objects.count()
    made = load(b"school_code,date,in_session\n,2026-07-01,true\n,2025-09-01,false\n", "calendar")
    assert (made.inserted, made.updated) == (1, 1)
    undo_import(made.pk)
    assert SchoolDay.objects.count() == before
    assert SchoolDay.objects.get(date="2025-09-01").in_session


def test_hand_edits_are_protected_unless_the_import_says_otherwise() -> None:
    load(FIRST)
    AttendanceRecord.objects.filter(date="2025-09-01").update(status="tardy", edited_at=timezone.now())
    assert load(SECOND).protected == 1
    assert AttendanceRecord.objects.get(date="2025-09-01").status == "tardy"
    made = start_import("attendance", io.BytesIO(SECOND), "file.csv", overwrite_edited=True)
    assert run_import(made.pk).updated == 1
    assert AttendanceRecord.objects.get(date="2025-09-01").status == "absent"


def test_a_failure_in_the_middle_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    load(FIRST)
    before = table()
    real = Stage._merge

    def dies(self: Stage, *args: object) -> None:
        real(self, *args)  # type: ignore[arg-type]
        raise RuntimeError("power cut")

    monkeypatch.setattr(Stage, "_merge", dies)
    with pytest.raises(RuntimeError):
        load(SECOND)
    assert table() == before
    monkeypatch.undo()
    assert load(SECOND).updated == 2


def test_a_held_import_is_applied_once_a_person_lets_it() -> None:
    made = load(b"student_id,date,status\nS1,2025-09-01,present\nS7,2025-09-01,present\n")
    assert made.state == "held"
    approve(made, UserFactory())
    assert run_import(made.pk).state == "applied"
    assert AttendanceRecord.objects.count() == 1


def test_a_finished_import_is_not_run_again() -> None:
    made = load(FIRST)
    AttendanceRecord.objects.all().delete()
    assert run_import(made.pk).state == "applied"
    assert AttendanceRecord.objects.count() == 0


def test_only_the_students_touched_go_stale(student: Student) -> None:
    other = StudentFactory(district_id="S2")
    Student.objects.update(stale_from=None)
    load(FIRST)
    student.refresh_from_db()
    other.refresh_from_db()
    assert str(student.stale_from) == "2025-09-02"  # the day after: attendance is known a day later
    assert other.stale_from is None


def test_several_rows_of_one_student_are_several_enrollments() -> None:
    load(
        b"student_id,grade_level,school_code,enrollment_date,exit_date,last_name\n"
        b"N1,8,MIDDLE,2024-08-18,2025-06-06,Old\nN1,09,HIGH,2025-08-18,,New\n",
        "students",
    )
    assert Student.objects.get(district_id="N1").last_name == "New"
    assert list(
        Enrollment.objects.filter(student__district_id="N1").values_list("grade_level", flat=True)
    ) == ["8", "9"]
