"""The arithmetic of the encodings on Arrow columns: one definition for batch and online use.

A Spark task encodes its batches with it, and so can a server that holds one row. It is not said in
Spark's expressions because a hundred of them become a method too large to compile well: on two
cores the compiler took longer than the rows.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import pi
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from pipelines.transforms.pictures_arrays import Channels, encode_pictures
from pipelines.transforms.tokens_arrays import encode_tokens
from schemas.encode import (
    FIRST_TOKEN,
    Bucketed,
    Encode,
    FeatureColumn,
    Hashed,
    Numeric,
    Picture,
    Tokens,
    Vocabulary,
)
from schemas.feature_columns import (
    feature_columns,
    hashed_name,
    numeric_name,
    picture_name,
    tokens_name,
)

# pyarrow makes its functions at import, out of any type checker's sight
_compute: Any = pyarrow.compute

_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Scale:
    """A numeric input becomes (x - shift) / width, clipped to +-clip."""

    column: str
    shift: float
    width: float


@dataclass(frozen=True, slots=True)
class EncodeState:
    """What ``fit_encode`` learned: scales, tokens and channels by feature, others by column."""

    scales: dict[str, Scale]
    vocabularies: dict[str, tuple[str, ...]]
    boundaries: dict[str, tuple[float, ...]]
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    channels: dict[str, Channels] = field(default_factory=dict)

    def columns(self, encodes: Sequence[Encode]) -> tuple[FeatureColumn, ...]:
        """Give the features that ``encode`` makes, with the sizes that were learned."""
        sizes = {name: len(words) + 1 for name, words in self.vocabularies.items()}
        sizes |= {name: len(bounds) + 1 for name, bounds in self.boundaries.items()}
        sizes |= {name: len(words) + FIRST_TOKEN for name, words in self.tokens.items()}
        made = feature_columns(encodes, sizes)
        return tuple(
            replace(column, **asdict(self.channels[column.name]))
            if column.name in self.channels
            else column
            for column in made
        )


def input_columns(encodes: Sequence[Encode]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the columns that ``encode_arrays`` reads: those of numbers, and those of words."""
    numbers: dict[str, None] = {}
    words: dict[str, None] = {}
    for item in encodes:
        if isinstance(item, Hashed):
            words |= dict.fromkeys(item.columns)
        elif isinstance(item, Vocabulary | Tokens):
            words[item.column] = None
        elif not isinstance(item, Picture):
            numbers[item.column] = None
    return tuple(numbers), tuple(words)


def byte_columns(encodes: Sequence[Encode]) -> tuple[str, ...]:
    """Give the columns of images that ``encode_arrays`` reads."""
    return tuple(dict.fromkeys(item.column for item in encodes if isinstance(item, Picture)))


def encode_arrays(
    numbers: Mapping[str, NDArray[np.float64]],
    words: Mapping[str, pa.Array],
    encodes: Sequence[Encode],
    state: EncodeState,
) -> dict[str, NDArray[np.float32] | NDArray[np.int32] | pa.Array]:
    """Make the model's inputs of one batch of rows.

    Args:
        numbers: Columns of shape (rows,), NaN where null, of all ``Numeric``, ``Bucketed`` and
            ``Cyclic`` encodings.
        words: String columns of all ``Vocabulary``, ``Hashed`` and ``Tokens`` encodings; nulls are
            allowed. Binary ones of all ``Picture`` encodings, without nulls.
        encodes: The contract's encodings.
        state: From ``fit_encode``.

    Returns:
        By feature, shape (rows,): float32 numbers and int32 codes, none of them null, and Arrow
        lists of int32 for ``Tokens``, PNG files for ``Picture``. Unknown numbers become the
        training mean (0 after scaling), unknown words 0, unknown tokens 1.
    """
    made: dict[str, NDArray[Any] | pa.Array] = {}
    for item in encodes:
        if isinstance(item, Numeric):
            name = numeric_name(item)
            made[name] = _number(squash(numbers[item.column], item), item, state.scales[name])
        elif isinstance(item, Vocabulary):
            made[f"{item.column}_code"] = _code(words[item.column], state.vocabularies[item.column])
        elif isinstance(item, Hashed):
            columns = [words[column] for column in item.columns]
            made[hashed_name(item)] = _hash(columns, item.buckets)
        elif isinstance(item, Tokens):
            name = tokens_name(item)
            made[name] = encode_tokens(words[item.column], item, state.tokens[name])
        elif isinstance(item, Picture):
            made[picture_name(item)] = encode_pictures(words[item.column], item)
        elif isinstance(item, Bucketed):
            made[f"{item.column}_bucket"] = _bucket(
                numbers[item.column], state.boundaries[item.column]
            )
        else:
            angle = np.nan_to_num(numbers[item.column], nan=0.0) * (2 * pi / item.period)
            made[f"{item.column}_sin"] = np.sin(angle).astype(np.float32)
            made[f"{item.column}_cos"] = np.cos(angle).astype(np.float32)
    return made


def squash(values: NDArray[np.float64], item: Numeric) -> NDArray[np.float64]:
    """Take the signed logarithm where the encoding asks for it."""
    return np.copysign(np.log1p(np.abs(values)), values) if item.is_log else values


def _number(values: NDArray[np.float64], item: Numeric, scale: Scale) -> NDArray[np.float32]:
    scaled = (values - scale.shift) / scale.width
    centred = np.where(np.isnan(scaled), 0.0, scaled)
    return np.clip(centred, -item.clip, item.clip).astype(np.float32)


def _code(words: pa.Array, vocabulary: Sequence[str]) -> NDArray[np.int32]:
    places = _compute.index_in(words, value_set=pa.array(vocabulary, pa.string()))
    return _compute.fill_null(places, -1).to_numpy(zero_copy_only=False) + np.int32(1)


def _hash(columns: Sequence[pa.Array], buckets: int) -> NDArray[np.int32]:
    filled = [_compute.fill_null(column, "") for column in columns]
    joined = _compute.binary_join_element_wise(*filled, _SEPARATOR)
    distinct = joined.dictionary_encode()
    # CRC-32 (ISO 3309) is in every language's library, so online code finds the same bucket
    hashes = [zlib.crc32(text.encode()) % buckets for text in distinct.dictionary.to_pylist()]
    return np.array(hashes, dtype=np.int32)[distinct.indices.to_numpy()]


def _bucket(values: NDArray[np.float64], boundaries: Sequence[float]) -> NDArray[np.int32]:
    reached = np.searchsorted(np.array(boundaries), values, side="right")
    return np.where(np.isnan(values), 0, reached).astype(np.int32)
