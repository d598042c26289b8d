"""Staged rows: into a temporary table, resolved, classified against the records, and applied from there.

Every step is one statement over all rows. The statements are the same on PostgreSQL and SQLite but for
the way rows get in and how a record's image is taken.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl
from django.db import connection

from ingestion.kinds import STUDENT, TARGETS, Target, sql_type, staged_columns
from ingestion.models import Kind

STAGE = "ingestion_stage"
ROW_STATES = ("insert", "update", "unchanged", "duplicate", "protected", "rejected")
INSERT_BATCH = 5_000


def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def quoted(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in names)


def run(sql: str, params: Sequence[Any] = ()) -> int:
    """Execute one statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        return cursor.rowcount


def rows(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


class Stage:
    """The temporary table of one import. Lives in this connection and goes with it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.target = TARGETS[kind]
        self.columns = staged_columns(kind)
        pg = on_postgresql()
        computed = [c for c in (*self.target.key, *self.target.payload) if c not in self.columns]
        types = [f'"{name}" {sql_type(name, postgresql=pg)}' for name in (*self.columns, *computed)]
        types += ['"state" text', '"target_id" bigint', f'"old_recorded" {sql_type("date", postgresql=pg)}']
        if kind == Kind.STUDENTS:
            types.append('"student_state" text')
        run(f"DROP TABLE IF EXISTS {STAGE}")
        run(f"CREATE TEMPORARY TABLE {STAGE} ({', '.join(types)})")

    def add(self, frame: pl.DataFrame) -> None:
        """Append parsed rows."""
        if frame.is_empty():
            return
        names = quoted(self.columns)
        if on_postgresql():
            text = frame.write_csv(include_header=False, null_value="\\N", quote_style="non_numeric")
            copy = f"COPY {STAGE} ({names}) FROM STDIN (FORMAT csv, NULL '\\N')"
            with connection.cursor() as cursor, cursor.cursor.copy(copy) as out:
                out.write(text)
            return
        plain = frame.with_columns(pl.col(pl.Date).cast(pl.String))
        places = ", ".join(["?"] * len(self.columns))
        connection.ensure_connection()
        for part in plain.iter_slices(INSERT_BATCH * 10):
            connection.connection.executemany(f"INSERT INTO {STAGE} ({names}) VALUES ({places})", part.rows())

    def resolve(self) -> None:
        """Find the student and school of each row and make the keys that depend on the whole file.

        Rows of a student whom nobody knows are marked rejected. Schools are made on sight.
        """
        if on_postgresql():
            run(f"ANALYZE {STAGE}")
        if "school_code" in self.columns and self.kind != Kind.CALENDAR:
            run(
                f"INSERT INTO students_school (code, name) SELECT DISTINCT school_code, '' FROM {STAGE} "
                "WHERE school_code <> '' ON CONFLICT (code) DO NOTHING"
            )
            run(
                f"UPDATE {STAGE} SET school_id = s.id FROM students_school s "
                f"WHERE {STAGE}.school_code <> '' AND s.code = {STAGE}.school_code"
            )
        if "district_id" in self.columns:
            run(
                f"UPDATE {STAGE} SET student_id = s.id FROM students_student s "
                f"WHERE s.district_id = {STAGE}.district_id"
            )
            if self.kind != Kind.STUDENTS:
                run(f"UPDATE {STAGE} SET state = 'rejected' WHERE student_id IS NULL")
        if self.kind == Kind.GRADES:
            self._ordinals(
                "item_key",
                "assignment_id",
                "student_id, course_code, date, kind, term",
                "kind || '|' || term",
            )
        elif self.kind == Kind.DISCIPLINE:
            self._ordinals("incident_key", "incident_id", "student_id, date, incident_type", "incident_type")
        elif self.kind == Kind.OUTCOMES:
            run(
                f"UPDATE {STAGE} SET school_year = coalesce((SELECT d.school_year FROM students_schoolday d "
                f"WHERE d.date <= {STAGE}.date ORDER BY d.date DESC LIMIT 1), '') WHERE school_year = ''"
            )

    def _ordinals(self, key: str, own: str, likes: str, name: str) -> None:
        """Give rows without an identifier of their own the ordinal among their likes in the file."""
        run(f"UPDATE {STAGE} SET {key} = {own} WHERE {own} <> ''")
        run(
            f"UPDATE {STAGE} SET {key} = {name} || '|' || n.ordinal FROM (SELECT line, row_number() OVER "
            f"(PARTITION BY {likes} ORDER BY line) AS ordinal FROM {STAGE} WHERE {own} = '') n "
            f"WHERE n.line = {STAGE}.line"
        )

    def classify(self, *, overwrite_edited: bool) -> dict[str, int]:
        """Say of each row what it would do to the records; return how many do what.

        Of several rows with one key the last counts; the earlier ones are duplicates.
        """
        if self.kind == Kind.STUDENTS:
            self._classify_students(overwrite_edited)
        # A student not known yet has no id; its own identifier stands in for it in the key.
        key = [f'"{c}"' for c in self.target.key]
        if self.kind == Kind.STUDENTS:
            key = ['"district_id"', '"school_id"', '"start"']
        run(
            f"UPDATE {STAGE} SET state = 'duplicate' WHERE state IS NULL AND line IN (SELECT line FROM "
            f"(SELECT line, row_number() OVER (PARTITION BY {', '.join(key)} ORDER BY line DESC) AS n "
            f"FROM {STAGE} WHERE state IS NULL) r WHERE r.n > 1)"
        )
        self._compare(self.target, "state", overwrite_edited, where=f"{STAGE}.state IS NULL")
        run(f"UPDATE {STAGE} SET state = 'insert' WHERE state IS NULL")
        if self.kind == Kind.STUDENTS:
            run(f"UPDATE {STAGE} SET state = 'update' WHERE state = 'unchanged' AND student_state = 'update'")
            run(
                f"UPDATE {STAGE} SET state = 'protected' "
                "WHERE state = 'unchanged' AND student_state = 'protected'"
            )
        counts = dict(rows(f"SELECT state, count(*) FROM {STAGE} GROUP BY state"))
        return {state: counts.get(state, 0) for state in ROW_STATES}

    def _compare(self, target: Target, state: str, overwrite_edited: bool, where: str) -> None:
        key = " AND ".join(f't."{c}" = {STAGE}."{c}"' for c in target.key)
        same = " AND ".join(f't."{c}" IS NOT DISTINCT FROM {STAGE}."{c}"' for c in target.payload)
        edited = "" if overwrite_edited else "WHEN t.edited_at IS NOT NULL THEN 'protected' "
        extra = "" if target is STUDENT else ", target_id = t.id, old_recorded = t.recorded_at"
        if connection.vendor == "sqlite":
            same = same.replace("IS NOT DISTINCT FROM", "IS")
        run(
            f"UPDATE {STAGE} SET \"{state}\" = CASE WHEN {same} THEN 'unchanged' {edited}"
            f"ELSE 'update' END{extra} FROM {target.table} t WHERE {key} AND {where}"
        )

    def _classify_students(self, overwrite_edited: bool) -> None:
        """Mark the row that speaks for each student (the latest enrollment, else the last line)."""
        run(
            f"UPDATE {STAGE} SET student_state = 'speaks' WHERE line IN (SELECT line FROM (SELECT line, "
            'row_number() OVER (PARTITION BY district_id ORDER BY "start" DESC, line DESC) AS n '
            f"FROM {STAGE}) r WHERE r.n = 1)"
        )
        self._compare(STUDENT, "student_state", overwrite_edited, where=f"{STAGE}.student_state = 'speaks'")
        run(f"UPDATE {STAGE} SET student_state = 'insert' WHERE student_state = 'speaks'")

    def unknown_students(self, limit: int) -> list[tuple[int, str]]:
        """Return (line, student id) of the rows rejected because nobody knows the student."""
        if "district_id" not in self.columns:
            return []
        found = rows(
            f"SELECT line, district_id FROM {STAGE} WHERE state = 'rejected' ORDER BY line LIMIT %s", [limit]
        )
        return [(line, district_id) for line, district_id in found]

    def conflicting(self, limit: int = 20) -> list[int]:
        """Return lines that name a key which a later line names with other values."""
        if self.kind == Kind.STUDENTS:
            return []
        same = " AND ".join(f'a."{c}" = b."{c}"' for c in self.target.key)
        sign = "IS NOT" if connection.vendor == "sqlite" else "IS DISTINCT FROM"
        differ = " OR ".join(f'a."{c}" {sign} b."{c}"' for c in self.target.payload)
        found = rows(
            f"SELECT a.line FROM {STAGE} a JOIN {STAGE} b ON {same} AND b.state NOT IN ('duplicate', 'rejected') "
            f"WHERE a.state = 'duplicate' AND ({differ}) ORDER BY a.line LIMIT %s",
            [limit],
        )
        return [line for (line,) in found]

    # ── apply ─────────────────────────────────────────────────────────────────────────────────────────
    def apply(self, import_id: int, now: dt.datetime) -> None:
        """Write what was classified. Call inside a transaction that also holds the kind's lock."""
        stamp = now.replace(tzinfo=None).isoformat(" ") if connection.vendor == "sqlite" else now
        if self.kind == Kind.STUDENTS:
            self._apply_students(import_id, stamp)
        self._merge(self.target, "state", "target_id", import_id, stamp)
        if self.kind == Kind.CALENDAR:
            self._stale_schools(stamp)
        else:
            self._stale_students(stamp)

    def _merge(self, target: Target, state: str, target_id: str, import_id: int, stamp: Any) -> None:
        changing = f"{STAGE}.\"{state}\" = 'update' AND t.id = {STAGE}.{target_id}"
        take_images(import_id, target.table, f"FROM {target.table} t, {STAGE} WHERE {changing}")
        written = [*target.payload, *target.extra]
        sets = ", ".join(f'"{c}" = {STAGE}."{c}"' for c in written)
        run(
            f"UPDATE {target.table} AS t SET {sets}, last_import = %s, edited_at = NULL, updated_at = %s "
            f"FROM {STAGE} WHERE {changing}",
            [import_id, stamp],
        )
        names = [*target.key, *written]
        run(
            f"INSERT INTO {target.table} ({quoted(names)}, last_import, updated_at) "
            f"SELECT {quoted(names)}, %s, %s FROM {STAGE} WHERE \"{state}\" = 'insert' ORDER BY line",
            [import_id, stamp],
        )

    def _apply_students(self, import_id: int, stamp: Any) -> None:
        changing = f"{STAGE}.student_state = 'update' AND t.district_id = {STAGE}.district_id"
        take_images(import_id, STUDENT.table, f"FROM {STUDENT.table} t, {STAGE} WHERE {changing}")
        sets = ", ".join(f'"{c}" = {STAGE}."{c}"' for c in STUDENT.payload)
        run(
            f"UPDATE {STUDENT.table} AS t SET {sets}, last_import = %s, edited_at = NULL, updated_at = %s "
            f"FROM {STAGE} WHERE {changing}",
            [import_id, stamp],
        )
        names = [*STUDENT.key, *STUDENT.payload, *STUDENT.extra]
        uuid = "gen_random_uuid()" if on_postgresql() else "lower(hex(randomblob(16)))"
        run(
            f"INSERT INTO {STUDENT.table} (uuid, {quoted(names)}, last_import, updated_at) "
            f"SELECT {uuid}, {quoted(names)}, %s, %s FROM {STAGE} WHERE student_state = 'insert' ORDER BY line",
            [import_id, stamp],
        )
        run(
            f"UPDATE {STAGE} SET student_id = s.id FROM {STUDENT.table} s "
            f"WHERE {STAGE}.student_id IS NULL AND s.district_id = {STAGE}.district_id"
        )

    def _stale_students(self, stamp: Any) -> None:
        """Note from which day on the features of the students touched are out of date."""
        low = "least" if on_postgresql() else "min"
        run(
            f"UPDATE students_student SET stale_from = {low}(coalesce(stale_from, c.since), c.since), "
            f"records_changed_at = %s FROM (SELECT student_id, min({low}(recorded_at, "
            f"coalesce(old_recorded, recorded_at))) AS since FROM {STAGE} WHERE state IN ('insert', 'update') "
            "GROUP BY student_id) c WHERE students_student.id = c.student_id",
            [stamp],
        )

    def _stale_schools(self, stamp: Any) -> None:
        low = "least" if on_postgresql() else "min"
        run(
            f"UPDATE students_student SET stale_from = {low}(coalesce(stale_from, c.since), c.since), "
            "records_changed_at = %s FROM (SELECT e.student_id, min(g.date) AS since FROM "
            "students_enrollment e JOIN students_school s ON s.id = e.school_id JOIN (SELECT school_code, "
            f"min(date) AS date FROM {STAGE} WHERE state IN ('insert', 'update') GROUP BY school_code) g "
            "ON g.school_code IN (s.code, '') GROUP BY e.student_id) c WHERE students_student.id = c.student_id",
            [stamp],
        )


def take_images(import_id: int, table: str, source: str) -> None:
    """Keep records as they are before they change. `source` is FROM … WHERE … with the table as t."""
    if on_postgresql():
        image = "to_jsonb(t.*)"
    else:
        names = [row[1] for row in rows(f"PRAGMA table_info({table})")]
        image = "json_object(" + ", ".join(f"'{name}', t.\"{name}\"" for name in names) + ")"
    run(
        f'INSERT INTO ingestion_rowimage (source_id, "table", record_id, before) '
        f"SELECT %s, %s, t.id, {image} {source}",
        [import_id, table],
    )
