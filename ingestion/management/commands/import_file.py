"""Import one file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ingestion.loading import describe, run_import, start_import
from ingestion.models import ColumnMapping, HistoricalDataImport, Kind
from students.console import Bar, JsonCommand


class Command(JsonCommand):
    help = "Import one file of a kind. Says what became of every row; --dry-run changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kind", choices=Kind.values)
        parser.add_argument("file", type=Path)
        parser.add_argument("--mapping", help="name of a saved column mapping")
        parser.add_argument("--dry-run", action="store_true", help="classify every row and stop")
        parser.add_argument(
            "--all-or-nothing", action="store_true", help="load nothing unless every row is good"
        )
        parser.add_argument(
            "--overwrite-edited", action="store_true", help="let the file overrule hand edits"
        )

    def work(self, **options: Any) -> dict[str, Any]:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"{path} is no file.")
        mapping = None
        if options["mapping"]:
            mapping = ColumnMapping.objects.filter(name=options["mapping"], kind=options["kind"]).first()
            if mapping is None:
                raise CommandError(
                    f"No column mapping for {options['kind']} is named '{options['mapping']}'."
                )
        policy = HistoricalDataImport.OnBadRows
        with path.open("rb") as file:
            made = start_import(
                options["kind"],
                file,
                path.name,
                mapping=mapping,
                dry_run=options["dry_run"],
                on_bad_rows=policy.ALL_OR_NOTHING if options["all_or_nothing"] else policy.LOAD_GOOD,
                overwrite_edited=options["overwrite_edited"],
            )
        bar = Bar(path.name, quiet=options["json"])
        try:
            done = run_import(made.pk, on_progress=bar.show)
        finally:
            bar.close()
        summary = describe(done)
        if done.state not in (done.State.APPLIED, done.State.CHECKED):
            self.tell(summary)
            raise CommandError(f"{path.name}: {done.message}")
        return summary

    def tell(self, summary: dict[str, Any]) -> None:
        counts = ", ".join(
            f"{summary[name]:,} {name}"
            for name in ("inserted", "updated", "unchanged", "duplicate", "protected", "rejected")
        )
        self.stdout.write(f"{summary['filename']} (import {summary['number']}): {summary['state']}")
        self.stdout.write(f"  {summary['rows_read']:,} rows read = {counts}")
        for notice in summary["notices"]:
            self.stdout.write(f"  note: {notice}")
        made = HistoricalDataImport.objects.get(pk=summary["number"])
        for problem in made.problems.all()[:10]:
            self.stdout.write(f"  line {problem.line} {problem.column}: {problem.message}")
        if summary["rejected"] > 10:
            self.stdout.write(f"  … and {summary['rejected'] - 10:,} more")
