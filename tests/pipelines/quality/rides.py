"""A small contract and its rows, for the tests of checks."""

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from pipelines.spark.schema import struct_type
from schemas.contract import Check, Column, TableSpec

COLUMNS = (
    Column("ride_id", "long", is_nullable=True),
    Column("rider", "string", is_nullable=True, is_personal=True),
    Column("city", "string", is_nullable=True),
    Column("fare", "double", is_nullable=True),
    Column("seats", "int", is_nullable=True),
)
Rows = list[tuple[Any, ...]]
GOOD: Rows = [(1, "ann", "Oslo", 3.5, 1), (2, "bob", "Rome", 0.0, 4), (3, None, None, None, None)]


def make_spec(*checks: Check) -> TableSpec:
    """The contract of rides with these checks."""
    return TableSpec("rides", "raw", "rides", COLUMNS, ("ride_id",), checks)


def make_rows(spark: SparkSession, rows: Rows) -> DataFrame:
    """A frame of rides in one partition: a job over it is one task."""
    return spark.createDataFrame(rows, struct_type(COLUMNS)).coalesce(1)
