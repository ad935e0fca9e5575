"""Rows of a features table as NumPy arrays, in batches, columns by name.

Evaluation and scoring must feed a model exactly what training fed it, so the order of columns
comes from the fitted state, never from a file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import TableError
from schemas.encode import FeatureSet


@dataclass(frozen=True, slots=True)
class Arrays:
    """Rows as a model takes them: float32 (rows, n), int32 (rows, m); and labels, (rows,).

    Labels are int32, of a number float32.
    """

    numeric: npt.NDArray[np.float32]
    categorical: npt.NDArray[np.int32]
    label: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.numeric)


def to_arrays(batch: pa.RecordBatch, features: FeatureSet) -> Arrays:
    """Stack the columns of one Arrow batch.

    Args:
        batch: Has the columns of ``features``; others are ignored.
        features: What to stack, in which order. With an empty ``label`` the labels are zeros.

    Raises:
        TableError: A column is missing or holds nulls, which NumPy would turn into numbers.
    """
    rows = batch.num_rows
    numeric = np.empty((rows, len(features.numeric)), np.float32)
    for position, name in enumerate(features.numeric):
        numeric[:, position] = _column(batch, name)
    categorical = np.empty((rows, len(features.categorical)), np.int32)
    for position, name in enumerate(features.categorical):
        categorical[:, position] = _column(batch, name)
    label = _column(batch, features.label) if features.label else np.zeros(rows)
    return Arrays(numeric, categorical, label.astype(_label_dtype(features)))


def read_batches(
    files: Sequence[str], features: FeatureSet, batch_rows: int = 65_536
) -> Iterator[Arrays]:
    """Read the live Parquet ``files`` of a split in their order, at most ``batch_rows`` at once."""
    for name in files:
        with pq.ParquetFile(name) as file:
            columns = [*features.columns, features.label]
            for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
                if batch.num_rows:
                    yield to_arrays(batch, features)


def read_sample(
    files: Sequence[str], features: FeatureSet, max_rows: int, seed: int
) -> tuple[Arrays, int]:
    """Read a split into memory, or about ``max_rows`` of it, drawn evenly with ``seed``.

    Returns:
        The rows, in the order of the files, and how many rows the files hold.
    """
    total = sum(pq.read_metadata(name).num_rows for name in files)
    random = np.random.default_rng(seed)
    share = min(1.0, max_rows / max(total, 1))
    parts = [_drawn(batch, share, random) for batch in read_batches(files, features)]
    return join_arrays(parts, features), total


def join_arrays(parts: Sequence[Arrays], features: FeatureSet) -> Arrays:
    """Put batches one under another; no batch gives arrays of no rows."""
    if not parts:
        empty = np.empty((0, len(features.numeric)), np.float32)
        codes = np.empty((0, len(features.categorical)), np.int32)
        return Arrays(empty, codes, np.empty(0, _label_dtype(features)))
    return Arrays(
        np.concatenate([part.numeric for part in parts]),
        np.concatenate([part.categorical for part in parts]),
        np.concatenate([part.label for part in parts]),
    )


def _label_dtype(features: FeatureSet) -> Any:
    return np.int32 if features.target.num_classes else np.float32


def _drawn(batch: Arrays, share: float, random: np.random.Generator) -> Arrays:
    if share >= 1.0:
        return batch
    is_kept = random.random(len(batch)) < share
    return Arrays(batch.numeric[is_kept], batch.categorical[is_kept], batch.label[is_kept])


def _column(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    position = batch.schema.get_field_index(name)
    if position < 0:
        raise TableError(
            f"the features table has no column {name!r}; got {batch.schema.names}. "
            "Give the state that was fitted for this table"
        )
    column = batch.column(position)
    if column.null_count:
        raise TableError(
            f"{name}: expected no nulls in the features table; got {column.null_count} of "
            f"{batch.num_rows} rows. Run engineer_features and its checks again"
        )
    return column.to_numpy(zero_copy_only=False)
