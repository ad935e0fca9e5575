"""Small Delta tables that grow by a few rows at a time, without Spark.

A step of seconds can't spend one on its account: Spark takes most of a second for a row, delta-rs
10 milliseconds, and a process without Spark (training) can write too. Both follow one protocol;
delta-rs commits by link(2), which fails if the version is there already. It keeps no checksums, so
they are kept here: a flipped bit would turn a failed check into a passed one.
"""

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pyarrow.dataset import dataset
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from pyarrow.parquet import filters_to_expression

from pipelines.checksum import companion, protect, verify
from pipelines.errors import TableError
from pipelines.lock import hold_lock
from pipelines.storage.copies import local_files
from pipelines.storage.place import RemotePath, place
from pipelines.storage.remote import delta_options
from pipelines.tables.commits import LOG, is_taken_back, last_commit
from pipelines.tables.pruning import may_hold

# what differs when the same is said again
_TIMES = ("recorded_at", "seconds")
# versions of a table whose rows lie together: what compacting joins, and what a reader passes over
BLOCK = 100
_COMPACT_EVERY = 200
_CHECKPOINT_EVERY = 20
_TRIES = 4


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
            return _append(path, made, said, partition_by)
        except (DeltaError, OSError) as error:
            raise TableError(
                f"expected to append {len(rows)} rows to the table {path}; {error}. Mend what it "
                "says and run the same command again"
            ) from error


def read_records(
    path: Path,
    where: Sequence[tuple[str, str, Any]] = (),
    columns: Sequence[str] = (),
    version: int | None = None,
) -> list[dict[str, Any]]:
    """Give the rows of the table at ``path`` that keep all of ``where``; none if there is no table.

    Args:
        path: Folder of the table.
        where: Column, comparison (``=``, ``>=``, ``in`` ...) and value.
        columns: Columns to read; all by default.
        version: Version to read; the last by default.

    Raises:
        TableError: The table can't be read.
    """
    with _plain_errors(path):
        table = _open(path, version)
        if table is None:
            return []
        folders = table.metadata().partition_columns
        if folders:
            return _read_folders(table, path, where, columns)
        filters = list(where) or None
        with _local_files(table, path) as files:
            found = table.to_pyarrow_table(
                columns=list(columns) or None, filesystem=files, filters=filters
            )
            return found.to_pylist()


def compact_records(path: Path) -> tuple[int, int]:
    """Join a local table's files, those of one folder each; give their numbers before and after.

    The caller holds the table's lock. It must: delta-rs reads the last version just before it
    commits, so of two that join the same files at once both succeed, and each row is there twice.

    Raises:
        TableError: The table can't be read or written.
    """
    with _plain_errors(path):
        table = _open(path, None)
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
    with _plain_errors(path):
        left = _TRIES
        while values:
            try:
                _overwrite(path, [(column, "not in", list(values))])
                break
            except CommitFailedError:
                left -= 1
                if not left:
                    raise
        # readers of older versions lose them: what is deleted must be gone
        open_table(path).vacuum(0, dry_run=False, enforce_retention_duration=False)


def _overwrite(path: Path, where: Sequence[tuple[str, str, Any]]) -> None:
    """Replace a table's rows by those that keep ``where``."""
    table = open_table(path)
    with _local_files(table, path) as files:
        rows = table.to_pyarrow_table(filesystem=files, filters=list(where))
    # not table.delete: what that rewrites has types that pyarrow 14 can't read
    write_deltalake(table, rows, mode="overwrite")


def column_names(path: Path, version: int) -> tuple[str, ...]:
    """Give the columns of a table at one version.

    Raises:
        TableError: There is no such version.
    """
    with _plain_errors(path):
        return tuple(item.name for item in open_table(path, version).schema().fields)


def _read_folders(
    table: DeltaTable, path: Path, where: Sequence[tuple[str, str, Any]], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Read a partitioned table, but for its partition columns; only files that may hold such rows.

    delta-rs' own reader names partitions by a function that pyarrow 14 has under another name.
    """
    folders = {*table.metadata().partition_columns}
    added = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    names = [unquote(item["path"]) for item in added if may_hold(item, where)]
    if not names:
        return []
    whole = pa.schema(table.schema().to_arrow(as_large_types=False))
    schema = pa.schema([item for item in whole if item.name not in folders])
    wanted = [name for name in columns or schema.names if name not in folders]
    filters = filters_to_expression(list(where)) if where else None
    with local_files(path, names) as folder:
        files = [folder / name for name in names]
        for file in files:
            verify(file)
        rows = dataset([*map(str, files)], schema=schema, format="parquet", partitioning=None)
        return rows.to_table(columns=wanted, filter=filters).to_pylist()


@contextmanager
def _local_files(table: DeltaTable, path: Path) -> Generator[SubTreeFileSystem]:
    """Give a table's files as a local file system, verified.

    delta-rs's own file system is in Python: a thread of pyarrow that still closes a file with it
    while the process ends would abort the process.
    """
    added = pa.table(table.get_add_actions()).column("path").to_pylist()
    names = [unquote(name) for name in added]
    with local_files(path, names) as folder:
        for name in names:
            verify(folder / name)
        yield SubTreeFileSystem(str(folder), LocalFileSystem())


def open_table(path: str | Path, version: int | None = None) -> DeltaTable:
    """Give delta-rs's table at ``path``, wherever it lies.

    Raises:
        TableError: The summary that Spark has left of the version was altered since. delta-rs goes
            by it in place of the commits (Delta protocol, "Version Checksum File").
    """
    log = place(path) / LOG
    # S3 and HDFS keep checksums of their own
    summaries = [] if isinstance(log, RemotePath) else log.glob("[0-9]*.crc")
    if until := [file for file in summaries if version is None or int(file.stem) <= version]:
        verify(max(until))
    return DeltaTable(str(path), version=version, storage_options=delta_options(str(path)) or None)


def greatest(path: Path, column: str) -> Any:
    """Give the greatest value of a column, from the files that may hold it; None without rows.

    Raises:
        TableError: The table can't be read.
    """
    with _plain_errors(path):
        table = _open(path, None)
        added = pa.table(table.get_add_actions(flatten=True)).to_pylist() if table else []
    least = [item.get(f"min.{column}") for item in added]
    known = [value for value in least if value is not None]
    where = [(column, ">=", max(known))] if known and len(known) == len(least) else []
    return max((row[column] for row in read_records(path, where, (column,))), default=None)


def _open(path: Path, version: int | None) -> DeltaTable | None:
    if not isinstance(path, RemotePath):
        for file in _log_files(path / LOG):
            verify(file)
    try:
        return open_table(path, version)
    except TableNotFoundError:
        return None


def _log_files(log: Path) -> list[Path]:
    """Commits, and what sums them up, from the last checkpoint on."""
    found = sorted([*log.glob("[0-9]*.json"), *log.glob("[0-9]*.parquet")])
    last = max((file.name[:20] for file in found if file.suffix == ".parquet"), default="")
    return [file for file in found if file.name[:20] >= last]


def _protect(path: Path, touched: Sequence[str]) -> None:
    if isinstance(path, RemotePath):
        return  # S3 and HDFS keep checksums of their own
    data = [file for folder in touched for file in path.glob(f"{folder}*.parquet")]
    for file in [*data, *_log_files(path / LOG)]:
        if not companion(file).exists():
            protect(file)


@contextmanager
def _plain_errors(path: Path) -> Generator[None]:
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise TableError(f"the table {path} can't be read: {error}") from error


def _append(path: Path, rows: pa.Table, said: Transaction, partition_by: Sequence[str]) -> bool:
    properties = CommitProperties(app_transactions=[said])
    table = _open(path, None)
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
