import numpy as np
import pytest

from pipelines.evaluation import metrics
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.baselines import fit_logistic, fit_majority, fit_trees, one_hot
from schemas.encode import FeatureSet

FEATURES = FeatureSet(("x", "constant"), ("code", "wide"), (3, 400), "label")


def _rows(number: int = 3000) -> Arrays:
    random = np.random.default_rng(2)
    x = random.normal(100, 10, number).astype(np.float32)
    codes = np.stack([random.integers(3, size=number), random.integers(400, size=number)], 1)
    logit = (x - 100) / 10 + np.where(codes[:, 0] == 2, 2.0, 0.0)
    label = (random.random(number) < 1 / (1 + np.exp(-logit))).astype(np.int32)
    numeric = np.stack([x, np.ones_like(x)], 1)
    return Arrays(numeric, codes.astype(np.int32), label)


def test_one_hot_sets_one_column_for_each_code() -> None:
    codes = np.array([[2, 0], [0, 1]], np.int32)
    assert one_hot(codes, (3, 2)).toarray().tolist() == [[0, 0, 1, 1, 0], [1, 0, 0, 0, 1]]


def test_one_hot_of_no_codes_has_rows_and_no_columns() -> None:
    assert one_hot(np.empty((2, 0), np.int32), ()).shape == (2, 0)


def test_the_majority_baseline_gives_each_row_the_share_of_positives() -> None:
    rows = _rows()
    share = np.full(len(rows), rows.label.mean())
    assert fit_majority(rows, FEATURES)(rows) == pytest.approx(share)


def test_logistic_regression_uses_numbers_and_codes_on_any_scale() -> None:
    rows = _rows()
    score = fit_logistic(rows, FEATURES)(rows)
    # the codes alone reach .65, x alone .72
    assert metrics.roc_auc(rows.label, score) > 0.78
    assert np.isfinite(score).all()


def test_trees_take_codes_of_any_number_and_repeat_with_a_seed() -> None:
    rows = _rows()
    score = fit_trees(rows, FEATURES, seed=5)(rows)
    assert metrics.roc_auc(rows.label, score) > 0.78
    assert fit_trees(rows, FEATURES, seed=5)(rows).tolist() == score.tolist()
