"""Read a Delta table at a pinned version; write one new version as one transaction.

Only local roots for now: the commit is read back from the log on disk. Two Spark processes that
write one table on a local disk can lose commits (delta-io/delta issue 683), so a writer holds a
lock file beside the table for as long as it writes.
"""

import fcntl
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from pipelines.errors import TableError
from pipelines.step import StepResult
from pipelines.tables.version import TableVersion, parse_version

_LOG = "_delta_log"


def read_table(spark: SparkSession, table: TableVersion) -> DataFrame:
    """Give the rows of ``table`` at its version.

    Raises:
        TableError: There is no such table or version; names the versions that exist.
    """
    check_version(table)
    reader = spark.read.format("delta").option("versionAsOf", table.version)
    return reader.load(table.path)


def check_version(table: TableVersion) -> None:
    """Raise ``TableError`` unless the log on disk holds the version of ``table``."""
    known = versions(table.path)
    if not known:
        raise TableError(
            f"expected a Delta table at {table.path}; found none. Run the job that writes it first"
        )
    if table.version not in known:
        raise TableError(
            f"{table.path} has no version {table.version}; its versions are "
            f"{known[0]} to {known[-1]}. Give one of them, as {table.path}@v{known[-1]}"
        )


def has_version(table: TableVersion) -> bool:
    """Say whether the log on disk holds the version of ``table``."""
    return table.version in versions(table.path)


def is_written(result: StepResult) -> bool:
    """Say whether the tables and files of a recorded step can still be read."""
    has_tables = all(has_version(parse_version(table)) for table in result.tables)
    return has_tables and all(Path(path).exists() for path in result.files.values())


def versions(path: str) -> list[int]:
    """Give the committed versions in the log of the table at ``path``, ascending."""
    return sorted(int(entry.stem) for entry in Path(path, _LOG).glob("[0-9]*.json"))


def commit_info(table: TableVersion) -> dict[str, Any]:
    """Give the ``commitInfo`` action of one version.

    Delta protocol, "Commit Provenance Information": operation, metrics, user metadata.
    """
    for line in _commit_path(table).read_text().splitlines():
        action = json.loads(line)
        if "commitInfo" in action:
            return action["commitInfo"]
    raise TableError(f"{table}: its commit says nothing of its origin; was it written by Spark?")


def count_rows(table: TableVersion) -> int:
    """Rows that an overwriting commit wrote, from the statistics of its files, without Spark.

    Raises:
        TableError: A file carries no row count.
    """
    total = 0
    for line in _commit_path(table).read_text().splitlines():
        added = json.loads(line).get("add")
        if added:
            stats = json.loads(added.get("stats") or "{}")
            if "numRecords" not in stats:
                raise TableError(f"{table}: {added['path']} has no row count in the log")
            total += stats["numRecords"]
    return total


def write_table(
    rows: DataFrame, path: str, fingerprint: str, partition_by: Sequence[str] = ()
) -> TableVersion:
    """Replace the rows of the table at ``path`` by one new version.

    Args:
        rows: The table's new content, all of it.
        path: Folder of the table; made if absent.
        fingerprint: Name of the step's execution, kept in the commit.
        partition_by: Columns that become folders.

    Returns:
        The version committed. A reader sees the former version until then, and it stays readable.

    Raises:
        TableError: Another process writes this table now, or the log moved on beneath us.
    """
    with lock_table(path):
        before = versions(path)
        writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        writer = writer.option("userMetadata", fingerprint)
        if partition_by:
            writer = writer.partitionBy(*partition_by)
        writer.save(path)
        written = TableVersion(path, versions(path)[-1])
        expected = before[-1] + 1 if before else 0
        if written.version != expected or commit_info(written).get("userMetadata") != fingerprint:
            raise TableError(
                f"{path}: expected to commit version {expected}, its log ends at "
                f"{written.version}; another writer ignores the table's lock. Stop it and try again"
            )
    return written


@contextmanager
def lock_table(path: str) -> Generator[None]:
    """Hold the write lock of the table at ``path``; the system frees it if the process dies.

    Raises:
        TableError: Another process holds it.
    """
    lock = Path(f"{path}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TableError(
                f"{path} is being written by another process; wait until it ends, then try again"
            ) from None
        yield


def _commit_path(table: TableVersion) -> Path:
    path = Path(table.path, _LOG, f"{table.version:020d}.json")
    if not path.exists():
        check_version(table)
    return path
