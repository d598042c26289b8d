"""A small district with its first model: too little is known to learn from, so it runs the plain rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.pipeline import extract
from predictions.models import ModelVersion, ScoringRun, TrainingRun
from predictions.scoring import score
from predictions.serving import forget_models
from predictions.training import train
from tests.people import People
from tests.predictions.made import LAST_SUNDAY, MONDAY_AFTER, small_district


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.MEDIA_ROOT = tmp_path
    # Eight log-ins a test, none of them used here: the real hash would be most of the time.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    forget_models()
    yield
    forget_models()


@pytest.fixture
def people(db: None) -> People:
    """The cast with eight weeks of records and their features."""
    made = small_district()
    extract(MONDAY_AFTER)
    return made


@pytest.fixture
def rule_model(people: People) -> ModelVersion:
    return train(TrainingRun.objects.create(as_of=LAST_SUNDAY))


@pytest.fixture
def scored(people: People, rule_model: ModelVersion) -> People:
    """The same, and the eighth week scored for everybody."""
    score(ScoringRun.objects.create(as_of=MONDAY_AFTER))
    return people


@pytest.fixture
def eager() -> Iterator[None]:
    """Let tasks run where they are rung."""
    from edupulse_site.celery import app

    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the doorbells at a port where nobody listens."""
    from kombu import Connection

    from predictions.tasks import score_week

    ring = score_week.apply_async
    nobody = Connection("redis://127.0.0.1:1/0", transport_options={"max_retries": 0})
    monkeypatch.setattr(
        score_week,
        "apply_async",
        lambda *args, **options: ring(*args, connection=nobody, retry=False, **options),
    )
