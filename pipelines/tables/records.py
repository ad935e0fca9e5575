"""Small Delta tables that grow by a few rows at a time, without Spark.

A step of seconds can't spend one on its account: Spark takes most of a second for a row, delta-rs
10 milliseconds, and a process without Spark (training) can write too. Both follow one protocol;
delta-rs commits by link(2), which fails if the version is there already.
"""

import fcntl
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from pipelines.errors import TableError

_COMPACT_EVERY = 200


def append_once(
    path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, name: str
) -> bool:
    """Append ``rows`` as one commit, unless the commit ``name`` is there already.

    Args:
        path: Folder of the table; made if absent.
        rows: Values by column; a map is a list of pairs.
        schema: Of the table.
        name: What these rows are the account of; kept in the table's log.

    Returns:
        Whether they were appended now.

    Raises:
        TableError: The table can't be written.
    """
    if not rows:
        return False
    with _lock(path):
        try:
            return _append(path, pa.Table.from_pylist(list(rows), schema=schema), name)
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
        filters = list(where) or None
        return table.to_pyarrow_table(columns=list(columns) or None, filters=filters).to_pylist()


def column_names(path: Path, version: int) -> tuple[str, ...]:
    """Give the columns of a table at one version.

    Raises:
        TableError: There is no such version.
    """
    with _plain_errors(path):
        return tuple(item.name for item in DeltaTable(str(path), version=version).schema().fields)


def _open(path: Path, version: int | None) -> DeltaTable | None:
    try:
        return DeltaTable(str(path), version=version)
    except TableNotFoundError:
        return None


@contextmanager
def _plain_errors(path: Path) -> Generator[None]:
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise TableError(f"the table {path} can't be read: {error}") from error


def _append(path: Path, rows: pa.Table, name: str) -> bool:
    if not DeltaTable.is_deltatable(str(path)):
        write_deltalake(str(path), rows, commit_properties=_named(name))
        return True
    table = DeltaTable(str(path))
    if table.transaction_version(name) is not None:
        return False
    write_deltalake(table, rows, mode="append", commit_properties=_named(name))
    if table.version() % _COMPACT_EVERY == _COMPACT_EVERY - 1:
        table.optimize.compact()
        table.create_checkpoint()
    return True


def _named(name: str) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(name, 1)])


@contextmanager
def _lock(path: Path) -> Generator[None]:
    """One process looks and appends at a time; others wait. The system frees it if one dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
