"""Norms by layer, over the steps since they were last asked for."""

from typing import Any

import keras
import pytest
import tensorflow as tf

from pipelines.training import distributed
from pipelines.training.gradient_norms import GradientNorms


def _dense() -> Any:
    layer = keras.layers.Dense(1, name="hidden")
    layer.build((None, 2))
    return layer


def test_a_layers_norm_is_that_of_its_kernel_and_bias_together() -> None:
    norms = GradientNorms(_dense().trainable_variables)
    norms.add([tf.constant([[2.0], [1.0]]), tf.constant([2.0])])  # 3
    norms.add([tf.constant([[0.0], [0.0]]), tf.constant([1.0])])  # 1
    assert norms.take() == {"hidden/mean": 2.0, "hidden/greatest": 3.0}
    assert norms.take() == {"hidden/mean": 0.0, "hidden/greatest": 0.0}


def test_norms_are_taken_before_gradients_are_clipped() -> None:
    distributed.start()
    variables = _dense().trainable_variables
    norms = GradientNorms(variables)
    optimizer = keras.optimizers.SGD(1.0, clipvalue=0.5)
    grads = [tf.constant([[3.0], [0.0]]), tf.constant([4.0])]
    with distributed.summed_gradients(optimizer, watch=norms.add):
        tf.function(lambda: optimizer.apply(grads, variables))()
    assert norms.take()["hidden/greatest"] == pytest.approx(5.0)
    assert variables[1].numpy().tolist() == [-0.5]
