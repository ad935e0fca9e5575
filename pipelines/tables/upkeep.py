"""Upkeep of a table's files: small ones are joined, dead ones deleted; its rows stay as they are.

What is dead is for delta-rs to say, see "VACUUM" in the documentation of Delta. The files are then
deleted here: Hadoop's checksums go with them, and no commit is made of it.
"""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from delta import DeltaTable as SparkTable
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql import SparkSession

from pipelines.checksum import companion
from pipelines.errors import LedgerError, TableError
from pipelines.tables.delta import commit_info, last_version
from pipelines.tables.live_files import count_live_rows, live_paths
from pipelines.tables.version import TableVersion

_MIB = 2**20
# joined are files that cost more to open than to read
SMALL_BYTES = 16 * _MIB
_JOINED_BYTES = 128 * _MIB
_MIN_FILES = 5
_HOURS = 24
_SIZES = {
    "spark.databricks.delta.optimize.minFileSize": str(SMALL_BYTES),
    "spark.databricks.delta.optimize.maxFileSize": str(_JOINED_BYTES),
}


@dataclass(frozen=True, slots=True)
class Joined:
    """Small files that became fewer; ``version`` holds them, the same rows as the one before."""

    files_before: int
    files_after: int
    version: int


def small_files(table: TableVersion) -> int:
    """Give the number of small files of a version, 0 if they are too few to be worth joining."""
    count = sum(size < SMALL_BYTES for size in live_paths(table).values())
    return count if count >= _MIN_FILES else 0


def join_files(spark: SparkSession, table: TableVersion) -> Joined:
    """Join the small files of a table's last version, by Delta's OPTIMIZE.

    The caller holds the table's lock. The commit marks each file as no change of data, so the
    verdict on the version before holds for the new one.

    Raises:
        LedgerError: The new version holds another number of rows.
    """
    before, rows = len(live_paths(table)), count_live_rows(table)
    with _settings(spark, _SIZES):
        SparkTable.forPath(spark, table.path).optimize().executeCompaction()
    made = last_version(table.path) or table
    after = count_live_rows(made)
    if rows != after:
        raise LedgerError(
            f"{made}: expected the {rows} rows of {table}, in fewer files; got {after}. Another "
            f"writer ignores the table's lock: stop it. {table} is as it was; commit: "
            f"{commit_info(made).get('operation')}"
        )
    return Joined(before, len(live_paths(made)), made.version)


def dead_files(path: str, keep: Collection[int], older_than_days: int) -> dict[Path, int]:
    """Give the files that no version needs any more, and their sizes in bytes.

    Args:
        path: Folder of the table, whose lock is held.
        keep: Versions whose files stay, whatever their age; the last one's always do.
        older_than_days: Files of other versions stay, and those of writers that were killed, for
            so many days after they were replaced or written.

    Raises:
        TableError: The log can't be read, or a file that is to stay would be among them.
    """
    hours = older_than_days * _HOURS
    try:
        table = DeltaTable(path)
        named = table.vacuum(
            hours, dry_run=True, enforce_retention_duration=False, full=True,
            keep_versions=sorted(keep),
        )  # fmt: skip
    except (DeltaError, OSError) as error:
        raise TableError(f"{path}: its log can't be read: {error}") from error
    dead = {Path(path, name) for name in named if not _is_hidden(name)}
    needed = {table.version(), *keep}
    for version in needed:
        kept = dead & live_paths(TableVersion(path, version)).keys()
        if kept:
            raise TableError(
                f"{path}@v{version} is pinned, and {len(kept)} of its files would be deleted, such "
                f"as {min(kept).name}; nothing was deleted. Report this: it must not happen"
            )
    return {file: file.stat().st_size for file in sorted(dead) if file.is_file()}


def _is_hidden(name: str) -> bool:
    """Say whether a name is none of a data file: the log and checksums are."""
    return name.startswith("_") or Path(name).name.startswith((".", "_"))


def delete_files(files: Mapping[Path, int]) -> None:
    """Delete data files and the checksums beside them; what is gone already is passed over."""
    for file in files:
        # killed in between, the file is still found the next time
        companion(file).unlink(missing_ok=True)
        file.unlink(missing_ok=True)


@contextmanager
def _settings(spark: SparkSession, values: Mapping[str, str]) -> Generator[None]:
    before = {name: spark.conf.get(name, None) for name in values}
    try:
        for name, value in values.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, value)
