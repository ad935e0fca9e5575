"""What an ensemble's weights are fitted to, held against searches by hand and fresh rows."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from pipelines.errors import TrainingError
from pipelines.evaluation.combination import (
    Mean,
    Stack,
    combine,
    cross_fitted,
    fit_combination,
    log_loss_of,
)
from schemas.target import BINARY, Target

NUMBER = Target("number", mean=10.0, deviation=4.0)
CLASSES = Target("classes", classes=("a", "b", "c"))


def _members(rows: int, noises: list[float], seed: int = 0) -> tuple[Any, Any]:
    """Give logits of members that see the truth through noise, (rows, members, 1), and labels."""
    random = np.random.default_rng(seed)
    truth = random.normal(0, 2, rows)
    label = (random.random(rows) < expit(truth)).astype(np.int32)
    given = [truth + random.normal(0, noise, rows) for noise in noises]
    return np.stack(given, axis=1)[:, :, None], label


def test_the_average_is_that_of_probabilities_not_of_logits() -> None:
    given = np.log(np.array([[[1.0], [9.0]]]))  # odds 1 and 9: probabilities 0.5 and 0.9
    even = fit_combination(given, np.array([1]), BINARY, "average")
    assert combine(given, even, BINARY).tolist() == pytest.approx([0.7])
    odds = np.log(np.array([[[1.0, 1.0, 2.0], [6.0, 1.0, 1.0]]]))
    found = combine(odds, Mean((0.5, 0.5)), CLASSES)
    assert found[0].tolist() == pytest.approx([0.5, 0.1875, 0.3125])
    numbers = np.array([[[4.0], [8.0]]])
    assert combine(numbers, Mean((0.25, 0.75)), NUMBER).tolist() == pytest.approx([7.0])


def test_weights_are_those_of_the_least_log_loss() -> None:
    given, label = _members(4000, [0.8, 1.5])
    found = fit_combination(given, label, BINARY, "weighted")
    assert isinstance(found, Mean)
    grid = np.linspace(0, 1, 201)
    losses = [log_loss_of(combine(given, Mean((w, 1 - w)), BINARY), label) for w in grid]
    assert found.weights[0] == pytest.approx(grid[int(np.argmin(losses))], abs=0.006)
    assert 0.5 < found.weights[0] < 1


def test_weights_of_numbers_are_those_of_the_least_squared_error_and_never_below_0() -> None:
    random = np.random.default_rng(1)
    label = random.normal(10, 4, 500)
    errors = random.normal(0, [1.0, 2.0], (500, 2))
    # the third errs as the first does, only more: alone the best weights would be below 0
    given = label[:, None] + np.stack([errors[:, 0], errors[:, 1], 2 * errors[:, 0]], axis=1)
    found = fit_combination(given[:, :, None], label, NUMBER, "weighted")
    assert isinstance(found, Mean)
    assert found.weights[2] == 0
    a, b, ab = (float(np.mean(errors[:, i] * errors[:, j])) for i, j in ((0, 0), (1, 1), (0, 1)))
    assert found.weights[0] == pytest.approx((b - ab) / (a + b - 2 * ab), abs=1e-4)
    assert sum(found.weights) == pytest.approx(1)


def test_stacking_mends_members_that_are_too_sure() -> None:
    given, label = _members(4000, [0.5, 0.5])
    sure = 5 * given
    stacked = fit_combination(sure, label, BINARY, "stacking")
    assert isinstance(stacked, Stack)
    assert stacked.kernel.sum() == pytest.approx(0.2, abs=0.03)
    even = fit_combination(sure, label, BINARY, "average")
    losses = [log_loss_of(combine(sure, found, BINARY), label) for found in (stacked, even)]
    assert losses[0] < losses[1] - 0.1
    numbers = np.stack([2 * label + 3, np.zeros(len(label))], axis=1)[:, :, None].astype(float)
    ridge = fit_combination(numbers, label, Target("number", mean=0.5, deviation=0.5), "stacking")
    again = combine(numbers, ridge, Target("number", mean=0.5, deviation=0.5))
    assert again == pytest.approx(label.astype(float), abs=1e-3)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_class_that_no_row_has_is_never_expected(missing: int) -> None:
    given = np.random.default_rng(2).normal(size=(60, 2, 3))
    others = np.array([place for place in range(3) if place != missing])
    label = others[given.mean(axis=1)[:, others].argmax(axis=1)]
    said = combine(given, fit_combination(given, label, CLASSES, "stacking"), CLASSES)
    assert said.sum(axis=1) == pytest.approx(np.ones(60))
    assert said[:, missing].max() < 1e-6
    assert (said.argmax(axis=1) == label).mean() > 0.9


def test_cross_fitted_figures_are_those_of_fresh_rows_not_of_the_fit() -> None:
    # thirty members that know nothing: what stacking finds in them is chance
    random = np.random.default_rng(3)
    given, label = random.normal(size=(200, 30, 1)), random.integers(0, 2, 200)
    fresh, fresh_label = random.normal(size=(5000, 30, 1)), random.integers(0, 2, 5000)
    found = fit_combination(given, label, BINARY, "stacking")
    fitted = log_loss_of(combine(given, found, BINARY), label)
    honest = log_loss_of(cross_fitted(given, label, BINARY, "stacking", 1), label)
    truth = log_loss_of(combine(fresh, found, BINARY), fresh_label)
    assert fitted < 0.65 < truth
    assert abs(honest - truth) < abs(fitted - truth) / 2


def test_a_row_has_no_say_in_what_is_said_of_it() -> None:
    given, label = _members(40, [0.5, 1.0])
    flipped = label.copy()
    flipped[7] = 1 - flipped[7]
    one, other = (cross_fitted(given, said, BINARY, "stacking", 1) for said in (label, flipped))
    assert one[7] == other[7]
    assert np.sum(one != other) > 20
    # other folds with another seed, and they are no stretches of the table
    drawn = cross_fitted(given, label, BINARY, "stacking", 2)
    assert np.sum(one != drawn) > 20


def test_rows_of_one_class_can_not_be_fitted_on() -> None:
    given, _ = _members(10, [1.0, 1.0])
    with pytest.raises(TrainingError, match=r"10 rows of one\. Widen the validation split"):
        fit_combination(given, np.ones(10, int), BINARY, "stacking")
