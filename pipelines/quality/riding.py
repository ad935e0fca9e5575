"""Numbers that ride on the write of a table (``DataFrame.observe``): a few words hold them all.

Spark's observed metrics run outside its fused code, and each aggregate costs as much again. So
counts share words of 64 bits: those that a good table has none of are a bit each, set if any row
counts; others lie two in a sum. A bit that is set says no more than that: the number is then
counted in the one job of the check (see survey), as a check that finds it has most likely failed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import Any, TypeAlias

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.errors import ContractError
from pipelines.quality.checks import single_checks, suite_name
from pipelines.quality.measures import (
    ROWS,
    Numbers,
    broken_name,
    nulls_name,
    plain_counts,
    plain_values,
)
from pipelines.spark.schema import struct_type
from schemas.contract import Check, TableSpec

_Conditions: TypeAlias = dict[str, Column]
# an expression of the contract can raise; a quantile keeps every distinct value of its column
_RIDES_NEVER = ("sql", "quantile")
_BITS, _PAIR = 63, 2  # bits of a word but for its sign; counts in a sum
_HALF = 32
# more rows than these would carry from one count of a pair into the other
MOST_ROWS = 2 ** (_HALF - 1) - 1
_ANY, _SUMS, _NOT_NULL = "any ", "sums ", "not_null("


def riding(spec: TableSpec, rows: DataFrame) -> dict[str, Column]:
    """Give what to count while ``rows`` are written, by name; ``read_riding`` reads it.

    Only what can't raise, since that would fail the write: of a column that is missing or of
    another type than declared nothing is counted here.

    Raises:
        ContractError: A check is incomplete, or its pattern is none that Java can read.
    """
    checks = single_checks(spec)
    declared = {field.name: field.dataType for field in struct_type(spec.columns).fields}
    good = {field.name for field in rows.schema if declared.get(field.name) == field.dataType}
    can_ride = [check for check in checks if {*check.columns} <= good]
    _check_patterns(can_ride, rows, suite_name(spec))
    known = [check for check in can_ride if check.rule != "distribution" or check.fractions]
    asked = [check for check in known if check.rule not in _RIDES_NEVER]
    counts = plain_counts(asked)
    for twin in [_twin(name) for name in counts if name.startswith(_NOT_NULL)]:
        counts.pop(twin, None)
    seldom = _seldom(spec, asked)
    bits = {name: holds for name, holds in counts.items() if name in seldom}
    pairs = {name: holds for name, holds in counts.items() if name not in seldom}
    words = {**dict(_bits(bits)), **dict(_pairs(pairs))}
    return {ROWS: F.count(F.lit(1)), **words, **plain_values(asked)}


def read_riding(found: Mapping[str, Any]) -> Numbers:
    """Give the numbers that Spark has found, less those of which it has found a sign only.

    Args:
        found: Values by the names that ``riding`` gave, as JSON holds them.
    """
    numbers: Numbers = {}
    is_small = 0 <= (found.get(ROWS) or 0) <= MOST_ROWS
    for name, value in found.items():
        if name.startswith(_ANY):
            shared = json.loads(name.removeprefix(_ANY))
            clear = [part for i, part in enumerate(shared) if not (value or 0) >> i & 1]
            numbers |= dict.fromkeys(clear, 0)
        elif not name.startswith(_SUMS):
            numbers[name] = float(value) if isinstance(value, str) else value
        elif is_small:
            for i, part in enumerate(json.loads(name.removeprefix(_SUMS))):
                numbers[part] = ((value or 0) >> _HALF * i) % 2**_HALF
    for name in [*numbers]:
        if name.startswith(_NOT_NULL):
            numbers[_twin(name)] = numbers[name]
    return numbers


def _seldom(spec: TableSpec, checks: Iterable[Check]) -> set[str]:
    """Names of counts that are 0 in a table that keeps its contract."""
    some = {broken_name(check) for check in checks if check.mostly < 1}
    none = {broken_name(check) for check in checks if check.mostly >= 1} - some
    return none | {nulls_name(column.name) for column in spec.columns if not column.is_nullable}


def _twin(name: str) -> str:
    """Name of the number that is the same as that of the rows which break ``not_null``."""
    return nulls_name(name.removeprefix(_NOT_NULL).removesuffix(")"))


def _bits(conditions: _Conditions) -> Iterator[tuple[str, Column]]:
    for names in _batched(conditions, _BITS):
        bits = [_bit(conditions[name], place) for place, name in enumerate(names)]
        yield _ANY + json.dumps(names), F.bit_or(reduce(Column.bitwiseOR, bits))


def _pairs(conditions: _Conditions) -> Iterator[tuple[str, Column]]:
    for names in _batched(conditions, _PAIR):
        halves = [_bit(conditions[name], _HALF * i) for i, name in enumerate(names)]
        # null where it overflows: of more rows than MOST_ROWS
        yield _SUMS + json.dumps(names), F.try_sum(reduce(Column.bitwiseOR, halves))


def _bit(condition: Column, place: int) -> Column:
    return F.when(condition, F.lit(1 << place).cast("long")).otherwise(F.lit(0).cast("long"))


def _batched(names: Iterable[str], size: int) -> Iterator[list[str]]:
    listed = list(names)
    for first in range(0, len(listed), size):
        yield listed[first : first + size]


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
