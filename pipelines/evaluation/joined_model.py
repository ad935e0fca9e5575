"""One plain Keras network of several: the members side by side on shared inputs, joined.

What joins them is plain layers too, so the file is opened, measured, registered and scored like any
other. Probabilities are averaged as the logarithm of a sum of exponentials: the result is a logit
again, and a member that is quite sure does not become a logarithm of zero.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.errors import ParameterError
from pipelines.evaluation.combination import Combination, Mean, Stack
from schemas.target import Target


def join_members(members: Sequence[Any], combination: Combination, target: Target) -> Any:
    """Make one network that gives what ``add_head`` gives.

    Args:
        members: Keras networks of the same inputs, each giving (rows, width): logits or a number.
            Each is renamed, and becomes one layer. Those of weight 0 are left out.
        combination: Of the members, in their order.
        target: What they give.

    Raises:
        ParameterError: The members take other inputs than one another.
    """
    import keras  # noqa: PLC0415  seconds to import: see pipelines.evaluation.predict

    inputs = _shared_inputs(members)
    given: list[Any] = []
    for number, member in enumerate(members, 1):
        # Keras wants the names of layers side by side to differ; those inside may be the same
        member.name = f"member_{number}"
        given.append(member({name: inputs[name] for name in _names(member)}))
    if isinstance(combination, Stack):
        joined = _stack(given, combination, target)
    else:
        joined = _mean(given, combination, target)
    return keras.Model(inputs, joined, name="ensemble")


def _names(member: Any) -> list[str]:
    return [tensor.name for tensor in member.inputs]


def _shared_inputs(members: Sequence[Any]) -> dict[str, Any]:
    import keras  # noqa: PLC0415

    said = [
        {tensor.name: (tuple(tensor.shape), str(tensor.dtype)) for tensor in member.inputs}
        for member in members
    ]
    for number, found in enumerate(said[1:], 2):
        if found != said[0]:
            raise ParameterError(
                f"--models: expected networks of the same inputs; the first takes {said[0]}, "
                f"number {number} {found}"
            )
    return {
        name: keras.Input(shape[1:], dtype=dtype, name=name)
        for name, (shape, dtype) in said[0].items()
    }


def _mean(given: Sequence[Any], mean: Mean, target: Target) -> Any:
    import keras  # noqa: PLC0415

    parts = [part for part in zip(given, mean.weights, strict=True) if part[1] > 0]
    tensors, weights = [tensor for tensor, _ in parts], [weight for _, weight in parts]
    if target.kind == "number":
        shares = [_scaled(tensor, scale=weight) for tensor, weight in parts]
        total = keras.layers.Add()(shares) if len(shares) > 1 else shares[0]
        return _scaled(total, name="number")
    logs = np.log(weights)
    if target.kind == "binary":
        logits = _side_by_side(tensors, axis=1)
        positive = _mixed(_activated("log_sigmoid", logits), logs)
        negative = _mixed(_activated("log_sigmoid", _scaled(logits, scale=-1.0)), logs)
        logit = keras.layers.Subtract(dtype="float32")([positive, negative])
        return _activated("linear", logit, name="logit")
    rows = [
        keras.layers.Reshape((1, target.width))(
            _scaled(_activated("log_softmax", tensor), offset=float(log))
        )
        for tensor, log in zip(tensors, logs, strict=True)
    ]
    mixed = keras.ops.logsumexp(_side_by_side(rows, axis=1), axis=1)
    return _activated("linear", mixed, name="logits")


def _mixed(log_probabilities: Any, log_weights: Any) -> Any:
    """Give the logarithm of the weighted mean, (rows, 1), of (rows, members)."""
    import keras  # noqa: PLC0415

    weighed = _scaled(log_probabilities, offset=log_weights.tolist())
    return keras.ops.logsumexp(weighed, axis=1, keepdims=True)


def _stack(given: Sequence[Any], stack: Stack, target: Target) -> Any:
    import keras  # noqa: PLC0415

    if target.kind == "classes":
        given = [_activated("log_softmax", tensor) for tensor in given]
    inputs = _side_by_side(given, axis=1)
    if target.kind == "number":
        inputs = _scaled(inputs, 1 / target.deviation, -target.mean / target.deviation)
    name = {"binary": "logit", "classes": "logits", "number": "standard"}[target.kind]
    dense = keras.layers.Dense(target.width, dtype="float32", name=name)
    made = dense(inputs)
    dense.set_weights([stack.kernel, stack.bias])
    if target.kind != "number":
        return made
    return _scaled(made, target.deviation, target.mean, name="number")


def _side_by_side(tensors: Sequence[Any], axis: int) -> Any:
    import keras  # noqa: PLC0415

    return keras.layers.Concatenate(axis)(tensors) if len(tensors) > 1 else tensors[0]


def _scaled(x: Any, scale: float = 1.0, offset: Any = 0.0, name: str | None = None) -> Any:
    import keras  # noqa: PLC0415

    return keras.layers.Rescaling(scale, offset, dtype="float32", name=name)(x)


def _activated(activation: str, x: Any, name: str | None = None) -> Any:
    import keras  # noqa: PLC0415

    return keras.layers.Activation(activation, dtype="float32", name=name)(x)
