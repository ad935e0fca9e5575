"""Write one new version of a Delta table as one transaction.

A writer of a table on a local disk holds the table's lock while it writes. Everywhere it commits by
a log store that is safe between processes, so that a writer who ignores the lock, or another one on
S3 or HDFS, where there is none, loses nothing and takes nothing away.
"""

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

# until it is imported, conflicts are Py4JJavaErrors
import delta.exceptions.captured  # noqa: F401  # pyright: ignore[reportUnusedImport]
from delta import exceptions
from pyspark.sql import DataFrame, SparkSession

from pipelines.errors import TableError
from pipelines.lock import hold_lock
from pipelines.spark.log_store import require_log_store
from pipelines.storage.place import is_remote, place
from pipelines.tables.commits import is_made_by, last_commit, versions
from pipelines.tables.delta import count_rows, read_table
from pipelines.tables.version import TableVersion

# another writer's commit came in between; they have no class of their own above them
CONFLICTS: tuple[type[Exception], ...] = tuple(
    getattr(exceptions, name) for name in exceptions.__all__
)
_STATISTICS = "delta.dataSkippingStatsColumns"
_TRIES = 4
_PAUSE_S = 0.2
# of a session; each writer of Delta's then skips what it takes for a repetition
_TRANSACTION = "spark.databricks.delta.write.txnAppId"


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a table that is written: rows that keep ``condition``, SQL; all if empty.

    A table that is made now gets statistics of ``column``, by which Spark passes over files.
    """

    column: str = ""
    condition: str = ""


WHOLE = Part()


def count_part(spark: SparkSession, table: TableVersion, part: Part) -> int:
    """Rows of a part of a version: of all of it from the log, else counted."""
    if not part.condition:
        return count_rows(table)
    return read_table(spark, table).where(part.condition).count()


def write_table(
    rows: DataFrame,
    path: str,
    fingerprint: str,
    partition_by: Sequence[str] = (),
    part: Part = WHOLE,
) -> TableVersion:
    """Replace the rows of the table at ``path``, or a part of them, by one new version.

    Args:
        rows: The new content of the table, or of its part; Delta refuses rows outside of it.
        path: Folder of the table; made if absent.
        fingerprint: Name of the step's execution, kept in the commit.
        partition_by: Columns that become folders.
        part: What is replaced.

    Returns:
        The version committed, or the last one if no row takes the place of none. A reader sees the
        former version until then, and it stays readable.

    Raises:
        GristmillError: The session writes Delta's log by another store than ours.
        LockedError: Another process writes this table for longer than this one waits.
        TableError: A writer that ignores the table's lock came in between.
    """
    writer = rows.write.format("delta").mode("overwrite").option("userMetadata", fingerprint)
    if part.column:
        writer = writer.option(_STATISTICS, f"`{part.column}`")
    if part.condition:
        writer = writer.option("replaceWhere", part.condition)
    else:
        writer = writer.option("overwriteSchema", "true")
    if partition_by:
        writer = writer.partitionBy(*partition_by)
    with lock_table(path):
        known, made = commit(rows.sparkSession, path, fingerprint, lambda: writer.save(path))
        expected = known[-1] + 1 if known else 0
        if made is None and part.condition and known:
            return TableVersion(path, known[-1])
        # where there is no lock, others may commit between the look and the write
        is_expected = made is not None and (made.version == expected or is_remote(path))
        if made is None or not is_expected:
            raise TableError(
                f"{path}: expected to commit version {expected}; got {made or 'no commit'}: "
                "another writer ignores the table's lock. Stop it and try again"
            )
    return made


def commit(
    spark: SparkSession, path: str, fingerprint: str, write: Callable[[], object]
) -> tuple[list[int], TableVersion | None]:
    """Have ``write`` make one commit; again, a few times, if another writer's came in between.

    Delta makes no commit of one that conflicts, so a repetition can't add rows twice.

    Args:
        spark: The session that writes.
        path: Folder of the table, whose lock is held.
        fingerprint: What ``write`` keeps in its commit as ``userMetadata``.
        write: Replaces all rows or a part of them, the same however often it is called.

    Returns:
        The versions there before the commit; and its own, None if Delta had nothing to commit.

    Raises:
        GristmillError: The session writes Delta's log by another store than ours.
        TableError: It conflicts each time, or the session would have Delta skip it.
    """
    require_log_store(spark, path)
    if spark.conf.get(_TRANSACTION, None):
        raise TableError(
            f"{path}: the session sets {_TRANSACTION}, by which Delta takes other rows for a "
            "repetition and drops them silently. Unset it; our steps are repeatable without"
        )
    left = _TRIES
    while True:
        known, left = versions(path), left - 1
        try:
            write()
        except CONFLICTS as error:
            _wait_for_others(path, error, left)
            continue
        made = last_commit(path, lambda action: is_made_by(action, fingerprint))
        if made is None or made in known:
            return known, None
        return known, TableVersion(path, made)


def _wait_for_others(path: str, error: Exception, left: int) -> None:
    why = str(error).partition("\n")[0]
    if not left:
        raise TableError(
            f"{path}: {_TRIES} times another writer committed in between (on a local disk one that "
            "ignores the table's lock); nothing of this step is written. Stop it and run again. "
            f"Delta says: {why}"
        ) from error
    sys.stderr.write(f"{path}: another writer came in between, once more ({why})\n")
    time.sleep(_PAUSE_S * 2 ** (_TRIES - left))


@contextmanager
def lock_table(path: str, wait_s: float | None = None) -> Generator[None]:
    """Wait for and hold the write lock of the table at ``path``, a file beside it.

    Raises:
        LockedError: Another process holds it for longer than ``wait_s``.
    """
    with hold_lock(place(f"{path}.lock"), f"the table {path}", wait_s):
        yield
