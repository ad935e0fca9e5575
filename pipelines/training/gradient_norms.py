"""How large the gradients of each layer are: too small they vanish, too large they explode."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


class GradientNorms:
    """Mean and greatest Euclidean norm of each layer's gradient since the last ``take``.

    Args:
        variables: Trainable, in the order of their gradients.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        layers = [variable.path.rpartition("/")[0] for variable in variables]
        self._layers = list(dict.fromkeys(layers))
        self._places = [self._layers.index(layer) for layer in layers]
        # steps, sums of norms, greatest norms
        self._steps = tf.Variable(tf.zeros(()), trainable=False)
        self._sums, self._greatest = (
            tf.Variable(tf.zeros(len(self._layers)), trainable=False) for _ in range(2)
        )

    def add(self, grads: Sequence[Any]) -> None:
        """Count the gradients of a step, summed over the ranks; works inside a ``tf.function``."""
        squares = tf.stack([tf.reduce_sum(tf.square(tf.cast(grad, tf.float32))) for grad in grads])
        norms = tf.sqrt(tf.math.unsorted_segment_sum(squares, self._places, len(self._layers)))
        self._steps.assign_add(1.0)
        self._sums.assign_add(norms)
        self._greatest.assign(tf.maximum(self._greatest, norms))

    def take(self) -> dict[str, float]:
        """Give ``LAYER/mean`` and ``LAYER/greatest`` of each layer, and begin anew."""
        steps = max(float(self._steps.numpy()), 1.0)
        found = {"mean": self._sums.numpy() / steps, "greatest": self._greatest.numpy()}
        for variable in (self._steps, self._sums, self._greatest):
            variable.assign(tf.zeros_like(variable))
        return {
            f"{layer}/{kind}": float(norms[place])
            for place, layer in enumerate(self._layers)
            for kind, norms in found.items()
        }
