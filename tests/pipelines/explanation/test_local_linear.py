import numpy as np
import pytest

from pipelines.explanation.groups import Group
from pipelines.explanation.local_linear import Neighbours, explain_locally
from tests.pipelines.explanation.planted import GROUPS, Array, logistic, planted_rows

_MANY = Neighbours(3000, 1)


def test_a_linear_model_is_recovered() -> None:
    row, usual = np.array([1.0, 2.0, -1.0, 0.5]), np.array([[0.5, 0.0, 1.0, 0.5]])
    weights = np.array([2.0, -1.0, 0.3, 7.0])
    found = explain_locally(row, usual, GROUPS, lambda x: x @ weights, _MANY)
    assert found.weights == pytest.approx(weights * (row - usual[0]), rel=0.02, abs=1e-3)
    assert found.fit > 0.999


def test_of_many_usual_rows_the_mean_counts() -> None:
    values, _ = planted_rows(500, 3)
    weights = np.array([2.0, -1.0, 0.3, 0.0])
    found = explain_locally(values[0], values[1:], GROUPS, lambda x: x @ weights, _MANY)
    expected = weights * (values[0] - values[1:].mean(axis=0))
    assert found.weights == pytest.approx(expected, abs=0.25)
    assert found.weights[3] == pytest.approx(0, abs=0.25)


def test_near_rows_count_more_than_far_ones() -> None:
    # having both is worth 1, either alone nothing: near the row losing one costs all of it
    seen: list[Array] = []

    def both(x: Array) -> Array:
        seen.append(x)
        return x[:, 0] * x[:, 1]

    found = explain_locally(np.ones(4), np.zeros((1, 4)), GROUPS, both, _MANY)
    bits = np.column_stack([seen[0], np.ones(len(seen[0]))])
    alike = np.linalg.lstsq(bits, bits[:, 0] * bits[:, 1], rcond=None)[0]
    assert found.weights[:2].min() > alike[:2].max() + 0.02
    assert found.fit < 0.95


def test_columns_of_one_group_are_kept_together() -> None:
    pair = (Group("ab", ("a", "b"), (0, 1)), GROUPS[2])
    seen: list[Array] = []

    def say(x: Array) -> Array:
        seen.append(x)
        return x.sum(axis=1)

    explain_locally(np.ones(4), np.zeros((1, 4)), pair, say, _MANY)
    assert np.array_equal(seen[0][:, 0], seen[0][:, 1])
    # the first neighbour is the row itself, as far as it has groups
    assert seen[0][0].tolist() == [1, 1, 1, 0]


def test_the_planted_column_has_the_greatest_weight_and_without_it_none() -> None:
    values, label = planted_rows(200, 1)
    row = values[np.flatnonzero(label)[0]]
    found = explain_locally(row, values, GROUPS, logistic([0.1, 0.1, 2.0, 0.1]), _MANY)
    assert np.abs(found.weights).argmax() == 2
    blind = explain_locally(row, values, GROUPS, logistic([1.0, 1.0, 0.0, 1.0]), _MANY)
    assert abs(blind.weights[2]) < 0.1 * np.abs(blind.weights).max()
