"""What each token or pixel adds to what a network says: integrated gradients.

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks" (arXiv 1703.01365),
equation 1: input less baseline, times the mean gradient on the straight way between them. The
baseline of a text is a text of as many zero embeddings, that of an image an image of the mean
colour of the training split. All that is attributed sums to the difference of what the network says
of the two (completeness); how far a sum over steps misses that is given beside it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.evaluation.arrays import Arrays
from pipelines.explanation.network_parts import Cut

_CHUNK_ROWS = 64


@dataclass(frozen=True, slots=True)
class Attribution:
    """Of each row: ``values`` (rows, ...) as the head gives them, ``base`` and ``said`` (rows,).

    ``gap``, (rows,): by how much the sum of the values misses ``said`` less ``base``.
    """

    values: npt.NDArray[np.float64]
    base: npt.NDArray[np.float64]
    said: npt.NDArray[np.float64]

    @property
    def gap(self) -> npt.NDArray[np.float64]:
        """The sum of the values less what it should be, (rows,)."""
        total = self.values.reshape(len(self.values), -1).sum(axis=1)
        return total - (self.said - self.base)


def integrated_gradients(
    cut: Cut, arrays: Arrays, outputs: npt.NDArray[np.int64], steps: int
) -> Attribution:
    """Attribute output ``outputs[i]`` of the i-th row to what the head gives for it.

    Args:
        cut: The network, behind its embedding or its standardised pixels.
        arrays: The rows.
        outputs: (rows,), places among the tail's outputs.
        steps: Gradients on the way, at the middles of as many equal parts.
    """
    traced = _trace(cut)
    found = [
        _of_row(cut, traced, arrays.take(slice(i, i + 1)).trimmed(), int(outputs[i]), steps)
        for i in range(len(arrays))
    ]
    longest = np.max([values.shape for values, _, _ in found], axis=0)
    values = np.zeros((len(found), *longest))
    for place, (own, _, _) in enumerate(found):
        # a shorter text has nothing at the places of the others' words
        values[(place, *(slice(size) for size in own.shape))] = own
    ends = np.array([[base, said] for _, base, said in found], np.float64)
    return Attribution(values, ends[:, 0], ends[:, 1])


def _trace(cut: Cut) -> tuple[Any, Any]:
    """Trace what the tail says of copies of a row, and the gradient of that, summed over them."""
    import tensorflow as tf  # noqa: PLC0415  seconds to import

    def say(way: Any, inputs: Any, output: Any) -> Any:
        return tf.gather(cut.tail([way, *inputs], training=False), output, axis=1)

    def slope(way: Any, inputs: Any, output: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(way)
            said = say(way, inputs, output)
        return tf.reduce_sum(tape.gradient(said, way), axis=0)

    # texts have other lengths: traced for the first of them, then for any
    return tf.function(say, reduce_retracing=True), tf.function(slope, reduce_retracing=True)


def _of_row(
    cut: Cut, traced: tuple[Any, Any], row: Arrays, output: int, steps: int
) -> tuple[Any, float, float]:
    import tensorflow as tf  # noqa: PLC0415  as above

    say, slope = traced
    inputs = cut.inputs(row)
    inside = tf.cast(cut.head(inputs, training=False), tf.float32)

    def along(shares: Any) -> Any:
        """The row at these shares of its way, (shares, ...), and as many copies of its inputs."""
        wide = tf.reshape(shares, [-1, *[1] * (len(inside.shape) - 1)])
        copies = [tf.repeat(array, len(shares), axis=0) for array in inputs]
        return wide * inside, copies, tf.constant(output)

    total = tf.zeros_like(inside[0])
    middles = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    for part in np.array_split(middles, -(-steps // _CHUNK_ROWS)):
        total += slope(*along(part))
    base, said = say(*along(np.array([0, 1], np.float32))).numpy()
    values = (inside[0] * total / steps).numpy().astype(np.float64)
    return values, float(base), float(said)
