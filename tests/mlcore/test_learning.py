"""From made weeks to a saved, explained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlcore import checkpoint
from mlcore.baselines import RuleBaseline
from mlcore.config import ConfigError, NetworkConfig, TrainConfig
from mlcore.data import Examples, StudentWeeks, gather
from mlcore.encode import Encoder
from mlcore.explain import integrated_gradients
from mlcore.network import EduPulseNetwork
from mlcore.predictor import Predictor
from mlcore.protocol import Bundle, fit_and_evaluate
from mlcore.schema import HEADS, RISK
from mlcore.train import NothingToLearn, train
from mlcore.transfer import evaluate_holdout_school
from tests.mlcore.made import SCHEMA, made_weeks

SMALL = TrainConfig(
    network=NetworkConfig(hidden=8, heads=2, dropout=0.1), epochs=2, max_examples_per_epoch=2_000, threads=1
)


@pytest.fixture(scope="module")
def made() -> tuple[StudentWeeks, Examples]:
    return made_weeks()


@pytest.fixture(scope="module")
def bundle(made: tuple[StudentWeeks, Examples]) -> Bundle:
    return fit_and_evaluate(*made, SMALL, checkpoints=(4, 8, 12))


@pytest.fixture(scope="module")
def predictor(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    checkpoint.save(path, bundle, SCHEMA)
    return Predictor.load(path, "cpu")


def test_it_learns_what_was_put_in(bundle: Bundle) -> None:
    headline = bundle.report["heads"]["risk"]["headline"]["models"]
    assert headline["network"]["auroc"]["value"] > 0.75
    assert set(headline) == {"network", "logistic", "boosting", "rule", "persistence"}
    assert bundle.report["heads"]["behavior"]["unfitted"].startswith("0 students with the event")


def test_the_last_year_is_tested_and_never_trained_on(made: tuple[StudentWeeks, Examples]) -> None:
    weeks, examples = made
    changed = Examples(**{**vars(examples), "labels": examples.labels.copy()})
    changed.labels[changed.year == 2] = 1 - changed.labels[changed.year == 2]
    told = fit_and_evaluate(weeks, changed, SMALL, checkpoints=(8,))
    # Turning the last year's ends around turns the tested ranking around: nothing of it was learned.
    assert told.report["heads"]["risk"]["headline"]["models"]["network"]["auroc"]["value"] < 0.3


def test_the_same_seed_gives_the_same_weights(made: tuple[StudentWeeks, Examples]) -> None:
    one, two = (train(*made, SMALL).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_batch_of_padded_windows_gives_what_each_window_gives_alone(
    made: tuple[StudentWeeks, Examples],
) -> None:
    weeks, examples = made
    encoder = Encoder.fit(weeks, examples.row)
    network = EduPulseNetwork(*encoder.widths(), SMALL.network).eval()
    rows = np.array([2, 20, 60])
    with torch.no_grad():
        together = network(encoder.batch(gather(weeks, rows)))[0]
        alone = torch.cat([network(encoder.batch(gather(weeks, rows[i : i + 1])))[0] for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_a_saved_model_answers_as_before(
    bundle: Bundle, predictor: Predictor, made: tuple[StudentWeeks, Examples]
) -> None:
    rows = np.arange(0, 500, 7)
    assert bundle.network is not None
    assert bundle.logistic is not None
    logits = {
        "network": bundle.network.predict(made[0], rows)[0],
        "logistic": bundle.logistic.logits(made[0], rows),
    }
    for scorer, raw in logits.items():
        before = bundle.calibrators[scorer].probability(raw)
        predictor.bundle.ranking = scorer
        np.testing.assert_allclose(predictor.predict(made[0], rows).probability, before, atol=1e-6)


def test_later_weeks_move_no_earlier_score(predictor: Predictor, made: tuple[StudentWeeks, Examples]) -> None:
    weeks, _ = made_weeks()
    rows = np.array([10, 46, 82])
    before = predictor.predict(weeks, rows).probability
    for row in rows:
        weeks.values[row + 1 : row + 20] = 5
    np.testing.assert_array_equal(before, predictor.predict(weeks, rows).probability)


def test_attention_sums_to_one_over_the_weeks_of_the_window(
    predictor: Predictor, made: tuple[StudentWeeks, Examples]
) -> None:
    attention = predictor.predict(made[0], np.array([5, 35])).attention
    assert [len(each) for each in attention] == [6, 36]
    assert [float(each.sum()) for each in attention] == [pytest.approx(1, abs=1e-4)] * 2


@pytest.mark.parametrize("scorer", ["network", "logistic"])
def test_reasons_add_up_to_the_score(
    predictor: Predictor, made: tuple[StudentWeeks, Examples], scorer: str
) -> None:
    predictor.bundle.ranking = scorer
    found = integrated_gradients(predictor, made[0], np.arange(30, 200, 5))
    allowed = np.maximum(0.01, 0.01 * np.abs(found.logit - found.baseline))
    assert (found.gap <= allowed).mean() > 0.95
    np.testing.assert_allclose(
        found.logit, predictor.predict(made[0], np.arange(30, 200, 5)).logit[:, RISK], atol=1e-4
    )


def test_too_short_a_window_is_told(predictor: Predictor, made: tuple[StudentWeeks, Examples]) -> None:
    assert predictor.predict(made[0], np.array([0, 1, 2])).enough_data.tolist() == [False, True, True]


def test_a_head_that_was_not_fitted_answers_nothing(
    predictor: Predictor, made: tuple[StudentWeeks, Examples]
) -> None:
    assert np.isnan(predictor.predict(made[0], np.array([9])).probability[0, HEADS.index("behavior")])


def test_one_year_runs_on_the_rule_and_says_so(made: tuple[StudentWeeks, Examples]) -> None:
    weeks, examples = made
    told = fit_and_evaluate(weeks, examples.take(examples.year == 0), SMALL)
    assert (told.ranking, told.network) == ("rule", None)
    assert "only one school year" in told.why


def test_one_class_cannot_teach(made: tuple[StudentWeeks, Examples]) -> None:
    weeks, examples = made
    ones = Examples(**{**vars(examples), "labels": np.ones_like(examples.labels)})
    with pytest.raises(NothingToLearn, match="risk: 300 students with the event and 0 without"):
        train(weeks, ones, SMALL)


def test_two_years_calibrate_on_held_out_students(made: tuple[StudentWeeks, Examples]) -> None:
    weeks, examples = made
    told = fit_and_evaluate(weeks, examples.take(examples.year < 2), SMALL, checkpoints=(8,))
    assert "by models that had not seen them" in told.report["split"]


def test_persons_of_a_held_out_school_are_dropped_from_training() -> None:
    weeks, examples = made_weeks(students=400)
    examples.school[examples.person <= 100] = 2
    examples.person[examples.person == 150] = 1  # one person, two students, two schools
    told = evaluate_holdout_school(weeks, examples, SMALL, np.array([2]), checkpoints=(8,))
    assert told["students"]["dropped_in_both"] == 1
    assert told["risk"]["weeks"][0]["n"] == 300


def test_the_rule_counts_conditions_then_absence_then_courses(made: tuple[StudentWeeks, Examples]) -> None:
    weeks, _ = made_weeks(students=2)
    weeks.values[:4] = np.nan
    weeks.values[0, :3] = [0.30, 0.30, 0]  # one condition, much absence
    weeks.values[1, :3] = [0.12, 0.12, 2]  # two conditions
    weeks.values[2, :3] = [0.30, 0.30, 0]  # as the first
    weeks.values[3, :3] = [0.05, 0.05, 0]
    score = RuleBaseline().score(weeks, np.arange(4))
    assert score[1] > score[0] == score[2] > score[3]


def test_a_damaged_file_is_refused_in_words(tmp_path: Path, bundle: Bundle) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(checkpoint.CheckpointError, match="missing"):
        checkpoint.load(path)
    checkpoint.save(path, bundle, SCHEMA)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(checkpoint.CheckpointError, match="damaged"):
        checkpoint.load(path)
    path.write_bytes(b"PK\x03\x04 no model")
    with pytest.raises(checkpoint.CheckpointError, match="no EduPulse model"):
        checkpoint.load(path)


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="hiden"):
        TrainConfig.from_dict({"network": {"hiden": 3}})
    with pytest.raises(ConfigError, match="epochs is 0"):
        TrainConfig.from_dict({"epochs": 0})
