"""The facts that files bring: attendance, grades, discipline, outcomes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from students.models.student import Student


class Record(models.Model):
    """What every saved fact carries besides its content.

    `recorded_at` is the day on which the fact became known; it enters features in that week.
    `last_import` is the key of the import that last wrote the row: a plain number, for the records
    know nothing of imports. `edited_at` is set by hand edits, which imports then leave alone.
    """

    student = models.ForeignKey(Student, on_delete=models.CASCADE)
    date = models.DateField()
    school = models.ForeignKey("students.School", null=True, blank=True, on_delete=models.SET_NULL)
    recorded_at = models.DateField(help_text="The day on which this became known")
    last_import = models.BigIntegerField(null=True, blank=True, editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class AttendanceRecord(Record):
    class Status(models.TextChoices):
        PRESENT = "present", "Present"
        EXCUSED = "excused_absence", "Excused absence"
        UNEXCUSED = "unexcused_absence", "Unexcused absence"
        ABSENT = "absent", "Absent, not said whether excused"
        TARDY = "tardy", "Tardy"
        EARLY_DEPARTURE = "early_departure", "Early departure"

    status = models.CharField(max_length=20, choices=Status.choices)
    period = models.CharField(max_length=20, blank=True, default="", help_text="Empty: the whole day")
    minutes_absent = models.PositiveIntegerField(null=True, blank=True)
    minutes_present = models.PositiveIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=120, blank=True, default="")

    class Meta:
        ordering = ["student", "date", "period"]
        constraints = [
            models.UniqueConstraint(fields=["student", "date", "period"], name="attendance_key"),
        ]
        indexes = [models.Index(fields=["last_import"], name="attendance_import")]

    def __str__(self) -> str:
        return f"{self.date} {self.get_status_display()}"


class CourseGrade(Record):
    """One mark. An empty `percent` is work that is due and not in.

    An assignment may have several dated rows; the latest one known counts. `item_key` is the assignment
    id, else kind, term and the ordinal of the row among its likes in the file.
    """

    class Kind(models.TextChoices):
        ASSIGNMENT = "assignment", "Assignment"
        EXAM = "exam", "Exam"
        TERM = "term", "Term mark"

    class Subject(models.TextChoices):
        MATH = "math", "Mathematics"
        ELA = "ela", "English language arts"
        SCIENCE = "science", "Science"
        SOCIAL = "social_studies", "Social studies"
        OTHER = "other", "Other"

    course_code = models.CharField(max_length=40)
    course_name = models.CharField(max_length=120, blank=True, default="")
    subject = models.CharField(max_length=16, choices=Subject.choices, default=Subject.OTHER)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.ASSIGNMENT)
    term = models.CharField(max_length=40, blank=True, default="")
    item_key = models.CharField(max_length=120)
    assignment_id = models.CharField(max_length=80, blank=True, default="")
    score_text = models.CharField("score as filed", max_length=24, blank=True, default="")
    percent = models.FloatField(null=True, blank=True, help_text="Of 100; empty: due and not in")
    weight = models.FloatField(default=1.0, help_text="All weights 0 or 1: equal")
    due_date = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["student", "course_code", "date", "item_key"]
        constraints = [
            models.UniqueConstraint(
                fields=["student", "course_code", "date", "item_key"],
                name="course_grade_key",
            ),
            models.CheckConstraint(
                condition=Q(percent__isnull=True) | Q(percent__gte=0, percent__lte=1000),
                name="course_grade_percent",
            ),
        ]
        indexes = [
            models.Index(fields=["student", "date"], name="course_grade_student"),
            models.Index(fields=["last_import"], name="course_grade_import"),
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.course_code} {self.score_text or 'not in'}"


class DisciplineIncident(Record):
    """What happened and what followed. Only rows whose role is perpetrator ever count."""

    class Action(models.TextChoices):
        NONE = "none", "No removal"
        CONFERENCE = "conference", "Conference or detention"
        IN_SCHOOL = "in_school_suspension", "In-school suspension"
        OUT_OF_SCHOOL = "out_of_school_suspension", "Out-of-school suspension"
        EXPULSION = "expulsion", "Expulsion"
        OTHER = "other", "Other"

    class Role(models.TextChoices):
        PERPETRATOR = "perpetrator", "Perpetrator"
        VICTIM = "victim", "Victim"
        WITNESS = "witness", "Witness"
        REPORTER = "reporter", "Reporter"

    incident_id = models.CharField(max_length=80, blank=True, default="")
    incident_key = models.CharField(
        max_length=160,
        help_text="The incident's id, else its type and ordinal on that day",
    )
    incident_type = models.CharField(max_length=80)
    action = models.CharField(max_length=28, choices=Action.choices, default=Action.NONE)
    action_text = models.CharField("action as filed", max_length=80, blank=True, default="")
    days_removed = models.FloatField(default=0.0)
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.PERPETRATOR)
    severity = models.PositiveSmallIntegerField(help_text="1 minor .. 5 most severe")

    class Meta:
        ordering = ["student", "date", "incident_key"]
        constraints = [
            models.UniqueConstraint(fields=["student", "date", "incident_key"], name="incident_key_unique"),
            models.CheckConstraint(condition=Q(severity__gte=1, severity__lte=5), name="incident_severity"),
            models.CheckConstraint(condition=Q(days_removed__gte=0), name="incident_days_removed"),
        ]
        indexes = [models.Index(fields=["last_import"], name="incident_import")]

    def __str__(self) -> str:
        return f"{self.date} {self.incident_type}"


class Outcome(Record):
    """How a school year ended for a student."""

    class Kind(models.TextChoices):
        GRADUATED = "graduated", "Graduated"
        PROMOTED = "promoted", "Promoted"
        RETAINED = "retained", "Retained"
        DROPPED_OUT = "dropped_out", "Dropped out"
        WITHDRAWN = "withdrawn", "Withdrawn"
        FAILED = "failed", "Failed"
        PASSED = "passed", "Passed"
        TRANSFERRED = "transferred", "Transferred"
        OTHER = "other", "Other"

    outcome = models.CharField(max_length=16, choices=Kind.choices)
    school_year = models.CharField(max_length=12)
    detail = models.CharField(max_length=200, blank=True, default="")
    date_known = models.BooleanField(default=True, help_text="False where the file gave no day")

    class Meta:
        ordering = ["student", "school_year"]
        constraints = [models.UniqueConstraint(fields=["student", "school_year"], name="outcome_key")]
        indexes = [models.Index(fields=["last_import"], name="outcome_import")]

    def __str__(self) -> str:
        return f"{self.school_year} {self.get_outcome_display()}"
