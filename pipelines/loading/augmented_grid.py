"""Training images as augmentation makes them: a row for each image, a column for each epoch."""

from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from pipelines.loading.augment import Augmenter
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.images import ImageDecoder
from pipelines.loading.manifest import Manifest
from pipelines.loading.shard_plan import LANES
from pipelines.pictures import to_png
from pipelines.world import World

_NUM_IMAGES, _NUM_EPOCHS = 8, 9
_BORDER = 2
_SMALLEST = 64  # shown with so many pixels a side at least


def draw_augmented(table: Manifest, reading: Reading) -> bytes:
    """Give a PNG of eight training images: as they are, then as in the first nine epochs.

    Args:
        table: A features table with a column of images; the first one is shown.
        reading: How it is read in training: its seed and its augmentation.
    """
    column = table.columns.images[0]
    split = load_split(table, "train", World(0, 1), Reading(LANES, reading.seed))
    decode = ImageDecoder(column, 1)
    with closing(split), closing(decode):
        arrays, weight = next(iter(split.arrays(0, 0, 1)))
        contents = arrays[column.name][weight > 0][:_NUM_IMAGES]
        pixels = decode(contents)
        augment = Augmenter(column, reading.augmentation, reading.seed or 0)
        epochs = range(1, _NUM_EPOCHS + 1)
        shown = [pixels.numpy(), *(augment(pixels, contents, it).numpy() for it in epochs)]
    return to_png(_lay_out(np.stack(shown, 1)))


def _lay_out(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give (rows, columns, height, width, channels) as one image, with white between."""
    larger = -(-_SMALLEST // min(images.shape[2:4]))
    images = images.repeat(larger, 2).repeat(larger, 3)
    border = ((0, 0), (0, 0), (_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0))
    images = np.pad(images, border, constant_values=255)
    rows, columns, height, width, channels = images.shape
    return images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
