"""Serve the site with its workers from one command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = (
        "Serve the site with a worker (with beat) and a second worker for training, until interrupted. "
        "For one machine; docs/runbook.md shows how the parts run on several."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--bind", default="127.0.0.1:8000", help="address to serve at (default %(default)s)"
        )
        parser.add_argument("--threads", type=int, default=8, help="web threads (default 8)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.REDIS_URL:
            call_command("createcachetable", verbosity=0)
        python = sys.executable
        worker = [python, "-m", "celery", "-A", "edupulse_site", "worker", "-P", "solo", "-l", "WARNING"]
        commands = {
            "web": [
                *(python, "-m", "gunicorn", "edupulse_site.wsgi", "-k", "gthread", "--workers", "1"),
                *("--threads", str(options["threads"]), "--bind", options["bind"], "--log-level", "warning"),
            ],
            "worker": [*worker, "-B", "-Q", "default,ingest,scoring", "-n", "worker@%h"],
            "training worker": [*worker, "-Q", "training", "-n", "training@%h"],
        }
        children = {name: subprocess.Popen(command) for name, command in commands.items()}
        # A `kill` of this command should end its children as Ctrl-C does.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        self.stdout.write(f"Serving at http://{options['bind']}/ ; Ctrl-C ends it.")
        try:
            while all(child.poll() is None for child in children.values()):
                time.sleep(0.5)
            ended = next(name for name, child in children.items() if child.poll() is not None)
            raise CommandError(f"The {ended} ended by itself; its last words stand above.")
        except KeyboardInterrupt:
            self.stdout.write("Ending.")
        finally:
            for child in children.values():
                child.send_signal(signal.SIGTERM)
            for child in children.values():
                try:
                    child.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    os.kill(child.pid, signal.SIGKILL)
