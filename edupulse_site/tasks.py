"""The nightly doorbell, rung by beat."""

from __future__ import annotations

from celery import shared_task

from edupulse_site.pipeline import run_nightly
from predictions.tasks import ring_waiting
from students.access import district_today


@shared_task(name="edupulse_site.tasks.nightly")
def nightly() -> None:
    """Bring imports, features and scores up to today; ring again for work whose bell was lost."""
    ring_waiting()
    run_nightly(district_today())
