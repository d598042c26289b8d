"""Uploaded files and what became of each of their rows."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class Kind(models.TextChoices):
    """The kinds of file, in the order in which they depend on each other."""

    CALENDAR = "calendar", "School calendar"
    STUDENTS = "students", "Students and enrollments"
    ATTENDANCE = "attendance", "Attendance"
    GRADES = "grades", "Grades"
    DISCIPLINE = "discipline", "Discipline"
    OUTCOMES = "outcomes", "Outcomes"


class ColumnMapping(models.Model):
    """Turns one system's headers into the names of the file contract."""

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    columns = models.JSONField(default=dict, help_text='Our name → theirs: {"student_id": "Student_Number"}')
    date_format = models.CharField(
        max_length=20, blank=True, default="", help_text="As in %m/%d/%Y; empty: ISO (2026-02-28)"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CodeMap(models.Model):
    """What one of the district's own codes means."""

    class Subject(models.TextChoices):
        ATTENDANCE = "attendance", "Attendance status"
        GRADE = "grade", "Letter or mark → percent"
        SUBJECT = "subject", "Course code → subject"
        ACTION = "action", "Disciplinary action"
        EXIT = "exit", "Exit type"
        OUTCOME = "outcome", "Outcome"

    subject = models.CharField(max_length=12, choices=Subject.choices)
    code = models.CharField(max_length=80, help_text="As the file has it; case does not matter")
    value = models.CharField(max_length=40, help_text="One of the contract's values, or a percent for grades")

    class Meta:
        ordering = ["subject", "code"]
        constraints = [models.UniqueConstraint(fields=["subject", "code"], name="code_map_key")]

    def __str__(self) -> str:
        return f"{self.get_subject_display()}: {self.code} → {self.value}"


class HistoricalDataImport(models.Model):
    """One uploaded file: what was read, what it changed, and who wanted it."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        CHECKED = "checked", "Checked (dry run)"
        HELD = "held", "Held for a person"
        APPLIED = "applied", "Applied"
        FAILED = "failed", "Failed"
        UNDONE = "undone", "Undone"

    class OnBadRows(models.TextChoices):
        LOAD_GOOD = "load_good", "Load the good rows"
        ALL_OR_NOTHING = "all_or_nothing", "Load nothing unless every row is good"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    file = models.FileField(upload_to="imports/%Y/%m/")
    filename = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64, db_index=True)
    mapping = models.ForeignKey(ColumnMapping, null=True, blank=True, on_delete=models.SET_NULL)
    dry_run = models.BooleanField(default=False)
    approved = models.BooleanField(
        default=False, help_text="A person let it pass in spite of its rejected rows"
    )
    overwrite_edited = models.BooleanField("overwrite hand edits", default=False)
    on_bad_rows = models.CharField(
        max_length=16, choices=OnBadRows.choices, default=OnBadRows.LOAD_GOOD, verbose_name="bad rows"
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    progress = models.FloatField(default=0.0)
    stage = models.CharField(max_length=80, blank=True, default="")
    message = models.TextField(blank=True, default="")
    notices = models.JSONField(default=list, blank=True)
    rows_read = models.PositiveIntegerField(default=0)
    inserted = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    protected = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="imports"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "import"
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["state", "created_at"], name="import_state")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.filename}"

    @property
    def counts(self) -> dict[str, int]:
        """Return how many rows ended how; they add up to `rows_read`."""
        names = ("inserted", "updated", "unchanged", "duplicate", "protected", "rejected")
        return {name: getattr(self, name) for name in names}

    def advance(self, progress: float, stage: str) -> None:
        """Show how far the work is; also the heartbeat of the process that does it."""
        self.progress, self.stage, self.heartbeat_at = progress, stage, timezone.now()
        self.save(update_fields=["progress", "stage", "heartbeat_at"])


class RowProblem(models.Model):
    """Why a row was rejected, or what was noticed about it."""

    source = models.ForeignKey(HistoricalDataImport, on_delete=models.CASCADE, related_name="problems")
    line = models.PositiveBigIntegerField(help_text="In the file, the header being line 1")
    column = models.CharField(max_length=80, blank=True, default="")
    value = models.CharField(max_length=200, blank=True, default="")
    code = models.CharField(max_length=40)
    message = models.CharField(max_length=300)
    rejected = models.BooleanField(default=True)

    class Meta:
        ordering = ["line", "id"]
        indexes = [models.Index(fields=["source", "line"], name="problem_line")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class RowImage(models.Model):
    """A record as it was before an import changed it; what undo puts back."""

    source = models.ForeignKey(HistoricalDataImport, on_delete=models.CASCADE, related_name="images")
    table = models.CharField(max_length=60)
    record_id = models.BigIntegerField()
    before = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["source", "table", "record_id"], name="image_record")]

    def __str__(self) -> str:
        return f"{self.table} {self.record_id}"
