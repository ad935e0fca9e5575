"""Ingest by interval: the tables of one ingest of all, in whatever order, and no row twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import pipelines.ingest as module
from pipelines.ingest import IngestParams, run
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from schemas.contract import Check, Column, DatasetSpec, HashSplit, Label, Source

RIDES = Source(
    "rides",
    "package:none/rides.csv",
    (Column("ride_id", "int"), Column("at", "timestamp"), Column("fare", "double")),
    ("ride_id",),
    time="at",
    interval="day",
    max_malformed_share=0.6,
    checks=(Check("between", ("fare",), minimum=0, mostly=0.5, severity="quarantine"),),
)
SHOPS = Source("shops", "package:none/shops.csv", (Column("shop", "string"),), ("shop",))
SPEC = DatasetSpec(
    "rides", "Rides", "Is it dear?", (RIDES, SHOPS), Label("is_dear", "fare > 10"),
    HashSplit(("ride_id",)),
)  # fmt: skip
LINES = (
    "1,2024-03-01T00:00:00Z,1.0",
    "2,2024-03-03T23:59:59Z,2.0",
    "x,2024-03-02T10:00:00Z,3.0",  # malformed, but its day is known
    "4,2024-03-02T10:00:00Z,-1.0",  # breaks a check
    "5,2024-03-02T11:00:00Z,5.0",
    "6,yesterday,6.0",  # lies in no day
    "7;2024-03-02",
    "8,2024-03-01T12:00:00+14:00,8.0",  # the day before in UTC
    "",
)
DAYS = ("2024-02-29", "2024-03-01", "2024-03-02", "2024-03-03")
Ingest = Callable[..., StepResult]


@pytest.fixture
def ingest(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """Ingest one day, or all, of lines of rides; into the lake of that name."""
    monkeypatch.setattr(module, "dataset", lambda _: SPEC)
    (tmp_path / "shops.csv").write_text("shop\na\n")

    def ingest(day: str = "", lines: tuple[str, ...] = LINES, lake: str = "lake") -> StepResult:
        path = tmp_path / "rides.csv"
        path.write_text("\n".join(("ride_id,at,fare", *lines)) + "\n")
        places = (f"rides={path}", f"shops={tmp_path}/shops.csv")
        end = f"{day[:8]}{int(day[8:]) + 1:02d}" if day and day[5:7] == "03" else "2024-03-01"
        span = (day, end) if day else ()
        return run(spark, IngestParams("rides", str(tmp_path / lake), places, *span))

    return ingest


def _rows(spark: SparkSession, table: str) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, read_table(spark, parse_version(table)).collect()), key=str)


def _aside(spark: SparkSession, result: StepResult) -> list[tuple[Any, ...]]:
    table = read_table(spark, parse_version(result.details["quarantine"]))
    return sorted(map(tuple, table.drop("run", "interval").collect()), key=str)


def test_intervals_in_any_order_make_the_tables_of_one_ingest_of_all(
    ingest: Ingest, spark: SparkSession
) -> None:
    whole = ingest(lake="whole")
    expected = whole.rows["rides"]
    made = {day: ingest(day) for day in (*DAYS[2:], *DAYS[:2])}
    last = made[DAYS[1]]
    assert _rows(spark, last.tables[0]) == _rows(spark, whole.tables[0])
    assert len(_rows(spark, last.tables[0])) == expected.kept == 4
    assert _aside(spark, last) == _aside(spark, whole)
    assert len(_aside(spark, whole)) == sum(expected.quarantined.values()) == 4
    fates = [item.rows["rides"] for item in made.values()]
    assert [(f.read, f.unexplained) for f in fates] == [(9, 0)] * 4
    assert [f.kept for f in fates] == [1, 1, 1, 1]
    assert [f.filtered["outside_interval"] for f in fates] == [3, 5, 5, 5]
    assert fates[0].quarantined == {**expected.quarantined}
    assert fates[1].quarantined == {"field_count": 1, "type:at": 1}
    again = ingest(DAYS[0])
    assert (again.is_reused, again.tables) == (True, made[DAYS[0]].tables)
    assert _rows(spark, last.tables[1]) == _rows(spark, whole.tables[1])
