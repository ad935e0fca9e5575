"""What is kept of a column to compare it later: counts by bucket, mergeable, a few kilobytes.

The buckets of numbers end at quantiles of the reference, computed once; every later table is
counted in the same ones. All columns of a table are counted in one job.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

# pyarrow makes its functions at import, out of any type checker's sight
_compute: Any = pyarrow.compute
_VALUE, _NULL, _NAN = 0, 1, 2
_COUNTED = "item int, kind int, key string, num long"
_ACCURACY = 10_000


@dataclass(frozen=True, slots=True)
class Profile:
    """Counts of one column of one table.

    Of a ``numeric`` column ``keys`` are the edges of its buckets, ascending, and ``counts`` has one
    more: a value belongs to the first edge that is not below it, else to the last bucket. Of a
    ``categorical`` column ``counts`` goes with ``keys``, its categories, most frequent first.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    keys: tuple[Any, ...]
    counts: tuple[int, ...]
    nulls: int
    nans: int = 0

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return sum(self.counts) + self.nulls + self.nans


def fit_edges(
    rows: DataFrame, columns: Sequence[str], num_buckets: int
) -> dict[str, tuple[float, ...]]:
    """Give the edges of about equally full buckets for each column, in one Spark job.

    Quantiles are those of ``percentile_approx``, right to 1 in 10,000 of the rows. A value that
    fills a bucket by itself gets one of its own: an edge stands right below it too. None without
    values.
    """
    if not columns:
        return {}
    levels = [number / num_buckets for number in range(1, num_buckets)]
    value = {name: F.nanvl(F.col(name).cast("double"), F.lit(None)) for name in columns}
    found = [
        F.percentile_approx(value[name], levels, _ACCURACY).alias(f"_{place}")
        for place, name in enumerate(columns)
    ]
    row: Any = rows.agg(*found).first()
    return {name: _edges(row[place] or ()) for place, name in enumerate(columns)}


def count_columns(
    rows: DataFrame, edges: Mapping[str, Sequence[float]], categorical: Sequence[str]
) -> tuple[Profile, ...]:
    """Count all columns in one Spark job: those of ``edges`` as numbers, the others as categories.

    A categorical column is a code or a word of a contract: its distinct values fit into memory.
    """
    names = [*edges, *categorical]
    counter = _Counter(tuple(tuple(edges[name]) for name in edges), len(names))
    counted = rows.select(*names).mapInArrow(counter, _COUNTED)
    merged = counted.groupBy("item", "kind", "key").agg(F.sum("num").alias("num")).collect()
    found = [Counter[tuple[int, str]]() for _ in names]
    for row in merged:
        found[row["item"]][row["kind"], row["key"]] = row["num"]
    return tuple(
        _profile(name, edges.get(name), counts) for name, counts in zip(names, found, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Counter:
    """Count the buckets of one task's rows; called in Spark's Python workers."""

    edges: tuple[tuple[float, ...], ...]
    num_columns: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total: Counter[tuple[int, int, str]] = Counter()
        for batch in batches:
            for item in range(self.num_columns):
                values = batch.column(item)
                total[item, _NULL, ""] += values.null_count
                if item < len(self.edges):
                    total.update(_count_numbers(item, values.drop_null(), self.edges[item]))
                else:
                    total.update(_count_categories(item, values.drop_null()))
        rows = [(*key, num) for key, num in total.items() if num]
        columns = list(zip(*rows, strict=True)) if rows else [()] * 4
        kinds = (pa.int32(), pa.int32(), pa.string(), pa.int64())
        arrays = [pa.array(list(c), kind) for c, kind in zip(columns, kinds, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, ["item", "kind", "key", "num"])


def _count_numbers(
    item: int, values: pa.Array, edges: tuple[float, ...]
) -> Counter[tuple[int, int, str]]:
    numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    there = numbers[~np.isnan(numbers)]
    places = np.searchsorted(np.array(edges, np.float64), there, side="left")
    counts = np.bincount(places, minlength=1)
    found = Counter({(item, _VALUE, str(place)): int(n) for place, n in enumerate(counts) if n})
    found[item, _NAN, ""] = len(numbers) - len(there)
    return found


def _count_categories(item: int, values: pa.Array) -> Counter[tuple[int, int, str]]:
    counted = _compute.value_counts(values)
    words = counted.field("values").cast(pa.string()).to_pylist()
    numbers = counted.field("counts").to_pylist()
    return Counter(
        {(item, _VALUE, word): number for word, number in zip(words, numbers, strict=True)}
    )


def _edges(quantiles: Sequence[float]) -> tuple[float, ...]:
    ends = [float(value) for value in quantiles if math.isfinite(value)]
    repeated = [value for value, num in Counter(ends).items() if num > 1]
    return tuple(sorted({*ends, *(math.nextafter(value, -math.inf) for value in repeated)}))


def _profile(name: str, edges: Sequence[float] | None, found: Counter[tuple[int, str]]) -> Profile:
    nulls, nans = found[_NULL, ""], found[_NAN, ""]
    values = {key: num for (kind, key), num in found.items() if kind == _VALUE}
    if edges is not None:
        counts = tuple(values.get(str(place), 0) for place in range(len(edges) + 1))
        return Profile(name, "numeric", tuple(edges), counts, nulls, nans)
    ranked = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))
    keys, counts = (tuple(part) for part in zip(*ranked, strict=True)) if ranked else ((), ())
    return Profile(name, "categorical", keys, counts, nulls)
