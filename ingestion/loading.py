"""One mechanism loads everything: read, check, stage, classify, apply; a dry run stops before apply."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any
from zlib import crc32

from django.core.files import File
from django.db import connection, transaction
from django.utils import timezone

from ingestion import readers
from ingestion.calendar import make_terms
from ingestion.caseloads import take_caseloads
from ingestion.kinds import TARGETS
from ingestion.models import CodeMap, HistoricalDataImport, Kind, RowProblem
from ingestion.rows import Parser, Problem, Rules
from ingestion.staging import Stage
from students.access import district_today
from students.models import AuditEvent, District

HOLD_SHARE = 0.10  # more rejected than this waits for a person
PROBLEM_BATCH = 5_000

State = HistoricalDataImport.State
Progress = Callable[[float, str], None]


def start_import(
    kind: str,
    file: IO[bytes],
    filename: str,
    *,
    user: Any = None,
    mapping: Any = None,
    dry_run: bool = False,
    on_bad_rows: str = HistoricalDataImport.OnBadRows.LOAD_GOOD,
    overwrite_edited: bool = False,
) -> HistoricalDataImport:
    """Save an uploaded file and its row; `run_import` does the work."""
    digest = hashlib.sha256()
    file.seek(0)
    for part in iter(lambda: file.read(1024 * 1024), b""):
        digest.update(part)
    file.seek(0)
    made = HistoricalDataImport(
        kind=kind,
        filename=filename[-200:],
        sha256=digest.hexdigest(),
        mapping=mapping,
        dry_run=dry_run,
        on_bad_rows=on_bad_rows,
        overwrite_edited=overwrite_edited,
        uploaded_by=user if getattr(user, "pk", None) else None,
    )
    made.file.save(f"{made.uuid}.csv", File(file), save=False)
    made.save()
    AuditEvent.record("import", "import", made.uuid, actor=user, kind=kind, dry_run=dry_run)
    return made


def approve(made: HistoricalDataImport, user: Any) -> HistoricalDataImport:
    """Let a held or merely checked import be applied; the caller rings `load_import`."""
    changed = HistoricalDataImport.objects.filter(pk=made.pk, state__in=[State.HELD, State.CHECKED]).update(
        state=State.QUEUED, dry_run=False, approved=True, message="", finished_at=None
    )
    if changed:
        AuditEvent.record("approve", "import", made.uuid, actor=user)
    made.refresh_from_db()
    return made


def run_import(pk: int, *, on_progress: Progress | None = None) -> HistoricalDataImport:
    """Do the work of a queued import; an import that is over or at work elsewhere is returned as it is.

    Whatever happens, the records are changed in one transaction or not at all.
    """
    claimed = HistoricalDataImport.objects.filter(pk=pk, state=State.QUEUED).update(
        state=State.RUNNING, heartbeat_at=timezone.now()
    )
    made = HistoricalDataImport.objects.select_related("mapping").get(pk=pk)
    if not claimed:
        return made
    say = on_progress or (lambda share, stage: None)
    try:
        _load(made, say)
    except readers.UnreadableFile as error:
        _end(made, State.FAILED, f"Nothing was loaded: {error}.")
    except Exception as error:
        # The cause goes to the log with its trace; the person gets what they can act on.
        _end(
            made, State.FAILED, f"Nothing was loaded: the program failed ({type(error).__name__}). Try again."
        )
        raise
    return made


def _load(made: HistoricalDataImport, say: Callable[[float, str], Any]) -> None:
    made.problems.all().delete()
    district = District.current()
    rules = Rules(
        as_of=district_today(),
        lag_days=district.lag_days(made.kind),
        date_format=made.mapping.date_format if made.mapping else "",
        columns=made.mapping.columns if made.mapping else {},
        codes=code_maps(),
    )
    stage = Stage(made.kind)
    rejected = 0
    made.rows_read = 0
    size = max(made.file.size, 1)
    with made.file.open("rb") as raw:
        stream = readers.open_stream(raw, made.filename, size)
        layout, blocks = readers.read(stream)
        parser = Parser(made.kind, layout, rules)
        for block in blocks:
            made.advance(min(0.6, 0.6 * raw.tell() / size), f"read {made.rows_read:,} rows")
            frame, problems, count = parser.parse(block)
            made.rows_read += count
            rejected += len({problem.line for problem in problems})
            stage.add(frame)
            save_problems(made, problems)
            say(min(0.6, 0.6 * raw.tell() / size), f"read {made.rows_read:,} rows")
    made.notices = list(layout.notices)
    if parser.unknown:
        made.notices.append(f"Columns not used: {', '.join(parser.unknown)[:400]}.")
    if not made.rows_read:
        made.notices.append("The file has a header and no rows.")

    with transaction.atomic(), lock(made.kind):
        say_inside = f"compare {made.rows_read:,} rows"
        stage.resolve()
        counts = stage.classify(overwrite_edited=made.overwrite_edited)
        unknown = stage.unknown_students(limit=200_000)
        if unknown:
            save_problems(
                made,
                [
                    Problem(
                        line,
                        "student_id",
                        value,
                        "unknown_student",
                        f"No student '{value}' is known; import the students file first.",
                    )
                    for line, value in unknown
                ],
            )
        made.stage = say_inside
        made.inserted, made.updated = counts["insert"], counts["update"]
        made.unchanged, made.duplicate = counts["unchanged"], counts["duplicate"]
        made.protected, made.rejected = counts["protected"], counts["rejected"] + rejected
        assert made.rows_read == sum(made.counts.values()), (made.rows_read, made.counts)
        conflicts = stage.conflicting() if counts["duplicate"] else []
        if conflicts:
            made.notices.append(
                f"Lines {', '.join(map(str, conflicts[:10]))} name a record that a later line gives other "
                "values; the later line counts."
            )
        state, message = decide(made)
        if state == State.APPLIED:
            now = timezone.now()
            stage.apply(made.pk, now)
            if made.kind == Kind.STUDENTS:
                made.notices += take_caseloads(made.pk)
            elif made.kind == Kind.CALENDAR:
                make_terms()
        _end(made, state, message)


def decide(made: HistoricalDataImport) -> tuple[str, str]:
    """Return in which state a classified import goes on, and why in words."""
    if made.dry_run:
        return State.CHECKED, "Dry run: nothing was changed."
    if made.rejected and made.on_bad_rows == made.OnBadRows.ALL_OR_NOTHING:
        return State.FAILED, f"Nothing was loaded: {made.rejected:,} rows were rejected and none may be."
    if made.rejected > HOLD_SHARE * made.rows_read and not made.approved:
        return State.HELD, (
            f"{made.rejected:,} of {made.rows_read:,} rows were rejected, more than {HOLD_SHARE:.0%}; "
            "look at the problems, then apply the good rows or upload a mended file."
        )
    return State.APPLIED, ""


def _end(made: HistoricalDataImport, state: str, message: str) -> None:
    made.state, made.message, made.finished_at = state, message, timezone.now()
    made.progress = 1.0
    made.save()


def save_problems(made: HistoricalDataImport, problems: list[Problem]) -> None:
    """Keep why rows were rejected, every one of them, for the report and the download."""
    RowProblem.objects.bulk_create(
        (
            RowProblem(
                source=made,
                line=problem.line,
                column=problem.column,
                value=problem.value[:200],
                code=problem.code,
                message=problem.message[:300],
            )
            for problem in problems
        ),
        batch_size=PROBLEM_BATCH,
    )


def code_maps() -> dict[str, dict[str, str]]:
    """Return the district's codes: subject → code → value."""
    found: dict[str, dict[str, str]] = {}
    for subject, code, value in CodeMap.objects.values_list("subject", "code", "value"):
        found.setdefault(subject, {})[code] = value
    return found


@contextmanager
def lock(kind: str) -> Iterator[None]:
    """Let one import of a kind at a time merge. On SQLite an immediate transaction does that by itself."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [crc32(f"edupulse {kind}".encode())])
    yield


def describe(made: HistoricalDataImport) -> dict[str, Any]:
    """Return a summary for `--json` and the API."""
    return {
        "id": str(made.uuid),
        "number": made.pk,
        "kind": made.kind,
        "filename": made.filename,
        "state": made.state,
        "message": made.message,
        "dry_run": made.dry_run,
        "rows_read": made.rows_read,
        **made.counts,
        "notices": made.notices,
        "finished_at": made.finished_at.isoformat() if isinstance(made.finished_at, dt.datetime) else None,
    }


KINDS = tuple(TARGETS)
