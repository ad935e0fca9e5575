"""Embeddings of codes and numbers, side by side, through dense layers: the network of tables."""

import keras

from pipelines.errors import ParameterError, TrainingError
from pipelines.training.networks.head import Head
from pipelines.training.networks.inputs import make_inputs, tabular_parts
from schemas.encode import FeatureSet


def build_dense(features: FeatureSet, head: Head) -> keras.Model:
    """Make a network that gives the logit of each row, (rows, 1) float32.

    Raises:
        ParameterError: Some features are lists, which it does not read.
        TrainingError: There are no features.
    """
    if others := [column.name for column in (*features.tokens, *features.images)]:
        raise ParameterError(
            "--network dense reads numbers and codes; the features state names texts or images "
            f"too: {others}. Take a network of these"
        )
    if not features.columns:
        raise TrainingError("expected at least one feature; the features state names none")
    inputs = make_inputs(features)
    return keras.Model(inputs, head(tabular_parts(features, inputs)), name="embeddings_and_dense")
