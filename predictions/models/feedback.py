"""What counselors answered to a prediction. An opinion, never a label of an outcome."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class TrainingFeedback(models.Model):
    class Verdict(models.TextChoices):
        USEFUL = "useful", "Useful"
        WRONG = "wrong", "Wrong about this student"
        NEEDS_SUPPORT = "needs_support", "Needs support now"
        RECORD_WRONG = "record_wrong", "A record is wrong"
        DONE = "done", "Done: I have acted"

    prediction = models.ForeignKey(
        "predictions.Prediction", on_delete=models.CASCADE, related_name="feedback"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="feedback",
    )
    verdict = models.CharField(max_length=16, choices=Verdict.choices)
    note = models.TextField(blank=True, default="", max_length=2000)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["prediction", "created_at"], name="feedback_prediction")]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} ({self.created_at:%Y-%m-%d})"
