"""The space of a search: what it may name, and the points of its grid."""

from typing import Any

import pytest

from pipelines.errors import ParameterError
from pipelines.training.parameters import COUNTS_WITH
from pipelines.tuning.space import Choice, Range, combinations, counts, in_order, read_space

TYPES: dict[str, Any] = {
    "optimizer": str,
    "learning_rate": float,
    "momentum": float,
    "epochs": int,
    "batch_norm": bool,
    "hidden": tuple[int, ...],
}


def test_each_kind_of_parameter_can_vary() -> None:
    space = read_space(
        {
            "learning_rate": {"low": 0.001, "high": 1, "log": True},
            "epochs": {"low": 2, "high": 8, "step": 2},
            "momentum": [0, 0.9],
            "batch_norm": [True, False],
            "hidden": [[64], [128, 64]],
        },
        TYPES,
    )
    assert space == {
        "learning_rate": Range(0.001, 1.0, is_log=True),
        "epochs": Range(2, 8, step=2, is_whole=True),
        "momentum": Choice((0.0, 0.9)),
        "batch_norm": Choice((True, False)),
        "hidden": Choice(((64,), (128, 64))),
    }


WRONG: list[tuple[Any, str]] = [
    ([], "--space: expected a JSON object of parameters"),
    ({}, "--space: expected a JSON object of parameters"),
    ({"learning_rat": [1]}, r"among batch_norm, epochs, .*; got \['learning_rat'\]"),
    ({"epochs": []}, "epochs: expected values that are each a whole number"),
    ({"epochs": [1, True]}, "epochs: expected values that are each a whole number"),
    ({"hidden": [64]}, "hidden: expected values that are each a list of whole numbers"),
    ({"optimizer": {"low": 1, "high": 2}}, "optimizer: expected a list of values; got"),
    ({"epochs": 3}, "epochs: expected a list of values or an object with low and high; got 3"),
    ({"epochs": {"low": 1}}, "epochs: expected low and high, each a whole number"),
    ({"epochs": {"low": 1, "high": 2, "hi": 3}}, "epochs: expected low and high"),
    ({"epochs": {"low": 1, "high": 2, "log": 1}}, "epochs: expected log to be true or false"),
    ({"epochs": {"low": 2, "high": 2}}, "epochs: expected low below high"),
    ({"momentum": {"low": 0, "high": 1, "step": -1}}, "momentum: expected low below high, a step"),
    ({"momentum": {"low": 1, "high": 2, "step": 1, "log": True}}, "not both log and step"),
    ({"momentum": {"low": 0, "high": 2, "log": True}}, "momentum: expected low above 0 with log"),
]


@pytest.mark.parametrize(("value", "message"), WRONG)
def test_a_wrong_space_is_said_with_what_was_expected(value: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        read_space(value, TYPES)


def test_a_grid_has_each_point_once_without_what_counts_for_nothing_there() -> None:
    space = read_space({"momentum": [0.5, 0.9], "optimizer": ["sgd", "momentum"]}, TYPES)
    assert combinations(space, COUNTS_WITH, {}) == [
        {"optimizer": "sgd"},
        {"momentum": 0.5, "optimizer": "momentum"},
        {"momentum": 0.9, "optimizer": "momentum"},
    ]


def test_a_range_with_a_step_is_a_row_of_points() -> None:
    space = read_space(
        {"epochs": {"low": 1, "high": 3}, "momentum": {"low": 0, "high": 0.3, "step": 0.1}}, TYPES
    )
    points = combinations(space, {}, {})
    assert len(points) == 12
    assert {point["epochs"] for point in points} == {1, 2, 3}
    # 0.1 + 0.1 + 0.1 is 0.30000000000000004, which would be a flag of the command that is shown
    assert sorted({point["momentum"] for point in points}) == [0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"momentum": {"low": 0, "high": 1}}, "grid: momentum: expected a list of values or a"),
        ({"epochs": {"low": 1, "high": 2_000_000}}, "expected at most 1000000 points"),
    ],
)
def test_what_has_no_grid_is_said(value: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        combinations(read_space(value, TYPES), {}, {})


def test_a_parameter_is_drawn_after_the_one_it_hangs_on_and_only_where_it_counts() -> None:
    space = read_space({"momentum": [0.5], "optimizer": ["sgd"]}, TYPES)
    assert list(in_order(space, COUNTS_WITH)) == ["optimizer", "momentum"]
    assert counts("momentum", {"optimizer": "nesterov"}, COUNTS_WITH)
    assert not counts("momentum", {"optimizer": "adam"}, COUNTS_WITH)
    assert counts("epochs", {}, COUNTS_WITH)
