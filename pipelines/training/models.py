"""Make the network of a training, and write it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import keras

from pipelines.state import sync_folder
from pipelines.training.networks.catalog import build_network
from pipelines.training.networks.dense import build_dense
from pipelines.training.networks.head import Head
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureSet


class Between(TypedDict, total=False):
    """What lies between two dense layers; see ``Head``. By default relu, and nothing else."""

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
    keras.utils.set_random_seed(seed)
    return build_dense(features, Head(hidden, dropout, seed, target=features.target, **between))


def build_model_of(params: TrainParams, features: FeatureSet) -> keras.Model:
    """Make the network that the parameters of a training describe."""
    return build_network(features, params)


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
