"""Where in an image a convolutional network looked: Grad-CAM.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (arXiv 1610.02391), equations 1 and 2: the maps of the last convolutional layer, each
weighed by the mean gradient of the answer in it, and what speaks against left out. Coarse, as these
maps are smaller than the image, but it shows places where integrated gradients show edges.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipelines.evaluation.arrays import Arrays
from pipelines.explanation.network_parts import Cut, cut_behind

_MAPS = 4  # axes: rows, height, width, channels


def last_maps(model: Any) -> Cut:
    """Cut ``model`` behind the last layer that gives maps."""
    names = [layer.name for layer in model.layers if len(_shape(layer)) == _MAPS]
    return cut_behind(model, names[-1] if names else "of two-dimensional maps")


def grad_cam(
    cut: Cut, arrays: Arrays, outputs: npt.NDArray[np.int64], size: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Give a map of each row, (rows, height, width) of ``size``, from 0 up.

    Args:
        cut: The network, behind its last maps.
        arrays: The rows.
        outputs: (rows,), places among the tail's outputs.
        size: Height and width of the image.
    """
    import tensorflow as tf  # noqa: PLC0415  seconds to import

    inputs = cut.inputs(arrays)
    maps = cut.head(inputs, training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        said = tf.gather(cut.tail([maps, *inputs], training=False), outputs, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(said, maps), axis=(1, 2), keepdims=True)
    found = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)).numpy().astype(np.float32)
    height, width = size
    enlarged = [
        np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BILINEAR))
        for one in found
    ]
    return np.array(enlarged, np.float64)


def _shape(layer: Any) -> tuple[Any, ...]:
    try:
        return tuple(layer.output.shape)
    except (AttributeError, ValueError):  # no output, or several
        return ()
