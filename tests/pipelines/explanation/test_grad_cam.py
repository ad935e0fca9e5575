from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.evaluation.arrays import Arrays
from pipelines.explanation.grad_cam import grad_cam, last_maps
from tests.pipelines.explanation.networks import learned_photos, learned_texts, photos


def test_maps_are_weighed_by_their_mean_gradient_and_what_is_against_is_left_out() -> None:
    photo = keras.Input((2, 2, 1), name="photo", dtype="uint8")
    scaled = keras.layers.Rescaling(1.0, dtype="float32")(photo)
    maps = keras.layers.Conv2D(2, 1, use_bias=False)(scaled)
    flat = keras.layers.Flatten()(maps)
    model: Any = keras.Model({"photo": photo}, keras.layers.Dense(2, use_bias=False)(flat))
    # maps: the pixel, and twice the pixel; the answers' gradients in them by place
    model.layers[2].set_weights([np.array([[[[1.0, 2.0]]]])])
    kernel = np.array([[4.0, 0], [0, -1], [0, 0], [0, -1], [0, 0], [0, -1], [0, 0], [0, -1]])
    model.layers[-1].set_weights([kernel])
    pixels = np.array([[[[1], [2]], [[3], [0]]]], np.uint8)
    nothing: Any = np.zeros((1, 0))
    rows = Arrays(nothing, nothing, np.zeros(1), {"photo": pixels})
    # the same image twice, asked of both answers
    rows = rows.take([0, 0])
    found, against = grad_cam(last_maps(model), rows, np.array([0, 1]), (2, 2))
    # mean gradients 4 / 4 and 0: the first map itself
    assert found.tolist() == [[1, 2], [3, 0]]
    assert not against.any()
    assert grad_cam(last_maps(model), rows, np.array([0, 1]), (4, 6)).shape == (2, 4, 6)


def test_the_network_looked_at_the_planted_patch() -> None:
    rows = photos(20, 8)
    rows = rows.take(rows.label == 1)
    found = grad_cam(last_maps(learned_photos()), rows, np.ones(len(rows), np.int64), (12, 12))
    assert found.shape == (len(rows), 12, 12)
    assert found.min() >= 0
    # three by three maps: no more than the half can be asked for
    assert found[:, :6].sum() > 0.8 * found.sum()
    assert found[:, :, :6].sum() > 0.5 * found.sum()


def test_a_network_without_maps_is_refused() -> None:
    with pytest.raises(ParameterError, match="expected a network with one layer of two-dim"):
        last_maps(learned_texts())
