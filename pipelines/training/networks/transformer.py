"""One block of a Transformer's encoder, and the mean over the text.

Vaswani et al. 2017, "Attention Is All You Need" (arXiv 1706.03762), with learned positions and
normalisation before each part (Xiong et al. 2020, arXiv 2002.04745).
"""

from typing import Any

import keras

from pipelines.training.networks.sequence import Sequence

_HEADS = 4
_WIDER = 2  # the inner layer, in widths of the block


def read_transformer(sequence: Sequence, max_length: int) -> list[Any]:
    """Give (rows, width of the embeddings); no row has more than ``max_length`` tokens."""
    width = sequence.values.shape[-1]
    # 1, 2, ... at the tokens; that of padding counts nowhere
    places = keras.ops.cumsum(keras.ops.cast(sequence.mask, "int32"), axis=1)
    x = sequence.values + keras.layers.Embedding(max_length + 1, width)(places)
    # a bias of the keys changes nothing (softmax), so its gradient is what rounding leaves, which
    # Adam would scale to full steps, other ones on other ranks
    attention = keras.layers.MultiHeadAttention(_HEADS, max(1, width // _HEADS), use_bias=False)
    seen = keras.ops.expand_dims(sequence.mask, 1)
    before = keras.layers.LayerNormalization()(x)
    x = x + attention(before, before, attention_mask=seen)
    # Keras would call them dense and dense_1, as the head calls its own
    names = f"inner_{sequence.place}", f"outer_{sequence.place}"
    normal = keras.layers.LayerNormalization()(x)
    inner = keras.layers.Dense(_WIDER * width, "gelu", name=names[0])(normal)
    x = x + keras.layers.Dense(width, name=names[1])(inner)
    return [Sequence(keras.layers.LayerNormalization()(x), sequence.mask).mean()]
