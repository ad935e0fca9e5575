"""Encoded images as pixels, decoded side by side in a few threads.

Petastorm's codecs decode image by image in Python. Here a thread decodes a block of images in one
call, outside Python's lock.
"""

import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import config_pb2

from pipelines.errors import TableError
from pipelines.loading.aligned import aligned_empty, to_tensor
from pipelines.loading.columns import ImageColumn

_BLOCK_BYTES, _BLOCK_IMAGES = 2**22, 64  # of pixels that one call decodes
_PIECE_BYTES = 2**18  # of small images that are stacked: each array of a result costs time

_Shape: TypeAlias = tuple[int, int, int]
_Pixels: TypeAlias = NDArray[np.uint8]


class ImageDecoder:
    """Decodes the images of one column; an empty byte string becomes a black image.

    Args:
        column: The column and the size of its images.
        num_threads: Threads; by default one for each processor that this process may use.
    """

    def __init__(self, column: ImageColumn, num_threads: int = 0) -> None:
        self._name, self._shape = column.name, column.shape
        threads = num_threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="images")
        self._black: bytes = tf.io.encode_png(tf.zeros(column.shape, tf.uint8)).numpy()
        self._blocks: dict[int, _Block] = {}
        self._is_even = True  # until an image of another size has come

    def __call__(self, encoded: NDArray[Any]) -> tf.Tensor:
        """Decode (rows,) byte strings into (rows, height, width, channels) uint8.

        Raises:
            TableError: A byte string is no image of a kind that is known.
        """
        return self.begin(encoded)()

    def begin(self, encoded: NDArray[Any]) -> Callable[[], tf.Tensor]:
        """Begin to decode; what is given back waits for the end, and gives what a call gives."""
        contents = [content or self._black for content in encoded]
        pixels = aligned_empty((len(contents), *self._shape), np.uint8)
        step = self._block_size(len(contents))
        decode = self._blocks.get(step) or self._blocks.setdefault(step, _Block(step, self._shape))
        begun = [
            self._pool.submit(self._fill, pixels, contents, first, decode)
            for first in range(0, len(contents), step)
        ]

        def end() -> tf.Tensor:
            for block in begun:
                block.result()
            return to_tensor(pixels)

        return end

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
        for block in self._blocks.values():
            block.close()

    def _block_size(self, rows: int) -> int:
        """Give the most images that fit into a block and divide a batch evenly."""
        most = min(_BLOCK_IMAGES, max(1, _BLOCK_BYTES // int(np.prod(self._shape))))
        return max(size for size in range(1, most + 1) if rows % size == 0)

    def _fill(self, pixels: _Pixels, contents: list[bytes], first: int, decode: "_Block") -> None:
        end = first + decode.num_images
        if self._is_even:
            try:
                decode(contents[first:end], pixels[first:end])
            except tf.errors.InvalidArgumentError:
                pass
            else:
                return
        for number in range(first, end):
            pixels[number] = self._one(contents[number], number)
        self._is_even = False  # none was faulty: they differ, and so will the next

    def _one(self, content: bytes, number: int) -> _Pixels:
        with tf.device("CPU:0"):
            try:
                image = tf.io.decode_image(content, self._shape[-1], expand_animations=False)
                if image.shape != self._shape:
                    image = tf.image.resize(image, self._shape[:2], antialias=True)
                    image = tf.clip_by_value(tf.round(image), 0.0, 255.0)
            except tf.errors.InvalidArgumentError as error:
                raise TableError(
                    f"column {self._name}: expected JPEG, PNG or BMP images; row {number} of a "
                    f"batch has {len(content)} bytes that begin with {content[:8]!r}. Quarantine "
                    "what can't be decoded before the features table is written"
                ) from error
        return image.numpy()


class _Block:
    """Decodes so many images of one shape in one call, in the thread that calls.

    A session does that where a tf.function would not: its operations run in threads of
    TensorFlow, of which there is one in all in training (``infra/environment.sh``).

    Raises:
        InvalidArgumentError: An image can't be decoded, or has another shape.
    """

    def __init__(self, num_images: int, shape: _Shape) -> None:
        self.num_images = num_images
        piece = max(1, _PIECE_BYTES // int(np.prod(shape)))
        with tf.Graph().as_default() as graph:
            contents = tf.compat.v1.placeholder(tf.string, (num_images,))
            images = [
                tf.ensure_shape(tf.io.decode_image(one, shape[-1], expand_animations=False), shape)
                for one in tf.unstack(contents)
            ]
            pieces = [tf.stack(images[i : i + piece]) for i in range(0, num_images, piece)]
        # negative: in the caller's thread, see config.proto
        config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1, device_count={"GPU": 0})
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        options = config_pb2.CallableOptions(feed=[contents.name], fetch=[it.name for it in pieces])
        # its make_callable makes hundreds of calls of Python each time, 0.2 ms
        self._calls = [self._session._make_callable_from_options(options)]  # noqa: SLF001
        # when Python ends, it must go before TensorFlow's modules do
        weakref.finalize(self, self._calls.clear)

    def __call__(self, contents: list[bytes], pixels: _Pixels) -> None:
        """Write the pixels of ``contents`` to where they belong."""
        first = 0
        for piece in self._calls[0](np.array(contents, object)):
            pixels[first : first + len(piece)] = piece
            first += len(piece)

    def close(self) -> None:
        self._session.close()
