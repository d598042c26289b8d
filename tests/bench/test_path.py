"""The bench of the whole path: it really goes through every stage, and tells which one failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.path import StageFailed, measure


def test_it_reports_every_stage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "path", "--students", "80", "--years", "2", "--json"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stages = json.loads(done.stdout)["stages"]
    assert [stage["stage"] for stage in stages] == [
        "write files",
        "migrate",
        "import",
        "features",
        "train",
        "score and explain",
    ]
    assert all(stage["seconds"] > 0 and stage["peak_mb"] > 10 for stage in stages)


def test_a_stage_that_fails_is_named_with_what_it_said() -> None:
    with pytest.raises(StageFailed, match=r"import ended with 3:\nno such file"):
        measure(
            "import", [sys.executable, "-c", "print('no such file'); raise SystemExit(3)"], dict(os.environ)
        )
