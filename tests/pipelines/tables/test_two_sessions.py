"""Two processes write one table: nothing that was acknowledged is lost, nothing is there twice.

The other one is held just before its commit takes its name, so the order of events is fixed,
whatever the machine's load.
"""

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pipelines.tables.commits import commit_path, versions
from tests.faults.preload import Hold, build_shim, preloaded
from tests.pipelines.tables.other_session import add_one, append, compact

ROOT = Path(__file__).parents[3]
_FILES = ("add", "remove")


class Other:
    """The other process."""

    def __init__(self, process: "subprocess.Popen[str]", hold: Hold) -> None:
        self._process = process
        self._hold = hold

    def held(self, action: str, path: str, name: str = "") -> AbstractContextManager[None]:
        """Have it begin ``action``, and stand before its commit while the block runs."""
        return self._hold.held(self._process, lambda: self.begin(action, path, name))

    def begin(self, action: str, path: str, name: str = "") -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps([action, path, name]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith(("ready", "done", "conflict", "failed")):
                return line.strip()
        raise AssertionError(f"the other process ended with {self._process.wait()}")


@contextmanager
def started(program: str, folder: Path) -> Generator[Other]:
    hold = Hold(folder / "hold")
    settings: Any = {"calls": "link,rename", "names": "/_delta_log/0", "delay_ms": 200}
    environment = preloaded(build_shim(folder), **settings, delay_seed=7, hold=str(hold.path))
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / program)],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        other = Other(process, hold)
        assert other.answer() == "ready"
        yield other
    finally:
        process.communicate()  # it ends with its input


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    with started("other_session.py", tmp_path_factory.mktemp("other")) as other:
        yield other


@pytest.mark.proves("F5")
def test_an_append_that_comes_second_is_appended_after_the_first(
    spark: SparkSession, other: Other, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    append(spark, path, "before")
    with other.held("append", path, "theirs"):
        append(spark, path, "ours")
        assert _totals(spark, path) == [("before", 1), ("ours", 1)]
    assert other.answer() == "done"
    assert _totals(spark, path) == [("before", 1), ("ours", 1), ("theirs", 1)]
    assert versions(path) == [0, 1, 2]


@pytest.mark.proves("F5")
def test_of_two_that_make_a_table_the_second_is_refused(
    spark: SparkSession, other: Other, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    with other.held("append", path, "theirs"):
        append(spark, path, "ours")
    assert other.answer() == "conflict ProtocolChangedException"
    assert _totals(spark, path) == [("ours", 1)]


@pytest.mark.proves("F5")
def test_a_step_whose_write_conflicts_with_one_that_ignores_the_lock_writes_again(
    spark: SparkSession, other: Other, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    append(spark, path, "before")
    with other.held("replace", path, "theirs"):
        changed = spark.range(2).write.format("delta").mode("overwrite")
        changed.option("overwriteSchema", "true").save(path)
    assert other.answer() == "done"
    assert _totals(spark, path) == [("theirs", 1)]
    assert versions(path) == [0, 1, 2]


@pytest.mark.proves("F5")
def test_rows_that_one_that_ignores_the_lock_has_appended_stay_in_its_version(
    spark: SparkSession, other: Other, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    append(spark, path, "before")
    with other.held("replace", path, "theirs"):
        append(spark, path, "ours")
    assert other.answer() == "done"
    # a step replaces its table: as if the append had come before it
    assert _totals(spark, path) == [("theirs", 1)]
    assert versions(path) == [0, 1, 2]
    assert _totals(spark, path, 1) == [("before", 1), ("ours", 1)]


@pytest.mark.proves("F6")
def test_of_two_merges_of_one_key_the_second_is_refused_and_can_be_repeated(
    spark: SparkSession, other: Other, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    append(spark, path, "key")
    with other.held("add_one", path, "key"):
        add_one(spark, path, "key")
    assert other.answer().startswith("conflict Concurrent")
    assert _totals(spark, path) == [("key", 2)]
    other.begin("add_one", path, "key")
    assert other.answer() == "done"
    assert _totals(spark, path) == [("key", 3)]


@pytest.mark.proves("F8")
@pytest.mark.parametrize("is_append_first", [False, True])
def test_compacting_during_an_append_changes_no_row(
    spark: SparkSession, other: Other, tmp_path: Path, *, is_append_first: bool
) -> None:
    path = str(tmp_path / "t")
    append(spark, path, "a")
    append(spark, path, "b")
    if is_append_first:
        with other.held("compact", path):
            append(spark, path, "ours")
    else:
        with other.held("append", path, "ours"):
            compact(spark, path, "")
    assert other.answer() == "done"
    assert _totals(spark, path) == [("a", 1), ("b", 1), ("ours", 1)]
    compacted = 3 if is_append_first else 2
    files = [json.loads(line) for line in commit_path(path, compacted).read_text().splitlines()]
    changes = [
        file["dataChange"] for line in files for kind, file in line.items() if kind in _FILES
    ]
    assert changes == [False, False, False]


@pytest.mark.proves("F5")
def test_spark_and_a_process_without_it_append_to_one_table(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    append(spark, path, "before")
    with started("other_records.py", tmp_path) as records:
        with records.held("append", path, "theirs"):
            append(spark, path, "ours")
        assert records.answer() == "done"
    assert _totals(spark, path) == [("before", 1), ("ours", 1), ("theirs", 1)]
    assert versions(path) == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.proves("F5", "F6")
def test_many_appends_and_merges_of_two_sessions_are_all_there_once(
    spark: SparkSession, other: Other, tmp_path: Path
) -> None:
    path = str(tmp_path / "t")
    append(spark, path, "key")
    for number in range(12):
        other.begin("append", path, f"theirs {number}")
        other.begin("add_one", path, "key")
    for number in range(12):
        append(spark, path, f"ours {number}")
    answers = [other.answer() for _ in range(24)]
    assert answers[::2] == ["done"] * 12
    total = 1 + answers[1::2].count("done")
    names = [f"{who} {number}" for who in ("ours", "theirs") for number in range(12)]
    assert _totals(spark, path) == sorted([("key", total), *[(name, 1) for name in names]])


def _totals(spark: SparkSession, path: str, version: int | None = None) -> list[tuple[str, int]]:
    reader = spark.read.format("delta")
    reader = reader if version is None else reader.option("versionAsOf", version)
    rows = reader.load(path).collect()
    return sorted((row["name"], row["total"]) for row in rows)
