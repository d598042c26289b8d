"""Make a synthetic district, take its files through the real path, and serve it."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from demo.accounts import ACCOUNTS, PASSWORD
from demo.path import SCORED_WEEKS, build_district, refuse_real_data
from demo.school_year import demo_day
from students.models import Student


class Command(BaseCommand):
    help = (
        "Write the files of an invented school district, import them, compute features, train, score every "
        "week of the running year so far, and serve the result. Refuses a database that holds anything else."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--students", type=int, default=600, help="students enrolled at a time (default 600)"
        )
        parser.add_argument("--years", type=int, default=3, help="closed school years (default 3)")
        parser.add_argument("--seed", type=int, default=7, help="same seed, same district (default 7)")
        parser.add_argument(
            "--until",
            type=dt.date.fromisoformat,
            help="last day of the records (default: today, or late spring)",
        )
        parser.add_argument(
            "--fresh", action="store_true", help="throw the synthetic district away and begin anew"
        )
        parser.add_argument("--no-serve", action="store_true", help="end before serving the site")
        parser.add_argument(
            "--bind", default="127.0.0.1:8000", help="address to serve at (default %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 60 <= options["students"] <= 200_000:
            raise CommandError("--students must lie between 60 and 200000.")
        if not 1 <= options["years"] <= 12:
            raise CommandError("--years must lie between 1 and 12.")
        refuse_real_data()
        if Student.objects.exists() and not options["fresh"]:
            self.stdout.write("The synthetic district is here already; --fresh would make it anew.")
        else:
            self.build(options)
        self.print_logins(options["bind"])
        if not options["no_serve"]:
            call_command("serve", bind=options["bind"])

    def build(self, options: dict[str, Any]) -> None:
        until = options["until"] or demo_day(dt.date.today())
        folder = Path(settings.VAR_DIR) / "demo-files"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        started = time.monotonic()
        for stage in build_district(
            folder, students=options["students"], years=options["years"], seed=options["seed"], until=until
        ):
            self.stdout.write(f"{time.monotonic() - started:6.1f} s  {stage}")
        self.stdout.write(
            f"{time.monotonic() - started:6.1f} s  done: records to {until}, {SCORED_WEEKS} weeks scored at most"
        )

    def print_logins(self, bind: str) -> None:
        self.stdout.write(f"\nhttp://{bind}/   every password: {PASSWORD}")
        for account in ACCOUNTS:
            self.stdout.write(f"  {account.username:<6} {account.role:<15} sees {account.sees}")
