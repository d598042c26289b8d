"""Counselors' answers."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from predictions.models import Prediction, TrainingFeedback
from students.models import AuditEvent


def record_feedback(prediction: Prediction, user: Any, verdict: str, note: str = "") -> TrainingFeedback:
    """Keep an answer to a prediction, and that it was given."""
    with transaction.atomic():
        made = TrainingFeedback.objects.create(prediction=prediction, user=user, verdict=verdict, note=note)
        AuditEvent.record("feedback", "prediction", prediction.uuid, actor=user, verdict=verdict)
    return made
