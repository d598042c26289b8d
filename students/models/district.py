"""The district, its schools, its calendar and its dated rules."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import models


def default_off_track_outcomes() -> list[str]:
    return ["retained", "dropped_out", "failed"]


def default_core_subjects() -> list[str]:
    return ["math", "ela", "science", "social_studies"]


def validate_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(f"'{name}' is not a time zone such as America/Chicago") from error


class District(models.Model):
    """The one district that this installation serves, and how it reads its own records."""

    class LabelBasis(models.TextChoices):
        ANY = "any", "Outcome, or a tenth of the year absent, or a failed core course"
        OUTCOME = "outcome", "Recorded outcome only"

    name = models.CharField(max_length=120, default="School district")
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    synthetic = models.BooleanField(
        default=False,
        editable=False,
        help_text="True where every student is invented; shown on every page",
    )
    label_basis = models.CharField(
        "off-track definition",
        max_length=10,
        choices=LabelBasis.choices,
        default=LabelBasis.ANY,
    )
    off_track_outcomes = models.JSONField(default=default_off_track_outcomes)
    core_subjects = models.JSONField(default=default_core_subjects)
    behavior_includes_in_school = models.BooleanField(
        "in-school suspensions count as behavior", default=False
    )
    attendance_exceptions_only = models.BooleanField(
        "attendance lists exceptions only",
        default=False,
        help_text="Where true, a school day without a row means present; otherwise it means unknown",
    )
    attendance_lag_days = models.PositiveSmallIntegerField(default=1)
    discipline_lag_days = models.PositiveSmallIntegerField(default=3)
    grades_lag_days = models.PositiveSmallIntegerField(default=7)
    outcomes_lag_days = models.PositiveSmallIntegerField(default=0)
    flags_per_counselor = models.PositiveSmallIntegerField(
        default=25,
        help_text="Students a counselor can take up in one week; the caseload is cut there",
    )

    class Meta:
        verbose_name_plural = "district"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="district_is_one")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> District:
        """Return the district, made with its defaults on first use (one query)."""
        found = cls.objects.filter(pk=1).first()
        return found or cls.objects.get_or_create(pk=1)[0]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def lag_days(self, kind: str) -> int:
        """Return after how many days a fact of this kind counts as known where the file does not say."""
        lags = {
            "attendance": self.attendance_lag_days,
            "discipline": self.discipline_lag_days,
            "grades": self.grades_lag_days,
            "outcomes": self.outcomes_lag_days,
        }
        return lags.get(kind, 0)

    def last_closed_week(self, as_of: dt.date) -> dt.date:
        """Return the Sunday on which the last closed week ended: `as_of` itself if a Sunday."""
        return as_of - dt.timedelta(days=(as_of.weekday() + 1) % 7)


class School(models.Model):
    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name or self.code


class Term(models.Model):
    """A marking period as the calendar names it. A blank `school_code` holds for every school."""

    school_code = models.CharField(max_length=40, blank=True, default="")
    school_year = models.CharField(max_length=12)
    name = models.CharField(max_length=40)
    start = models.DateField()
    end = models.DateField()

    class Meta:
        ordering = ["start", "school_code"]
        constraints = [
            models.UniqueConstraint(fields=["school_code", "school_year", "name"], name="term_key"),
            models.CheckConstraint(condition=models.Q(end__gte=models.F("start")), name="term_forward"),
        ]

    def __str__(self) -> str:
        return f"{self.school_year} {self.name}"


class SchoolDay(models.Model):
    """One day of the calendar of one school, or of all schools that do not list the day themselves.

    `school_code` is text, not a foreign key, so that "every school" is an ordinary value ("") of the key
    and calendars may arrive before the schools they are about.
    """

    school_code = models.CharField(max_length=40, blank=True, default="")
    date = models.DateField()
    in_session = models.BooleanField()
    school_year = models.CharField(max_length=12)
    term = models.CharField(max_length=40, blank=True, default="")
    minutes = models.PositiveSmallIntegerField(null=True, blank=True)
    inferred = models.BooleanField(
        default=False, help_text="Concluded from attendance, for want of a calendar"
    )
    recorded_at = models.DateField(help_text="The day on which this became known")
    last_import = models.BigIntegerField(null=True, blank=True, editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["date", "school_code"]
        constraints = [models.UniqueConstraint(fields=["school_code", "date"], name="school_day_key")]
        indexes = [models.Index(fields=["last_import"], name="school_day_import")]

    def __str__(self) -> str:
        return f"{self.school_code or 'all schools'} {self.date}"


class ThresholdQuerySet(models.QuerySet["Threshold"]):
    def value(self, name: str, on: dt.date) -> float:
        """Return the value in force on a day, or the published default. Costs one query."""
        found = self.filter(name=name, valid_from__lte=on).order_by("-valid_from").first()
        return found.value if found else Threshold.DEFAULTS[name]

    def values_on(self, on: dt.date) -> dict[str, float]:
        """Return every threshold in force on a day, by name. Costs one query."""
        in_force = dict(Threshold.DEFAULTS)
        for name, value in (
            self.filter(valid_from__lte=on).order_by("valid_from").values_list("name", "value")
        ):
            in_force[name] = value
        return in_force


class Threshold(models.Model):
    """A cut score with the day from which it holds, so that last year's labels keep last year's rule."""

    class Name(models.TextChoices):
        ABSENCE_RATE = "absence_rate", "Share of days absent that flags"
        ABSENCE_MIN_DAYS = "absence_min_days", "Days absent in the horizon that flag"
        MIN_DAYS_ENROLLED = (
            "min_days_enrolled",
            "Days enrolled before a year's rate counts",
        )
        SUSPENSION_DAYS = "suspension_days", "Days suspended that flag"
        PASS_MARK = "pass_mark", "Lowest passing mark, of 100"

    # Sources: 10 % and 45 days enrolled, federal EDFacts as New Jersey applies it; 1 suspension day and
    # a failed core course, the national attendance-behavior-course tabulation.
    DEFAULTS = {
        "absence_rate": 0.10,
        "absence_min_days": 3.0,
        "min_days_enrolled": 45.0,
        "suspension_days": 1.0,
        "pass_mark": 60.0,
    }

    name = models.CharField(max_length=24, choices=Name.choices)
    value = models.FloatField()
    valid_from = models.DateField()

    objects = ThresholdQuerySet.as_manager()

    class Meta:
        ordering = ["name", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["name", "valid_from"], name="threshold_key"),
            models.CheckConstraint(condition=models.Q(value__gte=0), name="threshold_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value:g} from {self.valid_from}"
