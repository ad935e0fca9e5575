"""What shows rows is kept from others: Spark's files, its pages, its log of events."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from pipelines.errors import GristmillError

_UI, _UI_FILTERS, _ACLS = "spark.ui.enabled", "spark.ui.filters", "spark.acls.enable"
_EVENTS, _EVENTS_DIR = "spark.eventLog.enabled", "spark.eventLog.dir"

_UMASK, _OTHERS = "fs.permissions.umask-mode", "077"
# Hadoop gives its files a mode of its own, whatever the process's umask
FILE_SETTINGS = {f"spark.hadoop.{_UMASK}": _OTHERS}


def keep_files_private(spark: SparkSession) -> None:
    """Let only their owner read what this session writes to local disks from now on."""
    # pyspark has no public way to Hadoop's file systems
    context: Any = spark.sparkContext
    java, settings = context._jvm, context._jsc.hadoopConfiguration()  # noqa: SLF001
    # one is opened while Java starts, before a session brings its settings, and kept
    local = java.org.apache.hadoop.fs.FileSystem.get(java.java.net.URI("file:///"), settings)
    local.getConf().set(_UMASK, _OTHERS)


def given_settings() -> dict[str, str]:
    """Give what spark-defaults.conf and spark-submit say, before a session starts."""
    # starts Java as getOrCreate would; only then are the settings of files and flags known
    SparkContext._ensure_initialized()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return dict(SparkConf().getAll())


def private_settings(given: Mapping[str, str]) -> dict[str, str]:
    """Give the settings that keep Spark's pages and its log of events from others.

    Both show plans, and so values of rows. Spark serves its pages without asking who comes, and has
    them on by default.

    Args:
        given: What spark-defaults.conf and spark-submit say.

    Raises:
        GristmillError: The pages are asked for without a filter that authenticates, or the log of
            events goes to a folder that others can enter.
    """
    if given.get(_UI) == "true" and not (given.get(_UI_FILTERS) and given.get(_ACLS) == "true"):
        raise GristmillError(
            f"expected {_UI} false, or {_UI_FILTERS} with a filter that authenticates and {_ACLS} "
            "true: Spark's pages show rows, and ask nobody for a name. Correct spark-defaults.conf"
        )
    place = urlsplit(given.get(_EVENTS_DIR, "file:/tmp/spark-events"))  # Spark's default
    folder = Path(place.path)
    is_here = place.scheme in ("", "file") and folder.is_dir()
    is_open = is_here and folder.stat().st_mode & 0o077
    if given.get(_EVENTS) == "true" and is_open:
        raise GristmillError(
            f"expected {_EVENTS} false, or {_EVENTS_DIR} a folder that only its owner can enter; "
            f"got {folder}: events hold values of rows. chmod 700 it, or take the setting out"
        )
    return {key: given.get(key, "false") for key in (_UI, _EVENTS)}
