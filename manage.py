#!/usr/bin/env python
"""The command line of EduPulse: `manage.py help` lists the commands, docs/commands.md explains them."""

import os
import sys


def main() -> None:
    if sys.version_info[:2] != (3, 11):
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"EduPulse runs on Python 3.11; this is {found}. `make setup` makes the right environment.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "edupulse_site.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed here. Run `make setup`, then `.venv/bin/python manage.py …`.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
