"""Images for models that know no pixels beside one another: eight by eight mean colours."""

import numpy as np
import numpy.typing as npt

from pipelines.evaluation.arrays import Arrays
from schemas.encode import FeatureSet

_SIDE = 8


def thumbnails(arrays: Arrays, features: FeatureSet) -> npt.NDArray[np.float32]:
    """Give the mean colours of each image over 8 by 8 blocks, side by side, in [0, 1].

    Of an image with fewer pixels a side each pixel is a block. (rows, 64 x channels) an image.
    """
    parts = [np.empty((len(arrays), 0), np.float32)]
    for column in features.images:
        pixels = arrays.others[column.name]
        for axis, length in ((1, column.shape[0]), (2, column.shape[1])):
            begins = np.unique(np.arange(_SIDE) * length // _SIDE)
            sizes = np.diff([*begins, length]).astype(np.float32)
            shape = [1] * 4
            shape[axis] = len(begins)
            pixels = np.add.reduceat(pixels.astype(np.float32), begins, axis) / sizes.reshape(shape)
        parts.append(pixels.reshape(len(pixels), -1) / 255)
    return np.concatenate(parts, axis=1)
