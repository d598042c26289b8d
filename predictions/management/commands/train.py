"""Train a model."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from mlcore.config import ConfigError
from mlcore.train import NothingToLearn
from predictions.models import TrainingRun
from predictions.tables import comparison_table
from predictions.training import CannotTrain, train
from students.access import district_today
from students.console import Bar, JsonCommand


class Command(JsonCommand):
    help = "Train, judge and store a model; the first goes live, later ones wait for a person."
    failures = (CannotTrain, ConfigError, NothingToLearn)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--as-of", type=dt.date.fromisoformat, help="nothing known later is used (YYYY-MM-DD)"
        )
        parser.add_argument("--config", type=Path, help="training configuration, TOML or JSON")
        parser.add_argument("--seed", type=int, help="of every random draw (default: the configuration's, 7)")

    def work(self, **options: Any) -> dict[str, Any]:
        config = read_config(options["config"])
        if options["seed"] is not None:
            config["seed"] = options["seed"]
        run = TrainingRun.objects.create(
            as_of=options["as_of"] or district_today(), config=config, reason="command"
        )
        bar = Bar("train", quiet=options["json"])
        try:
            model = train(run, bar.show)
        finally:
            bar.close()
        return {
            "version": model.version,
            "status": model.status,
            "ranking": model.ranking,
            "why": model.metrics.get("why", ""),
            "hold_reason": model.hold_reason,
            "trained_years": model.trained_years,
            "report": model.metrics,
        }

    def tell(self, summary: dict[str, Any]) -> None:
        self.stdout.write(
            f"Version {summary['version']} is {summary['status']}; ranked by {summary['ranking']}: {summary['why']}."
        )
        if summary["hold_reason"]:
            self.stdout.write(summary["hold_reason"])
        for head, report in summary["report"].get("heads", {}).items():
            self.stdout.write(f"\n{head}")
            if "unfitted" in report:
                self.stdout.write(f"  not fitted: {report['unfitted']}")
            else:
                self.stdout.write(comparison_table(report))


def read_config(path: Path | None) -> dict[str, Any]:
    """Return a training configuration; CommandError where the file cannot be read."""
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read as a configuration: {error}") from error
    if not isinstance(data, dict):
        raise CommandError(f"{path} holds no configuration: names and values are needed, as in epochs = 10")
    return data
