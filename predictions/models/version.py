"""A trained model: what it reads, how good it is, and whether it is in use."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def live(self) -> ModelVersion | None:
        """Return the version in use, or None. Costs one query."""
        return self.filter(status=ModelVersion.Status.LIVE).first()


class ModelVersion(models.Model):
    class Status(models.TextChoices):
        CANDIDATE = "candidate", "Trained, waits for a person"
        LIVE = "live", "In use"
        RETIRED = "retired", "Was in use"
        REJECTED = "rejected", "Turned down"

    class Ranking(models.TextChoices):
        NETWORK = "network", "Neural network"
        LOGISTIC = "logistic", "Logistic regression"
        RULE = "rule", "Attendance-behavior-course rule"

    version = models.CharField(
        max_length=40,
        unique=True,
        help_text="as_of and a short hash: 2026-02-08-3f9a1c",
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CANDIDATE)
    ranking = models.CharField(
        max_length=10,
        choices=Ranking.choices,
        help_text="What won the evaluation and orders the caseload",
    )
    artifact = models.FileField(upload_to="models/", help_text="Checkpoint: tensors and JSON, no pickle")
    artifact_sha256 = models.CharField(max_length=64)
    feature_version = models.CharField(max_length=12)
    schema = models.JSONField(help_text="Features by name, modality and revision")
    config = models.JSONField(help_text="Network and training configuration")
    label_definition = models.CharField(max_length=12, help_text="Id of the off-track definition trained on")
    as_of = models.DateField(help_text="Nothing known later was used")
    trained_years = models.JSONField(default=list, help_text="School years whose end was learned from")
    seed = models.BigIntegerField(default=0)
    metrics = models.JSONField(default=dict, help_text="The evaluation report as the command prints it")
    hold_reason = models.TextField(blank=True, help_text="Why it waits for a person")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    promoted_at = models.DateTimeField(null=True, blank=True, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["status"], condition=Q(status="live"), name="one_live_model")
        ]

    def __str__(self) -> str:
        return self.version

    def saw_year(self, school_year: str) -> bool:
        """Tell whether the model learned from this school year, so that its score there is no forecast."""
        years: list[Any] = self.trained_years
        return school_year in years
