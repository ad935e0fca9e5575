"""Append to small Delta tables, join their files, and delete rows of them, without Spark.

See ``records``, which reads them and says why.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import CommitProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from pipelines.checksum import companion, protect
from pipelines.errors import TableError
from pipelines.lock import hold_lock
from pipelines.storage.place import RemotePath
from pipelines.storage.remote import delta_options
from pipelines.tables.commits import LOG, is_taken_back, last_commit
from pipelines.tables.records import (
    local_records,
    log_files,
    open_if_there,
    open_table,
    plain_errors,
)

# what differs when the same is said again
_TIMES = ("recorded_at", "seconds")
# versions of a table whose rows lie together: what compacting joins, and what a reader passes over
BLOCK = 100
_COMPACT_EVERY = 200
_CHECKPOINT_EVERY = 20
_TRIES = 4
_Made = TypeVar("_Made")


def append_once(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    schema: pa.Schema,
    name: str,
    partition_by: Sequence[str] = (),
) -> bool:
    """Append ``rows`` as one commit, unless they are what was last said under ``name``.

    Args:
        path: Folder of the table; made if absent.
        rows: Values by column; a map is a list of pairs.
        schema: Of the table.
        name: What these rows are the account of; kept in the table's log with their digest. Rows
            that differ in more than their times are appended, and so are the same ones after
            others, or after a RESTORE that has taken them back.
        partition_by: Columns that become folders, of a table that is made now: files are compacted
            within one of them only, so what is full is not written again.

    Returns:
        Whether they were appended now.

    Raises:
        LockedError: Another process writes the table for longer than this one waits.
        TableError: The table can't be written.
    """
    if not rows:
        return False
    with hold_lock(path.with_name(f"{path.name}.lock"), f"the table {path}"):
        try:
            said = Transaction(name, _digest(rows))
            made = pa.Table.from_pylist(list(rows), schema=schema)
            # where no lock keeps others out, one may say the same meanwhile: then it is there
            return _again_on_top(lambda: _append(path, made, said, partition_by))
        except (DeltaError, OSError) as error:
            raise TableError(
                f"expected to append {len(rows)} rows to the table {path}; {error}. Mend what it "
                "says and run the same command again"
            ) from error


def compact_records(path: Path) -> tuple[int, int]:
    """Join a local table's files, those of one folder each; give their numbers before and after.

    The caller holds the table's lock. It must: delta-rs reads the last version just before it
    commits, so of two that join the same files at once both succeed, and each row is there twice.

    Raises:
        TableError: The table can't be read or written.
    """
    with plain_errors(path):
        table = open_if_there(path, None)
        if table is None:
            return 0, 0
        before = len(table.file_uris())
        table.optimize.compact()
        table.create_checkpoint()
        _protect(path, ["", "*=*/"])
        return before, len(open_table(path).file_uris())


def delete_where_in(path: Path, column: str, values: Sequence[str]) -> None:
    """Delete the rows whose ``column`` is one of ``values``, and every file of older versions.

    The caller holds the table's lock, if there is one; all rows that stay go through its memory.
    Where another writer's commit comes in between, it is tried again on top of that.

    Raises:
        TableError: The table can't be read or written.
    """
    with plain_errors(path):
        if values:
            _again_on_top(lambda: _overwrite(path, [(column, "not in", list(values))]))
        # readers of older versions lose them: what is deleted must be gone
        open_table(path).vacuum(0, dry_run=False, enforce_retention_duration=False)


def _again_on_top(write: Callable[[], _Made]) -> _Made:
    """Write again, on what is there then, if another writer's commit came in between."""
    for _ in range(_TRIES - 1):
        try:
            return write()
        except CommitFailedError:
            continue
    return write()


def _overwrite(path: Path, where: Sequence[tuple[str, str, Any]]) -> None:
    """Replace a table's rows by those that keep ``where``."""
    table = open_table(path)
    with local_records(table, path) as files:
        rows = table.to_pyarrow_table(filesystem=files, filters=list(where))
    # not table.delete: what that rewrites has types that pyarrow 14 can't read
    write_deltalake(table, rows, mode="overwrite")


def _append(path: Path, rows: pa.Table, said: Transaction, partition_by: Sequence[str]) -> bool:
    properties = CommitProperties(app_transactions=[said])
    table = open_if_there(path, None)
    folders = list(partition_by) or None
    if table is None:
        write_deltalake(
            str(path),
            rows,
            partition_by=folders,
            commit_properties=properties,
            storage_options=delta_options(str(path)) or None,
        )
        _protect(path, _touched(rows, folders))
        return True
    if table.transaction_version(said.app_id) == said.version and _is_there(path, said.app_id):
        return False
    # a table of an earlier release lacks columns that came later, and is not partitioned
    known = {item.name for item in table.schema().fields}
    rows = rows.select([column for column in rows.column_names if column in known])
    folders = table.metadata().partition_columns or None
    write_deltalake(table, rows, mode="append", partition_by=folders, commit_properties=properties)
    touched = _touched(rows, folders)
    number = table.version() + 1
    # where no lock keeps others out, the upkeep does it, by Spark, see compact_records
    if number % _COMPACT_EVERY == 0 and not isinstance(path, RemotePath):
        table.optimize.compact()
        touched = ["", "*=*/"]
    if number % _CHECKPOINT_EVERY == 0:
        table.create_checkpoint()
    _protect(path, touched)
    return True


def _touched(rows: pa.Table, folders: Sequence[str] | None) -> list[str]:
    """Folders of a table that hold files of ``rows``, as patterns."""
    if not folders:
        return [""]
    (name,) = folders
    return [f"{name}={value}/" for value in sorted({*rows.column(name).to_pylist()})]


def _is_there(path: Path, name: str) -> bool:
    """A transaction is remembered even where a RESTORE has taken its rows back."""
    made = last_commit(path, lambda action: action.get("txn", {}).get("appId") == name)
    return made is None or not is_taken_back(path, made)


def _digest(rows: Sequence[Mapping[str, Any]]) -> int:
    """A number for what the rows say, whenever they say it; Delta keeps one with each name."""
    said = [{key: row[key] for key in row if key not in _TIMES} for row in rows]
    text = json.dumps(said, sort_keys=True, default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _protect(path: Path, touched: Sequence[str]) -> None:
    if isinstance(path, RemotePath):
        return  # S3 and HDFS keep checksums of their own
    data = [file for folder in touched for file in path.glob(f"{folder}*.parquet")]
    for file in [*data, *log_files(path / LOG)]:
        if not companion(file).exists():
            protect(file)
