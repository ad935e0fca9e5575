"""Delta's log is written by a store that is safe between processes, or not at all.

Delta's own stores can lose commits that they acknowledged when two processes write one table on a
local disk (delta-io/delta issue 683) or on S3, where they are safe within one Java machine. Ours,
infra/spark/LinkLogStore.java and infra/storage/ConditionalLogStore.java, can't; but they protect a
table only if every session uses them, so a session without them is refused. On HDFS
Delta's own renames without replacing, and that is safe.
"""

from typing import Any
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from pipelines.errors import GristmillError, ParameterError

CLASS = "gristmill.LinkLogStore"
S3_CLASS = "gristmill.ConditionalLogStore"
SETTINGS = {"spark.delta.logStore.file.impl": CLASS} | {
    f"spark.delta.logStore.{scheme}.impl": S3_CLASS for scheme in ("s3", "s3a", "s3n")
}
# Spark takes relative paths and paths without a scheme for files too, before Delta asks
_A_FILE = "file:/table/_delta_log"
SAFE = {
    "": CLASS,
    "file": CLASS,
    "s3": S3_CLASS,
    "s3a": S3_CLASS,
    "s3n": S3_CLASS,
    "hdfs": "io.delta.storage.HDFSLogStore",
}
_WHAT = {CLASS: "local tables", S3_CLASS: "tables on S3"}
_SET_UP = {CLASS: "infra/bin/setup", S3_CLASS: "infra/bin/setup --storage"}
_CAUSES = (
    "It is set when a session starts: stop the session, remove settings of delta.logStore from "
    "its configuration and start it by pipelines.spark.session.spark_session"
)


def require_log_store(spark: SparkSession, path: str = "") -> None:
    """Raise unless Delta writes the table at ``path`` by a safe log store in this session.

    Args:
        spark: The session.
        path: Of a table; empty for any on a local disk.

    Raises:
        GristmillError: The class is not there, or Delta takes another one.
        ParameterError: The address is of a kind that no store is known to be safe for.
    """
    scheme = urlsplit(path).scheme
    if scheme not in SAFE:
        raise ParameterError(
            f"expected a table on a local disk, s3a:// or hdfs://; got {path}. No log store of "
            "Delta's was tested there: give another root"
        )
    wanted = SAFE[scheme]
    # pyspark has no public way to Spark's JVM
    java: Any = spark.sparkContext._jvm  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    if not java.org.apache.spark.util.Utils.classIsLoadable(wanted):
        raise GristmillError(
            f"expected the log store {wanted} among Spark's jars (spark.jars in "
            "spark-defaults.conf); it is not there, and without it two processes can lose each "
            f"other's commits. Run {_SET_UP.get(wanted, 'infra/bin/setup')}, then start through "
            "infra/bin/ or set SPARK_CONF_DIR"
        )
    found = _store_of(spark, java, path if scheme else _A_FILE)
    if found != wanted:
        raise GristmillError(
            f"expected Delta to write {_WHAT.get(wanted, path)} by {wanted}; this session uses "
            f"{found}, by which two processes can lose each other's commits. {_CAUSES}"
        )


def _store_of(spark: SparkSession, java: Any, path: str) -> str:
    """Ask Delta itself: several settings decide, and those of a running session come too late."""
    session: Any = spark._jsparkSession  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    store = java.org.apache.spark.sql.delta.storage.LogStore.apply(session)
    name = store.getClass().getName()
    if name.endswith(".DelegatingLogStore"):
        store = store.getDelegate(java.org.apache.hadoop.fs.Path(path))
        name = store.getClass().getName()
    if name.endswith(".LogStoreAdaptor"):
        name = store.logStoreImpl().getClass().getName()
    return str(name)
