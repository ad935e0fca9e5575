"""The only builder of a SparkSession.

What the code relies on is set here; what the machine decides (memory, master, jars, directories)
comes from spark-defaults.conf, see infra/spark.
"""

import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from pipelines.errors import GristmillError
from pipelines.spark import log_store
from pipelines.spark.object_store import reach_root
from pipelines.spark.private import (
    FILE_SETTINGS,
    given_settings,
    keep_files_private,
    private_settings,
)
from pipelines.storage.place import check_root

JAVA_VERSIONS = (17, 21)
_SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    **log_store.SETTINGS,
    **FILE_SETTINGS,
    # one clock for all machines: timestamps are UTC, and Parquet holds them as 64-bit micros
    # (INT96, Spark's default, wraps dates far from today)
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # 50 tasks to read a small transaction log otherwise
    "spark.databricks.delta.snapshotPartitions": "2",
    # a reader of live files can't see rows deleted by vectors: never make them
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    # least, greatest and nulls of 32 columns are a tenth of a write, and no step of ours skips
    # files by them; the count of rows, which the account of rows needs, is kept all the same
    "spark.databricks.delta.properties.defaults.dataSkippingNumIndexedCols": "0",
    "spark.sql.shuffle.partitions": "4",
    # HotSpot compiles no method over 8000 bytes of bytecode: beyond that, Spark's fused stages run
    # interpreted, many times slower than its operators one by one
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


def spark_session(name: str, root: str = "") -> SparkSession:
    """Start Spark, or give the session that runs already.

    Args:
        name: Of the job.
        root: Of the tables, which the session must be able to reach.

    Raises:
        GristmillError: No Java, a Java that Spark 4 can't run on, Delta's or S3A's jars are
            missing, or the session that runs already writes Delta's log by an unsafe store, or the
            machine's settings would show rows to others.
        ParameterError: ``root`` is of an unknown kind, or AWS's settings are wrong.
    """
    check_root(root)
    check_java()
    builder = SparkSession.builder.appName(f"gristmill-{name}")
    for key, value in private_settings(given_settings()).items():
        builder = builder.config(key, value)
    for key, value in _SETTINGS.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    # pyspark would print the message of each error, with the value of the row that caused it
    PySparkLogger.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    if not _has_delta(spark):
        raise GristmillError(
            "Spark started without Delta's jars; expected spark.jars in spark-defaults.conf to "
            "name them. Run infra/bin/setup, then start through infra/bin/ or set SPARK_CONF_DIR"
        )
    log_store.require_log_store(spark)
    reach_root(spark, root)
    if root:
        log_store.require_log_store(spark, root)
    keep_files_private(spark)
    return spark


def _has_delta(spark: SparkSession) -> bool:
    """A missing extension class is only a warning in Spark's log; ask the class loader instead."""
    # pyspark has no public way to Spark's JVM
    java: Any = spark.sparkContext._jvm  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return java.org.apache.spark.util.Utils.classIsLoadable(_SETTINGS["spark.sql.extensions"])


def check_java(java: str | None = None) -> int:
    """Give Java's major version if Spark can run on it.

    Raises:
        GristmillError: There is no Java, or its version is not one of ``JAVA_VERSIONS``.
    """
    wanted = " or ".join(str(version) for version in JAVA_VERSIONS)
    executable = java or _java_executable()
    if executable is None:
        raise GristmillError(
            f"expected Java {wanted} on PATH or in JAVA_HOME; found none. Install one, for "
            "example: apt-get install openjdk-17-jdk-headless"
        )
    said = subprocess.run([executable, "-version"], capture_output=True, text=True, check=False)
    version = _major_version(said.stderr)
    if version not in JAVA_VERSIONS:
        raise GristmillError(
            f"expected Java {wanted}; {executable} is {version or 'unreadable'}. Install one, for "
            "example openjdk-17-jdk-headless, and set JAVA_HOME to it"
        )
    return version


def _java_executable() -> str | None:
    # pyspark's launcher looks at the same two places
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    return shutil.which("java")


def _major_version(banner: str) -> int:
    quoted = banner.partition('"')[2].partition('"')[0]
    parts = [part for part in quoted.replace("_", ".").split(".") if part.isdigit()]
    if not parts:
        return 0
    return int(parts[1]) if parts[0] == "1" and len(parts) > 1 else int(parts[0])
