from dataclasses import replace

import numpy as np
import pytest

from pipelines.evaluation import metrics
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.baselines import (
    fit_baselines,
    fit_constant,
    fit_logistic,
    fit_majority,
    fit_ridge,
    fit_trees,
    naive_forecast,
    one_hot,
)
from schemas.encode import FeatureSet
from schemas.target import Target

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


THREE = replace(FEATURES, target=Target("classes", ("low", "never", "high")))
NUMBER = replace(FEATURES, target=Target("number", mean=100.0, deviation=10.0))


def test_a_class_that_training_does_not_have_is_never_expected() -> None:
    rows = _rows()
    split = replace(rows, label=2 * rows.label)
    models = fit_baselines(split, THREE, seed=5)
    for name, model in models.items():
        given = model(split)
        assert given.shape == (len(rows), 3), name
        assert given.sum(axis=1) == pytest.approx(np.ones(len(rows)))
        assert not given[:, 1].any()
    trees = models["gradient_boosted_trees"](split)
    assert metrics.roc_auc(rows.label, trees[:, 2]) > 0.78


def test_a_number_has_the_mean_the_median_a_line_and_trees_beside_it() -> None:
    rows = _rows()
    priced = replace(rows, label=(3 * rows.numeric[:, 0] + rows.categorical[:, 0]).astype("f4"))
    assert fit_constant(priced, "mean")(rows)[0] == pytest.approx(priced.label.mean(), rel=1e-5)
    assert fit_constant(priced, "median")(rows)[0] == pytest.approx(np.median(priced.label))
    for fit in (fit_ridge(priced, NUMBER), fit_trees(priced, NUMBER, 5)):
        error = fit(rows) - priced.label
        assert np.sqrt(np.mean(error**2)) < 3
    assert list(fit_baselines(priced, NUMBER, 5)) == [
        "mean", "median", "ridge_regression", "gradient_boosted_trees",
    ]  # fmt: skip


def test_a_naive_forecast_is_a_feature_whose_scale_is_undone() -> None:
    rows = _rows(3)
    found = naive_forecast(0, shift=5.0, width=2.0)(rows)
    assert found.tolist() == pytest.approx((2 * rows.numeric[:, 0] + 5).tolist())
