"""How many rows of a split have each label: the footers don't say, so its column is read."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipelines.errors import TableError
from pipelines.loading.manifest import Manifest
from pipelines.loading.row_filter import mask


def count_labels(manifest: Manifest, split: str) -> tuple[int, ...]:
    """Give the number of rows of each label, (num_classes,), of those that match the filters.

    Raises:
        TableError: The split is empty, or a label is out of range.
    """
    counts = np.zeros(manifest.columns.num_classes, np.int64)
    for labels in read_labels(manifest, split):
        counts += np.bincount(labels, minlength=len(counts))
    return tuple(counts.tolist())


def read_labels(manifest: Manifest, split: str) -> Iterator[npt.NDArray[Any]]:
    """Give the labels of each row group of a split, (rows,), of the rows that match the filters.

    Raises:
        TableError: The split is empty, or a label is out of range.
    """
    columns = manifest.columns
    names = [*dict.fromkeys([columns.label, *(wanted.column for wanted in manifest.filters)])]
    for group in manifest.row_groups(split):
        with pq.ParquetFile(group.file) as file:
            read = file.read_row_group(group.index, columns=names, use_threads=False)
        labels = read.column(columns.label).to_numpy()[mask(manifest.filters, read)]
        labels = labels if group.chosen is None else labels[list(group.chosen)]
        if labels.min() < 0 or labels.max() >= columns.num_classes:
            raise TableError(
                f"{manifest.table}: expected labels from 0 to {columns.num_classes - 1} in split "
                f"{split!r}; got {labels.min()} to {labels.max()}. Correct the contract's label"
            )
        yield labels
