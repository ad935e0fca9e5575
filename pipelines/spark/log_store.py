"""Delta's log on local disks is written by a store that is safe between processes, or not at all.

Delta's own store can lose commits that it acknowledged when two processes write one table on a
local disk (delta-io/delta issue 683). Ours, infra/spark/LinkLogStore.java, can't; but it protects a
table only if every session uses it, so a session without it is refused.
"""

from typing import Any

from pyspark.sql import SparkSession

from pipelines.errors import GristmillError

CLASS = "gristmill.LinkLogStore"
SETTINGS = {"spark.delta.logStore.file.impl": CLASS}
# Spark takes relative paths and paths without a scheme for files too, before Delta asks
_A_PATH = "file:/table/_delta_log"
_CAUSES = (
    "It is set when a session starts: stop the session, remove settings of delta.logStore from "
    "its configuration and start it by pipelines.spark.session.spark_session"
)


def require_log_store(spark: SparkSession) -> None:
    """Raise unless Delta writes local tables by our log store in this session.

    Raises:
        GristmillError: The class is not there, or Delta takes another one.
    """
    # pyspark has no public way to Spark's JVM
    java: Any = spark.sparkContext._jvm  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    if not java.org.apache.spark.util.Utils.classIsLoadable(CLASS):
        raise GristmillError(
            f"expected the log store {CLASS} among Spark's jars (spark.jars in "
            "spark-defaults.conf); it is not there, and without it two processes can lose each "
            "other's commits. Run infra/bin/setup, then start through infra/bin/ or set "
            "SPARK_CONF_DIR"
        )
    found = _store_of_files(spark, java)
    if found != CLASS:
        raise GristmillError(
            f"expected Delta to write local tables by {CLASS}; this session uses {found}, by which "
            f"two processes can lose each other's commits. {_CAUSES}"
        )


def _store_of_files(spark: SparkSession, java: Any) -> str:
    """Ask Delta itself: several settings decide, and those of a running session come too late."""
    session: Any = spark._jsparkSession  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    store = java.org.apache.spark.sql.delta.storage.LogStore.apply(session)
    name = store.getClass().getName()
    if name.endswith(".DelegatingLogStore"):
        store = store.getDelegate(java.org.apache.hadoop.fs.Path(_A_PATH))
        name = store.getClass().getName()
    if name.endswith(".LogStoreAdaptor"):
        name = store.logStoreImpl().getClass().getName()
    return str(name)
