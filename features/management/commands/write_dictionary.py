"""Write docs/data-dictionary.md."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from features.definitions import dictionary


class Command(BaseCommand):
    help = "Write docs/data-dictionary.md from the feature definitions."

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "data-dictionary.md"
        path.write_text(dictionary(), encoding="utf-8")
        self.stdout.write(f"{path} written")
