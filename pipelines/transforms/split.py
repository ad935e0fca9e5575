"""Assign each row to train, validation or test.

The split is a pure function of a row's time, of a hash of its key or group, or of the file that its
publisher put it in, so it is the same on every run and before anything is fitted.
"""

from collections.abc import Sequence
from itertools import pairwise

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.step import FATE
from schemas.contract import (
    SPLIT_COLUMN,
    SPLITS,
    ContractError,
    Derived,
    GivenSplit,
    HashSplit,
    Split,
    TimeSplit,
)
from schemas.derive import LINEAGE_NAMES

OUTSIDE_SPLIT = "filtered:outside_split"
_TOLERANCE = 1e-9
_HASH_RANGE = 2.0**32
_FILE = LINEAGE_NAMES[0]


def add_derived(df: DataFrame, derived: Sequence[Derived]) -> DataFrame:
    """Add each derived column in order; later ones may use earlier ones. Rows are unchanged."""
    for item in derived:
        df = df.withColumn(item.column.name, F.expr(item.sql).cast(_spark_name(item.column.type)))
    return df


def mark_split(df: DataFrame, split: Split) -> DataFrame:
    """Add the column ``split`` and ``_fate``: ``kept`` or ``filtered:outside_split``.

    A row without a time, outside all three ranges, or of a file that has no split, has a null
    split and is filtered.

    Args:
        df: Rows with the columns that decide; by file, with the lineage columns.
        split: How the contract says it.

    Raises:
        ContractError: A range is empty or ranges overlap, or fractions do not sum to one.
    """
    marked = df.withColumn(SPLIT_COLUMN, _assigned(split))
    fate = F.when(F.col(SPLIT_COLUMN).isNull(), OUTSIDE_SPLIT).otherwise("kept")
    return marked.withColumn(FATE, fate)


def _assigned(split: Split) -> Column:
    if isinstance(split, TimeSplit):
        return _by_time(split)
    return _by_file(split) if isinstance(split, GivenSplit) else _by_hash(split)


def _by_file(split: GivenSplit) -> Column:
    assigned = F.lit(None).cast("string")
    for name in SPLITS:
        for file in getattr(split, name):
            assigned = F.when(F.col(split.by or _FILE) == file, name).otherwise(assigned)
    if split.validation:
        return assigned
    is_held = hash_share(split.columns, split.salt) < split.validation_share
    return F.when((assigned == "train") & is_held, "validation").otherwise(assigned)


def _by_time(split: TimeSplit) -> Column:
    ranges = [(name, *getattr(split, name)) for name in SPLITS]
    ordered = sorted(ranges, key=lambda item: item[1])
    for _, start, end in ordered:
        if start >= end:
            raise ContractError(
                f"split by {split.column}: expected start < end; got {start}, {end}"
            )
    for (left, _, end), (right, start, _) in pairwise(ordered):
        if start < end:
            raise ContractError(f"split by {split.column}: {left} and {right} overlap at {start}")
    time = F.col(split.column)
    assigned = F.lit(None).cast("string")
    for name, start, end in ranges:
        inside = (time >= F.lit(start).cast("timestamp")) & (time < F.lit(end).cast("timestamp"))
        assigned = F.when(inside, name).otherwise(assigned)
    return assigned


def _by_hash(split: HashSplit) -> Column:
    fractions = [getattr(split, name) for name in SPLITS]
    if min(fractions) < 0 or abs(sum(fractions) - 1) > _TOLERANCE:
        raise ContractError(f"split by hash: fractions must be >= 0 and sum to 1; got {fractions}")
    share = hash_share(split.columns, split.salt)
    train, validation, _ = fractions
    return (
        F.when(share < train, "train")
        .when(share < train + validation, "validation")
        .otherwise("test")
    )


def hash_share(columns: Sequence[str], salt: str) -> Column:
    """A number in [0, 1) that the values of ``columns`` decide."""
    parts = [F.coalesce(F.col(name).cast("string"), F.lit("")) for name in columns]
    # md5 is in every engine's library: a row keeps its split outside Spark too
    digest = F.md5(F.concat_ws("\x1f", F.lit(salt), *parts))
    return F.conv(F.substring(digest, 1, 8), 16, 10).cast("double") / _HASH_RANGE


def _spark_name(column_type: str) -> str:
    return {"long": "bigint"}.get(column_type, column_type)
