"""Vary training images: what is drawn depends on seed, epoch and image, on no rank and no order.

An image is known by the CRC-32 of its file. From it, seed and epoch a counter makes the numbers
(SplitMix64: Steele et al. 2014, "Fast Splittable Pseudorandom Number Generators"), so any number
of ranks, and a resumed run, see the same pictures.
"""

import zlib
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.loading.augmentation import Augmentation
from pipelines.loading.columns import ImageColumn

_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_NUM_DRAWS = 11
SHARE = 10  # the draw that mixup takes
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
_COLOURS = 3


class Augmenter:
    """Varies the images of one column.

    Args:
        column: The column; cutout fills with its means.
        how: What to vary.
        seed: Of the run.
    """

    def __init__(self, column: ImageColumn, how: Augmentation, seed: int) -> None:
        self.name, self._column, self._how, self._seed = column.name, column, how, seed

    def __call__(self, pixels: tf.Tensor, contents: NDArray[Any], epoch: int) -> tf.Tensor:
        """Give (rows, height, width, channels) uint8 varied; ``contents`` are their files."""
        drawn = draw(contents, self._seed, epoch)
        with tf.device("CPU:0"):
            image = tf.cast(pixels, tf.float32)
            image = self._move(image, drawn)
            image = self._colour(image, drawn)
            image = self._cut_out(image, drawn)
            return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)

    def _move(self, image: tf.Tensor, drawn: NDArray[np.float64]) -> tf.Tensor:
        how, (height, width, _) = self._how, self._column.shape
        if not (how.crop or how.flip or how.rotate or how.scale):
            return image
        right, down = (
            np.floor(drawn[:, place] * (2 * how.crop + 1)) - how.crop for place in (0, 1)
        )
        mirror = np.where(drawn[:, 2] < how.flip / 2, -1.0, 1.0)
        angle = np.radians(how.rotate) * _both_ways(drawn[:, 3])
        smaller = 1 / (1 + how.scale * _both_ways(drawn[:, 4]))
        cosine, sine = np.cos(angle) * smaller, np.sin(angle) * smaller
        # where each pixel of the result is taken from: turned about the middle, then moved
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        a, b, c, d = cosine * mirror, -sine, sine * mirror, cosine
        from_x = middle_x - a * middle_x - b * middle_y + right
        from_y = middle_y - c * middle_x - d * middle_y + down
        nothing = np.zeros(len(drawn))
        matrix = np.stack([a, b, from_x, c, d, from_y, nothing, nothing], 1).astype(np.float32)
        moved: tf.Tensor = tf.raw_ops.ImageProjectiveTransformV3(
            images=image,
            transforms=matrix,
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )
        return moved

    def _colour(self, image: Any, drawn: NDArray[np.float64]) -> tf.Tensor:
        if not self._how.colour:
            return image
        brightness, contrast, saturation = (
            (1 + self._how.colour * _both_ways(drawn[:, place])).astype(np.float32)[
                :, None, None, None
            ]
            for place in (5, 6, 7)
        )
        # how much is seen through is no colour
        colours, alpha = image[..., :_COLOURS], image[..., _COLOURS:]
        mean = tf.reduce_mean(colours, [1, 2, 3], keepdims=True)
        colours = (mean + (colours - mean) * contrast) * brightness
        if self._column.channels >= _COLOURS:
            grey = tf.reduce_sum(colours * np.array(_GREY, np.float32), -1, keepdims=True)
            colours = grey + (colours - grey) * saturation
        return tf.concat([colours, alpha], -1)

    def _cut_out(self, image: tf.Tensor, drawn: NDArray[np.float64]) -> tf.Tensor:
        size, (height, width, channels) = self._how.cutout, self._column.shape
        if not size:
            return image
        top = np.floor(drawn[:, 8] * height) - size // 2
        left = np.floor(drawn[:, 9] * width) - size // 2
        rows, columns = np.arange(height)[None], np.arange(width)[None]
        is_row = (rows >= top[:, None]) & (rows < top[:, None] + size)
        is_column = (columns >= left[:, None]) & (columns < left[:, None] + size)
        is_cut = is_row[:, :, None, None] & is_column[:, None, :, None]
        means = np.array(self._column.means or (0.0,) * channels, np.float32)
        return tf.where(is_cut, means, image)


def draw(contents: NDArray[Any], seed: int, epoch: int) -> NDArray[np.float64]:
    """Give eleven numbers in [0, 1) for each of (rows,) files."""
    keys = np.array([zlib.crc32(content) for content in contents], np.uint64)
    start = _mix(keys ^ _mix(np.array([seed * 2**32 + epoch], np.uint64)))
    steps = np.arange(1, _NUM_DRAWS + 1, dtype=np.uint64) * np.uint64(_GAMMA)
    return (_mix(start[:, None] + steps) >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return z ^ (z >> np.uint64(31))


def _both_ways(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * share - 1
