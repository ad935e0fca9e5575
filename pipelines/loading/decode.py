"""One row group as two matrices, each value checked on the way.

Whatever Parquet could hold that no features job writes (a null, a NaN, a code out of range) would
reach the model as a plain number, so it stops the run here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.fs import LocalFileSystem

from pipelines.errors import TableError
from pipelines.loading.manifest import InputColumns


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one row group.

    ``numeric`` is (rows, numeric columns) float32; ``integers`` is (rows, categorical columns + 1)
    int32 with the label last.
    """

    numeric: NDArray[np.float32]
    integers: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.integers)

    def take(self, order: NDArray[np.int64]) -> "Rows":
        """Give the rows at the places ``order``, copied."""
        return Rows(self.numeric[order], self.integers[order])


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Lay rows end to end."""
    numeric = np.concatenate([part.numeric for part in parts])
    return Rows(numeric, np.concatenate([part.integers for part in parts]))


def read_rows(path: str, row_group: int, columns: InputColumns) -> Rows:
    """Decode one row group into matrices, columns taken by name.

    Raises:
        TableError: The file can't be read, or a value could not have come from the features job.
    """
    try:
        with LocalFileSystem().open_input_file(path) as source:
            table = pq.ParquetFile(source).read_row_group(
                row_group, columns=list(columns.types), use_threads=False
            )
    except (OSError, pa.ArrowInvalid) as error:
        raise TableError(
            f"{path}: row group {row_group} can't be read ({error}). The file was deleted or "
            "altered after the manifest was made: make the table again"
        ) from error
    numeric = _matrix(path, table, columns.numeric, np.float32)
    integers = _matrix(path, table, (*columns.categorical, columns.label), np.int32)
    _check_values(path, columns, numeric, integers)
    return Rows(numeric, integers)


def _matrix(path: str, table: pa.Table, names: tuple[str, ...], kind: Any) -> NDArray[Any]:
    # column by column into rows of memory, then one transposing copy: numpy does that in blocks
    columns = np.empty((len(names), table.num_rows), dtype=kind)
    for number, name in enumerate(names):
        column = table.column(name)
        if column.null_count:
            raise TableError(f"{path}: column {name}: expected no nulls; got {column.null_count}")
        columns[number] = column.to_numpy()
    return np.ascontiguousarray(columns.T)


def _check_values(
    path: str, columns: InputColumns, numeric: NDArray[np.float32], integers: NDArray[np.int32]
) -> None:
    if not len(integers):
        return
    # the sum is finite unless some value is not, or it overflows: then look closer
    if numeric.size and not np.isfinite(numeric.sum(dtype=np.float64)):
        for number, name in enumerate(columns.numeric):
            wrong = int((~np.isfinite(numeric[:, number])).sum())
            if wrong:
                raise TableError(
                    f"{path}: column {name}: expected finite numbers; {wrong} are NaN or infinite. "
                    "Impute or clip it in the contract"
                )
    low, high = integers.min(axis=0), integers.max(axis=0)
    limits = zip((*columns.categorical, columns.label), (*columns.sizes, 2), strict=True)
    for number, (name, size) in enumerate(limits):
        if low[number] < 0 or high[number] >= size:
            raise TableError(
                f"{path}: column {name}: expected codes from 0 to {size - 1}; got {low[number]} to "
                f"{high[number]}. Give the state and the table of one engineer_features run"
            )
