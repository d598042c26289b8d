"""Who did what, when: append-only, by uuid, never by name."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class AuditEvent(models.Model):
    """One thing that a person or a program did. Written by every app, changed by none."""

    class Action(models.TextChoices):
        READ = "read", "Read a record"
        PREDICT = "predict", "Asked for a prediction"
        EXPORT = "export", "Exported records"
        IMPORT = "import", "Imported a file"
        APPROVE = "approve", "Approved an import"
        UNDO = "undo", "Undid an import"
        EDIT = "edit", "Edited a record"
        FEEDBACK = "feedback", "Gave feedback"
        INTERVENE = "intervene", "Logged an intervention"
        TRAIN = "train", "Trained a model"
        PROMOTE = "promote", "Promoted a model"
        ROLLBACK = "rollback", "Rolled a model back"
        LOGIN = "login", "Logged in"

    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    action = models.CharField(max_length=12, choices=Action.choices)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64, blank=True, help_text="Opaque uuid or key, never a name")
    detail = models.JSONField(default=dict, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["object_type", "object_id", "at"], name="audit_object"),
            models.Index(fields=["actor", "at"], name="audit_actor"),
            models.Index(fields=["at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.action} {self.object_type}"

    @classmethod
    def record(
        cls,
        action: str,
        object_type: str,
        object_id: uuid.UUID | str | int = "",
        *,
        actor: Any = None,
        request_id: str = "",
        **detail: Any,
    ) -> AuditEvent:
        """Write one event. `actor` may be an anonymous user or None (a scheduled task)."""
        known = actor if getattr(actor, "pk", None) else None
        return cls.objects.create(
            actor=known,
            action=action,
            object_type=object_type,
            object_id=str(object_id),
            detail=detail,
            request_id=request_id,
        )
