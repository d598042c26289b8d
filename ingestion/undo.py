"""Undo: put records back as they were before an import, where nobody has touched them since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from ingestion.calendar import make_terms
from ingestion.kinds import STUDENT, TARGETS
from ingestion.loading import lock
from ingestion.models import HistoricalDataImport, Kind
from ingestion.staging import on_postgresql, rows, run
from students.models import AuditEvent, Caseload, SchoolDay, Student, Term


class CannotUndo(ValueError):
    """The import is in a state in which there is nothing to undo."""


@dataclass(frozen=True)
class UndoReport:
    """How many records an undo put back, removed, and left because somebody changed them since."""

    restored: int
    removed: int
    left: int


def undo_import(pk: int, user: Any = None) -> UndoReport:
    """Undo an applied import.

    A record that a later import wrote or a person edited is left and counted. A student who came with
    the import and has other records by now is left, too.

    Raises:
        CannotUndo: the import was not applied.
    """
    with transaction.atomic():
        made = HistoricalDataImport.objects.select_for_update().get(pk=pk)
        if made.state != made.State.APPLIED:
            raise CannotUndo(
                f"import {pk} is '{made.get_state_display().lower()}', only an applied one can be undone"
            )
        with lock(made.kind):
            _mark_stale(made)
            tables = [TARGETS[made.kind].table]
            if made.kind == Kind.STUDENTS:
                Caseload.objects.filter(last_import=pk).delete()
                tables.append(STUDENT.table)
            restored = removed = left = 0
            for table in tables:
                back, gone, kept = _undo_table(table, pk)
                restored, removed, left = restored + back, removed + gone, left + kept
            if made.kind == Kind.CALENDAR:
                Term.objects.all().delete()
                make_terms()
            made.state, made.finished_at = made.State.UNDONE, timezone.now()
            made.message = (
                f"Undone: {restored:,} put back, {removed:,} removed, {left:,} left (changed since)."
            )
            made.save(update_fields=["state", "finished_at", "message"])
            made.images.all().delete()
            AuditEvent.record(
                "undo", "import", made.uuid, actor=user, restored=restored, removed=removed, left=left
            )
    return UndoReport(restored, removed, left)


def _undo_table(table: str, pk: int) -> tuple[int, int, int]:
    names = _column_names(table)
    keep = {"id", "uuid", "stale_from", "records_changed_at"}
    columns = [name for name in names if name not in keep]
    mine = "t.last_import = %s AND t.edited_at IS NULL"
    imaged = f"i.source_id = %s AND i.\"table\" = '{table}' AND i.record_id = t.id"
    if on_postgresql():
        source = f"jsonb_populate_record(NULL::{table}, i.before)"
        sets = ", ".join(f'"{name}" = (b."{name}")' for name in columns)
        restored = run(
            f"UPDATE {table} t SET {sets} FROM ingestion_rowimage i, LATERAL {source} b WHERE {imaged} AND {mine}",
            [pk, pk],
        )
    else:
        sets = ", ".join(f"\"{name}\" = json_extract(i.before, '$.{name}')" for name in columns)
        restored = run(
            f"UPDATE {table} AS t SET {sets} FROM ingestion_rowimage i WHERE {imaged} AND {mine}", [pk, pk]
        )
    # What was restored carries the older import's number now; what still carries this one was inserted.
    where = "last_import = %s AND edited_at IS NULL"
    if table == STUDENT.table:
        others = [
            name
            for name in connection.introspection.table_names()
            if name.startswith("students_") and "student_id" in _column_names(name) and name != table
        ]
        where += "".join(
            f" AND NOT EXISTS (SELECT 1 FROM {n} o WHERE o.student_id = {table}.id)" for n in others
        )
        going = [row[0] for row in rows(f"SELECT id FROM {table} WHERE {where}", [pk])]
        removed = len(going)
        for at in range(0, removed, 1_000):
            Student.objects.filter(pk__in=going[at : at + 1_000]).delete()
    else:
        removed = run(f"DELETE FROM {table} WHERE {where}", [pk])
    touched = rows(
        f"SELECT count(*) FROM ingestion_rowimage i JOIN {table} t ON t.id = i.record_id WHERE i.source_id = %s "
        f"AND i.\"table\" = '{table}'",
        [pk],
    )[0][0]
    # Inserted by this import and edited by hand since: still its rows, and kept.
    edited = rows(
        f"SELECT count(*) FROM {table} t WHERE t.last_import = %s AND NOT EXISTS "
        f"(SELECT 1 FROM ingestion_rowimage i WHERE {imaged})",
        [pk, pk],
    )[0][0]
    return restored, removed, max(touched - restored, 0) + edited


def _mark_stale(made: HistoricalDataImport) -> None:
    if made.kind == Kind.CALENDAR:
        first = (
            SchoolDay.objects.filter(last_import=made.pk)
            .order_by("date")
            .values_list("date", flat=True)
            .first()
        )
        if first:
            Student.objects.update(stale_from=first, records_changed_at=timezone.now())
        return
    low = "least" if on_postgresql() else "min"
    now = timezone.now()
    stamp = now if on_postgresql() else now.replace(tzinfo=None).isoformat(" ")
    run(
        f"UPDATE students_student SET stale_from = {low}(coalesce(stale_from, c.since), c.since), "
        f"records_changed_at = %s FROM (SELECT student_id, min(recorded_at) AS since FROM "
        f"{TARGETS[made.kind].table} WHERE last_import = %s GROUP BY student_id) c "
        "WHERE students_student.id = c.student_id",
        [stamp, made.pk],
    )


def _column_names(table: str) -> list[str]:
    with connection.cursor() as cursor:
        return [column.name for column in connection.introspection.get_table_description(cursor, table)]
