"""Upkeep: fewer files and the same rows; what is pinned stays, what is not is refused clearly."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

import pipelines.maintain as module
from pipelines.errors import DataQualityError, ParameterError, TableError
from pipelines.layout import Layout
from pipelines.loading.manifest import read_manifest
from pipelines.maintain import Maintained, MaintainParams, Upkeep, run
from pipelines.registry import store
from pipelines.step import StepResult
from pipelines.tables.commits import versions
from pipelines.tables.delta import count_rows, is_standing, is_written, read_table
from pipelines.tables.ledger_table import read_ledger, require_passed
from pipelines.tables.live_files import live_paths
from pipelines.tables.pins import pin_tables
from pipelines.tables.version import TableVersion
from pipelines.tables.write import write_table
from tests.passed import mark_passed
from tests.pipelines.loading.tables import COLUMNS, rows

ROOT = Path(__file__).parents[2]
Maintain = Callable[..., Maintained]


@pytest.fixture
def maintain(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maintain:
    monkeypatch.setattr(module, "dataset", lambda name: type("Spec", (), {"name": name}))

    def maintain(days: int = 0, *, dry_run: bool = False) -> Maintained:
        return run(lambda: spark, MaintainParams("rides", str(tmp_path), days, dry_run))

    return maintain


def _write(spark: SparkSession, path: str) -> TableVersion:
    """Write a table of five small files."""
    return write_table(spark.range(0, 50, 1, 5), path, "r0")


def _ids(spark: SparkSession, table: TableVersion) -> list[int]:
    return sorted(row["id"] for row in read_table(spark, table).collect())


def _of(done: Maintained, name: str) -> Upkeep:
    (found,) = [item for item in done.tables if item.table == name]
    return found


def _state(folder: Path) -> dict[str, int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


def test_small_files_are_joined_and_the_verdict_holds_for_the_same_rows(
    maintain: Maintain, spark: SparkSession, tmp_path: Path
) -> None:
    table = _write(spark, Layout(str(tmp_path), "rides").table("raw", "rides"))
    before = _state(tmp_path)
    dry = maintain(dry_run=True)
    assert {**_state(tmp_path)}.keys() - before.keys() <= {
        "rides/maintenance.lock", "rides/raw/rides.lock",
    }  # fmt: skip
    assert (_of(dry, "raw/rides").files_joined, dry.is_dry_run) == (5, True)
    done = _of(maintain(), "raw/rides")
    assert (done.files_joined, done.version) == (4, 1)
    joined = TableVersion(table.path, 1)
    assert _ids(spark, joined) == list(range(50))
    assert (len(live_paths(joined)), count_rows(joined)) == (1, 50)
    with pytest.raises(DataQualityError, match="rides@v1 has not been checked"):
        require_passed([str(joined)])
    mark_passed(table)
    require_passed([str(joined)])
    mark_passed(joined, success=False)
    with pytest.raises(DataQualityError, match="has failed its checks"):
        require_passed([str(joined)])
    assert maintain().tables == (
        Upkeep("raw/rides", 1, 0, 0, 0, {"v1": ("the last run in the ledger",)}),
        Upkeep("rides/ledger", 1, 0, 0, 0, {}),
    )


def test_a_version_is_read_until_nobody_pins_it_and_then_refused_in_one_line(
    maintain: Maintain, spark: SparkSession, tmp_path: Path
) -> None:
    layout = Layout(str(tmp_path), "rides")
    path = layout.table("features", "rides")
    tables = [
        write_table(spark.range(start, start + 9, 1, 1), path, f"f{start}")
        for start in (0, 10, 20, 30, 40)
    ]
    mark_passed(tables[3])
    registry = store.open_registry("", layout.registry)
    package = tmp_path / "package"
    package.mkdir()
    (package / "manifest.json").write_text("{}")
    store.add_version(
        registry, "rides", "t0", package, store.Logged({}, {}, {"features": str(tables[0])})
    )
    pin_tables(layout.trainings / "t1", [tables[1]])
    done = _of(maintain(), "features/rides")
    assert done.protected == {
        "v0": ("model rides 1",),
        "v1": ("the training t1, not finished",),
        "v3": ("the last run in the ledger",),
    }
    assert (done.removed, done.files_joined, done.version) == (1, 0, 4)
    for number in (0, 1, 3, 4):
        assert _ids(spark, tables[number]) == list(range(number * 10, number * 10 + 9))
    gone = r"features/rides@v2 can't be read any more: 1 of its files were removed"
    with pytest.raises(TableError, match=gone):
        read_table(spark, tables[2])
    (layout.steps).mkdir()
    (layout.steps / "train-t1.json").write_text("{}")
    assert _of(maintain(), "features/rides").removed == 1
    with pytest.raises(TableError, match="rides@v1 can't be read any more"):
        read_table(spark, tables[1])
    assert is_standing(tables[1])
    # so the step that wrote it is done again
    results = [StepResult("made", "rides", "f", (str(table),)) for table in (tables[1], tables[4])]
    assert list(map(is_written, results)) == [False, True]
    left = [file.name for file in Path(path).iterdir() if "parquet" in file.name]
    assert len(left) == 6  # three data files and their checksums


def test_a_manifest_of_a_pinned_version_is_read_until_its_files_are_gone(
    maintain: Maintain, tmp_path: Path
) -> None:
    layout = Layout(str(tmp_path), "rides")
    path = Path(layout.table("features", "rides"))
    path.mkdir(parents=True)
    for seed in (1, 2):
        table = rows(30, seed=seed)
        table = table.append_column("split", pa.array(["train"] * 30))
        write_deltalake(str(path), table, mode="overwrite", partition_by=["split"])
    pin_tables(layout.trainings / "t1", [TableVersion(str(path), 0)])
    assert maintain().removed == 0
    assert read_manifest(str(path), 0, COLUMNS).num_rows("train") == 30
    layout.steps.mkdir()
    (layout.steps / "train-t1.json").write_text("{}")
    assert maintain().removed == 1
    with pytest.raises(TableError, match=r"^[^\n]*part-[^\n]*$"):
        read_manifest(str(path), 0, COLUMNS)
    assert read_manifest(str(path), 1, COLUMNS).num_rows("train") == 30


def test_files_of_other_versions_stay_until_they_are_old(
    maintain: Maintain, spark: SparkSession, tmp_path: Path
) -> None:
    path = Layout(str(tmp_path), "rides").table("raw", "rides")
    first = write_table(spark.range(3), path, "a")
    write_table(spark.range(4), path, "b")
    orphan = Path(path) / "part-0-killed.parquet"
    orphan.write_bytes(b"half")
    assert maintain(1).removed == 0
    assert _ids(spark, first) == [0, 1, 2]
    assert maintain(0).removed_bytes > 4
    assert not orphan.exists()


def test_the_small_tables_are_joined_and_folders_of_killed_steps_go(
    maintain: Maintain, spark: SparkSession, tmp_path: Path
) -> None:
    layout = Layout(str(tmp_path), "rides")
    path = layout.table("raw", "rides")
    for count in range(1, 7):
        mark_passed(write_table(spark.range(count), path, f"r{count}"))
    before = read_ledger(layout)
    old, young = layout.scratch("ingest", "0ld"), layout.scratch("ingest", "young")
    for folder in (old, young):
        (folder / "rides").mkdir(parents=True)
    past = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for folder in (old / "rides", old):
        os.utime(folder, (past, past))
    done = maintain()
    assert _of(done, "rides/ledger").files_joined == 5
    assert _of(done, "rides/ledger").removed == 6
    assert read_ledger(layout) == before
    assert len(before) == 6
    assert done.scratch == (old.name,)
    assert [folder.exists() for folder in (old, young)] == [False, True]
    mark_passed(write_table(spark.range(9), path, "r9"))
    assert len(read_ledger(layout)) == 7


def test_an_upkeep_that_is_killed_leaves_readable_tables_and_the_next_ends_it(
    maintain: Maintain, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Layout(str(tmp_path), "rides").table("raw", "rides")
    tables = [write_table(spark.range(n), path, f"r{n}") for n in (3, 4, 5)]
    real = Path.unlink
    calls: list[Path] = []

    def unlink(self: Path, **given: bool) -> None:
        calls.append(self)
        if len(calls) == 2:  # the checksums of a data file are gone, it is not
            raise KeyboardInterrupt
        real(self, **given)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        with pytest.raises(KeyboardInterrupt):
            maintain()
    assert _ids(spark, tables[2]) == [0, 1, 2, 3, 4]
    assert maintain().removed > 0
    assert maintain().removed == 0
    assert _ids(spark, tables[2]) == [0, 1, 2, 3, 4]
    left = [file for file in Path(path).iterdir() if "parquet" in file.name]
    assert len(live_paths(tables[2])) * 2 == len(left)


def test_two_at_once_take_turns(maintain: Maintain, spark: SparkSession, tmp_path: Path) -> None:
    path = Layout(str(tmp_path), "rides").table("raw", "rides")
    table = _write(spark, path)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: _of(maintain(), "raw/rides"), range(2)))
    assert sorted(item.files_joined for item in done) == [0, 4]
    assert sum(item.removed for item in done) == 5
    assert _ids(spark, TableVersion(path, 1)) == list(range(50))
    assert (versions(path), table.version) == ([0, 1], 0)


def test_bad_parameters_are_refused_before_anything_is_done(
    maintain: Maintain, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match="expected 0 or more; got -1"):
        maintain(-1)
    with pytest.raises(ParameterError, match=r"there is none\. Give the --root"):
        maintain()
    assert list(tmp_path.iterdir()) == []


def test_models_of_a_registry_that_is_not_named_are_not_taken_for_none(
    maintain: Maintain, spark: SparkSession, tmp_path: Path
) -> None:
    table = _write(spark, Layout(str(tmp_path), "rides").table("raw", "rides"))
    (tmp_path / "registry" / "artifacts" / "1").mkdir(parents=True)
    with pytest.raises(ParameterError, match="--registry: expected the postgresql://"):
        maintain()
    assert len(live_paths(table)) == 5
    assert versions(table.path) == [0]


def test_the_job_needs_no_spark_where_there_is_nothing_to_join(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = Layout(str(tmp_path), "flights").table("raw", "flights")
    for count in (3, 4):
        write_table(spark.range(count), path, f"r{count}")
    command = [sys.executable, str(ROOT / "jobs" / "maintain.py"), "--dataset", "flights"]
    command += ["--root", str(tmp_path), "--older-than-days", "0"]
    environment = {**os.environ, "JAVA_HOME": "/nowhere", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"removed": ' in done.stdout
    assert done.stdout.count("\n") == 1
