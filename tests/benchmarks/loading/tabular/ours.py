"""The ways to load that run in the project's own environment, on one table.

Usage: python -m tests.benchmarks.loading.tabular.ours WAY TABLE.json
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tests.benchmarks.loading.tabular.data import Table, read_table
from tests.benchmarks.loading.worker import Way, serve

BATCH = 1536
_AMPLE_MB = 100_000


def pyarrow_alone(table: Table) -> Way:
    """The limit: read and decode the columns, one thread, no batches and no framework."""
    names = [*table.numeric, *table.integers]

    def epoch() -> Iterator[Any]:
        for path in table.files:
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                read = file.read_row_group(group, columns=names, use_threads=False)
                yield {name: read.column(name).to_numpy() for name in names}

    return Way(epoch, lambda batch: _stacked(table, batch))


def gristmill(table: Table, memory_mb: int = 0) -> Way:
    """Our own, shuffled in two levels; or with all rows in memory, shuffled wholly."""
    from pipelines.loading.dataset import Reading, load_split  # noqa: PLC0415  not of each way
    from pipelines.loading.manifest import read_manifest  # noqa: PLC0415
    from pipelines.world import World  # noqa: PLC0415

    manifest = read_manifest(table.folder, 0, table.columns)
    split = load_split(manifest, "train", World(0, 1), Reading(BATCH, 1, memory_mb))
    epochs = count()

    def arrays(batch: Any) -> list[Any]:
        inputs, label, weight = batch
        there = weight.numpy() > 0
        parts = (inputs["numeric"], inputs["categorical"], label)
        numeric, categorical, label = (part.numpy()[there] for part in parts)
        return [numeric, categorical, label.astype(np.int32)]

    return Way(lambda: split.batches(next(epochs)), arrays)


def gristmill_in_memory(table: Table) -> Way:
    """Our own with all rows in memory."""
    return gristmill(table, _AMPLE_MB)


def tfrecord(table: Table) -> Way:
    """tf.data over TFRecord: one record a row, its numbers as one byte string; 10,000 shuffled."""
    import tensorflow as tf  # noqa: PLC0415

    path = Path(table.folder) / "train.tfrecord"
    if not path.exists():
        with tf.io.TFRecordWriter(str(path)) as writer:
            for batch in pyarrow_alone(table).epoch():
                for numbers in zip(*_stacked(table, batch), strict=True):
                    writer.write(b"".join(part.tobytes() for part in numbers))
    middle, end = 4 * len(table.numeric), 4 * (len(table.numeric) + len(table.integers))

    def decode(records: Any) -> Any:
        numeric = tf.io.decode_raw(tf.strings.substr(records, 0, middle), tf.float32)
        rest = tf.strings.substr(records, middle, end - middle)
        return numeric, tf.io.decode_raw(rest, tf.int32)

    def epoch() -> Iterator[Any]:
        records = tf.data.TFRecordDataset(str(path)).shuffle(10_000)
        return iter(records.batch(BATCH).map(decode, num_parallel_calls=2).prefetch(2))

    return Way(epoch, lambda batch: [part.numpy() for part in batch])


def petastorm(table: Table) -> Way:
    """Petastorm as its README shows it."""
    from petastorm import make_batch_reader  # noqa: PLC0415
    from petastorm.tf_utils import make_petastorm_dataset  # noqa: PLC0415

    names = [*table.numeric, *table.integers]

    def epoch() -> Iterator[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            urls = [f"file://{path}" for path in table.files]
            with make_batch_reader(urls, schema_fields=names) as reader:
                yield from make_petastorm_dataset(reader).unbatch().shuffle(10_000).batch(BATCH)

    def arrays(batch: Any) -> list[Any]:
        return _stacked(table, {name: getattr(batch, name).numpy() for name in names})

    return Way(epoch, arrays)


def _stacked(table: Table, columns: dict[str, Any]) -> list[Any]:
    groups = (table.numeric, table.integers)
    return [np.stack([columns[name] for name in names], axis=1) for names in groups]


WAYS: dict[str, Callable[[Table], Way]] = {
    "pyarrow alone": pyarrow_alone,
    "Gristmill": gristmill,
    "Gristmill, rows in memory": gristmill_in_memory,
    "tf.data over TFRecord": tfrecord,
    "Petastorm as in its README": petastorm,
}

if __name__ == "__main__":
    described = read_table(Path(sys.argv[2]))
    serve(lambda: WAYS[sys.argv[1]](described), described.folder)
