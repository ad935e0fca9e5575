"""Rows by fate add up; lost, doubled and unexplained rows are caught."""

from pathlib import Path

import pytest
from pyspark.errors import SparkRuntimeException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.errors import LedgerError, TableError
from pipelines.spark.number import Number
from pipelines.step import Fates
from pipelines.tables.delta import commit_info, count_rows, read_table
from pipelines.tables.ledger import Target, check_fates, write_all, write_kept
from pipelines.tables.version import TableVersion, parse_version, parse_versions
from pipelines.tables.write import Part, write_table

_MARKED = (
    "case when id < 6 then 'kept' when id < 8 then 'duplicate' else 'filtered:old' end as _fate"
)


def test_kept_rows_are_written_and_all_fates_counted_in_the_one_write(
    spark: SparkSession, tmp_path: Path
) -> None:
    marked = spark.range(10).selectExpr("id", _MARKED)
    total = {"total(id)": Number(F.sum("id"))}
    target = Target(str(tmp_path / "t"), "f")
    written = write_kept(marked, target, ("duplicate", "filtered:old"), total)
    table, fates = written.table, written.fates
    assert written.numbers == {"total(id)": 15}
    assert fates == Fates(read=10, kept=6, duplicate=2, filtered={"old": 2})
    assert sorted(row.id for row in read_table(spark, table).collect()) == list(range(6))
    assert read_table(spark, table).columns == ["id"]
    assert count_rows(table) == 6


def test_a_row_whose_fate_nobody_declared_is_unexplained(
    spark: SparkSession, tmp_path: Path
) -> None:
    marked = spark.range(10).selectExpr("id", _MARKED)
    with pytest.raises(LedgerError, match="2 rows without a known fate"):
        write_kept(marked, Target(str(tmp_path / "t"), "f"), ("duplicate",))


def test_files_of_a_part_tell_nothing_not_even_how_many_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    told = {"rows": Number(F.count(F.lit(1)), (), lambda _: -1)}
    path, rows = str(tmp_path / "t"), spark.range(3).toDF("id")
    assert write_all(rows, Target(path, "f"), told).numbers == {"rows": -1}
    part = Part("id", "id < 5")
    assert write_all(rows, Target(path, "g", part=part), told).numbers == {"rows": 3}


def test_what_statistics_tell_is_not_looked_at_in_the_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    looked = F.count_if(F.raise_error(F.lit("looked at a row")).isNull())
    told = {"nulls(id)": Number(looked, ("id",), lambda found: found.nulls["id"])}
    rows = spark.range(3).toDF("id")
    assert write_all(rows, Target(str(tmp_path / "t"), "f"), told).numbers == {"nulls(id)": 0}
    untold = {"nulls(id)": Number(looked, ("id",), lambda _: None)}
    assert write_all(rows, Target(str(tmp_path / "u"), "f"), untold).numbers == {}
    folders = Target(str(tmp_path / "v"), "f", partition_by=("id",))
    with pytest.raises(SparkRuntimeException, match="looked at a row"):
        write_all(rows.selectExpr("id", "id as other"), folders, told)


PLANTED = [
    (Fates(read=9, kept=9), {"num_input": 10}, "1 rows lost on the way in"),
    (Fates(read=12, kept=12), {"num_input": 10}, "2 rows doubled on the way in"),
    (Fates(read=10, kept=9), {}, "1 rows without a known fate"),
    (Fates(read=10, kept=8, duplicate=3), {}, "1 rows with two fates"),
    (Fates(read=10, kept=10), {"num_output": 7}, "3 rows lost on the way out"),
    (Fates(read=10, kept=10), {"num_output": 11}, "1 rows doubled on the way out"),
]


@pytest.mark.parametrize(("fates", "counts", "message"), PLANTED)
def test_planted_losses_are_caught(fates: Fates, counts: dict[str, int], message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        check_fates("t@v0", fates, **counts)


def test_fates_that_close_pass() -> None:
    whole = Fates(read=10, kept=4, duplicate=1, quarantined={"type": 2}, filtered={"old": 3})
    check_fates("t@v0", whole, num_input=10, num_output=4)


def test_a_second_write_is_a_new_version_and_the_first_stays_readable(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    first = write_all(spark.range(3).toDF("id"), Target(path, "one")).table
    second = write_all(spark.range(5).toDF("id"), Target(path, "two")).table
    assert (first.version, second.version) == (0, 1)
    assert (count_rows(first), count_rows(second)) == (3, 5)
    assert read_table(spark, first).count() == 3
    assert commit_info(second)["userMetadata"] == "two"


def test_a_version_that_does_not_exist_is_named_with_those_that_do(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = write_table(spark.range(1).toDF("id"), str(tmp_path / "t"), "f")
    with pytest.raises(TableError, match="has no version 7; its versions are 0 to 0"):
        read_table(spark, TableVersion(table.path, 7))
    with pytest.raises(TableError, match="expected a Delta table"):
        read_table(spark, TableVersion(str(tmp_path / "other"), 0))


def test_tables_are_pinned_and_complete_or_refused() -> None:
    assert parse_version("a/b@v3") == TableVersion("a/b", 3)
    with pytest.raises(Exception, match="pinned to a version"):
        parse_version("a/b")
    with pytest.raises(Exception, match="one pinned table for each of"):
        parse_versions(["a/b@v1"], ["b", "c"])
