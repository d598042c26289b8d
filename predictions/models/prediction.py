"""What a model said about a student at the close of a school week, and why."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from predictions.models.runs import ScoringRun
from students.models import Student


class PredictionQuerySet(models.QuerySet["Prediction"]):
    def visible_to(self, user: Any, on: dt.date | None = None) -> PredictionQuerySet:
        """Keep the predictions of students whom `user` may see."""
        return self.filter(student__in=Student.objects.visible_to(user, on).values("pk"))

    def served(self) -> PredictionQuerySet:
        """Keep what may stand on a caseload: the live model's own weeks, nothing retrospective."""
        return self.filter(model__status="live", retrospective=False)

    def current(self, on: dt.date | None = None) -> PredictionQuerySet:
        """Keep each student's served prediction of the latest week scored whole (by `on` where given).

        A prediction that somebody asked for before the night scored everybody does not make a caseload.
        """
        whole = ScoringRun.objects.filter(
            state=ScoringRun.State.DONE, student_ids__isnull=True, model__status="live"
        ).exclude(scored=0, without_enough_data=0)  # the summer's weeks, in which nobody is enrolled
        if on is not None:
            whole = whole.filter(window_end__lte=on)
        latest = whole.order_by("-window_end").values("window_end")[:1]
        return self.served().filter(window_end=models.Subquery(latest), superseded_at__isnull=True)


class Prediction(models.Model):
    """One score with everything needed to check it: model, window, inputs' hash, reasons.

    Where the window is too short `enough_data` is false and the scores are empty.
    """

    class Level(models.TextChoices):
        LOW = "low", "Low"
        MODERATE = "moderate", "Moderate"
        HIGH = "high", "High"
        NONE = "", "Not enough data"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    student = models.ForeignKey(Student, on_delete=models.CASCADE, related_name="predictions")
    model = models.ForeignKey(
        "predictions.ModelVersion", on_delete=models.PROTECT, related_name="predictions"
    )
    scoring_run = models.ForeignKey(
        "predictions.ScoringRun",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="predictions",
    )
    as_of = models.DateField()
    window_end = models.DateField(help_text="The Sunday that closed the last week the model saw")
    feature_version = models.CharField(max_length=12)
    inputs_hash = models.CharField(
        max_length=16, help_text="Of the window's rows: same inputs, same prediction"
    )
    enough_data = models.BooleanField(default=True)
    retrospective = models.BooleanField(
        default=False,
        help_text="Asked for a week before the latest closed one; never on a caseload",
    )
    in_sample = models.BooleanField(default=False, help_text="The model learned from that year's end")
    risk_score = models.FloatField(
        null=True,
        blank=True,
        help_text="Calibrated probability, off track by year's end",
    )
    risk_level = models.CharField(max_length=10, choices=Level.choices, blank=True, default="")
    confidence_low = models.FloatField(null=True, blank=True)
    confidence_high = models.FloatField(null=True, blank=True)
    attendance_score = models.FloatField(null=True, blank=True)
    behavior_score = models.FloatField(null=True, blank=True)
    course_score = models.FloatField(null=True, blank=True)
    rank_score = models.FloatField(
        null=True,
        blank=True,
        help_text="What orders the caseload: the score of whatever won the evaluation",
    )
    weeks = models.JSONField(default=list, blank=True, help_text="[{week, attention}]")
    factors = models.JSONField(
        null=True,
        blank=True,
        help_text="Reasons as the API gives them; null: not yet asked for",
    )
    superseded_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A late record changed the closed week and a newer prediction stands",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = PredictionQuerySet.as_manager()

    class Meta:
        ordering = ["-window_end", "-rank_score"]
        constraints = [
            models.UniqueConstraint(
                fields=["student", "window_end", "model", "inputs_hash"],
                name="prediction_key",
            ),
            models.CheckConstraint(
                condition=Q(risk_score__isnull=True) | Q(risk_score__gte=0, risk_score__lte=1),
                name="prediction_risk_is_probability",
            ),
            models.CheckConstraint(
                condition=Q(enough_data=True) | Q(risk_score__isnull=True),
                name="prediction_no_score_without_data",
            ),
        ]
        indexes = [
            models.Index(fields=["model", "window_end", "rank_score"], name="prediction_caseload"),
            models.Index(fields=["student", "window_end"], name="prediction_student"),
        ]

    def __str__(self) -> str:
        return f"{self.window_end} {self.get_risk_level_display()}"
