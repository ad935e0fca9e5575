"""Encoded images as pixels, decoded side by side in a few threads.

Petastorm's codecs decode image by image in Python; here a thread decodes its part of a batch in
one graph, outside Python's lock.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.errors import TableError
from pipelines.loading.columns import ImageColumn


class ImageDecoder:
    """Decodes the images of one column; an empty byte string becomes a black image.

    Args:
        column: The column and the size of its images.
        num_threads: Threads; by default one for each processor that this process may use.
    """

    def __init__(self, column: ImageColumn, num_threads: int = 0) -> None:
        self._column = column
        self._num_threads = num_threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="images")
        spec = tf.TensorSpec((None,), tf.string)
        self._decode: Any = tf.function(self._graph, input_signature=[spec], autograph=False)

    def __call__(self, encoded: NDArray[Any]) -> tf.Tensor:
        """Decode (rows,) byte strings into (rows, height, width, channels) uint8.

        Raises:
            TableError: A byte string is no image of a kind that is known.
        """
        parts = np.array_split(encoded, self._num_threads)
        try:
            decoded = list(self._pool.map(self._part, [part for part in parts if len(part)]))
        except tf.errors.InvalidArgumentError as error:
            raise TableError(self._say_first_fault(encoded)) from error
        return tf.concat(decoded, axis=0) if len(decoded) > 1 else decoded[0]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _part(self, encoded: NDArray[Any]) -> tf.Tensor:
        return self._decode(tf.constant(encoded.tolist(), tf.string))

    def _graph(self, encoded: tf.Tensor) -> tf.Tensor:
        made = tf.TensorSpec(self._column.shape, tf.uint8)
        return tf.map_fn(self._one, encoded, fn_output_signature=made)

    def _one(self, content: tf.Tensor) -> tf.Tensor:
        shape = self._column.shape

        def pixels() -> tf.Tensor:
            image = tf.io.decode_image(content, channels=shape[-1], expand_animations=False)
            is_fitting = tf.reduce_all(tf.shape(image) == tf.constant(shape))
            return tf.cond(is_fitting, lambda: image, lambda: _resized(image, shape))

        empty = tf.equal(tf.strings.length(content), 0)
        decoded = tf.cond(empty, lambda: tf.zeros(shape, tf.uint8), pixels)
        return tf.ensure_shape(decoded, shape)

    def _say_first_fault(self, encoded: NDArray[Any]) -> str:
        name = self._column.name
        for number, content in enumerate(encoded):
            try:
                self._part(encoded[number : number + 1])
            except tf.errors.InvalidArgumentError:
                return (
                    f"column {name}: expected JPEG, PNG or BMP images; row {number} of a batch has "
                    f"{len(content)} bytes that begin with {bytes(content[:8])!r}. Quarantine "
                    "what can't be decoded before the features table is written"
                )
        return f"column {name}: images can't be decoded"


def _resized(image: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    resized = tf.image.resize(image, shape[:2], antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
