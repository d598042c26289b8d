"""The cast with a live model, on a fixed Wednesday."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from predictions.models import ModelVersion
from students.models import District
from tests.factories import school_days
from tests.pages.made import TODAY, live_model, predict
from tests.people import People, make_people


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("predictions.pages.views", "students.access", "students.admin"):
        monkeypatch.setattr(f"{module}.district_today", lambda: TODAY)


@pytest.fixture
def people(db: None, settings: Any) -> People:
    # Hashing is slow on purpose; here it would be most of the tests' time.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    District.current()
    return make_people()


@pytest.fixture
def model(people: People) -> ModelVersion:
    """A live model; Nia is scored high, Noah moderate, Sam low, and Sol has too few weeks."""
    school_days()
    made = live_model()
    predict(made, people.nia, 0.73)
    predict(made, people.noah, 0.31)
    predict(made, people.sam, 0.05)
    predict(made, people.sol, None)
    return made


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
