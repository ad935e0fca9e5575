"""A data set of one source whose checks set rows aside, and its raw table made in place."""

from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from pipelines.deduplicate import DeduplicateParams, run
from pipelines.step import StepResult
from pipelines.tables.write import write_table
from schemas.contract import Check, Column, DatasetSpec, HashSplit, Label, Source
from tests.passed import mark_passed

DEAR = Check(
    "between", ("fare",), maximum=100, severity="quarantine", mostly=0.5, reason="a typing error"
)
FAR = Check("sql", sql="length(city) < 9", severity="quarantine", mostly=0.5)
SOURCE = Source(
    "rides",
    "package:none/rides.csv",
    (
        Column("ride_id", "long"),
        Column("fare", "double", is_nullable=True),
        Column("city", "string", is_nullable=True),
    ),
    primary_key=("ride_id",),
    version_by=("fare",),
    checks=(DEAR, FAR, Check("quarantined", maximum=3)),
)
SPEC = DatasetSpec(
    "rides",
    "Rides",
    "Is it dear?",
    (SOURCE,),
    Label("is_dear", "fare > 10"),
    HashSplit(("ride_id",)),
)


def deduplicate(
    spark: SparkSession, root: Path, rows: Sequence[tuple[int, float | None, str | None]]
) -> StepResult:
    """Deduplicate ``rows`` under ``root``."""
    placed = [(*row, "a.csv", place) for place, row in enumerate(rows, start=2)]
    columns = "ride_id long, fare double, city string, _source_file string, _source_position long"
    frame = spark.createDataFrame(placed, columns)
    raw = write_table(frame, str(root / "rides" / "raw" / "rides"), "made")
    mark_passed(raw)
    return run(spark, DeduplicateParams("rides", str(root), (str(raw),)))
