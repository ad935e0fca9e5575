"""Several tables at once: results in order, errors raised, the caller's job group kept."""

import threading

import pytest
from pyspark.sql import SparkSession

from pipelines.spark.concurrent import map_tables


def test_results_come_in_order_and_side_by_side(spark: SparkSession) -> None:
    both_here = threading.Barrier(2, timeout=60)

    def count(rows: int) -> int:
        # passes only while the other one is under way too
        both_here.wait()
        return spark.range(rows).count()

    assert map_tables(spark, count, [3, 5]) == [3, 5]


def test_a_job_group_holds_in_every_thread(spark: SparkSession) -> None:
    context = spark.sparkContext
    context.setJobGroup("tables", "side by side")
    try:
        groups = map_tables(
            spark, lambda _: context.getLocalProperty("spark.jobGroup.id"), [1, 2, 3]
        )
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
    assert groups == ["tables"] * 3


def test_the_first_failure_is_raised_when_all_have_ended(spark: SparkSession) -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        ended.append(number)
        if number:
            raise ValueError(f"table {number}")

    with pytest.raises(ValueError, match="table 1"):
        map_tables(spark, work, [0, 1, 2])
    assert sorted(ended) == [0, 1, 2]
