"""The numbers that are had while a table is written, at no Spark job.

Some are told by the statistics that Parquet keeps in each file, and cost nothing: rows, nulls, and
that no value lies out of its bounds. The others ride on the write (``DataFrame.observe``).
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

from pyspark.sql import DataFrame

from pipelines.errors import ContractError
from pipelines.quality.checks import single_checks, suite_name
from pipelines.quality.measures import ROWS, bounds, broken_name, nulls_name, plain_numbers
from pipelines.spark.number import Number, Statistics
from pipelines.spark.schema import struct_type
from schemas.contract import Check, TableSpec

_Tell: TypeAlias = Callable[[Statistics], int | None]
# an expression of the contract can raise; a quantile keeps every distinct value of its column
_RIDES_NEVER = ("sql", "quantile")


def riding(spec: TableSpec, rows: DataFrame) -> dict[str, Number]:
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
    plain = [check for check in known if check.rule not in _RIDES_NEVER]
    numbers = {name: Number(aggregate) for name, aggregate in plain_numbers(plain).items()}
    for name, columns, tell in _told(plain):
        if name in numbers:
            numbers[name] = replace(numbers[name], columns=columns, tell=tell)
    return numbers


def _told(checks: Iterable[Check]) -> Iterator[tuple[str, tuple[str, ...], _Tell]]:
    """Give the numbers that statistics of files may tell: name, columns and how."""
    yield ROWS, (), lambda statistics: statistics.num_rows
    for check in (replace(check, interval="") for check in checks):
        for name in check.columns:
            yield nulls_name(name), (name,), _tell_nulls(name)
        if check.rule == "not_null":
            yield broken_name(check), check.columns, _tell_nulls(check.columns[0])
        if check.rule in ("between", "finite"):
            yield broken_name(check), check.columns, _tell_outside(check)


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


def _tell_nulls(name: str) -> _Tell:
    return lambda statistics: statistics.nulls.get(name)


def _tell_outside(check: Check) -> _Tell:
    """None lies outside if the least and the greatest lie inside; else it is not told how many."""
    name, (minimum, maximum) = check.columns[0], bounds(check)

    def tell(statistics: Statistics) -> int | None:
        span = statistics.spans.get(name, (-math.inf, math.inf))
        return 0 if span is None or minimum <= span[0] <= span[1] <= maximum else None

    return tell
