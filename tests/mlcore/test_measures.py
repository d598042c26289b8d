"""The measures, against hand-computed values and an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mlcore.calibrate import Neighbours
from mlcore.evaluate import (
    PersonDraws,
    at_equal_flags,
    auroc,
    average_precision,
    calibration_error,
    calibration_floor,
    top_k,
    wilson,
)


def test_auroc_and_average_precision_equal_scikit_learns_with_ties_and_weights() -> None:
    random = np.random.default_rng(3)
    label = (random.random(400) < 0.3).astype(float)
    score = np.round(label * 0.3 + random.random(400), 1)
    weight = random.integers(0, 4, 400).astype(float)
    assert auroc(label, score) == pytest.approx(roc_auc_score(label, score))
    assert auroc(label, score, weight) == pytest.approx(roc_auc_score(label, score, sample_weight=weight))
    assert average_precision(label, score) == pytest.approx(average_precision_score(label, score))
    assert average_precision(label, score, weight) == pytest.approx(
        average_precision_score(label, score, sample_weight=weight)
    )


def test_auroc_of_one_class_is_unknown() -> None:
    assert np.isnan(auroc(np.ones(4), np.arange(4.0)))


def test_calibration_error_of_four_points_is_that_of_hand() -> None:
    # two bins: predicted .15 and .85, observed .5 and .5 → error (.35 + .35) / 2
    label, probability = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.1, 0.2, 0.8, 0.9])
    assert calibration_error(label, probability, bins=2) == pytest.approx(0.35)


def test_a_perfect_model_of_330_shows_an_error_of_about_five_points() -> None:
    random = np.random.default_rng(0)
    floor, bound = calibration_floor(random.beta(2, 5, 330))
    assert 0.03 < floor < 0.07
    assert bound > floor


def test_wilson_equals_the_textbook_interval() -> None:
    low, high = wilson(10, 50, z=1.96)
    assert [low, high] == pytest.approx([0.1124, 0.3304], abs=1e-3)


def test_ties_at_the_cut_share_what_is_left() -> None:
    assert top_k(np.array([3.0, 2.0, 2.0, 1.0]), 2).tolist() == [1.0, 0.5, 0.5, 0.0]


def test_each_school_flags_its_own_number() -> None:
    score, school = np.array([0.9, 0.8, 0.1, 0.2]), np.array([1, 1, 2, 2])
    assert at_equal_flags(score, score, school, {1: 1, 2: 1}).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_a_draw_takes_all_rows_of_a_person_together() -> None:
    draws = PersonDraws.make(np.array([7, 7, 8, 9]), 50, seed=1)
    weights = draws.weights(np.arange(4))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] + weights[:, 2] + weights[:, 3] == 3).all()


def test_the_interval_is_that_of_the_students_nearest_in_score() -> None:
    score = np.linspace(0, 1, 1000, dtype=np.float32)
    outcome = (score > 0.5).astype(np.float32)
    neighbours = Neighbours.fit(score, outcome, np.arange(1000), seed=0)
    low, high = neighbours.interval(np.array([0.02, 0.98], dtype=np.float32))
    assert high[0] < 0.05
    assert low[1] > 0.95
