"""Run the nightly order now."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from edupulse_site.pipeline import run_nightly
from features.pipeline import NoCalendar
from predictions.scoring import CannotScore
from students.access import district_today
from students.console import Bar, JsonCommand


class Command(JsonCommand):
    help = "Load waiting imports, compute features, score and explain, as beat does every night."
    failures = (NoCalendar, CannotScore)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--as-of", type=dt.date.fromisoformat, help="the day that counts as today (YYYY-MM-DD)"
        )

    def work(self, **options: Any) -> dict[str, Any]:
        bar = Bar("nightly", quiet=options["json"])
        try:
            done = run_nightly(
                options["as_of"] or district_today(),
                lambda stage, share, detail: bar.show(share, f"{stage}: {detail}"),
            )
        finally:
            bar.close()
        return {
            "imports": done.imports,
            "imports_failed": done.imports_failed,
            **asdict(done.features),
            "scored": done.scoring.scored if done.scoring else None,
        }
