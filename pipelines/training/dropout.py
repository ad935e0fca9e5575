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
        return _masked(self, inputs, tuple(inputs.shape[1:]))


class GlobalSpatialDropout(keras.layers.SpatialDropout1D):
    """The same of ``keras.layers.SpatialDropout1D``: whole dimensions of a row are masked.

    Its masks do not depend on the length of a batch, which differs between ranks.
    """

    world: World
    stream: tuple[int, int]
    step: tf.Variable

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002  Keras's
        """Give ``inputs``, (rows, length, width), a share ``rate`` of each row's widths at 0."""
        if not training or self.rate == 0:
            return inputs
        return _masked(self, inputs, (1, inputs.shape[2]))


_LENT: dict[type, type] = {
    keras.layers.Dropout: GlobalDropout,
    keras.layers.SpatialDropout1D: GlobalSpatialDropout,
}


def _masked(
    layer: GlobalDropout | GlobalSpatialDropout, inputs: Any, shape: tuple[int, ...]
) -> Any:
    rows = inputs.shape[0]
    # Philox is a counter: only (seed, layer) and step decide, see tf.random.stateless_uniform
    seed, number = layer.stream
    drawn = tf.random.stateless_uniform(
        (rows * layer.world.size, *shape),
        seed=tf.stack([tf.constant(seed * 1009 + number, tf.int64), tf.cast(layer.step, tf.int64)]),
    )
    first = rows * layer.world.rank
    kept = tf.cast(drawn[first : first + rows] >= layer.rate, inputs.dtype)
    return inputs * kept / (1.0 - layer.rate)


@contextmanager
def global_dropout(
    model: keras.Model, world: World, seed: int, step: tf.Variable
) -> Generator[None, None, None]:
    """Lend the classes above to the dropout layers of ``model``, and take them back at the end."""
    layers = [(layer, type(layer)) for layer in model.layers if type(layer) in _LENT]
    for number, (layer, kind) in enumerate(layers):
        layer.__class__ = _LENT[kind]
        layer.__dict__.update(world=world, stream=(seed, number), step=step)
    try:
        yield
    finally:
        for layer, kind in layers:
            for name in ("world", "stream", "step"):
                layer.__dict__.pop(name, None)
            layer.__class__ = kind
