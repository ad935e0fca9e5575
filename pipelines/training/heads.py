"""The last layers of a network: what it gives for the label of a contract."""

from typing import Any

import keras

from schemas.target import Target


def add_head(features: Any, target: Target) -> Any:
    """Put the last layers upon ``features``, (rows, n); gives (rows, ``target.width``) float32.

    Binary: a logit. Classes: a logit for each, in the contract's order. A number: the number in its
    unit, a standardised one times the deviation plus the mean of the training split, so whoever
    opens the model needs to know of neither.
    """
    if target.kind == "binary":
        return keras.layers.Dense(1, dtype="float32", name="logit")(features)
    if target.kind == "classes":
        return keras.layers.Dense(target.width, dtype="float32", name="logits")(features)
    standard = keras.layers.Dense(1, dtype="float32", name="standard")(features)
    scale, offset = target.deviation, target.mean
    return keras.layers.Rescaling(scale, offset, dtype="float32", name="number")(standard)
