"""Each way to fill a null, against NumPy and by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.transforms.impute import fit_impute, impute
from schemas.contract import ContractError
from schemas.encode import Impute

_SCHEMA = "id int, shop string, at long, x double, n int, word string"


def _frame(spark: SparkSession, rows: Sequence[tuple[Any, ...]]) -> DataFrame:
    df = spark.createDataFrame(rows, _SCHEMA)
    return df.withColumn("time", df["at"].cast("timestamp"))


def _filled(spark: SparkSession, rows: Sequence[tuple[Any, ...]], item: Impute) -> dict[int, Any]:
    df = _frame(spark, rows)
    made = impute(df, fit_impute(df, [item], ["id"]), "time", spark)
    return {row.id: row[item.column] for row in made.collect()}


_ROWS: Sequence[tuple[Any, ...]] = [
    (1, "a", 10, 1.0, 1, "red"),
    (2, "a", 20, None, None, None),
    (3, "a", 40, 4.0, 2, "blue"),
    (4, "b", 10, 10.0, 2, "red"),
    (5, "b", 20, 20.0, 9, "blue"),
    (6, "b", 30, None, None, "green"),
    (7, "c", 30, None, 2, None),
]
_KNOWN = np.array([1.0, 4.0, 10.0, 20.0])

METHODS = [
    (Impute("x", "mean"), {2: _KNOWN.mean(), 6: _KNOWN.mean(), 7: _KNOWN.mean()}),
    (Impute("x", "median"), {2: np.median(_KNOWN), 6: np.median(_KNOWN)}),
    (Impute("n", "median"), {2: 2, 6: 2}),
    (Impute("x", "constant", value=-1.0), {2: -1.0, 6: -1.0, 7: -1.0}),
    # blue and red are seen twice: the smaller word wins
    (Impute("word", "mode"), {2: "blue", 7: "blue"}),
    (Impute("n", "mode"), {2: 2}),
    # no value in shop c: the median over all
    (Impute("x", "group_median", by=("shop",)), {2: 2.5, 6: 15.0, 7: np.median(_KNOWN)}),
    (Impute("x", "forward_fill", by=("shop",)), {2: 1.0, 6: 20.0, 7: None}),
    (Impute("x", "forward_fill", by=("shop",), value=0.0), {2: 1.0, 7: 0.0}),
    # a third of the way from 1 at 10 s to 4 at 40 s; nothing follows in shop b
    (Impute("x", "interpolate", by=("shop",)), {2: 2.0, 6: None, 7: None}),
]


@pytest.mark.parametrize(("item", "expected"), METHODS)
def test_nulls_are_filled_and_nothing_else_changes(
    spark: SparkSession, item: Impute, expected: dict[int, Any]
) -> None:
    found = _filled(spark, _ROWS, item)
    place = {"x": 3, "n": 4, "word": 5}[item.column]
    for row in _ROWS:
        if row[place] is not None:
            assert found[row[0]] == row[place]
    for number, value in expected.items():
        assert found[number] == (value if value is None else pytest.approx(value))


def test_what_is_fitted_comes_from_the_training_rows_alone(spark: SparkSession) -> None:
    df = _frame(spark, _ROWS)
    fills = fit_impute(df.where("shop = 'a'"), [Impute("x", "mean")], ["id"])
    assert fills[0].value == 2.5
    assert {r.x for r in impute(df, fills, "", spark).where("shop = 'c'").collect()} == {2.5}


def test_the_indicator_says_what_was_missing(spark: SparkSession) -> None:
    df = _frame(spark, _ROWS)
    fills = fit_impute(df, [Impute("x", "mean", has_indicator=True)], ["id"])
    found = {row.id: row.x_was_missing for row in impute(df, fills, "", spark).collect()}
    assert found == {1: 0, 2: 1, 3: 0, 4: 0, 5: 0, 6: 1, 7: 1}


def test_imputing_twice_changes_nothing_more(spark: SparkSession) -> None:
    df = _frame(spark, _ROWS)
    fills = fit_impute(df, [Impute("x", "group_median", by=("shop",))], ["id"])
    once = impute(df, fills, "", spark)
    twice = impute(once, fills, "", spark)
    assert sorted(map(tuple, once.collect())) == sorted(map(tuple, twice.collect()))


def test_a_column_that_is_all_null_is_an_error_that_says_what_to_do(spark: SparkSession) -> None:
    df = _frame(spark, [(1, "a", 1, None, None, None)])
    with pytest.raises(
        ContractError, match=r"impute x by median: .* all 1 are null\. Give a constant"
    ):
        fit_impute(df, [Impute("x", "median")], ["id"])


def test_a_method_along_time_needs_a_time(spark: SparkSession) -> None:
    df = _frame(spark, _ROWS)
    fills = fit_impute(df, [Impute("x", "forward_fill")], ["id"])
    with pytest.raises(ContractError, match=r"set Source\.time"):
        impute(df, fills, "", spark)


def test_a_missing_column_is_named(spark: SparkSession) -> None:
    with pytest.raises(ContractError, match=r"needs the columns \['y'\]"):
        fit_impute(_frame(spark, _ROWS), [Impute("y", "mean")], ["id"])
