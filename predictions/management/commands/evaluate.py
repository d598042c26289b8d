"""Does a model carry over to a school it has not seen?"""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from mlcore.train import NothingToLearn
from predictions.evaluation import CannotEvaluate, evaluate
from predictions.models import EvaluationRun
from predictions.tables import comparison_table
from predictions.training import CannotTrain
from students.access import district_today
from students.console import Bar, JsonCommand


def week_list(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


class Command(JsonCommand):
    help = (
        "Train on every other school, test on the ones held out (on the last year where none is named); "
        "compare network, logistic regression and rule."
    )
    failures = (CannotEvaluate, CannotTrain, NothingToLearn)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--holdout-school", nargs="+", default=[], metavar="CODE", help="schools to test on"
        )
        parser.add_argument(
            "--weeks", type=week_list, default=[2, 4, 8, 12, 18], help="school weeks, as in 2,4,8"
        )
        parser.add_argument(
            "--as-of", type=dt.date.fromisoformat, help="nothing known later is used (YYYY-MM-DD)"
        )

    def work(self, **options: Any) -> dict[str, Any]:
        if any(week < 1 for week in options["weeks"]):
            raise CommandError("--weeks counts from 1.")
        run = EvaluationRun.objects.create(
            as_of=options["as_of"] or district_today(),
            holdout_schools=options["holdout_school"],
            weeks=options["weeks"],
        )
        bar = Bar("evaluate", quiet=options["json"])
        try:
            return {"holdout_schools": options["holdout_school"], **evaluate(run, bar.show)}
        finally:
            bar.close()

    def tell(self, summary: dict[str, Any]) -> None:
        students = ", ".join(
            f"{count:,} {name.replace('_', ' ')}" for name, count in summary["students"].items()
        )
        held = ", ".join(summary["holdout_schools"]) or "the last closed year"
        self.stdout.write(f"Held out: {held}. Students: {students}.")
        self.stdout.write(comparison_table(summary["risk"]))
        self.stdout.write(f"Ranked by {summary['ranking']}: {summary['why']}.")
