"""Score everybody."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from predictions.models import ScoringRun
from predictions.scoring import CannotScore, score
from students.access import district_today
from students.console import Bar, JsonCommand


class Command(JsonCommand):
    help = "Score everybody enrolled at the close of the last week, and explain the flagged."
    failures = (CannotScore,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--as-of", type=dt.date.fromisoformat, help="the day that counts as today (YYYY-MM-DD)"
        )

    def work(self, **options: Any) -> dict[str, Any]:
        bar = Bar("score", quiet=options["json"])
        try:
            run = score(ScoringRun.objects.create(as_of=options["as_of"] or district_today()), bar.show)
        finally:
            bar.close()
        return {
            "model": run.model.version if run.model else None,
            "window_end": run.window_end,
            "scored": run.scored,
            "without_enough_data": run.without_enough_data,
        }
