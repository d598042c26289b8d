"""Is the process alive, and can it do its work?"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

# Each check returns "" when all is well, else what is missing. Apps add theirs when they are ready.
CHECKS: dict[str, Callable[[], str]] = {}


def check_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"no answer ({type(error).__name__})"
    return ""


def check_broker() -> str:
    from edupulse_site.celery import app

    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=2)
    except Exception as error:  # every transport has exceptions of its own
        return f"no answer ({type(error).__name__})"
    return ""


CHECKS["database"] = check_database
CHECKS["broker"] = check_broker


@require_safe
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process lives; asks nobody."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part answers, else 503 with what is missing."""
    missing = {name: problem for name, check in CHECKS.items() if (problem := check())}
    parts = {name: missing.get(name, "ok") for name in CHECKS}
    return JsonResponse(
        {
            "status": "unavailable" if missing else "ok",
            "parts": parts,
            "embedded": settings.EMBEDDED,
        },
        status=503 if missing else 200,
    )
