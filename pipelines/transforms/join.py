"""Look columns up in another table: by equal keys, or as of a moment in time."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from schemas.contract import ContractError
from schemas.encode import Join

_TIME = "_as_of_time"
_IS_ROW = "_is_row"
_FOUND = "_found"
_MICROS = 1_000_000


def join(df: DataFrame, other: DataFrame, how: Join) -> DataFrame:
    """Add ``how.columns`` from ``other``; rows of ``df`` stay as they are, null where none match.

    ``other`` must hold at most one row for each key (and time): it is a deduplicated table, so its
    primary key vouches for that.

    Raises:
        ContractError: A named column is missing on either side, or would be written twice.
    """
    here = {name for name, _ in how.on} | ({how.as_of[0]} if how.as_of else set())
    there = {name for _, name in how.on} | {name for name, _ in how.columns}
    there |= {how.as_of[1]} if how.as_of else set()
    for side, needed, frame in (("left", here, df), (how.source, there, other)):
        missing = needed - set(frame.columns)
        if missing:
            raise ContractError(f"join {how.source}: {side} lacks {sorted(missing)}")
    clash = {name for _, name in how.columns} & set(df.columns)
    if clash:
        raise ContractError(f"join {how.source}: {sorted(clash)} exist already; rename them")
    if how.as_of:
        return _join_as_of(df, other, how, how.as_of)
    return _join_equal(df, other, how)


def _join_equal(df: DataFrame, other: DataFrame, how: Join) -> DataFrame:
    keys = [F.col(there).alias(f"_key_{here}") for here, there in how.on]
    values = [F.col(there).alias(name) for there, name in how.columns]
    found = other.select(*keys, *values)
    conditions = [F.col(here) == F.col(f"_key_{here}") for here, _ in how.on]
    joined = df.join(found, on=conditions, how="left")
    return joined.drop(*[f"_key_{here}" for here, _ in how.on])


def _join_as_of(df: DataFrame, other: DataFrame, how: Join, times: tuple[str, str]) -> DataFrame:
    """Sort both sides by time in one stream and carry the last match along.

    A range join would compare every pair; this is one sort, and a window that spills to disk.
    """
    here_time, there_time = times
    values = F.struct(
        F.unix_micros(F.col(there_time)).alias(_TIME),
        *[F.col(there).alias(name) for there, name in how.columns],
    )
    rows = df.select(
        "*",
        F.unix_micros(F.col(here_time)).alias(_TIME),
        F.lit(1).alias(_IS_ROW),
    )
    matches = other.where(F.col(there_time).isNotNull()).select(
        *[F.col(there).alias(here) for here, there in how.on],
        F.unix_micros(F.col(there_time)).alias(_TIME),
        F.lit(0).alias(_IS_ROW),
        values.alias(_FOUND),
    )
    both = rows.unionByName(matches, allowMissingColumns=True)
    # strictly earlier: of equal times rows come first (_IS_ROW descending), so they don't see them
    past = (
        Window.partitionBy(*[here for here, _ in how.on])
        .orderBy(F.asc_nulls_first(_TIME), F.desc(_IS_ROW))
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    carried = both.withColumn(_FOUND, F.last(_FOUND, ignorenulls=True).over(past))
    carried = carried.where(F.col(_IS_ROW) == 1)
    is_fresh = F.col(_TIME) - F.col(f"{_FOUND}.{_TIME}") <= how.tolerance_s * _MICROS
    found = {name: F.when(is_fresh, F.col(f"{_FOUND}.{name}")) for _, name in how.columns}
    return carried.withColumns(found).drop(_TIME, _IS_ROW, _FOUND)
