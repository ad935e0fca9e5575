"""Aggregates over the past only, never the row itself, against a plain loop over all pairs."""

import math
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
    answered = roll(_frame(spark, rows), items, ["id"], len(rows)).collect()
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


def _draw_rows(count: int) -> list[tuple[Any, ...]]:
    """Rows over six days, before 1970 and after, so that windows cross the edges of chunks."""
    draw = random.Random(3)
    rows: list[tuple[Any, ...]] = []
    for number in range(count):
        asked = draw.randrange(-200_000, 300_000, 60)
        delay = draw.choice([None, math.nan, 3000, *range(-10, 60)])
        left = None if delay is None else asked + (60 if math.isnan(delay) else delay * 60)
        origin, carrier = draw.choice(["JFK", "LGA", None]), draw.choice(["AA", "UA"])
        is_asked = number % 40 > 0
        rows.append((number, origin, carrier, asked if is_asked else None, left, delay))
    return [(*row[:5], None if row[5] is None else float(row[5])) for row in rows]


@pytest.mark.parametrize(
    "rows_per_task", [600, 500, 100], ids=["few_rows", "whole_chunks", "by_key"]
)
def test_it_agrees_with_a_loop_over_all_pairs(
    spark: SparkSession, rows_per_task: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.transforms.roll._ROWS_PER_TASK", rows_per_task)
    rows = _draw_rows(600)
    items = (
        _rolling("mean_1h", "mean", ("origin",), _HOUR),
        _rolling("sum_30h", "sum", ("origin",), 30 * _HOUR),
        _rolling("n_2h", "count", ("origin", "carrier"), 2 * _HOUR),
    )
    found = {row.id: row for row in roll(_frame(spark, rows), items, ["id"], len(rows)).collect()}
    assert len(found) == len(rows)

    def seen(row: tuple[Any, ...], window_s: int) -> list[tuple[float, str]]:
        number, origin, _, asked, _, _ = row
        return [
            (other[5], other[2])
            for other in rows
            if other[0] != number and other[1] == origin is not None and asked is not None
            and other[4] is not None and not math.isnan(other[5])
            and asked - window_s <= other[4] < asked
        ]  # fmt: skip

    for row in rows:
        number, carrier = row[0], row[2]
        hour = [delay for delay, _ in seen(row, _HOUR)]
        expected = sum(hour) / len(hour) if hour else None
        assert found[number].mean_1h == pytest.approx(expected)
        assert found[number].sum_30h == pytest.approx(sum(d for d, _ in seen(row, 30 * _HOUR)))
        assert found[number].n_2h == sum(other == carrier for _, other in seen(row, 2 * _HOUR))


def test_a_missing_column_is_named(spark: SparkSession) -> None:
    with pytest.raises(ContractError, match=r"need \['asked_at', 'delay', 'left_at', 'origin'\]"):
        roll(spark.range(1), (_rolling("x", "mean", ("origin",), 1),), ["id"], 1)
