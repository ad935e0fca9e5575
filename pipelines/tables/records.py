"""Read small Delta tables that grow by a few rows at a time, without Spark.

A step of seconds can't spend one on its account: Spark takes most of a second for a row, delta-rs
10 milliseconds, and a process without Spark (training) can write too. Both follow one protocol;
delta-rs commits by link(2), which fails if the version is there already. It keeps no checksums, so
they are kept here: a flipped bit would turn a failed check into a passed one.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow.dataset import dataset
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from pyarrow.parquet import filters_to_expression

from pipelines.checksum import verify
from pipelines.errors import TableError
from pipelines.storage.copies import local_files
from pipelines.storage.place import RemotePath, place
from pipelines.storage.remote import delta_options
from pipelines.tables.commits import LOG
from pipelines.tables.pruning import may_hold


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
    with plain_errors(path):
        table = open_if_there(path, version)
        if table is None:
            return []
        folders = table.metadata().partition_columns
        if folders:
            return _read_folders(table, path, where, columns)
        filters = list(where) or None
        with local_records(table, path) as files:
            found = table.to_pyarrow_table(
                columns=list(columns) or None, filesystem=files, filters=filters
            )
            return found.to_pylist()


def column_names(path: Path, version: int) -> tuple[str, ...]:
    """Give the columns of a table at one version.

    Raises:
        TableError: There is no such version.
    """
    with plain_errors(path):
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
def local_records(table: DeltaTable, path: Path) -> Generator[SubTreeFileSystem]:
    """Give the files of a table as a local file system, verified.

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
    with plain_errors(path):
        table = open_if_there(path, None)
        added = pa.table(table.get_add_actions(flatten=True)).to_pylist() if table else []
    least = [item.get(f"min.{column}") for item in added]
    known = [value for value in least if value is not None]
    where = [(column, ">=", max(known))] if known and len(known) == len(least) else []
    return max((row[column] for row in read_records(path, where, (column,))), default=None)


def open_if_there(path: Path, version: int | None) -> DeltaTable | None:
    """Give delta-rs's table at ``path``, its log verified; None if there is none.

    Raises:
        TableError: A file of the log was altered since.
    """
    if not isinstance(path, RemotePath):
        for file in log_files(path / LOG):
            verify(file)
    try:
        return open_table(path, version)
    except TableNotFoundError:
        return None


def log_files(log: Path) -> list[Path]:
    """Give the commits of a table, and what sums them up, from the last checkpoint on."""
    found = sorted([*log.glob("[0-9]*.json"), *log.glob("[0-9]*.parquet")])
    last = max((file.name[:20] for file in found if file.suffix == ".parquet"), default="")
    return [file for file in found if file.name[:20] >= last]


@contextmanager
def plain_errors(path: Path) -> Generator[None]:
    """Say what delta-rs and pyarrow say of a table as one ``TableError``."""
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise TableError(f"the table {path} can't be read: {error}") from error
