"""Checks as a Great Expectations suite.

What a person should know of a check (rule, severity, reason) travels in the expectation's ``meta``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import great_expectations.expectations as gx_expectations
from great_expectations import ExpectationSuite
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from pipelines.errors import ContractError
from pipelines.quality.checks import TRAITS
from pipelines.quality.distribution import ExpectColumnDistributionToMatch, buckets_of
from pipelines.quality.measures import GREATEST, LEAST
from pipelines.quality.wording import expected_text
from pipelines.spark.schema import struct_type
from schemas.contract import Check, Column

gxe: Any = gx_expectations  # its names are not declared as exported
_SEVERITIES = {
    "error": FailureSeverity.CRITICAL,
    "quarantine": FailureSeverity.CRITICAL,  # no such row may be left
    "warning": FailureSeverity.WARNING,
}


def build_suite(
    name: str, checks: Sequence[Check], columns: Sequence[Column], written_at: datetime
) -> ExpectationSuite:
    """Render the checks of one table; bounds that are relative must have been resolved.

    Raises:
        ContractError: Great Expectations has no such expectation, or refuses its arguments.
    """
    kinds = {column.name: column for column in columns}
    made = [_expectation(check, place, kinds, written_at) for place, check in enumerate(checks)]
    return ExpectationSuite(name=name, expectations=made)


def _expectation(
    check: Check, position: int, columns: Mapping[str, Column], written_at: datetime
) -> Expectation:
    meta: dict[str, Any] = {
        "position": position,
        "rule": check.rule,
        "columns": [] if check.rule == "columns" else list(check.columns),
        "expected": expected_text(check),
        # no row that breaks a rule of severity quarantine may be left
        "severity": "warning" if check.severity == "warning" else "error",
        "mostly": check.mostly,
        "reason": check.reason,
        "owner": check.owner,
    }
    arguments = _arguments(check, columns, written_at)
    if TRAITS[check.rule].is_of_rows:
        # rows that break a rule of severity quarantine have been set aside: none may be left
        arguments["mostly"] = 1.0 if check.severity == "quarantine" else check.mostly
    try:
        return _make(check)(
            **arguments, severity=_SEVERITIES[check.severity], meta=meta, notes=check.reason or None
        )
    except (AttributeError, ValueError) as error:
        raise ContractError(
            f"expected an expectation that Great Expectations can make; got {check}: {error}"
        ) from error


def _make(check: Check) -> Callable[..., Expectation]:
    if check.rule == "expectation":
        return getattr(gxe, check.expectation)
    if check.rule == "unique":
        is_one = len(check.columns) == 1
        return gxe.ExpectColumnValuesToBeUnique if is_one else gxe.ExpectCompoundColumnsToBeUnique
    return _CLASSES[check.rule]


def _arguments(check: Check, columns: Mapping[str, Column], written_at: datetime) -> dict[str, Any]:
    if check.rule == "types":
        kind = struct_type([columns[check.columns[0]]]).fields[0].dataType
        return _column(check) | {"type_": type(kind).__name__}
    if check.rule == "fresh":
        oldest = written_at.astimezone(UTC) - timedelta(hours=check.maximum or 0)
        return _column(check) | {"min_value": oldest.replace(tzinfo=None)}
    return _ARGUMENTS[check.rule](check)


def _column(check: Check) -> dict[str, Any]:
    return {"column": check.columns[0]}


def _between(check: Check) -> dict[str, Any]:
    """Bounds of a range; an open end is the greatest float, as ``measures`` counts."""
    minimum = LEAST if check.minimum is None else check.minimum
    maximum = GREATEST if check.maximum is None else check.maximum
    arguments = _column(check) | {"min_value": minimum, "max_value": maximum}
    if check.minimum is None or check.maximum is None:
        arguments["description"] = f"values are finite, {expected_text(check)}."
    return arguments


def _finite(check: Check) -> dict[str, Any]:
    return _column(check) | {
        "min_value": LEAST,
        "max_value": GREATEST,
        "description": f"values are finite: {expected_text(check)}.",
    }


def _unique(check: Check) -> dict[str, Any]:
    return _column(check) if len(check.columns) == 1 else {"column_list": list(check.columns)}


def _bounds(check: Check) -> dict[str, Any]:
    return {"min_value": check.minimum, "max_value": check.maximum}


def _whole_bounds(check: Check) -> dict[str, Any]:
    # inwards: a bound that is relative is seldom whole, and 6 is not at least 6.5
    least = None if check.minimum is None else math.ceil(check.minimum)
    greatest = None if check.maximum is None else math.floor(check.maximum)
    return {"min_value": least, "max_value": greatest}


def _quantile(check: Check) -> dict[str, Any]:
    bounds = [[check.minimum, check.maximum]]
    ranges = {"quantiles": [check.quantile], "value_ranges": bounds}
    return _column(check) | {"quantile_ranges": ranges}


def _at_most(check: Check) -> dict[str, Any]:
    less, greater = check.columns
    return {
        "column_A": greater,
        "column_B": less,
        "or_equal": True,
        "ignore_row_if": "either_value_is_missing",
        "description": f"{less} is at most {greater}, in rows that have both.",
    }


def _query(where: str, check: Check) -> dict[str, Any]:
    """A query of the rows that break a rule, in the table ``{batch}``."""
    said = where.replace("{", "{{").replace("}", "}}")
    return {
        "unexpected_rows_query": f"SELECT * FROM {{batch}} WHERE {said}",  # noqa: S608  the contract is code
        "description": f"{expected_text(check)}.",
    }


def _in_table(check: Check) -> dict[str, Any]:
    table, _, column = check.other.partition(".")
    return _query(f"{check.columns[0]} NOT IN (SELECT {column} FROM {table})", check)  # noqa: S608


def _increasing(check: Check) -> dict[str, Any]:
    value, order = check.columns
    # shown to people; what it counts is counted by groups of equal order
    return _query(f"{value} < max({value}) OVER (ORDER BY {order} ROWS BEFORE)", check)


_CLASSES: dict[str, Callable[..., Expectation]] = {
    "not_null": gxe.ExpectColumnValuesToNotBeNull,
    "between": gxe.ExpectColumnValuesToBeBetween,
    "finite": gxe.ExpectColumnValuesToBeBetween,
    "in_set": gxe.ExpectColumnValuesToBeInSet,
    "matches": gxe.ExpectColumnValuesToMatchRegex,
    "length": gxe.ExpectColumnValueLengthsToBeBetween,
    "at_most": gxe.ExpectColumnPairValuesAToBeGreaterThanB,
    "sql": gxe.UnexpectedRowsExpectation,
    "in_table": gxe.UnexpectedRowsExpectation,
    "increasing": gxe.UnexpectedRowsExpectation,
    "row_count": gxe.ExpectTableRowCountToBeBetween,
    "quarantined": gxe.ExpectTableRowCountToBeBetween,
    "no_gaps": gxe.ExpectTableRowCountToBeBetween,
    "distinct_count": gxe.ExpectColumnUniqueValueCountToBeBetween,
    "sum": gxe.ExpectColumnSumToBeBetween,
    "mean": gxe.ExpectColumnMeanToBeBetween,
    "quantile": gxe.ExpectColumnQuantileValuesToBeBetween,
    "fresh": gxe.ExpectColumnMaxToBeBetween,
    "distribution": ExpectColumnDistributionToMatch,
    "columns": gxe.ExpectTableColumnsToMatchOrderedList,
    "types": gxe.ExpectColumnValuesToBeOfType,
}
_ARGUMENTS: dict[str, Callable[[Check], dict[str, Any]]] = {
    "not_null": _column,
    "unique": _unique,
    "between": _between,
    "finite": _finite,
    "in_set": lambda check: _column(check) | {"value_set": list(check.values)},
    "matches": lambda check: _column(check) | {"regex": check.pattern},
    "length": lambda check: _column(check) | _whole_bounds(check),
    "at_most": _at_most,
    "sql": lambda check: _query(f"NOT ({check.sql})", check),
    "in_table": _in_table,
    "increasing": _increasing,
    "row_count": _whole_bounds,
    "no_gaps": lambda check: {
        "min_value": 0,
        "max_value": int(check.maximum or 0),
        "description": f"{expected_text(check)}.",
    },
    "quarantined": lambda check: _whole_bounds(check) | {"description": f"{expected_text(check)}."},
    "distinct_count": lambda check: _column(check) | _whole_bounds(check),
    "sum": lambda check: _column(check) | _bounds(check),
    "mean": lambda check: _column(check) | _bounds(check),
    "quantile": _quantile,
    "distribution": lambda check: (
        _column(check)
        | _bounds(check)
        | buckets_of(check)
        | {"description": f"{check.columns[0]}: {expected_text(check)}."}
    ),
    "columns": lambda check: {"column_list": list(check.columns)},
    "expectation": lambda check: (
        (_column(check) if len(check.columns) == 1 else {}) | dict(check.arguments)
    ),
}
