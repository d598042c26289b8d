"""Reading the environment: every variable that two deployments may set differently, each once.

A value may also lie in a file named by the variable with `_FILE` behind it (Docker and Kubernetes secrets).
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from environ import FileAwareEnv


class SettingError(SystemExit):
    """Ends the start with one line that names the variable and the way out."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"EduPulse cannot start: {name} {problem}. See .env.example.")


_env = FileAwareEnv()


def load_dotenv(path: Path) -> None:
    """Read a .env file where there is one; variables already set win."""
    if path.is_file():
        _env.read_env(str(path))


def text(name: str, default: str = "") -> str:
    value: str = _env.str(name, default=default)
    return value.strip()


def boolean(name: str, default: bool) -> bool:
    value = text(name)
    if not value:
        return default
    if value.lower() not in ("true", "false"):
        raise SettingError(name, f"is '{value}' but must be true or false")
    return value.lower() == "true"


def number(name: str, default: int, *, low: int = 0) -> int:
    value = text(name)
    if not value:
        return default
    if not value.isdigit() or int(value) < low:
        raise SettingError(name, f"is '{value}' but must be a whole number of at least {low}")
    return int(value)


def names(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def url(name: str, schemes: tuple[str, ...]) -> str:
    """Return the URL, or "" where unset. The scheme must be one of those given."""
    value = text(name)
    if value and urlsplit(value).scheme not in schemes:
        raise SettingError(name, f"must begin with {' or '.join(s + '://' for s in schemes)}")
    return value


def postgresql(name: str) -> dict[str, object] | None:
    """Return Django's settings of the PostgreSQL database a URL names, or None where unset."""
    value = url(name, ("postgres", "postgresql"))
    if not value:
        return None
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise SettingError(name, f"is not a URL: {error}") from error
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise SettingError(name, "names no database after the host, as in postgres://user@host:5432/edupulse")
    return {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": database,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(port or ""),
    }


def generated_secret(path: Path) -> str:
    """Return the key kept in `path`, made on first use and readable by its owner alone."""
    if not path.exists():
        from django.core.management.utils import get_random_secret_key

        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process was faster
            return path.read_text()
        with os.fdopen(handle, "w") as file:
            file.write(get_random_secret_key())
    return path.read_text()
