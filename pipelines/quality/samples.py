"""Values that break rules, of all failed rules together in one Spark job."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.quality.masking import MASK
from pipelines.quality.measures import breaks, broken_name
from pipelines.quality.survey import SPARK_ERRORS, absent_rows, keyed_rows
from schemas.contract import Check
from schemas.derive import words

NUM_SAMPLES = 20
_Samples = dict[str, list[Any]]


def sample_broken(
    rows: DataFrame, failed: Mapping[Check, int], personal: frozenset[str],
    others: Mapping[str, DataFrame],
) -> _Samples:  # fmt: skip
    """Give up to ``NUM_SAMPLES`` bad values of each failed rule, by ``broken_name``.

    Args:
        rows: The table.
        failed: Checks of rows that failed, and how many rows break each.
        personal: Columns whose values never leave Spark: their samples are masks.
        others: Tables that rows may refer to, by name.
    """
    found: _Samples = {}
    frames: list[DataFrame] = []
    for check, count in failed.items():
        shown = _shown(check, rows.columns)
        if personal & {*shown}:
            found[broken_name(check)] = [MASK] * min(count, NUM_SAMPLES)
        elif check.rule not in ("increasing", "no_gaps"):
            frames.append(_sample(rows, check, shown, others))
    if not frames:
        return found
    try:
        made = reduce(DataFrame.unionAll, frames).collect()
    except SPARK_ERRORS:
        return found  # counts and verdicts stand without samples
    for row in made:
        found.setdefault(row["name"], []).append(_value(row["value"]))
    return found


def _shown(check: Check, columns: Sequence[str]) -> tuple[str, ...]:
    if check.rule != "sql":
        return check.columns
    return tuple(name for name in columns if name.lower() in words(check.sql))


def _sample(
    rows: DataFrame, check: Check, shown: Sequence[str], others: Mapping[str, DataFrame]
) -> DataFrame:
    bad = _broken_rows(rows, check, others).limit(NUM_SAMPLES)
    value = F.to_json(F.struct(*shown), {"ignoreNullFields": "false"})
    return bad.select(F.lit(broken_name(check)).alias("name"), value.alias("value"))


def _broken_rows(rows: DataFrame, check: Check, others: Mapping[str, DataFrame]) -> DataFrame:
    if check.rule == "in_table":
        return absent_rows(rows, check, others)
    if check.rule != "unique":
        return rows.where(breaks(check))
    again = keyed_rows(rows, check.columns).groupBy(*check.columns).count().where("count > 1")
    times: Column = F.least(F.col("count"), F.lit(NUM_SAMPLES)).cast("int")
    return again.withColumn("_time", F.explode(F.array_repeat(F.lit(1), times)))


def _value(text: str) -> Any:
    """A lone value as itself, several by their names; NaN and the infinities as words."""
    value = json.loads(text, parse_constant=str)
    if len(value) == 1:
        value = next(iter(value.values()))
    is_word = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_word else value
