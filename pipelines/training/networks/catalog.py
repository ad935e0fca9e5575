"""The network that a training asks for, or the one that suits its features."""

from dataclasses import replace

import keras

from pipelines.training.method import IMAGE_NETWORKS
from pipelines.training.networks.dense import build_dense
from pipelines.training.networks.head import Head
from pipelines.training.networks.image import build_image
from pipelines.training.networks.text import build_text
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureSet


def suited_network(features: FeatureSet) -> str:
    """Name the network of a training that asks for none."""
    if features.images:
        return "resnet"
    return "text-cnn" if features.tokens else "dense"


def build_network(features: FeatureSet, params: TrainParams) -> keras.Model:
    """Make the network ``params.network``, its first weights drawn by ``params.seed``.

    Raises:
        ParameterError: It is for other features.
        TrainingError: There are no features.
    """
    chosen = params if params.network else replace(params, network=suited_network(features))
    keras.utils.set_random_seed(params.seed)
    said = (params.hidden, params.dropout, params.seed, params.batch_norm, params.activation)
    head = Head(*said, features.target)
    if chosen.network == "dense":
        return build_dense(features, head)
    if chosen.network in IMAGE_NETWORKS:
        return build_image(features, chosen, head)
    return build_text(features, chosen, head)
