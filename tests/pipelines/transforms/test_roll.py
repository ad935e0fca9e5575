"""Aggregates over the past only, never the row itself, against a plain loop over all pairs."""

import random
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.transforms.roll import roll
from schemas.contract import ContractError
from schemas.encode import Rolling

_HOUR = 3600


def _frame(spark: SparkSession, rows: Sequence[tuple[Any, ...]]) -> DataFrame:
    schema = "id int, origin string, carrier string, asked long, left long, delay double"
    df = spark.createDataFrame(rows, schema)
    return df.withColumns(
        {
            "asked_at": df.asked.cast("timestamp"),
            "left_at": df.left.cast("timestamp"),
        }
    )


def _rolling(
    name: str, aggregate: Literal["mean", "sum", "count"], by: tuple[str, ...], window_s: int
) -> Rolling:
    return Rolling(name, aggregate, "delay", by, "left_at", "asked_at", window_s)


def _mean_and_count(
    spark: SparkSession, rows: Sequence[tuple[Any, ...]]
) -> dict[int, tuple[float | None, float]]:
    """Mean and count of the hour before at the same origin, by row."""
    items = (
        _rolling("mean", "mean", ("origin",), _HOUR),
        _rolling("n", "count", ("origin",), _HOUR),
    )
    answered = roll(_frame(spark, rows), items, ["id"]).collect()
    return {row.id: (row["mean"], row["n"]) for row in answered}


def test_only_events_before_the_question_and_within_the_window_count(spark: SparkSession) -> None:
    rows = [
        (1, "JFK", "AA", 1000, 1500, 5.0),
        (2, "JFK", "AA", 1500, 1600, 7.0),  # row 1 left at 1500: not before 1500
        (3, "JFK", "AA", 1501, 9000, 9.0),  # sees row 1
        (4, "JFK", "AA", 5100, 9000, 1.0),  # one hour back is 1500: sees rows 1 and 2
        (5, "JFK", "AA", 5101, 9000, 1.0),  # row 1 is out by one second
        (6, "LGA", "AA", 1501, 9000, 1.0),  # elsewhere
        (7, "JFK", "AA", 9001, None, None),  # never left: an asker, no event; sees 3, 4 and 5
    ]
    found = _mean_and_count(spark, rows)
    assert found == {
        1: (None, 0.0),
        2: (None, 0.0),
        3: (5.0, 1.0),
        4: (6.0, 2.0),
        5: (7.0, 1.0),
        6: (None, 0.0),
        7: (11 / 3, 3.0),
    }


def test_a_row_that_left_early_does_not_see_its_own_answer(spark: SparkSession) -> None:
    rows = [(1, "JFK", "AA", 1000, 700, -5.0), (2, "JFK", "AA", 1000, 800, -3.0)]
    found = _mean_and_count(spark, rows)
    assert found == {1: (-3.0, 1.0), 2: (-5.0, 1.0)}


def test_rows_of_unknown_key_have_no_common_past(spark: SparkSession) -> None:
    rows = [(1, None, "AA", 1000, 700, -5.0), (2, None, "AA", 1000, 800, -3.0)]
    assert _mean_and_count(spark, rows) == {1: (None, 0.0), 2: (None, 0.0)}


def test_it_agrees_with_a_loop_over_all_pairs(spark: SparkSession) -> None:
    draw = random.Random(3)
    rows: list[tuple[Any, ...]] = []
    for number in range(400):
        asked = draw.randrange(0, 40_000, 60)
        delay = draw.choice([None, *range(-10, 60)])
        left = None if delay is None else asked + delay * 60
        rows.append(
            (number, draw.choice(["JFK", "LGA", None]), draw.choice(["AA", "UA"]), asked, left,
             None if delay is None else float(delay))
        )  # fmt: skip
    items = (
        _rolling("mean_1h", "mean", ("origin",), _HOUR),
        _rolling("sum_3h", "sum", ("origin",), 3 * _HOUR),
        _rolling("n_2h", "count", ("origin", "carrier"), 2 * _HOUR),
    )
    found = {row.id: row for row in roll(_frame(spark, rows), items, ["id"]).collect()}
    assert len(found) == len(rows)
    for row in rows:
        number, origin, carrier, asked, _, _ = row
        past = {
            window: [
                (other[5], other[2])
                for other in rows
                if other[0] != number and other[1] == origin is not None and other[4] is not None
                and asked - window <= other[4] < asked
            ]
            for window in (_HOUR, 2 * _HOUR, 3 * _HOUR)
        }  # fmt: skip
        hour = [delay for delay, _ in past[_HOUR]]
        expected = sum(hour) / len(hour) if hour else None
        assert found[number].mean_1h == pytest.approx(expected)
        assert found[number].sum_3h == pytest.approx(sum(d for d, _ in past[3 * _HOUR]))
        assert found[number].n_2h == sum(other == carrier for _, other in past[2 * _HOUR])


def test_a_missing_column_is_named(spark: SparkSession) -> None:
    with pytest.raises(ContractError, match=r"need \['asked_at', 'delay', 'left_at', 'origin'\]"):
        roll(spark.range(1), (_rolling("x", "mean", ("origin",), 1),), ["id"])
