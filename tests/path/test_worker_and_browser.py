"""Real processes: a worker that loads an upload, and a counselor in Chromium. These commit for real."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from ingestion.models import HistoricalDataImport


def database_url() -> str:
    held = connection.settings_dict
    return f"postgres://{held['USER']}:{held['PASSWORD']}@{held['HOST']}:{held['PORT']}/{held['NAME']}"


@pytest.mark.browser
def test_a_counselor_reads_reasons_and_answers(district: Any, browser: Any, live_server: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
    page.goto(live_server.url)
    page.get_by_label("User name").fill("ana")
    page.get_by_label("Password").fill("edupulse-demo")
    page.get_by_role("button", name="Log in").click()
    assert page.get_by_role("heading", level=1).inner_text() == "My caseload"
    assert page.get_by_text("every student here is invented").is_visible()
    name = page.locator("table.caseload tbody a").first.inner_text()
    page.locator("table.caseload tbody a").first.click()
    assert page.get_by_role("heading", level=1).inner_text() == name
    assert page.locator(".reasons li").count() >= 1
    assert page.locator("svg.chart").count() >= 3
    page.get_by_label("Useful").check()
    page.get_by_role("button", name="Send").click()
    assert page.get_by_text("Thank you").is_visible()
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(live_server.url)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    unlabelled = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]),select,textarea')].filter(e => !e.labels.length).length"
    )
    assert unlabelled == 0
    assert wrong == []
    page.close()


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_a_real_worker_loads_an_upload(tmp_path: Any) -> None:
    import io

    from ingestion.loading import start_import
    from ingestion.tasks import load_import

    env = {**os.environ, "TEST_DB_SUFFIX": ""}
    if settings.EMBEDDED:
        # The worker reads the test's own database file.
        (tmp_path / "link").mkdir()
        env["EDUPULSE_VAR_DIR"] = str(tmp_path / "link")
        os.symlink(connection.settings_dict["NAME"], tmp_path / "link" / "edupulse.sqlite3")
        os.symlink(settings.MEDIA_ROOT, tmp_path / "link" / "media")
        os.symlink(settings.VAR_DIR / "broker.sqlite3", tmp_path / "link" / "broker.sqlite3")
    else:
        env["DATABASE_URL"] = database_url()
    content = b"school_code,date,in_session\n,2026-09-01,true\n,2026-09-02,true\n"
    made = start_import("calendar", io.BytesIO(content), "calendar.csv")
    load_import.delay_on_commit(made.pk)
    command = [sys.executable, "-m", "celery", "-A", "edupulse_site", "worker", "-P", "solo", "-Q", "ingest"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=env, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until and made.state in ("queued", "running"):
                time.sleep(0.3)
                made.refresh_from_db()
        finally:
            worker.terminate()
            worker.wait(timeout=30)
    assert made.state == HistoricalDataImport.State.APPLIED, (tmp_path / "worker.log").read_text()
    assert made.inserted == 2
