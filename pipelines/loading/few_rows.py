"""So many training rows of each class, drawn with a seed: what few labels would give.

The rows of the other splits stay all: with few of them the best epoch would be chosen by chance.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from pipelines.errors import ParameterError
from pipelines.loading.label_counts import read_labels
from pipelines.loading.manifest import Manifest, RowGroup

TRAIN = "train"


def keep_few(manifest: Manifest, rows_per_class: int, seed: int) -> Manifest:
    """Give a manifest whose training split has ``rows_per_class`` rows of each class it has.

    Drawn without replacement from those that match the filters; the same table and seed give the
    same rows, on any number of ranks.

    Raises:
        ParameterError: The label is a number, or a class has fewer rows.
        TableError: The training split is empty.
    """
    columns = manifest.columns
    if not columns.num_classes:
        raise ParameterError(
            "--rows-per-class counts only with classes; the label is a number. Take --where"
        )
    groups = manifest.row_groups(TRAIN)
    labels = [*read_labels(manifest, TRAIN)]
    joined = np.concatenate(labels)
    counts = np.bincount(joined, minlength=columns.num_classes).tolist()
    present = [label for label, count in enumerate(counts) if count]
    fewest = min(present, key=lambda label: counts[label])
    if counts[fewest] < rows_per_class:
        raise ParameterError(
            f"{manifest.table}: expected --rows-per-class of at most {counts[fewest]}, what class "
            f"{fewest} of {columns.label} has in split {TRAIN!r}; got {rows_per_class}"
        )
    random = np.random.default_rng(seed)
    drawn = [
        random.choice(np.flatnonzero(joined == label), rows_per_class, replace=False)
        for label in present
    ]
    chosen = np.sort(np.concatenate(drawn))
    starts = np.cumsum([0, *map(len, labels)])
    kept: list[RowGroup] = []
    for group, start, end in zip(groups, starts, starts[1:], strict=False):
        places = chosen[(chosen >= start) & (chosen < end)]
        if len(places):
            kept.append(_part(group, places - start, joined[places]))
    left_out = manifest.filtered | {TRAIN: manifest.filtered.get(TRAIN, 0) + len(joined)}
    left_out[TRAIN] -= len(chosen)
    return replace(
        manifest, splits=manifest.splits | {TRAIN: tuple(kept)}, filtered=left_out,
        rows_per_class=rows_per_class,
    )  # fmt: skip


def _part(group: RowGroup, places: Any, labels: Any) -> RowGroup:
    num_bytes = -(-group.num_bytes * len(places) // group.rows)
    ends = float(labels.min()), float(labels.max())
    return replace(
        group, rows=len(places), label_range=ends, num_bytes=num_bytes,
        chosen=tuple(map(int, places)),
    )  # fmt: skip
