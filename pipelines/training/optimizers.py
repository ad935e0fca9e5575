"""The optimizers by name: Keras's own, and full-batch gradient descent, which Keras has not."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from pipelines.training.method import Method


class GradientDescent(keras.optimizers.SGD):
    """One update an epoch, along the gradient of the mean loss of all rows (Cauchy 1847).

    The rows still come in batches: each step adds its gradient, already summed over the ranks, to
    one that is part of the optimizer's state, and the last step of the epoch applies it. Each
    step's loss must be its rows' sum over the mean number of rows of a step. Clipping is of the
    whole gradient.
    """

    def __init__(self, learning_rate: float, num_steps: int, **options: Any) -> None:
        super().__init__(learning_rate, **options)
        self.num_steps = num_steps

    def build(self, variables: Sequence[Any]) -> None:
        """Make one sum for each variable."""
        if self.built:
            return
        super().build(variables)
        self._sums: Any = self.add_optimizer_variables(variables, "gradient_sum")

    def _clip_gradients(self, grads: Sequence[Any]) -> Any:
        done: Any = self.iterations
        is_last = tf.equal((done + 1) % self.num_steps, 0)
        sums = [known.value + grad for known, grad in zip(self._sums, grads, strict=True)]
        for known, total in zip(self._sums, sums, strict=True):
            self.assign(known, tf.where(is_last, tf.zeros_like(total), total))
        clipped = super()._clip_gradients([total / self.num_steps for total in sums])
        return [tf.where(is_last, grad, tf.zeros_like(grad)) for grad in clipped]


def make_optimizer(
    method: Method, learning_rate: float, weight_decay: float, num_steps: int
) -> keras.optimizers.Optimizer:
    """Make an optimizer, with Keras's defaults where ``method`` says nothing.

    Args:
        method: Which one, its momentum, and how gradients are clipped once they are summed.
        learning_rate: Assigned anew before each step.
        weight_decay: Decoupled; of AdamW and LAMB.
        num_steps: Of an epoch.
    """
    # Horovod's names begin with its name, and Keras would count those of a process
    common: dict[str, Any] = {"name": method.optimizer.replace("-", "_")}
    if method.clip_norm:
        common["global_clipnorm"] = method.clip_norm
    if method.clip_value:
        common["clipvalue"] = method.clip_value
    momentum = {"momentum": method.momentum}
    decay = {"weight_decay": weight_decay}
    kinds: dict[str, tuple[Callable[..., keras.optimizers.Optimizer], dict[str, Any]]] = {
        "gradient-descent": (GradientDescent, {"num_steps": num_steps}),
        "sgd": (keras.optimizers.SGD, {}),
        "momentum": (keras.optimizers.SGD, momentum),
        "nesterov": (keras.optimizers.SGD, momentum | {"nesterov": True}),
        "adagrad": (keras.optimizers.Adagrad, {}),
        "rmsprop": (keras.optimizers.RMSprop, {}),
        "adam": (keras.optimizers.Adam, {}),
        "adamw": (keras.optimizers.AdamW, decay),
        "lamb": (keras.optimizers.Lamb, decay),
    }
    make, options = kinds[method.optimizer]
    return make(learning_rate, **options, **common)
