"""Spark starts on a Java that it can run on, with the settings that the code relies on."""

from pathlib import Path
from typing import Any

import psutil
import pytest
from pyspark.sql import SparkSession

from pipelines.errors import GristmillError
from pipelines.spark.private import private_settings
from pipelines.spark.schema import check_columns, local_frame, struct_type
from pipelines.spark.session import check_java
from schemas.contract import Column, ContractError


def _java(folder: Path, version: str) -> str:
    path = folder / "java"
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("21", 21)])
def test_java_17_and_21_are_taken(tmp_path: Path, version: str, major: int) -> None:
    assert check_java(_java(tmp_path, version)) == major


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2", "25.0.1", "none"])
def test_another_java_is_refused_by_name(tmp_path: Path, version: str) -> None:
    with pytest.raises(GristmillError, match=r"expected Java 17 or 21; .* set JAVA_HOME"):
        check_java(_java(tmp_path, version))


def test_no_java_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(GristmillError, match=r"(?s)found none.*openjdk-17"):
        check_java()


@pytest.mark.proves("F32")
def test_timestamps_are_utc_and_far_dates_survive_parquet(
    spark: SparkSession, tmp_path: Path
) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    path = str(tmp_path / "far")
    spark.sql("select timestamp '9999-12-31 00:00:00' as t").write.parquet(path)
    assert (
        spark.read.parquet(path).selectExpr("string(t) s").collect()[0].s.startswith("9999-12-31")
    )


def test_new_tables_have_no_deletion_vectors(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    spark.range(10).write.format("delta").save(path)
    spark.sql(f"delete from delta.`{path}` where id < 3")
    log = "".join(entry.read_text() for entry in Path(path, "_delta_log").glob("*.json"))
    assert "deletionVector" not in log.replace('"enableDeletionVectors"', "")


def test_a_small_frame_keeps_types_and_may_be_empty(spark: SparkSession) -> None:
    rows = [("a", 1, 2.5), (None, None, None)]
    df = local_frame(spark, rows, "word string, code int, share double")
    assert [tuple(row) for row in df.collect()] == rows
    assert df.dtypes == [("word", "string"), ("code", "int"), ("share", "double")]
    assert local_frame(spark, [], "word string").count() == 0


def test_columns_that_differ_from_the_contract_are_all_named() -> None:
    wanted = (Column("a", "int"), Column("b", "string"), Column("c", "double"))
    actual = struct_type((Column("a", "string"), Column("b", "string"), Column("d", "date")))
    with pytest.raises(ContractError) as error:
        check_columns(actual, wanted, "t")
    said = str(error.value)
    assert "missing c double" in said
    assert "extra d date" in said
    assert "a expected int, got string" in said


@pytest.mark.proves("S3")
def test_driver_and_block_manager_listen_on_loopback_only(spark: SparkSession) -> None:
    # a Python worker, so that what it needs is there too
    assert spark.range(4).mapInPandas(lambda frames: frames, "id long").count() == 4
    gateway: Any = spark.sparkContext._gateway
    java = psutil.Process(gateway.proc.pid)
    tree = [java, *java.children(recursive=True)]
    sockets = [item for process in tree for item in process.net_connections("inet")]
    listening = {item.laddr.port: item.laddr.ip for item in sockets if item.status == "LISTEN"}
    settings = spark.sparkContext.getConf()
    assert int(settings.get("spark.driver.port", "0")) in listening
    # the gateway to Python, the driver and the block manager
    assert len(listening) >= 3
    assert {ip.removeprefix("::ffff:") for ip in listening.values()} <= {"127.0.0.1", "::1"}


@pytest.mark.proves("S18")
def test_no_page_is_served_and_no_event_is_logged(spark: SparkSession) -> None:
    settings = spark.sparkContext.getConf()
    assert settings.get("spark.ui.enabled") == "false"
    assert settings.get("spark.eventLog.enabled") == "false"
    assert settings.get("spark.driver.bindAddress") == "127.0.0.1"
    assert spark.sparkContext.uiWebUrl is None


@pytest.mark.proves("S18")
def test_pages_are_off_unless_asked_for_with_a_filter_that_authenticates() -> None:
    off = {"spark.ui.enabled": "false", "spark.eventLog.enabled": "false"}
    assert private_settings({}) == off
    guarded = {
        "spark.ui.enabled": "true",
        "spark.ui.filters": "org.example.Authenticates",
        "spark.acls.enable": "true",
    }
    assert private_settings(guarded)["spark.ui.enabled"] == "true"
    for missing in ("spark.ui.filters", "spark.acls.enable"):
        open_to_all = {key: value for key, value in guarded.items() if key != missing}
        with pytest.raises(GristmillError, match="Spark's pages show rows, and ask nobody"):
            private_settings(open_to_all)


@pytest.mark.proves("S18")
def test_events_are_logged_only_to_a_folder_of_its_owner(tmp_path: Path) -> None:
    asked = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": tmp_path.as_uri()}
    tmp_path.chmod(0o700)
    assert private_settings(asked)["spark.eventLog.enabled"] == "true"
    tmp_path.chmod(0o755)
    with pytest.raises(GristmillError, match=r"expected spark\.eventLog\.enabled false, or"):
        private_settings(asked)


@pytest.mark.proves("S15")
def test_what_spark_writes_is_its_owners_whatever_the_umask(
    spark: SparkSession, tmp_path: Path
) -> None:
    spark.range(10).write.format("delta").save(str(tmp_path / "lake" / "table"))
    written = [*tmp_path.rglob("*")]
    assert len(written) > 6
    # a commit's files are in a folder that is their owner's, whatever a log store makes of them
    shared = {path.parent.name for path in written if path.stat().st_mode & 0o077}
    assert shared <= {"_delta_log"}
