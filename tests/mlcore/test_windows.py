"""Windows end where they are cut and hold the last forty school weeks."""

from __future__ import annotations

import numpy as np
import pytest

from mlcore.data import WINDOW, batches, gather
from mlcore.schema import FeatureSchema, SchemaMismatch
from tests.mlcore.made import SCHEMA, made_weeks


def test_a_window_holds_the_last_forty_school_weeks_of_that_student() -> None:
    weeks, _ = made_weeks(students=3, years=5)
    last = np.flatnonzero(weeks.student == 2)[-1]
    windows = gather(weeks, np.array([last]))
    assert windows.length[0] == WINDOW
    assert (weeks.student[windows.rows[0]] == 2).all()
    assert windows.rows[0][-1] == last


def test_a_gap_shortens_the_window_and_is_told() -> None:
    weeks, _ = made_weeks(students=1, years=5)
    keep = np.ones(len(weeks), dtype=bool)
    keep[20:50] = False
    for name in ("values", "student", "week_number", "week_end", "present", "cohort"):
        setattr(weeks, name, getattr(weeks, name)[keep])
    windows = gather(weeks, np.array([len(weeks) - 1]))
    assert windows.length[0] == 10  # weeks 50 to 59; week 19 lies 40 weeks back
    windows = gather(weeks, np.array([20]))
    assert windows.gap[0][windows.length[0] - 1] == 31


def test_nothing_after_the_cut_is_gathered() -> None:
    weeks, _ = made_weeks(students=20)
    row = np.array([15, 40])
    before = gather(weeks, row)
    weeks.values[16:36] = 99
    weeks.values[41:60] = 99
    after = gather(weeks, row)
    inside = before.rows >= 0
    np.testing.assert_array_equal(before.values[inside], after.values[inside])


def test_batches_hold_every_row_once_in_an_order_told_by_the_seed() -> None:
    weeks, examples = made_weeks(students=30)
    rows = examples.row
    one = np.concatenate(list(batches(weeks, rows, 64, seed=5)))
    assert sorted(one.tolist()) == list(range(len(rows)))
    assert one.tolist() == np.concatenate(list(batches(weeks, rows, 64, seed=5))).tolist()
    assert one.tolist() != np.concatenate(list(batches(weeks, rows, 64, seed=6))).tolist()


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(SchemaMismatch, match="mean_mark"):
        FeatureSchema(SCHEMA.features[:3]).require(SCHEMA.names)


def test_the_version_follows_names_and_revisions_not_order() -> None:
    turned = FeatureSchema(SCHEMA.features[::-1])
    assert turned.version == SCHEMA.version
    assert FeatureSchema(SCHEMA.features[1:]).version != SCHEMA.version
