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
    found = [_of_row(cut, arrays.take(slice(i, i + 1)).trimmed(), int(outputs[i]), steps)
             for i in range(len(arrays))]  # fmt: skip
    longest = np.max([values.shape for values, _, _ in found], axis=0)
    values = np.zeros((len(found), *longest))
    for place, (own, _, _) in enumerate(found):
        # a shorter text has nothing at the places of the others' words
        values[(place, *(slice(size) for size in own.shape))] = own
    ends = np.array([[base, said] for _, base, said in found], np.float64)
    return Attribution(values, ends[:, 0], ends[:, 1])


def _of_row(cut: Cut, row: Arrays, output: int, steps: int) -> tuple[Any, float, float]:
    import tensorflow as tf  # noqa: PLC0415  seconds to import

    inputs = cut.inputs(row)
    inside = tf.cast(cut.head(inputs, training=False), tf.float32)
    total = tf.zeros_like(inside[0])
    for first in range(0, steps, _CHUNK_ROWS):
        count = min(_CHUNK_ROWS, steps - first)
        shares = (tf.range(first, first + count, dtype=tf.float32) + 0.5) / steps
        # a share for each copy of the row
        wide = tf.reshape(shares, [count, *[1] * (len(inside.shape) - 1)])
        copies = [tf.repeat(array, count, axis=0) for array in inputs]
        way = wide * inside
        with tf.GradientTape() as tape:
            tape.watch(way)
            said = cut.tail([way, *copies], training=False)[:, output]
        total += tf.reduce_sum(tape.gradient(said, way), axis=0)
    ends = [cut.tail([part, *inputs], training=False)[0, output]
            for part in (tf.zeros_like(inside), inside)]  # fmt: skip
    values = (inside[0] * total / steps).numpy().astype(np.float64)
    return values, float(ends[0]), float(ends[1])
