"""Numbers that a write yields: by statistics of its files where they tell, else by its rows."""

import math
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.quality.measures import Numbers
from pipelines.quality.riding import riding
from pipelines.quality.survey import survey
from pipelines.tables.ledger import Target, Written, write_all
from schemas.contract import Check, Column, TableSpec
from tests.pipelines.quality.rides import GOOD, Rows, make_rows, make_spec

NULLS: Rows = [(None, None, None, None, None)] * 2
EDGES: Rows = [(1, "ann", "Oslo", 0.0, 1), (2**53 + 1, "bob", None, -0.0, 9), (3, None, "", 7.5, 5)]
CHECKS = (
    Check("not_null", ("ride_id",)),
    Check("not_null", ("city",), mostly=0.5),
    Check("between", ("fare",), minimum=0, maximum=7.5),
    Check("between", ("fare",), minimum=0),
    Check("between", ("seats",), minimum=1, maximum=9),
    Check("between", ("ride_id",), maximum=2.0**53),
    Check("finite", ("fare",)),
    Check("in_set", ("city",), values=("Oslo", "Rome", "")),
)


def write(rows: DataFrame, spec: TableSpec, path: Path) -> Written:
    """Write ``rows`` with the numbers of the checks of ``spec``."""
    return write_all(rows, Target(str(path), "f"), riding(spec, rows))


def counted(rows: DataFrame, spec: TableSpec) -> Numbers:
    """The same by looking at each row."""
    return survey(rows, spec.checks, {}, {}).numbers


@pytest.mark.parametrize("rows", [GOOD, EDGES, NULLS, []], ids=["good", "edges", "null", "empty"])
def test_files_tell_what_the_rows_say(spark: SparkSession, tmp_path: Path, rows: Rows) -> None:
    frame, spec = make_rows(spark, rows).repartition(2), make_spec(*CHECKS)
    assert write(frame, spec, tmp_path / "t").numbers == counted(frame, spec)


@pytest.mark.parametrize("fare", [math.nan, math.inf, -math.inf, 7.6, -0.1])
def test_files_do_not_tell_how_many_values_lie_outside(
    spark: SparkSession, tmp_path: Path, fare: float
) -> None:
    check = Check("between", ("fare",), minimum=0, maximum=7.5)
    spec = make_spec(check, Check("not_null", ("fare",)))
    frame = make_rows(spark, [(1, "ann", "Oslo", fare, 1), (2, "bob", "Rome", 7.0, 4)])
    numbers = write(frame, spec, tmp_path / "t").numbers
    assert numbers == {"rows": 2, "nulls(fare)": 0, "not_null(fare)": 0}
    assert counted(frame, spec)['between(fare) {"maximum": 7.5, "minimum": 0}'] == 1


def test_a_float_of_four_bytes_is_held_to_its_bound_as_spark_holds_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    # as a float of eight bytes the value is 0.10000000149
    frame = spark.sql("SELECT cast(0.1 AS float) AS x")
    spec = TableSpec("rides", "raw", "r", (Column("x", "float"),), (), (_between("x", 0.1),))
    assert counted(frame, spec)['between(x) {"maximum": 0.1}'] == 1
    assert 'between(x) {"maximum": 0.1}' not in write(frame, spec, tmp_path / "t").numbers


def test_a_column_of_folders_is_looked_at(spark: SparkSession, tmp_path: Path) -> None:
    frame = spark.sql("SELECT id, id % 2 AS half FROM range(4)")
    columns = (Column("id", "long"), Column("half", "long"))
    checks = (_between("id", 3), _between("half", 1), _between("half", 0))
    spec = TableSpec("rides", "raw", "r", columns, (), checks)
    target = Target(str(tmp_path / "t"), "f", partition_by=("half",))
    assert write_all(frame, target, riding(spec, frame)).numbers == counted(frame, spec)


def _between(name: str, maximum: float) -> Check:
    return Check("between", (name,), maximum=maximum)
