"""Which database and broker the suite runs on, said at its end; in CI a missing service is a failure."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

# Playwright runs an event loop in the test's thread; the tests' own database calls there are meant.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    try:
        from django.conf import settings
    except ImportError:  # the learning core's tests run without Django
        return
    database = "SQLite" if settings.EMBEDDED else "PostgreSQL"
    broker = "Redis" if settings.REDIS_URL else "SQLite broker"
    count = len(terminalreporter.stats.get("passed", []))
    terminalreporter.write_line(f"{count} tests passed on {database} with {broker}")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no chromium; .ci/run installs it")
        pytest.skip("no chromium on this machine; apt-get install chromium")
    return {**browser_type_launch_args, "executable_path": path, "args": ["--no-sandbox", "--disable-gpu"]}
