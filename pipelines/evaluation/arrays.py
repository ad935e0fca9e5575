"""Rows of a features table as NumPy arrays, in batches, columns by name.

Evaluation and scoring must feed a model exactly what training fed it, so the order of columns
comes from the fitted state, never from a file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import TableError
from pipelines.padded import pad_lists
from pipelines.pictures import from_png
from schemas.encode import FeatureSet, length_name


@dataclass(frozen=True, slots=True)
class Arrays:
    """Rows as a model takes them: float32 (rows, n), int32 (rows, m); and labels, (rows,).

    Labels are int32, of a number float32. ``others`` holds further inputs by their names, an array
    (rows, ...) each: of a list of tokens (rows, length) int32 and its (rows,) lengths, of images
    (rows, height, width, channels) uint8.
    """

    numeric: npt.NDArray[np.float32]
    categorical: npt.NDArray[np.int32]
    label: npt.NDArray[Any]
    others: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numeric)

    @property
    def num_items(self) -> npt.NDArray[np.int64]:
        """Items of all lists of each row, (rows,)."""
        names = [length_name(name) for name in self.others if length_name(name) in self.others]
        zeros = np.zeros(len(self), np.int64)
        return sum((self.others[name].astype(np.int64) for name in names), zeros)

    def trimmed(self) -> "Arrays":
        """Give lists that are no longer than the longest of them; at least one item."""
        others = dict(self.others)
        for name in self.others:
            if (lengths := self.others.get(length_name(name))) is not None:
                others[name] = others[name][:, : int(lengths.max(initial=1))]
        return replace(self, others=others)

    def take(self, rows: Any) -> "Arrays":
        """Give chosen rows: a mask, places, or a slice."""
        others = {name: array[rows] for name, array in self.others.items()}
        return Arrays(self.numeric[rows], self.categorical[rows], self.label[rows], others)


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
    others: dict[str, npt.NDArray[Any]] = {}
    for item in features.tokens:
        lists = _whole_column(batch, item.name)
        others[item.name], others[length_name(item.name)] = pad_lists(lists, item.length, np.int32)
    for item in features.images:
        others[item.name] = from_png(_whole_column(batch, item.name).to_pylist(), item.shape)
    return Arrays(numeric, categorical, label.astype(_label_dtype(features)), others)


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
        others = {item.name: np.empty((0, item.length), np.int32) for item in features.tokens}
        others |= {length_name(name): np.empty(0, np.int32) for name in [*others]}
        others |= {item.name: np.empty((0, *item.shape), np.uint8) for item in features.images}
        return Arrays(empty, codes, np.empty(0, _label_dtype(features)), others)
    return Arrays(
        np.concatenate([part.numeric for part in parts]),
        np.concatenate([part.categorical for part in parts]),
        np.concatenate([part.label for part in parts]),
        {name: np.concatenate([part.others[name] for part in parts]) for name in parts[0].others},
    )


def _label_dtype(features: FeatureSet) -> Any:
    return np.int32 if features.target.num_classes else np.float32


def _drawn(batch: Arrays, share: float, random: np.random.Generator) -> Arrays:
    if share >= 1.0:
        return batch
    return batch.take(random.random(len(batch)) < share)


def _column(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    return _whole_column(batch, name).to_numpy(zero_copy_only=False)


def _whole_column(batch: pa.RecordBatch, name: str) -> pa.Array:
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
    return column
