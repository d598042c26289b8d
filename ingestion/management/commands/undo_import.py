"""Undo an import."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from ingestion.models import HistoricalDataImport
from ingestion.undo import CannotUndo, undo_import
from students.console import JsonCommand


class Command(JsonCommand):
    help = "Put every record back as it was before an import, unless it was changed since."
    failures = (CannotUndo,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", type=int, help="the import's number, as import_file printed it")

    def work(self, **options: Any) -> dict[str, Any]:
        try:
            return asdict(undo_import(options["id"]))
        except HistoricalDataImport.DoesNotExist:
            raise CommandError(f"There is no import {options['id']}.") from None
