"""What the checks of a table need to know of it: numbers with names, as Spark aggregates.

A number that is a plain aggregate (``rows``, ``nulls(fare)``) rides on the write of the table
(``DataFrame.observe``) and costs no job. Others need rows grouped, sorted or joined: see survey.
Numbers of two parts of a table add up to those of the whole, but for ``newest`` (the greater of the
two) and those that survey makes. After Schelter et al., "Automating Large-Scale Data Quality
Verification", VLDB 2018.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from functools import reduce
from typing import Any, TypeAlias

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.errors import ContractError
from pipelines.quality.buckets import all_bucket_names, bucket_columns
from pipelines.quality.checks import single_checks, suite_name
from pipelines.spark.schema import struct_type
from schemas.contract import Check, TableSpec

Numbers: TypeAlias = dict[str, int | float | None]
ROWS = "rows"
# not an aggregate of the rows that are kept: the step that writes the table counts them
QUARANTINED = "quarantined"
LEAST, GREATEST = -sys.float_info.max, sys.float_info.max
# least value of a number that is a count; others may be as low as floats go
OPEN = {"row_count": 0, "distinct_count": 0, "quarantined": 0}
_NOT_IN_NAMES = {"rule", "columns", "mostly", "severity", "reason", "owner", "last", "sigmas"}
_DEFAULTS = asdict(Check("columns"))
# an expression of the contract can raise; a quantile keeps every distinct value of its column
_RIDES_NEVER = ("sql", "quantile")


def riding(spec: TableSpec, rows: DataFrame) -> dict[str, Column]:
    """Give the numbers that can be had while ``rows`` are written, by name.

    Only those that can't raise, since that would fail the write: a column that is missing or of
    another type than declared has none here.

    Raises:
        ContractError: A check is incomplete, or its pattern is none that Java can read.
    """
    checks = single_checks(spec)
    declared = {field.name: field.dataType for field in struct_type(spec.columns).fields}
    good = {field.name for field in rows.schema if declared.get(field.name) == field.dataType}
    can_ride = [check for check in checks if {*check.columns} <= good]
    _check_patterns(can_ride, rows, suite_name(spec))
    known = [check for check in can_ride if check.rule != "distribution" or check.fractions]
    return plain_numbers(check for check in known if check.rule not in _RIDES_NEVER)


def plain_numbers(checks: Iterable[Check]) -> dict[str, Column]:
    """Give the plain aggregates that ``checks`` need, by name."""
    found = {ROWS: F.count(F.lit(1))}
    # those of an interval are counted as of the whole, by groups: see intervals
    for check in (replace(check, interval="") for check in checks):
        names = check.columns
        if check.rule in ("unique", "in_table") and len(names) == 1:
            found |= _nulls(names)
        if check.rule in _BREAKS:
            found[broken_name(check)] = F.count_if(breaks(check))
        if check.rule in (*_ONE_COLUMN, "mean"):
            found |= _nulls(names)
        if check.rule == "at_most":
            are_there = [F.col(name).isNotNull() for name in names]
            found[considered_name(check)] = F.count_if(reduce(Column.__and__, are_there))
        if check.rule in _VALUES:
            found[value_name(check)] = _VALUES[check.rule](check)
        if check.rule == "distribution":
            found |= bucket_columns(check)
    return found


def breaks(check: Check) -> Column:
    """Say of each row whether it breaks a rule of single rows; false or null where it keeps it."""
    return _BREAKS[check.rule](check)


def broken_name(check: Check) -> str:
    """Name of the number of rows that break a rule: rule, columns and what else decides it."""
    said = {
        name: value
        for name, value in asdict(check).items()
        if name not in _NOT_IN_NAMES and value != _DEFAULTS[name]
    }
    arguments = f" {json.dumps(said, sort_keys=True)}" if said else ""
    return f"{check.rule}({', '.join(check.columns)}){arguments}"


def considered_name(check: Check) -> str:
    """Name of the number of rows that a rule about several columns speaks of."""
    return f"considered by {check.rule}({', '.join(check.columns)})"


def nulls_name(column: str) -> str:
    """Name of the number of nulls of one column."""
    return f"nulls({column})"


def value_name(check: Check) -> str:
    """Name of the one number that a rule about a column as a whole bounds."""
    word = {"mean": "total", "fresh": "newest"}.get(check.rule, check.rule)
    share = f" {check.quantile:.12g}" if check.rule == "quantile" else ""
    if check.rule == "no_gaps":
        return broken_name(check)
    of = f"@{check.interval}" if check.interval else ""
    if check.rule in _OF_TABLES:
        return f"{_OF_TABLES[check.rule]}{of}"
    return f"{word}({check.columns[0]}){share}{of}"


def needed_names(check: Check) -> tuple[str, ...]:
    """Names of the numbers that the verdict of one check rests on."""
    if check.rule in ("columns", "types", "expectation"):
        return ()
    if check.rule == "distribution":
        return all_bucket_names(check)
    if check.rule in (*_VALUES, *_OF_TABLES, "distinct_count"):
        return (value_name(check),)
    return (broken_name(check),)


def value_of(check: Check, numbers: Mapping[str, int | float | None]) -> int | float | None:
    """Give the number that a rule about the whole table bounds; None without values.

    Raises:
        KeyError: It is not among ``numbers``.
    """
    value = numbers[value_name(check)]
    if check.interval:
        end = f"@{check.interval}"
        numbers = {name.removesuffix(end): n for name, n in numbers.items() if name.endswith(end)}
    if check.rule != "mean" or value is None:
        return value
    present = (numbers[ROWS] or 0) - (numbers[nulls_name(check.columns[0])] or 0)
    return value / present if present else None


def read_number(text: str | None) -> int | float | None:
    """Give a number that Spark has made text of; None for null."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def _check_patterns(checks: Iterable[Check], rows: DataFrame, suite: str) -> None:
    # pyspark has no public way to Java's classes
    java: Any = rows.sparkSession.sparkContext._jvm  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    for check in checks:
        if check.rule == "matches":
            try:
                java.java.util.regex.Pattern.compile(check.pattern)
            except Exception as error:
                raise ContractError(
                    f"{suite}: expected a pattern that Java can read; got {check.pattern!r} for "
                    f"{check.columns[0]}: {str(error).partition(chr(10))[0]}"
                ) from error


def _nulls(names: Iterable[str]) -> dict[str, Column]:
    return {nulls_name(name): F.count_if(F.col(name).isNull()) for name in names}


def _outside(value: Column, check: Check) -> Column:
    """Say whether a number lies outside of its bounds; an open end is the greatest float.

    So NaN and the infinities lie in no range. Spark orders NaN above all numbers, see "NaN
    Semantics" in its SQL reference: without an upper bound NaN would pass.
    """
    minimum = LEAST if check.minimum is None else check.minimum
    maximum = GREATEST if check.maximum is None else check.maximum
    return ~value.between(F.lit(minimum), F.lit(maximum))


def _column(check: Check) -> Column:
    return F.col(check.columns[0])


_BREAKS: dict[str, Callable[[Check], Column]] = {
    "not_null": lambda check: _column(check).isNull(),
    "between": lambda check: _outside(_column(check), check),
    "finite": lambda check: ~_column(check).between(F.lit(LEAST), F.lit(GREATEST)),
    "in_set": lambda check: ~_column(check).isin(*check.values),
    "matches": lambda check: ~_column(check).rlike(check.pattern),
    "length": lambda check: _outside(F.length(_column(check)), check),
    "at_most": lambda check: _column(check) > F.col(check.columns[1]),
    "sql": lambda check: ~F.expr(f"({check.sql})"),
}
_OF_TABLES = {"row_count": ROWS, "quarantined": QUARANTINED}
_ONE_COLUMN = ("not_null", "between", "finite", "in_set", "matches", "length")
_VALUES: dict[str, Callable[[Check], Column]] = {
    "sum": lambda check: F.try_sum(_column(check)),
    "mean": lambda check: F.try_sum(_column(check).cast("double")),
    "fresh": lambda check: F.unix_micros(F.max(_column(check).cast("timestamp"))),
    "quantile": lambda check: F.expr(
        f"percentile_disc({check.quantile!r}) WITHIN GROUP (ORDER BY nanvl({_quoted(check)}, NULL))"
    ),
}


def _quoted(check: Check) -> str:
    return "`" + check.columns[0].replace("`", "``") + "`"
