"""One step as a graph: this rank's share of the loss, gradients summed over ranks, the update."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from pipelines.training import distributed
from pipelines.training.batch_norm import GlobalBatchNorm
from pipelines.training.distillation import Teacher
from pipelines.training.objective import LOG_LOSS, Objective

TrainStep: TypeAlias = Callable[[Any, Any, Any, Any, Any], tf.Tensor]


def _leave() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Beside:
    """What a step does besides: ask a ``teacher`` of its rows, ``mend`` the weights it changed."""

    teacher: Teacher | None = None
    mend: Callable[[], None] = _leave


def make_train_step(
    model: keras.Model,
    optimizer: Any,
    norms: Sequence[GlobalBatchNorm] = (),
    objective: Objective = LOG_LOSS,
    beside: Beside = Beside(),
) -> TrainStep:
    """Give a function (inputs, label, weight, total, rate) -> mean loss of the global batch.

    With l the loss of a row by ``objective`` and w its weight, a rank's loss is sum(w l) / total,
    where ``total`` is the number of rows of the global batch. Summed over ranks, loss and gradients
    are those of one rank that holds the whole batch; an empty slot has w = 0 and counts nowhere. A
    penalty is shared out over the rows; it is in the gradients, not in the loss that is given.
    The optimizer must be inside ``distributed.summed_gradients``; ``norms`` are the layers inside
    ``global_batch_norm``.
    """
    variables = model.trainable_variables

    def step(inputs: Any, label: Any, weight: Any, total: Any, rate: Any) -> tf.Tensor:
        optimizer.learning_rate.assign(rate)
        for norm in norms:
            norm.__dict__["row_weight"] = weight  # past Keras, which would track it
        taught = beside.teacher(inputs) if beside.teacher else None
        with tf.GradientTape() as tape:
            given = model(inputs, training=True)
            share = tf.reduce_sum(weight * objective.of_rows(label, given, taught)) / total
            minimised = share
            if objective.has_penalty:
                minimised += objective.penalty(variables) * (tf.reduce_sum(weight) / total)
        pairs = (tape.gradient(minimised, variables), variables)
        loss = distributed.apply_with(optimizer, pairs, share)
        beside.mend()
        return loss

    # autograph would translate Keras and Horovod to no effect: seconds before the first step
    return tf.function(step, autograph=False)


def make_predict(model: keras.Model) -> Callable[[Any], tf.Tensor]:
    """Give a function inputs -> what the network gives, (rows, width)."""

    def predict(inputs: Any) -> tf.Tensor:
        return model(inputs, training=False)

    return tf.function(predict, autograph=False)
