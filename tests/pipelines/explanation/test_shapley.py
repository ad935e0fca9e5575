from itertools import combinations, permutations
from math import factorial
from typing import Any

import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.explanation.groups import Group
from pipelines.explanation.shapley import shapley_values, shares_of
from tests.pipelines.explanation.planted import GROUPS, Array, logistic, planted_rows


def _crooked(rows: Array) -> Array:
    """A model with interactions of two and of three columns."""
    a, b, c, d = rows.T
    return np.tanh(a * b) + a * c * d - 2 * np.maximum(b, 0) + 0.5 * d


def _by_subsets(row: Array, background: Array, say: Any, count: int) -> Array:
    """Shapley's formula, over all subsets (Shapley 1953)."""

    def value(present: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, [*present]] = row[[*present]]
        return float(say(rows).mean())

    found = np.zeros(count)
    for own in range(count):
        others = [place for place in range(count) if place != own]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for some in combinations(others, size):
                found[own] += weight * (value((*some, own)) - value(some))
    return found


def test_all_orders_give_the_values_of_the_formula_over_subsets() -> None:
    rows = np.random.default_rng(1).normal(size=(6, 4))
    every = [np.array(order) for order in permutations(range(4))]
    found = shares_of(rows[0], rows[1:], GROUPS, _crooked, [every] * 5)
    assert found.values == pytest.approx(_by_subsets(rows[0], rows[1:], _crooked, 4), abs=1e-12)


def test_the_sum_is_what_is_said_less_the_base_however_few_the_orders() -> None:
    rows = np.random.default_rng(2).normal(size=(9, 4))
    found = shapley_values(rows[0], rows[1:], GROUPS, _crooked, 7)
    assert found.said == pytest.approx(_crooked(rows[:1])[0])
    assert found.base == pytest.approx(_crooked(rows[1:]).mean())
    assert found.values.sum() == pytest.approx(found.said - found.base, abs=1e-12)


def test_sampled_orders_come_near_within_their_errors() -> None:
    rows = np.random.default_rng(3).normal(size=(401, 4))
    exact = _by_subsets(rows[0], rows[1:], _crooked, 4)
    found = shapley_values(rows[0], rows[1:], GROUPS, _crooked, 1)
    assert np.all(np.abs(found.values - exact) < 4 * found.errors)
    assert found.errors.max() < 0.3


def test_a_linear_model_gives_its_weight_times_the_difference_from_the_mean() -> None:
    rows = np.random.default_rng(4).normal(size=(33, 4))
    weights = np.array([1.0, -2.0, 0.0, 0.5])
    found = shapley_values(rows[0], rows[1:], GROUPS, lambda x: x @ weights, 1)
    assert found.values == pytest.approx(weights * (rows[0] - rows[1:].mean(axis=0)), abs=1e-12)
    assert found.values[2] == 0


def test_columns_of_one_group_come_together() -> None:
    rows = np.random.default_rng(5).normal(size=(8, 4))
    pair = (Group("ab", ("a", "b"), (0, 1)), GROUPS[2], GROUPS[3])
    seen: list[Array] = []

    def say(x: Array) -> Array:
        seen.append(x)
        return x.sum(axis=1)

    shapley_values(rows[0], rows[1:], pair, say, 1)
    is_own = seen[0][:, :2] == rows[0, :2]
    assert np.array_equal(is_own[:, 0], is_own[:, 1])


def test_the_planted_column_has_the_greatest_share_and_without_its_weight_none() -> None:
    values, _ = planted_rows(60, 1)
    sizes = {}
    for name, weights in (("reads", [0.2, 0.1, 1.0, 0.1]), ("blind", [0.2, 0.1, 0.0, 0.1])):
        each = [shapley_values(row, values[30:], GROUPS, logistic(weights), 1).values
                for row in values[:30]]  # fmt: skip
        sizes[name] = np.abs(each).mean(axis=0)
    assert sizes["reads"].argmax() == 2
    assert sizes["reads"][2] > 3 * np.sort(sizes["reads"])[-2]
    assert sizes["blind"][2] == 0


def test_one_background_row_is_refused() -> None:
    with pytest.raises(ParameterError, match="at least 2 background rows; got 1"):
        shapley_values(np.zeros(4), np.zeros((1, 4)), GROUPS, _crooked, 1)
