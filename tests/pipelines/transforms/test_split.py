"""Rows go to a split by time, or by a hash that keeps groups together."""

import hashlib
from collections import defaultdict

import pytest
from pyspark.sql import SparkSession

from pipelines.transforms.label import add_label
from pipelines.transforms.split import add_derived, mark_split
from schemas.contract import (
    Column,
    ContractError,
    Derived,
    GivenSplit,
    HashSplit,
    Label,
    TimeSplit,
)
from schemas.split import split_columns

_BY_TIME = TimeSplit(
    "day",
    train=("2013-01-01", "2013-02-01"),
    validation=("2013-02-01", "2013-03-01"),
    test=("2013-03-01", "2013-04-01"),
)


def test_time_ranges_are_half_open_and_rows_outside_are_filtered(spark: SparkSession) -> None:
    days = ["2013-01-01", "2013-01-31", "2013-02-01", "2013-03-31", "2013-04-01", None]
    df = spark.createDataFrame([(day,) for day in days], "text string")
    marked = mark_split(df.selectExpr("text", "cast(text as date) day"), _BY_TIME)
    found = {row.text: (row.split, row["_fate"]) for row in marked.collect()}
    assert found == {
        "2013-01-01": ("train", "kept"),
        "2013-01-31": ("train", "kept"),
        "2013-02-01": ("validation", "kept"),
        "2013-03-31": ("test", "kept"),
        "2013-04-01": (None, "filtered:outside_split"),
        None: (None, "filtered:outside_split"),
    }


def test_no_group_is_in_two_splits_and_fractions_are_near(spark: SparkSession) -> None:
    df = spark.range(20_000).selectExpr("id", "id % 4000 as patient")
    marked = mark_split(df, HashSplit(("patient",), 0.7, 0.2, 0.1)).collect()
    splits = defaultdict(set)
    for row in marked:
        splits[row.patient].add(row.split)
    assert all(len(found) == 1 for found in splits.values())
    share = sum(row.split == "train" for row in marked) / len(marked)
    assert 0.67 < share < 0.73
    other = mark_split(df, HashSplit(("patient",), 0.7, 0.2, 0.1, salt="x")).collect()
    assert [row.split for row in other] != [row.split for row in marked]


def test_a_key_has_the_same_split_outside_spark(spark: SparkSession) -> None:
    split = HashSplit(("id",), 0.5, 0.25, 0.25, salt="s")
    for row in mark_split(spark.range(50), split).collect():
        digest = hashlib.md5(f"s\x1f{row.id}".encode(), usedforsecurity=False).hexdigest()
        share = int(digest[:8], 16) / 2**32
        expected = "train" if share < 0.5 else "validation" if share < 0.75 else "test"
        assert row.split == expected


def test_rows_go_where_their_file_was_put_and_those_of_another_are_filtered(
    spark: SparkSession,
) -> None:
    files = ("a.csv", "b.csv", "c.csv", "~replay-0001.csv", "d.csv")
    df = spark.createDataFrame([(name, name) for name in files], "id string, _source_file string")
    given = GivenSplit(train=("a.csv", "d.csv"), validation=("b.csv",), test=("c.csv",))
    found = {row.id: (row.split, row["_fate"]) for row in mark_split(df, given).collect()}
    assert found == {
        "a.csv": ("train", "kept"),
        "b.csv": ("validation", "kept"),
        "c.csv": ("test", "kept"),
        "d.csv": ("train", "kept"),
        "~replay-0001.csv": (None, "filtered:outside_split"),
    }


def test_a_column_may_name_the_split(spark: SparkSession) -> None:
    rows = [("1", "train", "f"), ("2", "test", "train"), ("3", "extra", "test")]
    df = spark.createDataFrame(rows, "id string, part string, _source_file string")
    given = GivenSplit(("train",), ("test",), validation=("dev",), by="part")
    found = {row.id: row.split for row in mark_split(df, given).collect()}
    assert found == {"1": "train", "2": "test", "3": None}
    assert split_columns(given) == ("part",)


def test_a_share_of_the_training_rows_alone_is_kept_for_validation(spark: SparkSession) -> None:
    df = spark.range(8_000).selectExpr(
        "id", "id % 2000 as patient", "if(id < 4000, 'a', 'b') as _source_file"
    )
    given = GivenSplit(("a",), ("b",), columns=("patient",), validation_share=0.2)
    rows = mark_split(df, given).collect()
    assert {row.split for row in rows if row["_source_file"] == "b"} == {"test"}
    splits = defaultdict(set)
    for row in rows[:4000]:
        splits[row.patient].add(row.split)
    assert all(len(found) == 1 for found in splits.values())
    held = sum(found == {"validation"} for found in splits.values())
    assert 340 < held < 460
    assert held + sum(found == {"train"} for found in splits.values()) == 2000


WRONG = [
    (HashSplit(("id",), 0.5, 0.2, 0.2), "sum to 1"),
    (HashSplit(("id",), 1.2, -0.1, -0.1), "sum to 1"),
    (
        TimeSplit("id", ("2013-01-01", "2013-02-02"), ("2013-02-01", "2013-03-01"),
                  ("2013-03-01", "2013-04-01")),
        "overlap",
    ),
    (
        TimeSplit("id", ("2013-02-01", "2013-01-01"), ("2013-02-01", "2013-03-01"),
                  ("2013-03-01", "2013-04-01")),
        "start < end",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("split", "message"), WRONG)
def test_a_split_that_contradicts_itself_is_refused(
    spark: SparkSession, split: TimeSplit | HashSplit, message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        mark_split(spark.range(1), split)


def test_derived_columns_may_use_earlier_ones_and_the_label_may_be_unknown(
    spark: SparkSession,
) -> None:
    df = spark.createDataFrame([(20.0,), (3.0,), (None,)], "delay double")
    derived = (
        Derived(Column("twice", "double"), "delay * 2"),
        Derived(Column("thrice", "long"), "twice + delay"),
    )
    made = add_label(add_derived(df, derived), Label("is_late", "delay >= 15"))
    assert [tuple(row) for row in made.collect()] == [
        (20.0, 40.0, 60, 1),
        (3.0, 6.0, 9, 0),
        (None, None, None, None),
    ]
