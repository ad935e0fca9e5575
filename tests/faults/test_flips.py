"""A flipped bit is detected before anything is used, or changes nothing."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from pipelines.errors import TableError
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.predict import open_predictor
from pipelines.failures import plain_words
from pipelines.layout import Layout
from pipelines.loading.columns import InputColumns
from pipelines.loading.manifest import read_manifest
from pipelines.registry.package import MANIFEST, Contents, build_package, open_package
from pipelines.state import file_digest, read_features, read_json, write_json
from pipelines.step import Fates, StepResult, read_result
from pipelines.tables.delta import read_table
from pipelines.tables.ledger_table import account_for, read_ledger
from pipelines.tables.live_files import live_paths
from pipelines.tables.version import TableVersion
from pipelines.tables.write import write_table
from pipelines.training.checkpoint import Checkpoints, Progress
from tests.faults.flips import flip_bits
from tests.faults.readers import content
from tests.pipelines import tiny

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Record = Callable[[str, Any], None]
RESULT = StepResult(
    "split", "tiny", "0123456789abcdef", rows={"orders": Fates(7, 5, 1, {"sql(x)": 1})}, seconds=1.5
)


def _files(folder: Path) -> list[Path]:
    """All files below a folder but those of no bytes, and locks."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]


@pytest.fixture
def table(spark: "SparkSession", tmp_path: Path) -> Path:
    """A features table that Spark has written, of one file for each split."""
    tiny.write_features(tmp_path / "plain")
    rows = spark.read.parquet(*map(str, (tmp_path / "plain").glob("split=*/part-*.parquet")))
    split = "case when order_id < 40 then 'train' else 'validation' end as split"
    few = rows.where("order_id < 60").selectExpr("*", split).coalesce(1)
    write_table(few, str(tmp_path / "features"), "made", ("split",))
    return tmp_path / "features"


def _load(table: Path) -> tuple[Any, str]:
    manifest = read_manifest(str(table), 0, InputColumns.of(tiny.FEATURES))
    return manifest, content(table, 0)


def _is_for_training(path: Path) -> bool:
    """Whether training opens a file: Delta's own summary of a version is for Spark only."""
    return not path.name.lstrip(".").startswith(f"{0:020d}.crc")


@pytest.mark.proves("F18")
def test_in_a_table_that_training_reads(table: Path, record_property: Record) -> None:
    files = [path for path in _files(table) if _is_for_training(path)]
    found = flip_bits(files, lambda: _load(table), 800, seed=1)
    assert found == {"detected": 800}
    record_property("flips: tables, read without Spark", found.total())


def _with_spark(spark: "SparkSession", table: Path) -> list[Any]:
    """Read with a fresh snapshot; what Spark says becomes a line, as in a job."""
    java: Any = spark.sparkContext._jvm
    java.org.apache.spark.sql.delta.DeltaLog.clearCache()
    try:
        return sorted(read_table(spark, TableVersion(str(table), 0)).collect())
    except (PySparkException, Py4JError) as error:
        said = plain_words(error)
        raise TableError(said or f"no plain words for {error}") from error


def _flip_under_spark(spark: "SparkSession", table: Path, count: int) -> int:
    found = flip_bits(_files(table), lambda: _with_spark(spark, table), count, seed=7)
    # the summary of a version is a help that Spark does without
    assert found["detected"] > count // 2
    return found.total()


@pytest.mark.proves("F18")
def test_in_a_table_that_spark_reads(
    spark: "SparkSession", table: Path, record_property: Record
) -> None:
    record_property("flips: tables, read by Spark", _flip_under_spark(spark, table, 20))


@pytest.mark.slow
@pytest.mark.proves("F18")
def test_often_in_a_table_that_spark_reads(
    spark: "SparkSession", table: Path, record_property: Record
) -> None:
    record_property("flips: tables, read by Spark, slow", _flip_under_spark(spark, table, 200))


@pytest.mark.proves("F18")
def test_in_the_summary_of_a_version(table: Path, record_property: Record) -> None:
    # delta-rs goes by it in place of the commits
    files = [path for path in _files(table) if not _is_for_training(path)]
    found = flip_bits(files, lambda: live_paths(TableVersion(str(table), 0)), 200, seed=9)
    assert found == {"detected": 200}
    record_property("flips: summaries of versions", found.total())


@pytest.mark.proves("F18")
def test_in_a_model(tmp_path: Path, record_property: Record) -> None:
    path = Path(tiny.save_model(tmp_path / "model.keras"))
    rows = Arrays(np.ones((3, 2), np.float32), np.ones((3, 1), np.int32), np.ones(3, np.int32))

    def load() -> list[float]:
        # as evaluate does, which has no digest to hold the file to
        return open_predictor(str(path), file_digest(path))(rows).tolist()

    found = flip_bits([path], load, 60, seed=8)
    assert found["detected"] > 50
    record_property("flips: models", found.total())


@pytest.mark.proves("F18")
def test_in_the_ledger(tmp_path: Path, record_property: Record) -> None:
    layout = Layout(str(tmp_path), "tiny")
    tiny.write_features(tmp_path / "tiny" / "split" / "orders")
    for number in range(3):
        table = f"{tmp_path}/tiny/split/orders@v0"
        account_for(replace(RESULT, fingerprint=f"{number}", tables=(table,)), layout)
    found = flip_bits(_files(layout.ledger), lambda: read_ledger(layout), 200, seed=2)
    assert found["detected"] > 150
    record_property("flips: ledger", found.total())


@pytest.mark.proves("F18")
def test_in_a_record_of_a_step(tmp_path: Path, record_property: Record) -> None:
    path = tmp_path / "split-0123456789abcdef.json"
    write_json(path, asdict(RESULT))
    found = flip_bits([path], lambda: read_result(read_json(path)), 400, seed=3)
    assert found == {"detected": 400}
    record_property("flips: records of steps", found.total())


@pytest.mark.proves("F18")
def test_in_a_fitted_state(tmp_path: Path, record_property: Record) -> None:
    path = tmp_path / "engineer_features.json"
    write_json(path, tiny.STATE)
    found = flip_bits([path], lambda: (read_features(path), read_json(path)), 400, seed=4)
    assert found == {"detected": 400}
    record_property("flips: fitted states", found.total())


@pytest.mark.proves("F18")
def test_in_a_checkpoint(tmp_path: Path, record_property: Record) -> None:
    variables = [keras.Variable(np.arange(40, dtype=np.float32)), keras.Variable(np.ones((5, 3)))]
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2):
        checkpoints.save(variables, Progress(epoch, 1, 0.5, [{"loss": 0.5}]))
    checkpoints.wait()

    def load() -> Any:
        return checkpoints.load("last"), checkpoints.load("best")

    found = flip_bits(_files(tmp_path), load, 400, seed=5)
    assert found == {"detected": 400}
    record_property("flips: checkpoints", found.total())


@pytest.mark.proves("F18")
def test_in_a_registered_package(tmp_path: Path, record_property: Record) -> None:
    sources = {name: tmp_path / name for name in ("model.keras", "features_state.json")}
    for name, path in sources.items():
        path.write_bytes(name.encode() * 50)
    package = tmp_path / "package"
    digest = build_package(package, Contents(sources, {"name": "tiny"}, {"code": "0"}))
    found = flip_bits(_files(package), lambda: open_package(package, digest), 200, seed=6)
    assert found == {"detected": 200}
    assert (package / MANIFEST).exists()
    record_property("flips: registered packages", found.total())
