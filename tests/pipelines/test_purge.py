"""Rows leave the quarantine by age, and the disk with it."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines import deduplicate, purge
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.purge import PurgeParams
from pipelines.tables.ledger_table import read_ledger
from pipelines.tables.records import read_records
from tests.pipelines import rides_lake

pytestmark = pytest.mark.proves("S22")
SECRET = "Ada Lovelace"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spark: SparkSession) -> Path:
    for module in (deduplicate, purge):
        monkeypatch.setattr(module, "dataset", lambda _: rides_lake.SPEC)
    rides_lake.deduplicate(spark, tmp_path, [(1, 5.0, "Oslo"), (2, 7.0, SECRET)])
    return tmp_path


def _holding(lake: Path) -> list[str]:
    files = [path for path in (lake / "rides" / "quarantine").rglob("*") if path.is_file()]
    return [path.name for path in files if SECRET.encode() in path.read_bytes()]


def test_old_rows_are_gone_from_the_table_and_from_the_disk(
    lake: Path, spark: SparkSession
) -> None:
    assert _holding(lake)
    ledger = read_ledger(Layout(str(lake), "rides"))
    params = PurgeParams("rides", str(lake), 30)
    early = purge.run(params, datetime.now(UTC) + timedelta(29))
    assert (early.deleted, early.kept, early.runs) == (0, 1, ())
    assert _holding(lake)
    late = purge.run(params, datetime.now(UTC) + timedelta(31))
    assert (late.deleted, late.kept, len(late.runs)) == (1, 0, 1)
    assert _holding(lake) == []
    assert read_records(lake / "rides" / "quarantine") == []
    # Spark reads it too, and the account of rows is as it was
    assert spark.read.format("delta").load(str(lake / "rides" / "quarantine")).count() == 0
    assert read_ledger(Layout(str(lake), "rides")) == ledger
    again = purge.run(params, datetime.now(UTC) + timedelta(31))
    assert asdict(again) == {**asdict(late), "deleted": 0, "runs": ()}


def test_an_age_below_zero_and_a_lake_without_a_ledger_are_refused(
    lake: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match="--older-than-days: expected 0 or more; got -1"):
        purge.run(PurgeParams("rides", str(lake), -1))
    with pytest.raises(ParameterError, match="it has no entry"):
        purge.run(PurgeParams("rides", str(tmp_path / "none"), 30))
