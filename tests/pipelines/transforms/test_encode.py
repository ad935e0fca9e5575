"""Model inputs: Spark's encodings against the same arithmetic in NumPy and plain Python."""

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.transforms.encode import encode, fit_encode
from schemas.contract import ContractError
from schemas.encode import Bucketed, Cyclic, Encode, Hashed, Numeric, Vocabulary

_SCHEMA = "id int, x double, word string, hour int"
_ROWS: Sequence[tuple[Any, ...]] = [
    (1, 1.0, "b", 0),
    (2, 2.0, "a", 6),
    (3, 3.0, "b", 12),
    (4, 6.0, "c", 18),
    (5, None, None, None),
    (6, float("nan"), "a", 23),
]


def _frame(spark: SparkSession, rows: Sequence[tuple[Any, ...]] = _ROWS) -> DataFrame:
    return spark.createDataFrame(rows, _SCHEMA)


def _encoded(spark: SparkSession, *items: Encode) -> dict[str, list[Any]]:
    df = _frame(spark)
    state = fit_encode(df, items, ["id"])
    rows = encode(df, items, state, ["id"]).orderBy("id").collect()
    return {column.name: [row[column.name] for row in rows] for column in state.columns(items)}


def test_standard_scaling_is_numpys_and_unknown_numbers_are_the_mean(spark: SparkSession) -> None:
    known = np.array([1.0, 2.0, 3.0, 6.0])
    found = _encoded(spark, Numeric("x"))["x_num"]
    expected = (known - known.mean()) / known.std()
    np.testing.assert_allclose(found[:4], expected, rtol=1e-6)
    assert found[4:] == [0.0, 0.0]


def test_a_broken_sensor_is_clipped(spark: SparkSession) -> None:
    df = _frame(spark)
    state = fit_encode(df, [Numeric("x", clip=3.0)], ["id"])
    wild = _frame(spark, [(1, 1e9, "a", 0), (2, -1e9, "a", 0), (3, float("inf"), "a", 0)])
    found = encode(wild, [Numeric("x", clip=3.0)], state, ["id"]).orderBy("id").collect()
    assert [row.x_num for row in found] == [3.0, -3.0, 3.0]


def test_minmax_and_log_and_none(spark: SparkSession) -> None:
    found = _encoded(spark, Numeric("x", scale="minmax"))["x_num"]
    np.testing.assert_allclose(found[:4], [0.0, 0.2, 0.4, 1.0], rtol=1e-6)
    logs = np.log1p([1.0, 2.0, 3.0, 6.0])
    found = _encoded(spark, Numeric("x", is_log=True))["x_log"]
    np.testing.assert_allclose(found[:4], (logs - logs.mean()) / logs.std(), rtol=1e-6)
    assert _encoded(spark, Numeric("x", scale="none"))["x_num"] == [1.0, 2.0, 3.0, 6.0, 0.0, 0.0]


def test_words_are_ranked_by_count_and_the_unknown_is_zero(spark: SparkSession) -> None:
    assert _encoded(spark, Vocabulary("word"))["word_code"] == [2, 1, 2, 3, 0, 1]
    assert _encoded(spark, Vocabulary("word", min_count=2))["word_code"] == [2, 1, 2, 0, 0, 1]
    assert _encoded(spark, Vocabulary("word", max_size=1))["word_code"] == [0, 1, 0, 0, 0, 1]


@pytest.mark.proves("B43")
def test_a_word_that_training_never_saw_is_out_of_vocabulary(spark: SparkSession) -> None:
    state = fit_encode(_frame(spark), [Vocabulary("word")], ["id"])
    new = _frame(spark, [(1, 1.0, "zebra", 0)])
    assert encode(new, [Vocabulary("word")], state, ["id"]).collect()[0].word_code == 0
    assert state.columns([Vocabulary("word")])[0].size == 4


def test_a_hash_is_the_crc_of_the_words_in_any_language(spark: SparkSession) -> None:
    found = _encoded(spark, Hashed(("word", "hour"), 97, name="cross"))["cross"]
    said = [f"{word or ''}\x1f{'' if hour is None else hour}" for _, _, word, hour in _ROWS]
    assert found == [zlib.crc32(text.encode()) % 97 for text in said]


def test_buckets_count_the_boundaries_reached(spark: SparkSession) -> None:
    assert _encoded(spark, Bucketed("hour", boundaries=(6, 18)))["hour_bucket"] == [
        0,
        1,
        1,
        2,
        0,
        2,
    ]
    state = fit_encode(_frame(spark), [Bucketed("hour", num_quantiles=4)], ["id"])
    expected = np.quantile([0, 6, 12, 18, 23], [0.25, 0.5, 0.75])
    np.testing.assert_allclose(state.boundaries["hour"], expected)


def test_the_end_of_a_cycle_is_near_its_beginning(spark: SparkSession) -> None:
    found = _encoded(spark, Cyclic("hour", 24))
    np.testing.assert_allclose(
        found["hour_sin"][:4], [math.sin(2 * math.pi * h / 24) for h in (0, 6, 12, 18)], atol=1e-7
    )
    assert found["hour_cos"][5] == pytest.approx(math.cos(2 * math.pi * 23 / 24))


def test_no_encoding_is_ever_null_even_on_rows_of_nulls(spark: SparkSession) -> None:
    items = (Numeric("x"), Vocabulary("word"), Hashed(("word",), 8), Bucketed("hour", (5,)),
             Cyclic("hour", 24))  # fmt: skip
    assert all(None not in values for values in _encoded(spark, *items).values())


@pytest.mark.proves("B43")
def test_a_column_without_values_is_an_error(spark: SparkSession) -> None:
    df = _frame(spark, [(1, None, None, 0)])
    with pytest.raises(ContractError, match=r"vocabulary of \['word'\]: expected values"):
        fit_encode(df, [Vocabulary("word"), Vocabulary("hour", min_count=9)], ["id"])
    with pytest.raises(ContractError, match="scale x: expected numbers"):
        fit_encode(df, [Numeric("x")], ["id"])
    with pytest.raises(ContractError, match="bucket x: expected numbers"):
        fit_encode(df, [Bucketed("x", num_quantiles=2)], ["id"])


@pytest.mark.proves("B43")
def test_a_constant_column_is_scaled_without_dividing_by_zero(spark: SparkSession) -> None:
    df = _frame(spark, [(1, 5.0, "a", 0), (2, 5.0, "a", 0)])
    state = fit_encode(df, [Numeric("x")], ["id"])
    assert [row.x_num for row in encode(df, [Numeric("x")], state, ["id"]).collect()] == [0.0, 0.0]
