"""A learning rate for each layer: the further from the answer, the slower it learns.

Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification" (arXiv
1801.06146), 3.2, discriminative fine-tuning: there each layer has the rate of the one behind it
over 2.6, which is a decay of 0.385.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from pipelines.training.layer_graph import layer_depths, named_layers
from pipelines.training.optimizers import make_optimizer
from pipelines.training.settings import LoopSettings

_SCALES = "layer_scales"


class _LayerRates:
    """First base of the lent class: scales what a variable's update takes for the rate.

    Not the gradient: Adam and its kin would undo that.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        scale = _scale_of(self, variable)
        super().update_step(gradient, variable, learning_rate * scale)  # pyright: ignore[reportAttributeAccessIssue]

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Decay at the layer's rate too, as Keras does at the one rate of all."""
        optimizer: Any = self
        if optimizer.weight_decay is None:
            return
        for variable in variables:
            if optimizer._use_weight_decay(variable):  # noqa: SLF001  as Keras's own
                rate = tf.cast(optimizer.learning_rate, variable.dtype) * _scale_of(self, variable)
                share = rate * tf.cast(optimizer.weight_decay, variable.dtype)
                variable.assign(variable - variable * share)


def make_optimizer_of(
    model: keras.Model, settings: LoopSettings, num_steps: int
) -> keras.optimizers.Optimizer:
    """Make the optimizer of a training; with ``layer_decay`` below 1 the rate goes by layer.

    Args:
        model: Whose layers; see ``layer_depths``.
        settings: Method, peak rate and weight decay.
        num_steps: Of an epoch.
    """
    method = settings.method
    made = make_optimizer(method, settings.learning_rate, settings.weight_decay, num_steps)
    if method.layer_decay < 1:
        scale_rates(made, layer_scales(model, method.layer_decay))
    return made


def layer_scales(model: keras.Model, decay: float) -> list[float]:
    """Give what the rate of each trainable variable is multiplied by: ``decay ** depth``."""
    depths, layers = layer_depths(model), named_layers(model)
    of_variable = {
        id(variable): decay ** depths[name]
        for name, layer in layers.items()
        for variable in layer.trainable_variables
    }
    return [of_variable[id(variable)] for variable in model.trainable_variables]


def scale_rates(optimizer: Any, scales: Sequence[float]) -> None:
    """Have ``optimizer`` take ``scales`` of its rate for its variables, in their order."""
    plain = type(optimizer)
    # past Keras, which would track what is set on an optimizer
    optimizer.__dict__[_SCALES] = tuple(scales)
    optimizer.__class__ = type(f"Layered{plain.__name__}", (_LayerRates, plain), {})


def _scale_of(optimizer: Any, variable: Any) -> float:
    return optimizer.__dict__[_SCALES][optimizer._get_variable_index(variable)]  # noqa: SLF001
