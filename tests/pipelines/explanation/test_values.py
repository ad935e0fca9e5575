from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.evaluation.arrays import Arrays
from pipelines.explanation.case import Case
from pipelines.explanation.groups import group_features
from pipelines.explanation.telling_rows import right_and_wrong, telling_rows
from pipelines.explanation.values import say_value
from pipelines.reporting.feature_names import meanings
from schemas.contract import Column, DatasetSpec
from schemas.encode import Cyclic, FeatureSet, Hashed, Impute, Numeric, Vocabulary
from schemas.target import BINARY, Target
from tests.pipelines import tiny


def _spec() -> DatasetSpec:
    columns = (
        Column("order_id", "long"), Column("delay", "double", unit="min", is_nullable=True),
        Column("price", "double", unit="euro"), Column("shop", "string"),
        Column("name", "string", is_personal=True), Column("hour", "int"),
        Column("born", "int", is_personal=True),
    )  # fmt: skip
    return replace(
        tiny.SPEC,
        sources=(replace(tiny.SPEC.main, columns=columns),),
        imputes=(Impute("delay", "mean", has_indicator=True),),
        encodes=(
            Numeric("delay"), Numeric("delay_was_missing", scale="none"),
            Numeric("price", is_log=True), Cyclic("hour", 24), Cyclic("born", 12),
            Vocabulary("shop"),
            Hashed(("name",), 8), Hashed(("shop", "hour"), 16),
        ),
    )  # fmt: skip


def _case() -> Case:
    features = FeatureSet(
        ("delay_num", "delay_was_missing_num", "price_log", "hour_sin", "hour_cos",
         "born_sin", "born_cos"),
        ("shop_code", "name_hash", "shop_x_hour_hash"), (3, 8, 16), "is_late",
    )  # fmt: skip
    numeric = np.array([[1, 0, np.log1p(9), 1, 0, 1, 0], [0, 1, 0, 0, -1, 0, 1]], np.float32)
    codes = np.array([[2, 5, 3], [0, 1, 0]], np.int32)
    scales = {"delay_num": {"shift": 10.0, "width": 5.0}, "price_log": {"shift": 0.0, "width": 1.0},
              "delay_was_missing_num": {"shift": 0.0, "width": 1.0}}  # fmt: skip
    state = {"encode": {"scales": scales, "vocabularies": {"shop": ["Ayr", "Ely"]}}}
    return Case(
        Arrays(numeric, codes, np.array([1, 0], np.int32)), [{}, {}], features,
        group_features(_spec(), features), (), lambda rows: np.zeros(len(rows)), None,
        np.array([0.9, 0.2]), meanings(_spec(), state), {}, 0.5, 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("delay", ["15 min", "missing"]),
        ("price", ["9 euro", "0 euro"]),
        ("hour", ["sin 1.00, cos 0.00", "sin 0.00, cos -1.00"]),
        ("shop", ["Ely", "not in the vocabulary"]),
        ("name", ["***", "***"]),
        ("born", ["***", "***"]),
        ("shop and hour", ["hash 3", "hash 0"]),
    ],
)
def test_a_value_is_told_in_the_words_of_the_contract(column: str, values: list[str]) -> None:
    case = _case()
    (group,) = [item for item in case.groups if item.name == column]
    assert [say_value(case, group, place) for place in (0, 1)] == values


def _binary(said: Any, label: list[int], target: Target = BINARY) -> Case:
    case, features = _case(), replace(_case().features, target=target)
    nothing: Any = np.zeros((len(label), 0))
    rows = Arrays(nothing, nothing, np.array(label))
    return replace(case, arrays=rows, said=np.array(said), features=features, threshold=0.4)


def test_the_surest_rows_of_each_kind_are_chosen() -> None:
    case = _binary([0.9, 0.99, 0.05, 0.01, 0.41, 0.8], [1, 0, 0, 1, 1, 1])
    assert telling_rows(case) == [
        ("surest of 1, and right", 0),
        ("surest of 0, and right", 2),
        ("surest of 1, and wrong", 1),
        ("surest of 0, and wrong", 3),
        ("nearest the threshold 0.400", 4),
    ]


def test_a_kind_that_no_row_is_of_lacks() -> None:
    case = _binary([0.9, 0.8], [1, 1])
    assert [why for why, _ in telling_rows(case)] == [
        "surest of 1, and right",
        "nearest the threshold 0.400",
    ]


def test_of_numbers_the_errors_count() -> None:
    case = _binary([1.0, 5.0, 2.0, 3.5], [1, 2, 6, 3], Target("number"))
    assert telling_rows(case) == [("least error", 0), ("most too high", 1), ("most too low", 2)]
    assert {why for why, _ in right_and_wrong(case, 2)} == {"drawn at random"}


def test_of_classes_the_least_sure_row_is_shown_too() -> None:
    said = [[0.9, 0.1, 0.0], [0.4, 0.39, 0.21], [0.1, 0.2, 0.7], [0.95, 0.0, 0.05]]
    case = _binary(said, [0, 0, 2, 1], Target("classes", ("a", "b", "c")))
    assert telling_rows(case) == [("surest, and right", 0), ("surest, and wrong", 3),
                                  ("least sure", 1)]  # fmt: skip
    assert sorted(right_and_wrong(case, 5)) == [("right", 0), ("right", 1), ("right", 2),
                                                ("wrong", 3)]  # fmt: skip
