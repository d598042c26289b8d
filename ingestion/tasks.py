"""Doorbells: an import's key in, one call."""

from __future__ import annotations

from celery import shared_task

from ingestion.loading import run_import


@shared_task(name="ingestion.tasks.load_import")
def load_import(pk: int) -> None:
    """Do the work of a queued import; ringing twice is harmless."""
    run_import(pk)
