"""What the networks of texts share: embedded tokens, and pooling that looks at no padding.

A batch is as wide as its longest text, a rank's as its own, and a row's answer may depend on
neither: all that crosses positions here is masked. A row of padding only (an empty slot of the last
batch) gives zeros, not a division by zero.
"""

from dataclasses import dataclass
from typing import Any

import keras

from schemas.encode import FeatureColumn

_FAR_BELOW = 1e9


@dataclass(frozen=True, slots=True)
class Sequence:
    """Tokens of a batch: ``values`` (rows, length, width), ``mask`` (rows, length) bool.

    ``place`` is that of the column among the texts of a row; it tells layers of one kind apart.
    """

    values: Any
    mask: Any
    place: int = 0

    @property
    def column(self) -> Any:
        """The mask as (rows, length, 1) float32."""
        return keras.ops.cast(keras.ops.expand_dims(self.mask, -1), "float32")

    def mean(self) -> Any:
        """Give the mean over the tokens of each row, (rows, width); 0 where there is none."""
        total: Any = keras.ops.sum(self.values * self.column, axis=1)
        return total / keras.ops.maximum(keras.ops.sum(self.column, axis=1), 1.0)

    def maximum(self) -> Any:
        """Give the maximum over the tokens of each row, (rows, width); 0 where there is none."""
        below = self.values * self.column + (self.column - 1.0) * _FAR_BELOW
        greatest: Any = keras.ops.max(below, axis=1)
        return greatest * keras.ops.max(self.column, axis=1)


def embed(tokens: Any, column: FeatureColumn, width: int, dropout: float) -> Sequence:
    """Embed ``tokens``, (rows, length) codes of which 0 is padding.

    ``dropout`` masks whole dimensions of a row's embeddings: its masks do not depend on the length.
    """
    embedding = keras.layers.Embedding(column.size, width, name=f"embed_{column.name}")
    values = embedding(tokens)
    if dropout:
        values = keras.layers.SpatialDropout1D(dropout, name=f"drop_{column.name}")(values)
    return Sequence(values, keras.ops.not_equal(tokens, 0))
