"""Build the network from the list of features."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import keras

from pipelines.errors import TrainingError
from pipelines.state import sync_folder
from pipelines.training.heads import add_head
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureSet

_FIRST_WEIGHTS = {"selu": "lecun_normal"}  # by activation; Keras's own for the others


def embedding_dim(size: int) -> int:
    """Give the width of the embedding of a column of ``size`` codes.

    A root of the vocabulary size, as in the TensorFlow guide "Feature columns" (which says 4th
    root) and fast.ai's 1.6 n^0.56; small tables of Kaggle kind do well in between.

    >>> [embedding_dim(size) for size in (3, 30, 3000, 10**9)]
    [2, 5, 16, 16]
    """
    return max(1, min(16, round(1.6 * size**0.35)))


class Between(TypedDict, total=False):
    """What lies between two dense layers.

    ``has_batch_norm`` puts batch normalisation before each activation (train it inside
    ``global_batch_norm``); by default there is none. ``activation`` is one of Keras's, by default
    relu; selu's first weights are drawn as Klambauer et al. 2017 ask, "Self-Normalizing Neural
    Networks": normal, of variance 1 / inputs.
    """

    has_batch_norm: bool
    activation: str


def build_model(
    features: FeatureSet,
    hidden: Sequence[int],
    dropout: float,
    seed: int,
    **between: Unpack[Between],
) -> keras.Model:
    """Make an embedding-and-dense network for the label of ``features``.

    The network takes ``{"numeric": (rows, numeric) float32, "categorical": (rows, categorical)
    int32}``, columns in the order of ``features``, and gives what ``add_head`` says. It is plain
    Keras: it loads with ``keras.saving.load_model`` and nothing of ours.

    Args:
        features: Columns of the features table.
        hidden: Width of each dense layer.
        dropout: Share of values masked after each dense layer, [0, 1).
        seed: Decides the first weights.
        between: See ``Between``.

    Raises:
        TrainingError: There are no features.
    """
    if not features.columns:
        raise TrainingError("expected at least one feature; the features state names none")
    keras.utils.set_random_seed(seed)
    inputs = {
        "numeric": keras.Input((len(features.numeric),), dtype="float32", name="numeric"),
        "categorical": keras.Input((len(features.sizes),), dtype="int32", name="categorical"),
    }
    parts: list[Any] = [inputs["numeric"]] if features.numeric else []
    codes: Any = inputs["categorical"]
    for number, size in enumerate(features.sizes):
        embedding = keras.layers.Embedding(size, embedding_dim(size), name=f"embed_{number}")
        parts.append(embedding(codes[:, number]))
    x = keras.layers.Concatenate(name="concatenate")(parts) if len(parts) > 1 else parts[0]
    activation = between.get("activation", "relu")
    first: Any = {"kernel_initializer": _FIRST_WEIGHTS.get(activation, "glorot_uniform")}
    for number, width in enumerate(hidden):
        if between.get("has_batch_norm"):
            x = keras.layers.Dense(width, use_bias=False, name=f"dense_{number}", **first)(x)
            x = keras.layers.BatchNormalization(name=f"norm_{number}")(x)
            x = keras.layers.Activation(activation, name=f"{activation}_{number}")(x)
        else:
            x = keras.layers.Dense(width, activation, name=f"dense_{number}", **first)(x)
        x = keras.layers.Dropout(dropout, seed=seed, name=f"dropout_{number}")(x)
    given = add_head(x, features.target)
    return keras.Model(inputs, given, name="embeddings_and_dense")


def build_model_of(params: TrainParams, features: FeatureSet) -> keras.Model:
    """Make the network that the parameters of a training describe."""
    between: Between = {"has_batch_norm": params.batch_norm, "activation": params.activation}
    return build_model(features, params.hidden, params.dropout, params.seed, **between)


def save_model(model: keras.Model, path: Path) -> None:
    """Write a model whole or not at all."""
    # a kill while Keras writes must not leave half a model under the name
    scratch = path.with_name(f".{os.getpid()}.keras")
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(scratch)
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    scratch.replace(path)
    sync_folder(path.parent)
