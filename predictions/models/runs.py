"""Long work as rows: its state, progress and result live here, not in the broker."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

# Work that showed no sign of life for so long has lost its process; whoever comes next may take it up.
ABANDONED_AFTER = dt.timedelta(hours=1)


class RunQuerySet(models.QuerySet):
    def free(self, now: dt.datetime) -> RunQuerySet:
        """Keep the runs that a process may take at `now`: queued, or left behind by one that died."""
        left = Q(state=Run.State.RUNNING, heartbeat_at__lt=now - ABANDONED_AFTER)
        return self.filter(Q(state=Run.State.QUEUED) | left)

    def unfinished(self, now: dt.datetime) -> RunQuerySet:
        """Keep the runs that wait or are at work at `now`; not those left behind."""
        at_work = Q(state=Run.State.RUNNING, heartbeat_at__gte=now - ABANDONED_AFTER)
        return self.filter(Q(state=Run.State.QUEUED) | at_work)


class Run(models.Model):
    """A piece of long work. Claimed by a conditional update, so that two workers never run it twice."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    as_of = models.DateField()
    progress = models.FloatField(default=0.0, help_text="0 to 1")
    stage = models.CharField(max_length=80, blank=True, default="")
    reason = models.TextField(blank=True, default="", help_text="Why it was asked for, or why it failed")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = RunQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.as_of} ({self.state})"

    def claim(self) -> bool:
        """Take the run for this process; False where another is at work on it or it is over."""
        now = timezone.now()
        free = type(self).objects.filter(pk=self.pk).free(now)
        taken = free.update(state=self.State.RUNNING, started_at=now, heartbeat_at=now)
        if taken:
            self.refresh_from_db()
        return bool(taken)

    def advance(self, progress: float, stage: str) -> None:
        """Show how far the work is; also the heartbeat of the process that does it."""
        self.progress, self.stage, self.heartbeat_at = progress, stage, timezone.now()
        self.save(update_fields=["progress", "stage", "heartbeat_at"])

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep on the row how the work inside ends: done, failed with its reason, or cancelled."""
        try:
            yield
        except KeyboardInterrupt:
            self._end(self.State.CANCELLED, "interrupted by hand")
            raise
        except (ValueError, LookupError) as error:  # what our own code says in words
            self._end(self.State.FAILED, str(error))
            raise
        except Exception as error:
            self._end(self.State.FAILED, f"{type(error).__name__}: {error}")
            raise
        self.progress = 1.0
        self.save(update_fields=["progress"])
        self._end(self.State.DONE, self.reason)

    def _end(self, state: str, reason: str) -> None:
        self.state, self.reason, self.finished_at = state, reason, timezone.now()
        self.save(update_fields=["state", "reason", "finished_at"])


class TrainingRun(Run):
    config = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    epochs = models.JSONField(default=list, help_text="Validation metrics of each epoch")
    result = models.ForeignKey(
        "predictions.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="runs",
    )

    class Meta:
        ordering = ["-queued_at"]


class ScoringRun(Run):
    window_end = models.DateField(null=True, blank=True)
    model = models.ForeignKey(
        "predictions.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="scorings",
    )
    # A batch asked for over the API names its students; a nightly one means everybody enrolled.
    student_ids = models.JSONField(null=True, blank=True)
    scored = models.PositiveIntegerField(default=0)
    without_enough_data = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-queued_at"]


class EvaluationRun(Run):
    holdout_schools = models.JSONField(default=list)
    weeks = models.JSONField(default=list)
    report = models.JSONField(default=dict)

    class Meta:
        ordering = ["-queued_at"]
