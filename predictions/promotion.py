"""Which version is in use: put one in, or go back to the one before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from predictions.models import ModelVersion
from predictions.tasks import ring_scoring
from students.models import AuditEvent

Status = ModelVersion.Status


class CannotPromote(ValueError):
    """There is no such version, nothing to go back to, or somebody else was faster."""


def promote(version: str, user: Any = None) -> ModelVersion:
    """Put a version in use; the one in use until now is retired. Promoting the live one changes nothing.

    Every process scores by the new version from its next request on; the week is scored anew at once,
    so that caseloads do not wait for the night.
    """
    model = ModelVersion.objects.filter(version=version).first()
    if model is None:
        raise CannotPromote(f"there is no model version '{version}'")
    if model.status == Status.LIVE:
        return model
    with at_once():
        _put_in_use(model, retire_as=Status.RETIRED)
        AuditEvent.record("promote", "model", version, actor=user)
    return model


def rollback(user: Any = None) -> ModelVersion:
    """Put the version that was in use before back in use; the one that is withdrawn counts as turned down.

    So a second rollback goes one further back instead of returning to what was just withdrawn.
    """
    before = ModelVersion.objects.filter(status=Status.RETIRED).order_by("-retired_at").first()
    if before is None:
        raise CannotPromote("there is no earlier version to go back to")
    withdrawn = ModelVersion.objects.live()
    with at_once():
        _put_in_use(before, retire_as=Status.REJECTED)
        AuditEvent.record(
            "rollback",
            "model",
            before.version,
            actor=user,
            withdrawn=withdrawn.version if withdrawn else None,
        )
    return before


def _put_in_use(model: ModelVersion, retire_as: str) -> None:
    now = timezone.now()
    ModelVersion.objects.filter(status=Status.LIVE).update(status=retire_as, retired_at=now)
    model.status, model.promoted_at, model.retired_at, model.hold_reason = Status.LIVE, now, None, ""
    model.save(update_fields=["status", "promoted_at", "retired_at", "hold_reason"])
    ring_scoring()


@contextmanager
def at_once() -> Iterator[None]:
    """Do it whole or not at all; of two at the same moment the database lets one through."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise CannotPromote("another version was put in use at the same moment; look again") from error
