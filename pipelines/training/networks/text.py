"""Networks of texts: each list of tokens is read by one of five ways, other columns join in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras

from pipelines.errors import ParameterError
from pipelines.training.networks.bag import read_bag
from pipelines.training.networks.head import Head
from pipelines.training.networks.inputs import make_inputs, tabular_parts
from pipelines.training.networks.recurrent import read_bigru, read_lstm
from pipelines.training.networks.sequence import Sequence, embed
from pipelines.training.networks.text_cnn import read_cnn
from pipelines.training.networks.transformer import read_transformer
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureColumn, FeatureSet

_READERS: dict[str, Callable[[Sequence, int], list[Any]]] = {
    "bag": read_bag,
    "text-cnn": read_cnn,
    "lstm": read_lstm,
    "bigru": read_bigru,
    "transformer": read_transformer,
}


def build_text(features: FeatureSet, params: TrainParams, head: Head) -> keras.Model:
    """Make the network ``params.network`` for features of which some are lists of tokens.

    Raises:
        ParameterError: There is no list of tokens.
    """
    if not features.tokens or features.images:
        raise ParameterError(
            f"--network {params.network} reads texts; the features state names none. Encode a "
            "column with Tokens in the contract, or take --network dense"
        )
    inputs = make_inputs(features)
    parts = tabular_parts(features, inputs)
    for place, column in enumerate(features.tokens):
        length = tokens_taken(column, params)
        tokens = inputs[column.name][:, :length]
        embedded = embed(tokens, column, params.embedding_dim, params.dropout)
        sequence = replace(embedded, place=place)
        number = length if params.network == "transformer" else params.units
        parts += _READERS[params.network](sequence, number)
    return keras.Model(inputs, head(parts), name=params.network.replace("-", "_"))


def tokens_taken(column: FeatureColumn, params: TrainParams) -> int:
    """Give how many tokens of each row a network reads at most."""
    return min(column.length, params.max_tokens or column.length)
