"""Errors of a number against scikit-learn's, and their intervals."""

import doctest

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from pipelines.evaluation import number_metrics
from pipelines.evaluation.number_metrics import (
    error_quantiles,
    number_figures,
    number_intervals,
)

_RANDOM = np.random.default_rng(8)
_LABEL = _RANDOM.gamma(2.0, 30.0, 1500).astype(np.float32)
_GIVEN = _LABEL * 0.8 + _RANDOM.normal(5, 10, 1500)


def test_figures_are_scikit_learns() -> None:
    assert number_figures(_LABEL, _GIVEN) == {
        "mae": pytest.approx(mean_absolute_error(_LABEL, _GIVEN)),
        "rmse": pytest.approx(mean_squared_error(_LABEL, _GIVEN) ** 0.5),
        "r2": pytest.approx(r2_score(_LABEL, _GIVEN)),
        "bias": pytest.approx(float(np.mean(_GIVEN - _LABEL))),
    }
    assert doctest.testmod(number_metrics).failed == 0


def test_intervals_are_those_of_drawn_rows_and_repeat_with_their_seed() -> None:
    found = number_intervals(_LABEL, _GIVEN, 1, 400)
    assert found == number_intervals(_LABEL, _GIVEN, 1, 400)
    random = np.random.default_rng(2)
    draws = [
        number_figures(_LABEL[rows], _GIVEN[rows])
        for rows in random.integers(1500, size=(400, 1500))
    ]
    for name, figure in number_figures(_LABEL, _GIVEN).items():
        low, high = found[name]
        assert low < figure < high
        theirs = np.percentile([draw[name] for draw in draws], [2.5, 97.5])
        assert theirs == pytest.approx([low, high], abs=0.15 * (high - low))


def test_half_of_the_errors_are_below_the_median() -> None:
    found = error_quantiles(np.zeros(5), np.array([3.0, 1.0, 2.0, 5.0, 4.0]))
    assert list(found) == ["5%", "25%", "50%", "75%", "95%"]
    assert found["50%"] == 3.0
