"""Import a folder of a district's files."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ingestion.backfill import NothingToLoad, backfill
from ingestion.district_file import BadDistrictFile
from ingestion.loading import describe
from students.console import Bar, JsonCommand


class Command(JsonCommand):
    help = (
        "Import every file of a folder (calendar, students, attendance, grades, discipline, outcomes) in order "
        "of dependence, its district.toml first. Files already applied are passed over, so it resumes."
    )
    failures = (NothingToLoad, BadDistrictFile)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path)

    def work(self, **options: Any) -> dict[str, Any]:
        bar = Bar("backfill", quiet=options["json"])
        done = []
        try:
            for made in backfill(
                options["folder"], on_progress=lambda name, share, stage: bar.show(share, f"{name}: {stage}")
            ):
                done.append(describe(made))
                if not options["json"]:
                    self.tell_one(done[-1])
        finally:
            bar.close()
        if done[-1]["state"] != "applied":
            raise CommandError(f"{done[-1]['filename']}: {done[-1]['message']} (import {done[-1]['number']})")
        return {"imports": done, "rows_read": sum(entry["rows_read"] for entry in done)}

    def tell_one(self, entry: dict[str, Any]) -> None:
        counts = ", ".join(
            f"{entry[name]:,} {name}"
            for name in ("inserted", "updated", "unchanged", "duplicate", "protected", "rejected")
        )
        self.stdout.write(f"{entry['filename']}: {entry['state']}; {entry['rows_read']:,} rows = {counts}")
        for notice in entry["notices"]:
            self.stdout.write(f"  note: {notice}")

    def tell(self, summary: dict[str, Any]) -> None:
        self.stdout.write(f"{len(summary['imports'])} files, {summary['rows_read']:,} rows accounted for")
