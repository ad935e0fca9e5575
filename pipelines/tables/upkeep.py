"""Upkeep of a table's files: small ones are joined, dead ones deleted; its rows stay as they are.

What is dead is for delta-rs to say, see "VACUUM" in the documentation of Delta. The files are then
deleted here: Hadoop's checksums go with them, and no commit is made of it.

A local table is locked meanwhile. On S3 and HDFS nothing is: there a file that no version names may
be one that a step is about to commit, so it stays until no step can still be at work on it.
"""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from delta import DeltaTable as SparkTable
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql import SparkSession

from pipelines.checksum import companion
from pipelines.errors import LedgerError, TableError
from pipelines.storage.files import remove_files, sizes_of
from pipelines.storage.place import RemotePath, place
from pipelines.tables.delta import commit_info
from pipelines.tables.live_files import count_live_rows, live_paths
from pipelines.tables.records import open_table
from pipelines.tables.version import TableVersion
from pipelines.tables.write import commit

_MIB = 2**20
# joined are files that cost more to open than to read
SMALL_BYTES = 16 * _MIB
_JOINED_BYTES = 128 * _MIB
_MIN_FILES = 5
_HOURS = 24
# Delta's own least age of what its VACUUM deletes: no step writes for so long
UNNAMED_DAYS = 7
_WHO = "spark.databricks.delta.commitInfo.userMetadata"
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

    The caller holds the table's lock, if there is one. The commit marks each file as no change of
    data, so the verdict on the version before holds for the new one. If another writer's commit
    comes in between, Delta puts this one behind it, or it is tried again.

    Raises:
        LedgerError: The new version holds another number of rows than the one before it.
        TableError: Another writer's commit comes in between each time.
    """
    who = f"maintain-{uuid4().hex}"
    with _settings(spark, {**_SIZES, _WHO: who}):
        joining = SparkTable.forPath(spark, table.path).optimize
        _, made = commit(spark, table.path, who, lambda: joining().executeCompaction())
    if made is None:
        count = len(live_paths(table))
        return Joined(count, count, table.version)
    former = TableVersion(table.path, made.version - 1)
    rows, after = count_live_rows(former), count_live_rows(made)
    if rows != after:
        raise LedgerError(
            f"{made}: expected the {rows} rows of {former}, in fewer files; got {after}. Report "
            f"this: it must not happen. {former} is as it was; commit: "
            f"{commit_info(made).get('operation')}"
        )
    return Joined(len(live_paths(former)), len(live_paths(made)), made.version)


def dead_files(path: str, keep: Collection[int], older_than_days: int) -> dict[Path, int]:
    """Give the files that no version needs any more, and their sizes in bytes.

    Args:
        path: Folder of the table, whose lock is held, if there is one.
        keep: Versions whose files stay, whatever their age; the last one's always do.
        older_than_days: Files of other versions stay, and those of writers that were killed, for
            so many days after they were replaced or written; on S3 and HDFS those of writers for
            ``UNNAMED_DAYS`` at least.

    Raises:
        TableError: The log can't be read, or a file that is to stay would be among them.
    """
    folder = place(path)
    try:
        table = open_table(path)
        if isinstance(folder, RemotePath):
            named = _vacuum(table, older_than_days, keep, full=False)
            named |= _vacuum(table, max(older_than_days, UNNAMED_DAYS), keep, full=True)
        else:
            named = _vacuum(table, older_than_days, keep, full=True)
    except (DeltaError, OSError) as error:
        raise TableError(f"{path}: its log can't be read: {error}") from error
    dead = {folder / name for name in named if not _is_hidden(name)}
    needed = {table.version(), *keep}
    for version in needed:
        kept = dead & live_paths(TableVersion(path, version)).keys()
        if kept:
            raise TableError(
                f"{path}@v{version} is pinned, and {len(kept)} of its files would be deleted, such "
                f"as {min(kept).name}; nothing was deleted. Report this: it must not happen"
            )
    return sizes_of(folder, dead)


def _vacuum(table: DeltaTable, days: int, keep: Collection[int], *, full: bool) -> set[str]:
    """Name files that a commit has replaced so long ago; ``full``: and those no version names."""
    found = table.vacuum(
        days * _HOURS, dry_run=True, enforce_retention_duration=False, full=full,
        keep_versions=sorted(keep),
    )  # fmt: skip
    return {*found}


def _is_hidden(name: str) -> bool:
    """Say whether a name is none of a data file: the log and checksums are."""
    return name.startswith("_") or Path(name).name.startswith((".", "_"))


def delete_files(files: Mapping[Path, int]) -> None:
    """Delete data files and the checksums beside them; what is gone already is passed over."""
    # killed in between, a file is still found the next time; S3 and HDFS have no companions
    parts = [(file,) if isinstance(file, RemotePath) else (companion(file), file) for file in files]
    remove_files([part for both in parts for part in both])


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
