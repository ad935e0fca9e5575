"""Mix pairs of training images and their labels.

Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization" (arXiv 1710.09412): x = s x1 +
(1 - s) x2 and y likewise, s drawn from Beta(alpha, alpha). A row's partner is the next one of its
slice of a lane, which any number of ranks reads as one: so they mix the same pairs.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import betaincinv

from pipelines.loading.augment import SHARE, draw


class Mixup:
    """Mixes the rows of one batch.

    Args:
        alpha: Of the Beta distribution.
        slice_size: Slots that a lane has in a batch.
        seed: Of the run.
    """

    def __init__(self, alpha: float, slice_size: int, seed: int) -> None:
        self._alpha, self._slice_size, self._seed = alpha, slice_size, seed

    def partners(self, weight: NDArray[np.float32]) -> NDArray[np.int64]:
        """Give the slot that each slot is mixed with; itself where that is empty."""
        own = np.arange(len(weight))
        other = np.roll(own.reshape(-1, self._slice_size), -1, axis=1).ravel()
        return np.where(weight[other] > 0, other, own)

    def shares(self, contents: NDArray[Any], epoch: int) -> NDArray[np.float32]:
        """Give the share s of its own that each row keeps, (rows,), by its file ``contents``."""
        drawn = draw(contents, self._seed, epoch)[:, SHARE]
        return betaincinv(self._alpha, self._alpha, drawn).astype(np.float32)


def mix_images(
    pixels: tf.Tensor, partners: NDArray[np.int64], shares: NDArray[np.float32]
) -> tf.Tensor:
    """Mix (rows, height, width, channels) uint8."""
    with tf.device("CPU:0"):
        own: Any = tf.cast(pixels, tf.float32)
        share = shares[:, None, None, None]
        mixed = own * share + tf.gather(own, partners) * (1 - share)
        return tf.cast(tf.round(mixed), tf.uint8)


def mix_labels(
    label: NDArray[np.float32], partners: NDArray[np.int64], shares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Give (rows, 3): a row's own label, its partner's and the share of its own."""
    return np.stack([label, label[partners], shares], 1).astype(np.float32)
