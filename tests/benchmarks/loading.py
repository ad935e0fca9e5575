"""Measure ways to bring a features table into TensorFlow, in turns, one processor thread each.

Usage: python -m tests.benchmarks.loading --features PATH@vN --state STATE.json [--rounds 5]

Before any speed counts, each way must deliver the same rows: a sum of hashes over the rows of an
epoch, which no order changes, is compared. The bare limit is pyarrow reading and decoding the same
columns, no framework and no batches.
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray
from petastorm import make_batch_reader
from petastorm.tf_utils import make_petastorm_dataset

from pipelines.evaluation.arrays import make_features
from pipelines.loading.columns import InputColumns
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import Manifest, read_manifest
from pipelines.state import read_json, write_json
from pipelines.tables.version import parse_version
from pipelines.world import World
from tests.benchmarks.machine import describe_machine

_BATCH = 1536
_AMPLE_MB = 100_000
_PRIME = np.uint64(0x9E3779B97F4A7C15)
# numeric (rows, n) float32 and integers (rows, m + 1) int32, the label last
Arrays: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int32]]
Epoch: TypeAlias = Callable[[], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to load: an epoch of batches, and what makes arrays of a batch."""

    name: str
    epoch: Epoch
    arrays: Callable[[Any], Arrays]


def main() -> None:
    """Check and time each way; print a Markdown table and write ``loading.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="features table, path@vN")
    parser.add_argument("--state", required=True, help="its features state, JSON")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each way")
    parser.add_argument("--output", default="build/benchmarks", help="folder of loading.json")
    said = parser.parse_args()
    manifest = _open(said.features, read_json(Path(said.state)))
    with tempfile.TemporaryDirectory(prefix="gristmill-records-") as scratch:
        ways = [
            _bare(manifest),
            _ours("gristmill", manifest, 0),
            _ours("gristmill, rows in memory", manifest, _AMPLE_MB),
            _records(manifest, Path(scratch) / "train.tfrecord"),
            _petastorm(manifest),
        ]
        rows = manifest.num_rows("train")
        sums = {way.name: _sum_of_hashes(way, rows) for way in ways}
        seconds: dict[str, list[float]] = {way.name: [] for way in ways}
        for number in range(said.rounds):
            for way in ways:
                seconds[way.name].append(_drain(way))
                print(f"round {number + 1}: {way.name}", file=sys.stderr, flush=True)
    results = [
        {
            "way": name,
            "rows": rows,
            "columns": len(manifest.columns.types),
            "seconds": statistics.median(values),
            "all_seconds": [round(value, 4) for value in values],
            "same_rows": sums[name] == sums[ways[0].name],
        }
        for name, values in seconds.items()
    ]
    value = {"machine": describe_machine(), "table": said.features, "results": results}
    write_json(Path(said.output).absolute() / "loading.json", value)
    print(_table(results))
    raise SystemExit(not all(result["same_rows"] for result in results))


def _table(results: list[dict[str, Any]]) -> str:
    bare = results[0]["seconds"]
    lines = ["| way | rows/s | of the bare limit | the same rows |", "|---|--:|--:|---|"]
    for result in results:
        speed, share = result["rows"] / result["seconds"], bare / result["seconds"]
        same = "yes" if result["same_rows"] else "NO"
        lines.append(f"| {result['way']} | {speed:,.0f} | {share:.2f} | {same} |")
    return "\n".join(lines)


def _open(table: str, state: dict[str, Any]) -> Manifest:
    version, found = parse_version(table), make_features(state)
    columns = InputColumns(found.numeric, found.categorical, found.sizes, found.label)
    return read_manifest(version.path, version.version, columns)


def _drain(way: Way) -> float:
    started = time.perf_counter()
    for _ in way.epoch():
        pass
    return time.perf_counter() - started


def _sum_of_hashes(way: Way, rows: int) -> tuple[int, int]:
    """Rows of an epoch and the sum of their hashes, modulo 2^64."""
    count, total = 0, np.uint64(0)
    for batch in way.epoch():
        numeric, integers = way.arrays(batch)
        bits = np.concatenate([numeric.view(np.uint32), integers.view(np.uint32)], axis=1)
        hashes = np.zeros(len(bits), np.uint64)
        with np.errstate(over="ignore"):
            for column in bits.T.astype(np.uint64):
                hashes = (hashes ^ column) * _PRIME
                hashes ^= hashes >> np.uint64(29)
            total += hashes.sum(dtype=np.uint64)
        count += len(hashes)
    if count != rows:
        print(f"{way.name}: expected {rows} rows; got {count}", file=sys.stderr, flush=True)
    return count, int(total)


def _bare(manifest: Manifest) -> Way:
    names = list(manifest.columns.types)

    def epoch() -> Iterator[Any]:
        for group in manifest.row_groups("train"):
            file = pq.ParquetFile(group.file)
            table = file.read_row_group(group.index, columns=names, use_threads=False)
            yield {name: table.column(name).to_numpy() for name in names}

    def arrays(batch: dict[str, NDArray[Any]]) -> Arrays:
        return _stack(batch, manifest.columns)

    return Way("pyarrow alone (the limit)", epoch, arrays)


def _stack(columns: dict[str, NDArray[Any]], inputs: InputColumns) -> Arrays:
    numeric = np.stack([columns[name] for name in inputs.numeric], axis=1)
    integers = [columns[name] for name in (*inputs.categorical, inputs.label)]
    return np.ascontiguousarray(numeric), np.ascontiguousarray(np.stack(integers, axis=1))


def _ours(name: str, manifest: Manifest, memory_mb: int) -> Way:
    split = load_split(manifest, "train", World(0, 1), Reading(_BATCH, 1, memory_mb))
    epochs = iter(range(10**6))

    def epoch() -> Iterator[Any]:
        return split.batches(next(epochs))

    def arrays(batch: Any) -> Arrays:
        inputs, label, weight = batch
        there = weight.numpy() > 0
        integers = [inputs["categorical"].numpy(), label.numpy().astype(np.int32)]
        return (
            np.ascontiguousarray(inputs["numeric"].numpy()[there]),
            np.ascontiguousarray(np.concatenate(integers, axis=1)[there]),
        )

    return Way(name, epoch, arrays)


def _records(manifest: Manifest, path: Path) -> Way:
    """tf.data over TFRecord: one record a row, its numbers as two byte strings."""
    columns = manifest.columns
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in _bare(manifest).epoch():
            for numeric, integers in zip(*_stack(batch, columns), strict=True):
                writer.write(numeric.tobytes() + integers.tobytes())
    num_numeric, num_integers = len(columns.numeric), len(columns.categorical) + 1

    def decode(records: Any) -> Any:
        numeric = tf.io.decode_raw(tf.strings.substr(records, 0, 4 * num_numeric), tf.float32)
        integers = tf.io.decode_raw(
            tf.strings.substr(records, 4 * num_numeric, 4 * num_integers), tf.int32
        )
        return numeric, integers

    def epoch() -> Iterator[Any]:
        return iter(tf.data.TFRecordDataset(str(path)).batch(_BATCH).map(decode).prefetch(2))

    def arrays(batch: Any) -> Arrays:
        return batch[0].numpy(), batch[1].numpy()

    return Way("tf.data over TFRecord", epoch, arrays)


def _petastorm(manifest: Manifest) -> Way:
    """Petastorm as its README shows it, on the live files only."""
    columns = manifest.columns
    names = list(columns.types)
    files = sorted({group.file for group in manifest.row_groups("train")})

    def epoch() -> Iterator[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            urls = [f"file://{file}" for file in files]  # it does not decode a quoted path
            with make_batch_reader(urls, schema_fields=names, workers_count=1) as reader:
                yield from make_petastorm_dataset(reader).unbatch().batch(_BATCH)

    def arrays(batch: Any) -> Arrays:
        return _stack({name: getattr(batch, name).numpy() for name in names}, columns)

    return Way("Petastorm as in its README", epoch, arrays)


if __name__ == "__main__":
    main()
