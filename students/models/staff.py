"""Who may see which students, who answers for them, and what was done to help."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from students.models.student import Grade, Student


class DatedQuerySet(models.QuerySet):
    def on(self, day: dt.date) -> DatedQuerySet:
        """Keep the rows in force on `day` (from the first day on, before the day it ends)."""
        return self.filter(valid_from__lte=day).filter(Q(valid_to__isnull=True) | Q(valid_to__gt=day))


class StaffScope(models.Model):
    """The schools, or the grades of a school, that a member of staff may see, from when to when."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="scopes")
    school = models.ForeignKey(
        "students.School",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        help_text="Empty: every school of the district",
    )
    grade_level = models.CharField(max_length=2, choices=Grade.choices, blank=True, default="")
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)

    objects = DatedQuerySet.as_manager()

    class Meta:
        ordering = ["user", "valid_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="scope_forward",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} sees {self.school or 'the district'} {self.grade_level}".strip()


class Caseload(models.Model):
    """A student for whom a counselor answers, from when to when; shared where several rows hold at once."""

    counselor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="caseload")
    student = models.ForeignKey(Student, on_delete=models.CASCADE, related_name="caseloads")
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)
    last_import = models.BigIntegerField(null=True, blank=True, editable=False)

    objects = DatedQuerySet.as_manager()

    class Meta:
        ordering = ["counselor", "student"]
        constraints = [
            models.UniqueConstraint(fields=["counselor", "student", "valid_from"], name="caseload_key"),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="caseload_forward",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.counselor} for student {self.student_id}"


class Intervention(models.Model):
    """Help that was given. Shown beside the score and never an input of it."""

    class Kind(models.TextChoices):
        CONVERSATION = "conversation", "Talk with the student"
        FAMILY = "family", "Call or meeting with the family"
        TUTORING = "tutoring", "Tutoring"
        ATTENDANCE_PLAN = "attendance_plan", "Attendance plan"
        MENTORING = "mentoring", "Mentoring"
        REFERRAL = "referral", "Referral to a service"
        OTHER = "other", "Other"

    student = models.ForeignKey(Student, on_delete=models.CASCADE, related_name="interventions")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    note = models.TextField(blank=True, max_length=2000)
    started = models.DateField()
    ended = models.DateField(null=True, blank=True)
    logged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="interventions",
    )
    logged_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-started", "-id"]
        indexes = [models.Index(fields=["student", "started"], name="intervention_student")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} from {self.started}"
