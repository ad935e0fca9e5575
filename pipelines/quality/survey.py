"""Numbers of a table that did not ride on its write, all in one Spark job; samples of bad rows.

Keys are counted by groups: the stock way is a window, which sorts the whole table for each rule.
An error of Spark stays with the numbers that cause it: the others of the job are had without them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipelines.quality.intervals import count_intervals
from pipelines.quality.measures import (
    Numbers,
    broken_name,
    considered_name,
    plain_numbers,
    read_number,
    value_name,
)
from schemas.contract import Check
from schemas.interval import Interval

SPARK_ERRORS = (PySparkException, Py4JError)
_Names: TypeAlias = tuple[str, ...]
_KEYS = ("unique", "distinct_count")


@dataclass(slots=True)
class Survey:
    """Numbers by name, and what Spark said of those that could not be had."""

    numbers: Numbers = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Part:
    """Numbers that one scan gives: ``make`` gives a row of name and value (text) for each."""

    names: _Names
    make: Callable[[_Names], DataFrame]
    can_be_halved: bool = False

    def halves(self) -> "list[_Part]":
        if not self.can_be_halved or len(self.names) == 1:
            return []
        middle = len(self.names) // 2
        some = (self.names[:middle], self.names[middle:])
        return [_Part(names, self.make, can_be_halved=True) for names in some]


def survey(
    rows: DataFrame,
    checks: Sequence[Check],
    known: Numbers,
    others: Mapping[str, DataFrame],
    interval: Interval | None = None,
) -> Survey:
    """Compute what ``checks`` need and ``known`` does not hold, in one job.

    ``others`` holds the tables that rows may refer to, by name. With an ``interval``, plain numbers
    are had for each interval too.
    """
    aggregates = plain_numbers(checks)
    parts = [_Part(tuple(aggregates), lambda names: _aggregate(rows, aggregates, names), True)]
    for columns in dict.fromkeys(check.columns for check in checks if check.rule in _KEYS):
        asking = [c for c in checks if c.rule in _KEYS and c.columns == columns]
        parts.append(_count_keys(rows, asking))
    for check in checks:
        if check.rule in _ALONE:
            make = _ALONE[check.rule]
            parts.append(
                _Part((broken_name(check),), lambda _, c=check, m=make: m(rows, c, others))
            )
    if interval:
        parts.append(_Part(("intervals",), lambda _: count_intervals(rows, checks, interval)))
    found = Survey()
    wanted = [_without(part, known) for part in parts]
    _resolve([part for part in wanted if part.names], found, rows)
    return found


def _without(part: _Part, known: Numbers) -> _Part:
    missing = tuple(name for name in part.names if name not in known)
    return _Part(missing, part.make, part.can_be_halved)


def _resolve(parts: Sequence[_Part], found: Survey, rows: DataFrame) -> None:
    if not parts:
        return
    try:
        frames = [part.make(part.names) for part in parts]
        pairs = reduce(DataFrame.unionAll, frames).collect()
    except SPARK_ERRORS as error:
        middle = len(parts) // 2
        smaller = [parts[:middle], parts[middle:]] if middle else [[h] for h in parts[0].halves()]
        if not smaller or not _is_readable(rows):
            found.errors |= {name: error for part in parts for name in part.names}
            return
        for some in smaller:
            _resolve(some, found, rows)
        return
    found.numbers |= {pair["name"]: read_number(pair["value"]) for pair in pairs}


def _is_readable(rows: DataFrame) -> bool:
    try:
        rows.agg(F.count(F.lit(1))).collect()
    except SPARK_ERRORS:
        return False
    return True


def _aggregate(rows: DataFrame, aggregates: Mapping[str, Column], names: _Names) -> DataFrame:
    columns = [aggregates[name].alias(f"_{place}") for place, name in enumerate(names)]
    return _pairs(rows.agg(*columns), [(name, F.col(f"_{i}")) for i, name in enumerate(names)])


def _pairs(one_row: DataFrame, values: Sequence[tuple[str, Column]]) -> DataFrame:
    """Turn one row of numbers into a row for each: its name, and its value as text."""
    pairs = [
        F.struct(F.lit(name).alias("name"), value.cast("string").alias("value"))
        for name, value in values
    ]
    return one_row.select(F.explode(F.array(*pairs)).alias("pair")).select("pair.*")


def keyed_rows(rows: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Give the rows that a rule of uniqueness speaks of: with a value in any of ``columns``."""
    is_there = [F.col(name).isNotNull() for name in columns]
    return rows.where(reduce(Column.__or__, is_there))


def _count_keys(rows: DataFrame, asking: Sequence[Check]) -> _Part:
    """Rows whose key occurs again, rows with a key, and keys: the checks ask for one or another."""
    columns = asking[0].columns
    names: list[str] = []
    for check in asking:
        if check.rule == "distinct_count":
            names.append(value_name(check))
        else:
            names += [broken_name(check), *([considered_name(check)] if len(columns) > 1 else [])]

    def make(wanted: _Names) -> DataFrame:
        num = F.col("count")
        counted = keyed_rows(rows, columns).groupBy(*columns).count()
        one_row = counted.agg(
            F.coalesce(F.sum(F.when(num > 1, num).otherwise(0)), F.lit(0)).alias("unique"),
            F.coalesce(F.sum(num), F.lit(0)).alias("considered"),
            F.count(num).alias("distinct_count"),
        )
        return _pairs(one_row, [(name, F.col(_kind(name))) for name in wanted])

    return _Part(tuple(dict.fromkeys(names)), make)


def _kind(name: str) -> str:
    return name.partition("(")[0].partition(" ")[0]


def _count_absent(rows: DataFrame, check: Check, others: Mapping[str, DataFrame]) -> DataFrame:
    absent = absent_rows(rows, check, others)
    return _pairs(absent.agg(F.count(F.lit(1)).alias("n")), [(broken_name(check), F.col("n"))])


def absent_rows(rows: DataFrame, check: Check, others: Mapping[str, DataFrame]) -> DataFrame:
    """Give the rows whose value is not in the other table's column; a null refers to nothing."""
    table, _, column = check.other.partition(".")
    known = others[table].select(F.col(column).alias("_known")).distinct()
    name = check.columns[0]
    there = rows.where(F.col(name).isNotNull())
    return there.join(known, F.col(name) == F.col("_known"), how="left_anti")


def _count_falls(rows: DataFrame, check: Check, _: Mapping[str, DataFrame]) -> DataFrame:
    """Count the values of the second column at which the first falls below what it was before."""
    value, order = check.columns
    steps = rows.where(F.col(value).isNotNull() & F.col(order).isNotNull()).groupBy(order)
    least = steps.agg(F.min(value).alias("_least"), F.max(value).alias("_greatest"))
    before = Window.orderBy(order).rowsBetween(Window.unboundedPreceding, -1)
    falls = F.col("_least") < F.max("_greatest").over(before)
    counted = least.select(falls.alias("_falls")).agg(F.count_if("_falls").alias("n"))
    return _pairs(counted, [(broken_name(check), F.col("n"))])


_ALONE: dict[str, Callable[[DataFrame, Check, Mapping[str, DataFrame]], DataFrame]] = {
    "in_table": _count_absent,
    "increasing": _count_falls,
}
