"""Turn a folder of OULAD into a district's files."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from ingestion.oulad import NotOulad, convert
from students.console import JsonCommand


class Command(JsonCommand):
    help = (
        "Turn a folder of the Open University Learning Analytics Dataset (CSV, plain or .gz) into files that "
        "`backfill` takes, and reconcile its clicks."
    )
    failures = (NotOulad,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("source", type=Path)
        parser.add_argument("target", type=Path)

    def work(self, **options: Any) -> dict[str, Any]:
        quiet = (lambda line: None) if options["json"] else self.stdout.write
        return convert(options["source"], options["target"], quiet).to_dict()

    def tell(self, summary: dict[str, Any]) -> None:
        parts = ("clicks_on_school_days", "clicks_on_other_days", "clicks_before_day_0", "clicks_after_exit")
        for name in parts:
            self.stdout.write(f"{summary[name]:>12,}  {name.replace('_', ' ')}")
        self.stdout.write(f"{summary['clicks']:>12,}  clicks = the sum of these")
        self.stdout.write(
            f"{summary['clicks_written']:>12,}  written; the rest is listed in clicks-after-exit.tsv"
        )
        for name, rows in summary["rows"].items():
            self.stdout.write(f"{rows:>12,}  rows in {name}.csv")
