"""Compute weekly features."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from features.pipeline import NoCalendar, extract
from students.access import district_today
from students.console import Bar, JsonCommand
from students.models import Student


class Command(JsonCommand):
    help = "Compute the weekly features of whatever is stale, up to the last closed week."
    failures = (NoCalendar,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--as-of", type=dt.date.fromisoformat, help="the day that counts as today (YYYY-MM-DD)"
        )
        parser.add_argument("--student", help="one student's id, all weeks")
        parser.add_argument("--full", action="store_true", help="everybody, all weeks")

    def work(self, **options: Any) -> dict[str, Any]:
        ids = None
        if options["student"]:
            ids = list(Student.objects.filter(district_id=options["student"]).values_list("pk", flat=True))
            if not ids:
                raise CommandError(f"No student has the id '{options['student']}'.")
        bar = Bar("features", quiet=options["json"])
        try:
            done = extract(
                options["as_of"] or district_today(),
                student_ids=ids,
                full=options["full"],
                on_progress=bar.show,
            )
        finally:
            bar.close()
        return asdict(done)
