"""Turn columns into model inputs: float32 numbers, int32 codes and lists of codes, none null.

``fit_encode`` learns scales, vocabularies and boundaries from the training split; ``encode``
applies them to batches of rows, with the arithmetic of ``encode_arrays``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as t

from pipelines.transforms.encode_arrays import (
    EncodeState,
    Scale,
    byte_columns,
    encode_arrays,
    input_columns,
    squash,
)
from pipelines.transforms.fit_pictures import fit_pictures
from pipelines.transforms.fit_tokens import fit_tokens
from pipelines.transforms.moments import Moments, measure, merge, merge_all
from pipelines.transforms.sample import bounded_sample
from schemas.contract import ContractError
from schemas.encode import (
    Bucketed,
    Encode,
    FeatureColumn,
    FeatureKind,
    Numeric,
    Picture,
    Tokens,
    Vocabulary,
)
from schemas.feature_columns import numeric_name

_KINDS: dict[FeatureKind, t.DataType] = {
    "numeric": t.FloatType(),
    "categorical": t.IntegerType(),
    "tokens": t.ArrayType(t.IntegerType()),
    "image": t.BinaryType(),
}
_DIGITS = 10
_NUMBER, _WORD, _BYTES = "_number_", "_word_", "_bytes_"
_MOMENTS = f"item int, {', '.join(f'{name} double' for name in Moments._fields)}"


def fit_encode(train: DataFrame, encodes: Sequence[Encode], key: Sequence[str]) -> EncodeState:
    """Learn from ``train``, the rows of the training split; at most six Spark jobs.

    Raises:
        ContractError: A column has no value in the training split.
    """
    return EncodeState(
        scales=_fit_scales(train, [item for item in encodes if isinstance(item, Numeric)]),
        vocabularies=_fit_vocabularies(
            train, [item for item in encodes if isinstance(item, Vocabulary)]
        ),
        boundaries=_fit_boundaries(
            train, [item for item in encodes if isinstance(item, Bucketed)], key
        ),
        tokens=fit_tokens(train, [item for item in encodes if isinstance(item, Tokens)]),
        channels=fit_pictures(train, [item for item in encodes if isinstance(item, Picture)]),
    )


def encode(
    df: DataFrame, encodes: Sequence[Encode], state: EncodeState, keep: Sequence[str]
) -> DataFrame:
    """Give the columns ``keep`` of each row of ``df`` as they are, and its features.

    Raises:
        ContractError: A column is missing.
    """
    numbers, words = input_columns(encodes)
    missing = {*numbers, *words, *byte_columns(encodes), *keep} - set(df.columns)
    if missing:
        raise ContractError(f"encode needs the columns {sorted(missing)}; got {df.columns}")
    fields = [df.schema[name] for name in keep]
    fields += [_field(feature) for feature in state.columns(encodes)]
    read = df.select(*keep, *_inputs(encodes))
    return read.mapInArrow(_Encoder(tuple(encodes), state, tuple(keep)), t.StructType(fields))


def _field(feature: FeatureColumn) -> t.StructField:
    return t.StructField(feature.name, _KINDS[feature.kind])


def _inputs(encodes: Sequence[Encode]) -> list[Column]:
    numbers, words = input_columns(encodes)
    return [
        *[F.col(name).cast("double").alias(_NUMBER + name) for name in numbers],
        *[F.col(name).cast("string").alias(_WORD + name) for name in words],
        *[F.col(name).alias(_BYTES + name) for name in byte_columns(encodes)],
    ]


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Encode the batches of one task; called in Spark's Python workers."""

    encodes: tuple[Encode, ...]
    state: EncodeState
    keep: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        names = [feature.name for feature in self.state.columns(self.encodes)]
        _, read = input_columns(self.encodes)
        for batch in batches:
            words = {name: batch[_WORD + name] for name in read}
            words |= {name: batch[_BYTES + name] for name in byte_columns(self.encodes)}
            made = encode_arrays(_numbers(batch, self.encodes), words, self.encodes, self.state)
            arrays = [batch[name] for name in self.keep]
            arrays += [pa.array(made[name]) for name in names]
            yield pa.RecordBatch.from_arrays(arrays, [*self.keep, *names])


def _numbers(batch: pa.RecordBatch, encodes: Sequence[Encode]) -> dict[str, NDArray[np.float64]]:
    names, _ = input_columns(encodes)
    return {name: batch[_NUMBER + name].to_numpy(zero_copy_only=False) for name in names}


@dataclass(frozen=True, slots=True)
class _Measurer:
    """Measure the numeric inputs of one task's rows; called in Spark's Python workers."""

    items: tuple[Numeric, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = [Moments() for _ in self.items]
        for batch in batches:
            numbers = _numbers(batch, self.items)
            found = [measure(squash(numbers[item.column], item)) for item in self.items]
            total = [merge(one, other) for one, other in zip(total, found, strict=True)]
        rows = [{"item": number, **part._asdict()} for number, part in enumerate(total)]
        fields = [("item", pa.int32()), *[(name, pa.float64()) for name in Moments._fields]]
        yield pa.RecordBatch.from_pylist(rows, pa.schema(fields))


def _fit_scales(train: DataFrame, items: Sequence[Numeric]) -> dict[str, Scale]:
    if not items:
        return {}
    rows = train.select(*_inputs(items)).mapInArrow(_Measurer(tuple(items)), _MOMENTS).collect()
    scales: dict[str, Scale] = {}
    for number, item in enumerate(items):
        parts = [Moments(*row[1:]) for row in rows if row["item"] == number]
        scales[numeric_name(item)] = _scale(item, merge_all(parts))
    return scales


def _scale(item: Numeric, found: Moments) -> Scale:
    if not found.num:
        raise ContractError(
            f"scale {item.column}: expected numbers in the training split; all are null or "
            "NaN. Impute the column, or take it out of the contract"
        )
    if item.scale == "none":
        return Scale(item.column, 0.0, 1.0)
    if item.scale == "minmax":
        shift, width = found.low, found.high - found.low
    else:
        shift, width = found.mean, found.deviation
    return Scale(item.column, _round(shift), _round(width) or 1.0)


def _fit_vocabularies(train: DataFrame, items: Sequence[Vocabulary]) -> dict[str, tuple[str, ...]]:
    """Count all columns in one pass, and rank the words of each where they are."""
    if not items:
        return {}
    pairs = [
        F.struct(F.lit(number).alias("item"), F.col(item.column).cast("string").alias("word"))
        for number, item in enumerate(items)
    ]
    words = train.select(F.explode(F.array(*pairs)).alias("pair")).select("pair.*")
    counts = words.where(F.col("word").isNotNull()).groupBy("item", "word").count()
    order = Window.partitionBy("item").orderBy(F.desc("count"), F.asc("word"))
    limits = F.array(*[F.struct(F.lit(i.max_size), F.lit(i.min_count)) for i in items])
    limit = F.element_at(limits, F.col("item") + 1)
    ranked = counts.withColumn("rank", F.row_number().over(order))
    is_frequent = F.col("count") >= limit["col2"]
    # the first word of each column in any case: it tells a column of rare words from one of nulls
    kept = ranked.where((F.col("rank") <= limit["col1"]) & (is_frequent | (F.col("rank") == 1)))
    found = kept.withColumn("is_frequent", is_frequent).orderBy("item", "rank").collect()
    empty = set(range(len(items))) - {row["item"] for row in found}
    if empty:
        raise ContractError(
            f"vocabulary of {[items[number].column for number in sorted(empty)]}: expected values "
            "in the training split; all are null. Impute the column, or take it out of the contract"
        )
    return {
        item.column: tuple(r["word"] for r in found if r["item"] == number and r["is_frequent"])
        for number, item in enumerate(items)
    }


def _fit_boundaries(
    train: DataFrame, items: Sequence[Bucketed], key: Sequence[str]
) -> dict[str, tuple[float, ...]]:
    found = {item.column: tuple(item.boundaries) for item in items}
    fitted = [item for item in items if item.num_quantiles]
    if not fitted:
        return found
    wanted = [
        F.percentile(item.column, [i / item.num_quantiles for i in range(1, item.num_quantiles)])
        for item in fitted
    ]
    row = bounded_sample(train, key).select(wanted).first()
    for item, quantiles in zip(fitted, row, strict=True):  # type: ignore[arg-type]
        if quantiles is None:
            raise ContractError(
                f"bucket {item.column}: expected numbers in the training split; all are null"
            )
        found[item.column] = tuple(sorted({_round(value) for value in quantiles}))
    return found


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
