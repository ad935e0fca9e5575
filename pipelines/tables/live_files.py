"""The data files of a version of a table: how many rows they hold, and whether they are there."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake.exceptions import DeltaError

from pipelines.errors import TableError
from pipelines.storage.place import RemotePath, place
from pipelines.tables.records import open_table
from pipelines.tables.version import TableVersion


def count_live_rows(table: TableVersion) -> int:
    """Rows of a version, by the log's statistics of its files.

    Raises:
        TableError: The log can't be read, or a file carries no row count.
    """
    total = 0
    for added in _added(table):
        if added["num_records"] is None:
            raise TableError(f"{table}: {added['path']} has no row count in the log")
        total += added["num_records"]
    return total


def live_paths(table: TableVersion) -> dict[Path, int]:
    """Give the data files of a version, and their sizes in bytes.

    Raises:
        TableError: The log can't be read.
    """
    folder = place(table.path)
    return {folder / unquote(added["path"]): added["size_bytes"] for added in _added(table)}


def is_whole(table: TableVersion) -> bool:
    """Say whether all data files of a version are there."""
    return not _missing(table)


def require_files(table: TableVersion) -> None:
    """Raise unless all data files of a version are there.

    Raises:
        TableError: Some are not: VACUUM has removed them, or somebody has.
    """
    missing = _missing(table)
    if missing:
        raise TableError(
            f"{table} can't be read any more: {len(missing)} of its files were removed, such as "
            f"{missing[0].name}, as VACUUM does with versions that nothing pins. Take a later "
            "version, or run the step that wrote it again"
        )


def _missing(table: TableVersion) -> list[Path]:
    folder, live = place(table.path), live_paths(table)
    if isinstance(folder, RemotePath):
        # one list in place of a request for each
        there = {folder / name for name in folder.files_below()}
        return [path for path in live if path not in there]
    return [path for path in live if not path.exists()]


def _added(table: TableVersion) -> list[dict[str, Any]]:
    try:
        found = open_table(table.path, table.version).get_add_actions(flatten=True)
        return pa.table(found).to_pylist()
    except (DeltaError, OSError) as error:
        raise TableError(f"{table}: its log can't be read: {error}") from error
