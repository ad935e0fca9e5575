"""One row group as arrays, each value checked on the way.

Whatever Parquet could hold that no features job writes (a null, a NaN, a code out of range) would
reach the model as a plain number, so it stops the run here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.fs import LocalFileSystem

from pipelines.errors import TableError
from pipelines.loading.columns import (
    CATEGORICAL,
    LABEL,
    NUMERIC,
    InputColumns,
    ListColumn,
)
from pipelines.loading.manifest import RowGroup
from pipelines.loading.row_filter import RowFilter, mask
from pipelines.padded import pad_lists
from schemas.encode import length_name

_Arrays: TypeAlias = dict[str, NDArray[Any]]
_TRANSPOSED_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one row group: an array (rows, ...) for each of ``InputColumns.fields``.

    Their order is ``order``, (rows,), or the file's. They are put into it piece by piece, where
    they are taken: the whole would be copied once more.
    """

    arrays: _Arrays
    order: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.arrays[LABEL])

    def stretch(self, begin: int, end: int) -> _Arrays:
        """Give the rows [begin, end) in their order."""
        if self.order is None:
            return {name: array[begin:end] for name, array in self.arrays.items()}
        places = self.order[begin:end]
        return {name: array.take(places, axis=0) for name, array in self.arrays.items()}


class Decoder:
    """Reads row groups and makes arrays of them, columns taken by name.

    Args:
        columns: What to decode.
        filters: Rows that don't match all of them are left out.
        groups: Those of which a part is chosen say which.
    """

    def __init__(
        self,
        columns: InputColumns,
        filters: Sequence[RowFilter] = (),
        groups: Sequence[RowGroup] = (),
    ) -> None:
        self._columns, self._filters = columns, filters
        self._chosen = {
            (group.file, group.index): group.chosen for group in groups if group.chosen is not None
        }
        self._names = list(columns.types | {wanted.column: None for wanted in filters})
        self._scratch: _Arrays = {}

    def read(self, path: str, row_group: int) -> pa.Table:
        """Read the columns of one row group, rows left out by the filters; from any thread.

        Raises:
            TableError: The file can't be read.
        """
        try:
            with LocalFileSystem().open_input_file(path) as source:
                table = pq.ParquetFile(source).read_row_group(
                    row_group, columns=self._names, use_threads=False
                )
        except (OSError, pa.ArrowInvalid) as error:
            raise TableError(
                f"{path}: row group {row_group} can't be read ({error}). The file was deleted or "
                "altered after the manifest was made: make the table again"
            ) from error
        if self._filters:
            table = table.filter(pa.array(mask(self._filters, table)))
        if (chosen := self._chosen.get((path, row_group))) is not None:
            table = table.take(pa.array(chosen))
        return table

    def rows(
        self, table: pa.Table, group: RowGroup, order: NDArray[np.int64] | None = None
    ) -> Rows:
        """Make arrays of a row group that was read; for one thread at a time.

        Args:
            table: What ``read`` gave.
            group: What it must be.
            order: Order in which its rows are given, (rows,); None: the file's.

        Raises:
            TableError: It has another number of rows, or a value that could not have come from
                the features job.
        """
        for came in (table.num_rows, table.num_rows if order is None else len(order)):
            if came != group.rows:
                expected = f"{group.rows} rows in row group {group.index}"
                raise count_error(group.file, expected, came)
        try:
            return Rows(self._arrays(table), order)
        except TableError as error:
            raise TableError(f"{group.file}: {error}") from error

    def _arrays(self, table: pa.Table) -> _Arrays:
        columns = self._columns
        numeric = self._columns_as_rows(table, columns.numeric, np.float32)
        _check_finite(columns.numeric, numeric)
        # copied before the codes are read: they take the same scratch
        arrays: _Arrays = {NUMERIC: _transposed(numeric), LABEL: self._label(table)}
        codes = self._columns_as_rows(table, columns.categorical, np.int32)
        for name, size, values in zip(columns.categorical, columns.sizes, codes, strict=True):
            _check_codes(name, size, values)
        arrays[CATEGORICAL] = _transposed(codes)
        for column in columns.lists:
            arrays |= _padded(column, table.column(column.name))
        for column in columns.images:
            encoded = table.column(column.name)
            _check_nulls(column.name, encoded)
            lengths = pc.call_function("binary_length", [encoded]).to_numpy()
            if num_empty := int((lengths == 0).sum()):  # they would be taken for empty slots
                raise TableError(f"column {column.name}: expected images; {num_empty} are empty")
            arrays[column.name] = encoded.to_numpy()
        return arrays

    def _label(self, table: pa.Table) -> NDArray[Any]:
        columns = self._columns
        label = self._columns_as_rows(table, [columns.label], columns.label_dtype)
        if columns.num_classes:
            _check_codes(columns.label, columns.num_classes, label[0])
        else:
            _check_finite([columns.label], label)
        return label[0].copy()

    def _columns_as_rows(self, table: pa.Table, names: Sequence[str], dtype: Any) -> NDArray[Any]:
        """Give (columns, rows), in memory that the next row group takes again."""
        known = self._memory((len(names), table.num_rows), dtype)
        for number, name in enumerate(names):
            column = table.column(name)
            _check_nulls(name, column)
            known[number] = column.to_numpy()
        return known

    def _memory(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Give memory that the next row group takes again."""
        key, size = str(np.dtype(dtype)), int(np.prod(shape))
        if key not in self._scratch or len(self._scratch[key]) < size:
            self._scratch[key] = np.empty(size, dtype)
        return self._scratch[key][:size].reshape(shape)


def _transposed(columns: NDArray[Any]) -> NDArray[Any]:
    """Give (columns, rows) as (rows, columns), copied: the scratch is soon written over."""
    rows = np.empty(columns.shape[::-1], columns.dtype)
    # in parts that fit a processor's cache: a third less time
    for begin in range(0, len(rows), _TRANSPOSED_ROWS):
        part = slice(begin, begin + _TRANSPOSED_ROWS)
        rows[part] = columns[:, part].T
    return rows


def _padded(column: ListColumn, chunked: pa.ChunkedArray) -> _Arrays:
    """Give lists as a matrix, cut or padded with zeros, and their lengths unless they are fixed."""
    _check_nulls(column.name, chunked)
    lengths = pc.call_function("list_value_length", [chunked]).to_numpy()
    items = pc.call_function("list_flatten", [chunked])
    _check_nulls(column.name, items)
    values = items.to_numpy()
    if column.is_fixed and np.any(lengths != column.length):
        wrong = lengths[lengths != column.length]
        raise TableError(
            f"column {column.name}: expected lists of {column.length}; {len(wrong)} have other "
            f"lengths, the first {wrong[0]}. Declare it as a list of variable length"
        )
    if column.size:
        _check_codes(column.name, column.size, values)
    else:
        _check_finite([column.name], values[None])
    padded, kept = pad_lists(chunked, column.length, column.dtype)
    if column.is_fixed:
        return {column.name: padded}
    return {column.name: padded, length_name(column.name): kept}


def _check_nulls(name: str, column: Any) -> None:
    if column.null_count:
        raise TableError(f"column {name}: expected no nulls; got {column.null_count}")


def _check_finite(names: Sequence[str], columns: NDArray[np.float32]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        sums = columns.sum(axis=1)
    # a sum is finite unless some value is not, or it overflows: then look closer
    for number in np.flatnonzero(~np.isfinite(sums)):
        wrong = int((~np.isfinite(columns[number])).sum())
        if wrong:
            raise TableError(
                f"column {names[number]}: expected finite numbers; {wrong} are NaN or infinite. "
                "Impute or clip it in the contract"
            )


def _check_codes(name: str, size: int, values: NDArray[np.int32]) -> None:
    if not len(values):
        return
    low, high = values.min(), values.max()
    if low < 0 or high >= size:
        raise TableError(
            f"column {name}: expected codes from 0 to {size - 1}; got {low} to {high}. "
            "Give the state and the table of one engineer_features run"
        )


def count_error(where: str, expected: str, came: int) -> TableError:
    """Make the error of a file or a reader that gives another number of rows than the manifest."""
    return TableError(
        f"{where}: expected {expected} by the manifest; got {came}. Rows were lost or doubled "
        "while reading: the table changed under the run, or the reader has a fault; run again"
    )
