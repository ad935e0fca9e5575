"""Step split: an empty split stops it before anything is written."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import pipelines.split
from pipelines.split import SplitParams, run
from pipelines.tables.write import write_table
from schemas.contract import Column, ContractError, DatasetSpec, HashSplit, Label, Source
from tests.passed import mark_passed

SPEC = DatasetSpec(
    name="rides",
    title="Rides",
    question="Is it dear?",
    sources=(
        Source(
            "rides",
            "package:none/rides.csv",
            (Column("ride_id", "long"), Column("fare", "double", is_outcome=True)),
            primary_key=("ride_id",),
        ),
    ),
    label=Label("is_dear", "fare > 10"),
    split=HashSplit(("ride_id",)),
)


@pytest.fixture(autouse=True)
def rides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.split, "dataset", lambda _: SPEC)


def _params(spark: SparkSession, root: Path, num_rows: int) -> SplitParams:
    rows = spark.createDataFrame(
        [(number, float(number)) for number in range(num_rows)], "ride_id long, fare double"
    )
    table = write_table(rows, str(root / "rides" / "deduplicated" / "rides"), "x")
    mark_passed(table)
    return SplitParams("rides", str(root), (str(table),))


def test_an_empty_split_is_named_and_nothing_is_written(
    spark: SparkSession, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match=r"expected rows in each split; \[.*\] got none of 1 "):
        run(spark, _params(spark, tmp_path, 1))
    assert not (tmp_path / "rides" / "split").exists()


def test_rows_by_split_are_told_and_add_up(spark: SparkSession, tmp_path: Path) -> None:
    result = run(spark, _params(spark, tmp_path, 300))
    assert sum(result.details["splits"].values()) == result.rows["rides"].kept == 300
