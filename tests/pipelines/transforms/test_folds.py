"""Folds: each row that may be held out is so once, and what a fold learns from never is."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.transforms.folds import Folds, fit_folds, mark_fold
from schemas.contract import ContractError

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Folds("key", 3, ("id",), "label", seed=1)
LABEL = replace(KEY, by="label")
GROUP = replace(KEY, by="group", columns=("shop",))
TIME = replace(KEY, by="time", columns=("at",))


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    # 30 of the test split, then 270 others: one an hour, a tenth of them with label 1
    made: list[Any] = [
        (number, int(number % 10 == 0), f"shop {number % 17}", START + timedelta(hours=number),
         "test" if number < 30 else "train")
        for number in range(300)
    ]  # fmt: skip
    return spark.createDataFrame(
        made, "id long, label int, shop string, at timestamp, split string"
    )


@cache
def _marked(rows: DataFrame, folds: Folds) -> list[list[Any]]:
    state = fit_folds(rows, folds, ("id",))
    return [
        mark_fold(rows, folds, state, number).orderBy("id").collect()
        for number in range(1, folds.num + 1)
    ]


def _held(fold: list[Any]) -> list[Any]:
    return [row for row in fold if row["split"] == "test"]


@pytest.mark.parametrize("folds", [KEY, LABEL, GROUP], ids=lambda folds: folds.by)
def test_each_row_is_held_out_once_and_the_test_split_never_is_in_a_fold(
    rows: DataFrame, folds: Folds
) -> None:
    marked = _marked(rows, folds)
    held = Counter(row["id"] for fold in marked for row in _held(fold))
    assert held == Counter(range(30, 300))
    for fold in marked:
        fates = Counter(row["_fate"] for row in fold)
        assert fates == {"kept": 270, "filtered:test_split": 30}
        assert {row["split"] for row in fold[:30]} == {None}
        assert {row["split"] for row in fold[30:]} == {"train", "validation", "test"}


def test_folds_by_label_have_as_many_rows_of_each(rows: DataFrame) -> None:
    counts = [Counter(row["label"] for row in _held(fold)) for fold in _marked(rows, LABEL)]
    assert [count[1] for count in counts] == [9, 9, 9]
    assert [count[0] for count in counts] == [81, 81, 81]


def test_a_group_is_never_in_two_parts_of_a_fold(rows: DataFrame) -> None:
    for fold in _marked(rows, GROUP):
        parts = defaultdict[str, set[str]](set)
        for row in fold[30:]:
            parts[row["shop"]].add(row["split"])
        assert {len(found) for found in parts.values()} == {1}


def test_folds_by_time_learn_strictly_before_what_they_hold_out(rows: DataFrame) -> None:
    fates: list[Counter[str]] = []
    held: list[int] = []
    for fold in _marked(rows, replace(TIME, validation_share=0.2)):
        parts = defaultdict[str, list[int]](list)
        for row in fold:
            parts[row["split"] or row["_fate"]].append(row["id"])
        assert max(parts["train"]) < min(parts["validation"])
        assert max(parts["validation"]) < min(parts["test"])
        assert max(parts["test"]) < min(parts["filtered:later_fold"] or [300])
        held += parts["test"]
        fates.append(Counter({name: len(found) for name, found in parts.items()}))
    # 270 rows in four stretches: the first is never held out, the last has nothing after it
    assert held == list(range(98, 300))
    assert [found["test"] for found in fates] == [67, 67, 68]
    assert [found["train"] for found in fates] == [54, 108, 162]
    assert [found["filtered:later_fold"] for found in fates] == [135, 68, 0]


def test_nobody_learns_from_the_gap_before_what_is_held_out(rows: DataFrame) -> None:
    fold = _marked(rows, replace(TIME, validation_share=0.2, gap_s=6 * 3600))[0]
    parts = defaultdict[str, list[int]](list)
    for row in fold:
        parts[row["split"] or row["_fate"]].append(row["id"])
    assert min(parts["validation"]) - max(parts["train"]) == 7
    assert min(parts["test"]) - max(parts["validation"]) == 7
    assert len(parts["filtered:gap"]) == 12


@pytest.mark.parametrize("folds", [LABEL, TIME], ids=lambda folds: folds.by)
def test_the_cut_does_not_depend_on_how_rows_lie(rows: DataFrame, folds: Folds) -> None:
    def cut(df: DataFrame) -> list[list[tuple[int, str]]]:
        return [[(row["id"], row["split"]) for row in fold] for fold in _marked(df, folds)]

    assert cut(rows.orderBy("shop").repartition(5)) == cut(rows)


def test_another_seed_cuts_otherwise_but_not_by_time(rows: DataFrame) -> None:
    def held(folds: Folds) -> list[int]:
        return [row["id"] for row in _held(_marked(rows, folds)[0])]

    assert held(replace(KEY, seed=2)) != held(KEY)
    assert held(replace(TIME, seed=2)) == held(TIME)


def test_a_row_without_label_or_time_has_a_fate_too(spark: SparkSession) -> None:
    nulls = spark.createDataFrame(
        [
            (number, 1 if number == 3 else None, None if number == 3 else START, "train")
            for number in range(4)
        ],
        "id long, label int, at timestamp, split string",
    )
    parts = [row["split"] for fold in _marked(nulls, LABEL) for row in fold]
    assert parts.count("test") == 4
    fates = [row["_fate"] for row in _marked(nulls, TIME)[0]]
    assert fates[3] == "filtered:no_time"


WRONG = [
    (replace(TIME, columns=("shop",)), "folds by time: expected a column of type timestamp or"),
    (replace(LABEL, label="number"), "folds by label: expected at most 1000 labels; number has"),
]


@pytest.mark.parametrize(("folds", "message"), WRONG)
def test_what_cannot_be_cut_is_said(spark: SparkSession, folds: Folds, message: str) -> None:
    df = spark.range(1200).selectExpr(
        "id", "id as number", "'a' as shop", "'train' as split", "cast(null as timestamp) as at"
    )
    with pytest.raises(ContractError, match=message):
        fit_folds(df, folds, ("id",))
