"""Read a Delta table at a pinned version, and what its log says of that version."""

import json
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from pipelines.checksum import verify
from pipelines.errors import TableError
from pipelines.state import file_digest
from pipelines.step import StepResult
from pipelines.storage.place import place
from pipelines.tables.commits import (
    commit_path,
    is_made_by,
    is_taken_back,
    last_commit,
    read_actions,
    versions,
)
from pipelines.tables.live_files import count_live_rows, is_whole, require_files
from pipelines.tables.version import TableVersion, parse_version


def read_table(spark: SparkSession, table: TableVersion) -> DataFrame:
    """Give the rows of ``table`` at its version.

    Raises:
        TableError: There is no such table or version; names the versions that exist. Or files of
            it were removed since.
    """
    check_version(table)
    require_files(table)
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
    for version in known[: known.index(table.version) + 1]:
        verify(commit_path(table.path, version))


def last_version(path: str) -> TableVersion | None:
    """Give the last version of the table at ``path``; None if there is no table."""
    known = versions(path)
    return TableVersion(path, known[-1]) if known else None


def has_version(table: TableVersion) -> bool:
    """Say whether the log on disk holds the version of ``table``."""
    return table.version in versions(table.path)


def is_standing(table: TableVersion) -> bool:
    """Say whether a version can still be read, and no RESTORE has taken its rows back."""
    return has_version(table) and not is_taken_back(table.path, table.version)


def is_written(result: StepResult) -> bool:
    """Say whether the tables and files of a recorded step are still there.

    A step whose rows a RESTORE has taken back, those of the table or those that it has set aside,
    is to be done again.
    """
    tables = [parse_version(table) for table in result.tables]
    has_tables = all(
        is_standing(table) and is_whole(table) and _has_set_aside(table, result) for table in tables
    )
    return has_tables and all(place(path).exists() for path in result.files.values())


def _has_set_aside(table: TableVersion, result: StepResult) -> bool:
    if not any(fates.quarantined for fates in result.rows.values()):
        return True
    quarantine = place(table.path).parent.parent / "quarantine"
    made = last_commit(quarantine, lambda action: is_made_by(action, result.fingerprint))
    return made is None or not is_taken_back(quarantine, made)


def commit_info(table: TableVersion) -> dict[str, Any]:
    """Give the ``commitInfo`` action of one version.

    Delta protocol, "Commit Provenance Information": operation, metrics, user metadata.
    """
    for action in read_actions(_commit_path(table)):
        if "commitInfo" in action:
            return action["commitInfo"]
    raise TableError(f"{table}: its commit says nothing of its origin; was it written by Spark?")


def commit_digest(table: TableVersion) -> str:
    """Digest of the commit of one version: another table at the same path has another.

    Raises:
        TableError: There is no such version.
    """
    return file_digest(_commit_path(table))


def count_rows(table: TableVersion) -> int:
    """Rows of a version, from the statistics of its files, without Spark.

    Raises:
        TableError: A file carries no row count.
    """
    total = 0
    for action in read_actions(_commit_path(table)):
        if "commitInfo" in action and table.version and not _is_whole_write(action["commitInfo"]):
            return count_live_rows(table)
        if added := action.get("add"):
            stats = json.loads(added.get("stats") or "{}")
            if "numRecords" not in stats:
                raise TableError(f"{table}: {added['path']} has no row count in the log")
            total += stats["numRecords"]
    return total


def _is_whole_write(info: dict[str, Any]) -> bool:
    """Say whether a commit holds all files of its version: it replaced every row."""
    said = info.get("operationParameters") or {}
    return said.get("mode") == "Overwrite" and said.get("predicate") in (None, "[]")


def _commit_path(table: TableVersion) -> Path:
    path = commit_path(table.path, table.version)
    if not path.exists():
        check_version(table)
    return path
