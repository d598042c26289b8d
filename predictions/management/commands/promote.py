"""Put a model version in use."""

from argparse import ArgumentParser
from typing import Any

from predictions.promotion import CannotPromote, promote
from students.console import JsonCommand


class Command(JsonCommand):
    help = "Put a model version in use; the one in use until now is retired and can come back by `rollback`."
    failures = (CannotPromote,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model_version", metavar="VERSION")

    def work(self, **options: Any) -> dict[str, Any]:
        return {"live": promote(options["model_version"]).version}
