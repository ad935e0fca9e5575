"""What one pinned table version holds for training: files, row groups, rows, columns.

Everything that can be refused is refused here, from the log and the footers, before the first
row is read: a null, another type or an altered file would reach the model as a plain number.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import TableError
from pipelines.loading.columns import InputColumns
from pipelines.loading.delta_log import LiveFile, live_files, verify_share
from pipelines.loading.row_filter import RowFilter, check_filters, decide, mask
from pipelines.world import ONE, World

SPLIT_COLUMN = "split"
_POISON = ("_common_metadata", "_metadata")


@dataclass(frozen=True, slots=True)
class RowGroup:
    """``rows`` rows of a file; ``index`` counts row groups inside the file.

    ``rows`` are those that match the filters; ``num_bytes`` is what they take up in memory. Of
    these ``chosen`` are taken, by their places, or all.
    """

    file: str
    index: int
    rows: int
    label_range: tuple[float, float] | None = None
    num_bytes: int = 0
    chosen: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The row groups of each split of one table version, in a repeatable order.

    ``filtered`` counts the rows of each split that the filters leave out, and of the training split
    those beyond ``rows_per_class``, if that is not 0.
    """

    table: str
    columns: InputColumns
    splits: dict[str, tuple[RowGroup, ...]]
    filters: tuple[RowFilter, ...] = ()
    filtered: dict[str, int] = field(default_factory=dict)
    rows_per_class: int = 0

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
                f"{counts}{self._say_filters()}). Change the split of the contract, or give more "
                "data"
            )
        return groups

    def num_rows(self, split: str) -> int:
        """Rows of one split."""
        return sum(group.rows for group in self.splits.get(split, ()))

    def _say_filters(self) -> str:
        if not self.filters:
            return ""
        return f"; left out by {', '.join(map(str, self.filters))}: {self.filtered}"

    def label_range(self, split: str) -> tuple[float, float] | None:
        """Least and greatest label of a split by the footers; None if a footer doesn't say."""
        ranges = [group.label_range for group in self.row_groups(split)]
        known = [label_range for label_range in ranges if label_range is not None]
        if len(known) < len(ranges):
            return None
        return min(low for low, _ in known), max(high for _, high in known)


def read_manifest(
    folder: str,
    version: int,
    columns: InputColumns,
    filters: Sequence[RowFilter] = (),
    world: World = ONE,
) -> Manifest:
    """Read the log at ``version`` and the footer of each live file, and verify the files' bytes.

    Args:
        folder: The table's.
        version: Of the table.
        columns: What is to be read.
        filters: Rows that don't match all of them are left out, of every split. Where the footers
            don't decide, the columns of the filters are read to count the rows.
        world: This rank verifies its share of the files; by default all.

    Raises:
        ParameterError: A filter names a column that is not there, or no value of its type.
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
    filtered: dict[str, int] = {}
    files = live_files(folder, version)
    verify_share(files, world)
    footers = [(file, _footer(table, file)) for file in files]
    for file, footer in sorted(footers, key=lambda pair: _content_key(*pair)):
        split = file.partition.get(SPLIT_COLUMN)
        if split is None:
            raise TableError(
                f"{table}: expected a table partitioned by {SPLIT_COLUMN!r}; {file.path} has "
                f"partition values {file.partition}. Write it with partitionBy({SPLIT_COLUMN!r})"
            )
        _check_file(table, file, footer, columns)
        groups = _row_groups(table, file, footer, columns, filters)
        splits[split] = (*splits.get(split, ()), *groups)
        left_out = footer.num_rows - sum(group.rows for group in groups)
        filtered[split] = filtered.get(split, 0) + left_out
    return Manifest(table, columns, splits, tuple(filters), filtered)


def _content_key(file: LiveFile, footer: pq.FileMetaData) -> tuple[str, ...]:
    """Order by what a file holds: its name is random, and a table made anew must read the same."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    bounds = [(chunk.path_in_schema, chunk.num_values, *_bounds(chunk)) for chunk in chunks]
    return json.dumps(file.partition, sort_keys=True), repr(bounds), file.path


def _check_file(table: str, file: LiveFile, footer: pq.FileMetaData, columns: InputColumns) -> None:
    logged = file.stats.get("numRecords", footer.num_rows)
    if logged != footer.num_rows:
        raise TableError(
            f"{table}: expected {logged} rows in {file.path} by the log; its footer says "
            f"{footer.num_rows}. The file was altered: make the table again"
        )
    _check_types(table, file, footer.schema.to_arrow_schema(), columns)


def _row_groups(
    table: str,
    file: LiveFile,
    footer: pq.FileMetaData,
    columns: InputColumns,
    filters: Sequence[RowFilter],
) -> list[RowGroup]:
    schema = footer.schema.to_arrow_schema()
    check_filters(filters, schema, table)
    # of a nested column the footer's count of nulls is that of its items: decoding looks at those
    indexes = {footer.schema.column(i).path: i for i in range(len(footer.schema))}
    plain = [name for name in columns.types if name in indexes]
    row_bytes = sum(field.row_bytes for field in columns.fields)
    found: list[RowGroup] = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        chunks = {name: group.column(index) for name, index in indexes.items()}
        _check_nulls(table, file, [chunks[name] for name in plain])
        encoded = sum(chunks[image.name].total_uncompressed_size for image in columns.images)
        rows, labels = group.num_rows, _range(chunks[columns.label])
        verdicts = [
            decide(one, schema.field(one.column).type, chunks[one.column]) for one in filters
        ]
        if False in verdicts:
            continue
        if None in verdicts:
            rows, labels = _count(file, number, columns.label, filters)
        if rows:
            num_bytes = rows * row_bytes + encoded
            found.append(RowGroup(file.path, number, rows, labels, num_bytes))
    return found


def _count(
    file: LiveFile, row_group: int, label: str, filters: Sequence[RowFilter]
) -> tuple[int, tuple[float, float] | None]:
    """Read how many rows of a row group match, and the range of their labels."""
    names = [*dict.fromkeys([label, *(wanted.column for wanted in filters)])]
    read = pq.ParquetFile(file.path).read_row_group(row_group, columns=names, use_threads=False)
    labels = read.column(label).to_numpy()[mask(filters, read)]
    return len(labels), (labels.min().item(), labels.max().item()) if len(labels) else None


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
        if not _is_alike(came.get(name), wanted)
    ]
    if wrong:
        raise TableError(
            f"{table}: columns of {file.path} differ from the features state: {'; '.join(wrong)}. "
            "Give the state and the table of one and the same engineer_features run"
        )


def _is_alike(came: pa.DataType | None, wanted: pa.DataType) -> bool:
    # writers name the items of a list as they like
    if came is not None and pa.types.is_list(wanted) and pa.types.is_list(came):
        return came.value_type == wanted.value_type
    return came == wanted


def _check_nulls(table: str, file: LiveFile, chunks: Sequence[pq.ColumnChunkMetaData]) -> None:
    for chunk in chunks:
        statistics = chunk.statistics
        if statistics is not None and statistics.has_null_count and statistics.null_count:
            raise TableError(
                f"{table}: expected no nulls; column {chunk.path_in_schema} has "
                f"{statistics.null_count} in {file.path}. Impute it in the contract"
            )


def _range(chunk: pq.ColumnChunkMetaData) -> tuple[float, float] | None:
    low, high = _bounds(chunk)
    return None if low is None else (low, high)


def _bounds(chunk: pq.ColumnChunkMetaData) -> tuple[Any, Any]:
    """Least and greatest value by the footer; None twice if it doesn't say."""
    statistics = chunk.statistics
    if statistics is None or not statistics.has_min_max:
        return None, None
    return statistics.min, statistics.max
