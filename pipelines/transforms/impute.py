"""Fill nulls with what the training split taught, or along time.

``fit_impute`` is the only function here that runs Spark jobs; ``impute`` applies its state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from pipelines.spark.schema import local_frame
from pipelines.transforms.sample import bounded_sample
from schemas.contract import ContractError
from schemas.encode import Impute

INDICATOR = "_was_missing"
_DIGITS = 10
_MAX_GROUPS = 100_000
_MEDIANS = ("median", "group_median")
_ALONG_TIME = ("interpolate", "forward_fill")


@dataclass(frozen=True, slots=True)
class Fill:
    """What fills the nulls of one column: a value, and values by group where fitted so."""

    column: str
    method: str
    value: float | str | None
    by: tuple[str, ...] = ()
    groups: tuple[tuple[Any, ...], ...] = ()
    has_indicator: bool = False


def fit_impute(train: DataFrame, imputes: Sequence[Impute], key: Sequence[str]) -> tuple[Fill, ...]:
    """Learn the fills from ``train``, the rows of the training split.

    Medians are exact up to ``sample.MAX_ROWS`` rows; beyond, they are the medians of a sample
    chosen by a hash of ``key``, so that they stay the same on every run.

    Raises:
        ContractError: A column is missing, or has no value to learn from.
    """
    _check_columns(train, imputes)
    # one count and one sample serve all medians
    has_median = any(item.method in _MEDIANS for item in imputes)
    sample = bounded_sample(train, key) if has_median else train
    scalars = _fit_scalars(train, imputes, sample)
    fills: list[Fill] = []
    for item in imputes:
        groups = _fit_groups(sample, item) if item.method == "group_median" else ()
        value = scalars.get(item.column, item.value)
        if value is None and item.method not in _ALONG_TIME:
            raise ContractError(
                f"impute {item.column} by {item.method}: expected values in the training split; "
                f"all {train.count()} are null. Give a constant, or drop it from the contract"
            )
        fills.append(Fill(item.column, item.method, value, item.by, groups, item.has_indicator))
    return tuple(fills)


def impute(df: DataFrame, fills: Sequence[Fill], time: str, spark: SparkSession) -> DataFrame:
    """Fill nulls as ``fills`` say; rows are unchanged otherwise, order not kept.

    Args:
        df: Rows of any split, or of a table looked up.
        fills: From ``fit_impute``.
        time: Column that orders rows for the methods along time; may be empty without them.
        spark: Makes the small frames of values by group.

    Returns:
        ``df`` with the columns filled, and ``<column>_was_missing`` (int) where asked for.
    """
    kinds = dict(df.dtypes)
    # few wide projections, not one for each column: Spark analyses the whole plan anew each time
    indicators = {
        fill.column + INDICATOR: F.col(fill.column).isNull().cast("int")
        for fill in fills
        if fill.has_indicator
    }
    carried = {
        fill.column: _along_time(fill, time).cast(kinds[fill.column])
        for fill in fills
        if fill.method in _ALONG_TIME
    }
    df = df.withColumns(indicators).withColumns(carried)
    for fill in fills:
        if fill.groups:
            df = _fill_by_group(df, fill, spark)
    constants = {
        fill.column: F.coalesce(F.col(fill.column), F.lit(fill.value).cast(kinds[fill.column]))
        for fill in fills
        if fill.value is not None
    }
    return df.withColumns(constants)


def _check_columns(train: DataFrame, imputes: Sequence[Impute]) -> None:
    needed = {name for item in imputes for name in (item.column, *item.by)}
    missing = needed - set(train.columns)
    if missing:
        raise ContractError(f"impute needs the columns {sorted(missing)}; got {train.columns}")


def _fit_scalars(
    train: DataFrame, imputes: Sequence[Impute], sample: DataFrame
) -> dict[str, float | str]:
    means = [item.column for item in imputes if item.method == "mean"]
    medians = [item.column for item in imputes if item.method in _MEDIANS]
    found: dict[str, Any] = {}
    if means:
        found |= train.select([F.avg(name).alias(name) for name in means]).first().asDict()  # type: ignore[union-attr]
    if medians:
        row = sample.select([F.median(name).alias(name) for name in medians]).first()
        found |= row.asDict()  # type: ignore[union-attr]
    kinds = dict(train.dtypes)
    rounded = {name: _rounded(value, kinds[name]) for name, value in found.items()}
    for item in imputes:
        if item.method == "mode":
            rounded[item.column] = _mode(train, item.column)
    return {name: value for name, value in rounded.items() if value is not None}


def _rounded(value: float | None, kind: str) -> float | None:
    """Ten significant digits: the order of summation does not show; whole for whole numbers."""
    if value is None:
        return None
    return round(value) if kind in ("int", "bigint") else float(f"{value:.{_DIGITS}g}")


def _mode(train: DataFrame, column: str) -> Any:
    """Most frequent value; of equally frequent ones the smallest, so that every run agrees."""
    counts = train.where(F.col(column).isNotNull()).groupBy(column).count()
    first = counts.orderBy(F.desc("count"), F.asc(column)).first()
    return first[0] if first else None


def _fit_groups(sample: DataFrame, item: Impute) -> tuple[tuple[Any, ...], ...]:
    known = sample.where(F.col(item.column).isNotNull())
    medians = known.groupBy(*item.by).agg(F.median(item.column).alias("_median"))
    rows = medians.orderBy(*item.by).limit(_MAX_GROUPS + 1).collect()
    if len(rows) > _MAX_GROUPS:
        raise ContractError(
            f"impute {item.column} by {item.by}: expected at most {_MAX_GROUPS} groups; got more. "
            "Group by a coarser column"
        )
    kind = dict(sample.dtypes)[item.column]
    return tuple((*row[:-1], _rounded(row[-1], kind)) for row in rows)


def _fill_by_group(df: DataFrame, fill: Fill, spark: SparkSession) -> DataFrame:
    kinds = dict(df.dtypes)
    keys = [f"_key_{name}" for name in fill.by]
    fields = [f"{key} {kinds[name]}" for key, name in zip(keys, fill.by, strict=True)]
    fields.append(f"_fill {kinds[fill.column]}")
    groups = local_frame(spark, fill.groups, ", ".join(fields))
    same = [F.col(name) == F.col(key) for name, key in zip(fill.by, keys, strict=True)]
    joined = df.join(F.broadcast(groups), on=same, how="left")
    filled = F.coalesce(F.col(fill.column), F.col("_fill"))
    return joined.withColumn(fill.column, filled).drop("_fill", *keys)


def _along_time(fill: Fill, time: str) -> SparkColumn:
    """Carry the last value on, or join it to the next by a straight line; ends stay null."""
    if not time:
        raise ContractError(
            f"impute {fill.column} by {fill.method}: its source names no time; set Source.time"
        )
    order = Window.partitionBy(*fill.by).orderBy(time)
    past = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    value = F.col(fill.column)
    if fill.method == "forward_fill":
        return F.last(value, ignorenulls=True).over(past)
    future = order.rowsBetween(Window.currentRow, Window.unboundedFollowing)
    at = F.when(value.isNotNull(), F.unix_micros(F.col(time)))
    before, after = (
        F.last(at, ignorenulls=True).over(past),
        F.first(at, ignorenulls=True).over(future),
    )
    low, high = (
        F.last(value, ignorenulls=True).over(past),
        F.first(value, ignorenulls=True).over(future),
    )
    share = (F.unix_micros(F.col(time)) - before) / (after - before)
    return F.when(value.isNotNull(), value).otherwise(low + (high - low) * share)
