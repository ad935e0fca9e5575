"""Lookups by key and as of a time."""

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.transforms.join import join
from schemas.contract import ContractError
from schemas.encode import Join

_AS_OF = Join(
    "weather",
    on=(("origin", "station"),),
    columns=(("temp", "temp_then"),),
    as_of=("asked", "time"),
    tolerance_s=3 * 3600,
)


def _rides(spark: SparkSession, rows: list[tuple[int, str | None, str | None]]) -> DataFrame:
    df = spark.createDataFrame(rows, "id int, origin string, text string")
    return df.selectExpr("id", "origin", "cast(text as timestamp) as asked")


def _weather(spark: SparkSession, rows: list[tuple[str, str, float | None]]) -> DataFrame:
    df = spark.createDataFrame(rows, "station string, text string, temp double")
    return df.selectExpr("station", "cast(text as timestamp) as time", "temp")


def test_rows_without_a_match_stay_with_nulls(spark: SparkSession) -> None:
    left = spark.createDataFrame([(1, "a"), (2, "b"), (3, None)], "id int, tail string")
    right = spark.createDataFrame([("a", 5)], "tail string, seats int")
    how = Join("planes", on=(("tail", "tail"),), columns=(("seats", "seats"),))
    found = sorted(tuple(row) for row in join(left, right, how).select("id", "seats").collect())
    assert found == [(1, 5), (2, None), (3, None)]


def test_the_match_is_the_last_one_strictly_before(spark: SparkSession) -> None:
    rides = _rides(
        spark,
        [
            (1, "JFK", "2013-01-01 10:30:00"),  # between two readings
            (2, "JFK", "2013-01-01 11:00:00"),  # at a reading: that one is not known yet
            (3, "JFK", "2013-01-01 09:00:00"),  # before the first
            (4, "JFK", "2013-01-01 15:30:00"),  # the last is too old
            (5, "LGA", "2013-01-01 10:30:00"),  # another station
            (6, "JFK", None),
        ],
    )
    weather = _weather(
        spark,
        [("JFK", "2013-01-01 10:00:00", 1.0), ("JFK", "2013-01-01 11:00:00", 2.0)],
    )
    found = {row.id: row.temp_then for row in join(rides, weather, _AS_OF).collect()}
    assert found == {1: 1.0, 2: 1.0, 3: None, 4: None, 5: None, 6: None}


def test_a_null_reading_is_a_reading(spark: SparkSession) -> None:
    rides = _rides(spark, [(1, "JFK", "2013-01-01 11:30:00")])
    weather = _weather(
        spark, [("JFK", "2013-01-01 10:00:00", 1.0), ("JFK", "2013-01-01 11:00:00", None)]
    )
    assert join(rides, weather, _AS_OF).collect()[0].temp_then is None


def test_rows_are_neither_lost_nor_doubled(spark: SparkSession) -> None:
    rides = _rides(spark, [(i, "JFK", "2013-01-01 10:30:00") for i in range(100)])
    weather = _weather(spark, [("JFK", f"2013-01-01 {h:02d}:00:00", float(h)) for h in range(24)])
    found = join(rides, weather, _AS_OF)
    assert sorted(row.id for row in found.collect()) == list(range(100))
    assert found.columns == ["id", "origin", "asked", "temp_then"]


def test_a_missing_column_or_a_name_taken_is_refused(spark: SparkSession) -> None:
    left = spark.createDataFrame([(1, 2)], "id int, seats int")
    with pytest.raises(ContractError, match=r"planes lacks \['seats'\]"):
        join(left, spark.range(1), Join("planes", (("id", "id"),), (("seats", "s"),)))
    with pytest.raises(ContractError, match=r"\['seats'\] exist already"):
        join(left, left, Join("planes", (("id", "id"),), (("seats", "seats"),)))
