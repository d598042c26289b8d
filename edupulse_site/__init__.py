"""The site: settings, addresses, worker, health, and the nightly order of the work."""

from edupulse_site.celery import app as celery_app

__all__ = ["celery_app"]
