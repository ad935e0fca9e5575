"""Begin with the weights of a trained network, layer by layer, where they mean the same.

A layer is taken if it has the name and the shapes of one there; an embedding word by word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import keras
import numpy as np

from pipelines.errors import ParameterError
from pipelines.training.layer_graph import named_layers, readers_of
from pipelines.training.meanings import (
    Meaning,
    Words,
    embeddings_of,
    has_same_classes,
    has_same_columns,
    named_embeddings,
)


@dataclass(slots=True)
class Taken:
    """What became of each layer: taken whole, word by word (known there, of all), or begun anew."""

    whole: list[str] = field(default_factory=list)
    by_word: dict[str, tuple[int, int]] = field(default_factory=dict)
    anew: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        said = [f"took {', '.join(self.whole) or 'no layer'} as they are"]
        said += [
            f"{name} word by word, {known:,} of {total:,} known there"
            for name, (known, total) in self.by_word.items()
        ]
        said += [f"{name} begins anew ({why})" for name, why in self.anew.items()]
        return "; ".join(said)


def take_weights(
    model: keras.Model, meaning: Meaning, source: keras.Model, source_meaning: Meaning | None
) -> Taken:
    """Copy weights of ``source`` into ``model``; other layers keep their first weights.

    Args:
        model: To be trained.
        meaning: Of its inputs.
        source: A trained network.
        source_meaning: Of its inputs; None: nobody knows, so what reads codes or numbers directly
            begins anew.

    Raises:
        ParameterError: No layer fits.
    """
    there, here = named_layers(source), named_layers(model)
    embeddings = embeddings_of(meaning, source_meaning)
    strange = _strange(model, meaning, source_meaning, embeddings)
    taken = Taken()
    for name, layer in here.items():
        if name in strange:
            taken.anew[name] = strange[name]
        elif name in embeddings:
            _take_words(name, layer, there, embeddings[name], taken)
        elif name not in there:
            taken.anew[name] = "there is no such layer"
        elif _shapes(layer) != _shapes(there[name]):
            taken.anew[name] = f"its shapes are {_shapes(layer)}, there {_shapes(there[name])}"
        else:
            layer.set_weights(there[name].get_weights())
            taken.whole.append(name)
    if not taken.whole and not taken.by_word:
        raise ParameterError(
            f"--start-from: expected a network with layers that fit into this one; none does: "
            f"{taken}. It has {', '.join(there)}. Take the same --network and sizes as it was "
            "trained with"
        )
    return taken


def freeze(model: keras.Model, patterns: Sequence[str], taken: Taken) -> list[str]:
    """Hold the layers whose names match at their weights; batch normalisations infer.

    Raises:
        ParameterError: A pattern matches no layer, a layer that begins anew, or all are held.
    """
    layers, held = named_layers(model), list[str]()
    for pattern in patterns:
        matching = [name for name in layers if fnmatchcase(name, pattern)]
        if not matching:
            raise ParameterError(
                f"--freeze {pattern}: expected the name of a layer, * for any letters; there are "
                f"{', '.join(layers)}"
            )
        if new := [name for name in matching if name in taken.anew]:
            raise ParameterError(
                f"--freeze {pattern}: expected layers with weights from --start-from; these begin "
                f"anew and would stay as they were drawn: {', '.join(new)}"
            )
        held += [name for name in matching if name not in held]
    for name in held:
        layers[name].trainable = False
    if not model.trainable_variables:
        raise ParameterError(
            f"--freeze: expected a layer that is left to train; held are all: {held}"
        )
    return held


def thaw(model: keras.Model) -> None:
    """Let all layers learn again: who goes on from the model must not find some held silently."""
    for layer in named_layers(model).values():
        layer.trainable = True


def _take_words(
    name: str, layer: Any, there: Mapping[str, Any], words: Words, taken: Taken
) -> None:
    found = there.get(words.layer)
    if found is None or found.output_dim != layer.output_dim:
        width = f"of width {layer.output_dim}, there {found.output_dim}" if found else "not there"
        taken.anew[name] = f"it is {width}"
        return
    rows = found.get_weights()[0]
    if words.is_same:
        layer.set_weights([rows])
        taken.whole.append(name)
        return
    layer.set_weights([rows[np.array(words.codes())]])
    taken.by_word[name] = words.num_known()


def _strange(
    model: keras.Model, meaning: Meaning, source: Meaning | None, embeddings: Mapping[str, Words]
) -> dict[str, str]:
    """Give the layers whose weights there would mean something else here, and why."""
    reading: set[str] = set()
    if not has_same_columns(meaning, source):
        reading = readers_of(model, ("numeric", "categorical"))
    found = dict.fromkeys(reading, "it reads other columns")
    unknown = named_embeddings(meaning).keys() - embeddings.keys()
    found |= dict.fromkeys(unknown, "what its codes meant there is not known")
    if not has_same_classes(meaning, source):
        found["logits"] = "the classes are others"
    return found


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
