"""Go back to the model version that was in use before."""

from typing import Any

from predictions.promotion import CannotPromote, rollback
from students.console import JsonCommand


class Command(JsonCommand):
    help = "Put the model version that was in use before back in use."
    failures = (CannotPromote,)

    def work(self, **options: Any) -> dict[str, Any]:
        return {"live": rollback().version}
