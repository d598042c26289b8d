"""Weekly features in typed columns, and what is usual in the same school, grade and week."""

from __future__ import annotations

from django.db import models

from features.definitions import FEATURES
from students.models import School, Student


class StudentFeature(models.Model):
    """One student at the close of one school week. The feature columns come from features/definitions.py."""

    student = models.ForeignKey(Student, on_delete=models.CASCADE, related_name="features")
    school = models.ForeignKey(School, on_delete=models.PROTECT, related_name="+")
    grade_level = models.CharField("grade", max_length=2)
    week = models.DateField(help_text="Monday")
    week_end = models.DateField(help_text="Sunday")
    school_year = models.CharField(max_length=12)
    week_number = models.IntegerField(help_text="Ordinal among the district's school weeks")
    present_attendance = models.BooleanField()
    present_grades = models.BooleanField()
    present_discipline = models.BooleanField()
    computed_at = models.DateTimeField()

    class Meta:
        ordering = ["student", "week"]
        constraints = [models.UniqueConstraint(fields=["student", "week"], name="student_feature_key")]
        indexes = [models.Index(fields=["week_end", "school"], name="student_feature_week")]

    def __str__(self) -> str:
        return f"student {self.student_id}, week of {self.week}"


for _feature in FEATURES:
    models.FloatField(
        _feature.name.replace("_", " "),
        null=True,
        blank=True,
        help_text=f"{_feature.meaning} ({_feature.unit})",
    ).contribute_to_class(StudentFeature, _feature.name)


class CohortWeek(models.Model):
    """Median, mean and deviation of every feature over one school, grade and week."""

    school = models.ForeignKey(School, on_delete=models.CASCADE, related_name="+")
    grade_level = models.CharField(max_length=2)
    week_end = models.DateField()
    n = models.PositiveIntegerField()
    median = models.JSONField()
    mean = models.JSONField()
    deviation = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["school", "grade_level", "week_end"], name="cohort_week_key")
        ]
        indexes = [models.Index(fields=["week_end"], name="cohort_week_end")]

    def __str__(self) -> str:
        return f"{self.school} grade {self.grade_level}, week to {self.week_end}"


class ExtractionState(models.Model):
    """How far the weekly features reach: every enrolled student has a row up to this Sunday."""

    computed_through = models.DateField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="extraction_state_is_one")]

    def __str__(self) -> str:
        return f"features to {self.computed_through}"

    @classmethod
    def current(cls) -> ExtractionState:
        return cls.objects.get_or_create(pk=1)[0]
