"""Students and where they were enrolled when."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q

from students.access import students_visible_to

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser


class Grade(models.TextChoices):
    PK = "PK", "Pre-K"
    K = "K", "Kindergarten"
    G1 = "1", "1"
    G2 = "2", "2"
    G3 = "3", "3"
    G4 = "4", "4"
    G5 = "5", "5"
    G6 = "6", "6"
    G7 = "7", "7"
    G8 = "8", "8"
    G9 = "9", "9"
    G10 = "10", "10"
    G11 = "11", "11"
    G12 = "12", "12"
    G13 = "13", "After 12"


class StudentQuerySet(models.QuerySet["Student"]):
    def visible_to(
        self, user: AbstractBaseUser | AnonymousUser, on: dt.date | None = None
    ) -> StudentQuerySet:
        """Keep the students whom `user` may see, each with `access_reason`; the one door to students.

        The reason is district, school, grade or caseload. `on` is the day whose scopes and caseloads
        count (today in the district where not given).
        """
        return students_visible_to(self, user, on)

    def enrolled_on(self, day: dt.date) -> StudentQuerySet:
        """Keep the students with an enrollment that holds on `day`."""
        open_then = Enrollment.objects.filter(student=models.OuterRef("pk"), start__lte=day).filter(
            Q(end__isnull=True) | Q(end__gt=day)
        )
        return self.filter(models.Exists(open_then))


class Student(models.Model):
    """A child the district knows. Addresses and logs name the opaque `uuid`, files the `district_id`."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    district_id = models.CharField("student id", max_length=64, unique=True)
    state_id = models.CharField(max_length=64, blank=True, default="", db_index=True)
    first_name = models.CharField(max_length=80, blank=True, default="")
    last_name = models.CharField(max_length=80, blank=True, default="", db_index=True)
    birth_date = models.DateField(null=True, blank=True)
    # For the audit by group alone; never an input of the model, never on a counselor's page.
    gender = models.CharField(max_length=40, blank=True, default="")
    race_ethnicity = models.CharField(max_length=80, blank=True, default="")
    english_learner = models.BooleanField(null=True, blank=True)
    special_education = models.BooleanField(null=True, blank=True)
    economically_disadvantaged = models.BooleanField(null=True, blank=True)

    stale_from = models.DateField(
        null=True,
        blank=True,
        editable=False,
        db_index=True,
        help_text="Earliest day on which a fact not yet in the features became known",
    )
    records_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    recorded_at = models.DateField(help_text="The day on which this became known")
    last_import = models.BigIntegerField(null=True, blank=True, editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = StudentQuerySet.as_manager()

    class Meta:
        ordering = ["last_name", "first_name", "district_id"]
        indexes = [models.Index(fields=["last_import"], name="student_import")]

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.district_id

    @property
    def person(self) -> str:
        """Return what tells one human being from another: the state's id, else the district's."""
        return self.state_id or self.district_id

    def enrollment_on(self, day: dt.date) -> Enrollment | None:
        """Return the latest-begun enrollment that holds on `day`. Costs one query."""
        return (
            self.enrollments.filter(start__lte=day)
            .filter(Q(end__isnull=True) | Q(end__gt=day))
            .select_related("school")
            .order_by("-start")
            .first()
        )


class Enrollment(models.Model):
    """A stay at one school in one grade: enrolled on d where start <= d < end."""

    class ExitType(models.TextChoices):
        NONE = "", "—"
        GRADUATED = "graduated", "Graduated"
        COMPLETED = "completed", "Completed"
        DROPPED_OUT = "dropped_out", "Dropped out"
        TRANSFERRED = "transferred", "Transferred"
        WITHDRAWN = "withdrawn", "Withdrawn"
        MOVED = "moved", "Moved"
        EXPELLED = "expelled", "Expelled"
        NO_SHOW = "no_show", "No show"
        END_OF_YEAR = "end_of_year", "End of school year"
        OTHER = "other", "Other"

    student = models.ForeignKey(Student, on_delete=models.CASCADE, related_name="enrollments")
    school = models.ForeignKey("students.School", on_delete=models.PROTECT, related_name="enrollments")
    grade_level = models.CharField(max_length=2, choices=Grade.choices)
    start = models.DateField("enrolled on")
    end = models.DateField("left on", null=True, blank=True)
    exit_type = models.CharField(max_length=16, choices=ExitType.choices, blank=True, default="")
    recorded_at = models.DateField(help_text="The day on which this became known")
    last_import = models.BigIntegerField(null=True, blank=True, editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["student", "start"]
        constraints = [
            models.UniqueConstraint(fields=["student", "school", "start"], name="enrollment_key"),
            models.CheckConstraint(
                condition=Q(end__isnull=True) | Q(end__gte=F("start")),
                name="enrollment_forward",
            ),
        ]
        indexes = [
            models.Index(fields=["school", "start", "end"], name="enrollment_school"),
            models.Index(fields=["last_import"], name="enrollment_import"),
        ]

    def __str__(self) -> str:
        return f"{self.school} grade {self.grade_level} from {self.start}"
