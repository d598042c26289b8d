"""Settings, tooling and the promises of the layout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

ROOT = Path(settings.BASE_DIR)


def manage(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DEBUG", "maybe", "must be true or false"),
        ("DATABASE_URL", "mysql://x/y", "must begin with postgres://"),
        ("DATABASE_URL", "postgres://host", "names no database"),
        ("REDIS_URL", "localhost:6379", "must begin with redis://"),
        ("NIGHTLY_HOUR_UTC", "25", "hours 0 to 23"),
        ("UPLOAD_MAX_MB", "-3", "whole number"),
        ("MODEL_DEVICE", "gpu", "auto, cpu or cuda"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO"),
    ],
)
def test_a_malformed_variable_stops_the_start_with_one_line(name: str, value: str, words: str) -> None:
    done = manage("check", **{name: value})
    assert done.returncode != 0
    assert name in done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_production_demands_a_secret_key() -> None:
    done = manage("check", DATABASE_URL="postgres://u@127.0.0.1/x", SECRET_KEY="", CI="")
    assert done.returncode != 0
    assert done.stderr.startswith("EduPulse cannot start: SECRET_KEY is missing")


def test_every_variable_of_the_settings_stands_in_env_example() -> None:
    text = (ROOT / "edupulse_site" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text)) - {"CI", "TEST_DB_SUFFIX"}
    told = set(re.findall(r"^#?\s?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert read == told


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_rooms_import_only_backwards() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_learning_core_loads_without_django() -> None:
    code = (
        "import sys; sys.modules['django'] = None; "
        "import mlcore.predictor, mlcore.protocol, mlcore.explain, mlcore.checkpoint"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


def test_every_command_is_documented_and_has_help() -> None:
    told = (ROOT / "docs" / "commands.md").read_text()
    names = [p.stem for p in ROOT.glob("*/management/commands/*.py") if p.stem != "__init__"]
    assert len(names) >= 14
    for name in names:
        assert f"`{name}" in told, name
        module = next(ROOT.glob(f"*/management/commands/{name}.py"))
        assert re.search(r"help = ", module.read_text()), name


def test_the_data_dictionary_is_current() -> None:
    from features.definitions import dictionary

    assert (ROOT / "docs" / "data-dictionary.md").read_text() == dictionary()


def test_a_request_id_is_taken_if_well_formed_and_made_if_not(client: Any) -> None:
    assert client.get("/api/v1/health", headers={"X-Request-ID": "abc-12345"})["X-Request-ID"] == "abc-12345"
    made = client.get("/api/v1/health", headers={"X-Request-ID": "<script>"})["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)


@pytest.mark.django_db
def test_ready_says_what_is_missing(client: Any) -> None:
    answer = client.get("/api/v1/ready")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"database": "ok", "broker": "ok", "model": "no model is in use"}


@pytest.mark.django_db
def test_migrations_go_back_and_forth_again(tmp_path: Path) -> None:
    env = {"EDUPULSE_VAR_DIR": str(tmp_path), "SECRET_KEY": "only for this test"}
    name = "edupulse_back_and_forth"
    if not settings.EMBEDDED:
        import psycopg

        held = settings.DATABASES["default"]
        where = {
            "host": held["HOST"],
            "port": held["PORT"],
            "user": held["USER"],
            "password": held["PASSWORD"],
        }
        with psycopg.connect(dbname="postgres", autocommit=True, **where) as server:
            server.execute(f"DROP DATABASE IF EXISTS {name}")
            server.execute(f"CREATE DATABASE {name}")
        env["DATABASE_URL"] = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{name}"
    assert manage("migrate", "-v0", **env).returncode == 0
    for app in ("predictions", "features", "ingestion", "students"):
        done = manage("migrate", app, "zero", "-v0", **env)
        assert done.returncode == 0, done.stderr
    done = manage("migrate", "-v0", **env)
    assert done.returncode == 0, done.stderr
    code = "from django.contrib.auth.models import Group; print(Group.objects.count())"
    assert manage("shell", "-v0", "-c", code, **env).stdout.strip() == "5"
