"""Dropout whose mask belongs to the global batch, not to a rank.

Keras draws each layer's mask from a counter in the process, so two ranks draw other masks than
one. Here the mask of a step is drawn for the global batch from (seed, layer, step) and each rank
takes its own rows: any number of ranks, and a resumed run, train on the same masks.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from pipelines.world import World


class GlobalDropout(keras.layers.Dropout):
    """A ``keras.layers.Dropout`` that masks with its rows of the global batch's mask.

    Never built by itself: ``global_dropout`` lends this class to the model's dropout layers.
    """

    world: World
    stream: tuple[int, int]
    step: tf.Variable

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002  Keras's
        """Give ``inputs`` with a share ``rate`` of values at 0 and the rest over (1 - rate)."""
        if not training or self.rate == 0:
            return inputs
        rows, width = inputs.shape
        # Philox is a counter: only (seed, layer) and step decide, see tf.random.stateless_uniform
        seed, layer = self.stream
        drawn = tf.random.stateless_uniform(
            (rows * self.world.size, width),
            seed=tf.stack(
                [tf.constant(seed * 1009 + layer, tf.int64), tf.cast(self.step, tf.int64)]
            ),
        )
        first = rows * self.world.rank
        kept = tf.cast(drawn[first : first + rows] >= self.rate, inputs.dtype)
        return inputs * kept / (1.0 - self.rate)


@contextmanager
def global_dropout(
    model: keras.Model, world: World, seed: int, step: tf.Variable
) -> Generator[None, None, None]:
    """Lend ``GlobalDropout`` to the dropout layers of ``model``, and take it back at the end."""
    layers = [layer for layer in model.layers if type(layer) is keras.layers.Dropout]
    for number, layer in enumerate(layers):
        layer.__class__ = GlobalDropout
        layer.__dict__.update(world=world, stream=(seed, number), step=step)
    try:
        yield
    finally:
        for layer in layers:
            for name in ("world", "stream", "step"):
                layer.__dict__.pop(name, None)
            layer.__class__ = keras.layers.Dropout
