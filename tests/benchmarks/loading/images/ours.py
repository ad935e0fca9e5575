"""The ways to load images that run in the project's own environment, on one table.

Usage: python -m tests.benchmarks.loading.images.ours WAY TABLE.json
"""

import atexit
import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from tests.benchmarks.loading.images.data import Images, read_images
from tests.benchmarks.loading.images.sameness import Sameness
from tests.benchmarks.loading.worker import Way, serve

_THREADS = len(os.sched_getaffinity(0))
_SHUFFLED = 1000  # images in the buffer that a way shuffles in
_GROUP_MB = 8  # of Petastorm's row groups, which are about those of the table
_STACKED_BYTES = 2**18
_CALL_BYTES, _CALL_IMAGES = 2**22, 64  # of one call to the decoder, which costs 10 to 40 us


def decoding_alone(images: Images) -> Way:
    """The limit: read row groups, decode in a thread for each processor; no batches, no shuffle.

    The decoder is the one that ``pipelines.loading.images`` takes, in the cheapest call found: a
    session's, in the thread that calls.
    """
    shape = (images.height, images.width, 3)
    size = max(1, min(_CALL_IMAGES, _CALL_BYTES // int(np.prod(shape))))
    decoders: dict[int, Callable[[Any], Any]] = {}
    atexit.register(decoders.clear)  # they must go before TensorFlow's modules do

    def decode(block: tuple[Any, Any, Any]) -> Any:
        rows, labels, contents = block
        return rows, labels, decoders[len(contents)](contents)

    def epoch() -> Iterator[Any]:
        with ThreadPoolExecutor(_THREADS) as pool:
            begun: deque[Future[Any]] = deque()
            for block in _blocks(images, size):
                if len(block[0]) not in decoders:
                    decoders[len(block[0])] = _decoder(len(block[0]), shape)
                begun.append(pool.submit(decode, block))
                if len(begun) > 2 * _THREADS:
                    yield begun.popleft().result()
            for last in begun:
                yield last.result()

    sameness = Sameness(images.files)
    return Way(
        epoch,
        lambda block: sameness.arrays(block[0], block[1], np.concatenate(block[2])),
        sameness.remarks,
    )


def gristmill(images: Images) -> Way:
    """Our own, shuffled in two levels."""
    from pipelines.loading.dataset import Reading, load_split  # noqa: PLC0415  not of each way
    from pipelines.loading.manifest import read_manifest  # noqa: PLC0415
    from pipelines.world import World  # noqa: PLC0415

    manifest = read_manifest(images.folder, 0, images.columns)
    split = load_split(manifest, "train", World(0, 1), Reading(images.batch, 1))
    epochs, sameness = count(), Sameness(images.files)

    def arrays(batch: Any) -> list[Any]:
        inputs, label, weight = batch
        there = weight.numpy() > 0
        parts = (inputs["categorical"][:, 0], label[:, 0], inputs["image"])
        rows, labels, pixels = (part.numpy()[there] for part in parts)
        return sameness.arrays(rows, labels, pixels)

    return Way(lambda: split.batches(next(epochs)), arrays, sameness.remarks)


def tfrecord(images: Images) -> Way:
    """tf.data over TFRecord: an Example for each image; 1,000 shuffled; it tunes itself."""
    path = Path(images.folder) / "train.tfrecord"
    if not path.exists():
        _write_records(path, images)
    features = {
        "row": tf.io.FixedLenFeature((), tf.int64),
        "label": tf.io.FixedLenFeature((), tf.int64),
        "image": tf.io.FixedLenFeature((), tf.string),
    }

    def decode(record: Any) -> Any:
        found = tf.io.parse_single_example(record, features)
        return found["row"], found["label"], tf.io.decode_jpeg(found["image"], channels=3)

    def epoch() -> Iterator[Any]:
        records = tf.data.TFRecordDataset(str(path)).shuffle(_SHUFFLED)
        decoded = records.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        options = tf.data.Options()
        options.threading.private_threadpool_size = _THREADS  # ours sets one for all of TensorFlow
        batches = decoded.batch(images.batch).prefetch(tf.data.AUTOTUNE)
        return iter(batches.with_options(options))

    return _way(images, epoch)


def petastorm(images: Images) -> Way:
    """Petastorm as its README shows it: a Unischema with its codec for images, written by Spark."""
    from petastorm import make_reader  # noqa: PLC0415
    from petastorm.tf_utils import make_petastorm_dataset  # noqa: PLC0415

    folder = Path(images.folder) / "petastorm"
    if not (folder / "_common_metadata").exists():
        _write_petastorm(folder, images)

    def epoch() -> Iterator[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with make_reader(f"file://{folder}", schema_fields=["row", "label", "image"]) as reader:
                rows = make_petastorm_dataset(reader).shuffle(_SHUFFLED)
                for batch in rows.batch(images.batch).prefetch(2):
                    yield batch.row, batch.label, batch.image

    return _way(images, epoch)


def _blocks(images: Images, size: int) -> Iterator[tuple[Any, Any, Any]]:
    for path in images.files:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            read = file.read_row_group(group, use_threads=False)
            for first in range(0, read.num_rows, size):
                names = ("row", "label", "image")
                rows, labels, contents = (
                    read.column(name).slice(first, size).to_numpy() for name in names
                )
                yield rows, labels, contents


def _decoder(size: int, shape: tuple[int, int, int]) -> Callable[[Any], Any]:
    stacked = max(1, _STACKED_BYTES // int(np.prod(shape)))  # each array of a result costs too
    with tf.Graph().as_default() as graph:
        contents = tf.compat.v1.placeholder(tf.string, (size,))
        decoded = [
            tf.io.decode_image(one, 3, expand_animations=False) for one in tf.unstack(contents)
        ]
        pixels = [tf.stack(decoded[at : at + stacked]) for at in range(0, size, stacked)]
    config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1)
    session = tf.compat.v1.Session(graph=graph, config=config)
    options = config_pb2.CallableOptions(feed=[contents.name], fetch=[one.name for one in pixels])
    return session._make_callable_from_options(options)


def _write_records(path: Path, images: Images) -> None:
    def numbers(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    with tf.io.TFRecordWriter(str(path)) as writer:
        for rows, labels, contents in _blocks(images, images.batch):
            for row, label, content in zip(rows, labels, contents, strict=True):
                jpeg = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
                feature = {"row": numbers(row), "label": numbers(label), "image": jpeg}
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())


def _write_petastorm(folder: Path, images: Images) -> None:
    from petastorm.codecs import CompressedImageCodec, ScalarCodec  # noqa: PLC0415
    from petastorm.etl.dataset_metadata import materialize_dataset  # noqa: PLC0415
    from petastorm.unischema import Unischema, UnischemaField  # noqa: PLC0415
    from pyspark.sql.types import IntegerType  # noqa: PLC0415

    from pipelines.spark.session import spark_session  # noqa: PLC0415

    whole, shape = ScalarCodec(IntegerType()), (images.height, images.width, 3)
    schema = Unischema(
        "Images",
        [
            UnischemaField("row", np.int32, (), whole, False),
            UnischemaField("label", np.int32, (), whole, False),
            UnischemaField("image", np.uint8, shape, CompressedImageCodec("jpeg"), False),
        ],
    )
    url = f"file://{folder}"
    with spark_session("loading") as spark, materialize_dataset(spark, url, schema, _GROUP_MB):
        # the same JPEGs: the codec's encode would make others of their pixels
        spark.read.parquet(*images.files).select(*schema.fields).write.parquet(url)


def _way(images: Images, epoch: Callable[[], Iterator[Any]]) -> Way:
    sameness = Sameness(images.files)
    return Way(
        epoch, lambda batch: sameness.arrays(*(part.numpy() for part in batch)), sameness.remarks
    )


WAYS: dict[str, Callable[[Images], Way]] = {
    "decoding alone": decoding_alone,
    "Gristmill": gristmill,
    "tf.data over TFRecord": tfrecord,
    "Petastorm as in its README": petastorm,
}

if __name__ == "__main__":
    described = read_images(Path(sys.argv[2]))
    serve(lambda: WAYS[sys.argv[1]](described), described.folder)
