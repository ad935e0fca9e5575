"""How many rows of a split have each label: the footers don't say, so its column is read."""

import numpy as np
import pyarrow.parquet as pq

from pipelines.errors import TableError
from pipelines.loading.manifest import Manifest
from pipelines.loading.row_filter import mask


def count_labels(manifest: Manifest, split: str) -> tuple[int, ...]:
    """Give the number of rows of each label, (num_classes,), of those that match the filters.

    Raises:
        TableError: The split is empty, or a label is out of range.
    """
    columns = manifest.columns
    names = [*dict.fromkeys([columns.label, *(wanted.column for wanted in manifest.filters)])]
    counts = np.zeros(columns.num_classes, np.int64)
    for group in manifest.row_groups(split):
        with pq.ParquetFile(group.file) as file:
            read = file.read_row_group(group.index, columns=names, use_threads=False)
        labels = read.column(columns.label).to_numpy()[mask(manifest.filters, read)]
        labels = labels if group.chosen is None else labels[list(group.chosen)]
        found = np.bincount(labels, minlength=len(counts)) if labels.min() >= 0 else ()
        if len(found) != len(counts):
            raise TableError(
                f"{manifest.table}: expected labels from 0 to {len(counts) - 1} in split "
                f"{split!r}; got {labels.min()} to {labels.max()}. Correct the contract's label"
            )
        counts += found
    return tuple(counts.tolist())
