"""The ledger of a data set: one entry for each step and verdict, however often it is entered."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError
from pyspark.sql import SparkSession

from pipelines.errors import DataQualityError, TableError
from pipelines.layout import Layout
from pipelines.step import Fates, StepResult
from pipelines.tables import measures_table, write_records
from pipelines.tables.ledger_table import account_for, read_ledger, require_passed
from pipelines.tables.measures_table import Past, keep_numbers, last_versions
from pipelines.tables.records import read_records
from pipelines.tables.version import TableVersion
from pipelines.tables.write import write_table
from pipelines.tables.write_records import append_once
from tests.opened import opened
from tests.passed import mark_passed


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> TableVersion:
    return write_table(spark.range(3).toDF("id"), str(tmp_path / "rides" / "raw" / "rides"), "run1")


def test_a_step_is_entered_once(table: TableVersion, tmp_path: Path) -> None:
    layout = Layout(str(tmp_path), "rides")
    fates = Fates(read=5, kept=3, quarantined={"type:id": 1}, filtered={"blank": 1})
    result = StepResult("ingest", "rides", "run1", (str(table),), {"rides": fates}, seconds=1.5)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: account_for(result, layout), range(8)))
    (entry,) = read_ledger(layout)
    assert (entry["table"], entry["version"], entry["commit"]) == ("raw/rides", 0, "run1")
    assert (entry["read"], entry["kept"], entry["duplicate"], entry["passed"]) == (5, 3, 0, None)
    assert (entry["quarantined"], entry["filtered"]) == ([("type:id", 1)], [("blank", 1)])


def test_a_version_is_readable_once_it_has_passed(table: TableVersion) -> None:
    with pytest.raises(DataQualityError, match=r"rides@v0 has not been checked; .*validate.py"):
        require_passed([str(table)])
    mark_passed(table)
    require_passed([str(table)])
    mark_passed(table, success=False)
    with pytest.raises(DataQualityError, match="rides@v0 has failed its checks"):
        require_passed([str(table)])


@pytest.mark.proves("F32")
def test_the_last_verdict_counts_even_if_the_clock_has_gone_back(
    table: TableVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_passed(table)

    class Back(datetime):
        """A clock that is set back by an hour, as on the night that summer time ends."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) - timedelta(hours=1)

    monkeypatch.setattr("pipelines.tables.ledger_table.datetime", Back)
    mark_passed(table, success=False)
    with pytest.raises(DataQualityError, match="rides@v0 has failed its checks"):
        require_passed([str(table)])
    entries = read_ledger(Layout(str(tmp_path), "rides"))
    assert [entry["passed"] for entry in entries] == [True, False]


def test_a_verdict_is_about_one_commit(
    spark: SparkSession, table: TableVersion, tmp_path: Path
) -> None:
    mark_passed(table)
    other = write_table(spark.range(4).toDF("id"), table.path, "run2")
    with pytest.raises(DataQualityError, match="rides@v1 has not been checked"):
        require_passed([str(other)])
    made_anew = tmp_path / "again" / "rides" / "raw" / "rides"
    write_table(spark.range(4).toDF("id"), str(made_anew), "run3")
    (tmp_path / "rides" / "ledger").rename(made_anew.parent.parent / "ledger")
    with pytest.raises(DataQualityError, match="rides@v0 has not been checked"):
        require_passed([f"{made_anew}@v0"])


def test_a_table_that_no_step_has_written_has_no_ledger(
    spark: SparkSession, tmp_path: Path
) -> None:
    spark.range(3).write.format("delta").save(str(tmp_path / "theirs"))
    require_passed([f"{tmp_path / 'theirs'}@v0"])


def test_numbers_of_versions_that_passed_are_history(
    spark: SparkSession, table: TableVersion, tmp_path: Path
) -> None:
    layout = Layout(str(tmp_path), "rides")
    versions = [table]
    versions += [write_table(spark.range(n).toDF("id"), table.path, f"r{n}") for n in (4, 5, 6)]
    for number, version in enumerate(versions[:3]):
        keep_numbers(layout, version, {"rows": number, "mean(id)": None}, passed=number != 1)
    zero, one, two = (Past(n, n != 1, {"rows": float(n), "mean(id)": None}) for n in range(3))
    assert last_versions(layout, versions[3], 5, 0) == [zero, one, two]
    assert last_versions(layout, versions[3], 1, 0) == [two]
    assert last_versions(layout, versions[2], 1, 0) == [zero, one]
    assert last_versions(layout, versions[2], 0, 1) == [one]
    assert last_versions(layout, versions[3], 0, 0) == []


def test_the_last_versions_are_read_from_few_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_records, "_COMPACT_EVERY", 50)
    monkeypatch.setattr(measures_table, "BLOCK", 20)
    layout = Layout(str(tmp_path), "rides")
    path = tmp_path / "rides" / "raw" / "rides"
    log = path / "_delta_log"
    log.mkdir(parents=True)
    for version in range(60):
        commit = f'{{"commitInfo":{{"userMetadata":"r{version}"}}}}'
        (log / f"{version:020d}.json").write_text(commit)
        passed = version % 10 == 0
        keep_numbers(layout, TableVersion(str(path), version), {"rows": version}, passed=passed)
    for version, num_passed, num_opened in ((60, 0, 8), (52, 2, 4)):
        with opened(layout.measures) as files:
            found = last_versions(layout, TableVersion(str(path), version), num_passed, 8)
        assert len(found) >= 8
        assert sum(past.passed for past in found) >= num_passed
        assert found[-1].numbers == {"rows": version - 1.0}
        data = [name for name in files if name.endswith(".parquet") and "_delta_log" not in name]
        assert len(data) == num_opened
        assert len([name for name in files if name.endswith(".json")]) <= 20


def test_a_table_of_an_earlier_release_goes_on_as_it_is(
    table: TableVersion, tmp_path: Path
) -> None:
    layout = Layout(str(tmp_path), "rides")
    keep_numbers(layout, table, {"rows": 1}, passed=True)
    (path,) = layout.measures.rglob("*/*.parquet")
    no_partitions: Any = None  # the folder's name says one more column
    rows = pq.read_table(path, partitioning=no_partitions)
    shutil.rmtree(layout.measures)
    write_deltalake(str(layout.measures), rows)
    keep_numbers(layout, TableVersion(table.path, 1), {"rows": 2}, passed=True)
    found = last_versions(layout, TableVersion(table.path, 2), 1, 9)
    assert [past.numbers["rows"] for past in found] == [1, 2]


def test_what_another_writer_says_meanwhile_is_not_said_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, schema = tmp_path / "ledger", pa.schema([("name", pa.string())])
    append_once(path, [{"name": "a"}], schema, "a")
    tries: list[str] = []

    def after_the_other(*words: Any, **properties: Any) -> None:
        tries.append("b")
        write_deltalake(*words, **properties)
        raise CommitFailedError("Failed to commit transaction: Concurrent transaction failed.")

    monkeypatch.setattr(write_records, "write_deltalake", after_the_other)
    assert not append_once(path, [{"name": "b"}], schema, "b")
    assert tries == ["b"]
    assert sorted(row["name"] for row in read_records(path)) == ["a", "b"]


def test_who_never_gets_to_commit_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, schema = tmp_path / "ledger", pa.schema([("name", pa.string())])
    append_once(path, [{"name": "a"}], schema, "a")

    def always_late(*_: Any, **__: Any) -> None:
        raise CommitFailedError("Failed to commit transaction: Concurrent transaction failed.")

    monkeypatch.setattr(write_records, "write_deltalake", always_late)
    with pytest.raises(TableError, match="expected to append 1 rows to the table"):
        append_once(path, [{"name": "b"}], schema, "b")
    assert [row["name"] for row in read_records(path)] == ["a"]
