"""No session writes Delta's log on a local disk or on S3 by another store than ours."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pipelines.errors import GristmillError, ParameterError
from pipelines.spark import log_store
from pipelines.spark.session import spark_session
from pipelines.tables.commits import LOG
from pipelines.tables.write import write_table

DEFAULT = "io.delta.storage.HDFSLogStore"


@contextmanager
def started_with(spark: SparkSession, **settings: str | None) -> Generator[None]:
    """The session as it were if it had been started with other settings of delta.logStore."""
    context: Any = spark.sparkContext
    conf = context._jsc.sc().conf()
    given = {f"spark.delta.logStore.{name.replace('_', '.')}": v for name, v in settings.items()}
    for key, value in given.items():
        if value is None:
            conf.remove(key)
        else:
            conf.set(key, value)
    try:
        yield
    finally:
        for key in given:
            conf.remove(key)
        for key, value in log_store.SETTINGS.items():
            conf.set(key, value)


_OURS = ("file_impl", "s3_impl", "s3a_impl", "s3n_impl")
OTHERS: list[tuple[dict[str, str | None], str]] = [
    ({"file_impl": None}, DEFAULT),
    ({"file_impl": DEFAULT}, DEFAULT),
    # Delta takes one for all schemes only where none has its own
    (
        {**dict.fromkeys(_OURS), "class": "io.delta.storage.LocalLogStore"},
        "LocalLogStore",
    ),
]


@pytest.mark.proves("F7")
@pytest.mark.parametrize(("settings", "named"), OTHERS)
def test_a_session_with_another_store_is_refused_and_writes_nothing(
    spark: SparkSession, tmp_path: Path, settings: dict[str, str | None], named: str
) -> None:
    with started_with(spark, **settings):
        with pytest.raises(GristmillError, match=rf"by {log_store.CLASS}; .*{named}.* stop the se"):
            spark_session("again")
        with pytest.raises(GristmillError, match=named):
            write_table(spark.range(3).toDF("id"), str(tmp_path / "t"), "f")
    assert not (tmp_path / "t").exists()
    log_store.require_log_store(spark)


@pytest.mark.proves("F7")
def test_a_missing_class_is_named_with_what_to_do(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(log_store.SAFE, "", "gristmill.Nowhere")
    with pytest.raises(GristmillError, match=r"gristmill.Nowhere .*not there.*infra/bin/setup"):
        spark_session("again")


def test_the_files_of_the_log_are_for_their_owner_only(spark: SparkSession, tmp_path: Path) -> None:
    table = write_table(spark.range(3).toDF("id"), str(tmp_path / "t"), "f")
    commit = f"{0:020d}.json"
    modes = {path.name: path.stat().st_mode & 0o777 for path in Path(table.path, LOG).iterdir()}
    assert modes[commit] == modes[f".{commit}.crc"] == 0o600


def test_a_session_with_deltas_own_store_for_s3_is_refused(spark: SparkSession) -> None:
    log_store.require_log_store(spark, "s3a://bucket/table")
    with (
        started_with(spark, s3a_impl=None),
        pytest.raises(GristmillError, match=r"tables on S3 by gristmill.Cond.*S3SingleDriver"),
    ):
        log_store.require_log_store(spark, "s3a://bucket/table")
    log_store.require_log_store(spark, "s3a://bucket/table")


def test_deltas_own_store_is_taken_on_hdfs_and_no_store_elsewhere(spark: SparkSession) -> None:
    log_store.require_log_store(spark, "hdfs://127.0.0.1:9/table")
    with (
        started_with(spark, hdfs_impl="io.delta.storage.LocalLogStore"),
        pytest.raises(GristmillError, match=r"uses io.delta.storage.LocalLogStore"),
    ):
        log_store.require_log_store(spark, "hdfs://127.0.0.1:9/table")
    with pytest.raises(ParameterError, match="expected a table on a local disk, s3a:// or hdfs://"):
        log_store.require_log_store(spark, "wasb://store/table")
