"""What every command of ours shares: --json, a progress bar on a terminal, one line when it fails."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm


class Bar:
    """A progress bar from 0 to 1 on standard error; silent where that is no terminal."""

    def __init__(self, title: str, *, quiet: bool) -> None:
        self.bar = tqdm(
            total=100,
            desc=title,
            disable=quiet or not sys.stderr.isatty(),
            bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed} {postfix}",
        )

    def show(self, share: float, stage: str) -> None:
        self.bar.n = round(100 * share)
        self.bar.set_postfix_str(stage)

    def close(self) -> None:
        self.bar.close()


class JsonCommand(BaseCommand):
    """A command that prints for people, or with --json one object for machines.

    Subclasses write `work`, which returns the summary, and `tell`, which prints it for people.
    """

    failures: tuple[type[Exception], ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            summary = self.work(**options)
        except self.failures as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted; what is done stays done, the same command goes on from there."
            ) from None
        if options["json"]:
            self.stdout.write(json.dumps(summary, default=str))
        else:
            self.tell(summary)

    def work(self, **options: Any) -> dict[str, Any]:
        raise NotImplementedError

    def tell(self, summary: dict[str, Any]) -> None:
        for name, value in summary.items():
            self.stdout.write(f"{name.replace('_', ' ')}: {value}")
