"""Turn columns into model inputs: float32 numbers and int32 codes, none of them null.

``fit_encode`` learns scales, vocabularies and boundaries from the training split; ``encode``
applies them. The same state and arithmetic serve batch and online use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from pipelines.spark.schema import local_frame
from pipelines.transforms.sample import bounded_sample
from schemas.contract import ContractError
from schemas.derive import feature_columns, numeric_name
from schemas.encode import (
    Bucketed,
    Cyclic,
    Encode,
    FeatureColumn,
    Hashed,
    Numeric,
    Vocabulary,
)

_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Scale:
    """A numeric input becomes (x - shift) / width, clipped to +-clip."""

    column: str
    shift: float
    width: float


@dataclass(frozen=True, slots=True)
class EncodeState:
    """What ``fit_encode`` learned: scales by feature, the others by column."""

    scales: dict[str, Scale]
    vocabularies: dict[str, tuple[str, ...]]
    boundaries: dict[str, tuple[float, ...]]

    def columns(self, encodes: Sequence[Encode]) -> tuple[FeatureColumn, ...]:
        """Give the features that ``encode`` makes, with the sizes that were learned."""
        sizes = {name: len(words) + 1 for name, words in self.vocabularies.items()}
        sizes |= {name: len(bounds) + 1 for name, bounds in self.boundaries.items()}
        return feature_columns(encodes, sizes)


def fit_encode(train: DataFrame, encodes: Sequence[Encode], key: Sequence[str]) -> EncodeState:
    """Learn from ``train``, the rows of the training split; at most four Spark jobs.

    Raises:
        ContractError: A column is missing, or has no value in the training split.
    """
    return EncodeState(
        scales=_fit_scales(train, [item for item in encodes if isinstance(item, Numeric)]),
        vocabularies=_fit_vocabularies(
            train, [item for item in encodes if isinstance(item, Vocabulary)]
        ),
        boundaries=_fit_boundaries(
            train, [item for item in encodes if isinstance(item, Bucketed)], key
        ),
    )


def encode(
    df: DataFrame, encodes: Sequence[Encode], state: EncodeState, spark: SparkSession
) -> DataFrame:
    """Add the feature columns to ``df``; rows and other columns stay as they are.

    Numbers that are null or NaN become the training mean (0 after scaling); codes become 0.
    """
    for item in encodes:
        if isinstance(item, Vocabulary):
            df = _add_code(df, item, state.vocabularies[item.column], spark)
    made: dict[str, Column] = {}
    for item in encodes:
        if isinstance(item, Numeric):
            made[numeric_name(item)] = _number(item, state.scales[numeric_name(item)])
        elif isinstance(item, Hashed):
            made[item.name or f"{'_x_'.join(item.columns)}_hash"] = _hash(item)
        elif isinstance(item, Bucketed):
            made[f"{item.column}_bucket"] = _bucket(item.column, state.boundaries[item.column])
        elif isinstance(item, Cyclic):
            angle = F.coalesce(F.col(item.column), F.lit(0)) * (2 * pi / item.period)
            made[f"{item.column}_sin"] = F.sin(angle).cast("float")
            made[f"{item.column}_cos"] = F.cos(angle).cast("float")
    return df.withColumns(made)


def _squashed(item: Numeric) -> Column:
    value = F.col(item.column).cast("double")
    value = F.when(~F.isnan(value), value)
    return F.signum(value) * F.log1p(F.abs(value)) if item.is_log else value


def _fit_scales(train: DataFrame, items: Sequence[Numeric]) -> dict[str, Scale]:
    if not items:
        return {}
    wanted: list[Column] = []
    for item in items:
        value = _squashed(item)
        low, width = (F.avg(value), F.stddev_pop(value))
        if item.scale == "minmax":
            low, width = (F.min(value), F.max(value) - F.min(value))
        name = numeric_name(item)
        wanted += [low.alias(f"{name} shift"), width.alias(f"{name} width")]
    found = train.select(wanted).first()
    scales: dict[str, Scale] = {}
    for item in items:
        name = numeric_name(item)
        shift, width = found[f"{name} shift"], found[f"{name} width"]  # type: ignore[index]
        if shift is None:
            raise ContractError(
                f"scale {item.column}: expected numbers in the training split; all are null or "
                "NaN. Impute the column, or take it out of the contract"
            )
        if item.scale == "none":
            shift, width = 0.0, 1.0
        scales[name] = Scale(item.column, _round(shift), _round(width) or 1.0)
    return scales


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
    kept = ranked.where((F.col("rank") <= limit["col1"]) & (F.col("count") >= limit["col2"]))
    found = kept.orderBy("item", "rank").collect()
    return {
        item.column: tuple(row["word"] for row in found if row["item"] == number)
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


def _number(item: Numeric, scale: Scale) -> Column:
    scaled = (_squashed(item) - F.lit(scale.shift)) / F.lit(scale.width)
    centre = F.lit(0.0)
    clipped = F.greatest(F.least(F.coalesce(scaled, centre), F.lit(item.clip)), F.lit(-item.clip))
    return clipped.cast("float")


def _hash(item: Hashed) -> Column:
    parts = [F.coalesce(F.col(name).cast("string"), F.lit("")) for name in item.columns]
    # CRC-32 (ISO 3309) is in every language's library, so online code finds the same bucket
    return F.pmod(F.crc32(F.concat_ws("\x1f", *parts)), F.lit(item.buckets)).cast("int")


def _bucket(column: str, boundaries: Sequence[float]) -> Column:
    value = F.col(column).cast("double")
    reached = [F.when(value >= bound, 1).otherwise(0) for bound in boundaries]
    return sum(reached, F.lit(0)).cast("int")


def _add_code(
    df: DataFrame, item: Vocabulary, words: Sequence[str], spark: SparkSession
) -> DataFrame:
    known, code = f"_word_{item.column}", f"{item.column}_code"
    rows = [(word, number) for number, word in enumerate(words, start=1)]
    table = local_frame(spark, rows, f"{known} string, {code} int")
    joined = df.join(
        F.broadcast(table), on=F.col(item.column).cast("string") == F.col(known), how="left"
    )
    return joined.withColumn(code, F.coalesce(F.col(code), F.lit(0))).drop(known)


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
