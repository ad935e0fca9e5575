"""The end of every network: dense layers, and the answer for each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from pipelines.training.heads import add_head
from schemas.target import BINARY, Target

_FIRST_WEIGHTS = {"selu": "lecun_normal"}  # by activation; Keras's own for the others


@dataclass(frozen=True, slots=True)
class Head:
    """The dense layers between what a network has found and its answer.

    Args:
        hidden: Width of each.
        dropout: Share of values masked after each, [0, 1).
        seed: Of the masks.
        has_batch_norm: Puts batch normalisation before each activation (train it inside
            ``global_batch_norm``).
        activation: One of Keras's; selu's first weights are drawn as Klambauer et al. 2017 ask,
            "Self-Normalizing Neural Networks": normal, of variance 1 / inputs.
        target: What the network must give.
    """

    hidden: Sequence[int]
    dropout: float
    seed: int
    has_batch_norm: bool = False
    activation: str = "relu"
    target: Target = BINARY

    def __call__(self, parts: Sequence[Any]) -> Any:
        """Join ``parts``, (rows, width) each; give the answer, (rows, ``target.width``) float32."""
        x = keras.layers.Concatenate(name="concatenate")(parts) if len(parts) > 1 else parts[0]
        activation = self.activation
        first: Any = {"kernel_initializer": _FIRST_WEIGHTS.get(activation, "glorot_uniform")}
        for number, width in enumerate(self.hidden):
            if self.has_batch_norm:
                x = keras.layers.Dense(width, use_bias=False, name=f"dense_{number}", **first)(x)
                x = keras.layers.BatchNormalization(name=f"norm_{number}")(x)
                x = keras.layers.Activation(activation, name=f"{activation}_{number}")(x)
            else:
                x = keras.layers.Dense(width, activation, name=f"dense_{number}", **first)(x)
            x = keras.layers.Dropout(self.dropout, seed=self.seed, name=f"dropout_{number}")(x)
        return add_head(x, self.target)
