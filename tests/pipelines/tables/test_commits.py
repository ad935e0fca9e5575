"""A step that is repeated gives its rows again, whatever became of its first commit."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import pipelines.deduplicate
import pipelines.lock
from pipelines.errors import LockedError, TableError
from pipelines.layout import Layout
from pipelines.step import StepResult
from pipelines.tables.commits import is_taken_back, versions
from pipelines.tables.delta import read_table
from pipelines.tables.ledger_table import account_for, read_ledger
from pipelines.tables.records import read_records
from pipelines.tables.version import parse_version
from pipelines.tables.write import lock_table, write_table
from pipelines.tables.write_records import append_once
from tests.passed import mark_passed
from tests.pipelines.rides_lake import SPEC, deduplicate

RIDES = [(1, 3.0, "Oslo"), (2, 101.0, "Rome"), (3, 4.0, "Bonn"), (4, 5.0, "Kyiv")]


def restore(spark: SparkSession, path: str | Path, version: int) -> None:
    spark.sql(f"restore table delta.`{path}` to version as of {version}")


@pytest.fixture
def _rides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.deduplicate, "dataset", lambda _: SPEC)


def test_a_table_that_another_process_writes_is_waited_for_then_refused(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "t")
    monkeypatch.setattr(pipelines.lock, "WAIT_S", 0.0)
    with lock_table(path), pytest.raises(LockedError, match=rf"table {path} is being written by"):
        write_table(spark.range(1).toDF("id"), path, "f")
    assert versions(path) == []


@pytest.mark.proves("F10")
def test_rows_that_changed_are_written_under_the_same_name(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    first = write_table(spark.range(3).toDF("id"), path, "same")
    second = write_table(spark.range(5).toDF("id"), path, "same")
    assert [read_table(spark, table).count() for table in (first, second)] == [3, 5]


@pytest.mark.proves("F10")
def test_a_session_that_would_skip_repeated_writes_is_refused(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    name = "spark.databricks.delta.write.txnAppId"
    write_table(spark.range(3).toDF("id"), path, "f")
    spark.conf.set(name, "nightly")
    try:
        with pytest.raises(TableError, match=f"sets {name}, .* Unset it"):
            write_table(spark.range(5).toDF("id"), path, "f")
    finally:
        spark.conf.unset(name)
    assert versions(path) == [0]


@pytest.mark.proves("F11")
def test_only_what_a_restore_went_behind_is_taken_back(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    for count in (1, 2, 3):
        write_table(spark.range(count).toDF("id"), path, "f")
    restore(spark, path, 1)
    assert versions(path) == [0, 1, 2, 3]
    assert [is_taken_back(path, version) for version in (0, 1, 2, 3)] == [False, False, True, False]


@pytest.mark.proves("F11")
@pytest.mark.usefixtures("_rides")
def test_a_step_whose_rows_were_taken_back_by_a_restore_is_done_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    deduplicate(spark, tmp_path, [(9, 500.0, "Oslo"), (8, 1.0, "Oslo")])
    first = deduplicate(spark, tmp_path, RIDES)
    for table in ("deduplicated/rides", "quarantine"):
        path = str(tmp_path / "rides" / table)
        whole = _rows(spark, path)
        restore(spark, path, 0)
        assert _rows(spark, path) != whole
        again = _repeat(spark, tmp_path, 1)
        assert (again.is_reused, again.fingerprint) == (False, first.fingerprint)
        assert again.rows == first.rows
        assert _rows(spark, path) == whole
        assert _repeat(spark, tmp_path, 1).is_reused


@pytest.mark.proves("F11")
def test_an_entry_that_a_restore_has_taken_back_is_made_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    path, schema = tmp_path / "ledger", pa.schema([("step", pa.string()), ("rows", pa.int64())])
    assert append_once(path, [{"step": "a", "rows": 1}], schema, "a")
    assert append_once(path, [{"step": "b", "rows": 2}], schema, "b")
    assert not append_once(path, [{"step": "b", "rows": 2}], schema, "b")
    restore(spark, path, 0)
    assert read_records(path) == [{"step": "a", "rows": 1}]
    assert not append_once(path, [{"step": "a", "rows": 1}], schema, "a")
    assert append_once(path, [{"step": "b", "rows": 2}], schema, "b")
    assert not append_once(path, [{"step": "b", "rows": 2}], schema, "b")
    assert sorted(row["rows"] for row in read_records(path)) == [1, 2]


@pytest.mark.proves("F10")
def test_an_entry_that_says_other_than_the_last_of_its_name_is_made(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = write_table(spark.range(3).toDF("id"), str(tmp_path / "rides" / "raw" / "rides"), "r")
    layout = Layout(str(tmp_path), "rides")
    for success in (True, True, False, True):
        report: dict[str, object] = {"table": str(table), "success": success, "checks": []}
        account_for(_checked(report), layout)
    assert [row["passed"] for row in read_ledger(layout)] == [True, False, True]


def _rows(spark: SparkSession, path: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in spark.read.format("delta").load(path).collect())


def _checked(report: dict[str, object]) -> StepResult:
    """The same check, by name, with another verdict: what it rests on has changed."""
    return StepResult("validate-raw", "rides", "same", details={"reports": [report]})


def _repeat(spark: SparkSession, root: Path, version: int) -> StepResult:
    raw = f"{root / 'rides' / 'raw' / 'rides'}@v{version}"
    mark_passed(parse_version(raw))
    params = pipelines.deduplicate.DeduplicateParams("rides", str(root), (raw,))
    return pipelines.deduplicate.run(spark, params)
