"""The Celery application. Tasks are doorbells: a key in, one call, rerun harmless; state lives in rows."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "edupulse_site.settings")

app = Celery("edupulse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
