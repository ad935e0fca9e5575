"""What lies before and behind each layer of a network, and names that do not count its process."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras

_NUMBERED = re.compile(r"^(.*?)(?:_(\d+))?$")
_NORMALISATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
)


def named_layers(model: keras.Model) -> dict[str, Any]:
    """Give the layers that hold weights, by name.

    Keras numbers layers without a name of their own by process: the second network of a process
    begins at ``conv1d_3`` where the first began at ``conv1d``. Such names are counted from the
    first again, so that the same place has the same name in each network.
    """
    layers: list[Any] = [layer for layer in model.layers if layer.weights]
    counted: dict[str, list[tuple[int, Any]]] = {}
    for layer in layers:
        base, number = _split(layer.name)
        if base.replace("_", "") == type(layer).__name__.lower():
            counted.setdefault(base, []).append((number, layer))
    names = {id(layer): layer.name for layer in layers}
    for base, found in counted.items():
        found.sort(key=lambda pair: pair[0])
        # a name of ours is numbered from 0 with a suffix, so its least number is 0 too
        if found[0][0]:
            for place, (_, layer) in enumerate(found):
                names[id(layer)] = f"{base}_{place}" if place else base
    return {names[id(layer)]: layer for layer in layers}


def layer_depths(model: keras.Model) -> dict[str, int]:
    """Give, of each layer with weights, how many such layers lie behind it at most; the last: 0.

    Normalisations count with the layer that they follow.
    """
    names = {id(layer): name for name, layer in named_layers(model).items()}
    depths: dict[int, int] = {}
    pending = [(operation, 0) for operation in _makers(model.outputs)]
    while pending:
        operation, depth = pending.pop()
        if depths.get(id(operation), -1) >= depth:
            continue
        depths[id(operation)] = depth
        counts = id(operation) in names and not isinstance(operation, _NORMALISATIONS)
        pending += [(before, depth + counts) for before in _before(operation)]
    return {name: depths[number] for number, name in names.items()}


def readers_of(model: keras.Model, inputs: Sequence[str]) -> set[str]:
    """Name the layers with weights that are the first to read one of ``inputs``.

    Embeddings are looked through: what comes after them is named.
    """
    found: set[str] = set()
    for name, layer in named_layers(model).items():
        if isinstance(layer, keras.layers.Embedding):
            continue
        pending, seen = list(_before(layer)), set[int]()
        while pending:
            operation: Any = pending.pop()
            if id(operation) in seen:
                continue
            seen.add(id(operation))
            if operation.name in inputs and not _before(operation):
                found.add(name)
            if isinstance(operation, keras.layers.Embedding) or not _weights(operation):
                pending += _before(operation)
    return found


def _split(name: str) -> tuple[str, int]:
    found = _NUMBERED.match(name)
    base, number = found.groups() if found else (name, None)
    return base, int(number or 0)


def _weights(operation: Any) -> Sequence[Any]:
    return getattr(operation, "weights", ())


def _makers(tensors: Sequence[Any]) -> Iterator[Any]:
    for tensor in tensors:
        yield tensor._keras_history.operation  # noqa: SLF001  Keras has no public way


def _before(operation: Any) -> list[Any]:
    nodes = operation._inbound_nodes  # noqa: SLF001  see _makers
    return [maker for node in nodes for maker in _makers(node.input_tensors) if not node.is_input]
