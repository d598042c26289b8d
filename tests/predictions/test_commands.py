"""train, evaluate, score, promote, rollback, nightly: what they print, and one line when they fail."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from predictions.models import EvaluationRun, ModelVersion, TrainingRun
from tests.people import People
from tests.predictions.made import LAST_SUNDAY, MONDAY_AFTER


def told(name: str, *args: Any, **options: Any) -> Any:
    out = io.StringIO()
    call_command(name, *args, json=True, stdout=out, **options)
    return json.loads(out.getvalue())


def test_train_score_promote_and_rollback_answer_in_json(people: People) -> None:
    first = told("train", as_of=LAST_SUNDAY)
    assert (first["status"], first["ranking"], first["hold_reason"]) == ("live", "rule", "")
    assert told("score", as_of=MONDAY_AFTER) == {
        "model": first["version"],
        "window_end": str(LAST_SUNDAY),
        "scored": 4,
        "without_enough_data": 0,
    }
    second = told("train", as_of=LAST_SUNDAY, seed=1)
    assert second["status"] == "candidate"
    assert told("promote", second["version"]) == {"live": second["version"]}
    assert told("rollback") == {"live": first["version"]}
    night = told("nightly", as_of=MONDAY_AFTER)
    assert (night["imports"], night["imports_failed"], night["scored"]) == (0, 0, 4)


def test_a_seed_of_zero_is_a_seed(people: People, tmp_path: Path) -> None:
    file = tmp_path / "training.toml"
    file.write_text("epochs = 3\nseed = 5\n[network]\nhidden = 8\n")
    told("train", as_of=LAST_SUNDAY, config=file)
    assert (ModelVersion.objects.latest("pk").seed, ModelVersion.objects.latest("pk").config["epochs"]) == (
        5,
        3,
    )
    told("train", as_of=LAST_SUNDAY, config=file, seed=0)
    assert ModelVersion.objects.latest("pk").seed == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"epoch": 3}', "has no epoch"),
        ('{"epochs": 0}', "must be at least 1"),
        ('{"epochs": "ten"}', "value of the wrong kind"),
        ("[1]", "holds no configuration"),
        ("{", "cannot be read"),
    ],
)
def test_a_wrong_configuration_is_one_line(people: People, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "training.json"
    file.write_text(text)
    with pytest.raises(CommandError, match=words) as caught:
        call_command("train", as_of=LAST_SUNDAY, config=file)
    assert "\n" not in str(caught.value)
    assert not TrainingRun.objects.exclude(state="failed").exists()


def test_a_device_that_is_not_there_is_one_line(people: People, settings: Any) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    settings.MODEL_DEVICE = "cuda"
    with pytest.raises(CommandError, match="sees no CUDA device"):
        call_command("train", as_of=LAST_SUNDAY)


@pytest.mark.parametrize(
    ("schools", "words"),
    [
        (["NOWHERE"], "no school has the code NOWHERE"),
        (["NORTH"], "no student-week"),
        ([], "nothing can be judged"),
    ],
)
def test_evaluate_says_what_is_missing(people: People, schools: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("evaluate", holdout_school=schools, as_of=LAST_SUNDAY)
    run = EvaluationRun.objects.get()
    assert run.state == "failed"
    assert words in run.reason


def test_promoting_what_is_not_there_is_one_line(db: None) -> None:
    with pytest.raises(CommandError, match="there is no model version 'x'"):
        call_command("promote", "x")
    with pytest.raises(CommandError, match="no earlier version"):
        call_command("rollback")


def test_scoring_before_there_are_features_says_what_to_do(people: People, rule_model: ModelVersion) -> None:
    with pytest.raises(CommandError, match="run extract_features first"):
        call_command("score", as_of="2025-01-05")
