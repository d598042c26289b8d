"""district.toml: how a district reads its own records, beside its files."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from ingestion.models import CodeMap
from students.models import District, Threshold

ALWAYS = dt.date(1990, 1, 1)
SECTIONS = {"district", "thresholds", "labels", "lags", "core", "attendance", "codes"}


class BadDistrictFile(ValueError):
    """district.toml says something that cannot be; the message names the key."""


def apply_district_file(path: Path) -> None:
    """Take the settings of a district.toml, all or none.

    Raises:
        BadDistrictFile: not TOML, an unknown section, threshold, lag or subject, or a value out of range.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDistrictFile(f"{path.name} is not valid TOML: {error}") from error
    unknown = sorted(set(data) - SECTIONS)
    if unknown:
        raise BadDistrictFile(
            f"{path.name} has unknown sections {', '.join(unknown)}; known: {', '.join(sorted(SECTIONS))}"
        )
    with transaction.atomic():
        district = District.current()
        facts: dict[str, Any] = data.get("district", {})
        district.name = facts.get("name", district.name)
        district.time_zone = facts.get("timezone", district.time_zone)
        labels = data.get("labels", {})
        district.label_basis = labels.get("basis", district.label_basis)
        district.off_track_outcomes = labels.get("off_track_outcomes", district.off_track_outcomes)
        district.behavior_includes_in_school = labels.get(
            "behavior_includes_in_school", district.behavior_includes_in_school
        )
        for name, days in data.get("lags", {}).items():
            if name not in ("attendance", "grades", "discipline", "outcomes"):
                raise BadDistrictFile(f"{path.name}: [lags] knows no '{name}'")
            setattr(district, f"{name}_lag_days", days)
        district.core_subjects = data.get("core", {}).get("subjects", district.core_subjects)
        district.attendance_exceptions_only = data.get("attendance", {}).get(
            "exceptions_only", district.attendance_exceptions_only
        )
        try:
            district.full_clean(validate_unique=False, validate_constraints=False, exclude=["id"])
        except ValidationError as error:
            raise BadDistrictFile(f"{path.name}: {'; '.join(error.messages)}") from error
        district.save()
        for name, value in data.get("thresholds", {}).items():
            if name not in Threshold.DEFAULTS:
                raise BadDistrictFile(
                    f"{path.name}: [thresholds] knows no '{name}'; known: {', '.join(Threshold.DEFAULTS)}"
                )
            Threshold.objects.update_or_create(name=name, valid_from=ALWAYS, defaults={"value": float(value)})
        for subject, codes in data.get("codes", {}).items():
            if subject not in CodeMap.Subject.values:
                raise BadDistrictFile(
                    f"{path.name}: [codes.{subject}] is unknown; known: {', '.join(CodeMap.Subject.values)}"
                )
            for code, value in codes.items():
                CodeMap.objects.update_or_create(subject=subject, code=code, defaults={"value": str(value)})
