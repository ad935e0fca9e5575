"""What the checks of a table need to know of it: numbers with names, as Spark aggregates.

A number that is a plain aggregate (``rows``, ``nulls(fare)``) is had while the table is written:
see riding. Others need rows grouped, sorted or joined: see survey.
Numbers of two parts of a table add up to those of the whole, but for ``newest`` (the greater of the
two) and those that survey makes. After Schelter et al., "Automating Large-Scale Data Quality
Verification", VLDB 2018.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from functools import reduce
from typing import TypeAlias

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.quality.buckets import all_bucket_names, bucket_columns
from schemas.contract import Check

Numbers: TypeAlias = dict[str, int | float | None]
ROWS = "rows"
# not an aggregate of the rows that are kept: the step that writes the table counts them
QUARANTINED = "quarantined"
LEAST, GREATEST = -sys.float_info.max, sys.float_info.max
# least value of a number that is a count; others may be as low as floats go
OPEN = {"row_count": 0, "distinct_count": 0, "quarantined": 0}
_NOT_IN_NAMES = {"rule", "columns", "mostly", "severity", "reason", "owner", "last", "sigmas"}
_DEFAULTS = asdict(Check("columns"))


def plain_numbers(checks: Iterable[Check]) -> dict[str, Column]:
    """Give the plain aggregates that ``checks`` need, by name."""
    found = {ROWS: F.count(F.lit(1))}
    # those of an interval are counted as of the whole, by groups: see intervals
    for check in (replace(check, interval="") for check in checks):
        names = check.columns
        is_of_one = check.rule in ("unique", "in_table") and len(names) == 1
        if is_of_one or check.rule in (*_ONE_COLUMN, "mean"):
            found |= _nulls(names)
        if check.rule == "not_null":
            # one aggregate, which is computed once
            found[broken_name(check)] = found[nulls_name(names[0])]
        elif check.rule in _BREAKS:
            found[broken_name(check)] = F.count_if(breaks(check))
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


def _nulls(names: Iterable[str]) -> dict[str, Column]:
    return {nulls_name(name): F.count_if(F.col(name).isNull()) for name in names}


def bounds(check: Check) -> tuple[float, float]:
    """Both bounds of a check; an open end is the greatest float."""
    minimum = LEAST if check.minimum is None else check.minimum
    maximum = GREATEST if check.maximum is None else check.maximum
    return minimum, maximum


def _outside(value: Column, check: Check) -> Column:
    """Say whether a number lies outside of its bounds.

    NaN and the infinities lie in no range. Spark orders NaN above all numbers, see "NaN Semantics"
    in its SQL reference: without an upper bound NaN would pass.
    """
    minimum, maximum = bounds(check)
    return ~value.between(F.lit(minimum), F.lit(maximum))


def _column(check: Check) -> Column:
    return F.col(check.columns[0])


_BREAKS: dict[str, Callable[[Check], Column]] = {
    "not_null": lambda check: _column(check).isNull(),
    "between": lambda check: _outside(_column(check), check),
    "finite": lambda check: _outside(_column(check), check),
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
