"""Nights on which clocks are put back or on: an hour that comes twice, and one that never comes."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import pipelines.ingest as module
from pipelines.ingest import IngestParams, run
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from tests.faults import by_interval

SPEC = replace(by_interval.SPEC, sources=(replace(by_interval.RIDES, interval="hour"),))
# clocks of New York; local times without an offset could be either hour of the night
LINES = (
    "1,2013-11-03T00:59:59-04:00",
    "2,2013-11-03T01:00:00-04:00",
    "3,2013-11-03T01:30:00-04:00",
    "4,2013-11-03T01:30:00-05:00",
    "5,2013-11-03T01:59:59-05:00",
    "6,2013-11-03T02:00:00-05:00",  # in no hour that is asked for, as is the first
    "7,2013-03-10T01:59:59-05:00",
    "8,2013-03-10T02:30:00-05:00",  # on no clock there, but a moment
    "9,2013-03-10T03:30:00-04:00",  # the same one
    "10,2013-11-03T01:30:00",
)
SPANS = {
    ("2013-11-03T01:00:00-05:00", "2013-11-03T02:00:00-05:00"): [4, 5],
    ("2013-11-03T01:00:00-04:00", "2013-11-03T01:00:00-05:00"): [2, 3],
    # a day of 23 hours
    ("2013-03-10T00:00:00-05:00", "2013-03-11T00:00:00-04:00"): [7, 8, 9],
}


@pytest.fixture
def new_york(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The zone of the machine, as Python and Java see it."""
    java: Any = spark.sparkContext._jvm
    zones = java.java.util.TimeZone
    before = zones.getDefault()
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        zones.setDefault(zones.getTimeZone("America/New_York"))
        try:
            yield
        finally:
            zones.setDefault(before)
    time.tzset()


@pytest.mark.proves("F32")
@pytest.mark.usefixtures("new_york")
def test_hours_of_a_night_when_clocks_change_neither_lose_nor_double_a_row(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "dataset", lambda _: SPEC)
    path = tmp_path / "rides.csv"
    path.write_text("\n".join(("ride_id,at", *LINES)) + "\n")

    def ingest(*span: str) -> StepResult:
        return run(spark, IngestParams("rides", str(tmp_path / "lake"), (f"rides={path}",), *span))

    made = [ingest(*span) for span in SPANS]
    kept = [item.rows["rides"].kept for item in made]
    assert kept == [len(ids) for ids in SPANS.values()]
    found = dict(_rows(spark, made[-1]))
    assert sorted(found) == sorted(number for ids in SPANS.values() for number in ids)
    assert (found[4] - found[3], found[9] - found[8]) == (3_600_000_000, 0)
    assert {item.rows["rides"].quarantined["timezone:at"] for item in made} == {1}
    (aside,) = read_table(spark, parse_version(made[-1].details["quarantine"])).collect()
    assert (aside["rule"], aside["event_time"]) == ("timezone:at", None)


def _rows(spark: SparkSession, made: StepResult) -> list[tuple[Any, ...]]:
    rows = read_table(spark, parse_version(made.tables[0]))
    return sorted(map(tuple, rows.selectExpr("ride_id", "unix_micros(at)").collect()))
