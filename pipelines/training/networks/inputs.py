"""What a network takes: one input for each kind of column, and one for each list."""

from typing import Any

import keras

from schemas.encode import FeatureSet, length_name


def embedding_dim(size: int) -> int:
    """Give the width of the embedding of a column of ``size`` codes.

    A root of the vocabulary size, as in the TensorFlow guide "Feature columns" (which says 4th
    root) and fast.ai's 1.6 n^0.56; small tables of Kaggle kind do well in between.

    >>> [embedding_dim(size) for size in (3, 30, 3000, 10**9)]
    [2, 5, 16, 16]
    """
    return max(1, min(16, round(1.6 * size**0.35)))


def make_inputs(features: FeatureSet) -> dict[str, Any]:
    """Give an input for all that loading feeds, by name; see ``FeatureSet``.

    Those of lists have no stated length: each batch has its own.
    """
    inputs: dict[str, Any] = {
        "numeric": keras.Input((len(features.numeric),), dtype="float32", name="numeric"),
        "categorical": keras.Input((len(features.sizes),), dtype="int32", name="categorical"),
    }
    for column in features.tokens:
        inputs[column.name] = keras.Input((None,), dtype="int32", name=column.name)
        length = length_name(column.name)
        inputs[length] = keras.Input((), dtype="int32", name=length)
    for column in features.images:
        inputs[column.name] = keras.Input(column.shape, dtype="uint8", name=column.name)
    return inputs


def tabular_parts(features: FeatureSet, inputs: dict[str, Any]) -> list[Any]:
    """Give the numbers of each row, and an embedding of each of its codes, (rows, width) each."""
    parts: list[Any] = [inputs["numeric"]] if features.numeric else []
    codes = inputs["categorical"]
    for number, size in enumerate(features.sizes):
        embedding = keras.layers.Embedding(size, embedding_dim(size), name=f"embed_{number}")
        parts.append(embedding(codes[:, number]))
    return parts
