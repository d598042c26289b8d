"""A small synthetic district, taken once through the whole path, for every test of this folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

UNTIL = dt.date(2026, 11, 24)
CONFIG = {"network": {"hidden": 8, "heads": 2}, "epochs": 2, "max_examples_per_epoch": 3_000, "threads": 1}


@pytest.fixture(scope="package")
def district(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    from demo.path import build_district, clear_synthetic
    from features.models import CohortWeek, ExtractionState
    from ingestion.models import CodeMap
    from students.models import AuditEvent, District, School, SchoolDay, Term, Threshold

    folder = tmp_path_factory.mktemp("district")
    with django_db_blocker.unblock():
        for _ in build_district(
            folder, students=520, years=2, seed=3, until=UNTIL, config=CONFIG, scored_weeks=3
        ):
            pass
    yield folder
    with django_db_blocker.unblock():
        clear_synthetic()
        for model in (
            User,
            CohortWeek,
            ExtractionState,
            CodeMap,
            AuditEvent,
            Term,
            Threshold,
            SchoolDay,
            School,
            District,
        ):
            model._default_manager.all().delete()


@pytest.fixture
def ana(district: Path, db: None) -> User:
    return User.objects.get(username="ana")


@pytest.fixture
def cleo(district: Path, db: None) -> User:
    return User.objects.get(username="cleo")


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> dt.date:
    """Let views take the district's last day for today, whatever day the tests run."""
    for module in (
        "predictions.pages.views",
        "predictions.api.predicting",
        "predictions.api.records",
        "predictions.api.operating",
        "students.access",
        "students.admin",
    ):
        monkeypatch.setattr(f"{module}.district_today", lambda: UNTIL)
    return UNTIL
