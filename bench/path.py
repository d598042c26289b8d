"""The whole path of a synthetic district, each stage a process of its own: its seconds and peak memory."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from demo.school_year import demo_day
from demo.synthetic import write_district

ROOT = Path(__file__).resolve().parent.parent
# A model must not have been trained on the weeks that it scores.
TRAINED_BEFORE = dt.timedelta(weeks=10)


class StageFailed(RuntimeError):
    """A stage ended with an error; the message holds its name and the end of what it wrote."""


@dataclass(frozen=True)
class Cost:
    """What one stage took. peak_mb is the stage's own process, without the database server's."""

    stage: str
    seconds: float
    peak_mb: float


def measure(stage: str, command: list[str], env: dict[str, str]) -> Cost:
    """Run one stage and return its cost.

    Raises:
        StageFailed: the process ended with another status than 0.
    """
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            end = said.read().decode(errors="replace")[-2_000:]
            raise StageFailed(f"{stage} ended with {process.returncode}:\n{end}")
    return Cost(stage, round(seconds, 1), round(used.ru_maxrss / 1024, 1))


@contextmanager
def empty_database(folder: Path) -> Iterator[dict[str, str]]:
    """Give the environment of a database made for this run alone, and drop it at the end."""
    env = {**os.environ, "EDUPULSE_VAR_DIR": str(folder / "var")}
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield env
        return
    name = f"edupulse_bench_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield {**env, "DATABASE_URL": urlunsplit(urlsplit(url)._replace(path=f"/{name}"))}
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run_path(students: int, years: int, seed: int) -> Iterator[Cost]:
    """Take a synthetic district from files to scores; yield each stage's cost as it ends.

    Args:
        students: enrolled at a time.
        years: closed school years; the running one comes on top.
        seed: same seed, same district.

    Raises:
        StageFailed: a stage ended with an error.
    """
    until = demo_day(dt.date.today())
    with tempfile.TemporaryDirectory(prefix="edupulse-bench-") as made:
        files = Path(made) / "files"
        with empty_database(Path(made)) as env:
            manage = [sys.executable, "manage.py"]
            yield measure(
                "write files",
                [
                    sys.executable,
                    *("-m", "bench", "write", str(files), "--until", str(until)),
                    *("--students", str(students), "--years", str(years), "--seed", str(seed)),
                ],
                env,
            )
            for stage, command in (
                ("migrate", ["migrate", "--verbosity", "0"]),
                ("import", ["backfill", str(files), "--json"]),
                ("features", ["extract_features", "--as-of", str(until), "--json"]),
                ("train", ["train", "--as-of", str(until - TRAINED_BEFORE), "--seed", str(seed), "--json"]),
                ("score and explain", ["score", "--as-of", str(until), "--json"]),
            ):
                yield measure(stage, [*manage, *command], env)


def write_files(folder: Path, students: int, years: int, seed: int, until: dt.date) -> None:
    """Write a synthetic district's files: the first stage."""
    folder.mkdir(parents=True)
    write_district(folder, students=students, years=years, seed=seed, until=until)
