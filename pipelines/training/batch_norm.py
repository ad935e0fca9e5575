"""Batch normalisation over the global batch: the same statistics on any number of ranks.

Keras takes the moments of a rank's own rows; with N ranks these are other numbers than one rank's,
noisier, and the moving averages drift apart. Keras's ``synchronized`` knows tf.distribute only.
Here sums go over all ranks (compare Horovod's SyncBatchNormalization, which counts rows that are
not there), and the empty slots of a ragged last batch count nowhere.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from pipelines.training import distributed


class GlobalBatchNorm(keras.layers.BatchNormalization):
    """A ``keras.layers.BatchNormalization`` whose moments are those of the global batch.

    Never built by itself: ``global_batch_norm`` lends this class. ``row_weight``, shape (rows,),
    must be set before each call in training: 1 for a row, 0 for an empty slot.
    """

    place: int
    row_weight: tf.Tensor

    def _moments(self, inputs: Any, mask: Any) -> tuple[tf.Tensor, tf.Tensor]:
        del mask  # the weights say which rows there are
        x: Any = inputs
        axes: Any = self._reduction_axes
        pixels = [axis for axis in axes if axis]
        if pixels:
            # as many in each row, so their means stand for them; in float64 they would take longer
            # than the convolutions
            parts = tf.reduce_mean(x, pixels), tf.reduce_mean(x * x, pixels)
            x, squared = (tf.cast(part, tf.float64) for part in parts)
        else:
            # float64, since the variance is the small difference of two large sums
            x = tf.cast(x, tf.float64)
            squared = x * x
        weight = tf.broadcast_to(tf.cast(self.row_weight, tf.float64)[:, None], tf.shape(x))
        local = tf.stack(
            [tf.reduce_sum(part, 0) for part in (weight, weight * x, weight * squared)]
        )
        count, total, squares = tf.unstack(
            distributed.sum_in_graph(local, f"batch_norm/{self.place}")
        )
        mean = total / count
        variance = tf.maximum(squares / count - mean * mean, 0.0)
        return tf.cast(mean, self.compute_dtype), tf.cast(variance, self.compute_dtype)


@contextmanager
def global_batch_norm(model: keras.Model) -> Generator[list[GlobalBatchNorm]]:
    """Lend ``GlobalBatchNorm`` to the batch normalisations of ``model``; take it back at the end.

    Yields:
        The layers, which must be told the weight of each row before each step.
    """
    plain = keras.layers.BatchNormalization
    layers: list[Any] = [layer for layer in model.layers if type(layer) is plain]
    for place, layer in enumerate(layers):
        layer.__class__ = GlobalBatchNorm
        layer.__dict__["place"] = place
    try:
        yield layers
    finally:
        for layer in layers:
            for name in ("place", "row_weight"):
                layer.__dict__.pop(name, None)
            layer.__class__ = plain
