"""What one pinned table version holds for training: files, row groups, rows, columns.

Everything that can be refused is refused here, from the log and the footers, before the first
row is read: a null, another type or an altered file would reach the model as a plain number.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import TableError
from pipelines.loading.delta_log import LiveFile, live_files

SPLIT_COLUMN = "split"
_POISON = ("_common_metadata", "_metadata")


@dataclass(frozen=True, slots=True)
class InputColumns:
    """The columns that a model takes, in the order of its matrices.

    ``sizes`` holds the number of codes of each categorical column: codes lie in [0, size).
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    sizes: tuple[int, ...]
    label: str

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Arrow type expected of each column."""
        types = dict.fromkeys(self.numeric, pa.float32())
        return types | dict.fromkeys((*self.categorical, self.label), pa.int32())


@dataclass(frozen=True, slots=True)
class RowGroup:
    """``rows`` rows of a file; ``index`` counts row groups inside the file."""

    file: str
    index: int
    rows: int
    label_range: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The row groups of each split of one table version, in a repeatable order."""

    table: str
    columns: InputColumns
    splits: dict[str, tuple[RowGroup, ...]]

    def row_groups(self, split: str) -> tuple[RowGroup, ...]:
        """Give the row groups of one split.

        Raises:
            TableError: The split has no rows.
        """
        groups = self.splits.get(split, ())
        if not groups:
            counts = {name: self.num_rows(name) for name in self.splits}
            raise TableError(
                f"{self.table}: expected rows in split {split!r}; it has none (rows by split: "
                f"{counts}). Change the split of the contract, or give more data"
            )
        return groups

    def num_rows(self, split: str) -> int:
        """Rows of one split."""
        return sum(group.rows for group in self.splits.get(split, ()))

    def label_range(self, split: str) -> tuple[int, int] | None:
        """Least and greatest label of a split by the footers; None if a footer doesn't say."""
        ranges = [group.label_range for group in self.row_groups(split)]
        known = [label_range for label_range in ranges if label_range is not None]
        if len(known) < len(ranges):
            return None
        return min(low for low, _ in known), max(high for _, high in known)


def read_manifest(folder: str, version: int, columns: InputColumns) -> Manifest:
    """Read the log at ``version`` and the footer of each live file.

    Raises:
        TableError: The version is missing or of a kind that can't be read safely; a file is
            missing or altered; rows differ from the log; a column is missing, of another type,
            or holds nulls.
    """
    table = f"{folder}@v{version}"
    for name in _POISON:
        if (Path(folder) / name).exists():
            raise TableError(
                f"{table}: expected no file {name}: Petastorm would unpickle it, which runs code. "
                f"Delete {Path(folder) / name}; Delta does not need it"
            )
    splits: dict[str, tuple[RowGroup, ...]] = {}
    footers = [(file, _footer(table, file)) for file in live_files(folder, version)]
    for file, footer in sorted(footers, key=lambda pair: _content_key(*pair)):
        split = file.partition.get(SPLIT_COLUMN)
        if split is None:
            raise TableError(
                f"{table}: expected a table partitioned by {SPLIT_COLUMN!r}; {file.path} has "
                f"partition values {file.partition}. Write it with partitionBy({SPLIT_COLUMN!r})"
            )
        splits[split] = (*splits.get(split, ()), *_row_groups(table, file, footer, columns))
    return Manifest(table, columns, splits)


def _content_key(file: LiveFile, footer: pq.FileMetaData) -> tuple[str, ...]:
    """Order by what a file holds: its name is random, and a table made anew must read the same."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    bounds = [(chunk.path_in_schema, chunk.num_values, *_bounds(chunk)) for chunk in chunks]
    return json.dumps(file.partition, sort_keys=True), repr(bounds), file.path


def _row_groups(
    table: str, file: LiveFile, footer: pq.FileMetaData, columns: InputColumns
) -> list[RowGroup]:
    logged = file.stats.get("numRecords", footer.num_rows)
    if logged != footer.num_rows:
        raise TableError(
            f"{table}: expected {logged} rows in {file.path} by the log; its footer says "
            f"{footer.num_rows}. The file was altered: make the table again"
        )
    _check_types(table, file, footer.schema.to_arrow_schema(), columns)
    indexes = {footer.schema.column(i).name: i for i in range(len(footer.schema))}
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    for group in groups:
        _check_nulls(table, file, [group.column(indexes[name]) for name in columns.types])
    label = indexes[columns.label]
    return [
        RowGroup(file.path, number, group.num_rows, _range(group.column(label)))
        for number, group in enumerate(groups)
        if group.num_rows
    ]


def _footer(table: str, file: LiveFile) -> pq.FileMetaData:
    path = Path(file.path)
    if not path.exists():
        raise TableError(
            f"{table}: expected the file {path} of this version; it is gone (vacuumed or deleted). "
            "Make the table again, or name a later version"
        )
    if path.stat().st_size != file.size:
        raise TableError(
            f"{table}: expected {file.size} bytes in {path} by the log; it has "
            f"{path.stat().st_size}. The file was altered: make the table again"
        )
    try:
        return pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(
            f"{table}: expected a Parquet file; {path} can't be read ({error}). Make the table "
            "again"
        ) from error


def _check_types(table: str, file: LiveFile, schema: pa.Schema, columns: InputColumns) -> None:
    came = dict(zip(schema.names, schema.types, strict=True))
    wrong = [
        f"{name} expected {wanted}, got {came.get(name, 'no such column')}"
        for name, wanted in columns.types.items()
        if came.get(name) != wanted
    ]
    if wrong:
        raise TableError(
            f"{table}: columns of {file.path} differ from the features state: {'; '.join(wrong)}. "
            "Give the state and the table of one and the same engineer_features run"
        )


def _check_nulls(table: str, file: LiveFile, chunks: Sequence[pq.ColumnChunkMetaData]) -> None:
    for chunk in chunks:
        statistics = chunk.statistics
        if statistics is not None and statistics.has_null_count and statistics.null_count:
            raise TableError(
                f"{table}: expected no nulls; column {chunk.path_in_schema} has "
                f"{statistics.null_count} in {file.path}. Impute it in the contract"
            )


def _range(chunk: pq.ColumnChunkMetaData) -> tuple[int, int] | None:
    low, high = _bounds(chunk)
    return None if low is None else (int(low), int(high))


def _bounds(chunk: pq.ColumnChunkMetaData) -> tuple[Any, Any]:
    """Least and greatest value by the footer; None twice if it doesn't say."""
    statistics = chunk.statistics
    if statistics is None or not statistics.has_min_max:
        return None, None
    return statistics.min, statistics.max
