"""Tasks and workers that die, files that are altered or gone, and a driver out of memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from pipelines.cli import report_errors
from pipelines.tables.delta import read_table, versions
from pipelines.tables.version import TableVersion
from pipelines.tables.write import write_table
from tests.faults.readers import content

ROOT = Path(__file__).parents[2]
Batches = Iterable[pa.RecordBatch]


def _die(flag: Path, how: Callable[[], None]) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Give a function for a worker that dies ``how`` after its first batch, the first time."""

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch
            try:
                flag.touch(exist_ok=False)
            except FileExistsError:
                continue
            how()

    return work


def _raise() -> None:
    raise RuntimeError("the disk of this executor hiccupped")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(_raise, marks=pytest.mark.proves("F12")),
        pytest.param(_kill, marks=pytest.mark.proves("F13")),
    ],
)
def test_a_task_that_fails_once_is_repeated_and_no_row_is_lost_or_doubled(
    spark: SparkSession, tmp_path: Path, how: Callable[[], None]
) -> None:
    flag = tmp_path / "died"
    rows = spark.range(0, 1000, 1, 2).mapInArrow(_die(flag, how), "id long")
    written = write_table(rows, str(tmp_path / "table"), "made")
    assert flag.exists()
    found = sorted(row["id"] for row in read_table(spark, written).collect())
    assert found == list(range(1000))


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> TableVersion:
    return write_table(spark.range(0, 500, 1, 1), str(tmp_path / "table"), "made")


def _read(spark: SparkSession, table: TableVersion, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped, report_errors():
        read_table(spark, table).collect()
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1, said
    return said


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(_flip, "expected the bytes", marks=pytest.mark.proves("F18")),
        pytest.param(_cut, "expected", marks=pytest.mark.proves("F19")),
        pytest.param(Path.unlink, "can't be read any more", marks=pytest.mark.proves("F20")),
    ],
)
def test_a_file_that_was_harmed_is_named_by_a_step_of_spark(
    spark: SparkSession,
    table: TableVersion,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], None],
    said: str,
) -> None:
    (file,) = Path(table.path).glob("*.parquet")
    harm(file)
    line = _read(spark, table, capsys)
    assert said in line
    assert file.name in line


_FILL = """
import sys
from pipelines.cli import report_errors
from pipelines.spark.session import spark_session
from pipelines.tables.write import write_table
with report_errors():
    spark = spark_session("memory")
    # one value of 1 GB: more than the heap, whatever the machine
    write_table(spark.range(1).selectExpr("repeat('x', 1000000000) as x"), sys.argv[1], "second")
"""


@pytest.mark.proves("F14")
def test_a_driver_out_of_memory_says_so_and_the_old_version_stays(
    table: TableVersion, tmp_path: Path
) -> None:
    before = content(Path(table.path), 0)
    done = subprocess.run(
        [sys.executable, "-c", _FILL, table.path],
        cwd=ROOT,
        env={**os.environ, "PYSPARK_SUBMIT_ARGS": "--driver-memory 512m pyspark-shell"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "error: Spark's driver ran out of memory" in done.stderr
    assert "Traceback" not in done.stderr
    assert versions(table.path) == [0]
    assert content(Path(table.path), 0) == before
