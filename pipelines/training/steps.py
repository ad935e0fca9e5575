"""One step as a graph: this rank's share of the loss, gradients summed over ranks, the update."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from pipelines.training import distributed
from pipelines.training.batch_norm import GlobalBatchNorm

TrainStep: TypeAlias = Callable[[Any, Any, Any, Any, Any], tf.Tensor]


def make_train_step(
    model: keras.Model, optimizer: Any, norms: Sequence[GlobalBatchNorm] = ()
) -> TrainStep:
    """Give a function (inputs, label, weight, total, rate) -> mean loss of the global batch.

    With l the log loss of a row and w its weight, a rank's loss is sum(w l) / total, where
    ``total`` is the number of rows of the global batch. Summed over ranks, loss and gradients are
    those of one rank that holds the whole batch; an empty slot has w = 0 and counts nowhere.
    The optimizer must be inside ``distributed.summed_gradients``; ``norms`` are the layers inside
    ``global_batch_norm``.
    """

    def step(inputs: Any, label: Any, weight: Any, total: Any, rate: Any) -> tf.Tensor:
        optimizer.learning_rate.assign(rate)
        for norm in norms:
            norm.__dict__["row_weight"] = weight  # past Keras, which would track it
        with tf.GradientTape() as tape:
            logit = model(inputs, training=True)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(label, logit)
            share = tf.reduce_sum(weight * losses[:, 0]) / total
        variables = model.trainable_variables
        pairs = (tape.gradient(share, variables), variables)
        return distributed.apply_with(optimizer, pairs, share)

    # autograph would translate Keras and Horovod to no effect: seconds before the first step
    return tf.function(step, autograph=False)


def make_predict(model: keras.Model) -> Callable[[Any], tf.Tensor]:
    """Give a function inputs -> logits, (rows, 1)."""

    def predict(inputs: Any) -> tf.Tensor:
        return model(inputs, training=False)

    return tf.function(predict, autograph=False)
