"""Buckets of a distribution check that has no reference yet, fitted to the rows at hand."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.quality.buckets import GREATEST, TRAIN
from pipelines.quality.survey import SPARK_ERRORS
from schemas.contract import SPLIT_COLUMN, Check

_NUM_BUCKETS, _NUM_CATEGORIES = 10, 20
_ACCURACY = 10_000
_NUMBERS = ("int", "bigint", "float", "double")


def fit_buckets(rows: DataFrame, checks: Sequence[Check]) -> list[Check]:
    """Fit buckets of ``rows`` for checks without a reference; one Spark job if there are any.

    Such a check passes, but for the reference train, which this version brings itself.
    """
    missing = [check for check in checks if check.rule == "distribution" and not check.fractions]
    missing = [check for check in missing if {*check.columns} <= {*rows.columns}]
    if not missing:
        return list(checks)
    kinds = dict(rows.dtypes)
    makers = {
        _name(check): _quantiles if kinds[check.columns[0]] in _NUMBERS else _categories
        for check in missing
    }
    named = {_name(check): check for check in missing}
    frames = [makers[name](rows, check) for name, check in named.items()]
    found: dict[str, list[str]] = {name: [] for name in named}
    try:
        rows_found = reduce(DataFrame.unionAll, frames).collect()
    except SPARK_ERRORS:
        return list(checks)  # the job of all checks meets the same error, and says it
    for row in rows_found:
        found[row["name"]].append(row["key"])
    made: dict[Check, Check] = {}
    for check in missing:
        keys: list[float | str] = sorted(found[_name(check)])
        if makers[_name(check)] is _quantiles:
            keys = [*sorted({float(key) for key in keys}), GREATEST]
        fractions = tuple((key, 0.0) for key in keys) or ((None, 0.0),)
        is_open = check.reference != TRAIN
        bounds = {"minimum": None, "maximum": None} if is_open else {}
        made[check] = replace(check, fractions=fractions, **bounds)
    return [made.get(check, check) for check in checks]


def _name(check: Check) -> str:
    return f"{check.reference} {check.columns[0]}"


def _reference_rows(rows: DataFrame, check: Check) -> DataFrame:
    return rows.where(F.col(SPLIT_COLUMN) == TRAIN) if check.reference == TRAIN else rows


def _quantiles(rows: DataFrame, check: Check) -> DataFrame:
    value = F.col(check.columns[0]).cast("double")
    finite = F.when(value.between(F.lit(-GREATEST), F.lit(GREATEST)), value)
    levels = [number / _NUM_BUCKETS for number in range(1, _NUM_BUCKETS)]
    found = _reference_rows(rows, check).agg(
        F.percentile_approx(finite, levels, _ACCURACY).alias("ends")
    )
    key = F.explode(F.col("ends").cast("array<string>")).alias("key")
    return found.select(F.lit(_name(check)).alias("name"), key)


def _categories(rows: DataFrame, check: Check) -> DataFrame:
    key = F.col(check.columns[0]).cast("string").alias("key")
    there = _reference_rows(rows, check).select(key).where(F.col("key").isNotNull())
    ranked = there.groupBy("key").count().orderBy(F.desc("count"), "key").limit(_NUM_CATEGORIES)
    return ranked.select(F.lit(_name(check)).alias("name"), "key")
