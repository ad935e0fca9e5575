"""One row per key: the latest, with duplicates and older versions told apart."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.transforms.deduplicate import deduplicate, mark_duplicates
from schemas.contract import ContractError

_SCHEMA = "ride string, fare int, updated int, _source_file string, _source_position long"
_LINEAGE = ("_source_file", "_source_position")


def _frame(spark: SparkSession, rows: Sequence[tuple[Any, ...]]) -> DataFrame:
    return spark.createDataFrame(rows, _SCHEMA)


def _fates(df: DataFrame) -> Counter[str]:
    return Counter(row["_fate"] for row in df.collect())


def test_the_latest_version_of_a_key_wins(spark: SparkSession) -> None:
    df = _frame(spark, [("a", 1, 1, "f", 1), ("a", 2, 2, "f", 0), ("b", 1, 1, "f", 2)])
    kept = deduplicate(df, ["ride"], ["updated"], _LINEAGE)
    assert sorted((row.ride, row.fare) for row in kept.collect()) == [("a", 2), ("b", 1)]


def test_without_a_version_column_the_later_file_then_the_later_line_wins(
    spark: SparkSession,
) -> None:
    rows = [("a", 1, 0, "f1", 9), ("a", 2, 0, "f2", 1), ("b", 5, 0, "f1", 3), ("b", 6, 0, "f1", 4)]
    kept = deduplicate(_frame(spark, rows), ["ride"], [], _LINEAGE)
    assert sorted((row.ride, row.fare) for row in kept.collect()) == [("a", 2), ("b", 6)]


@pytest.mark.proves("B38")
def test_a_row_that_comes_late_takes_its_place_by_version_not_by_arrival(
    spark: SparkSession,
) -> None:
    on_time = [("a", 1, 1, "f1", 1), ("a", 2, 2, "f1", 2), ("b", 1, 1, "f1", 3)]
    late = [("a", 1, 1, "f9", 1), ("a", 2, 2, "f1", 2), ("b", 1, 1, "f1", 3), ("c", 7, 0, "f9", 2)]
    found = []
    for rows in (on_time, late):
        kept = deduplicate(_frame(spark, rows), ["ride"], ["updated"], _LINEAGE)
        found.append(sorted((row.ride, row.fare) for row in kept.collect()))
    assert found == [[("a", 2), ("b", 1)], [("a", 2), ("b", 1), ("c", 7)]]


@pytest.mark.proves("B36")
def test_equal_content_is_a_duplicate_and_other_content_an_older_version(
    spark: SparkSession,
) -> None:
    rows = [("a", 1, 1, "f1", 1), ("a", 1, 1, "f2", 7), ("a", 2, 2, "f2", 8), ("a", 2, 2, "f3", 1)]
    marked = mark_duplicates(_frame(spark, rows), ["ride"], ["updated"], _LINEAGE)
    expected = {"kept": 1, "duplicate": 2, "filtered:older_version": 1}
    assert _fates(marked) == expected


def test_the_same_values_in_other_columns_are_other_content(spark: SparkSession) -> None:
    rows = [("a", 1, None, "f", 1), ("a", None, 1, "f", 2)]
    marked = mark_duplicates(_frame(spark, rows), ["ride"], [], _LINEAGE)
    assert _fates(marked) == {"kept": 1, "filtered:older_version": 1}


@pytest.mark.proves("B37")
def test_other_content_of_the_version_that_is_kept_is_a_conflict(spark: SparkSession) -> None:
    rows = [("a", 1, 2, "f", 1), ("a", 2, 2, "f", 2), ("a", 3, 1, "f", 3), ("a", 4, 1, "f", 4)]
    rows += [("b", 1, None, "f", 5), ("b", 2, None, "f", 6), ("b", 2, None, "f", 7)]
    marked = mark_duplicates(_frame(spark, rows), ["ride"], ["updated"], _LINEAGE)
    found = {row["_source_position"]: row["_fate"] for row in marked.collect()}
    old, kept, conflict = "filtered:older_version", "kept", "quarantined:conflict"
    assert found == {1: conflict, 2: kept, 3: old, 4: old, 5: conflict, 6: "duplicate", 7: kept}


def test_it_is_idempotent_and_safe_on_an_empty_table(spark: SparkSession) -> None:
    empty = _frame(spark, [])
    assert deduplicate(empty, ["ride"], ["updated"], _LINEAGE).count() == 0
    once = deduplicate(_frame(spark, [("a", 1, 1, "f", 1)] * 3), ["ride"], ["updated"], _LINEAGE)
    assert deduplicate(once, ["ride"], ["updated"], _LINEAGE).collect() == once.collect()


def test_a_missing_key_column_is_named(spark: SparkSession) -> None:
    with pytest.raises(ContractError, match=r"needs the columns \['id'\]"):
        deduplicate(_frame(spark, []), ["id"], [], _LINEAGE)
