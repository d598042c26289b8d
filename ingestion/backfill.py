"""A whole folder of a district's files, in the order in which they depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from ingestion.district_file import apply_district_file
from ingestion.loading import run_import, start_import
from ingestion.models import HistoricalDataImport, Kind


class NothingToLoad(ValueError):
    """The folder holds no file of the contract."""


def files_in(folder: Path) -> list[tuple[str, Path]]:
    """Return (kind, file) in dependency order: students.csv, students.csv.gz, students-2024.csv …"""
    found = []
    for kind in Kind.values:
        paths = sorted(
            path
            for path in folder.iterdir()
            if path.is_file()
            and path.name.lower().endswith((".csv", ".csv.gz"))
            and path.name.lower().split(".")[0].split("-")[0].split("_")[0] == kind
        )
        found += [(kind, path) for path in paths]
    return found


def backfill(
    folder: Path,
    *,
    user: Any = None,
    on_bad_rows: str = HistoricalDataImport.OnBadRows.LOAD_GOOD,
    on_progress: Callable[[str, float, str], None] | None = None,
) -> Iterator[HistoricalDataImport]:
    """Import every file of a folder and yield each import as it ends; stops after one that did not apply.

    A file whose content is applied already is passed over, so an interrupted backfill resumes. The
    folder's district.toml is taken first.

    Raises:
        NothingToLoad: no file of any kind.
        BadDistrictFile: district.toml cannot be taken.
    """
    files = files_in(folder) if folder.is_dir() else []
    if not files:
        raise NothingToLoad(
            f"{folder} holds no file named after a kind ({', '.join(f'{kind}.csv' for kind in Kind.values)})"
        )
    settings_file = folder / "district.toml"
    if settings_file.exists():
        apply_district_file(settings_file)
    for kind, path in files:
        with path.open("rb") as file:
            made = start_import(kind, file, path.name, user=user, on_bad_rows=on_bad_rows)
        before = (
            HistoricalDataImport.objects.filter(
                kind=kind, sha256=made.sha256, state=HistoricalDataImport.State.APPLIED
            )
            .exclude(pk=made.pk)
            .first()
        )
        if before is not None:
            default_storage.delete(str(made.file.name))
            made.delete()
            yield before
            continue
        done = run_import(made.pk, on_progress=partial(on_progress, path.name) if on_progress else None)
        yield done
        if done.state != HistoricalDataImport.State.APPLIED:
            return
