"""The synthetic district's way through the product: the same functions as any district's, in order."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db import transaction

from demo.accounts import give_scopes, make_accounts
from demo.synthetic import write_district
from features.pipeline import extract
from ingestion.backfill import backfill
from ingestion.models import HistoricalDataImport
from predictions.models import ModelVersion, ScoringRun, TrainingRun
from predictions.scoring import score
from predictions.training import train
from students.models import District, School, Student

# Weeks scored one after the other by a model trained before them, so that the pages have a history
# that is as honest as a running system's.
SCORED_WEEKS = 10


def refuse_real_data() -> None:
    """Raise CommandError unless the database is empty or holds the synthetic district alone."""
    district = District.objects.filter(pk=1).first()
    if district and district.synthetic:
        return
    held = [
        name
        for name, model in (
            ("students", Student),
            ("schools", School),
            ("imports", HistoricalDataImport),
            ("log-ins", User),
            ("models", ModelVersion),
        )
        if model._default_manager.exists()
    ]
    if held:
        raise CommandError(
            f"This database already holds {', '.join(held)}; the demo only goes into an empty one. "
            "Set DATABASE_URL to another database, or leave it unset in a fresh checkout."
        )


def clear_synthetic() -> None:
    """Remove the synthetic district, whole."""
    with transaction.atomic():
        ScoringRun.objects.all().delete()
        TrainingRun.objects.all().delete()
        Student.objects.all().delete()
        ModelVersion.objects.all().delete()
        HistoricalDataImport.objects.all().delete()


def build_district(
    folder: Path,
    *,
    students: int,
    years: int,
    seed: int,
    until: dt.date,
    config: dict[str, Any] | None = None,
    scored_weeks: int = SCORED_WEEKS,
) -> Iterator[str]:
    """Write, import, extract, train and score; yield a line before each stage.

    Raises:
        CommandError: an import of the district's own files did not load whole.
    """
    yield f"writing the files of {students} invented students, {years} closed years and the running one"
    if Student.objects.exists():
        clear_synthetic()
    district = District.current()
    district.synthetic = True
    district.save()
    write_district(folder, students=students, years=years, seed=seed, until=until)

    yield "making the log-ins"
    since = min(_column(folder / "students.csv", "enrollment_date"))
    names = {
        name for cell in _column(folder / "students.csv", "counselor") for name in cell.split(";") if name
    }
    make_accounts(names, dt.date.fromisoformat(since))

    yield "importing the files"
    for done in backfill(folder):
        if done.state != HistoricalDataImport.State.APPLIED:
            raise CommandError(f"The import of {done.filename} ended as '{done.state}': {done.message}")
        yield f"  {done.filename}: {done.rows_read:,} rows read, {done.inserted:,} records"
    give_scopes(dt.date.fromisoformat(since))

    yield "computing the weekly features"
    summary = extract(until)
    yield f"  {summary.rows:,} student-weeks"

    weeks = [district.last_closed_week(until) - dt.timedelta(weeks=n) for n in range(scored_weeks)]
    trained_at = weeks[-1]
    yield f"training on the closed years, as of {trained_at}"
    model = train(TrainingRun.objects.create(as_of=trained_at, seed=seed, config=config or {}, reason="demo"))
    yield f"  model {model.version}, ranked by {model.get_ranking_display().lower()}"

    for week in reversed(weeks):
        run = score(ScoringRun.objects.create(as_of=week, reason="demo"))
        yield f"scored the week that closed on {week}: {run.scored:,} students"


def _column(path: Path, name: str) -> list[str]:
    with path.open(newline="", encoding="utf-8") as lines:
        return [row[name] for row in csv.DictReader(lines)]
